// Attempts: handed out, reported, failed, lost, late.
#include "orchestrator/core/decide/decider.hpp"
#include "orchestrator/core/decide/retry.hpp"
#include "orchestrator/core/fingerprint.hpp"

#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace baton::orchestrator::core {
namespace {
// A frame of 128 KiB holds all headers of a message.
constexpr std::size_t progress_sent_max = 16 * 1024;

Problem too_deep() {
    Problem problem;
    problem.type = depth_type;
    problem.title = "too many runs inside one another";
    problem.detail = fmt::format("a run may be {} deep: does the workflow call itself without end?", depth_max);
    problem.retryable = false;
    return problem;
}

// What lay with nobody until its message or its worker said that it is too late.
bool is_untried(const Attempts& out, const Problem& problem) {
    return problem.type == expired_type && !out.started_at && !out.deferred;
}

// The step's own bound on waiting has passed: another try would make it none. Without one, or long before it, it
// was a bound of the queue's, or a clock that is wrong, and waiting is not failing.
bool is_over(const TaskCall& called, const Attempts& out, Time now) {
    // A broker counts whole milliseconds, and other machines' clocks are a little off.
    constexpr Duration tolerance = std::chrono::seconds(1);
    const auto bound = silence_of(called, out);
    return bound && bound->due <= now + tolerance;
}
} // namespace

std::optional<Decider::Found> Decider::find(const AttemptRef& ref) const {
    const auto place = find_place(workflow_, run(), ref.step);
    if (!place || is_whole(*place)) return std::nullopt;
    if (ref.undo ? !step(*place).compensate : !std::holds_alternative<TaskKind>(step(*place).kind))
        return std::nullopt;

    const StepState& one = state(*place);
    const Attempts& last = attempts(*place, ref.undo);
    if (ref.attempt <= last.floor || ref.attempt > last.number) return std::nullopt;
    const bool is_last = ref.attempt == last.number;
    const bool is_out =
        ref.undo ? one.undo == UndoStatus::dispatched : one.status == StepStatus::dispatched;
    // Done by a rule that caught its failure, a step waits for no result, and has accepted none.
    const bool is_done =
        ref.undo ? one.undo == UndoStatus::done : one.status == StepStatus::done && one.error.is_null();
    return Found{*place, is_last && is_out, is_last && is_done};
}

void Decider::on(const TaskCompleted& event) {
    const auto found = find(event.ref);
    if (!found || found->is_accepted) {
        made_.ignored = true;
        return;
    }
    if (!found->is_current) {
        // Nobody waits for it any more, but it took effect somewhere: an operator may need it.
        note(fact::LateResult{event.ref, event.result});
        if (!event.ref.undo && !was_look(state(found->place), event.ref)) take_late_effect(found->place, event);
        return;
    }
    if (event.ref.undo)
        note(fact::TaskCompleted{attempt(found->place, true), attempts(found->place, true).worker});
    else if (asks(found->place))
        take_look(found->place, event.result);
    else
        complete(found->place, event.result, true);
    go_on();
}

// The attempt was given up (the loser of a race, one whose time was up), and yet its worker did it: if
// the run is undone, so is this, also when it comes after the end of the run.
void Decider::take_late_effect(Place place, const TaskCompleted& event) {
    const UndoStatus undo = state(place).undo;
    if (state(place).happened || !step(place).compensate) return;
    Document effect = event.result;
    if (step(place).output) {
        Reading with_result = reading(place);
        with_result.result = &event.result;
        if (const auto shaped = judge_.fill(*step(place).output, with_result, "output")) effect = *shaped;
    }
    keep_effect(place, effect);
    if (undo != UndoStatus::none && undo != UndoStatus::skipped) return;
    if (was_undone()) reopen_undo();
    if (run().status == RunStatus::compensating) go_on();
}

void Decider::on(const TaskFailed& event) {
    attempt_failed(event.ref, event.problem, {},
                   event.problem.is_attempt ? Counting::attempt : Counting::no_attempt);
}

void Decider::on(const TaskLost& event) {
    // What had no queue nobody could begin.
    attempt_failed(event.ref, event.problem, event.message,
                   event.problem.type == unrouted_type ? Counting::no_attempt : Counting::attempt);
}

void Decider::attempt_failed(const AttemptRef& ref, const Problem& problem, const Document& message,
                             Counting counting) {
    const auto found = find(ref);
    if (!found || !found->is_current) {
        made_.ignored = true;
        return;
    }
    fail_attempt(found->place, ref.undo, fitting(problem), message, counting);
    go_on();
}

