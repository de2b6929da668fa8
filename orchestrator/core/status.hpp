// The states a run can be in, their words and their numbers in the store. Apart from run.hpp, so
// that stores and tools can name a status without knowing runs.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace baton::orchestrator::core {

//             ┌─────────► paused ──────────┐ retry, cancel
//             │  failure, on_failure=pause │
//  queued ──► running ◄────────────────────┤
//             │ │ │                        │
//             │ │ └► compensating ─► compensated / cancelled / failed (an undo failed)
//             │ │        ▲                                      │
//             │ │        └──────────── retry ───────────────────┘
//             │ └──► failed, timed_out ── retry ──► running
//             └────► completed, cancelled
//
// The numbers are stored; never renumber.
enum class RunStatus : std::uint8_t {
    queued = 1,
    running = 2,
    paused = 3,
    compensating = 4,
    completed = 5,
    failed = 6,
    cancelled = 7,
    timed_out = 8,
    compensated = 9,
};

// Closed runs do nothing any more unless they are retried.
constexpr bool is_closed(RunStatus status) { return status >= RunStatus::completed; }

// When a step has its turn: while the run goes forwards, or when it has its end and is not closed yet. In
// the order of their turns.
enum class Phase : std::uint8_t {
    main,
    on_error, // the end is a bad one: failed, timed out or compensated
    at_end,   // `finally`: whatever the end
};

std::string_view word_of(RunStatus status);
// "step", "on_error", "finally": the key of the file.
std::string_view word_of(Phase phase);
std::optional<RunStatus> run_status_from(std::string_view word);

} // namespace baton::orchestrator::core
