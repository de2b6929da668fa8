#include "broker/runtime/core_loop.hpp"

#include "amqp/method_codec.hpp"
#include "tests/broker/runtime/support.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace baton::test {
namespace {

namespace core = broker::core;
using broker::runtime::CoreLoop;
using broker::runtime::JournalWork;

class Running : public testing::Test {
protected:
    Running() {
        loop.finish_recovery(0);
        open(connection);
        method(amqp::ChannelOpen{});
        finish_journal();
        commands.clear();
    }

    void open(core::ConnectionId id, const char* user = "guest") {
        core::ConnectionOpened opened;
        opened.connection = id;
        opened.user = user;
        opened.vhost = "/";
        loop.apply(std::move(opened));
    }
    template <typename Method>
    void method(Method said) {
        loop.apply(core::MethodReceived{connection, 1, amqp::Method(std::move(said))});
    }
    void publish(bool persistent, std::string_view queue = "q") {
        const std::string properties =
            persistent ? std::string("\x10\x00\x02", 3) : std::string(2, '\0');
        core::PublishReceived event;
        event.connection = connection;
        event.channel = 1;
        event.routing_key = queue;
        event.properties = as_bytes(properties);
        event.body = as_bytes(std::string_view("body"));
        loop.batch([&](core::Broker& broker, Time now, core::Turn& turn) {
            broker.publish(event, now, turn);
        });
    }
    void finish_journal() {
        for (const JournalWork& work : std::exchange(journal, {}))
            if (work.needs_sync) loop.durable_up_to(work.turn);
    }
    std::size_t confirms() const {
        return static_cast<std::size_t>(
            std::ranges::count_if(commands, [](const core::Command& command) {
                return std::holds_alternative<core::Confirm>(command.action);
            }));
    }

