// Steps that are repeated: for_each, while, until. The step as a whole knows how many instances there
// are and how they ended; each instance is a scope of its own, and closed, counted and gone before what
// it cost is felt.
#include "orchestrator/core/decide/decider.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace baton::orchestrator::core {
namespace {

std::string instance_address(const std::string& whole, std::uint32_t index) {
    return fmt::format("{}[{}]", whole, index);
}

Problem too_many_iterations(std::uint32_t max) {
    Problem problem;
    problem.type = iterations_type;
    problem.title = "too many iterations";
    problem.detail = fmt::format("max_iterations = {} is reached, and the condition of the loop still asks for more", max);
    problem.retryable = false;
    return problem;
}

// How many of the items may fail, and whether more did.
struct Allowed {
    std::uint32_t failures = 0;
    std::uint32_t needed = 0; // that must end well
    bool is_passed(const Instances& instances) const {
        return instances.failed > failures || instances.total < needed || instances.total - needed < instances.failed;
    }
};

Allowed allowed_by(const ForEach& each, std::uint32_t total) {
    Allowed allowed;
    if (each.enough) allowed.needed = each.enough->at_least(total);
    if (each.tolerate)
        allowed.failures = each.tolerate->at_most(total);
    else if (each.enough)
        allowed.failures = total - std::min(total, allowed.needed);
    return allowed;
}

Problem too_many_failures(const Instances& instances, const Allowed& allowed) {
    Problem problem;
    problem.type = failures_type;
    problem.title = "too many items failed";
    problem.detail = fmt::format("{} of {} items failed, and {} may", instances.failed, instances.total, allowed.failures);
    if (allowed.needed > 0)
        problem.detail = fmt::format("{} of {} items failed, and {} are needed", instances.failed, instances.total, allowed.needed);
    if (instances.total < allowed.needed)
        problem.detail = fmt::format("the list has {} items, and {} are needed", instances.total, allowed.needed);
    problem.retryable = false;
    return problem;
}

} // namespace

void Decider::begin_repetition(Place whole) {
    const std::string where = address(whole);
    const auto* each = std::get_if<ForEach>(&*step(whole).repetition);
    if (each == nullptr) return note(fact::StepStarted{where});
    const auto items = judge_.list(each->items, reading(whole), "for_each");
    if (!items) return give_up(whole, items.error(), "not_retryable", {});
    if (!fits(*items)) return give_up(whole, too_large(*items), "not_retryable", {});
    std::uint32_t parallel = 0;
    if (each->parallel) {
        const auto number = judge_.count(*each->parallel, reading(whole), "max_parallel", parallel_max);
        if (!number) return give_up(whole, number.error(), "not_retryable", {});
        parallel = *number;
    }
    note(fact::StepStarted{where});
    note(fact::ItemsListed{where, *items, parallel});
}

// Looked at when it begins and whenever one of its instances was counted.
void Decider::turn(Place whole) {
    const auto* each = std::get_if<ForEach>(&*step(whole).repetition);
    if (each == nullptr) return turn_loop(whole, std::get<Loop>(*step(whole).repetition));
    const Instances& instances = *instances_of(run(), whole);
    if (each->keeps_failures() && is_decided(whole, *each)) return;
    const std::string where = address(whole);
    const std::uint32_t parallel = instances.parallel != 0 ? instances.parallel : each->max_parallel;
    while (instances.open < parallel && instances.begun < instances.total)
        note(fact::ItemStarted{instance_address(where, instances.begun)});
    if (instances.open == 0) close_repetition(whole);
}

// Nothing that is still to come could change how the step ends.
bool Decider::is_decided(Place whole, const ForEach& each) {
    const Instances& instances = *instances_of(run(), whole);
    const Allowed allowed = allowed_by(each, instances.total);
    const bool stops_early = each.fail_fast.value_or(!goes_on_after_failure());
    const bool is_over = instances.open == 0 && instances.begun == instances.total;
    if (allowed.is_passed(instances) && (stops_early || is_over)) {
        const Problem problem = too_many_failures(instances, allowed);
        cancel_children(whole);
        give_up(whole, problem, "failed", {});
        return true;
    }
    if (!each.enough || instances.succeeded < allowed.needed) return false;
    cancel_children(whole);
    close_repetition(whole);
    return true;
}

