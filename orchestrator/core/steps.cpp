// What happens to steps: started, tried, tried again, done, caught, dead.
#include "base/assert.hpp"
#include "base/overloaded.hpp"
#include "orchestrator/core/advancing.hpp"
#include "orchestrator/core/ready.hpp"
#include "orchestrator/core/retry.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace baton::orchestrator::core {

namespace {
// A frame of 128 KiB holds all headers of a message.
constexpr std::size_t progress_sent_max = 16 * 1024;
} // namespace

const TaskCall& Advancing::call_of(StepIndex index, bool undo) const {
    return undo ? step(index).compensate->call : std::get<TaskKind>(step(index).kind).call;
}

Attempts& Advancing::attempts_of(StepIndex index, bool undo) {
    return undo ? state(index).undo_attempts : state(index).attempts;
}

Fact& Advancing::note(FactKind kind) {
    Fact& fact = made_.facts.emplace_back();
    fact.kind = kind;
    return fact;
}

Fact& Advancing::note(FactKind kind, StepIndex index, bool undo) {
    Fact& fact = note(kind);
    fact.step = step(index).path;
    fact.undo = undo;
    return fact;
}

// Starts everything that may start, closes what is complete, until nothing changes any more.
void Advancing::go_on() {
    while (run_.status == RunStatus::running) {
        bool changed = false;
        for (StepIndex i = 0; i < run_.steps.size() && run_.status == RunStatus::running; ++i)
            changed |= look_at(i);
        if (changed) continue;
        const bool is_complete =
            std::all_of(workflow_.top_level.begin(), workflow_.top_level.end(),
                        [this](StepIndex i) { return is_closed(state(i).status); });
        if (!is_complete) break;
        complete_run(workflow_.output);
    }
    if (run_.status == RunStatus::compensating) compensate_next();
}

bool Advancing::look_at(StepIndex index) {
    StepState& one = state(index);
    if (one.status == StepStatus::waiting) {
        switch (readiness(workflow_, run_, index)) {
        case Readiness::wait:
            return false;
        case Readiness::start:
            start(index);
            return true;
        case Readiness::skip:
            close_without_result(index, StepStatus::skipped);
            return true;
        case Readiness::block:
            close_without_result(index, StepStatus::blocked);
            return true;
        }
    }
    if (one.status == StepStatus::running) {
        const auto& children = step(index).children;
        const bool is_complete = std::all_of(children.begin(), children.end(), [this](StepIndex i) {
            return is_closed(state(i).status);
        });
        if (!is_complete) return false;
        close_block(index);
        return true;
    }
    return false;
}

void Advancing::start(StepIndex index) {
    const Step& one = step(index);
    if (one.when) {
        const auto wanted = decide(*one.when, scope(), "when");
        if (!wanted) return give_up(index, wanted.error(), "not_retryable", {});
        if (!*wanted) {
            state(index).passed = true;
            return close_without_result(index, StepStatus::skipped);
        }
    }
    if (one.cancel_rest)
        for (const StepIndex rest : one.predecessors)
            cancel(rest);

    std::visit(Overloaded{
                   [&](const TaskKind&) { dispatch(index, false); },
                   [&](const DoKind&) {
                       state(index).status = StepStatus::running;
                       state(index).due = one.block_timeout ? now_ + *one.block_timeout : Time{};
                       note(FactKind::step_started, index);
                   },
                   [&](const ParallelKind&) {
                       state(index).status = StepStatus::running;
                       state(index).due = one.block_timeout ? now_ + *one.block_timeout : Time{};
                       note(FactKind::step_started, index);
                   },
                   [&](const SwitchKind& kind) { start_switch(index, kind); },
                   [&](const SetKind& kind) {
                       const auto values = fill_table(kind.values, scope(), "set");
                       if (!values) return give_up(index, values.error(), "not_retryable", {});
                       complete(index, *values, false);
                   },
                   [&](const WaitKind& kind) {
                       state(index).status = StepStatus::sleeping;
                       state(index).due = now_ + kind.duration;
                       note(FactKind::step_started, index).due = state(index).due;
                   },
                   [&](const WaitUntilKind& kind) {
                       const auto time = moment(kind.time, scope(), "wait_until");
                       if (!time) return give_up(index, time.error(), "not_retryable", {});
                       state(index).status = StepStatus::sleeping;
                       state(index).due = *time;
                       note(FactKind::step_started, index).due = *time;
                       if (*time <= now_) complete(index, {}, false);
                   },
                   [&](const EndKind& kind) {
                       close_as_done(index, {});
                       complete_run(kind.output);
                   },
                   [&](const FailKind& kind) {
                       Problem problem;
                       problem.type = kind.type;
                       problem.retryable = false;
                       if (kind.detail) {
                           const auto detail = fill(*kind.detail, scope(), "fail");
                           if (!detail) return give_up(index, detail.error(), "not_retryable", {});
                           const auto& json = detail->json();
                           problem.detail = json.is_string()
                                                ? std::string{json.get_string().c_str()}
                                                : std::string{detail->text()};
                       }
                       give_up(index, problem, "failed", {});
                   },
               },
               one.kind);
}

