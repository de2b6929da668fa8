// Who owns what, seen by one node; and what travels between nodes.
#include "orchestrator/runtime/engine.hpp"
#include "orchestrator/runtime/request.hpp"
#include "orchestrator/runtime/spread.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace baton::orchestrator::runtime {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::map<std::string, std::size_t> shares(const std::vector<std::string>& owners) {
    std::map<std::string, std::size_t> counted;
    for (const std::string& owner : owners)
        ++counted[owner];
    return counted;
}

std::size_t moved(const std::vector<std::string>& before, const std::vector<std::string>& after) {
    std::size_t count = 0;
    for (std::size_t part = 0; part < before.size(); ++part)
        count += before[part] != after[part] ? 1 : 0;
    return count;
}

std::vector<std::string> some_nodes(std::size_t count) {
    std::vector<std::string> nodes;
    for (std::size_t n = 0; n < count; ++n)
        nodes.push_back(fmt::format("host{}:4711:abc{}", n, n));
    return nodes;
}

TEST(Spread, EveryNodeHasItsShareAndNoneHasMore) {
    for (const std::size_t partitions : {16U, 64U})
        for (const std::size_t count : {1U, 2U, 3U, 5U, 8U}) {
            const auto counted = shares(spread(partitions, some_nodes(count)));
            EXPECT_EQ(counted.size(), count) << partitions;
            for (const auto& [node, share] : counted)
                EXPECT_LE(share, (partitions + count - 1) / count) << node;
        }
}

TEST(Spread, ANodeThatComesOrGoesMovesLittleMoreThanItsShare) {
    for (const std::size_t count : {2U, 3U, 5U, 8U}) {
        auto nodes = some_nodes(count);
        const auto all = spread(64, nodes);
        nodes.erase(nodes.begin() + 1);
        EXPECT_LE(moved(all, spread(64, nodes)), 64 / count + 64 / count / 2 + 2) << count;
    }
}

TEST(Spread, TheOrderOfTheNodesDoesNotMatter) {
    EXPECT_EQ(spread(64, {"a", "b", "c"}), spread(64, {"c", "a", "b"}));
    EXPECT_THAT(spread(2, {}), ElementsAre("", ""));
}

// Nodes of different versions must agree for ever.
TEST(Spread, TheWeightsNeverChange) {
    std::string owners;
    for (const std::string& owner : spread(16, {"a", "b", "c"}))
        owners += owner;
    EXPECT_EQ(owners, "abbbccabccaabaac");
}

struct NeighboursTest : testing::Test {
    NeighboursTest() {
        for (Partition part = 0; part < 8; ++part)
            around.partitions.push_back({part, 1, "b"});
        around.nodes = {{"a", "1", true, false, 5s}, {"b", "1", true, false, 5s}};
    }
    Assignment look() { return neighbours.look(around, now); }

