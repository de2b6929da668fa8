// No more attempts: somebody catches it, or the step is dead and the run's policy speaks.
#include "orchestrator/core/decide/decider.hpp"
#include "orchestrator/core/decide/retry.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace baton::orchestrator::core {

Decider::Catch Decider::catch_at(Place place, const Problem& problem) const {
    const auto& rules = step(place).catches;
    const auto rule = std::find_if(rules.begin(), rules.end(), [&](const CatchRule& one) {
        return one.error.matches(problem.type);
    });
    Catch found;
    if (rule == rules.end() || is_whole(place)) return found; // an instance's rules are not its step's
    found.is_found = true;
    if (rule->then == CatchRule::Then::go) found.go = rule->go;
    if (rule->then != CatchRule::Then::output) return found;
    const Document error = to_document(problem);
    Reading with_error = reading(place);
    with_error.error = &error;
    const auto filled = judge_.fill(*rule->output, with_error, "catch");
    if (!filled) {
        found.broken = filled.error();
        found.broken->detail += fmt::format(" (while catching {})", problem.type);
    } else if (!fits(*filled)) {
        found.broken = too_large(*filled);
    } else {
        found.output = *filled;
    }
    return found;
}

Decider::Catch Decider::time_out_at(Place place, const Problem& problem) const {
    Catch found;
    if (is_whole(place) || (problem.type != timeout_type && problem.type != expired_type)) return found;
    const OnTimeout& rule = step(place).on_timeout;
    found.is_found = rule.then != OnTimeout::Then::fail;
    if (rule.then == OnTimeout::Then::go) found.go = {rule.go};
    return found;
}

void Decider::give_up(Place place, const Problem& problem, std::string_view reason, const Document& message) {
    Document error = to_document(problem);
    // The run is being undone; nobody needs this step any more, nor those around it.
    if (status_beneath(run()) == RunStatus::compensating)
        return note(fact::StepCancelled{address(place), std::move(error)});
    for (Place at = place; at.step != no_step; at = around(at)) {
        const bool is_own = at == place;
        Catch rule = catch_at(at, problem);
        if (!rule.is_found && is_own) rule = time_out_at(at, problem);
        const bool is_last = keeps_failures(at); // whoever is around it hears of the step as a whole
        if (!rule.is_found && is_last) break;
        if (!rule.is_found) continue;
        if (rule.broken) {
            error = to_document(*rule.broken);
            if (is_own && !is_last) continue;
            break;
        }
        if (!is_own) {
            // The block ends with this error: its other children are not needed any more.
            note(fact::StepCancelled{address(place), error});
            cancel_children(at);
        }
        note(fact::ErrorCaught{address(at), to_document(problem)});
        close_as_done(at, std::move(rule.output));
        send(at.scope, rule.go);
        return;
    }
    die(place, problem, error, reason, message);
}

void Decider::die(Place place, const Problem& problem, const Document& error, std::string_view reason,
                  const Document& message) {
    const bool is_task = std::holds_alternative<TaskKind>(step(place).kind) && !is_whole(place);
    fact::StepDead dead{address(place), false, is_task ? state(place).attempts.number : 0, {}, error, std::string{reason}};
    if (is_task) {
        dead.task = route_of(call(place, false));
        DeadTask& letter = made_.dead.emplace_back();
        letter.ref = attempt(place, false);
        letter.reason = reason;
        letter.task = dead.task;
        letter.attempts = state(place).attempts.of_series();
        letter.error_type = problem.type;
        letter.error = error;
        letter.message = message;
        letter.input = input_of(place, false);
    }
    note(std::move(dead));
    fail_around(place, problem);
}

// Whether the place is an instance whose failure is its own.
bool Decider::keeps_failures(Place instance) const {
    if (instance.step == no_step || !is_instance(instance)) return false;
    const auto* each = std::get_if<ForEach>(&*step(instance).repetition);
    return each != nullptr && each->keeps_failures();
}

// The innermost of those around the place.
std::optional<Place> Decider::keeper_of(Place place) const {
    for (Place at = place; at.scope != root_scope; at = whole_of(at.scope))
        if (const Place instance{at.scope, whole_of(at.scope).step}; keeps_failures(instance)) return instance;
    return std::nullopt;
}

// An item that may fail without its step fails as a run would.
void Decider::fail_around(Place place, const Problem& problem) {
    const auto item = keeper_of(place);
    if (!item) return fail_run(place, problem);
    if (*item == place || goes_on_after_failure() || is_closed(state(*item).status)) return;
    const Document error = state(place).error;
    cancel_children(*item);
    note(fact::StepDead{address(*item), false, 0, {}, error, "child"});
}

// The older undos still have their turn; compensate_next() ends the run when none is left.
void Decider::undo_dies(Place place, const Problem& problem, const Document& message) {
    const std::string task = route_of(call(place, true));
    const Document error = to_document(problem);
    DeadTask& letter = made_.dead.emplace_back();
    letter.ref = attempt(place, true);
    letter.reason = "compensation";
    letter.task = task;
    letter.attempts = state(place).undo_attempts.of_series();
    letter.error_type = problem.type;
    letter.error = error;
    letter.message = message;
    letter.input = input_of(place, true);
    note(fact::StepDead{address(place), true, letter.ref.attempt, task, error, "compensation"});
}

} // namespace baton::orchestrator::core
