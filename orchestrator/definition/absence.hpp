// Steps that may have no result when another one reads them: passed over by their own `when`, not sent
// by a `go`, caught without an output, or failed in a run that goes on. An expression that reads such a
// result fails its step, unless it asks with has() or default().
#pragma once

#include "orchestrator/core/workflow.hpp"

#include <string>
#include <vector>

namespace baton::orchestrator::definition {

class Absence {
public:
    // `workflow` is linked and must outlive this.
    explicit Absence(const core::Workflow& workflow) : workflow_(workflow) {}

    // Why `read` may have no result while `reader` runs (no_step: the run's output is made); empty: it
    // has one, or `reader` does not run either. `of_instance`: what an instance of a repeated step
    // gave is read, not its counts.
    std::string why(core::StepIndex read, core::StepIndex reader, bool of_instance = false) const;

    // Why the iteration of a loop that has just ended well may have given nothing.
    std::string of_iteration(core::StepIndex loop) const;

    // Whether `reader` runs only where a failure of `failed` sent it, or one before it.
    bool follows_a_failure(core::StepIndex reader, core::StepIndex failed) const;

private:
    using Steps = std::vector<bool>;

    std::string why_of(core::StepIndex read, core::StepIndex reader, bool of_instance) const;
    bool is_inside(core::StepIndex step, core::StepIndex block) const;
    bool shares_condition(core::StepIndex read, core::StepIndex reader) const;
    // Steps that are skipped when nobody sends `step`, or that are blocked when it fails.
    Steps skipped_with(core::StepIndex step) const;
    Steps blocked_with(core::StepIndex step) const;

    const core::Workflow& workflow_;
};

} // namespace baton::orchestrator::definition
