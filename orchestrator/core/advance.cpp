// The events of a run, each in the order: is it about something current, what does it change, go
// on.
#include "orchestrator/core/advance.hpp"

#include "orchestrator/core/advancing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace baton::orchestrator::core {

Transition advance(const Workflow& workflow, Run& run, const Event& event, Time now,
                   const RunLimits& limits) {
    Advancing advancing(workflow, run, now, limits);
    std::visit([&](const auto& one) { advancing.on(one); }, event);
    return advancing.take();
}

void Advancing::on(const RunStarted& event) {
    if (run_.status != RunStatus::queued) {
        made_.ignored = true; // started already; the start came twice
        return;
    }
    run_.input = event.input;
    run_.started_at = now_;
    run_.status = RunStatus::running;
    set_deadline();
    note(FactKind::run_started);
    note(FactKind::run_status).status = RunStatus::running;
    go_on();
}

std::optional<Advancing::Found> Advancing::find(const AttemptRef& ref) {
    const auto found = workflow_.by_path.find(ref.step);
    if (found == workflow_.by_path.end()) return std::nullopt;
    const StepIndex index = found->second;
    if (ref.undo ? !step(index).compensate : !std::holds_alternative<TaskKind>(step(index).kind))
        return std::nullopt;

    const StepState& one = state(index);
    const Attempts& attempts = attempts_of(index, ref.undo);
    if (ref.attempt == 0 || ref.attempt > attempts.number) return std::nullopt;
    const bool is_last = ref.attempt == attempts.number;
    const bool is_out =
        ref.undo ? one.undo == UndoStatus::dispatched : one.status == StepStatus::dispatched;
    const bool is_done = ref.undo ? one.undo == UndoStatus::done : one.status == StepStatus::done;
    return Found{index, is_last && is_out, is_last && is_done};
}

void Advancing::on(const TaskCompleted& event) {
    const auto found = find(event.ref);
    if (!found || found->is_accepted) {
        made_.ignored = true;
        return;
    }
    if (!found->is_current) {
        // Nobody waits for it any more, but it took effect somewhere: an operator may need it.
        Fact& fact = note(FactKind::late_result, found->index, event.ref.undo);
        fact.attempt = event.ref.attempt;
        fact.output = event.result;
        if (!event.ref.undo) take_late_effect(found->index, event);
        return;
    }
    if (event.ref.undo) {
        StepState& one = state(found->index);
        one.undo = UndoStatus::done;
        one.undo_error = {};
        Fact& fact = note(FactKind::task_completed, found->index, true);
        fact.attempt = event.ref.attempt;
        fact.worker = one.undo_attempts.worker;
    } else {
        complete(found->index, event.result, true);
    }
    go_on();
}

// The attempt was given up (the loser of a race, one whose time was up), and yet its worker did it: if
// the run is undone, so is this, also when it comes after the end of the run.
void Advancing::take_late_effect(StepIndex index, const TaskCompleted& event) {
    StepState& one = state(index);
    if (one.happened || !step(index).compensate) return;
    one.happened = true;
    Document effect = event.result;
    if (step(index).output) {
        Scope with_result = scope();
        with_result.result = &event.result;
        if (const auto shaped = fill(*step(index).output, with_result, "output")) effect = *shaped;
    }
    keep_effect(index, effect);
    // on = "attempted" was here before; with its `when` it can tell only now what there is.
    if (one.undo != UndoStatus::none && one.undo != UndoStatus::skipped) return;
    one.undo = UndoStatus::none;
    if (is_closed(one.status)) one.closed_order = ++run_.closed_steps;
    if (was_undone()) reopen_undo();
    if (run_.status == RunStatus::compensating) go_on();
}

void Advancing::on(const TaskFailed& event) {
    if (!event.problem.is_attempt) not_counted(event.ref);
    attempt_failed(event.ref, event.problem, {});
}

void Advancing::on(const TaskLost& event) {
    // Nobody could begin it.
    if (event.problem.type == unrouted_type) not_counted(event.ref);
    attempt_failed(event.ref, event.problem, event.message);
}

// It stands in the history under its number, and is no attempt of the series.
void Advancing::not_counted(const AttemptRef& ref) {
    if (const auto found = find(ref); found && found->is_current)
        ++attempts_of(found->index, ref.undo).before_series;
}

