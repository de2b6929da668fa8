// A basic.get that waits for its message to come back from the disk: what its channel is sent
// meanwhile happens behind the answer.
#include "../scenarios/story.hpp"
#include "base/random.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace baton::broker::core {
namespace {

using Lines = std::vector<std::string>;

// Only the first messages of a queue are in memory.
Options small_memory() {
    Options options;
    options.page_above = 0;
    options.page_all_above = 0;
    options.window_entries = 1;
    options.block_entries = 2;
    options.block_bytes = 1000;
    return options;
}

// What clients hear, in order; whether it waited for the journal is left out.
Lines heard(const Lines& lines) {
    Lines heard;
    for (std::string line : lines) {
        const std::string waited = "durable => ";
        if (line.starts_with(waited)) line.erase(0, waited.size());
        if (line.starts_with("store ") || line.starts_with("remove ") ||
            line.starts_with("queue ") || line.starts_with("transaction "))
            continue;
        heard.push_back(line);
    }
    return heard;
}

class WaitingGet : public testing::Test {
protected:
    // A queue with messages 1 to 9, none of them in memory, and nothing comes back for now.
    WaitingGet() {
        tell("queue q durable");
        for (int number = 1; number <= 9; ++number)
            tell(fmt::format("publish key=q persistent \"{}\"", number));
        tell("stop");
        tell("restart");
        story.hold_loads(true);
    }

    Lines tell(const std::string& line) {
        story.tell(line);
        return heard(story.finish());
    }
    Lines come_back() {
        story.hold_loads(false);
        story.bring_loads();
        return heard(story.finish());
    }
    std::uint64_t ready(std::string_view name) {
        for (const QueueView& view : story.broker().overview().queues)
            if (view.name == name) return view.ready;
        return UINT64_MAX;
    }

