// What a transition did to a run: everything, so that the facts of the history, applied one after the
// other (apply.hpp), give the state; nothing else changes a run. They are kept for people
// (`baton show`), as the state's ground, and as the outbox, because every command can be derived from
// a fact again.
//
// In the store a transition is a JSON array of facts, each an object with "fact" and those of the
// other members that say something:
//
//   fact             members
//   run_started      run?, step?, attempt?, depth?, detached?, root?, caller?, scheduled_at?, traceparent?, tracestate?   the input stands in the run's row; of a child: its parent
//   run_status       status, output?, error?, cause?, ending?, hand?, from?      from now on
//   run_closing      phase, and as run_status        it has this end, and on_error or finally steps before it
//   task_dispatched  step, undo?, attempt, of_series?, max_attempts, task, input, key, priority?,
//                    start_by?, deadline?, timeout_ms?, heartbeat_ms?, progress?, traceparent?,
//                    tracestate?, verify?; of a workflow run, depth, detached?
//   task_started     step, undo?, attempt, worker?, since?
//   task_completed   step, undo?, attempt, worker?, output, result?       an undo has neither
//   task_failed      step, undo?, attempt, worker?, error, retry_at?, untried?, verify?    nobody knows whether it took effect
//   result_found     step, run                       what it gave there; step_done follows
//   result_kept      step, key, until                others may have it
//   step_verified    step, attempt, worker?, done?, result, retry_at?     a look has told it; task_completed follows if it did
//   task_deferred    step, undo?, attempt, until?
//   task_cancelled   step, undo?, attempt, task      was with the workers, is not wanted any more
//   late_result      step, undo?, attempt, output    of an attempt that is over
//   effect_kept      step, effect?, undo_input?      it took effect, and this is what its undo needs
//   step_started     step, until?                    a block, a wait (with its end), a repeated step
//   step_waits       step, for, until?               for a signal, people, the first of several; run.hpp
//   step_done        step, output?, hand?            any other way than task_completed
//   step_sent        step                            a go points to it
//   step_skipped     step, undo?, passed?            passed: by its own `when`; else nobody sent it
//   step_blocked     step                            a predecessor failed
//   step_cancelled   step, error?
//   error_caught     step, error                     by `catch` or on_timeout
//   step_dead        step, undo?, attempt?, task?, error, reason
//   step_revived     step, undo?                     by an operator
//   items_listed     step, items, parallel?          of a for_each
//   item_started     step                            "people[17]": the instance
//   item_closed      step                            its state says how
//   undo_skipped     step, undo, text                by an operator, who says why
//   run_finished     text                            likewise; run_status follows
//   cancel_requested text
//   retry_requested
//   pause_requested  text
//   resume_requested text
//   skip_requested   step, text                      step_skipped follows, when its turn has come
//   output_given     step, output, text              step_done follows, when its turn has come
//   input_edited     step, undo?, input, text
//   rerun_requested  step, text
//   signal_received  number, name, id?, data?, by?   kept until a step takes it
//   signal_taken     step, number
//   event_taken      step, key, id                   what it gave is said by step_done
//   caller_answered  step?, caller, output?, error?  without a step: by its end
//   approval_voted   step, approves?, by?, text?, form?
//   approval_reminded step, for, until?
//   event_emitted    step, id, type, subject?, data?, at, traceparent?, tracestate?
//   parent_told      run, step, undo?, attempt, output?, error?   its end, or that it began
//   child_cancelled  step, undo?, attempt, task      a run that is an attempt whose time is up
//   step_reset       step, rerun, sent?              as if it had not begun, but for the numbers of its attempts
//   run_mended       text                            what was not as the history says, and is again
//   slot_awaited     text                            so many runs of this key go on already; it waits, queued
//   slot_given                                       run_status follows
//   task_held        step, undo?, task, text         not handed out now, and why; it backs off without a time
//   task_released    step, undo?                     it may go, at once or as soon as the run goes on
//
// A step is named by its address (address.hpp). The first fact of what a person asked for also has
// actor: the user who asked. Times are texts in RFC 3339. Readers must ignore members and facts they
// do not know; what is written here once is read for ever.
#pragma once