// What was no attempt stands in the history under its number, and is none of the series.
void Decider::fail_attempt(Place place, bool undo, const Problem& problem, const Document& message,
                           Counting counting) {
    if (asks(place, undo)) return look_failed(place, problem, message, counting);
    const TaskCall& called = call(place, undo);
    Attempts counted = attempts(place, undo);
    const bool is_expired = is_untried(counted, problem) && is_over(called, counted, now_);
    if (is_untried(counted, problem)) counting = Counting::no_attempt;
    if (counting == Counting::no_attempt)
        ++counted.before_series;
    else
        count_failure(called, problem.type, counted);
    // The run is being undone; nobody needs this step any more.
    const bool draining = !undo && status_beneath(run()) == RunStatus::compensating;
    const bool is_asked = !undo && is_outcome_unknown(place, problem, counting);
    std::optional<Time> next;
    if (is_asked)
        next = now_;
    else if (!draining && !is_expired)
        next = next_attempt(called, counted, problem,
                            jitter_seed(run().id, place.scope, place.step, counted.number), now_);
    note(fact::TaskFailed{attempt(place, undo), counted.worker, to_document(problem), next,
                          counting == Counting::no_attempt, is_asked});

    if (is_asked) {
        look_at_effect(place);
    } else if (draining) {
        note(fact::StepCancelled{address(place)});
    } else if (next) {
        return;
    } else if (undo) {
        undo_dies(place, problem, message);
    } else {
        const bool patient = is_retryable(policy_for(called, counted, problem.type).policy, problem);
        give_up(place, problem, is_expired ? "expired" : patient ? "exhausted" : "not_retryable", message);
    }
}

void Decider::on(const TaskStarted& event) {
    const auto found = find(event.ref);
    made_.ignored = !found || !found->is_current;
    if (made_.ignored) return;
    const bool is_news = !attempts(found->place, event.ref.undo).started_at;
    recorder_.see({found->place, event.ref.undo, event.worker, {}});
    // The broker does not guard a task that was acked at its start; so it must survive a restart
    // of ours that somebody works on it.
    if (is_news && call(found->place, event.ref.undo).timeouts.heartbeat)
        note_start(found->place, event.ref.undo);
}

void Decider::note_start(Place place, bool undo) {
    const Attempts& begun = attempts(place, undo);
    fact::TaskStarted started{attempt(place, undo), begun.worker};
    if (begun.started_at && *begun.started_at != now_) started.since = begun.started_at;
    note(std::move(started));
}

void Decider::on(const TaskHeartbeat& event) {
    const auto found = find(event.ref);
    made_.ignored = !found || !found->is_current;
    if (made_.ignored) return;
    Sighting sighting{found->place, event.ref.undo};
    // One that only says "alive" takes nothing back.
    const bool says_something = !event.progress.is_null() && event.progress.text() != "{}";
    if (says_something && !asks(found->place, event.ref.undo) && fits(event.progress)) sighting.progress = event.progress;
    recorder_.see(sighting);
}

void Decider::on(const TaskDeferred& event) {
    const auto found = find(event.ref);
    made_.ignored = !found || !found->is_current;
    if (made_.ignored) return;
    note(fact::TaskDeferred{event.ref, event.until});
}

void Decider::on(const QueueLost& event) {
    const auto is_lost = [&](Place place, bool undo) {
        const Attempts& out = attempts(place, undo);
        return !out.started_at && !out.deferred &&
               std::binary_search(event.routes.begin(), event.routes.end(),
                                  route_of(call(place, undo))) &&
               std::find(event.unsent.begin(), event.unsent.end(), attempt(place, undo)) == event.unsent.end();
    };
    const bool draining = status_beneath(run()) == RunStatus::compensating;
    Problem nobody_has_it;
    nobody_has_it.type = unrouted_type;
    nobody_has_it.detail = "its queue was deleted before a worker began";
    for (const Place place : std::set(run().begun)) {
        if (state(place).status != StepStatus::dispatched || !is_lost(place, false)) continue;
        if (draining)
            fail_attempt(place, false, nobody_has_it, {}); // nobody needs it any more
        else
            dispatch(place, false, Sending::again);
    }
    for (const Place place : std::set(run().undoing))
        if (state(place).undo == UndoStatus::dispatched && is_lost(place, true))
            dispatch(place, true, Sending::again);
    made_.ignored = !recorder_.has_noted();
    if (!made_.ignored) go_on();
}

// What is held is told once, and stays until it is released.
bool Decider::holds_back(Place place, bool undo) {
    const TaskCall& called = call(place, undo);
    const std::string route = route_of(called);
    std::string reason = gate_.why_held(called, route);
    if (reason.empty()) return false;
    const bool backs_off = undo ? state(place).undo == UndoStatus::backing_off : state(place).status == StepStatus::backing_off;
    if (!backs_off || !attempts(place, undo).held) note(fact::TaskHeld{address(place), undo, route, std::move(reason)});
    return true;
}

void Decider::on(const TasksReleased& event) {
    const auto is_meant = [&](Place place, bool undo) {
        return attempts(place, undo).held &&
               (event.routes.empty() ||
                std::binary_search(event.routes.begin(), event.routes.end(), route_of(call(place, undo))));
    };
    for (const Place place : std::set(run().begun))
        if (state(place).status == StepStatus::backing_off && is_meant(place, false)) release(place, false);
    for (const Place place : std::set(run().undoing))
        if (state(place).undo == UndoStatus::backing_off && is_meant(place, true)) release(place, true);
    made_.ignored = !recorder_.has_noted();
    if (!made_.ignored) go_on();
}

