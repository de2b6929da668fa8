// Why a run does not go on: one pure function over the run, its steps, what people let pause, and
// what the broker says of its tasks. Each reason has a code for programs, a sentence for people,
// and what one could do about it. A reason is only given when it is known: nobody is called busy
// who was not seen to be.
#pragma once

#include "base/clock.hpp"
#include "orchestrator/core/run_story.hpp"
#include "orchestrator/core/workflow.hpp"
#include "orchestrator/runtime/held_tasks.hpp"
#include "orchestrator/runtime/run_store.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace baton::orchestrator::runtime {

// In the order in which one hides the others: what comes first is what has to be dealt with first.
enum class WhyCode : std::uint8_t {
    unreadable, // the engine cannot read the run and leaves it alone
    closed,
    store_away,
    partition_elsewhere, // the server that decides about it hangs, is dead, or there is none
    broker_away,
    run_paused, // by an operator
    workflow_paused,
    queued_by_key, // as many runs of its concurrency key go on as may
    undo_failed,
    dead_letter,    // a step gave up
    unrouted,       // its task has no queue
    no_consumer,    // nobody serves its task: no consumer at all
    task_held,      // its target lets no worker try
    broker_blocked, // the broker takes no messages: memory or disk
    consumers_busy, // every consumer has as many tasks as it may have
    task_paused,
    limit_full,
    rate_limited,
    backing_off,
    approval,
    signal,
    event,
    child_run,
    timer,
    outbox_behind, // the broker has not confirmed the task yet
    attempt_running,
    waits_for_step,
    goes_on, // nothing keeps it
};
std::string_view word_of(WhyCode code);
std::optional<WhyCode> why_code_from(std::string_view word);

// The queue of a task type, as the broker sees it.
struct QueueSight {
    bool exists = false;
    std::uint64_t ready = 0;
    std::uint64_t consumers = 0;
    // How many tasks all consumers together may hold, and hold; nothing: at least one has no bound,
    // or the broker does not say.
    std::optional<std::uint64_t> capacity;
    std::uint64_t unacked = 0;
};

struct TaskSight {
    std::optional<QueueSight> queue; // nothing: it could not be asked
    std::optional<HeldTask> held;
    std::optional<StoredPause> pause;
};

// All that is looked at beside the run itself. What is not known says nothing.
struct WhySight {
    std::map<std::string, TaskSight> tasks; // by route, of tasks that are out
    std::optional<StoredPause> workflow_pause;
    bool is_store_away = false;
    bool is_broker_away = false;
    bool is_broker_blocked = false;
    bool is_outbox_behind = false;
    std::string owner_trouble; // of the run's partition: "server b hangs"; empty: none
};

struct WhyRun {
    StoredRun run;
    std::span<const core::StepStory> steps;
    std::optional<core::PauseStory> pause;
    std::string awaits;
    std::string incident;
    const core::Workflow* workflow = nullptr; // null: not understood
};

// What one could do: a request to /baton/v1.
struct WhyAct {
    std::string label;
    std::string method;
    std::string path;
    std::string body; // JSON; empty: none
};

struct Why {
    WhyCode code = WhyCode::goes_on;
    std::string sentence;
    std::string step; // address; empty: of the whole run
    bool undo = false;
    std::string task; // route
    std::optional<Time> since;
    std::optional<Time> until;
    std::optional<WhyAct> act;
};

// At least one, the first is the one to begin with.
std::vector<Why> why(const WhyRun& run, const WhySight& sight);

// The routes of tasks that are out, of which WhySight should know something.
std::vector<std::string> routes_out(std::span<const core::StepStory> steps);

} // namespace baton::orchestrator::runtime
