#include "base/thread.hpp"
#include "broker/runtime/inlet.hpp"
#include "tests/broker/runtime/support.hpp"

#include <gtest/gtest.h>

#include <string>

namespace baton::test {
namespace {

namespace core = broker::core;
using broker::runtime::CoreLoop;
using broker::runtime::Inlet;

// An inlet of another thread. Here both are one, and the test says when the core gets its turn.
class FromAnotherThread : public testing::Test {
protected:
    FromAnotherThread() {
        loop.finish_recovery(0);
        core::ConnectionOpened opened;
        opened.connection = connection;
        opened.user = "guest";
        opened.vhost = "/";
        inlet.begin();
        inlet.apply(std::move(opened));
        inlet.apply(core::MethodReceived{connection, 1, amqp::Method(amqp::ChannelOpen{})});
        inlet.apply(core::MethodReceived{
            connection, 1,
            amqp::Method(amqp::QueueDeclare{.queue = "q", .passive = false, .arguments = {}})});
        amqp::BasicConsume consume;
        consume.queue = "q";
        consume.no_ack = true;
        inlet.apply(core::MethodReceived{connection, 1, amqp::Method(std::move(consume))});
        inlet.end();
        run();
    }

    void run() {
        loop.run_posted();
        loop.durable_up_to(last_turn);
    }

    // All views end with the call, as those into a read buffer do.
    void publish(const std::string& text, bool shared = false) {
        const auto body = std::make_shared<std::string>(text);
        const std::string key = "q";
        const std::string properties(2, '\0');
        const std::shared_ptr<const void> owner = body;
        core::PublishReceived event;
        event.connection = connection;
        event.channel = 1;
        event.routing_key = key;
        event.properties = as_bytes(properties);
        event.body = as_bytes(*body);
        if (shared) event.body_owner = &owner;
        inlet.publish(event);
        if (!shared) body->assign(body->size(), '!');
    }

    core::ConnectionId connection{1};
    StillClock clock;
    core::TurnNumber last_turn = 0;
    int wakes = 0;
    int resumes = 0;
    std::vector<std::string> delivered;
    CoreLoop loop{options_with_a_user(), clock,
                  {.commands =
                       [this](std::span<core::Command> commands) {
                           for (const core::Command& command : commands)
                               if (const auto* deliver = std::get_if<core::Deliver>(&command.action)) {
                                   const ByteView body = deliver->message->body();
                                   delivered.emplace_back(
                                       reinterpret_cast<const char*>(body.data()), body.size());
                               }
                       },
                   .journal =
                       [this](const broker::runtime::JournalWork& work) { last_turn = work.turn; },
                   .alarm = [](std::optional<Time>) {},
                   .wake = [this] { ++wakes; }}};
    Inlet inlet{loop, 100'000, [this] { ++resumes; }};
};

TEST_F(FromAnotherThread, WhatWasReadMayGoBeforeTheCoreLooksAtIt) {
    inlet.begin();
    publish("one");
    publish(std::string(10'000, 'x'), /*shared=*/true);
    inlet.end();
    inlet.begin();
    publish("three");
    inlet.end();
    EXPECT_TRUE(delivered.empty());

    run();

    ASSERT_EQ(delivered.size(), 3U);
    EXPECT_EQ(delivered[0], "one");
    EXPECT_TRUE(delivered[1] == std::string(10'000, 'x'));
    EXPECT_EQ(delivered[2], "three");
}

TEST_F(FromAnotherThread, ABatchWithoutEventsWakesNobody) {
    const int before = wakes;
    inlet.begin();
    inlet.end();
    EXPECT_EQ(wakes, before);
}

TEST_F(FromAnotherThread, BatchesThatGatherWakeOnceAndShareATurn) {
    const int before = wakes;
    for (int batch = 0; batch < 5; ++batch) {
        inlet.begin();
        publish("body");
        inlet.end();
    }
    EXPECT_EQ(wakes, before + 1);
    run();
    EXPECT_EQ(delivered.size(), 5U);
}

TEST_F(FromAnotherThread, TooMuchOnTheWayHoldsAndRoomResumesOnce) {
    EXPECT_FALSE(inlet.is_full());
    for (int batch = 0; batch < 3; ++batch) {
        inlet.begin();
        publish(std::string(40'000, 'x'));
        inlet.end();
    }
    EXPECT_TRUE(inlet.is_full());
    EXPECT_EQ(resumes, 0);

    run();

    EXPECT_EQ(resumes, 1);
    EXPECT_FALSE(inlet.is_full());
    EXPECT_EQ(delivered.size(), 3U);
}

TEST_F(FromAnotherThread, SharedBodiesCountAsMuchAsCopies) {
    inlet.begin();
    publish(std::string(100'000, 'x'), /*shared=*/true);
    inlet.end();
    EXPECT_TRUE(inlet.is_full());
    run();
    EXPECT_FALSE(inlet.is_full());
}

TEST_F(FromAnotherThread, NobodyIsResumedWhoDidNotWait) {
    inlet.begin();
    publish("body");
    inlet.end();
    run();
    EXPECT_EQ(resumes, 0);
}

// Two connections of a thread look whether the inlet is full, and one of them waits. What the other one
// sees must not make its resume go lost.
TEST_F(FromAnotherThread, NoResumeIsLostWhenSeveralLookAtTheSameTime) {
    Mailbox<int> resumed;
    std::atomic<bool> ends{false};
    Inlet busy{loop, 100'000, [&] { resumed.put(1); }};
    Thread core_thread("core", [&] {
        while (!ends)
            loop.run_posted();
    });
    for (int round = 0; round < 500; ++round) {
        do {
            busy.begin();
            core::PublishReceived nobodys;
            nobodys.connection = connection;
            nobodys.channel = 1;
            nobodys.routing_key = "nowhere";
            const std::string body(20'000, 'x');
            const std::string properties(2, '\0');
            nobodys.properties = as_bytes(properties);
            nobodys.body = as_bytes(body);
            busy.publish(nobodys);
            busy.end();
        } while (!busy.is_full());
        while (busy.is_full()) {
        }
        ASSERT_FALSE(resumed.take(std::chrono::seconds(10)).empty()) << "round " << round;
        (void)resumed.take_now();
    }
    ends = true;
    core_thread.join();
}

} // namespace
} // namespace baton::test
