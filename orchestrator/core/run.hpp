// The state of one run. Only advance() changes it; the engine keeps it in memory and stores it as
// one document (run_json.hpp). Members marked "memory" are not stored: they are lost with the
// process and only make deadlines later, never earlier.
#pragma once

#include "base/clock.hpp"
#include "orchestrator/core/document.hpp"
#include "orchestrator/core/event.hpp"
#include "orchestrator/core/status.hpp"
#include "orchestrator/core/workflow.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace baton::orchestrator::core {

// A step:
//
//   from \ to     starts        result        no result                     run stops
//   waiting       dispatched, running, sleeping   skipped (when, go), blocked   (stays waiting)
//                 done (switch, set)
//   dispatched                  done          backing_off, dead, done (caught)  cancelled
//   backing_off   dispatched                                                 cancelled
//   running       (a block)     done          dead, done (caught)            cancelled
//   sleeping      (a wait)      done                                         cancelled
//   dead, cancelled, blocked    → waiting, when an operator retries
//   done, skipped               final
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

// An undo: none → dispatched ⇄ backing_off, → done or dead; dead → dispatched by an operator;
// none → skipped where its own `when` says that there is nothing to undo, and any but done → skipped by
// an operator.
enum class UndoStatus : std::uint8_t { none, dispatched, backing_off, done, dead, skipped };

std::string_view word_of(StepStatus status);
std::string_view word_of(UndoStatus status);

// The tries of a task. Attempt numbers never repeat within a step; a series is what the retry
// policy counts, and an operator begins a new one.
struct Attempts {
    std::uint32_t number = 0;        // of the current or last attempt; 0: none yet
    std::uint32_t before_series = 0; // attempts of earlier series
    Time series_at{};                // when the series began: schedule_to_close counts from here
    Time dispatched_at{};
    Time due{}; // of backing_off: the next attempt; of a deferral: its end
    bool deferred = false;
    std::optional<Time> started_at; // a worker said that it begins
    // memory
    bool start_is_noted = false; // started_at is in the history, and so stored
    std::optional<Time> seen_at; // last heartbeat
    // No clock of the attempt begins before this: when this process first saw the run, since reports
    // may have waited for it.
    Time clock_floor{};
    std::string worker;
    Document progress;

    std::uint32_t of_series() const { return number - before_series; }
};

struct StepState {
    StepStatus status = StepStatus::waiting;
    bool sent = false; // a go pointed here
    bool passed = false; // of skipped: its own `when` said so, and its followers go on
    bool happened = false; // an attempt reported success: there is an effect that can be undone
    Attempts attempts;
    Time due{};                     // sleeping: when it ends; running block: its timeout or zero
    std::uint32_t closed_order = 0; // done is 1, 2, ... in the order of closing; undo goes back
    Document output;
    Document effect; // what the undo reads as the step's result, where it is not `output`
    Document undo_input; // what the undo is given, where the result was too large to be kept
    Document error; // of the last failure; null: none
    UndoStatus undo = UndoStatus::none;
    Attempts undo_attempts;
    Document undo_error;
};

// Why a run stopped before its end, and so what it becomes when everything is undone.
enum class Ending : std::uint8_t { none, failure, timeout, cancel };

struct Run {
    std::string id;
    std::uint64_t version = 0; // transitions committed; changed by the engine alone
    RunStatus status = RunStatus::queued;
    Time started_at{};
    std::optional<Time> deadline; // of the whole run
    std::optional<Time> closed_at;
    Document input;
    Document output;
    Document error; // problem, with "step" where it came from; null: none
    Document cause; // the first error, while `error` says that an undo failed
    Ending ending = Ending::none;
    bool by_hand = false; // an operator ended it: what takes effect late stays
    std::uint32_t closed_steps = 0; // source of closed_order
    std::vector<StepState> steps;   // parallel to Workflow::steps
};

Run new_run(const Workflow& workflow, std::string id);

// What the run holds: as text, which is what its limit counts, and in memory.
struct RunSize {
    std::size_t text = 0;
    std::size_t memory = 0;
};
RunSize size_of(const Run& run);

// A step that will not change any more by itself.
constexpr bool is_closed(StepStatus status) {
    switch (status) {
    case StepStatus::waiting:
    case StepStatus::dispatched:
    case StepStatus::backing_off:
    case StepStatus::running:
    case StepStatus::sleeping:
        return false;
    case StepStatus::done:
    case StepStatus::dead:
    case StepStatus::cancelled:
    case StepStatus::skipped:
    case StepStatus::blocked:
        return true;
    }
    return true;
}

} // namespace baton::orchestrator::core
