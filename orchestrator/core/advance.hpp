// The step function: what an event does to a run. Pure: no clock, no randomness (jitter comes from
// ids), no I/O; the same run, event and time give the same result on every machine, so a history
// can be replayed and a simulation believed.
#pragma once

#include "base/clock.hpp"
#include "orchestrator/core/event.hpp"
#include "orchestrator/core/fact.hpp"
#include "orchestrator/core/run.hpp"
#include "orchestrator/core/workflow.hpp"

#include <optional>
#include <string>
#include <vector>

namespace baton::orchestrator::core {

// A task that died in this transition, for the list of dead letters.
struct DeadTask {
    AttemptRef ref;
    std::string reason;         // "exhausted", "not_retryable", "timeout", "compensation", "lost"
    std::string task;           // route
    std::uint32_t attempts = 0; // of the last series
    std::string error_type;
    Document error;
    Document input;
    Document message; // of the broker, when the message itself was given up
};

struct Transition {
    // What happened, in order. Empty: nothing to store; memory may have changed.
    std::vector<Fact> facts;
    std::vector<DeadTask> dead;
    // Steps (with ":undo" for undos) whose dead letters are settled because they are tried again.
    std::vector<std::string> revived;
    // Likewise, because nobody will try them again.
    std::vector<std::string> dropped;
    // Set when the event was refused and nothing changed: a sentence for whoever asked, for example
    // "the run is completed".
    std::string refusal;
    // The event belongs to an attempt that is over; it was dropped without a trace.
    bool ignored = false;
};

// What one run may hold, as JSON text: its input, the results and errors of its steps, its output.
// What the tasks that begin in one transition are given together may be as much again.
struct RunLimits {
    std::size_t text_bytes = std::size_t{16} * 1024 * 1024;
};

// Changes `run`, which must have been made by new_run(workflow) or read by run_from_json(workflow).
Transition advance(const Workflow& workflow, Run& run, const Event& event, Time now,
                   const RunLimits& limits = {});

// Nobody could be heard until `now`: time-outs of what has begun count from here.
void begin_clocks_anew(Run& run, Time now);

// When AlarmRang must come at the latest, if nothing else happens.
std::optional<Time> next_deadline(const Workflow& workflow, const Run& run);

} // namespace baton::orchestrator::core
