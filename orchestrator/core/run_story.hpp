// What became of a run's steps, for people: the one reader of facts. Page, command line and what-if tell
// of a run by it and look at no fact themselves.
#pragma once

#include "base/clock.hpp"
#include "orchestrator/core/document.hpp"
#include "orchestrator/core/fact.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace baton::orchestrator::core {

struct AttemptStory {
    std::uint32_t number = 0;
    std::uint32_t max_attempts = 0;
    Time dispatched_at{};
    std::optional<Time> started_at{};
    std::optional<Time> closed_at{};
    std::string_view outcome{}; // "completed", "failed", "cancelled"; empty: none yet
    std::string worker{};
    Document error{};
    std::optional<Time> retry_at{};
    std::string run{}; // of a workflow: the run it is
    // Of a look whether the attempt before took effect: "asks", and then "done" or "not_done"; empty: it is none.
    std::string_view look{};
};

struct StepStory {
    std::string step; // address
    bool undo = false;
    std::string task{};
    // "waiting", "dispatched", "deferred", "backing_off", "running", "sleeping", "done", "failed", "dead",
    // "cancelled", "skipped", "blocked"
    std::string_view status = "waiting";
    std::optional<Document> input{};
    std::optional<Document> output{};
    Document error{};
    std::string reason{};
    bool caught = false;
    std::optional<Time> until{}; // of a wait or a deferral
    std::string known_from{};    // the run that its result is from
    Document waits_for{};        // of one that waits for what comes from outside: StepState::wait
    std::optional<Time> started_at{};
    std::optional<Time> closed_at{};
    std::optional<std::size_t> items{}; // of a for_each
    std::vector<AttemptStory> attempts{};
};

// An operator lets the run pause.
struct PauseStory {
    std::string actor{};
    std::string reason{};
    Time at{};
};

// The run has its end, and steps that run before it closes have their turn.
struct ClosingStory {
    Phase phase{};
    RunStatus end{};
};

class RunStory {
public:
    // The facts of one transition; in the order of the history.
    void add(std::span<const Fact> facts, Time at);

    // Nothing: no operator lets it pause now.
    const std::optional<PauseStory>& pause() const { return pause_; }
    // What a queued run waits for: a concurrency key, or a sentence on a pause of its workflow; empty: nothing.
    const std::string& awaits() const { return awaits_; }

    // Nothing: the run goes forwards, or is closed.
    const std::optional<ClosingStory>& closing() const { return closing_; }

    // Nothing: it is no step of another run.
    const std::optional<ParentRef>& parent() const { return parent_; }

    // The run is over: what goes on in the last that was heard of it does not any more.
    void close();

    // In the order of the workflow's file, which `paths` gives (without the numbers of instances), instances
    // in their order; undos behind, as they were done. Without paths: as they came up.
    std::vector<StepStory> take(std::span<const std::string> paths);

private:
    friend struct Teller;
    StepStory& entry(std::string_view step, bool undo);

    void tell_run(const Fact& fact, Time at);

    PauseStory last_asked_;
    std::optional<PauseStory> pause_;
    std::string awaits_;
    std::optional<ClosingStory> closing_;
    std::optional<ParentRef> parent_;
    std::vector<StepStory> steps_;
    std::unordered_map<std::string, std::size_t> places_;
};

} // namespace baton::orchestrator::core
