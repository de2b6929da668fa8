// How a run ends: completed, failed, timed out, cancelled, undone; and how it is opened again.
#include "orchestrator/core/advancing.hpp"

#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <utility>

namespace baton::orchestrator::core {

Document error_of_run(const Problem& problem, std::string_view step) {
    boost::json::object error = to_document(problem).json().as_object();
    if (!step.empty()) error["step"] = step;
    return Document::of(std::move(error));
}

// A step died. `index` is no_step when the run itself failed, for example its output.
void Advancing::fail_run(StepIndex index, const Problem& problem) {
    if (run_.status != RunStatus::running && run_.status != RunStatus::paused) return;
    const std::string_view path = index == no_step ? "" : std::string_view{step(index).path};
    const Document error = error_of_run(problem, path);
    switch (workflow_.on_failure) {
    case OnFailure::fail:
        run_.error = error;
        run_.ending = Ending::failure;
        cancel_open_steps();
        close_run(RunStatus::failed);
        break;
    case OnFailure::compensate:
        run_.error = error;
        begin_compensation(Ending::failure);
        break;
    case OnFailure::pause:
        run_.error = error;
        run_.ending = Ending::failure;
        if (index == no_step) {
            // There is no step an operator could revive; it is the workflow that is wrong.
            cancel_open_steps();
            close_run(RunStatus::failed);
        } else if (run_.status == RunStatus::running) {
            run_.status = RunStatus::paused;
            run_.deadline.reset(); // an operator takes the time it takes
            Fact& fact = note(FactKind::run_status);
            fact.status = RunStatus::paused;
            fact.error = run_.error;
        }
        break;
    case OnFailure::go_on:
        if (index != no_step) break; // the others go on
        run_.error = error;
        run_.ending = Ending::failure;
        close_run(RunStatus::failed);
        break;
    }
}

void Advancing::complete_run(const std::optional<expression::Template>& output) {
    Document result;
    if (output) {
        const auto filled = fill(*output, scope(), "output");
        if (!filled) return fail_run(no_step, filled.error());
        if (!take(*filled)) return fail_run(no_step, too_large(*filled));
        result = *filled;
    }
    cancel_open_steps();
    run_.output = std::move(result);
    close_run(RunStatus::completed);
}

void Advancing::time_out_run() {
    Problem problem;
    problem.type = timeout_type;
    problem.title = "the run took too long";
    problem.detail = "the timeout of the workflow has passed";
    run_.error = to_document(problem);
    if (workflow_.on_failure == OnFailure::compensate) {
        begin_compensation(Ending::timeout);
        return;
    }
    run_.ending = Ending::timeout;
    cancel_open_steps();
    close_run(RunStatus::timed_out);
}

void Advancing::close_run(RunStatus status) {
    run_.status = status;
    run_.closed_at = now_;
    run_.deadline.reset();
    if (status == RunStatus::completed) run_.error = {};
    Fact& fact = note(FactKind::run_status);
    fact.status = status;
    fact.output = run_.output;
    fact.error = run_.error;
}

// Steps that wait for their turn stay as they are: they were not reached.
void Advancing::cancel_open_steps() {
    for (StepIndex i = 0; i < run_.steps.size(); ++i)
        if (state(i).status != StepStatus::waiting && !is_closed(state(i).status)) {
            const auto status = state(i).status;
            if (status == StepStatus::dispatched) {
                Fact& fact = note(FactKind::task_cancelled, i);
                fact.attempt = state(i).attempts.number;
                fact.task = route_of(call_of(i, false));
            } else {
                note(FactKind::step_cancelled, i);
            }
            state(i).status = StepStatus::cancelled;
            state(i).closed_order = ++run_.closed_steps;
        }
}

// From here on nothing new is started. A task that can be undone and is with a worker just now is
// awaited, because its effect may come after us: undone too early it would be left behind.
void Advancing::begin_compensation(Ending ending) {
    run_.ending = ending;
    run_.status = RunStatus::compensating;
    run_.deadline.reset();
    Fact& fact = note(FactKind::run_status);
    fact.status = RunStatus::compensating;
    fact.error = run_.error;
    for (StepIndex i = 0; i < run_.steps.size(); ++i) {
        StepState& one = state(i);
        const bool awaited = one.status == StepStatus::dispatched && step(i).compensate;
        if (is_closed(one.status) || one.status == StepStatus::waiting || awaited) continue;
        if (one.status == StepStatus::dispatched) {
            Fact& cancelled = note(FactKind::task_cancelled, i);
            cancelled.attempt = one.attempts.number;
            cancelled.task = route_of(call_of(i, false));
        } else {
            note(FactKind::step_cancelled, i);
        }
        one.status = StepStatus::cancelled;
        one.closed_order = ++run_.closed_steps;
    }
}

// One undo after the other, newest first.
void Advancing::compensate_next() {
    while (run_.status == RunStatus::compensating) {
        StepIndex newest = no_step;
        for (StepIndex i = 0; i < run_.steps.size(); ++i) {
            const StepState& one = state(i);
            if (one.status == StepStatus::dispatched) return; // awaited
            if (one.undo == UndoStatus::dispatched || one.undo == UndoStatus::backing_off) return;
            if (!step(i).compensate || one.undo != UndoStatus::none) continue;
            if (!must_be_undone(i)) continue;
            if (newest == no_step || one.closed_order > state(newest).closed_order) newest = i;
        }
        if (newest != no_step) {
            undo(newest);
            continue;
        }
        end_compensation();
    }
}

void Advancing::undo(StepIndex index) {
    if (const auto& when = step(index).compensate->when) {
        const auto wanted = decide(*when, scope_of(index, true), "compensate.when");
        if (!wanted) return undo_dies(index, wanted.error(), {});
        if (!*wanted) {
            state(index).undo = UndoStatus::skipped;
            note(FactKind::step_skipped, index, true);
            return;
        }
    }
    dispatch(index, true);
}

// What nobody did needs no undo: a failure that was caught, or that a rule went on from, left nothing
// behind. Blocks have no worker that reports; they happened when they ended well.
bool Advancing::must_be_undone(StepIndex index) const {
    const StepState& one = run_.steps[index];
    const bool is_task = std::holds_alternative<TaskKind>(step(index).kind);
    const bool happened =
        is_task ? one.happened : one.status == StepStatus::done && one.error.is_null();
    return happened ||
           (step(index).compensate->on == Compensation::On::attempted && one.attempts.number > 0);
}

// Every undo that failed is named; what went wrong first stays in `cause`.
void Advancing::end_compensation() {
    std::string undos;
    boost::json::object failed;
    for (StepIndex i = 0; i < run_.steps.size(); ++i) {
        if (state(i).undo != UndoStatus::dead) continue;
        const Document error = state(i).undo_error;
        const auto& problem = error.json().as_object();
        const auto* type = problem.if_contains("type");
        const auto* detail = problem.if_contains("detail");
        if (undos.empty()) {
            failed = problem;
            failed["step"] = step(i).path;
        }
        const auto* reason = detail != nullptr && detail->is_string() ? detail : type;
        undos += fmt::format("{}'{}'{}", undos.empty() ? "" : "; ", step(i).path,
                             reason != nullptr && reason->is_string()
                                 ? ": " + std::string(reason->get_string())
                                 : std::string());
    }
    if (undos.empty())
        return close_run(run_.ending == Ending::cancel ? RunStatus::cancelled
                                                       : RunStatus::compensated);
    failed["title"] = "compensation failed: needs an operator";
    failed["detail"] = "compensation failed, an operator is needed: undo of " + undos;
    if (!run_.error.is_null()) failed["cause"] = run_.error.json();
    run_.cause = std::exchange(run_.error, Document::of(std::move(failed)));
    close_run(RunStatus::failed);
}

// Whether the run was undone when it ended, so that what takes effect afterwards is undone too.
bool Advancing::was_undone() const {
    if (!is_closed(run_.status) || run_.by_hand) return false;
    return run_.status == RunStatus::compensated || run_.ending == Ending::cancel ||
           (run_.status == RunStatus::failed && workflow_.on_failure == OnFailure::compensate);
}

// Back to undoing, with the first cause as the run's error.
void Advancing::reopen_undo() {
    run_.closed_at.reset();
    run_.status = RunStatus::compensating;
    if (!run_.cause.is_null()) run_.error = std::exchange(run_.cause, {});
    Fact& fact = note(FactKind::run_status);
    fact.status = run_.status;
    fact.error = run_.error;
}

// An operator tries again: everything that failed or was cancelled by the failure goes back to
// where it can start, with a new series of attempts.
void Advancing::reopen() {
    run_.closed_at.reset();
    run_.by_hand = false;
    bool undo_died = false;
    for (StepIndex i = 0; i < run_.steps.size(); ++i)
        if (state(i).undo == UndoStatus::dead) {
            undo_died = true;
            revive(i, true);
        }
    run_.status = undo_died ? RunStatus::compensating : RunStatus::running;
    if (undo_died) {
        run_.error = std::exchange(run_.cause, {});
    } else {
        run_.error = {};
        run_.ending = Ending::none;
        run_.output = {};
        set_deadline();
        for (StepIndex i = 0; i < run_.steps.size(); ++i) {
            const bool parent_is_done =
                step(i).parent != no_step && state(step(i).parent).status == StepStatus::done;
            if (parent_is_done) continue;
            if (state(i).status == StepStatus::dead || state(i).status == StepStatus::cancelled)
                revive(i, false);
            else if (state(i).status == StepStatus::blocked)
                state(i).status = StepStatus::waiting;
        }
    }
    note(FactKind::run_status).status = run_.status;
}

// Nobody waits for it any more.
void Advancing::give_undo_up(StepIndex index) {
    StepState& one = state(index);
    if (one.undo == UndoStatus::dispatched) {
        Fact& fact = note(FactKind::task_cancelled, index, true);
        fact.attempt = one.undo_attempts.number;
        fact.task = route_of(call_of(index, true));
    }
    if (one.undo == UndoStatus::dead) made_.dropped.push_back(step(index).path + ":undo");
    one.undo = UndoStatus::skipped;
}

void Advancing::revive(StepIndex index, bool undo) {
    StepState& one = state(index);
    Attempts& attempts = attempts_of(index, undo);
    attempts.before_series = attempts.number;
    attempts.series_at = {};
    note(FactKind::step_revived, index, undo);
    if (undo) {
        one.undo = UndoStatus::none;
        one.undo_error = {};
        made_.revived.push_back(step(index).path + ":undo");
        return;
    }
    if (one.status == StepStatus::dead) made_.revived.push_back(step(index).path);
    one.error = {};
    // A block goes on with the children it has; anything else begins again.
    one.status = step(index).children.empty() ? StepStatus::waiting : StepStatus::running;
    one.closed_order = 0;
    one.due = step(index).block_timeout ? now_ + *step(index).block_timeout : Time{};
}

} // namespace baton::orchestrator::core