void Advancing::attempt_failed(const AttemptRef& ref, const Problem& problem,
                               const Document& message) {
    const auto found = find(ref);
    if (!found || !found->is_current) {
        made_.ignored = true;
        return;
    }
    fail_attempt(found->index, ref.undo, fitting(problem), message);
    go_on();
}

void Advancing::on(const TaskStarted& event) {
    const auto found = find(event.ref);
    made_.ignored = !found || !found->is_current;
    if (made_.ignored) return;
    Attempts& attempts = attempts_of(found->index, event.ref.undo);
    attempts.worker = event.worker;
    attempts.seen_at = now_;
    if (attempts.started_at) return;
    attempts.started_at = now_;
    // The broker does not guard a task that was acked at its start; so it must survive a restart
    // of ours that somebody works on it.
    if (call_of(found->index, event.ref.undo).timeouts.heartbeat)
        note_start(found->index, event.ref.undo);
}

void Advancing::note_start(StepIndex index, bool undo) {
    Attempts& attempts = attempts_of(index, undo);
    attempts.start_is_noted = true;
    Fact& fact = note(FactKind::task_started, index, undo);
    fact.attempt = attempts.number;
    fact.worker = attempts.worker;
}

void Advancing::on(const QueueLost& event) {
    const auto is_lost = [&](StepIndex i, bool undo) {
        const Attempts& attempts = attempts_of(i, undo);
        const AttemptRef ref{step(i).path, undo, attempts.number};
        return !attempts.started_at && !attempts.deferred &&
               std::binary_search(event.routes.begin(), event.routes.end(),
                                  route_of(call_of(i, undo))) &&
               std::find(event.unsent.begin(), event.unsent.end(), ref) == event.unsent.end();
    };
    const bool draining = run_.status == RunStatus::compensating;
    Problem nobody_has_it;
    nobody_has_it.type = unrouted_type;
    nobody_has_it.detail = "its queue was deleted before a worker began";
    for (StepIndex i = 0; i < run_.steps.size(); ++i) {
        if (state(i).status == StepStatus::dispatched && is_lost(i, false)) {
            if (draining)
                fail_attempt(i, false, nobody_has_it, {}); // nobody needs it any more
            else
                dispatch(i, false, Sending::again);
        }
        if (state(i).undo == UndoStatus::dispatched && is_lost(i, true))
            dispatch(i, true, Sending::again);
    }
    made_.ignored = made_.facts.empty();
    if (!made_.ignored) go_on();
}

void Advancing::on(const TaskHeartbeat& event) {
    const auto found = find(event.ref);
    made_.ignored = !found || !found->is_current;
    if (made_.ignored) return;
    Attempts& attempts = attempts_of(found->index, event.ref.undo);
    attempts.seen_at = now_;
    // One that only says "alive" takes nothing back.
    const bool says_something = !event.progress.is_null() && event.progress.text() != "{}";
    if (says_something && fits(event.progress)) attempts.progress = event.progress;
    if (!attempts.started_at) attempts.started_at = now_;
}

void Advancing::on(const TaskDeferred& event) {
    const auto found = find(event.ref);
    made_.ignored = !found || !found->is_current;
    if (made_.ignored) return;
    Attempts& attempts = attempts_of(found->index, event.ref.undo);
    attempts.deferred = true;
    attempts.due = event.until.value_or(Time{});
    Fact& fact = note(FactKind::task_deferred, found->index, event.ref.undo);
    fact.attempt = event.ref.attempt;
    fact.due = event.until;
}

void Advancing::on(const AlarmRang&) {
    if (is_closed(run_.status)) return;
    if (run_.deadline && *run_.deadline <= now_) {
        time_out_run();
        go_on();
        return;
    }
    for (StepIndex i = 0; i < run_.steps.size() && !is_closed(run_.status); ++i)
        ring_step(i);
    // Nothing may have been due: then nothing is noted and nothing is stored.
    if (!made_.facts.empty()) go_on();
}

namespace {

Problem timeout_problem(const Silence& silence) {
    Problem problem;
    problem.type = timeout_type;
    problem.title = "no answer in time";
    problem.detail = fmt::format("{} has passed", silence.limit);
    return problem;
}

} // namespace

