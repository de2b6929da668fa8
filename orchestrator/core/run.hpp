// The state of one run. apply() (apply.hpp) is the only function that changes one; everybody else reads
// a `const Run&`. The engine keeps it in memory and stores it now and then as one document
// (run_json.hpp); the facts since then are in the history.
//
// Members marked "memory" are not stored: they are lost with the process and only make deadlines
// later, never earlier. Members marked "derived" follow from the others; apply() keeps them up, and
// derive() makes them anew after a run was read.
#pragma once

#include "base/clock.hpp"
#include "orchestrator/core/document.hpp"
#include "orchestrator/core/event.hpp"
#include "orchestrator/core/fact.hpp"
#include "orchestrator/core/status.hpp"
#include "orchestrator/core/workflow.hpp"

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace baton::orchestrator::core {

// A step:
//
//   from \ to     starts        result        no result                     run stops
//   waiting       dispatched, running, sleeping   skipped (when, go), blocked   (stays waiting)
//                 done (switch, set)          dead (its `when` or input has no value), cancelled (with its block)
//   dispatched                  done          backing_off, dead, done (caught)  cancelled
//   backing_off   dispatched                                                 cancelled
//   running       (a block, a repeated step)  done   dead, done (caught)     cancelled
//   sleeping      (a wait)      done                                         cancelled
//   sleeping      (a loop) running                                           cancelled
//   dead, cancelled, blocked    → waiting (a block: running), when an operator retries
//   any but done                → skipped or done, by an operator
//   done, skipped               final, but that an operator lets the run run again from a step
enum class StepStatus : std::uint8_t {
    waiting,
    dispatched,
    backing_off,
    running,
    sleeping,
    done,
    dead,
    cancelled,
    skipped,
    blocked,
};

// An undo: none → dispatched ⇄ backing_off, → done or dead; dead → none by an operator;
// none → skipped where its own `when` says that there is nothing to undo, and any but done → skipped by
// an operator.
enum class UndoStatus : std::uint8_t { none, dispatched, backing_off, done, dead, skipped };

std::string_view word_of(StepStatus status);
std::string_view word_of(UndoStatus status);

// What is known of the effect of a task's last attempt, where its step says how to find out. The numbers
// are stored; never renumber.
enum class Look : std::uint8_t {
    none,    // as far as its report says
    asks,    // nobody knows: the attempt that is out, or the next one, is a look
    unknown, // nor could a look tell
    absent,  // it had none
};

// What an operator wants to become of a step when its turn comes, instead of doing it.
enum class ByHand : std::uint8_t { none, skip, output };

// The tries of a task. Attempt numbers never repeat within a step; a series is what the retry
// policy counts, and an operator begins a new one.
struct Attempts {
    std::uint32_t number = 0; // of the last attempt, of a repeated step the highest of its instances; 0: none yet
    std::uint32_t before_series = 0; // attempts of earlier series
    std::uint32_t floor = 0;         // numbers up to this one are of before the run ran again
    Time series_at{};                // when the series began: schedule_to_close counts from here
    Time dispatched_at{};
    Time due{}; // of backing_off: the next attempt; of a deferral: its end
    bool deferred = false;
    // Of a call with retry rules: the failures of the series by rule, those that no rule is for behind them.
    std::vector<std::uint32_t> failures;
    bool held = false; // backs off without a time: somebody lets tasks of its type pause
    std::optional<Time> started_at; // a worker said that it begins; stored when it is noted
    bool start_is_noted = false;    // started_at is in the history
    // memory
    std::optional<Time> seen_at; // last heartbeat
    // No clock of the attempt begins before this: when this process first saw the run, since reports
    // may have waited for it.
    Time clock_floor{};
    std::string worker;
    Document progress;

    std::uint32_t of_series() const { return number - before_series; }
    bool has_begun() const { return number > floor; }
};

// What has become of the steps that a step waits for.
struct Tally {
    std::uint32_t open = 0;
    std::uint32_t done = 0;
    std::uint32_t passed = 0;  // passed over by their own `when`: an optional step ends no row
    std::uint32_t skipped = 0; // also cancelled: somebody decided that it is not needed
    std::uint32_t failed = 0;
    friend bool operator==(const Tally&, const Tally&) = default;
};

struct StepState {
    StepStatus status = StepStatus::waiting;
    bool sent = false; // a go pointed here
    bool passed = false; // of skipped: its own `when` said so, and its followers go on
    bool happened = false; // an attempt reported success: there is an effect that can be undone
    Attempts attempts;
    Time due{};                     // sleeping: when it ends; running block: its timeout or zero
    std::uint32_t closed_order = 0; // done is 1, 2, ... in the order of closing; undo goes back
    // Of a step that waits for what comes from outside; null: it does not.
    //   {"signal":"ack"}
    //   {"approval":{"title":..,"by":[..]?,"quorum":2},"votes":[{"by":..,"approves":true,"at":..,"comment":..?,"form":..?},..]?}
    //   {"event":{"type":"paid","match":{"data.order":17}?,"key":..,"since":"2026-.."}}
    //   {"first_of":[{"name":"ack","signal":"ack"},{"name":"late","at":"2026-.."},{"name":"paid","event":{..}},
    //                {"name":"ok","approval":{..}}],"votes":[..]?}
    //   {"result":{"key":..,"since":"2026-.."}}    it asks whether its result is known
    Document wait;
    Time remind_at{};               // of an approval
    Document output;
    Document effect; // what the undo reads as the step's result, where it is not `output`
    Document undo_input; // what the undo is given, where the result was too large to be kept
    Document error; // of the last failure; null: none
    ByHand by_hand = ByHand::none;
    Document given; // of ByHand::output: the result
    Document input; // what the attempts are given, where an operator said so; null: what `with` says
    std::uint32_t rerun = 0; // which rerun of the run began it last
    Look look = Look::none;
    std::uint32_t look_failures = 0;  // of the look that is out or to come
    std::vector<std::uint32_t> looks; // attempts that were looks
    UndoStatus undo = UndoStatus::none;
    Attempts undo_attempts;
    Document undo_error;
    // derived
    Tally before;
    std::uint32_t open_senders = 0;
    std::uint32_t open_children = 0;
    std::optional<Time> clock;         // as it stands in Run::clocks
    std::optional<Time> forward_clock; // in Run::forward_clocks, where it stands still in a pause
};

// A message to the run for which no step has waited yet.
struct Signal {
    std::uint32_t number = 0;
    std::string name;
    std::string by;
    Time at{};
    Document data;
};

// One execution of a body: the workflow itself, or an instance of a repeated step. It lives until it is
// closed, and on where something of it could still be undone or tried again.
using ScopeNumber = std::uint32_t; // 1, 2, ... in the order in which they began
inline constexpr ScopeNumber root_scope = 0;

// What a repeated step knows of its instances.
struct Instances {
    Document items;                 // of a for_each: the list
    std::uint32_t parallel = 0;     // likewise: so many at once, where an expression said it; else 0
    std::uint32_t begun = 0;        // the next one has this index
    std::uint32_t succeeded = 0;    // done, or passed over
    std::uint32_t failed = 0;
    std::uint32_t before_series = 0; // of a loop: iterations before an operator began it anew
    std::map<std::uint32_t, Document> results; // by index, where somebody reads them; a loop: of the last
    // derived
    std::uint32_t total = 0;        // of the list
    std::uint32_t open = 0;
    std::map<std::uint32_t, ScopeNumber> scopes; // those that are there, by index
};

struct Scope {
    ScopeNumber number = root_scope;
    ScopeNumber parent = root_scope;
    BodyIndex body = root_body;
    std::uint32_t index = 0;                    // among the instances of its step
    bool is_counted = false;                    // its end stands in the counters of its step
    std::vector<StepState> steps;               // parallel to Body::steps
    std::map<StepIndex, Instances> repetitions; // of the steps here that are repeated and began
    // derived
    std::string address; // "people[17]"; empty: the workflow
    std::uint32_t open_top = 0; // of Body::top, those of Phase::main
    std::array<std::uint32_t, 2> open_closing{}; // of the root: those of the two other phases
};

// A step in a scope.
struct Place {
    ScopeNumber scope = root_scope;
    StepIndex step = no_step;
    friend auto operator<=>(const Place&, const Place&) = default;
};

// The run has its end, and steps that run before it closes have their turn.
struct Closing {
    Phase phase = Phase::at_end;
    RunStatus end = RunStatus::failed; // what the run becomes then; its output and error are there already
};

struct Run {
    std::string id;
    std::uint64_t version = 0; // transitions committed; changed by the engine alone
    RunStatus status = RunStatus::queued;
    Time started_at{};
    std::optional<Time> scheduled_at; // when a trigger meant it to begin; absent: when it did
    std::optional<Time> deadline; // of the whole run
    std::optional<Time> closed_at;
    Document input;
    Document output;
    Document error; // problem, with "step" where it came from; null: none
    Document cause; // the first error, while `error` says that an undo failed
    Ending ending = Ending::none;
    bool by_hand = false; // an operator ended it: what takes effect late stays
    // Of paused: an operator did it, and the run goes on as this. Absent: a step failed.
    std::optional<RunStatus> paused_from;
    Time paused_at{}; // of such a pause
    std::optional<Closing> closing; // the status is running, or paused from that
    std::optional<ParentRef> parent;     // of a run that is a step of another one
    trace::Given trace;                  // that whoever started it is in; empty: it follows from the id
    Document caller;                     // who waits for an answer (command.hpp); null: nobody, or it is given
    std::vector<Signal> signals;         // in the order of their coming
    std::uint32_t signals_received = 0;  // source of their numbers
    std::vector<std::string> signal_ids; // of the last ones that had one
    std::vector<std::string> event_ids;  // of the last events that its steps took
    std::uint32_t reruns = 0;
    std::uint32_t closed_steps = 0; // source of closed_order
    ScopeNumber begun_scopes = 0;   // source of their numbers
    std::map<ScopeNumber, Scope> scopes; // the root is always there

    // derived
    std::set<Place> marked;  // whose turn may have come; empty between transitions
    std::set<Place> begun;   // neither waiting nor closed
    std::set<Place> dead;
    std::set<Place> erred; // closed, with an error: dead, caught, cancelled by it
    std::set<std::pair<std::uint32_t, Place>> to_undo; // by closed_order
    std::set<Place> undoing; // dispatched or backing off
    std::set<Place> undo_dead;
    std::uint32_t with_workers = 0; // steps that are dispatched
    std::uint32_t undone = 0;       // steps whose undo is anything but none
    std::set<std::pair<Time, Place>> clocks;
    std::set<std::pair<Time, Place>> forward_clocks; // count while the run goes on, and not in a pause
    std::size_t text = 0;   // bytes of JSON that it holds, as RunLimits counts them
    std::size_t memory = 0; // about

    const Scope& root() const { return scopes.begin()->second; }
    const Scope* find(ScopeNumber number) const {
        const auto found = scopes.find(number);
        return found == scopes.end() ? nullptr : &found->second;
    }
    const Scope& scope(ScopeNumber number) const {
        return number == root_scope ? root() : scopes.find(number)->second;
    }
};

// A failure that is an attempt's, where failures are counted by rule.
void count_failure(const TaskCall& call, std::string_view error_type, Attempts& attempts);

// The state of a step; the place must be there.
const StepState& state_of(const Workflow& workflow, const Run& run, Place place);

// The place is a repeated step as a whole, not one instance of it.
bool is_repeated(const Workflow& workflow, const Run& run, Place place);
// Whose turn it is.
inline Phase phase_of(const Run& run) { return run.closing ? run.closing->phase : Phase::main; }
// Of the top level, in the phase whose turn it is.
std::uint32_t open_steps_of(const Run& run, Phase phase);

// Null: not begun.
const Instances* instances_of(const Run& run, Place place);

// The block around a step within its scope; step is no_step where there is none.
Place block_of(const Workflow& workflow, const Run& run, Place place);

// The signals a run keeps, and the ids it remembers.
inline constexpr std::size_t signals_max = 1000;

// What the run is about, also while an operator lets it pause.
inline RunStatus status_beneath(const Run& run) { return run.paused_from.value_or(run.status); }

Run new_run(const Workflow& workflow, std::string id);

// Makes anew what is derived, for a run of which only the rest is there.
void derive(const Workflow& workflow, Run& run);

// What the run holds: as text, which is what its limit counts, and in memory.
struct RunSize {
    std::size_t text = 0;
    std::size_t memory = 0;
};
RunSize size_of(const Run& run);

// A step that will not change any more by itself.
constexpr bool is_closed(StepStatus status) { return status >= StepStatus::done; }

// Where a step lies: its ids from the outside to the inside, and for what is in a repeated step the
// number of the instance: "lock.mail", "people[17].send"; "people[17]" is the instance itself.
std::string address_of(const Workflow& workflow, const Run& run, Place place);
std::string address_of(const Workflow& workflow, const Scope& scope, StepIndex step);
// "people[17].send" as it is written: "people", 17, ".send".
struct InstanceName {
    std::string_view before;
    std::uint32_t index = 0;
    std::string_view behind;
};
// Absent: the address names no instance, or not as it should.
std::optional<InstanceName> first_instance(std::string_view address);
// Absent: no such step, or no such instance (any more).
std::optional<Place> find_place(const Workflow& workflow, const Run& run, std::string_view address);
// The step the address is of, whether there is such an instance or not.
std::optional<StepIndex> find_step(const Workflow& workflow, std::string_view address);

} // namespace baton::orchestrator::core