#include "base/clock.hpp"
#include "base/result.hpp"
#include "orchestrator/core/command.hpp"
#include "orchestrator/core/document.hpp"
#include "orchestrator/core/status.hpp"

#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace baton::orchestrator::core {

// Why a run stopped before its end, and so what it becomes when everything is undone. The numbers are
// stored; never renumber.
enum class Ending : std::uint8_t { none, failure, timeout, cancel };

namespace fact {

struct RunStarted {
    Document input; // of the run's row: not written with the fact
    std::optional<ParentRef> parent{};
    Document caller{};
    std::optional<Time> scheduled_at{}; // when a trigger meant it to begin
    trace::Given trace{};
};
// All that is said of the run as a whole.
struct RunBecame {
    RunStatus status{};
    Document output{};
    Document error{}; // problem, with "step" where it came from; null: none
    Document cause{}; // the first error, while `error` says that an undo failed
    Ending ending = Ending::none;
    bool by_hand = false; // an operator ended it: what takes effect late stays
    // Of paused: an operator did it, and it goes on as this. Absent: a step failed.
    std::optional<RunStatus> from{};
};
// The run has its end, and steps that run before it closes have their turn.
struct RunClosing {
    Phase phase{};
    RunBecame end{}; // `from`: an operator lets it pause, and they wait for the end of that
};
struct TaskDispatched {
    AttemptRef ref;
    TaskOrder order;
};
struct TaskStarted {
    AttemptRef ref;
    std::string worker;
    std::optional<Time> since{}; // absent: now
};
struct TaskCompleted {
    AttemptRef ref;
    std::string worker;
    Document output{};
    Document result{}; // as it came, where the step reshaped it
};
struct TaskFailed {
    AttemptRef ref;
    std::string worker;
    Document error{};
    std::optional<Time> retry_at{};
    bool untried = false; // it uses up no attempt
    bool asks = false;    // the next attempt looks whether this one took effect
};
struct ResultFound {
    std::string step;
    std::string run;
};
struct ResultKept {
    std::string step;
    std::string key;
    Time until{};
};
struct StepVerified {
    AttemptRef ref;
    std::string worker;
    bool is_done = false;
    Document result{};
    std::optional<Time> retry_at{}; // it is tried again
};
struct TaskDeferred {
    AttemptRef ref;
    std::optional<Time> until{};
};
struct TaskCancelled {
    AttemptRef ref;
    std::string task;
};
struct LateResult {
    AttemptRef ref;
    Document output;
};
struct EffectKept {
    std::string step;
    Document effect{};
    Document undo_input{};
};
struct StepStarted {
    std::string step;
    std::optional<Time> until{};
};
// It waits for what comes from outside (StepState::wait).
struct StepWaits {
    std::string step;
    Document wanted;
    std::optional<Time> until{}; // its timeout, or the moment that is one of several it waits for
};
struct SignalReceived {
    std::uint32_t number = 0; // 1, 2, ... of the run
    std::string name;
    std::string id{};
    Document data{};
    std::string by{};
};
struct SignalTaken {
    std::string step;
    std::uint32_t number = 0;
};
struct EventTaken {
    std::string step;
    std::string key;
    std::string id;
};
struct CallerAnswered {
    std::string step{};
    Document caller;
    Document output{};
    Document error{};
};
struct ApprovalVoted {
    std::string step;
    bool approves = false;
    std::string by{};
    std::string comment{};
    Document form{};
};
struct ApprovalReminded {
    std::string step;
    Document wanted;
    std::optional<Time> until{};
};
struct StepDone {
    std::string step;
    Document output{};
    bool by_hand = false; // an operator did what the step is for
};
struct StepSent {
    std::string step;
};
struct StepSkipped {
    std::string step;
    bool undo = false;
    bool passed = false;
};
struct StepBlocked {
    std::string step;
};
struct StepCancelled {
    std::string step;
    Document error{};
};
struct ErrorCaught {
    std::string step;
    Document error;
};
struct StepDead {
    std::string step;
    bool undo = false;
    std::uint32_t attempt = 0;
    std::string task{};
    Document error{};
    std::string reason{};
};
struct StepRevived {
    std::string step;
    bool undo = false;
};
struct ItemsListed {
    std::string step;
    Document items;
    std::uint32_t parallel = 0; // so many at once; 0: as the workflow says
};
struct ItemStarted {
    std::string step;
};
struct ItemClosed {
    std::string step;
};
struct UndoSkipped {
    std::string step;
    std::string reason;
};
struct RunFinished {
    std::string reason;
};
struct CancelRequested {
    std::string reason;
};
struct RetryRequested {};
struct PauseRequested {
    std::string reason;
};
struct ResumeRequested {
    std::string reason;
};
struct SkipRequested {
    std::string step;
    std::string reason;
};
struct OutputGiven {
    std::string step;
    Document output;
    std::string reason;
};
struct InputEdited {
    std::string step;
    bool undo = false;
    Document input;
    std::string reason;
};
struct RerunRequested {
    std::string step;
    std::string reason;
};
struct EventEmitted {
    std::string step;
    std::string id;
    std::string type;
    std::string subject{};
    Document data{};
    Time at{};
    trace::Given trace{}; // of the run, where whoever started it said so
};
struct ParentTold {
    ParentRef parent;
    Document output{};
    Document error{};
};
struct ChildCancelled {
    AttemptRef ref;
    std::string task;
};
struct StepReset {
    std::string step;
    std::uint32_t rerun = 0; // 1, 2, ... of the run; makes the keys of its tasks other ones
    bool is_sent = false;    // the go that pointed to it stays
};
// Changes nothing of the run: what the store said beside the history is as the history says from here on.
struct RunMended {
    std::string what;
};
struct SlotAwaited {
    std::string key;
};
struct SlotGiven {};
struct TaskHeld {
    std::string step;
    bool undo = false;
    std::string task{};
    std::string reason{};
};
struct TaskReleased {
    std::string step;
    bool undo = false;
};

} // namespace fact

