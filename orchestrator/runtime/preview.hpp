// What an act of an operator would do to a run, without doing it: the run is read from the store,
// the act is decided on the copy as the engine would decide it, and the copy is thrown away. Undos
// that would follow are told, too, as they come when each of them succeeds. Nothing is written.
#pragma once

#include "base/clock.hpp"
#include "base/result.hpp"
#include "orchestrator/core/advance.hpp"
#include "orchestrator/core/workflow.hpp"
#include "orchestrator/runtime/run_store.hpp"

#include <optional>
#include <string>
#include <vector>

namespace baton::orchestrator::runtime {

// The run as it is now, from its document and the history since. Nothing: there is no such run. A
// failure that is `refused`: it cannot be read.
Outcome<std::optional<core::Run>> read_run(RunQueries& queries, const core::Workflow& workflow,
                                           const std::string& run_id);

// A task that would be handed out.
struct PreviewedTask {
    std::string step;
    bool undo = false;
    std::string task;
};

struct Preview {
    std::string refusal; // why it would be refused; empty: it would not
    RunStatus before = RunStatus::running;
    RunStatus after = RunStatus::running; // at once; undos and tasks change it further
    std::vector<core::Fact> facts;        // of the act itself
    std::vector<PreviewedTask> sends;     // at once, and the undos that follow one another
};
Preview preview(const core::Workflow& workflow, core::Run run, const core::Event& event, Time now,
                const core::Gate& gate);

} // namespace baton::orchestrator::runtime
