// What must be true of a run whatever happened to it, read off its history fact by fact: that the
// history gives the state, that nothing happened twice or out of its turn, and that what had to be
// undone is undone. Written against the language, and not with what decides.
#pragma once

#include "orchestrator/core/workflow.hpp"
#include "orchestrator/runtime/run_store.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace baton::test {

// What the workers of a world did, by idempotency key.
struct Effect {
    std::string run_id;
    std::string address;
    bool undo = false;
    bool is_reported = false; // a report of it will reach the orchestrator
    bool needs_undo = true;   // what its result says
};
using Effects = std::map<std::string, Effect>;

// A document as an engine wrote it with a transition.
struct KeptDocument {
    std::string run_id;
    std::uint64_t version = 0;
    Time at;
    std::string events;
    std::string state;
};

struct RunEvidence {
    const orchestrator::core::Workflow& workflow;
    const orchestrator::runtime::StoredRun& row;
    const std::vector<orchestrator::runtime::HistoryRow>& history; // of all runs
    const std::vector<KeptDocument>& documents;                    // likewise
    const std::vector<orchestrator::runtime::DeadLetter>& letters; // likewise
    const Effects& effects;                                        // likewise
};

// The first thing that is wrong; empty: nothing is.
std::string complaint_about(const RunEvidence& evidence);

} // namespace baton::test
