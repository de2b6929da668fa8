// Everything that can happen to a run. Events are the only input of advance(); they are values and
// carry no time of their own, the time comes beside them.
#pragma once

#include "base/clock.hpp"
#include "base/trace.hpp"
#include "orchestrator/core/document.hpp"
#include "orchestrator/core/status.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace baton::orchestrator::core {

// What went wrong, as workers, the broker or the engine say it: an RFC 9457 problem.
struct Problem {
    std::string type = "error";  // stable word, compared by retry and catch: "already_in_team"
    std::string title;
    std::string detail;          // for people
    int status = 0;              // HTTP-like number; 0: none
    Document data;               // own fields
    bool retryable = true;
    std::optional<Duration> retry_after;
    bool is_attempt = true;      // false: the target did not let the worker try; tried again, uncounted
};

// Types of problems the engine itself makes.
inline constexpr std::string_view timeout_type = "baton.timeout";
inline constexpr std::string_view expression_type = "baton.expression";
inline constexpr std::string_view poison_type = "baton.poison";
inline constexpr std::string_view expired_type = "baton.expired";
inline constexpr std::string_view unrouted_type = "baton.unrouted";
inline constexpr std::string_view cancelled_type = "baton.cancelled";
inline constexpr std::string_view too_large_type = "baton.run_too_large";
inline constexpr std::string_view finished_type = "baton.finished_by_hand";
inline constexpr std::string_view iterations_type = "baton.max_iterations";
inline constexpr std::string_view depth_type = "baton.too_deep";
inline constexpr std::string_view outcome_type = "baton.unknown_outcome";
inline constexpr std::string_view failures_type = "baton.too_many_failures";
inline constexpr std::string_view family_type = "baton.too_many_runs";

// One attempt of one task of the run. `undo` is the compensation of the step.
struct AttemptRef {
    std::string step;          // path: "lock.mail"
    bool undo = false;
    std::uint32_t attempt = 0; // 1, 2, ... over the life of the step
    friend bool operator==(const AttemptRef&, const AttemptRef&) = default;
};

// The attempt, of a step of another run, that a run is.
struct ParentRef {
    std::string run_id;
    AttemptRef ref;
    std::uint32_t depth = 1;   // 1: that run has no parent itself
    bool is_detached = false;  // nobody waits for the end
    std::string root{};        // the run that nobody but people, triggers and events began; empty: that run itself
    friend bool operator==(const ParentRef&, const ParentRef&) = default;
};
// The run that all of them go back to.
inline const std::string& root_of(const ParentRef& parent) { return parent.root.empty() ? parent.run_id : parent.root; }
// So deep may runs begin runs: a workflow that calls itself without end stops somewhere.
inline constexpr std::uint32_t depth_max = 20;