void Advancing::ring_attempt(StepIndex index, bool undo) {
    const TaskCall& call = call_of(index, undo);
    const Attempts& attempts = attempts_of(index, undo);
    if (const auto silence = silence_of(call, attempts); silence && silence->due <= now_)
        return fail_attempt(index, undo, timeout_problem(*silence), {});
    if (const auto due = note_start_at(call, attempts); due && *due <= now_)
        note_start(index, undo);
}

void Advancing::ring_step(StepIndex index) {
    StepState& one = state(index);
    const bool may_start = run_.status == RunStatus::running;
    switch (one.status) {
    case StepStatus::dispatched:
        ring_attempt(index, false);
        break;
    case StepStatus::backing_off:
        // What would be too much at once has its turn in the next transition.
        if (may_start && one.attempts.due <= now_ && given_ <= limits_.text_bytes / 2)
            dispatch(index, false);
        break;
    case StepStatus::sleeping:
        if (may_start && one.due <= now_) complete(index, {}, false);
        break;
    case StepStatus::running:
        if (may_start && one.due != Time{} && one.due <= now_) {
            for (const StepIndex child : step(index).children)
                cancel(child);
            give_up(index, timeout_problem({one.due, "the block's timeout"}), "timeout", {});
        }
        break;
    case StepStatus::waiting:
    case StepStatus::done:
    case StepStatus::dead:
    case StepStatus::cancelled:
    case StepStatus::skipped:
    case StepStatus::blocked:
        break;
    }
    switch (one.undo) {
    case UndoStatus::dispatched:
        ring_attempt(index, true);
        break;
    case UndoStatus::backing_off:
        if (one.undo_attempts.due <= now_) dispatch(index, true);
        break;
    case UndoStatus::none:
    case UndoStatus::done:
    case UndoStatus::dead:
    case UndoStatus::skipped:
        break;
    }
}

void Advancing::on(const CancelRequested& event) {
    if (is_closed(run_.status)) {
        made_.refusal = fmt::format("the run is {} already", word_of(run_.status));
        return;
    }
    if (run_.status == RunStatus::compensating) {
        made_.refusal = "the run is being compensated already";
        return;
    }
    note(FactKind::cancel_requested).text = event.reason;
    Problem problem;
    problem.type = cancelled_type;
    problem.title = "cancelled";
    problem.detail = event.reason;
    run_.error = to_document(problem);
    switch (workflow_.on_cancel) {
    case OnCancel::stop:
        cancel_open_steps();
        close_run(RunStatus::cancelled);
        break;
    case OnCancel::compensate:
        begin_compensation(Ending::cancel);
        break;
    }
    go_on();
}

void Advancing::on(const RunRetried& event) {
    const bool goes_on =
        run_.status == RunStatus::running || run_.status == RunStatus::compensating;
    if (event.now && goes_on) return hurry();
    const bool may_be_retried = run_.status == RunStatus::failed || run_.status == RunStatus::timed_out ||
                                run_.status == RunStatus::paused;
    if (event.now && may_be_retried) {
        made_.refusal = fmt::format("the run is {}: no step of it waits for its next attempt; retry without "
                                    "--now begins what failed again",
                                    word_of(run_.status));
        return;
    }
    // Going on forwards would end it as completed with a part of it undone.
    const bool is_partly_undone = std::any_of(run_.steps.begin(), run_.steps.end(), [](const StepState& one) {
        return one.undo != UndoStatus::none;
    });
    if (run_.by_hand && is_partly_undone) {
        made_.refusal = "the run was finished by hand while it was undone; start a new one";
        return;
    }
    switch (run_.status) {
    case RunStatus::failed:
    case RunStatus::timed_out:
    case RunStatus::paused:
        break;
    case RunStatus::queued:
    case RunStatus::running:
    case RunStatus::compensating:
    case RunStatus::completed:
    case RunStatus::cancelled:
    case RunStatus::compensated:
        made_.refusal = fmt::format("the run is {}; only a failed, timed out or paused run can be "
                                    "retried",
                                    word_of(run_.status));
        return;
    }
    note(FactKind::retry_requested);
    reopen();
    go_on();
}

