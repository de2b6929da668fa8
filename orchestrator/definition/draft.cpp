// Which step of a draft stands inside which.
#include "orchestrator/definition/draft.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::orchestrator::definition {

using core::no_step;
using core::StepIndex;

std::string name_of(const DraftStep& step) {
    return step.step.id.empty() ? "this step" : fmt::format("'{}'", step.step.id);
}

const ResultFields* known_fields(const Draft& draft, const core::Step& step) {
    const auto* task = std::get_if<core::TaskKind>(&step.kind);
    if (draft.results == nullptr || task == nullptr || task->call.is_workflow || step.output) return nullptr;
    const auto gives = [](const core::CatchRule& rule) { return rule.then == core::CatchRule::Then::output; };
    if (std::ranges::any_of(step.catches, gives)) return nullptr;
    const std::string& queue = task->call.queue;
    const auto found = draft.results->find(queue.empty() ? task->call.task : task->call.task + "." + queue);
    return found == draft.results->end() ? nullptr : &found->second;
}

StepIndex instance_around(const Draft& draft, StepIndex step, Scope scope) {
    // A step as a whole is no part of its own instances.
    if (step != no_step && scope == Scope::whole) step = draft.steps[step].parent;
    while (step != no_step && draft.steps[step].repeats == Repeats::no)
        step = draft.steps[step].parent;
    return step;
}

StepIndex border_between(const Draft& draft, StepIndex step, StepIndex other) {
    StepIndex border = no_step;
    for (StepIndex at = draft.steps[step].parent; at != no_step; at = draft.steps[at].parent)
        if (draft.steps[at].repeats != Repeats::no && at != other && !is_around(draft, at, other))
            border = at;
    return border;
}

bool is_around(const Draft& draft, StepIndex block, StepIndex step) {
    if (step == no_step) return false;
    for (StepIndex at = draft.steps[step].parent; at != no_step; at = draft.steps[at].parent)
        if (at == block) return true;
    return false;
}

} // namespace baton::orchestrator::definition
