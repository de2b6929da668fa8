// New runs and the words of their states.
#include "orchestrator/core/run.hpp"

namespace baton::orchestrator::core {

std::string_view word_of(StepStatus status) {
    switch (status) {
    case StepStatus::waiting:
        return "waiting";
    case StepStatus::dispatched:
        return "dispatched";
    case StepStatus::backing_off:
        return "backing_off";
    case StepStatus::running:
        return "running";
    case StepStatus::sleeping:
        return "sleeping";
    case StepStatus::done:
        return "done";
    case StepStatus::dead:
        return "dead";
    case StepStatus::cancelled:
        return "cancelled";
    case StepStatus::skipped:
        return "skipped";
    case StepStatus::blocked:
        return "blocked";
    }
    return "unknown";
}

std::string_view word_of(UndoStatus status) {
    switch (status) {
    case UndoStatus::none:
        return "none";
    case UndoStatus::dispatched:
        return "dispatched";
    case UndoStatus::backing_off:
        return "backing_off";
    case UndoStatus::done:
        return "done";
    case UndoStatus::dead:
        return "dead";
    case UndoStatus::skipped:
        return "skipped";
    }
    return "unknown";
}

Run new_run(const Workflow& workflow, std::string id) {
    Run run;
    run.id = std::move(id);
    run.steps.resize(workflow.steps.size());
    return run;
}

} // namespace baton::orchestrator::core