// In a pause of the run, or where too much would begin at once, it has its turn later.
void Decider::release(Place place, bool undo) {
    const bool goes_on = run().status == (undo ? RunStatus::compensating : RunStatus::running);
    if (!goes_on || given_ > limits_.text_bytes / 2) return note(fact::TaskReleased{address(place), undo});
    dispatch(place, undo);
}

void Decider::dispatch(Place place, bool undo, Sending sending) {
    const TaskCall& called = call(place, undo);
    if (sending == Sending::anew && holds_back(place, undo)) return;
    TaskOrder order;
    order.is_look = asks(place, undo);
    // A look that says nothing itself is given what the attempt was given.
    const TaskCall& given = order.is_look && !called.with ? call_of(step(place), undo) : called;
    order.with = Document::of(boost::json::object{});
    const Document& edited = undo ? state(place).undo_input : state(place).input;
    if (&given == &call_of(step(place), undo) && !edited.is_null()) {
        order.with = edited;
        // Its secrets stay where they were, as far as the places are there.
        if (given.with)
            if (auto secrets = places_of_secrets(*given.with, edited, "with")) order.secrets = std::move(*secrets);
    } else if (given.with) {
        const auto filled = judge_.fill_table(*given.with, reading_of(place, undo), "with");
        if (!filled) {
            if (undo) return undo_dies(place, filled.error(), {});
            return give_up(place, filled.error(), "not_retryable", {});
        }
        order.with = *filled;
        auto secrets = places_of_secrets(*given.with, *filled, "with");
        if (!secrets) {
            if (undo) return undo_dies(place, secrets.error(), {});
            return give_up(place, secrets.error(), "not_retryable", {});
        }
        order.secrets = std::move(*secrets);
    }
    const std::string where = address(place);
    order.idempotency_key = fmt::format("{}/{}{}", run().id, where, undo ? ":undo" : order.is_look ? ":verify" : "");
    if (called.idempotency_key) {
        auto own = judge_.text(*called.idempotency_key, reading_of(place, undo), "idempotency_key");
        if (!own) {
            if (undo) return undo_dies(place, own.error(), {});
            return give_up(place, own.error(), "not_retryable", {});
        }
        order.idempotency_key = std::move(*own);
    }
    // What was done before stays done: whoever keeps keys must not take this for that.
    if (const auto rerun = rerun_of(place); rerun != 0) order.idempotency_key += fmt::format(":rerun{}", rerun);
    // Undos go one by one, and must go.
    given_ += order.with.text().size();
    if (!undo && !order.is_look && sending == Sending::anew && given_ > limits_.text_bytes)
        return give_up(place, too_much_given(), "not_retryable", {});

    const Attempts& last = attempts(place, undo);
    const bool is_anew = sending == Sending::anew;
    const std::uint32_t number = last.number + (is_anew ? 1 : 0);
    const Time dispatched_at = is_anew ? now_ : last.dispatched_at;
    const Time series_at = is_anew && last.series_at == Time{} ? now_ : last.series_at;
    order.attempt_of_series = order.is_look ? state(place).look_failures + 1 : number - last.before_series;
    order.max_attempts = attempts_at_most(called);
    order.route = route_of(called);
    order.trace = run().trace;
    order.priority = called.priority;
    order.heartbeat = called.timeouts.heartbeat;
    if (called.timeouts.schedule_to_start)
        order.start_by = dispatched_at + *called.timeouts.schedule_to_start;
    // A moment fixed now would fail a backlog untried; only schedule_to_close knows one.
    if (called.timeouts.schedule_to_close)
        order.deadline = series_at + *called.timeouts.schedule_to_close;
    order.timeout = called.timeouts.start_to_close;
    if (called.is_workflow) {
        order.depth = (run().parent ? run().parent->depth : 0) + 1;
        if (run().parent) order.root = root_of(*run().parent);
        order.is_detached = called.is_detached;
        order.child_run = child_run_id(run().id, {where, undo, number});
        if (order.depth > depth_max) {
            const Problem problem = too_deep();
            return undo ? undo_dies(place, problem, {}) : give_up(place, problem, "not_retryable", {});
        }
    }
    // It travels in a header.
    if (!order.is_look && last.progress.text().size() <= progress_sent_max) order.progress = last.progress;
    note(fact::TaskDispatched{{where, undo, number}, std::move(order)});
}

// Evaluating again gives what the worker got: nothing it reads has changed.
Document Decider::input_of(Place place, bool undo) const {
    const TaskCall& called = call(place, undo);
    if (const Document& edited = undo ? state(place).undo_input : state(place).input; !edited.is_null()) return edited;
    if (!called.with) return Document::of(boost::json::object{});
    const auto with = judge_.fill(*called.with, reading_of(place, undo), "with");
    return with ? *with : Document{};
}

} // namespace baton::orchestrator::core
