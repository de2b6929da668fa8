// Backlogs that do not fit into memory: the order stays, nothing is lost or given twice, limits and
// times hold, and memory does not grow with the backlog.
#include "../scenarios/story.hpp"

#include "broker/core/paged_block.hpp"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>

namespace baton::broker::core {
namespace {

// So small that nearly everything is on the disk.
Options little_memory() {
    Options options;
    options.page_above = 0;
    options.page_all_above = 0;
    options.window_entries = 4;
    options.block_entries = 3;
    options.block_bytes = 1000;
    return options;
}

// The bodies of what was delivered, in order, as one text.
std::string bodies(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) {
        if (line.find("deliver") == std::string::npos && line.find("get-ok") == std::string::npos)
            continue;
        const auto from = line.find('"');
        if (from == std::string::npos) continue;
        if (!text.empty()) text += ' ';
        text += line.substr(from + 1, line.find('"', from + 1) - from - 1);
    }
    return text;
}

std::string numbers(int first, int last) {
    std::string text;
    for (int number = first; number <= last; ++number)
        text += fmt::format("{}{}", text.empty() ? "" : " ", number);
    return text;
}

class Paging : public testing::Test {
protected:
    std::vector<std::string> tell(const std::string& line) {
        story.tell(line);
        return story.finish();
    }
    void publish(int first, int last, const std::string& more = "") {
        for (int number = first; number <= last; ++number)
            tell(fmt::format("publish key=q {} \"{}\"", more, number));
    }
    QueueView queue() { return story.broker().overview().queues.front(); }
    std::uint64_t stored_bytes() { return story.broker().overview().totals.stored_bytes; }