void Advancing::start_switch(StepIndex index, const SwitchKind& kind) {
    for (const SwitchCase& one : kind.cases) {
        if (one.when) {
            const auto hit = decide(*one.when, scope(), "switch");
            if (!hit) return give_up(index, hit.error(), "not_retryable", {});
            if (!*hit) continue;
        }
        send(one.go);
        break;
    }
    complete(index, {}, false);
}

void Advancing::send(const std::vector<StepIndex>& targets) {
    for (const StepIndex target : targets) {
        if (state(target).sent) continue;
        state(target).sent = true;
        note(FactKind::step_sent, target);
    }
}

void Advancing::dispatch(StepIndex index, bool undo, Sending sending) {
    const TaskCall& call = call_of(index, undo);
    Document with = Document::of(boost::json::object{});
    if (undo && !state(index).undo_input.is_null()) {
        with = state(index).undo_input;
    } else if (call.with) {
        const auto filled = fill_table(*call.with, scope_of(index, undo), "with");
        if (!filled) {
            if (undo) return undo_dies(index, filled.error(), {});
            return give_up(index, filled.error(), "not_retryable", {});
        }
        with = *filled;
    }
    std::string key = fmt::format("{}/{}{}", run_.id, step(index).path, undo ? ":undo" : "");
    if (call.idempotency_key) {
        const auto own = evaluate(*call.idempotency_key, scope_of(index, undo), "idempotency_key");
        if (!own) {
            if (undo) return undo_dies(index, own.error(), {});
            return give_up(index, own.error(), "not_retryable", {});
        }
        key = expression::to_plain_text(*own);
    }
    // Undos go one by one, and must go.
    given_ += with.text().size();
    if (!undo && sending == Sending::anew && given_ > limits_.text_bytes)
        return give_up(index, too_much_given(), "not_retryable", {});

    Attempts& attempts = attempts_of(index, undo);
    if (sending == Sending::anew) {
        Attempts next;
        next.number = attempts.number + 1;
        next.before_series = attempts.before_series;
        next.series_at = attempts.series_at == Time{} ? now_ : attempts.series_at;
        next.dispatched_at = now_;
        next.progress = attempts.progress; // where the one after may go on
        attempts = std::move(next);
    }
    if (undo)
        state(index).undo = UndoStatus::dispatched;
    else
        state(index).status = StepStatus::dispatched;

    Fact& fact = note(FactKind::task_dispatched, index, undo);
    fact.attempt = attempts.number;
    fact.attempt_of_series = attempts.of_series();
    fact.max_attempts = call.retry.max_attempts;
    fact.task = route_of(call);
    fact.input = std::move(with);
    fact.priority = call.priority;
    fact.idempotency_key = std::move(key);
    fact.heartbeat = call.timeouts.heartbeat;
    if (call.timeouts.schedule_to_start)
        fact.start_by = attempts.dispatched_at + *call.timeouts.schedule_to_start;
    // A moment fixed now would fail a backlog untried; only schedule_to_close knows one.
    if (call.timeouts.schedule_to_close)
        fact.deadline = attempts.series_at + *call.timeouts.schedule_to_close;
    fact.timeout = call.timeouts.start_to_close;
    // It travels in a header.
    if (attempts.progress.text().size() <= progress_sent_max) fact.progress = attempts.progress;
}