    Story story{small_memory()};
};

TEST_F(WaitingGet, IsAnsweredBeforeWhatCameBehindIt) {
    tell("confirm");
    for (const char* line : {"get q", "get q no-ack", "queue p durable", "ack 1",
                             "publish key=p persistent \"p\"", "get p"})
        EXPECT_EQ(tell(line), Lines{}) << line;
    EXPECT_EQ(ready("p"), UINT64_MAX);

    EXPECT_EQ(come_back(), (Lines{"get-ok ch=1 tag=1 left=8 key=q \"1\" {delivery_mode=2}",
                                  "get-ok ch=1 tag=2 left=7 key=q \"2\" {delivery_mode=2}",
                                  "say ch=1 queue.declare-ok{queue=p}",
                                  "get-ok ch=1 tag=3 left=0 key=p \"p\" {delivery_mode=2}",
                                  "confirm ch=1 tag=1"}));
    tell("lost");
    EXPECT_EQ(ready("q"), 7U) << "the acknowledgement counted";
    EXPECT_EQ(ready("p"), 1U);
}

TEST_F(WaitingGet, LeavesOtherChannelsAlone) {
    EXPECT_EQ(tell("get q"), Lines{});
    EXPECT_EQ(tell("queue q passive ch=1.2"),
              Lines{"say ch=1.2 queue.declare-ok{queue=q, message_count=9}"});
    EXPECT_EQ(tell("close ch=1.2"), Lines{"say ch=1.2 channel.close-ok{}"});
    EXPECT_EQ(come_back().size(), 1U);
}

TEST_F(WaitingGet, IsAnsweredBeforeItsChannelClosesAndOpensAgain) {
    for (const char* line : {"get q", "close", "open", "get q no-ack"})
        EXPECT_EQ(tell(line), Lines{}) << line;
    EXPECT_EQ(come_back(),
              (Lines{"get-ok ch=1 tag=1 left=8 key=q \"1\" {delivery_mode=2}",
                     "say ch=1 channel.close-ok{}", "say ch=1 channel.open-ok{}",
                     "get-ok ch=1 tag=1 redelivered left=8 key=q \"1\" {delivery_mode=2}"}));
}

TEST_F(WaitingGet, IsAnsweredBeforeAnErrorBehindIt) {
    for (const char* line :
         {"get q", "ack 7", "publish key=q persistent \"ignored\"", "close-ok", "open", "get q"})
        EXPECT_EQ(tell(line), Lines{}) << line;
    const Lines lines = come_back();
    ASSERT_EQ(lines.size(), 4U);
    EXPECT_EQ(lines[1],
              "close ch=1 406 \"PRECONDITION_FAILED - unknown delivery tag 7\" by basic.ack");
    EXPECT_EQ(ready("q"), 8U);
}

TEST_F(WaitingGet, HappensWithWhatFollowsBeforeItsConnectionEnds) {
    for (const char* line :
         {"get q no-ack", "get q no-ack ch=1.2", "publish key=q persistent \"10\"", "disconnect"})
        EXPECT_EQ(tell(line), Lines{}) << line;
    const Lines lines = come_back();
    ASSERT_EQ(lines.size(), 3U);
    EXPECT_EQ(lines[2], "end connection=1");
    EXPECT_EQ(ready("q"), 8U);
}

TEST_F(WaitingGet, IsForgottenWithItsConnection) {
    for (const char* line : {"get q no-ack", "publish key=q persistent \"10\"", "lost"})
        EXPECT_EQ(tell(line), Lines{}) << line;
    EXPECT_EQ(come_back(), Lines{});
    EXPECT_EQ(ready("q"), 10U) << "the publish counts";
}

TEST_F(WaitingGet, IsForgottenWithAllThatWaitBehindIt) {
    tell("get q no-ack ch=2");
    for (const char* line : {"get q", "get q", "publish key=q \"10\"", "get q", "disconnect"})
        tell(line);
    tell("lost");
    EXPECT_EQ(ready("q"), 10U);
    EXPECT_EQ(come_back().size(), 1U) << "the other client is answered";
}

TEST_F(WaitingGet, HoldsATransactionBehindIt) {
    tell("tx-select");
    for (const char* line : {"get q", "publish key=q persistent \"10\"", "ack 1", "tx-commit",
                             "get q", "ack 2", "tx-rollback", "get q"})
        EXPECT_EQ(tell(line), Lines{}) << line;
    const Lines lines = come_back();
    ASSERT_EQ(lines.size(), 5U);
    EXPECT_EQ(lines[1], "say ch=1 tx.commit-ok{}");
    EXPECT_EQ(lines[3], "say ch=1 tx.rollback-ok{}");
    tell("lost");
    EXPECT_EQ(ready("q"), 9U);
}

TEST_F(WaitingGet, HoldsABoundedAmount) {
    tell("get q no-ack");
    const std::string publish = "publish key=q persistent \"" + std::string(10'000, 'x') + "\"";
    for (int count = 0; count < 6; ++count)
        EXPECT_EQ(tell(publish), Lines{});
    EXPECT_EQ(tell(publish), Lines{"pause connection=1"});
    EXPECT_EQ(tell(publish), Lines{}) << "it was on its way";
    EXPECT_EQ(tell("alarm memory on"), Lines{"hold publishes connection=1 \"low on memory\""});
    EXPECT_EQ(tell("get q no-ack ch=1"), Lines{});

    Lines lines = come_back();
    EXPECT_EQ(std::ranges::count(lines, "resume connection=1"), 1)
        << "the alarm stands, and that holds its publishes only";
    EXPECT_EQ(ready("q"), 9U + 8U - 2U);
    EXPECT_EQ(tell("alarm memory off"), Lines{"take publishes connection=1"});
}

TEST_F(WaitingGet, HoldsManyMethodsAsBounded) {
    tell("get q no-ack");
    Lines lines;
    for (int count = 0; count < 1000 && lines.empty(); ++count)
        lines = tell("qos 1");
    EXPECT_EQ(lines, Lines{"pause connection=1"});
    lines = come_back();
    EXPECT_EQ(lines.front(), "get-ok ch=1 tag=1 left=8 key=q \"1\" {delivery_mode=2}");
    EXPECT_EQ(lines.back(), "resume connection=1");
}

// Where nothing ever leaves memory no get waits: what a client hears on a channel is the same.
TEST(WaitingGets, AreHeardAsIfNothingWasOnTheDisk) {
    for (std::uint64_t seed = 1; seed <= 25; ++seed) {
        Random random(seed);
        Story paged(small_memory());
        Story whole;
        Lines heard_of_paged;
        Lines heard_of_whole;
        std::uint64_t waited = 0;
        const auto finish = [&] {
            for (std::string& line : heard(paged.finish()))
                heard_of_paged.push_back(line);
            for (std::string& line : heard(whole.finish()))
                heard_of_whole.push_back(line);
            if (heard_of_paged.size() < heard_of_whole.size()) ++waited;
        };
        const auto tell = [&](const std::string& line) {
            paged.tell(line);
            whole.tell(line);
        };
        tell("queue q durable");
        tell("queue p durable");
        for (int step = 0; step < 300; ++step) {
            const char* queue = random.below(2) == 0 ? "q" : "p";
            switch (random.below(16)) {
            case 0:
                tell(fmt::format("queue {} passive", queue));
                break;
            case 1:
                tell("ack 0 multiple");
                break;
            case 2:
                tell("nack 0 multiple");
                break;
            case 3:
                tell("recover");
                break;
            case 4: {
                // Over in order or by an error; then, everything said, it opens again.
                const bool by_error = random.below(2) == 0;
                tell(by_error ? "get nowhere" : "close");
                paged.hold_loads(false);
                finish();
                if (by_error) tell("close-ok");
                tell("open");
                break;
            }
            case 5:
                tell("tx-select");
                tell("tx-commit");
                break;
            case 6:
                tell(random.below(3) == 0 ? fmt::format("purge {}", queue) : "qos 3");
                break;
            case 7:
            case 8:
            case 9:
            case 10:
                tell(fmt::format("get {}{}", queue, random.below(2) == 0 ? " no-ack" : ""));
                break;
            default:
                tell(fmt::format("publish key={} {} times={} \"{}\"", queue,
                                 random.below(2) == 0 ? "persistent" : "", 1 + random.below(8),
                                 step));
            }
            paged.hold_loads(random.below(4) != 0);
            if (random.below(3) == 0) finish();
        }
        paged.hold_loads(false);
        finish();
        EXPECT_EQ(heard_of_paged, heard_of_whole) << "seed " << seed;
        EXPECT_GT(waited, 5U) << "seed " << seed;
    }
}

// --- For room ------------------------------------------------------------------------------------

class GetWithoutRoom : public testing::Test {
protected:
    Lines tell(const std::string& line) {
        story.tell(line);
        return heard(story.finish());
    }
    static Options little_room() {
        Options options;
        options.outbox_bytes_max = 1000;
        return options;
    }

    Story story{little_room()};
};

// A client that asks again and again for one large message must not make the broker hold it a thousand
// times.
TEST_F(GetWithoutRoom, WaitsUntilTheClientHasTakenWhatItGotBefore) {
    const std::string big(1200, 'x');
    tell("queue q");
    tell("publish key=q \"" + big + "\"");

    ASSERT_EQ(tell("get q").size(), 1U);
    EXPECT_EQ(tell("reject 1 requeue"), Lines{});
    EXPECT_EQ(tell("get q"), Lines{});
    EXPECT_EQ(tell("queue p"), Lines{}) << "behind the answer";
    EXPECT_EQ(tell("written 10"), Lines{});

    const Lines lines = tell("written 2000");
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_TRUE(lines[0].starts_with("get-ok ch=1 tag=2 redelivered")) << lines[0];
    EXPECT_EQ(lines[1], "say ch=1 queue.declare-ok{queue=p}");
}

TEST_F(GetWithoutRoom, IsToldAtOnceThatTheQueueIsEmpty) {
    tell("queue q");
    tell("publish key=q \"" + std::string(1200, 'x') + "\"");
    tell("publish key=q \"second\"");
    ASSERT_EQ(tell("get q").size(), 1U);
    EXPECT_EQ(tell("get q"), Lines{});

    const Lines lines = tell("purge q ch=1.2");

    EXPECT_NE(std::ranges::find(lines, "say ch=1 basic.get-empty{}"), lines.end());
    EXPECT_EQ(tell("get q"), Lines{"say ch=1 basic.get-empty{}"});
}

} // namespace
} // namespace baton::broker::core