    Story story{little_memory()};
};

TEST_F(Paging, KeepsTheOrderOfPersistentAndTransientMessages) {
    tell("queue q durable");
    for (int number = 1; number <= 60; ++number)
        publish(number, number, number % 3 == 0 ? "persistent" : "");
    EXPECT_EQ(queue().ready, 60U);

    EXPECT_EQ(bodies(tell("consume q tag=c no-ack")), numbers(1, 60));
    EXPECT_EQ(queue().ready, 0U);
    EXPECT_EQ(stored_bytes(), 0U);
}

TEST_F(Paging, MemoryDoesNotGrowWithTheBacklog) {
    tell("queue q durable");
    publish(1, 30, "persistent");
    const std::uint64_t few = stored_bytes();
    publish(31, 300, "persistent");
    EXPECT_LE(stored_bytes(), few + 200);
    EXPECT_EQ(queue().ready, 300U);
}

TEST_F(Paging, WhatComesWhileTheFrontIsOnItsWayComesBehindIt) {
    tell("queue q durable");
    publish(1, 30);
    story.hold_loads(true);
    std::string got = bodies(tell("consume q tag=c no-ack"));
    EXPECT_NE(got, numbers(1, 30));
    publish(31, 35);
    story.hold_loads(false);
    got += " " + bodies(story.finish());
    EXPECT_EQ(got, numbers(1, 35));
}

TEST_F(Paging, ReturnedMessagesGoBackInFrontOfWhatIsOnTheDisk) {
    tell("queue q durable");
    publish(1, 40, "persistent");
    tell("qos 10");
    EXPECT_EQ(bodies(tell("consume q tag=c")), numbers(1, 10));
    tell("cancel c");
    tell("nack 0 multiple");
    tell("qos 0");
    EXPECT_EQ(bodies(tell("consume q tag=d no-ack")), numbers(1, 40));
}

TEST_F(Paging, AGetWaitsForItsMessageAndAnEmptyQueueSaysSo) {
    tell("queue q durable");
    publish(1, 9, "persistent");
    tell("restart");
    story.hold_loads(true);
    EXPECT_EQ(bodies(tell("get q no-ack")), "");
    EXPECT_EQ(bodies(tell("get q no-ack")), "");
    story.hold_loads(false);
    EXPECT_EQ(bodies(story.finish()), "1 2");

    story.hold_loads(true);
    tell("purge q");
    const auto lines = tell("get q");
    EXPECT_TRUE(std::ranges::any_of(lines, [](const std::string& line) {
        return line.find("get-empty") != std::string::npos;
    })) << fmt::format("{}", fmt::join(lines, "\n"));
}

TEST_F(Paging, AGetIsAnsweredWhenWhatItWaitsForIsPurged) {
    tell("queue q durable");
    publish(1, 9, "persistent");
    tell("restart");
    story.hold_loads(true);
    EXPECT_EQ(bodies(tell("get q ch=2")), "");
    const auto lines = tell("purge q");
    EXPECT_TRUE(std::ranges::any_of(lines, [](const std::string& line) {
        return line.find("get-empty") != std::string::npos;
    })) << fmt::format("{}", fmt::join(lines, "\n"));
}

TEST_F(Paging, AfterARestartNothingIsInMemoryUntilItIsWanted) {
    tell("queue q durable");
    publish(1, 100, "persistent");
    tell("restart");
    EXPECT_EQ(queue().ready, 100U);
    EXPECT_EQ(stored_bytes(), 0U);
    EXPECT_EQ(bodies(tell("consume q tag=c no-ack")), numbers(1, 100));
    tell("restart");
    EXPECT_EQ(queue().ready, 0U);
}

TEST_F(Paging, PurgeAndDeleteTakeWhatIsOnTheDiskAlong) {
    tell("queue q durable");
    publish(1, 50, "persistent");
    publish(51, 60);
    const auto purged = tell("purge q");
    EXPECT_TRUE(std::ranges::any_of(purged, [](const std::string& line) {
        return line.find("purge-ok{message_count=60}") != std::string::npos;
    })) << fmt::format("{}", fmt::join(purged, "\n"));
    tell("restart");
    EXPECT_EQ(queue().ready, 0U);
    publish(1, 50, "persistent");
    tell("delete-queue q");
    tell("restart");
    EXPECT_TRUE(story.broker().overview().queues.empty());
}

TEST_F(Paging, AFullQueueDropsItsOldestEvenWhenItIsOnTheDisk) {
    tell("queue q durable x-max-length=20 x-dead-letter-exchange= x-dead-letter-routing-key=dead");
    tell("queue dead durable");
    publish(1, 50, "persistent");
    EXPECT_EQ(bodies(tell("consume q tag=c no-ack")), numbers(31, 50));
    EXPECT_EQ(bodies(tell("consume dead tag=d no-ack")), numbers(1, 30));
}

TEST_F(Paging, TimePassesForMessagesOnTheDisk) {
    tell("queue q durable x-message-ttl=1000");
    publish(1, 30, "persistent");
    tell("restart");
    tell("wait 2");
    EXPECT_EQ(queue().ready, 0U);
    EXPECT_EQ(stored_bytes(), 0U);
}

TEST_F(Paging, PrioritiesHoldAcrossTheDisk) {
    tell("queue q durable x-max-priority=2");
    for (int number = 1; number <= 30; ++number)
        publish(number, number, fmt::format("priority={} persistent", number % 3));
    std::string wanted;
    for (int priority = 2; priority >= 0; --priority)
        for (int number = 1; number <= 30; ++number)
            if (number % 3 == priority) wanted += fmt::format("{} ", number);
    wanted.pop_back();
    EXPECT_EQ(bodies(tell("consume q tag=c no-ack")), wanted);
}

TEST_F(Paging, OldSegmentsAreEmptiedOfWhatIsOnTheDisk) {
    tell("queue q durable");
    tell("queue other durable");
    publish(1, 20, "persistent");
    for (int round = 0; round < 6; ++round) {
        tell("publish key=other persistent \"x\"");
        tell("get other no-ack");
        tell("seal");
        tell("wait 0.001");
    }
    tell("restart");
    EXPECT_EQ(queue().ready + story.broker().overview().queues.back().ready, 20U);
    EXPECT_EQ(bodies(tell("consume q tag=c no-ack")), numbers(1, 20));
}

TEST_F(Paging, OneMessageInManyQueuesLeavesEachOfThemAlone) {
    for (const char* name : {"a", "b", "c"}) {
        tell(fmt::format("queue {} durable", name));
        tell(fmt::format("bind {} amq.fanout _", name));
    }
    for (int number = 1; number <= 30; ++number)
        tell(fmt::format("publish exchange=amq.fanout key=k persistent \"{}\"", number));
    EXPECT_EQ(bodies(tell("consume a tag=a no-ack")), numbers(1, 30));
    tell("restart");
    EXPECT_EQ(bodies(tell("consume b tag=b no-ack")), numbers(1, 30));
    EXPECT_EQ(bodies(tell("consume c tag=c no-ack")), numbers(1, 30));
    EXPECT_EQ(stored_bytes(), 0U);
}

TEST_F(Paging, WhatAConsumerGivesBackLeavesMemoryAgain) {
    tell("queue q durable");
    publish(1, 60, "persistent");
    const std::uint64_t before = stored_bytes();
    EXPECT_EQ(bodies(tell("consume q tag=c ch=2")), numbers(1, 60));
    EXPECT_GT(stored_bytes(), 5 * before);
    tell("lost ch=2");
    for (int turn = 0; turn < 20; ++turn) tell("wait 0.001");
    EXPECT_LE(stored_bytes(), 3 * before);
    EXPECT_EQ(bodies(tell("consume q tag=d no-ack")), numbers(1, 60));
}

TEST_F(Paging, ABurstLeavesMemoryWithoutFurtherHelp) {
    Options options = little_memory();
    options.blocks_per_turn_max = 1;
    Story slow(options);
    slow.tell("queue q durable");
    slow.tell("publish key=q persistent times=100 \"m\"");
    slow.finish();
    const std::uint64_t begun = slow.broker().overview().totals.stored_bytes;
    while (slow.broker().next_deadline()) {
        slow.tell("wait 0.001");
        slow.finish();
    }
    EXPECT_LT(slow.broker().overview().totals.stored_bytes, begun / 5);
}

TEST(PagedBlock, GivesBackEveryEntry) {
    PagedBlock block(BlockId{1});
    std::vector<PagedEntry> entries;
    const auto add = [&](const PagedEntry& entry) {
        entries.push_back(entry);
        block.add(entry);
    };
    add({.position = 7, .record = 100, .body_bytes = 10});
    add({.position = 8, .record = 101, .body_bytes = 10});
    add({.position = 9, .body_bytes = 10});
    add({.position = 900, .record = 90, .body_bytes = 70'000, .sharers = 12});
    add({.position = 901, .record = 1ULL << 40, .expires_at = time_from_micros(5),
         .delivery_count = 3, .redelivered = true});
    EXPECT_EQ(block.entries(), entries);
    EXPECT_EQ(block.oldest_record(), 90U);
    EXPECT_TRUE(block.has_page());
    EXPECT_TRUE(block.expires());
}

TEST(PagedBlock, ARunCostsAByteAMessage) {
    PagedBlock block(BlockId{1});
    for (Position position = 1; position <= 1000; ++position)
        block.add({.position = position, .record = position + 5000, .body_bytes = 100});
    block.close();
    EXPECT_LT(block.memory_size(), 1300U);
}

} // namespace
} // namespace baton::broker::core