// The step has a raw result: reshape it if the step says so, and close.
void Advancing::complete(StepIndex index, const Document& raw, bool by_task) {
    Document output = raw;
    if (by_task) state(index).happened = true;
    if (step(index).output) {
        Scope with_result = scope();
        with_result.result = &raw;
        const auto shaped = fill(*step(index).output, with_result, "output");
        if (!shaped) {
            if (by_task) {
                // What the worker gave must not be lost with the broken expression.
                Fact& fact = note(FactKind::late_result, index);
                fact.attempt = state(index).attempts.number;
                fact.output = raw;
                keep_effect(index, raw);
            }
            return give_up(index, shaped.error(), "not_retryable", {});
        }
        output = *shaped;
    }
    if (!take(output)) {
        Problem problem = too_large(output);
        if (by_task) keep_effect(index, output);
        return give_up(index, problem, "not_retryable", {});
    }
    if (by_task) {
        Fact& fact = note(FactKind::task_completed, index);
        fact.attempt = state(index).attempts.number;
        fact.worker = state(index).attempts.worker;
        fact.output = output;
        state(index).status = StepStatus::done;
        state(index).output = std::move(output);
        state(index).error = {};
        state(index).closed_order = ++run_.closed_steps;
        return;
    }
    close_as_done(index, std::move(output));
}

void Advancing::close_as_done(StepIndex index, Document output) {
    note(FactKind::step_done, index).output = output;
    state(index).status = StepStatus::done;
    state(index).output = std::move(output);
    state(index).closed_order = ++run_.closed_steps;
}

void Advancing::close_without_result(StepIndex index, StepStatus status) {
    state(index).status = status;
    note(status == StepStatus::skipped ? FactKind::step_skipped : FactKind::step_blocked, index);
    close_descendants(index, status);
}

// Others may wait for a step inside a block that never runs.
void Advancing::close_descendants(StepIndex block, StepStatus status) {
    for (const StepIndex child : step(block).children) {
        if (!is_closed(state(child).status)) {
            state(child).status = status;
            state(child).passed = state(block).passed;
        }
        close_descendants(child, status);
    }
}

void Advancing::close_block(StepIndex block) {
    const auto& children = step(block).children;
    const auto failed = std::find_if(children.begin(), children.end(), [this](StepIndex child) {
        const StepStatus status = state(child).status;
        return status == StepStatus::dead || status == StepStatus::blocked;
    });
    if (failed == children.end())
        return complete(block, block_output(workflow_, run_, block), false);
    // Only with on_failure = "continue": the child has its dead letter already.
    state(block).status = StepStatus::dead;
    state(block).error = state(*failed).error;
    Fact& fact = note(FactKind::step_dead, block);
    fact.error = state(block).error;
    fact.text = "child";
}

void Advancing::cancel(StepIndex index) {
    StepState& one = state(index);
    if (is_closed(one.status)) return;
    if (one.status == StepStatus::dispatched) {
        Fact& fact = note(FactKind::task_cancelled, index);
        fact.attempt = one.attempts.number;
        fact.task = route_of(call_of(index, false));
    } else if (one.status != StepStatus::waiting) {
        note(FactKind::step_cancelled, index);
    }
    one.status = StepStatus::cancelled;
    one.closed_order = ++run_.closed_steps;
    for (const StepIndex child : step(index).children)
        cancel(child);
}

void Advancing::fail_attempt(StepIndex index, bool undo, const Problem& problem,
                             const Document& message) {
    const TaskCall& call = call_of(index, undo);
    Attempts& attempts = attempts_of(index, undo);
    Document error = to_document(problem);
    (undo ? state(index).undo_error : state(index).error) = error;

    const bool draining = !undo && run_.status == RunStatus::compensating;
    std::optional<Time> next;
    if (!draining)
        next = next_attempt(call, attempts, problem, jitter_seed(run_.id, index, attempts.number),
                            now_);
    Fact& fact = note(FactKind::task_failed, index, undo);
    fact.attempt = attempts.number;
    fact.worker = attempts.worker;
    fact.error = std::move(error);
    fact.due = next;

    if (draining) {
        // The run is being undone; nobody needs this step any more.
        state(index).status = StepStatus::cancelled;
        state(index).closed_order = ++run_.closed_steps;
    } else if (next) {
        attempts.due = *next;
        if (undo)
            state(index).undo = UndoStatus::backing_off;
        else
            state(index).status = StepStatus::backing_off;
    } else if (undo) {
        undo_dies(index, problem, message);
    } else {
        const bool patient = is_retryable(call.retry, problem);
        give_up(index, problem, patient ? "exhausted" : "not_retryable", message);
    }
}