void Decider::turn_loop(Place whole, const Loop& loop) {
    const Instances& instances = *instances_of(run(), whole);
    // The last iteration is over and its turn was not taken: an operator opened the loop again.
    if (instances.open > 0) {
        const Place last{instances.scopes.rbegin()->second, whole.step};
        if (is_closed(state(last).status)) close_iteration(last, loop);
        return;
    }
    if (instances.failed > 0) return close_repetition(whole);
    if (instances.begun == 0 && loop.test == Loop::Test::after) return begin_iteration(whole);
    // `until` was asked when the iteration was closed; it is asked for more, or the loop was stopped in its pause.
    if (loop.test == Loop::Test::after) return begin_iteration(whole);
    Reading names = reading(whole);
    names.index = instances.begun;
    const auto goes_on = judge_.holds(loop.condition, names, "while");
    if (!goes_on) return give_up(whole, goes_on.error(), "not_retryable", {});
    if (!*goes_on) return close_repetition(whole);
    if (instances.begun - instances.before_series >= loop.max_iterations)
        return give_up(whole, too_many_iterations(loop.max_iterations), "not_retryable", {});
    if (loop.every && instances.begun > 0) return note(fact::StepStarted{address(whole), now_ + *loop.every});
    begin_iteration(whole);
}

void Decider::begin_iteration(Place whole) {
    note(fact::ItemStarted{instance_address(address(whole), instances_of(run(), whole)->begun)});
}

void Decider::close_instance(Place instance) {
    if (run().scope(instance.scope).is_counted) return;
    // Its step may have been cancelled, or be dead, while this one was closed.
    const Place whole = whole_of(instance.scope);
    if (state(whole).status != StepStatus::running) return;
    if (const auto* loop = std::get_if<Loop>(&*step(whole).repetition)) return close_iteration(instance, *loop);
    note(fact::ItemClosed{address(instance)});
}

// The steps of an iteration are there as long as it is not counted: its `until` reads them.
void Decider::close_iteration(Place instance, const Loop& loop) {
    const Place whole = whole_of(instance.scope);
    const StepStatus end = state(instance).status;
    const bool is_good = end == StepStatus::done || end == StepStatus::skipped;
    if (loop.test == Loop::Test::before || !is_good) return note(fact::ItemClosed{address(instance)});
    const auto is_enough = judge_.holds(loop.condition, reading(instance), "until");
    if (!is_enough) return give_up(whole, is_enough.error(), "not_retryable", {});
    const Instances& instances = *instances_of(run(), whole);
    if (!*is_enough && instances.begun - instances.before_series >= loop.max_iterations)
        return give_up(whole, too_many_iterations(loop.max_iterations), "not_retryable", {});
    note(fact::ItemClosed{address(instance)});
    if (*is_enough) return close_repetition(whole);
    if (loop.every) return note(fact::StepStarted{address(whole), now_ + *loop.every});
    begin_iteration(whole);
}

void Decider::close_repetition(Place whole) {
    const Instances& instances = *instances_of(run(), whole);
    const auto* each = std::get_if<ForEach>(&*step(whole).repetition);
    const bool may_have_failures = each != nullptr && each->keeps_failures(); // they were counted
    if (instances.failed > 0 && !may_have_failures) {
        // Only with on_failure = "continue": the instance has its dead letter already.
        Document error;
        for (const auto& [index, scope] : instances.scopes) {
            const StepState& one = state({scope, whole.step});
            if (one.status != StepStatus::dead && one.status != StepStatus::blocked) continue;
            error = one.error;
            break;
        }
        return note(fact::StepDead{address(whole), false, 0, {}, std::move(error), "child"});
    }
    Document output = repetition_output(workflow_, run(), whole);
    if (!fits(output)) return give_up(whole, too_large(output), "not_retryable", {});
    close_as_done(whole, std::move(output));
}

} // namespace baton::orchestrator::core
