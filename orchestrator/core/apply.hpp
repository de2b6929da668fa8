// How a run changes: fact by fact, and in no other way. What is decided elsewhere is carried out here,
// without a question and without knowing of expressions or policies; so the facts of the history,
// applied in their order, give the state again.
#pragma once

#include "base/clock.hpp"
#include "orchestrator/core/fact.hpp"
#include "orchestrator/core/run.hpp"
#include "orchestrator/core/workflow.hpp"

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace baton::orchestrator::core {

// `at` is the time of the transition. False: the fact speaks of something this run does not have, and
// nothing was changed; then history and workflow do not belong together.
[[nodiscard]] bool apply(const Workflow& workflow, Run& run, const Fact& fact, Time at);

// All facts of one transition of the history, after which nothing waits for its turn.
[[nodiscard]] bool replay(const Workflow& workflow, Run& run, std::span<const Fact> facts, Time at);

// A sign of life of an attempt. It is kept in memory and leaves no fact.
struct Sighting {
    Place place;
    bool undo = false;
    std::optional<std::string> worker{};
    Document progress{}; // null: it said none
};
void see(const Workflow& workflow, Run& run, const Sighting& sighting, Time now);

// What a step waits for, with the answer of one more of the people it asks.
Document with_vote(const Document& wait, const fact::ApprovalVoted& voted, Time at);

// Nobody could be heard until `now`: time-outs of what has begun count from here.
void begin_clocks_anew(const Workflow& workflow, Run& run, Time now);

// The pen of those who decide: shows them the run, and notes what they decided by applying it at once.
class Recorder {
public:
    Recorder(const Workflow& workflow, Run& run, Time now) : workflow_(workflow), run_(run), now_(now) {}

    const Run& run() const { return run_; }
    bool has_noted() const { return !facts_.empty(); }
    void note(FactBody body);
    void see(const Sighting& sighting) { core::see(workflow_, run_, sighting, now_); }
    // Takes the next place whose turn may have come: from `from` on, then from the beginning.
    std::optional<Place> next_marked(Place from);

    std::vector<Fact> take() { return std::move(facts_); }

private:
    const Workflow& workflow_;
    Run& run_;
    Time now_;
    std::vector<Fact> facts_;
};

} // namespace baton::orchestrator::core
