// Clocks, read off the state.
#include "orchestrator/core/clocks.hpp"

#include "orchestrator/core/caller.hpp"

#include <boost/json/object.hpp>

#include <algorithm>

namespace baton::orchestrator::core {

const TaskCall& call_of(const Step& step, bool undo) {
    return undo ? step.compensate->call : std::get<TaskKind>(step.kind).call;
}

const TaskCall& call_of(const Step& step, const StepState& state, bool undo) {
    return !undo && state.look == Look::asks ? step.verify->call : call_of(step, undo);
}

bool was_look(const StepState& state, const AttemptRef& ref) {
    return !ref.undo && std::find(state.looks.begin(), state.looks.end(), ref.attempt) != state.looks.end();
}

const TaskCall& call_of(const Step& step, const StepState& state, const AttemptRef& ref) {
    return was_look(state, ref) ? step.verify->call : call_of(step, ref.undo);
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

std::optional<Time> note_start_at(const TaskCall& call, const Attempts& attempts) {
    if (!call.timeouts.start_to_close || !attempts.started_at || attempts.start_is_noted)
        return std::nullopt;
    return *attempts.started_at + note_start_after;
}

namespace {

std::optional<Time> earlier(std::optional<Time> a, std::optional<Time> b) {
    if (!a || !b) return a ? a : b;
    return std::min(*a, *b);
}

std::optional<Time> clock_of_attempt(const TaskCall& call, const Attempts& attempts) {
    const auto silence = silence_of(call, attempts);
    return earlier(silence ? std::optional{silence->due} : std::nullopt, note_start_at(call, attempts));
}

} // namespace

std::optional<Time> clock_of(const Step& step, const StepState& state) {
    std::optional<Time> first;
    if (state.status == StepStatus::dispatched)
        first = clock_of_attempt(call_of(step, state, false), state.attempts);
    if (state.undo == UndoStatus::dispatched)
        first = earlier(first, clock_of_attempt(call_of(step, true), state.undo_attempts));
    return first;
}

std::optional<Time> forward_clock_of(const StepState& state) {
    const auto next_try = [](const Attempts& attempts) {
        return attempts.held ? std::nullopt : std::optional{attempts.due};
    };
    if (state.undo == UndoStatus::backing_off) return next_try(state.undo_attempts);
    if (state.status == StepStatus::backing_off) return next_try(state.attempts);
    const bool has_an_end = state.status == StepStatus::sleeping || state.status == StepStatus::running;
    if (!has_an_end) return std::nullopt;
    const auto given = [](Time time) { return time == Time{} ? std::nullopt : std::optional{time}; };
    return earlier(given(state.due), given(state.remind_at));
}

// It waits whatever the run does: also for one that is paused, or has not begun.
std::optional<Time> answer_due(const Run& run) {
    const auto* caller = run.caller.json().if_object();
    const auto* due = caller != nullptr ? caller->if_contains("answer_by") : nullptr;
    return due != nullptr && due->is_int64() ? std::optional{time_from_micros(due->get_int64())} : std::nullopt;
}

std::optional<Time> next_deadline(const Run& run) {
    if (is_closed(run.status)) return std::nullopt;
    const bool goes_on = run.status == RunStatus::running || run.status == RunStatus::compensating;
    std::optional<Time> first = answer_due(run);
    if (goes_on) first = earlier(first, run.deadline);
    if (!run.clocks.empty()) first = earlier(first, run.clocks.begin()->first);
    if (goes_on && !run.forward_clocks.empty())
        first = earlier(first, run.forward_clocks.begin()->first);
    return first;
}

} // namespace baton::orchestrator::core