    StillClock clock;
    std::vector<core::Command> commands;
    std::vector<JournalWork> journal;
    std::optional<Time> alarm;
    int wakes = 0;
    core::ConnectionId connection{1};
    const core::ConnectionId own{2};
    CoreLoop loop{options_with_a_user(),
                  clock,
                  {.commands =
                       [this](std::span<core::Command> given) {
                           for (core::Command& command : given)
                               commands.push_back(std::move(command));
                       },
                   .journal = [this](JournalWork work) { journal.push_back(std::move(work)); },
                   .alarm = [this](std::optional<Time> due) { alarm = due; },
                   .wake = [this] { ++wakes; }}};
};

TEST_F(Running, AConfirmOfAPersistentMessageWaitsForTheJournal) {
    method(amqp::QueueDeclare{.queue = "q", .durable = true, .arguments = {}});
    method(amqp::ConfirmSelect{});
    finish_journal();

    publish(true);
    EXPECT_EQ(confirms(), 0u);
    ASSERT_EQ(journal.size(), 1u);
    EXPECT_TRUE(journal[0].needs_sync);
    finish_journal();

    EXPECT_EQ(confirms(), 1u);
    EXPECT_TRUE(loop.is_settled());
}

// The server's own user consumes from q; the publisher is guest, in confirm mode.
core::PutUser own_user() {
    core::PutUser put;
    put.user.name = "own";
    return put;
}

class Entrusted : public Running {
protected:
    Entrusted() {
        method(amqp::QueueDeclare{.queue = "q", .durable = true, .arguments = {}});
        method(amqp::QueueDeclare{.queue = "other", .durable = true, .arguments = {}});
        method(amqp::ConfirmSelect{});
        loop.administer(own_user(), [](const core::Answer&) {});
        loop.administer(core::PutPermission{{.vhost = "/", .user = "own", .configure = ".*", .write = ".*", .read = ".*"}},
                        [](const core::Answer&) {});
        open(own, "own");
        as(own, [this] {
            method(amqp::ChannelOpen{});
            method(amqp::BasicConsume{.queue = "q", .arguments = {}});
        });
        finish_journal();
        commands.clear();
    }
    template <typename Act>
    void as(core::ConnectionId id, Act act) {
        const core::ConnectionId before = std::exchange(connection, id);
        act();
        connection = before;
    }
    void acknowledge(std::uint64_t tag) {
        loop.batch([&](core::Broker& broker, Time now, core::Turn& turn) { broker.ack({own, 1, tag, false}, now, turn); });
    }
};

TEST_F(Entrusted, AConfirmComesWhenTheServersOwnUserHasAcknowledged) {
    publish(true);
    ASSERT_EQ(journal.size(), 1u);
    EXPECT_FALSE(journal[0].is_urgent);
    EXPECT_TRUE(journal[0].needs_sync);
    EXPECT_EQ(confirms(), 0u);

    acknowledge(1);
    EXPECT_EQ(confirms(), 1u);
    EXPECT_FALSE(loop.is_settled()) << "the journal does not have it yet";

    finish_journal();
    EXPECT_EQ(confirms(), 1u) << "it was said";
    EXPECT_TRUE(loop.is_settled());
}

TEST_F(Entrusted, OrWhenItIsDurable) {
    publish(true);
    finish_journal();
    EXPECT_EQ(confirms(), 1u);
    acknowledge(1);
    EXPECT_EQ(confirms(), 1u);
}

TEST_F(Entrusted, ConfirmsKeepTheirOrder) {
    publish(true);
    publish(true);
    acknowledge(2);
    EXPECT_EQ(confirms(), 0u) << "the first is not settled";
    acknowledge(1);
    EXPECT_EQ(confirms(), 2u);

    // Behind one that waits for the journal nothing goes ahead: it would speak for that one, too.
    commands.clear();
    publish(true, "other");
    EXPECT_TRUE(journal.back().is_urgent);
    publish(true);
    acknowledge(3);
    EXPECT_EQ(confirms(), 0u);
    finish_journal();
    EXPECT_EQ(confirms(), 2u);
}

TEST_F(Entrusted, NotWhenSomebodyElseConsumesToo) {
    method(amqp::BasicConsume{.queue = "q", .arguments = {}});
    finish_journal();
    publish(true);
    EXPECT_TRUE(journal.back().is_urgent);
}

TEST_F(Entrusted, NotWithoutAcknowledgements) {
    as(own, [this] { method(amqp::BasicConsume{.queue = "other", .no_ack = true, .arguments = {}}); });
    finish_journal();
    publish(true, "other");
    EXPECT_TRUE(journal.back().is_urgent);
}

TEST_F(Entrusted, WhatTheOwnUserGivesBackIsNotSettled) {
    publish(true);
    loop.batch([&](core::Broker& broker, Time now, core::Turn& turn) {
        broker.nack({own, 1, 1, false, true, false}, now, turn);
    });
    EXPECT_EQ(confirms(), 0u);
    loop.apply(core::ConnectionLost{own});
    EXPECT_EQ(confirms(), 0u);
    finish_journal();
    EXPECT_EQ(confirms(), 1u);
}

TEST_F(Running, OnlyTheServersOwnPublisherCanWaitForTheJournal) {
    method(amqp::QueueDeclare{.queue = "q", .durable = true, .arguments = {}});
    method(amqp::ConfirmSelect{});
    ASSERT_TRUE(journal.back().is_urgent) << "a declaration";
    finish_journal();
    publish(true);
    ASSERT_EQ(journal.size(), 1u);
    EXPECT_TRUE(journal[0].is_urgent) << "anybody's confirm";
    finish_journal();

    loop.administer(own_user(), [](const core::Answer&) {});
    loop.administer(core::PutPermission{{.vhost = "/", .user = "own", .configure = ".*", .write = ".*", .read = ".*"}},
                    [](const core::Answer&) {});
    EXPECT_TRUE(journal.back().is_urgent) << "an administrator";
    finish_journal();
    open(own, "own");
    connection = own;
    method(amqp::ChannelOpen{});
    method(amqp::ConfirmSelect{});
    finish_journal();
    commands.clear();
    publish(true);
    ASSERT_EQ(journal.size(), 1u);
    EXPECT_FALSE(journal[0].is_urgent);
    EXPECT_TRUE(journal[0].needs_sync);
    EXPECT_EQ(confirms(), 0u) << "it is confirmed when it is durable all the same";

    // Whoever waits behind it takes it along.
    connection = core::ConnectionId{1};
    publish(true);
    ASSERT_EQ(journal.size(), 2u);
    EXPECT_TRUE(journal[1].is_urgent);
    finish_journal();
    EXPECT_EQ(confirms(), 2u);
    EXPECT_TRUE(loop.is_settled());
}

TEST_F(Running, AConfirmThatNeedsNoRecordGoesAtOnce) {
    method(amqp::QueueDeclare{.queue = "q", .arguments = {}});
    method(amqp::ConfirmSelect{});
    finish_journal();

    publish(false);

    EXPECT_EQ(confirms(), 1u);
    EXPECT_TRUE(journal.empty());
}

TEST_F(Running, ConfirmsKeepTheirOrderBehindOneThatWaits) {
    method(amqp::QueueDeclare{.queue = "q", .durable = true, .arguments = {}});
    method(amqp::ConfirmSelect{});
    finish_journal();

    publish(true);
    publish(false);
    EXPECT_EQ(confirms(), 0u);
    finish_journal();

    std::vector<std::uint64_t> tags;
    for (const core::Command& command : commands)
        if (const auto* confirm = std::get_if<core::Confirm>(&command.action))
            tags.push_back(confirm->delivery_tag);
    ASSERT_FALSE(tags.empty());
    EXPECT_TRUE(std::ranges::is_sorted(tags));
    EXPECT_EQ(tags.back(), 2u);
}

TEST_F(Running, WhatAChannelIsToldKeepsItsOrderAcrossTurnsThatWait) {
    method(amqp::QueueDeclare{.queue = "q", .durable = true, .arguments = {}});
    finish_journal();
    commands.clear();
    const auto replies = [this] {
        std::vector<std::string_view> names;
        for (const core::Command& command : commands)
            if (const auto* reply = std::get_if<core::Reply>(&command.action))
                names.push_back(amqp::name_of(*reply->method));
        return names;
    };

    // The second turn waits for the first, and by its own records for itself.
    method(amqp::QueueDeclare{.queue = "p", .durable = true, .arguments = {}});
    const core::TurnNumber first = journal.back().turn;
    loop.batch([&](core::Broker& broker, Time now, core::Turn& turn) {
        broker.apply(core::MethodReceived{connection, 1, amqp::BasicQos{}}, now, turn);
        broker.apply(core::MethodReceived{
                         connection, 1,
                         amqp::QueueDeclare{.queue = "r", .durable = true, .arguments = {}}},
                     now, turn);
    });
    loop.durable_up_to(first);
    method(amqp::ConfirmSelect{});
    finish_journal();

    EXPECT_EQ(replies(), (std::vector<std::string_view>{"queue.declare-ok", "basic.qos-ok",
                                                        "queue.declare-ok", "confirm.select-ok"}));
}

TEST_F(Running, TheAlarmFollowsTheNextDeadline) {
    method(amqp::QueueDeclare{.queue = "q", .arguments = {{"x-expires", std::int32_t{5000}}}});

    ASSERT_TRUE(alarm.has_value());
    clock.time = *alarm;
    loop.tick();
    EXPECT_TRUE(loop.broker().overview().queues.empty());
}

TEST_F(Running, AdministrationIsAnsweredWhenItIsDurable) {
    amqp::ReplyCode code{};
    loop.administer(core::PutVhost{{.name = "v", .description = {}, .tags = {}}},
                    [&](const core::Answer& answer) { code = answer.code; });
    EXPECT_NE(code, amqp::ReplyCode::success);
    finish_journal();
    EXPECT_EQ(code, amqp::ReplyCode::success);
}

TEST_F(Running, PostedWorkWakesTheLoopOnceAndRunsInOrder) {
    std::vector<int> order;
    loop.post([&](CoreLoop&) { order.push_back(1); });
    loop.post([&](CoreLoop&) { order.push_back(2); });

    EXPECT_EQ(wakes, 1);
    loop.run_posted();
    EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

} // namespace
} // namespace baton::test
