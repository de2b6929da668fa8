// Linking a workflow: everything that follows from what its maker gave.
#include "orchestrator/core/workflow.hpp"

#include "base/assert.hpp"
#include "base/overloaded.hpp"

#include <algorithm>
#include <set>

namespace baton::orchestrator::core {
namespace {

const std::vector<StepIndex>& siblings_of(const Workflow& workflow, const Step& step) {
    return step.parent == no_step ? workflow.top_level : workflow.steps[step.parent].children;
}

// The places of a step that name others as targets.
template <typename Visitor>
void for_each_target(const Step& step, const Visitor& visit) {
    if (const auto* kind = std::get_if<SwitchKind>(&step.kind))
        for (const SwitchCase& one : kind->cases)
            for (const StepIndex target : one.go)
                visit(target);
    for (const CatchRule& rule : step.catches)
        for (const StepIndex target : rule.go)
            visit(target);
    if (step.on_timeout.then == OnTimeout::Then::go) visit(step.on_timeout.go);
}

std::vector<StepIndex> implicit_predecessors(const Workflow& workflow, StepIndex index) {
    const Step& step = workflow.steps[index];
    // Whoever is sent for needs no other permission.
    if (step.only_by_go) return {};
    if (step.parent != no_step &&
        std::holds_alternative<ParallelKind>(workflow.steps[step.parent].kind))
        return {};

    const auto& siblings = siblings_of(workflow, step);
    std::vector<StepIndex> found;
    auto at = std::find(siblings.begin(), siblings.end(), index);
    while (at != siblings.begin()) {
        --at;
        found.push_back(*at);
        if (!workflow.steps[*at].only_by_go) break;
    }
    std::reverse(found.begin(), found.end());
    return found;
}

void collect_routes(const Workflow& workflow, std::set<std::string>& routes) {
    for (const Step& step : workflow.steps) {
        if (const auto* kind = std::get_if<TaskKind>(&step.kind))
            routes.insert(route_of(kind->call));
        if (step.compensate) routes.insert(route_of(step.compensate->call));
    }
}

} // namespace

bool ErrorPattern::matches(std::string_view error_type) const {
    if (text == "*") return true;
    if (text.ends_with(".*")) {
        const std::string_view stem = std::string_view{text}.substr(0, text.size() - 2);
        return error_type == stem ||
               (error_type.starts_with(stem) && error_type.size() > stem.size() &&
                error_type[stem.size()] == '.');
    }
    if (text.ends_with('*'))
        return error_type.starts_with(std::string_view{text}.substr(0, text.size() - 1));
    return error_type == text;
}

bool is_tag_name(std::string_view name) {
    constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
    constexpr std::size_t bytes_max = 64;
    return !name.empty() && name.size() <= bytes_max && name.find_first_not_of(letters) == std::string_view::npos;
}

void link(Workflow& workflow) {
    workflow.top_level.clear();
    workflow.by_path.clear();
    workflow.by_id.clear();
    for (Step& step : workflow.steps) {
        step.children.clear();
        step.senders.clear();
    }
    for (StepIndex i = 0; i < workflow.steps.size(); ++i) {
        Step& step = workflow.steps[i];
        BATON_ASSERT(step.parent == no_step || step.parent < i,
                     "a block comes before its children");
        (step.parent == no_step ? workflow.top_level : workflow.steps[step.parent].children)
            .push_back(i);
        step.path =
            step.parent == no_step ? step.id : workflow.steps[step.parent].path + "." + step.id;
        workflow.by_path.emplace(step.path, i);
        workflow.by_id.emplace(step.id, i);
        for_each_target(step, [&](StepIndex target) {
            BATON_ASSERT(target < workflow.steps.size(), "a go points to a step");
            auto& senders = workflow.steps[target].senders;
            if (senders.empty() || senders.back() != i) senders.push_back(i);
        });
    }
    for (Step& step : workflow.steps)
        step.only_by_go = !step.senders.empty();
    for (StepIndex i = 0; i < workflow.steps.size(); ++i) {
        Step& step = workflow.steps[i];
        step.predecessors = step.after ? *step.after : implicit_predecessors(workflow, i);
    }
    std::set<std::string> routes;
    collect_routes(workflow, routes);
    workflow.task_types.assign(routes.begin(), routes.end());
}

std::string route_of(const TaskCall& call) {
    return call.queue.empty() ? call.task : call.task + "." + call.queue;
}

std::string_view word_of(const StepKind& kind) {
    return std::visit(Overloaded{
                          [](const TaskKind&) { return std::string_view{"task"}; },
                          [](const DoKind&) { return std::string_view{"do"}; },
                          [](const ParallelKind&) { return std::string_view{"parallel"}; },
                          [](const SwitchKind&) { return std::string_view{"switch"}; },
                          [](const SetKind&) { return std::string_view{"set"}; },
                          [](const WaitKind&) { return std::string_view{"wait"}; },
                          [](const WaitUntilKind&) { return std::string_view{"wait_until"}; },
                          [](const EndKind&) { return std::string_view{"end"}; },
                          [](const FailKind&) { return std::string_view{"fail"}; },
                      },
                      kind);
}

} // namespace baton::orchestrator::core