struct RunStarted {
    Document input;            // already checked, defaults filled in
    std::string awaited_slot{}; // the key of others that run: it waits until one of them has ended; empty: it need not
    std::optional<ParentRef> parent{};
    std::string workflow{};     // of a run that is to be made: for the engine
    Document caller{};          // who asked by a call and waits for an answer: reply_to, correlation_id; null: nobody
    std::optional<Time> scheduled_at{}; // when a trigger meant it to begin; absent: nothing but now
    trace::Given trace{};       // that whoever started it is in
};
// An event that was told to everybody; the run is one of those that may wait for it.
struct EventArrived {
    std::string key;           // event_key.hpp
    std::string id;            // the same however often it comes
    Time at{};                 // when it came first
    Document event;            // id, source, type, subject, time, data
};
// What is known of a result that a step asked for. Many steps may have asked for it.
struct ResultKnown {
    std::string key;           // event_key.hpp
    std::string run{};         // which run has it from a worker; empty: nobody, or not lately
    Time at{};                 // since then
    Document result{};
};
// One of them has ended, and the run is the next.
struct SlotGiven {};
// Tasks of these routes (none named: of all) that were held may be handed out again.
struct TasksReleased {
    std::vector<std::string> routes{}; // sorted
};
struct TaskCompleted {
    AttemptRef ref;
    Document result;
};
struct TaskFailed {
    AttemptRef ref;
    Problem problem;
};
// The broker gave the message up: rejected, delivered too often, expired, without a queue.
struct TaskLost {
    AttemptRef ref;
    Problem problem;           // baton.poison, baton.expired, baton.unrouted
    Document message;          // x-death and what else is known, for the dead letter
};
// The queue of these tasks is gone, with every message that waited in it (deleted by a client, or by a
// broker that lost its disk). What nobody has begun is sent again under the same attempt; a worker that
// has it after all sees the same idempotency key.
struct QueueLost {
    std::vector<std::string> routes; // sorted
    std::vector<AttemptRef> unsent;  // of this run: their messages are still to be published
};
// These two change memory only: they move deadlines and name the worker.
struct TaskStarted {
    AttemptRef ref;
    std::string worker;
};
struct TaskHeartbeat {
    AttemptRef ref;
    Document progress;
};
// The attempt will be reported later by the same token; its clock stops until then.
struct TaskDeferred {
    AttemptRef ref;
    std::optional<Time> until;
};
// A deadline of the run may have passed; advance() looks which.
struct AlarmRang {};
struct CancelRequested {
    std::string reason;
};
// An operator lets a failed, timed out or paused run go on from where it failed.
struct RunRetried {
    // The steps of a run that goes on need not wait for their next attempts: now is better, say because
    // the target is back.
    bool now = false;
};
// An operator has undone the step by hand, or decided that it stays: its undo is not tried any more.
struct UndoSkipped {
    std::string step;
    std::string reason;
};
// An operator ends the run: nothing of it is done or undone any more.
struct RunFinished {
    RunStatus status = RunStatus::failed;
    std::string reason;
};
// An operator redrives the dead letter of one step (or of its undo).
struct TaskRevived {
    std::string step;
    bool undo = false;
    Document input{};          // what its tasks are given from now on; null: what they were
    std::string reason{};      // of another input
};
// Nothing of the run begins any more; what is with workers is awaited and its result taken.
struct PauseRequested {
    std::string reason;
};
struct ResumeRequested {
    std::string reason;
};
// A step counts as passed over, now or when its turn comes.
struct SkipRequested {
    std::string step;
    std::string reason;
};
// A step counts as done with this result, now or when its turn comes.
struct OutputGiven {
    std::string step;
    Document output;
    std::string reason;
};
// What the attempts of a step (or of its undo) are given from now on.
struct InputEdited {
    std::string step;
    bool undo = false;
    Document input;
    std::string reason;
};
// A run that is over runs again from a step: that one and all that follow it.
struct RerunRequested {
    std::string step;
    std::string reason;
};
// Somebody has put right what the store said of the run (baton doctor); the row, its document and its
// deadline are written anew. Tasks of these routes that nobody has begun are sent again.
struct RunMended {
    std::string what;
    std::vector<std::string> routes{}; // sorted
};

// Somebody tells the run something. It is kept until a step waits for it.
struct SignalSent {
    std::string name;
    std::string id;            // against doubles; empty: each counts
    Document data;
    std::string by;            // the user, for the step's result
};
// A person answers a step that asks.
struct ApprovalDecided {
    std::string step;
    bool approves = false;
    std::string comment;
    Document form;
    std::string by;            // the user
    std::vector<std::string> roles; // their tags
    bool may_operate = false;
};

using Event = std::variant<RunStarted, TaskCompleted, TaskFailed, TaskLost, TaskStarted,
                           TaskHeartbeat, TaskDeferred, QueueLost, AlarmRang, CancelRequested, RunRetried,
                           TaskRevived, UndoSkipped, RunFinished, PauseRequested, ResumeRequested,
                           SkipRequested, OutputGiven, InputEdited, RerunRequested, SignalSent, ApprovalDecided,
                           RunMended, SlotGiven, TasksReleased, EventArrived, ResultKnown>;

} // namespace baton::orchestrator::core
