// Several processes on one PostgreSQL database: what they see of each other, and who gets a
// partition.
#include "tests/db/store_kit.hpp"

#include <gmock/gmock.h>
#include <pqxx/connection>
#include <pqxx/nontransaction>

#include <atomic>
#include <chrono>
#include <thread>

namespace baton::db::testing {

using namespace std::chrono_literals;
using baton::testing::Postgres;
using ::testing::IsEmpty;
using ::testing::SizeIs;

namespace {

struct NodesTest : ::testing::Test {
    std::string url = Postgres::shared().new_database_url();
    std::unique_ptr<RunStore> a = value_of(open_store(url));
    std::unique_ptr<RunStore> b = value_of(open_store(url));

    static Announcement word(const std::string& node, Duration lease = 5s) {
        return {node, "test", false, true, lease};
    }
    static NodeRow row(const Neighbourhood& around, const std::string& node) {
        for (const NodeRow& one : around.nodes)
            if (one.node == node) return one;
        ADD_FAILURE() << "no node " << node;
        return {};
    }
};

TEST_F(NodesTest, ThePartitionsOfANewDatabaseAreMadeOnceAndBelongToNobody) {
    EXPECT_TRUE(a->is_shared());
    EXPECT_EQ(value_of(a->partition_count()), 0U);
    ASSERT_TRUE(a->make_partitions(16));
    ASSERT_TRUE(b->make_partitions(64));
    EXPECT_EQ(value_of(b->partition_count()), 16U);
    const auto around = value_of(a->announce(word("a")));
    ASSERT_THAT(around.partitions, SizeIs(16));
    for (Partition part = 0; part < 16; ++part) {
        EXPECT_EQ(around.partitions[part].part, part);
        EXPECT_EQ(around.partitions[part].node, "");
        EXPECT_EQ(around.partitions[part].epoch, 0U);
    }
}

TEST_F(NodesTest, OfTwoWhoWantTheSamePartitionOneGetsIt) {
    ASSERT_TRUE(a->make_partitions(4));
    const std::vector<SeenPartition> seen{{1, 0, ""}, {3, 0, ""}};
    const auto first = value_of(a->take_over_from(seen, "a"));
    ASSERT_THAT(first, SizeIs(2));
    EXPECT_EQ(first[0].epoch, 1U);
    EXPECT_THAT(value_of(b->take_over_from(seen, "b")), IsEmpty());
    const auto around = value_of(b->announce(word("b")));
    EXPECT_EQ(around.partitions[3].node, "a");
    EXPECT_THAT(value_of(b->take_over_from(std::vector{around.partitions[3]}, "b")), SizeIs(1));
}

TEST_F(NodesTest, AReleasedPartitionKeepsItsCursorAndAStaleReleaseDoesNothing) {
    ASSERT_TRUE(a->make_partitions(4));
    OwnedPartition owned =
        value_of(a->take_over_from(std::vector{SeenPartition{2, 0, ""}}, "a")).at(0);
    commit(*a, owned, {birth(1, 1), birth(2, 2)});
    owned.published = 2;
    owned.pseq = 2;
    ASSERT_TRUE(a->release(std::vector{owned}));
    const auto seen = value_of(b->announce(word("b"))).partitions[2];
    EXPECT_EQ(seen.node, "");
    const auto next = value_of(b->take_over_from(std::vector{seen}, "b")).at(0);
    EXPECT_EQ(next.pseq, 2U);
    EXPECT_EQ(next.published, 2U);
    EXPECT_GT(next.epoch, owned.epoch);

    ASSERT_TRUE(a->release(std::vector{owned}));
    EXPECT_EQ(value_of(b->announce(word("b"))).partitions[2].node, "b");
}

TEST_F(NodesTest, ASessionThatEndsIsSeenAtOnceAndTheRowCanBeTakenAway) {
    (void)value_of(a->announce(word("a", 1h)));
    (void)value_of(a->announce(word("a", 1h))); // takes the lock once
    EXPECT_TRUE(row(value_of(b->announce(word("b"))), "a").has_session);
    ASSERT_TRUE(b->withdraw("a"));
    EXPECT_THAT(value_of(b->announce(word("b"))).nodes, SizeIs(2)) << "it lives";

    a.reset(); // the socket closes
    const auto limit = std::chrono::steady_clock::now() + 60s;
    while (row(value_of(b->announce(word("b"))), "a").has_session &&
           std::chrono::steady_clock::now() < limit)
        std::this_thread::sleep_for(5ms);
    const auto left = row(value_of(b->announce(word("b"))), "a");
    EXPECT_FALSE(left.has_session);
    EXPECT_TRUE(left.lost_session);
    EXPECT_GT(left.lease_left, Duration(30min)) << "long before its lease ends";
    ASSERT_TRUE(b->withdraw("a"));
    EXPECT_THAT(value_of(b->announce(word("b"))).nodes, SizeIs(1));
}

TEST_F(NodesTest, ASessionFromBeforeTheDatabaseWasStartedSaysNothing) {
    EXPECT_FALSE(row(value_of(a->announce(word("a"))), "a").lost_session);
    a.reset();
    const auto set = [&](const char* to) {
        pqxx::connection other(url);
        pqxx::nontransaction(other).exec(std::string("update node set database_started = ") + to + " where node = 'a'");
        const auto limit = std::chrono::steady_clock::now() + 5s;
        while (row(value_of(b->announce(word("b"))), "a").has_session && std::chrono::steady_clock::now() < limit)
            std::this_thread::sleep_for(5ms);
        return row(value_of(b->announce(word("b"))), "a").lost_session;
    };
    EXPECT_FALSE(set("pg_postmaster_start_time() - interval '1 minute'"));
    EXPECT_FALSE(set("null")) << "announced by a server that does not say it";
    EXPECT_TRUE(set("pg_postmaster_start_time()"));
}

TEST_F(NodesTest, AnnouncingWithoutRenewingLetsTheLeaseRunOut) {
    (void)value_of(a->announce(word("a", 1ms)));
    Announcement quiet = word("a", 1h);
    quiet.renews = false;
    std::this_thread::sleep_for(5ms);
    (void)value_of(a->announce(quiet));
    EXPECT_LT(row(value_of(b->announce(word("b"))), "a").lease_left, Duration(0));
    (void)value_of(a->announce(word("a", 1h)));
    const auto seen = row(value_of(b->announce(word("b"))), "a");
    EXPECT_GT(seen.lease_left, Duration(59min));
    EXPECT_EQ(seen.version, "test");
}

TEST_F(NodesTest, ASessionThatWasCutIsANewOneAndHoldsTheLockAgain) {
    (void)value_of(a->announce(word("a")));
    {
        pqxx::connection other(url);
        pqxx::nontransaction work(other);
        work.exec("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and "
                  "pid <> pg_backend_pid()");
    }
    EXPECT_FALSE(a->announce(word("a")))
        << "whoever announces must know that it had lost its session";
    const auto around = value_of(a->announce(word("a")));
    EXPECT_TRUE(row(around, "a").has_session);
}

TEST_F(NodesTest, WhatIsLiveIsSeenToChange) {
    const auto first = value_of(a->announce(word("a"))).live_definitions;
    (void)value_of(
        b->save_definition("one", "source", "one.toml", std::string(32, 'x'), time_at(1)));
    const auto second = value_of(a->announce(word("a"))).live_definitions;
    EXPECT_NE(first, second);
    (void)value_of(
        b->save_definition("one", "other", "one.toml", std::string(32, 'y'), time_at(2)));
    EXPECT_NE(value_of(a->announce(word("a"))).live_definitions, second);
    (void)value_of(
        b->save_definition("one", "source", "one.toml", std::string(32, 'x'), time_at(3)));
    EXPECT_EQ(value_of(a->announce(word("a"))).live_definitions, second);
    (void)value_of(b->retire_definition("one"));
    EXPECT_EQ(value_of(a->announce(word("a"))).live_definitions, first);
}

TEST_F(NodesTest, PeopleSeeTheNodesToo) {
    ASSERT_TRUE(a->make_partitions(2));
    (void)value_of(a->announce(word("a")));
    const auto queries = value_of(open_queries(url));
    const auto around = value_of(queries->neighbourhood());
    EXPECT_TRUE(row(around, "a").has_session);
    EXPECT_THAT(around.partitions, SizeIs(2));
}

TEST(SqliteNodes, AFileServesOneProcess) {
    TemporaryFolder folder;
    const auto store = value_of(open_store("sqlite:" + folder.file("runs.db")));
    EXPECT_FALSE(store->is_shared());
    EXPECT_FALSE(store->announce({}));
    EXPECT_TRUE(store->make_partitions(4)) << "they come with the first take-over";
}

// Two sessions that ask at the same time, again and again; what is out is what was granted.
TEST_F(NodesTest, ALimitIsNeverGrantedTwiceHoweverManyAskAtOnce) {
    ASSERT_TRUE(a->make_partitions(4));
    const auto ask = [](Partition part, std::uint32_t used, std::uint32_t wanted) {
        LimitAsk one;
        one.limit = "crm 'api'";
        one.max_concurrent = 7;
        one.parts = {{part, 1, used}, {static_cast<Partition>(part + 2), 1, 0}};
        one.wanted = wanted;
        return std::vector{one};
    };
    const auto granted = [](const std::vector<LimitAnswer>& answers, Partition part) {
        return answers.at(0).granted.at(part);
    };
    std::atomic<std::uint32_t> out{0};
    std::atomic<std::uint32_t> most{0};
    std::atomic<int> rounds_with{0};
    const auto work = [&](RunStore& store, Partition part, const std::string& node) {
        std::uint32_t used = 0;
        for (std::uint32_t round = 0; round < 60; ++round) {
            const auto answers = value_of(store.share_limits(node, ask(part, used, round % 9), round == 0));
            const std::uint32_t now = granted(answers, part);
            ASSERT_GE(now, used);
            out += now - used;
            used = now;
            std::uint32_t seen = most;
            while (out > seen && !most.compare_exchange_weak(seen, out)) {
            }
            if (used > 0) ++rounds_with;
            const std::uint32_t ended = round % 3 == 0 ? used : used / 2;
            out -= ended; // before the store hears of it
            used -= ended;
        }
        out -= used;
        value_of(store.share_limits(node, ask(part, 0, 0), false));
    };
    std::thread other([&] { work(*b, 1, "b"); });
    work(*a, 0, "a");
    other.join();
    EXPECT_LE(most, 7U);
    EXPECT_GT(rounds_with, 30);
    const auto all = value_of(a->share_limits("a", ask(0, 0, 7), false));
    EXPECT_EQ(granted(all, 0) + granted(all, 2), 7U) << "what was used is given back";
}

TEST_F(NodesTest, TurnsOfARateFollowTheClockOfTheDatabase) {
    LimitAsk ask;
    ask.limit = "slow";
    ask.interval = 200ms;
    ask.parts = {{0, 1, 0}};
    ask.wanted = 5;
    const auto first = value_of(a->share_limits("a", std::vector{ask}, true)).at(0);
    EXPECT_EQ(first.turns, 1U);
    ask.parts = {{1, 1, 0}};
    const auto second = value_of(b->share_limits("b", std::vector{ask}, true)).at(0);
    EXPECT_LE(second.turns, 1U) << "a slow machine may be at the next one";
    ASSERT_TRUE(second.next_turn);
    EXPECT_LE(*second.next_turn, 200ms);
}

// The next owner of a partition has what it had; of limits that it does not know nothing stays.
TEST_F(NodesTest, AnOwnerThatCameLaterIsNotWrittenOver) {
    LimitAsk ask;
    ask.limit = "crm";
    ask.max_concurrent = 4;
    ask.parts = {{0, 1, 3}};
    value_of(a->share_limits("a", std::vector{ask}, true));
    LimitAsk gone = ask;
    gone.limit = "gone";
    value_of(a->share_limits("a", std::vector{gone}, false));

    ask.parts = {{0, 2, 2}};
    EXPECT_EQ(value_of(b->share_limits("b", std::vector{ask}, true)).at(0).granted.at(0), 3U) << "two, and half of what is free";
    ask.parts = {{0, 1, 0}};
    ask.wanted = 4;
    EXPECT_TRUE(value_of(a->share_limits("a", std::vector{ask}, false)).at(0).granted.empty());
    gone.parts = {{1, 1, 0}};
    gone.wanted = 4;
    EXPECT_EQ(value_of(a->share_limits("a", std::vector{gone}, false)).at(0).unmet, 0U);
}

} // namespace
} // namespace baton::db::testing
