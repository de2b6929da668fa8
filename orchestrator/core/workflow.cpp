// Linking a workflow: everything that follows from what its maker gave.
#include "orchestrator/core/workflow.hpp"

#include "base/assert.hpp"
#include "base/overloaded.hpp"

#include <algorithm>
#include <array>
#include <set>

namespace baton::orchestrator::core {
namespace {

const std::vector<StepIndex>& siblings_of(const Workflow& workflow, const Step& step) {
    return step.parent == no_step ? top_of(workflow, step.phase) : workflow.steps[step.parent].children;
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

// Which body each step belongs to, and where in it. A step's index is above its parent's.
void fill_bodies(Workflow& workflow) {
    workflow.bodies.assign(1, {});
    auto& top = workflow.bodies[root_body].top;
    for (const Phase phase : {Phase::main, Phase::on_error, Phase::at_end})
        top.insert(top.end(), top_of(workflow, phase).begin(), top_of(workflow, phase).end());
    for (StepIndex i = 0; i < workflow.steps.size(); ++i) {
        Step& step = workflow.steps[i];
        step.body = root_body;
        step.inner = root_body;
        if (step.parent != no_step) {
            const Step& parent = workflow.steps[step.parent];
            step.body = parent.repetition ? parent.inner : parent.body;
        }
        Body& body = workflow.bodies[step.body];
        step.slot = static_cast<std::uint32_t>(body.steps.size());
        body.steps.push_back(i);
        if (!step.repetition) continue;
        step.inner = static_cast<BodyIndex>(workflow.bodies.size());
        Body& inner = workflow.bodies.emplace_back();
        inner.owner = i;
        inner.steps = {i};
        inner.top = {i};
    }
}

// Every name that expressions of the workflow read, with the step that reads it (no_step: the workflow's
// output).
template <typename Visitor>
void for_each_reference(const Workflow& workflow, const Visitor& visitor) {
    StepIndex reader = no_step;
    const auto visit = [&](const expression::Reference& reference) { visitor(reference, reader); };
    const auto program = [&](const std::optional<expression::Program>& one) {
        if (!one) return;
        for (const expression::Reference& reference : one->references())
            visit(reference);
    };
    const auto values = [&](const std::optional<expression::Template>& one) {
        if (!one) return;
        for (const expression::TemplateReference& reference : one->references())
            visit(reference.reference);
    };
    const auto call = [&](const TaskCall& one) {
        values(one.with);
        program(one.idempotency_key);
    };
    values(workflow.output);
    for (reader = 0; reader < workflow.steps.size(); ++reader) {
        const Step& step = workflow.steps[reader];
        program(step.when);
        values(step.output);
        for (const CatchRule& rule : step.catches)
            values(rule.output);
        if (step.compensate) {
            call(step.compensate->call);
            program(step.compensate->when);
        }
        if (step.cache) program(step.cache->key);
        if (step.verify) {
            call(step.verify->call);
            program(step.verify->done);
            values(step.verify->output);
        }
        if (step.repetition)
            std::visit(Overloaded{[&](const ForEach& one) {
                                      program(one.items);
                                      program(one.parallel);
                                  },
                                  [&](const Loop& one) { program(one.condition); }},
                       *step.repetition);
        if (const auto* kind = std::get_if<TaskKind>(&step.kind)) call(kind->call);
        if (const auto* kind = std::get_if<SwitchKind>(&step.kind))
            for (const SwitchCase& one : kind->cases)
                program(one.when);
        if (const auto* kind = std::get_if<SetKind>(&step.kind)) values(kind->values);
        if (const auto* kind = std::get_if<WaitUntilKind>(&step.kind)) program(kind->time);
        if (const auto* kind = std::get_if<EndKind>(&step.kind)) values(kind->output);
        if (const auto* kind = std::get_if<FailKind>(&step.kind)) values(kind->detail);
        const auto approval = [&](const ApprovalKind& one) {
            values(one.title);
            values(one.by);
        };
        const auto event = [&](const EventKind& one) {
            for (const EventKind::Match& match : one.match)
                values(match.value);
        };
        if (const auto* kind = std::get_if<SignalKind>(&step.kind)) values(kind->name);
        if (const auto* kind = std::get_if<ApprovalKind>(&step.kind)) approval(*kind);
        if (const auto* kind = std::get_if<EventKind>(&step.kind)) event(*kind);
        if (const auto* kind = std::get_if<ReplyKind>(&step.kind)) values(kind->value);
        if (const auto* kind = std::get_if<EmitKind>(&step.kind)) {
            values(kind->type);
            values(kind->subject);
            values(kind->data);
        }
        if (const auto* kind = std::get_if<FirstOfKind>(&step.kind))
            for (const FirstOfKind::Way& way : kind->ways) {
                if (const auto* signal = std::get_if<SignalKind>(&way.wait)) values(signal->name);
                if (const auto* wait = std::get_if<WaitUntilKind>(&way.wait)) program(wait->time);
                if (const auto* one = std::get_if<EventKind>(&way.wait)) event(*one);
                if (const auto* one = std::get_if<ApprovalKind>(&way.wait)) approval(*one);
            }
    }
}

bool is_count(std::string_view name) {
    constexpr std::array counts = {std::string_view{"total"}, std::string_view{"succeeded"},
                                   std::string_view{"failed"}, std::string_view{"iterations"}};
    return std::find(counts.begin(), counts.end(), name) != counts.end();
}

// What the items of a for_each gave is kept only where somebody reads it. `people.total` does not;
// `people.results`, and `people` as a whole, do, and so does whatever is read through a block around.
void find_read_results(Workflow& workflow) {
    for_each_reference(workflow, [&](const expression::Reference& reference, StepIndex reader) {
        const auto found = workflow.by_id.find(reference.root);
        if (found == workflow.by_id.end()) return;
        StepIndex at = found->second;
        std::size_t depth = 0;
        while (!workflow.steps[at].repetition && depth < reference.path.size()) {
            const auto& children = workflow.steps[at].children;
            const auto child = std::find_if(children.begin(), children.end(), [&](StepIndex one) {
                return workflow.steps[one].id == reference.path[depth].name;
            });
            if (child == children.end()) break;
            at = *child;
            ++depth;
        }
        const std::string inside = workflow.steps[at].path + ".";
        // Inside a loop its name is what the last iteration gave, of whatever shape.
        const bool is_read_inside = reader != no_step && (reader == at || workflow.steps[reader].path.starts_with(inside));
        const bool names_a_count = workflow.steps[at].repetition && !is_read_inside && depth < reference.path.size() &&
                                   is_count(reference.path[depth].name);
        if (names_a_count) return;
        // The undo of an item reads what that item gave, which is kept with the item.
        const auto& repetition = workflow.steps[at].repetition;
        if (is_read_inside && repetition && std::holds_alternative<ForEach>(*repetition)) return;
        for (StepIndex i = at; i < workflow.steps.size(); ++i) {
            if (i != at && !workflow.steps[i].path.starts_with(inside)) break;
            workflow.steps[i].results_are_read = true;
        }
    });
}

void collect_routes(const Workflow& workflow, std::set<std::string>& routes) {
    for (const Step& step : workflow.steps) {
        if (const auto* kind = std::get_if<TaskKind>(&step.kind); kind != nullptr && !kind->call.is_workflow)
            routes.insert(route_of(kind->call));
        if (step.verify) routes.insert(route_of(step.verify->call));
        if (step.compensate && !step.compensate->call.is_workflow) routes.insert(route_of(step.compensate->call));
    }
}

void collect_shapes(Workflow& workflow) {
    std::map<std::pair<std::string, std::vector<std::string>>, Duration> kept;
    const auto add = [&kept](const EventKind& kind) {
        std::vector<std::string> paths;
        for (const EventKind::Match& match : kind.match)
            paths.push_back(match.path);
        Duration& keep = kept[{kind.type, std::move(paths)}];
        keep = std::max(keep, kind.keep);
    };
    for (const Step& step : workflow.steps) {
        if (const auto* kind = std::get_if<EventKind>(&step.kind)) add(*kind);
        if (const auto* kind = std::get_if<FirstOfKind>(&step.kind))
            for (const FirstOfKind::Way& way : kind->ways)
                if (const auto* event = std::get_if<EventKind>(&way.wait)) add(*event);
    }
    workflow.event_shapes.clear();
    for (const auto& [what, keep] : kept)
        workflow.event_shapes.push_back({what.first, what.second, keep});
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

std::string_view word_of(Schema::Type type) {
    switch (type) {
    case Schema::Type::any:
        return "any";
    case Schema::Type::string:
        return "string";
    case Schema::Type::integer:
        return "integer";
    case Schema::Type::number:
        return "number";
    case Schema::Type::boolean:
        return "boolean";
    case Schema::Type::array:
        return "array";
    case Schema::Type::object:
        return "object";
    }
    return "any";
}

std::string_view word_of(CronTrigger::Overlap overlap) {
    switch (overlap) {
    case CronTrigger::Overlap::skip:
        return "skip";
    case CronTrigger::Overlap::queue:
        return "queue";
    case CronTrigger::Overlap::cancel:
        return "cancel";
    case CronTrigger::Overlap::allow:
        return "allow";
    }
    return {};
}

bool is_tag_name(std::string_view name) {
    constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
    constexpr std::size_t bytes_max = 64;
    return !name.empty() && name.size() <= bytes_max && name.find_first_not_of(letters) == std::string_view::npos;
}

std::uint32_t Quota::at_most(std::uint32_t total) const {
    return is_percent ? static_cast<std::uint32_t>(std::uint64_t{total} * number / 100) : number;
}

std::uint32_t Quota::at_least(std::uint32_t total) const {
    return is_percent ? static_cast<std::uint32_t>((std::uint64_t{total} * number + 99) / 100) : number;
}

const std::vector<StepIndex>& top_of(const Workflow& workflow, Phase phase) {
    switch (phase) {
    case Phase::main:
        return workflow.top_level;
    case Phase::on_error:
        return workflow.top_on_error;
    case Phase::at_end:
        return workflow.top_at_end;
    }
    BATON_UNREACHABLE("a phase is one of three");
}

namespace {

std::vector<StepIndex>& siblings_to_be(Workflow& workflow, const Step& step) {
    if (step.parent != no_step) return workflow.steps[step.parent].children;
    if (step.phase == Phase::on_error) return workflow.top_on_error;
    return step.phase == Phase::at_end ? workflow.top_at_end : workflow.top_level;
}

} // namespace

void link(Workflow& workflow) {
    workflow.top_level.clear();
    workflow.top_on_error.clear();
    workflow.top_at_end.clear();
    workflow.by_path.clear();
    workflow.by_id.clear();
    for (Step& step : workflow.steps) {
        step.children.clear();
        step.senders.clear();
        step.followers.clear();
        step.targets.clear();
        step.results_are_read = false;
    }
    for (StepIndex i = 0; i < workflow.steps.size(); ++i) {
        Step& step = workflow.steps[i];
        BATON_ASSERT(step.parent == no_step || step.parent < i,
                     "a block comes before its children");
        if (step.parent != no_step) step.phase = workflow.steps[step.parent].phase;
        siblings_to_be(workflow, step).push_back(i);
        step.path =
            step.parent == no_step ? step.id : workflow.steps[step.parent].path + "." + step.id;
        workflow.by_path.emplace(step.path, i);
        workflow.by_id.emplace(step.id, i);
        for_each_target(step, [&](StepIndex target) {
            BATON_ASSERT(target < workflow.steps.size(), "a go points to a step");
            auto& senders = workflow.steps[target].senders;
            if (!senders.empty() && senders.back() == i) return;
            senders.push_back(i);
            step.targets.push_back(target);
        });
    }
    for (Step& step : workflow.steps)
        step.only_by_go = !step.senders.empty();
    for (StepIndex i = 0; i < workflow.steps.size(); ++i) {
        Step& step = workflow.steps[i];
        step.predecessors = step.after ? *step.after : implicit_predecessors(workflow, i);
    }
    for (StepIndex i = 0; i < workflow.steps.size(); ++i)
        for (const StepIndex before : workflow.steps[i].predecessors)
            workflow.steps[before].followers.push_back(i);
    fill_bodies(workflow);
    find_read_results(workflow);
    std::set<std::string> routes;
    collect_routes(workflow, routes);
    workflow.task_types.assign(routes.begin(), routes.end());
    collect_shapes(workflow);
    workflow.keeps_results =
        std::any_of(workflow.steps.begin(), workflow.steps.end(), [](const Step& step) { return step.cache.has_value(); });
    std::set<std::string> secrets;
    for_each_reference(workflow, [&](const expression::Reference& reference, StepIndex) {
        if (reference.root == "secret" && !reference.path.empty()) secrets.insert(reference.path.front().name);
    });
    workflow.secrets.assign(secrets.begin(), secrets.end());
}

const ApprovalKind* approval_of(const StepKind& kind) {
    if (const auto* alone = std::get_if<ApprovalKind>(&kind)) return alone;
    if (const auto* first = std::get_if<FirstOfKind>(&kind))
        for (const FirstOfKind::Way& way : first->ways)
            if (const auto* one = std::get_if<ApprovalKind>(&way.wait)) return one;
    return nullptr;
}

std::size_t rule_of(const TaskCall& call, std::string_view error_type) {
    const auto found = std::find_if(call.retry_rules.begin(), call.retry_rules.end(),
                                    [&](const RetryRule& rule) { return rule.error.matches(error_type); });
    return static_cast<std::size_t>(found - call.retry_rules.begin());
}

std::string route_of(const TaskCall& call) {
    if (call.is_workflow) return std::string{workflow_route} + call.task;
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
                          [](const SignalKind&) { return std::string_view{"signal"}; },
                          [](const EventKind&) { return std::string_view{"event"}; },
                          [](const ReplyKind&) { return std::string_view{"reply"}; },
                          [](const ApprovalKind&) { return std::string_view{"approval"}; },
                          [](const FirstOfKind&) { return std::string_view{"first_of"}; },
                          [](const EmitKind&) { return std::string_view{"emit"}; },
                      },
                      kind);
}

} // namespace baton::orchestrator::core