void Advancing::hurry() {
    bool is_noted = false;
    const auto send_now = [&](StepIndex index, bool undo) {
        if (!std::exchange(is_noted, true)) note(FactKind::retry_requested);
        dispatch(index, undo);
    };
    for (StepIndex i = 0; i < run_.steps.size(); ++i) {
        const bool may_start = run_.status == RunStatus::running; // a broken `with` ends it in between
        const bool has_room = given_ <= limits_.text_bytes / 2; // else its pause goes on
        if (may_start && has_room && state(i).status == StepStatus::backing_off) send_now(i, false);
        if (state(i).undo == UndoStatus::backing_off) send_now(i, true);
    }
    if (!is_noted) {
        made_.refusal = "no step of the run waits for its next attempt";
        return;
    }
    go_on();
}

void Advancing::on(const TaskRevived& event) {
    const auto found = workflow_.by_path.find(event.step);
    if (found == workflow_.by_path.end()) {
        made_.refusal = fmt::format("the workflow has no step '{}'", event.step);
        return;
    }
    const StepIndex index = found->second;
    const bool is_dead = event.undo ? state(index).undo == UndoStatus::dead
                                    : state(index).status == StepStatus::dead;
    if (!is_dead) {
        made_.refusal = fmt::format("step '{}' is not dead any more", event.step);
        return;
    }
    switch (run_.status) {
    case RunStatus::failed:
    case RunStatus::timed_out:
    case RunStatus::paused:
        if (event.undo) {
            revive(index, true);
            reopen_undo();
        } else {
            reopen();
        }
        break;
    case RunStatus::running:
    case RunStatus::completed:
        // on_failure = "continue": the others went on; this one and whoever waits for it follow.
        if (run_.status == RunStatus::completed) {
            run_.status = RunStatus::running;
            run_.closed_at.reset();
            run_.output = {};
            set_deadline();
            note(FactKind::run_status).status = RunStatus::running;
        }
        revive(index, false);
        for (StepState& one : run_.steps)
            if (one.status == StepStatus::blocked) one.status = StepStatus::waiting;
        for (StepIndex block = step(index).parent; block != no_step; block = step(block).parent)
            state(block).status = StepStatus::running;
        break;
    case RunStatus::compensating:
        if (event.undo) {
            revive(index, true);
            break;
        }
        [[fallthrough]];
    case RunStatus::queued:
    case RunStatus::cancelled:
    case RunStatus::compensated:
        made_.refusal = fmt::format("the run is {}: the step cannot be tried again in it; "
                                    "start a new run, or drop the dead letter",
                                    word_of(run_.status));
        return;
    }
    go_on();
}

std::optional<Time> note_start_at(const TaskCall& call, const Attempts& attempts) {
    if (!call.timeouts.start_to_close || !attempts.started_at || attempts.start_is_noted)
        return std::nullopt;
    return *attempts.started_at + note_start_after;
}

namespace {

// Why an undo cannot be skipped; empty: it can.
std::string_view not_to_be_skipped(UndoStatus undo) {
    switch (undo) {
    case UndoStatus::dispatched:
    case UndoStatus::backing_off:
    case UndoStatus::dead:
        return {};
    case UndoStatus::none:
        return "has not begun";
    case UndoStatus::done:
        return "is done already";
    case UndoStatus::skipped:
        return "is skipped already";
    }
    return {};
}

} // namespace

void Advancing::on(const UndoSkipped& event) {
    const auto found = workflow_.by_path.find(event.step);
    if (found == workflow_.by_path.end()) {
        made_.refusal = fmt::format("the workflow has no step '{}'", event.step);
        return;
    }
    const StepIndex index = found->second;
    if (const auto why = not_to_be_skipped(state(index).undo); !why.empty()) {
        made_.refusal = fmt::format("the undo of step '{}' {}", event.step, why);
        return;
    }
    note(FactKind::undo_skipped, index, true).text = event.reason;
    give_undo_up(index);
    // Nothing may be left that failed; then the run has another end.
    if (is_closed(run_.status)) reopen_undo();
    go_on();
}

