// What follows from the order of the steps: that it has no cycles and leaves nothing out, and for
// every step which others are finished when it begins.
#pragma once

#include "orchestrator/definition/complaints.hpp"
#include "orchestrator/definition/draft.hpp"

#include <vector>

namespace baton::orchestrator::definition {

class Flow {
public:
    // Complains about cycles and steps that never run. `draft` is connected (names.hpp) and must
    // outlive the Flow; steps in a cycle are marked place_is_unknown.
    Flow(Draft& draft, Complaints& complaints);

    // `earlier` is finished (done, skipped, or failed where the join says so) when `step` begins.
    bool is_finished_before(core::StepIndex earlier, core::StepIndex step) const;

    // False when mistakes leave open what comes before `step`; then nothing can be said about it.
    bool is_known(core::StepIndex step) const { return !unknown_[step]; }

private:
    using Bits = std::vector<std::uint64_t>; // one bit for each step
    enum class Visit : std::uint8_t { none, open, closed };

    void find_cycles(Complaints& complaints);
    void complain_about_cycle(const std::vector<core::StepIndex>& members, Complaints& complaints);
    void find_never_running(Complaints& complaints);
    void gather_before(core::StepIndex step);
    void inherit(core::StepIndex step, core::StepIndex from);
    void add_before(core::StepIndex step, core::StepIndex earlier);

    Draft& draft_;
    const core::Workflow& workflow_;
    std::vector<Bits> before_;
    std::vector<Visit> visits_;
    std::vector<bool> unknown_;
};

} // namespace baton::orchestrator::definition