using FactBody =
    std::variant<fact::RunStarted, fact::RunBecame, fact::TaskDispatched, fact::TaskStarted,
                 fact::TaskCompleted, fact::TaskFailed, fact::TaskDeferred, fact::TaskCancelled,
                 fact::LateResult, fact::EffectKept, fact::StepStarted, fact::StepDone, fact::StepSent,
                 fact::StepSkipped, fact::StepBlocked, fact::StepCancelled, fact::ErrorCaught,
                 fact::StepDead, fact::StepRevived, fact::ItemsListed, fact::ItemStarted,
                 fact::ItemClosed, fact::UndoSkipped, fact::RunFinished, fact::CancelRequested,
                 fact::RetryRequested, fact::PauseRequested, fact::ResumeRequested, fact::SkipRequested,
                 fact::OutputGiven, fact::InputEdited, fact::RerunRequested, fact::StepReset, fact::RunClosing, fact::StepWaits,
                 fact::SignalReceived, fact::SignalTaken, fact::ApprovalVoted, fact::ApprovalReminded,
                 fact::ParentTold, fact::ChildCancelled, fact::EventEmitted, fact::EventTaken, fact::CallerAnswered,
                 fact::RunMended, fact::SlotAwaited, fact::SlotGiven, fact::TaskHeld, fact::TaskReleased,
                 fact::StepVerified, fact::ResultFound, fact::ResultKept>;

struct Fact {
    FactBody body;
    std::string actor{}; // the user who asked for it; empty: nobody did
};

std::string_view word_of(const Fact& fact);

// Of the texts it holds that may be large.
std::size_t bytes_of(const Fact& fact);

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
// Back, as far as the document says it.
Problem problem_of(const Document& document);
// Whether the problem in the document was no attempt (Problem::is_attempt).
bool was_not_tried(const Document& problem);

} // namespace baton::orchestrator::core
