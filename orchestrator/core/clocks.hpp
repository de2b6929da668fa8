// The clocks of a run: what may not take longer than it may, and what has a time of its own.
#pragma once

#include "base/clock.hpp"
#include "orchestrator/core/run.hpp"
#include "orchestrator/core/workflow.hpp"

#include <optional>

namespace baton::orchestrator::core {

// When the attempt that is with the workers has failed by silence; nothing: never. And why.
struct Silence {
    Time due;
    const char* limit; // "start_to_close", ...
};
std::optional<Silence> silence_of(const TaskCall& call, const Attempts& attempts);

// That a worker began is kept in memory, since most tasks are done in a moment; one that takes longer
// than this is noted in the history, so that its clock survives a restart of this program.
inline constexpr Duration note_start_after = std::chrono::seconds(5);
// When that must be noted; nothing: not at all, or it was.
std::optional<Time> note_start_at(const TaskCall& call, const Attempts& attempts);

// The earliest time at which something of the step is due, whatever the run's status.
std::optional<Time> clock_of(const Step& step, const StepState& state);
// And what is due only while the run goes on: it stands still in a pause.
std::optional<Time> forward_clock_of(const StepState& state);

// When AlarmRang must come at the latest, if nothing else happens.
std::optional<Time> next_deadline(const Run& run);

// The call a task makes, or the undo of a step.
const TaskCall& call_of(const Step& step, bool undo);
// Likewise, of what is out or has its turn next: where nobody knows whether the task took effect, the look.
const TaskCall& call_of(const Step& step, const StepState& state, bool undo);
// Of an attempt that was made.
const TaskCall& call_of(const Step& step, const StepState& state, const AttemptRef& ref);
bool was_look(const StepState& state, const AttemptRef& ref);

} // namespace baton::orchestrator::core
