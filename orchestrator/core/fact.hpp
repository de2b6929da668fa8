// What a transition did to a run, as it is kept in the history for ever: for people (`baton show`),
// for replay, and as the outbox, because every command can be derived from a fact again.
//
// In the store a transition is a JSON array of facts, each an object with "fact" and those of the
// other members that say something:
//
//   fact             members
//   run_started
//   run_status       status, output?, error?         the run has this status from now on
//   task_dispatched  step, undo?, attempt, of_series?, max_attempts, task, input, key, priority?,
//                    start_by?, deadline?, timeout_ms?, heartbeat_ms?, progress?
//   task_started     step, undo?, attempt, worker?   only of tasks with a heartbeat
//   task_completed   step, undo?, attempt, worker?, output      an undo has no output
//   task_failed      step, undo?, attempt, worker?, error, retry_at?
//   task_deferred    step, undo?, attempt, until?
//   task_cancelled   step, undo?, attempt, task       was with the workers, is not wanted any more
//   late_result      step, undo?, attempt, output     of an attempt that is over; changes nothing
//   step_started     step                             a block or a wait; until? for a wait
//   step_done        step, output?                    any other way than task_completed
//   step_sent        step                             a go points to it
//   step_skipped     step, undo?                      `when` was false or nobody sent it
//   step_blocked     step                             a predecessor failed
//   step_cancelled   step
//   error_caught     step, error                      by `catch` or on_timeout
//   step_dead        step, undo?, attempt?, task?, error, reason
//   step_revived     step, undo?                      by an operator
//   undo_skipped     step, undo, text                 by an operator, who says why
//   run_finished     text                             likewise; run_status follows
//   cancel_requested text
//   retry_requested
//
// The first fact of what a person asked for also has actor: the user who asked. Times are texts in
// RFC 3339. Readers must ignore members and facts they do not know.
#pragma once

#include "base/clock.hpp"
#include "base/result.hpp"
#include "orchestrator/core/command.hpp"
#include "orchestrator/core/document.hpp"
#include "orchestrator/core/status.hpp"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace baton::orchestrator::core {

enum class FactKind : std::uint8_t {
    run_started,
    run_status,
    task_dispatched,
    task_started,
    task_completed,
    task_failed,
    task_deferred,
    task_cancelled,
    late_result,
    step_started,
    step_done,
    step_sent,
    step_skipped,
    step_blocked,
    step_cancelled,
    error_caught,
    step_dead,
    step_revived,
    cancel_requested,
    retry_requested,
    undo_skipped,
    run_finished,
};

struct Fact {
    FactKind kind{};
    std::string step; // path; empty for facts of the run
    bool undo = false;
    std::uint32_t attempt = 0;
    RunStatus status{}; // of run_status
    std::string task;   // route
    std::string worker;
    std::string text; // reason
    std::string actor; // the user who asked for it; empty: nobody did
    Document input;
    Document output;
    Document error;          // problem as an object; null: none
    std::optional<Time> due; // retry_at, until
    // of task_dispatched
    std::uint32_t attempt_of_series = 0;
    std::uint32_t max_attempts = 0;
    std::uint8_t priority = 4;
    std::string idempotency_key;
    std::optional<Time> start_by;
    std::optional<Time> deadline;
    std::optional<Duration> heartbeat;
    std::optional<Duration> timeout; // of one attempt, from the moment a worker begins
    Document progress;               // what the attempt before said last
};

std::string_view word_of(FactKind kind);

// Appends a JSON array.
void append_json(std::string& out, std::span<const Fact> facts);
// Facts of an unknown kind are left out.
Outcome<std::vector<Fact>> facts_from_json(std::string_view json);

// Which run the facts are of.
struct RunName {
    std::string run_id;
    std::string workflow;
    std::uint32_t workflow_version = 0;
};

// The effect of a fact on the world, if it has one.
std::optional<Command> command_of(const RunName& run, const Fact& fact);

// {"type":…,"title":…,"detail":…,"status":…,"data":…}; what is empty is left out.
Document to_document(const Problem& problem);
// Whether the problem in the document was no attempt (Problem::is_attempt).
bool was_not_tried(const Document& problem);

} // namespace baton::orchestrator::core