// No more attempts. Somebody may catch it; else the step is dead and the run's policy speaks.
void Advancing::give_up(StepIndex index, const Problem& problem, std::string_view reason,
                        const Document& message) {
    state(index).error = to_document(problem);
    for (StepIndex at = index; at != no_step; at = step(at).parent) {
        if (at != index) {
            const auto& rules = step(at).catches;
            if (std::none_of(rules.begin(), rules.end(), [&](const CatchRule& rule) {
                    return rule.error.matches(problem.type);
                }))
                continue;
            // The block ends with this error: its other children are not needed any more.
            state(index).status = StepStatus::cancelled;
            state(index).closed_order = ++run_.closed_steps;
            for (const StepIndex child : step(at).children)
                cancel(child);
        }
        if (caught(at, problem)) return;
        if (at != index) break; // its own catch failed; the block's error is noted there
    }
    die(index, problem, reason, message);
}

bool Advancing::caught(StepIndex index, const Problem& problem) {
    const Document error = to_document(problem);
    const auto& rules = step(index).catches;
    const auto rule = std::find_if(rules.begin(), rules.end(), [&](const CatchRule& one) {
        return one.error.matches(problem.type);
    });
    if (rule != rules.end()) {
        Document output;
        if (rule->then == CatchRule::Then::output) {
            Scope with_error = scope();
            with_error.error = &error;
            const auto filled = fill(*rule->output, with_error, "catch");
            if (!filled) {
                Problem broken = filled.error();
                broken.detail += fmt::format(" (while catching {})", problem.type);
                state(index).error = to_document(broken);
                return false;
            }
            if (!take(*filled)) {
                state(index).error = to_document(too_large(*filled));
                return false;
            }
            output = *filled;
        }
        note(FactKind::error_caught, index).error = error;
        close_as_done(index, std::move(output));
        if (rule->then == CatchRule::Then::go) send(rule->go);
        return true;
    }
    if (problem.type != timeout_type && problem.type != expired_type) return false;
    switch (step(index).on_timeout.then) {
    case OnTimeout::Then::fail:
        return false;
    case OnTimeout::Then::go_on:
    case OnTimeout::Then::go:
        note(FactKind::error_caught, index).error = error;
        close_as_done(index, {});
        if (step(index).on_timeout.then == OnTimeout::Then::go) send({step(index).on_timeout.go});
        return true;
    }
    return false;
}

// Evaluating again gives what the worker got: nothing it reads has changed.
Document Advancing::input_of(StepIndex index, bool undo) const {
    const TaskCall& call = call_of(index, undo);
    if (undo && !run_.steps[index].undo_input.is_null()) return run_.steps[index].undo_input;
    if (!call.with) return Document::of(boost::json::object{});
    const auto with = fill(*call.with, scope_of(index, undo), "with");
    return with ? *with : Document{};
}

void Advancing::die(StepIndex index, const Problem& problem, std::string_view reason,
                    const Document& message) {
    StepState& one = state(index);
    one.status = StepStatus::dead;
    one.closed_order = ++run_.closed_steps;
    Fact& fact = note(FactKind::step_dead, index);
    fact.attempt = one.attempts.number;
    fact.error = one.error;
    fact.text = reason;

    if (std::holds_alternative<TaskKind>(step(index).kind)) {
        const TaskCall& call = call_of(index, false);
        fact.task = route_of(call);
        DeadTask& dead = made_.dead.emplace_back();
        dead.ref = {step(index).path, false, one.attempts.number};
        dead.reason = reason;
        dead.task = fact.task;
        dead.attempts = one.attempts.of_series();
        dead.error_type = problem.type;
        dead.error = one.error;
        dead.message = message;
        dead.input = input_of(index, false);
    }
    fail_run(index, problem);
}

void Advancing::undo_dies(StepIndex index, const Problem& problem, const Document& message) {
    StepState& one = state(index);
    one.undo = UndoStatus::dead;
    one.undo_error = to_document(problem);
    const TaskCall& call = call_of(index, true);
    Fact& fact = note(FactKind::step_dead, index, true);
    fact.attempt = one.undo_attempts.number;
    fact.error = one.undo_error;
    fact.text = "compensation";
    fact.task = route_of(call);

    DeadTask& dead = made_.dead.emplace_back();
    dead.ref = {step(index).path, true, one.undo_attempts.number};
    dead.reason = "compensation";
    dead.task = fact.task;
    dead.attempts = one.undo_attempts.of_series();
    dead.error_type = problem.type;
    dead.error = one.undo_error;
    dead.message = message;
    dead.input = input_of(index, true);

    // The older undos still have their turn; compensate_next() ends the run when none is left.
}

} // namespace baton::orchestrator::core
