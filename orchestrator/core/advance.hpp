// The step function: what an event does to a run. It is decided (decide/), noted as facts, and the facts
// are what changes the run (apply.hpp). Pure: no clock, no randomness (jitter comes from ids), no I/O;
// the same run, event and time give the same result on every machine, so a simulation can be believed.
#pragma once

#include "base/clock.hpp"
#include "orchestrator/core/apply.hpp"
#include "orchestrator/core/clocks.hpp"
#include "orchestrator/core/event.hpp"
#include "orchestrator/core/fact.hpp"
#include "orchestrator/core/gate.hpp"
#include "orchestrator/core/judge.hpp"
#include "orchestrator/core/run.hpp"
#include "orchestrator/core/workflow.hpp"

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
    // Of text that they and the dead letters bring to the store, about.
    std::size_t bytes = 0;
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

// `run` must have been made by new_run(workflow) or read by read_state_json(workflow), and is changed.
Transition advance(const Workflow& workflow, Run& run, const Event& event, Time now,
                   const RunLimits& limits = {}, const Judge& judge = evaluating_judge(),
                   const Gate& gate = open_gate());

} // namespace baton::orchestrator::core
