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

RunSize size_of(const Run& run) {
    RunSize size;
    size.memory = sizeof run + run.steps.capacity() * sizeof(StepState);
    const auto add = [&size](const Document& document) {
        if (document.is_null()) return;
        size.text += document.text().size();
        size.memory += document.memory();
    };
    for (const Document* one : {&run.input, &run.output, &run.error, &run.cause})
        add(*one);
    for (const StepState& step : run.steps)
        for (const Document* one :
             {&step.output, &step.effect, &step.undo_input, &step.error, &step.undo_error,
              &step.attempts.progress, &step.undo_attempts.progress})
            add(*one);
    return size;
}

} // namespace baton::orchestrator::core