    Neighbourhood around;
    Neighbours neighbours{"a"};
    Time now = time_from_micros(1'800'000'000'000'000);
};

TEST_F(NeighboursTest, WhatALivingNodeHoldsIsWaitedFor) {
    const Assignment first = look();
    EXPECT_FALSE(first.ours.empty());
    EXPECT_LT(first.ours.size(), 8u);
    EXPECT_THAT(first.takeable, IsEmpty());
    EXPECT_THAT(first.seen, SizeIs(8));

    for (auto& one : around.partitions)
        one.node.clear();
    EXPECT_EQ(look().takeable.size(), first.ours.size());
}

TEST_F(NeighboursTest, ANodeThatDoesNotGiveBackIsNotWaitedForForEver) {
    look();
    now += Neighbours::patience - 1s;
    EXPECT_THAT(look().takeable, IsEmpty());
    now += 1s;
    EXPECT_EQ(look().takeable.size(), look().ours.size());
}

TEST_F(NeighboursTest, ASessionThatEndedIsADeathAtOnce) {
    look();
    around.nodes[1].has_session = false;
    const Assignment made = look();
    EXPECT_THAT(made.ours, SizeIs(8));
    EXPECT_THAT(made.takeable, SizeIs(8));
    EXPECT_THAT(neighbours.dead(), ElementsAre("b"));
}

TEST_F(NeighboursTest, ASessionThatWasNeverSeenIsWaitedForAsLongAsTheLease) {
    around.nodes[1].has_session = false; // the database was restarted, and everybody comes back
    EXPECT_THAT(look().takeable, IsEmpty());
    EXPECT_THAT(neighbours.dead(), IsEmpty());
    around.nodes[1].lease_left = -1s;
    EXPECT_THAT(look().takeable, SizeIs(8));
    EXPECT_THAT(neighbours.dead(), ElementsAre("b"));
}

TEST_F(NeighboursTest, ASessionThatWasLostWhileTheDatabaseStayedIsADeathForNewcomersToo) {
    around.nodes[1].has_session = false;
    around.nodes[1].lost_session = true;
    EXPECT_THAT(look().takeable, SizeIs(8));
    EXPECT_THAT(neighbours.dead(), ElementsAre("b"));
}

TEST_F(NeighboursTest, WhoLostItsOwnSessionKnowsNothingOfTheOthers) {
    look();
    neighbours.forget();
    around.nodes[1].has_session = false;
    EXPECT_THAT(look().takeable, IsEmpty());
}

TEST_F(NeighboursTest, ANodeThatHangsLosesWhatItHasAndKeepsItsRow) {
    look();
    around.nodes[1].lease_left = -1s;
    EXPECT_THAT(look().takeable, SizeIs(8));
    EXPECT_THAT(neighbours.dead(), IsEmpty()) << "its session is there";
}

TEST_F(NeighboursTest, ANodeThatDrainsOwnsNothing) {
    around.nodes[1].drains = true;
    EXPECT_THAT(look().ours, SizeIs(8));
    EXPECT_THAT(look().takeable, IsEmpty()) << "it gives them back by itself";
    around.nodes[1].drains = false;
    around.nodes[0].drains = true;
    EXPECT_THAT(look().ours, IsEmpty());
}

// The tasks of its runs would go to a broker where the workers of the first do not listen.
TEST_F(NeighboursTest, OfTwoServersWithABrokerEachTheFirstHasAll) {
    around.nodes = {{"b", "1", true, false, 5s, true}, {"a", "1", true, false, 5s, true}};
    EXPECT_THAT(look().ours, IsEmpty());
    EXPECT_TRUE(neighbours.is_second());
    around.nodes[1].has_broker = false; // it uses the other's
    EXPECT_THAT(look().ours, SizeIs(4));
    EXPECT_FALSE(neighbours.is_second());
    around.nodes[1].has_broker = true;
    around.nodes[0].has_session = false; // it has died
    EXPECT_THAT(look().ours, SizeIs(8));
    EXPECT_FALSE(neighbours.is_second());
}

// Its life before, killed together with the database.
TEST_F(NeighboursTest, AServerWithABrokerThatMayBeDeadIsWaitedForAndIsNobodysMistake) {
    around.nodes = {{"b", "1", false, false, 5s, true}, {"a", "1", true, false, 5s, true}};
    EXPECT_THAT(look().takeable, IsEmpty());
    EXPECT_FALSE(neighbours.is_second());
    around.nodes[0].lease_left = -1s;
    EXPECT_THAT(look().takeable, SizeIs(8));
}

TEST_F(NeighboursTest, APartitionOfAProgramThatAnnouncesNothingIsTaken) {
    around.nodes.pop_back();
    EXPECT_THAT(look().takeable, SizeIs(8));
}

// Such a program takes all it wants when it starts, and again a second after it was refused.
TEST_F(NeighboursTest, AProgramThatAnnouncesNothingAndTakesPartitionsIsLeftAloneForAWhile) {
    const auto first = look().ours;
    for (auto& one : around.partitions)
        one = {one.part, one.epoch + 1, "old"};
    EXPECT_THAT(look().takeable, IsEmpty());
    now += Neighbours::patience - 1s;
    EXPECT_THAT(look().takeable, IsEmpty());
    now += 1s;
    EXPECT_THAT(look().takeable, SizeIs(first.size())) << "it may have been stopped";
    for (auto& one : around.partitions)
        ++one.epoch;
    EXPECT_THAT(look().takeable, IsEmpty()) << "it has not";
}

TEST_F(NeighboursTest, ADeadNodeWhoseRowIsGoneIsNoStranger) {
    look();
    for (auto& one : around.partitions)
        ++one.epoch; // it took something, and died
    around.nodes.pop_back();
    EXPECT_THAT(look().takeable, SizeIs(8));
}

TEST_F(NeighboursTest, WhatWasTakenWithoutOurKnowingIsTakenAgain) {
    for (auto& one : around.partitions)
        one.node = "a";
    EXPECT_EQ(look().takeable.size(), look().ours.size());
}

// ------------------------------------------------------------------ requests

TEST(Request, ComesBackAsItWasSent) {
    Request sent;
    sent.kind = Request::Kind::redrive;
    sent.hops = 2;
    sent.run_id = "run";
    sent.actor = "ada";
    sent.reason = "why \"not\"";
    sent.id = 7;
    sent.body = "{}";
    sent.routes = {"a.one", "a.two"};
    sent.labels = {{"team", "mail"}};
    const auto got = request_from_json(to_json(sent));
    ASSERT_TRUE(got);
    EXPECT_EQ(to_json(*got), to_json(sent));
    EXPECT_EQ(got->kind, Request::Kind::redrive);
    EXPECT_EQ(got->reason, sent.reason);
    EXPECT_EQ(got->body, "{}");
    EXPECT_EQ(got->labels, sent.labels);
    EXPECT_THAT(got->routes, ElementsAre("a.one", "a.two"));
}

TEST(Request, WhatAnOperatorAsksOfARunComesBackAsTheSameEvent) {
    const auto document = [](const char* text) { return core::Document::parse(text).value(); };
    const std::vector<core::Event> asked{
        core::PauseRequested{"why"},
        core::ResumeRequested{"why"},
        core::SkipRequested{"mail.send", "why"},
        core::OutputGiven{"mail.send", document(R"({"id":1})"), "why"},
        core::OutputGiven{"mail.send", {}, "why"},
        core::InputEdited{"mail.send", true, document("[1]"), "why"},
        core::RerunRequested{"mail.send", "why"},
        core::SignalSent{"paid", "id-1", document(R"({"by":"card"})"), "ada"},
        core::ApprovalDecided{"ask", true, "why", document("{}"), "ada", {"boss"}, true},
        core::ApprovalDecided{"ask", false, "why", {}, "ada", {}, false}};
    for (const core::Event& event : asked) {
        Request sent;
        put_event(sent, event);
        const auto got = request_from_json(to_json(sent));
        ASSERT_TRUE(got) << to_json(sent);
        const auto back = event_of(*got);
        ASSERT_TRUE(back) << to_json(sent);
        EXPECT_EQ(back->index(), event.index()) << to_json(sent);
        Request again;
        put_event(again, *back);
        EXPECT_EQ(to_json(again), to_json(sent));
        EXPECT_EQ(got->reason, std::holds_alternative<core::SignalSent>(event) ? "" : "why")
            << to_json(sent);
    }
    const auto decided = std::get<core::ApprovalDecided>(
        event_of(
            request_from_json(
                R"({"kind":"approve","step":"ask","actor":"ada","roles":["boss","it"],"may_operate":true,"reason":"ok"})")
                .value())
            .value());
    EXPECT_TRUE(decided.approves && decided.may_operate);
    EXPECT_EQ(decided.by, "ada");
    EXPECT_EQ(decided.comment, "ok");
    EXPECT_THAT(decided.roles, ElementsAre("boss", "it"));
    const auto edited = event_of(
        request_from_json(R"({"kind":"edit_input","step":"a","undo":true,"input":"[1]"})").value());
    ASSERT_TRUE(edited);
    EXPECT_TRUE(std::get<core::InputEdited>(*edited).undo);
    EXPECT_EQ(std::get<core::InputEdited>(*edited).input.text(), "[1]");
    EXPECT_FALSE(
        event_of(request_from_json(R"({"kind":"set_output","step":"a","input":"{"})").value()));
    EXPECT_FALSE(event_of(request_from_json(R"({"kind":"drop"})").value()));
}

TEST(Request, ABulkJobComesBackWithItsFilter) {
    Request sent;
    sent.kind = Request::Kind::start_dead_job;
    sent.job.key = "key";
    sent.job.drops = true;
    sent.job.filter.task = "mail.send";
    sent.job.interval = 200ms;
    sent.job.stop_after = 3;
    const auto got = request_from_json(to_json(sent));
    ASSERT_TRUE(got);
    EXPECT_EQ(got->job.key, "key");
    EXPECT_TRUE(got->job.drops);
    EXPECT_EQ(got->job.filter.task, "mail.send");
    EXPECT_EQ(got->job.interval, Duration(200ms));
    EXPECT_EQ(got->job.stop_after, 3u);
}

// The other side may be older or newer.
TEST(Request, MembersNobodyKnowsAreIgnoredAndMissingOnesAreEmpty) {
    const auto got = request_from_json(R"({"kind":"cancel","run":"r","later":{"a":[1]}})");
    ASSERT_TRUE(got);
    EXPECT_EQ(got->run_id, "r");
    EXPECT_EQ(got->reason, "");
    const auto answer = answer_from_json(R"({"run":"r","status":"no such","later":1})");
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->run_id, "r");
}

TEST(Request, AKindThatIsNotKnownIsRefusedByName) {
    const auto got = request_from_json(R"({"kind":"pause_everything"})");
    ASSERT_FALSE(got);
    EXPECT_THAT(got.error().detail, HasSubstr("pause_everything"));
    EXPECT_FALSE(request_from_json("[1]"));
    EXPECT_FALSE(request_from_json("{"));
}

TEST(Request, AFailureKeepsItsCodeAndItsSentence) {
    const Failure refused{make_error_code(EngineErrc::unknown_run), "there is no run r"};
    const auto got = answer_from_json(to_json(Outcome<Answer>(refused)));
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, EngineErrc::unknown_run);
    EXPECT_EQ(got.error().detail, "there is no run r");
    const Failure away{make_error_code(StoreErrc::unavailable), "away"};
    const auto other = answer_from_json(to_json(Outcome<Answer>(away)));
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().code, StoreErrc::unavailable);
}

} // namespace
} // namespace baton::orchestrator::runtime