void Advancing::on(const RunFinished& event) {
    const bool may_be_open =
        !is_closed(run_.status) || run_.status == RunStatus::failed || run_.status == RunStatus::timed_out;
    if (!may_be_open || !is_closed(event.status) || event.status == RunStatus::timed_out) {
        made_.refusal =
            may_be_open ? fmt::format("a run cannot be finished as {}", word_of(event.status))
                        : fmt::format("the run is {} already", word_of(run_.status));
        return;
    }
    note(FactKind::run_finished).text = event.reason;
    cancel_open_steps();
    for (StepIndex i = 0; i < run_.steps.size(); ++i) {
        if (state(i).status == StepStatus::dead) made_.dropped.push_back(step(i).path);
        if (not_to_be_skipped(state(i).undo).empty()) give_undo_up(i);
    }
    if (!run_.cause.is_null()) run_.error = std::exchange(run_.cause, {});
    if (run_.error.is_null()) {
        Problem problem;
        problem.type = finished_type;
        problem.title = "finished by hand";
        problem.detail = event.reason;
        run_.error = to_document(problem);
    }
    run_.ending = event.status == RunStatus::failed ? Ending::failure : Ending::none;
    run_.by_hand = true;
    close_run(event.status);
}

std::optional<Silence> silence_of(const TaskCall& call, const Attempts& attempts) {
    std::optional<Silence> first;
    const auto consider = [&first](Time due, const char* limit) {
        if (!first || due < first->due) first = Silence{due, limit};
    };
    const Timeouts& limits = call.timeouts;
    if (limits.schedule_to_close)
        consider(attempts.series_at + *limits.schedule_to_close, "schedule_to_close");
    if (attempts.deferred) {
        if (attempts.due != Time{}) consider(attempts.due, "the deferral");
        return first;
    }
    if (limits.schedule_to_start && !attempts.started_at)
        consider(attempts.dispatched_at + *limits.schedule_to_start, "schedule_to_start");
    // Waiting is not failing: until a worker says that it begins, the task may lie in its queue or in a
    // worker's buffer, and worker or broker may be away. An attempt that nobody began cannot time out.
    if (!attempts.started_at) return first;
    const Time started = std::max(*attempts.started_at, attempts.clock_floor);
    if (limits.start_to_close) consider(started + *limits.start_to_close, "start_to_close");
    if (limits.heartbeat)
        consider(std::max(started, attempts.seen_at.value_or(Time{})) + *limits.heartbeat,
                 "heartbeat");
    return first;
}

void begin_clocks_anew(Run& run, Time now) {
    for (StepState& step : run.steps) {
        step.attempts.clock_floor = now;
        step.undo_attempts.clock_floor = now;
    }
}

std::optional<Time> next_deadline(const Workflow& workflow, const Run& run) {
    if (is_closed(run.status)) return std::nullopt;
    std::optional<Time> first = run.deadline;
    const auto consider = [&first](Time due) {
        if (!first || due < *first) first = due;
    };
    const auto consider_attempt = [&consider](const TaskCall& call, const Attempts& attempts) {
        if (const auto silence = silence_of(call, attempts)) consider(silence->due);
        if (const auto due = note_start_at(call, attempts)) consider(*due);
    };
    const bool may_start = run.status == RunStatus::running;
    for (StepIndex i = 0; i < run.steps.size(); ++i) {
        const Step& step = workflow.steps[i];
        const StepState& one = run.steps[i];
        switch (one.status) {
        case StepStatus::dispatched:
            consider_attempt(std::get<TaskKind>(step.kind).call, one.attempts);
            break;
        case StepStatus::backing_off:
            if (may_start) consider(one.attempts.due);
            break;
        case StepStatus::sleeping:
        case StepStatus::running:
            if (may_start && one.due != Time{}) consider(one.due);
            break;
        case StepStatus::waiting:
        case StepStatus::done:
        case StepStatus::dead:
        case StepStatus::cancelled:
        case StepStatus::skipped:
        case StepStatus::blocked:
            break;
        }
        if (one.undo == UndoStatus::backing_off) consider(one.undo_attempts.due);
        if (one.undo == UndoStatus::dispatched)
            consider_attempt(step.compensate->call, one.undo_attempts);
    }
    return first;
}

} // namespace baton::orchestrator::core
