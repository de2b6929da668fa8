// Who is believed to be there.
#include "orchestrator/messaging/roster.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace baton::orchestrator::messaging::test {
namespace {

using std::chrono::seconds;

contract::Announcement about(std::string worker, std::string task, std::string parameters = {}) {
    contract::Announcement one;
    one.worker = std::move(worker);
    one.task = std::move(task);
    one.queue = "baton.task." + one.task;
    one.every = seconds(30);
    one.parameters = std::move(parameters);
    return one;
}

std::set<std::string> names(const Roster& roster) {
    std::set<std::string> all;
    for (const KnownWorker& one : roster.list()) all.insert(one.worker);
    return all;
}

const Time begin = time_from_micros(1'000'000'000);

TEST(Roster, WhoFallsSilentIsForgottenAndWhoSaysGoodbyeAtOnce) {
    Roster roster;
    roster.take(about("a", "x"), begin);
    roster.take(about("b", "x"), begin);
    roster.take(about("c", "x"), begin);
    roster.take(about("b", "x"), begin + seconds(60));

    roster.leave("c");
    EXPECT_EQ(names(roster), (std::set<std::string>{"a", "b"}));
    roster.expire(begin + seconds(90));
    EXPECT_EQ(names(roster), (std::set<std::string>{"a", "b"}));
    roster.expire(begin + seconds(91));

    ASSERT_EQ(names(roster), (std::set<std::string>{"b"}));
    EXPECT_EQ(roster.list()[0].first_heard, begin);
    EXPECT_EQ(roster.list()[0].last_heard, begin + seconds(60));
}

TEST(Roster, WhoseQueuesNobodyConsumesIsGoneBeforeHisTime) {
    Roster roster;
    roster.take(about("dead", "x"), begin);
    roster.take(about("alive", "x"), begin);
    roster.take(about("alive", "y"), begin);
    const auto only_y = [](const std::string& route) { return route != "y"; };

    roster.expire(begin + seconds(10), only_y);
    EXPECT_EQ(names(roster).size(), 2U) << "who has just come is not yet counted among the consumers";
    roster.expire(begin + seconds(16), only_y);

    EXPECT_EQ(names(roster), (std::set<std::string>{"alive"}));
}

TEST(Roster, SaysWhichQueueEachTaskIsTakenFrom) {
    Roster roster;
    auto eu = about("a", "x", R"({"type":"object"})");
    eu.queue = "baton.task.x.eu";
    roster.take(eu, begin);
    roster.take(about("b", "x", R"({"type":"object"})"), begin);

    const auto list = roster.list();

    EXPECT_EQ(list[0].tasks[0].route, "x.eu");
    EXPECT_EQ(list[1].tasks[0].route, "x");
    EXPECT_EQ(list[0].tasks[0].parameters, list[1].tasks[0].parameters) << "one copy of what all say";
}

TEST(Roster, TakesNoMoreThanItsLimits) {
    Roster roster({.workers = 2, .tasks_per_worker = 2, .schema_bytes = 100});

    EXPECT_TRUE(roster.take(about("a", "x", std::string(60, 'x')), begin));
    EXPECT_TRUE(roster.take(about("b", "x", std::string(60, 'y')), begin));
    EXPECT_FALSE(roster.take(about("c", "x"), begin));
    EXPECT_TRUE(roster.take(about("a", "y"), begin));
    EXPECT_FALSE(roster.take(about("a", "z"), begin));
    EXPECT_TRUE(roster.take(about("a", "y"), begin)) << "what is known is renewed";

    auto list = roster.list();
    ASSERT_EQ(list.size(), 2U);
    EXPECT_NE(list[0].tasks[0].parameters, nullptr);
    EXPECT_EQ(list[1].tasks[0].parameters, nullptr) << "no place for its schema";
    list.clear();
    roster.leave("a");
    EXPECT_TRUE(roster.take(about("b", "x", std::string(60, 'y')), begin));
    EXPECT_NE(roster.list()[0].tasks[0].parameters, nullptr) << "there is place again";
}

} // namespace
} // namespace baton::orchestrator::messaging::test
