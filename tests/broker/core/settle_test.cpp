// Settling where two rules meet: transactions with recover and time, an orderly stop with limits.
#include "../scenarios/story.hpp"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>

namespace baton::broker::core {
namespace {

class Settling : public testing::Test {
protected:
    std::vector<std::string> tell(const std::string& line) {
        story.tell(line);
        return story.finish();
    }
    QueueView queue(std::string_view name) {
        for (const QueueView& view : story.broker().overview().queues)
            if (view.name == name) return view;
        return {};
    }

    Story story;
};

TEST_F(Settling, RecoverLeavesToATransactionWhatItHasSettled) {
    tell("queue q durable");
    tell("queue r durable");
    tell("publish key=q persistent times=8 \"q\"");
    tell("publish key=r persistent times=8 \"r\"");
    tell("tx-select ch=2");
    for (int count = 0; count < 8; ++count) tell("get q ch=2");
    tell("ack 1 ch=2");
    tell("recover ch=2");
    for (int count = 0; count < 8; ++count) tell("get r ch=2");
    tell("tx-commit ch=2");
    tell("close ch=2");

    EXPECT_EQ(queue("q").ready, 7U);
    EXPECT_EQ(queue("r").ready, 8U);
}

TEST_F(Settling, RecoverOfALongTransactionTouchesNothingElse) {
    tell("queue q durable");
    tell("publish key=q persistent times=1500 \"q\"");
    tell("tx-select ch=2");
    tell("consume q tag=c ch=2");
    tell("cancel c ch=2");
    tell("ack 1500 multiple ch=2");
    tell("recover ch=2");
    tell("tx-commit ch=2");

    EXPECT_EQ(queue("q").ready, 0U);
    EXPECT_EQ(queue("q").unacked, 0U);
}

TEST_F(Settling, TimeGoesOnAfterARollback) {
    tell("queue q durable x-consumer-timeout=1000");
    tell("publish key=q persistent \"q\"");
    tell("tx-select ch=2");
    tell("get q ch=2");
    tell("ack 1 ch=2");
    tell("wait 2");
    tell("tx-rollback ch=2");
    EXPECT_EQ(queue("q").unacked, 1U);
    tell("wait 0.001");
    EXPECT_EQ(queue("q").unacked, 0U);
    EXPECT_EQ(queue("q").ready, 1U);
}

TEST_F(Settling, ADeliveryNobodyAcknowledgesIsKnownLongAfterThoseBehindIt) {
    tell("queue q durable");
    tell("publish key=q persistent times=5000 \"q\"");
    tell("consume q tag=c ch=2");
    for (int tag = 2; tag <= 5000; ++tag)
        if (tag % 1000 != 0) story.tell(fmt::format("ack {} ch=2", tag));
    story.finish();
    EXPECT_EQ(queue("q").unacked, 6U);
    tell("ack 3000 multiple ch=2");
    EXPECT_EQ(queue("q").unacked, 2U);
    tell("publish key=q persistent \"q\"");
    tell("ack 5001 ch=2");
    tell("ack 4000 ch=2");
    EXPECT_EQ(queue("q").unacked, 1U);
    EXPECT_TRUE(std::ranges::any_of(tell("ack 4001 ch=2"), [](const std::string& line) {
        return line.find("unknown delivery tag 4001") != std::string::npos;
    }));
    EXPECT_EQ(queue("q").ready, 1U);
}

TEST_F(Settling, NothingFollowsTheRecordOfAnOrderlyStop) {
    tell("queue limited durable x-max-length=1");
    tell("queue q durable");
    tell("publish key=q persistent \"untouched\"");
    tell("publish key=limited persistent \"a\"");
    tell("get limited ch=2");
    tell("publish key=limited persistent \"b\"");
    tell("stop");
    tell("wait 1");
    tell("restart");

    const std::vector<std::string> lines = tell("get q");
    EXPECT_TRUE(std::ranges::none_of(lines, [](const std::string& line) {
        return line.find("redelivered") != std::string::npos;
    }));
}

} // namespace
} // namespace baton::broker::core
