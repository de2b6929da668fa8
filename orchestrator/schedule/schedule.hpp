// When a cron trigger starts runs: pure, so that a year passes in a test in a moment. The memory of
// a trigger is a row of the store; whoever owns the trigger takes its turns, does what a turn says,
// and stores the memory behind it. Dying between the two is harmless: the turn is taken again, and
// a start is named by its nominal time (start_key), so that it happens once.
//
//   cursor           nominal times up to here are dealt with: started, waiting, skipped or missed
//   on time          late by less than on_time
//   late             by less than catch_up: made up for, the youngest catch_up_most of them
//   missed           later than that: counted and left
//
// A clock that went back makes the cursor go back with it, and what it passes again is started
// already. A clock that jumps ahead makes late what it jumped over.
#pragma once

#include "base/clock.hpp"
#include "base/result.hpp"
#include "orchestrator/core/workflow.hpp"
#include "orchestrator/schedule/cron.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::orchestrator::schedule {

// A restart, or a take-over by another server, takes less.
inline constexpr Duration on_time = std::chrono::minutes(1);
// What may wait at once; a backfill asks for no more.
inline constexpr std::size_t waiting_max = 1000;

// A cron trigger of a live workflow.
struct Rule {
    std::string workflow;
    std::string trigger;
    Cron cron;
    core::CronTrigger says;
    Time since; // it counts from here, unless the memory knows it already
};
Outcome<Rule> rule_of(const core::Workflow& workflow, const core::Trigger& trigger, Time since);

struct Fire {
    enum class Why : std::uint8_t { schedule, backfill, by_hand };

    Time nominal;
    Why why = Why::schedule;
    std::string actor{};
};

struct Memory {
    std::string spec; // expression and zone that the cursor belongs to; empty: nothing is known yet
    Time cursor{};
    bool is_gone = false; // no live workflow has it; it begins anew when one has
    std::optional<Time> paused_at{};
    std::string paused_by{};
    std::string pause_reason{};
    std::vector<Fire> waiting{}; // in the order in which they are started
    // The last run that was started, and what it was started for.
    std::string last_run{};
    std::optional<Fire> last{};
    Time last_at{};
    std::string cancelled{}; // the run that was asked to end for the next one
    Time cancelled_at{};     // and when; asked again after a while
    std::uint64_t started = 0;
    std::uint64_t skipped = 0;
    std::uint64_t missed = 0;
    std::uint64_t failed = 0;
    std::string note{}; // the last trouble, a sentence
    Time noted_at{};
};

std::string to_json(const Memory& memory);
Outcome<Memory> memory_from_json(std::string_view text);

struct Turn {
    std::vector<Fire> starts;  // to be started, in order
    bool cancels_last = false; // the last run is to end first
};

// Whether take_turn() would change anything now, when it is not open.
bool is_due(const Rule& rule, const Memory& memory, Time now);
// `is_open`: the last run has not ended. The memory becomes what it is when the turn is done, but
// for the starts.
Turn take_turn(const Rule& rule, Memory& memory, Time now, bool is_open);
void note_start(Memory& memory, const Fire& fire, std::string run_id, Time now);
void note_skip(Memory& memory, std::string sentence, Time now);
void note_failure(Memory& memory, std::string sentence, Time now);

void pause(Memory& memory, Time now, std::string actor, std::string reason);
// What would have fired meanwhile is not made up for.
void resume(Memory& memory, Time now);

// The first moment at which it will start something; nothing while it pauses.
std::optional<Time> next_start(const Rule& rule, const Memory& memory, Time now);
// Nominal times behind `after` and up to `until`, at most `most`.
std::vector<Time> times_between(const Cron& cron, Time after, Time until, std::size_t most);
// How much later than its nominal time a fire is; always the same.
Duration put_off(const Rule& rule, Time nominal);
// Of the run for this nominal time.
std::string start_key(const Rule& rule, const Fire& fire);

} // namespace baton::orchestrator::schedule
