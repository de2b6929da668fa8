// The turns of schedules over days and years, with servers that are down, clocks that jump and runs
// that take long.
#include "base/rfc3339.hpp"
#include "base/time_zone.hpp"
#include "orchestrator/schedule/schedule.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace baton::orchestrator::schedule {
namespace {

using namespace std::chrono_literals;
using core::CronTrigger;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Time at(std::string_view text) {
    return *from_rfc3339(text);
}

Rule rule(CronTrigger says, Time since = at("2026-01-01T00:00:00Z")) {
    core::Workflow workflow;
    workflow.name = "nightly";
    core::Trigger trigger;
    trigger.name = "cron";
    trigger.kind = std::move(says);
    auto made = rule_of(workflow, trigger, since);
    EXPECT_TRUE(made);
    return *made;
}

// A server that takes turns, and a store that keeps start keys.
struct World {
    Rule rule;
    Memory memory{};
    std::map<std::string, Time> started{}; // by key: when
    std::map<std::string, Time> ends{};    // of runs; a run is called by its key
    Duration takes{};                      // a run
    std::vector<std::string> cancelled{};

    // What happens between the turn and its being stored is lost: `dies`.
    void turn(Time now, bool dies = false) {
        Memory read = *memory_from_json(to_json(memory));
        const auto end = ends.find(read.last_run);
        const bool is_open = end != ends.end() && now < end->second;
        const Turn turn = take_turn(rule, read, now, is_open);
        if (turn.cancels_last) {
            cancelled.push_back(memory.last_run);
            ends[memory.last_run] = now;
        }
        for (const Fire& fire : turn.starts) {
            const std::string key = start_key(rule, fire);
            if (started.emplace(key, now).second) ends[key] = now + takes;
            note_start(read, fire, key, now);
        }
        if (!dies) memory = std::move(read);
    }
    void until(Time from, Time end, Duration step) {
        for (Time now = from; now <= end; now += step)
            turn(now);
    }
    std::vector<std::string> times() const {
        std::vector<std::string> all;
        for (const auto& [key, when] : started)
            all.push_back(key.substr(key.rfind('/') + 1, 16));
        return all;
    }
};

CronTrigger nightly(std::string zone = "UTC") {
    CronTrigger says;
    says.cron = "15 2 * * *";
    says.timezone = std::move(zone);
    return says;
}

class AYear : public testing::TestWithParam<const char*> {};

TEST_P(AYear, HasOneStartADayWhateverTheClocksDo) {
    if (!has_zones()) GTEST_SKIP() << "tzdata is not installed";
    World world{rule(nightly(GetParam()), at("2026-01-01T12:00:00Z"))};
    Time now = at("2026-01-01T12:00:00Z");
    const Time end = at("2027-01-01T12:00:00Z");
    world.turn(now);
    std::vector<Time> nominal;
    while (true) {
        const auto next = next_start(world.rule, world.memory, now);
        ASSERT_TRUE(next);
        if (*next > end) break;
        now = *next;
        EXPECT_FALSE(is_due(world.rule, world.memory, now - 1s));
        EXPECT_TRUE(is_due(world.rule, world.memory, now));
        world.turn(now);
        world.turn(now); // the same moment again starts nothing
        nominal.push_back(world.memory.last->nominal);
        EXPECT_EQ(nominal.back(), now);
    }
    EXPECT_EQ(world.started.size(), 365U);
    EXPECT_EQ(world.memory.started, 365U);
    EXPECT_EQ(world.memory.missed + world.memory.skipped, 0U);
    for (std::size_t i = 1; i < nominal.size(); ++i) {
        EXPECT_GE(nominal[i] - nominal[i - 1], 22h + 30min);
        EXPECT_LE(nominal[i] - nominal[i - 1], 25h + 30min);
    }
}

INSTANTIATE_TEST_SUITE_P(Zones, AYear,
                         testing::Values("Europe/Berlin", "Australia/Lord_Howe", "UTC",
                                         "America/New_York", "Asia/Kolkata"));

TEST(Schedule, TheNightsOfBothChangesHaveOneStartEach) {
    if (!has_zones()) GTEST_SKIP() << "tzdata is not installed";
    World berlin{rule(nightly("Europe/Berlin"), at("2026-03-28T12:00:00Z"))};
    berlin.until(at("2026-03-28T12:00:00Z"), at("2026-03-30T12:00:00Z"), 1min);
    EXPECT_THAT(berlin.times(), ElementsAre("2026-03-29T01:00", "2026-03-30T00:15"));
    World autumn{rule(nightly("Europe/Berlin"), at("2026-10-24T12:00:00Z"))};
    autumn.until(at("2026-10-24T12:00:00Z"), at("2026-10-26T12:00:00Z"), 1min);
    EXPECT_THAT(autumn.times(), ElementsAre("2026-10-25T00:15", "2026-10-26T01:15"));
}

TEST(Schedule, AServerThatWasDownMakesUpForWhatCatchUpAllows) {
    CronTrigger says = nightly();
    says.catch_up = 6h;
    World world{rule(says)};
    world.turn(at("2026-01-01T00:00:00Z"));
    world.turn(at("2026-01-01T08:00:00Z")); // 5 h 45 min late
    EXPECT_THAT(world.times(), ElementsAre("2026-01-01T02:15"));
    world.turn(at("2026-01-04T08:30:00Z")); // of three nights none: the last one is 6 h 15 min ago
    EXPECT_EQ(world.started.size(), 1U);
    EXPECT_EQ(world.memory.missed, 3U);
    EXPECT_THAT(world.memory.note, HasSubstr("3 missed"));
    world.turn(at("2026-01-05T02:15:00Z"));
    EXPECT_EQ(world.started.size(), 2U);
}

TEST(Schedule, OfManyMissedTheYoungestAreMadeUpForAndARestartIsNoMiss) {
    CronTrigger says;
    says.cron = "*/10 * * * *";
    says.overlap = CronTrigger::Overlap::queue;
    says.catch_up = 2h;
    says.catch_up_most = 3;
    World world{rule(says)};
    world.turn(at("2026-01-01T00:00:00Z"));
    for (int i = 0; i < 10; ++i)
        world.turn(at("2026-01-01T05:00:30Z") + i * 1s); // 05:00 is on time, the others are late
    EXPECT_THAT(world.times(), ElementsAre("2026-01-01T04:30", "2026-01-01T04:40",
                                           "2026-01-01T04:50", "2026-01-01T05:00"));
    EXPECT_EQ(world.memory.missed, 26U);

    says.catch_up = 0s;
    World strict{rule(says)};
    strict.turn(at("2026-01-01T00:00:00Z"));
    strict.turn(at("2026-01-01T00:10:59Z"));
    EXPECT_EQ(strict.started.size(), 1U);
    strict.turn(at("2026-01-01T00:21:01Z"));
    EXPECT_EQ(strict.started.size(), 1U);
}

TEST(Schedule, YearsOfSilenceCostLittleAndStartOnce) {
    CronTrigger says;
    says.cron = "* * * * *";
    World world{rule(says)};
    world.turn(at("2026-01-01T00:00:00Z"));
    world.turn(at("2036-01-01T00:00:00Z"));
    EXPECT_THAT(world.times(), ElementsAre("2036-01-01T00:00"));
}

TEST(Schedule, DyingBetweenTheStartAndTheStoreStartsNothingTwice) {
    World world{rule(nightly())};
    world.turn(at("2026-01-01T00:00:00Z"));
    world.takes = 1h;
    world.turn(at("2026-01-01T02:15:00Z"), true);
    world.turn(at("2026-01-01T02:15:00Z"), true);
    world.turn(at("2026-01-01T02:15:20Z"));
    EXPECT_EQ(world.started.size(), 1U);
    EXPECT_EQ(world.memory.started, 1U);
    EXPECT_EQ(world.memory.last_run, "cron/cron/2026-01-01T02:15:00Z");
}

TEST(Schedule, AClockThatJumpsStartsNothingTwiceAndLosesNothingThatComesAfter) {
    World world{rule(nightly())};
    world.turn(at("2026-01-01T00:00:00Z"));
    world.turn(at("2026-01-01T02:15:00Z"));
    world.turn(at("2026-01-01T01:00:00Z")); // an hour back: 02:15 comes again
    world.until(at("2026-01-01T01:00:00Z"), at("2026-01-01T03:00:00Z"), 1min);
    EXPECT_EQ(world.started.size(), 1U);
    world.turn(at("2030-06-01T00:00:00Z")); // years ahead for a moment, and back
    EXPECT_EQ(world.started.size(), 1U);
    world.until(at("2026-01-01T03:01:00Z"), at("2026-01-04T03:00:00Z"), 10min);
    EXPECT_THAT(world.times(), ElementsAre("2026-01-01T02:15", "2026-01-02T02:15",
                                           "2026-01-03T02:15", "2026-01-04T02:15"));
}

World busy(CronTrigger::Overlap overlap, Duration takes) {
    CronTrigger says;
    says.cron = "0 * * * *";
    says.overlap = overlap;
    World world{rule(says)};
    world.takes = takes;
    world.until(at("2026-01-01T00:00:00Z"), at("2026-01-01T06:59:00Z"), 1min);
    return world;
}

TEST(Schedule, SkipLeavesOutWhatFallsIntoARun) {
    const World world = busy(CronTrigger::Overlap::skip, 2h + 30min);
    EXPECT_THAT(world.times(), ElementsAre("2026-01-01T01:00", "2026-01-01T04:00"));
    EXPECT_EQ(world.memory.skipped, 4U);
    EXPECT_THAT(world.memory.note,
                HasSubstr("06:00:00Z was skipped: run cron/cron/2026-01-01T04:00:00Z goes on"));
}

TEST(Schedule, QueueStartsEachWhenTheOneBeforeHasEnded) {
    const World world = busy(CronTrigger::Overlap::queue, 90min);
    EXPECT_THAT(world.times(), ElementsAre("2026-01-01T01:00", "2026-01-01T02:00",
                                           "2026-01-01T03:00", "2026-01-01T04:00"));
    EXPECT_EQ(world.started.at("cron/cron/2026-01-01T04:00:00Z"), at("2026-01-01T05:30:00Z"));
    EXPECT_EQ(world.memory.waiting.size(), 2U); // 05:00, 06:00
}

TEST(Schedule, CancelEndsTheRunBeforeAndThenStarts) {
    const World world = busy(CronTrigger::Overlap::cancel, 2h + 30min);
    EXPECT_EQ(world.started.size(), 6U);
    EXPECT_EQ(world.cancelled.size(), 5U);
    for (const auto& [key, when] : world.started) // not before it has ended
        if (key != "cron/cron/2026-01-01T01:00:00Z") EXPECT_EQ(when - at(key.substr(10)), 1min);
}

TEST(Schedule, AllowStartsBeside) {
    const World world = busy(CronTrigger::Overlap::allow, 10h);
    EXPECT_EQ(world.started.size(), 6U);
    EXPECT_THAT(world.cancelled, IsEmpty());
}

TEST(Schedule, AnotherExpressionCountsFromItsDeploymentAndOwesWhatTheFormerOneOwed) {
    World world{rule(nightly())};
    world.turn(at("2026-01-01T00:00:00Z"));
    // Down at 02:15, and back at 02:20 with another file: the start of the former one is not lost.
    CronTrigger later = nightly();
    later.cron = "18 2 * * *"; // which was over when it was deployed
    world.rule = rule(later, at("2026-01-01T02:20:00Z"));
    world.turn(at("2026-01-01T02:20:01Z"));
    EXPECT_THAT(world.times(), ElementsAre("2026-01-01T02:15"));
    world.until(at("2026-01-01T02:21:00Z"), at("2026-01-02T03:00:00Z"), 1min);
    EXPECT_THAT(world.times(), ElementsAre("2026-01-01T02:15", "2026-01-02T02:18"));
    // The same file again, or one that says the rest otherwise, changes nothing.
    later.overlap = CronTrigger::Overlap::allow;
    world.rule = rule(later, at("2026-01-03T02:17:59Z"));
    world.until(at("2026-01-02T03:01:00Z"), at("2026-01-03T03:00:00Z"), 1min);
    EXPECT_EQ(world.started.size(), 3U);
}

TEST(Schedule, WhatComesBackIsNotMadeUpFor) {
    World world{rule(nightly())};
    world.turn(at("2026-01-01T00:00:00Z"));
    world.memory.is_gone = true;
    world.rule.since = at("2026-01-05T02:30:00Z");
    world.turn(at("2026-01-05T02:30:00Z"));
    EXPECT_THAT(world.times(), IsEmpty());
    EXPECT_EQ(world.memory.missed, 0U);
    world.turn(at("2026-01-06T02:15:00Z"));
    EXPECT_THAT(world.times(), ElementsAre("2026-01-06T02:15"));
}

TEST(Schedule, APauseIsNotMadeUpFor) {
    World world{rule(nightly())};
    world.turn(at("2026-01-01T00:00:00Z"));
    pause(world.memory, at("2026-01-01T01:00:00Z"), "ada", "");
    world.until(at("2026-01-01T01:00:00Z"), at("2026-01-03T02:30:00Z"), 5min);
    EXPECT_FALSE(next_start(world.rule, world.memory, at("2026-01-03T02:30:00Z")));
    resume(world.memory, at("2026-01-03T02:30:00Z"));
    world.until(at("2026-01-03T02:30:00Z"), at("2026-01-04T02:30:00Z"), 5min);
    EXPECT_THAT(world.times(), ElementsAre("2026-01-04T02:15"));
    EXPECT_EQ(world.memory.missed, 0U);
}

TEST(Schedule, JitterIsTheSameEverywhereAndSpread) {
    CronTrigger says = nightly();
    says.jitter = 10min;
    World world{rule(says)};
    world.turn(at("2026-01-01T00:00:00Z"));
    for (Time now = at("2026-01-01T00:00:00Z"); world.started.size() < 31;)
        world.turn(now = *next_start(world.rule, world.memory, now));
    ASSERT_EQ(world.started.size(), 31U);
    std::vector<Duration> late;
    for (const auto& [key, when] : world.started) {
        const Time nominal = at(key.substr(10));
        EXPECT_EQ(when, nominal + put_off(world.rule, nominal));
        EXPECT_LT(when - nominal, 10min);
        late.push_back(put_off(rule(says), nominal));
    }
    std::sort(late.begin(), late.end());
    EXPECT_LT(late.front(), 2min);
    EXPECT_GT(late.back(), 8min);
    EXPECT_EQ(std::adjacent_find(late.begin(), late.end()), late.end());
}

TEST(Schedule, ABackfillRunsOneAfterTheOtherAndGivesWayToTheSchedule) {
    CronTrigger says;
    says.cron = "0 * * * *";
    World world{rule(says, at("2026-01-02T00:00:00Z"))};
    world.takes = 20min;
    world.turn(at("2026-01-02T00:00:00Z"));
    for (const Time nominal : times_between(world.rule.cron, at("2026-01-01T00:00:00Z") - 1us,
                                            at("2026-01-01T05:00:00Z"), 100))
        world.memory.waiting.push_back({nominal, Fire::Why::backfill, "ada"});
    EXPECT_EQ(world.memory.waiting.size(), 6U);
    world.until(at("2026-01-02T00:00:00Z"), at("2026-01-02T03:00:00Z"), 1min);
    EXPECT_EQ(world.started.size(), 9U); // six, and 01:00, 02:00, 03:00
    EXPECT_EQ(world.memory.skipped, 0U);
    EXPECT_LE(world.started.at("cron/cron/2026-01-02T01:00:00Z"), at("2026-01-02T01:20:00Z"));
}

TEST(Schedule, TheMemorySurvivesItsRow) {
    Memory memory;
    memory.spec = "15 2 * * * Europe/Berlin";
    memory.cursor = at("2026-01-01T00:00:00Z");
    pause(memory, at("2026-01-02T00:00:00Z"), "ada", "a \"reason\"");
    memory.waiting = {{at("2026-01-03T00:00:00Z"), Fire::Why::backfill, "ada"}};
    note_start(memory, {at("2026-01-01T00:00:00Z"), Fire::Why::by_hand, "bob"}, "r1",
               at("2026-01-01T00:00:01Z"));
    note_failure(memory, "it failed", at("2026-01-01T00:00:02Z"));
    const auto read = memory_from_json(to_json(memory));
    ASSERT_TRUE(read);
    EXPECT_EQ(to_json(*read), to_json(memory));
    EXPECT_EQ(read->waiting.front().why, Fire::Why::backfill);
    EXPECT_EQ(read->last->actor, "bob");
    EXPECT_FALSE(memory_from_json("[]"));
    EXPECT_TRUE(memory_from_json(R"({"spec":7,"waiting":[1,[2]],"started":-1,"news":true})"));
}

} // namespace
} // namespace baton::orchestrator::schedule
