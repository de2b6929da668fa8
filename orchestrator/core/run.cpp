// New runs, where steps lie in them, and the words of their states.
#include "orchestrator/core/run.hpp"

#include <charconv>
#include <utility>

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

void count_failure(const TaskCall& call, std::string_view error_type, Attempts& attempts) {
    if (call.retry_rules.empty()) return;
    attempts.failures.resize(call.retry_rules.size() + 1);
    ++attempts.failures[rule_of(call, error_type)];
}

const StepState& state_of(const Workflow& workflow, const Run& run, Place place) {
    const Scope& scope = run.scope(place.scope);
    return scope.steps[workflow.bodies[scope.body].slot_of(workflow, place.step)];
}

bool is_repeated(const Workflow& workflow, const Run& run, Place place) {
    const Step& step = workflow.steps[place.step];
    return step.repetition && run.scope(place.scope).body != step.inner;
}

std::uint32_t open_steps_of(const Run& run, Phase phase) {
    const Scope& root = run.root();
    return phase == Phase::main ? root.open_top : root.open_closing[phase == Phase::on_error ? 0 : 1];
}

const Instances* instances_of(const Run& run, Place place) {
    const auto& all = run.scope(place.scope).repetitions;
    const auto found = all.find(place.step);
    return found == all.end() ? nullptr : &found->second;
}

Place block_of(const Workflow& workflow, const Run& run, Place place) {
    const Scope& scope = run.scope(place.scope);
    if (workflow.bodies[scope.body].owner == place.step) return {place.scope, no_step};
    return {place.scope, workflow.steps[place.step].parent};
}

Run new_run(const Workflow& workflow, std::string id) {
    Run run;
    run.id = std::move(id);
    run.scopes[root_scope].steps.resize(workflow.bodies[root_body].steps.size());
    derive(workflow, run);
    return run;
}

RunSize size_of(const Run& run) {
    return {run.text, run.memory};
}

std::string address_of(const Workflow& workflow, const Scope& scope, StepIndex step) {
    const StepIndex owner = workflow.bodies[scope.body].owner;
    if (owner == no_step) return workflow.steps[step].path;
    return scope.address + workflow.steps[step].path.substr(workflow.steps[owner].path.size());
}

std::string address_of(const Workflow& workflow, const Run& run, Place place) {
    return address_of(workflow, run.scope(place.scope), place.step);
}

std::optional<InstanceName> first_instance(std::string_view address) {
    const auto open = address.find('[');
    const auto close = address.find(']', open);
    if (open == std::string_view::npos || close == std::string_view::npos) return std::nullopt;
    InstanceName one{address.substr(0, open), 0, address.substr(close + 1)};
    const char* end = address.data() + close;
    const auto [stop, error] = std::from_chars(address.data() + open + 1, end, one.index);
    if (error != std::errc{} || stop != end) return std::nullopt;
    return one;
}

std::optional<Place> find_place(const Workflow& workflow, const Run& run, std::string_view address) {
    const Scope* scope = &run.root();
    std::string path; // without the numbers
    std::string_view rest = address;
    while (rest.find('[') != std::string_view::npos) {
        const auto instance = first_instance(rest);
        if (!instance) return std::nullopt;
        path += instance->before;
        const auto owner = workflow.by_path.find(path);
        if (owner == workflow.by_path.end() || !workflow.steps[owner->second].repetition ||
            workflow.steps[owner->second].body != scope->body)
            return std::nullopt;
        const auto repetition = scope->repetitions.find(owner->second);
        if (repetition == scope->repetitions.end()) return std::nullopt;
        const auto found = repetition->second.scopes.find(instance->index);
        if (found == repetition->second.scopes.end()) return std::nullopt;
        scope = &run.scope(found->second);
        rest = instance->behind;
        if (rest.empty()) return Place{scope->number, owner->second};
    }
    const auto found = path.empty() ? workflow.by_path.find(rest) : workflow.by_path.find(path.append(rest));
    if (found == workflow.by_path.end() || workflow.steps[found->second].body != scope->body)
        return std::nullopt;
    return Place{scope->number, found->second};
}

std::optional<StepIndex> find_step(const Workflow& workflow, std::string_view address) {
    std::string path;
    for (std::string_view rest = address; !rest.empty();) {
        const auto instance = first_instance(rest);
        path += instance ? instance->before : rest;
        rest = instance ? instance->behind : std::string_view{};
    }
    const auto found = workflow.by_path.find(path);
    return found == workflow.by_path.end() ? std::nullopt : std::optional{found->second};
}

} // namespace baton::orchestrator::core
