// The front door: windows, deadlines, pressure, and clients that send whatever they like.
#include "broker/core/broker.hpp"

#include "amqp/properties.hpp"
#include "base/random.hpp"

#include <gtest/gtest.h>

namespace baton::broker::core {
namespace {

const Time start = time_from_micros(1'000'000);

class BrokerTest : public testing::Test {
protected:
    void begin(Options options = {}) {
        options.first_user_password_hash = "hash";
        broker = std::make_unique<Broker>(options);
        broker->finish_recovery(0, start, turn);
        turn.clear();
    }

    void connect(std::uint64_t id) {
        ConnectionOpened opened;
        opened.connection = {id};
        opened.user = "guest";
        opened.vhost = "/";
        broker->apply(opened, start, turn);
        say(id, amqp::ChannelOpen{});
    }

    void say(std::uint64_t id, amqp::Method method, ChannelNumber channel = 1) {
        broker->apply(MethodReceived{{id}, channel, std::move(method)}, start, turn);
    }

    void publish(std::uint64_t id, std::string_view key, std::string_view body,
                 ByteView properties = amqp::no_properties) {
        PublishReceived event;
        event.connection = {id};
        event.channel = 1;
        event.routing_key = key;
        event.properties = properties;
        event.body = as_bytes(body);
        broker->publish(event, start, turn);
    }

    // Ends the turn; how many commands of this kind it held.
    template <typename Wanted>
    std::size_t finish() {
        broker->finish(start, turn);
        std::size_t count = 0;
        for (const Command& command : turn.commands)
            if (std::holds_alternative<Wanted>(command.action)) ++count;
        broker->durable_up_to(turn.number);
        turn.clear();
        return count;
    }

    std::unique_ptr<Broker> broker;
    Turn turn;
};

TEST_F(BrokerTest, DeliversNoMoreThanTheOutboxHoldsUntilItIsWritten) {
    Options options;
    options.outbox_bytes_max = 10'000;
    begin(options);
    connect(1);
    connect(2);
    say(1, amqp::QueueDeclare{"q", false, false, false, false, false, {}});
    say(2, amqp::BasicConsume{"q", "c", false, true, false, false, {}});
    for (int count = 0; count < 100; ++count) publish(1, "q", std::string(1000, 'x'));

    EXPECT_EQ(finish<Deliver>(), 10U);
    EXPECT_EQ(finish<Deliver>(), 0U);
    broker->written({{2}, 5000});
    EXPECT_EQ(finish<Deliver>(), 5U);
    broker->written({{2}, 1'000'000});
    EXPECT_EQ(finish<Deliver>(), 10U);
    EXPECT_EQ(broker->overview().totals.ready, 75U);
}

TEST_F(BrokerTest, StopsPublishersWhenTooMuchIsStoredAndLetsThemGoOn) {
    Options options;
    options.stored_bytes_high = 50'000;
    options.stored_bytes_low = 40'000;
    begin(options);
    connect(1);
    say(1, amqp::QueueDeclare{"q", false, false, false, false, false, {}});
    for (int count = 0; count < 60; ++count) publish(1, "q", std::string(1000, 'x'));
    EXPECT_EQ(finish<HoldPublishes>(), 1U);
    EXPECT_TRUE(broker->overview().totals.publishers_wait);

    say(1, amqp::QueuePurge{"q", false});

    EXPECT_EQ(finish<TakePublishes>(), 1U);
    EXPECT_EQ(broker->overview().totals.stored_bytes, 0U);
}

TEST_F(BrokerTest, AsksToBeCalledWhenTheNextMessageExpires) {
    begin();
    connect(1);
    say(1, amqp::QueueDeclare{
               "q", false, false, false, false, false, {{"x-message-ttl", std::int32_t{500}}}});
    EXPECT_FALSE(broker->next_deadline());
    publish(1, "q", "m");
    finish<Deliver>();

    EXPECT_EQ(broker->next_deadline(), start + std::chrono::milliseconds(500));
    broker->apply(Ticked{}, start + std::chrono::milliseconds(500), turn);
    broker->finish(start + std::chrono::milliseconds(500), turn);
    EXPECT_EQ(broker->overview().totals.ready, 0U);
    EXPECT_FALSE(broker->next_deadline());
}

TEST_F(BrokerTest, RefusesABodyThatIsTooLarge) {
    Options options;
    options.message_bytes_max = 100;
    begin(options);
    connect(1);

    publish(1, "q", std::string(101, 'x'));
    broker->finish(start, turn);

    const auto* close = std::get_if<CloseChannel>(&turn.commands.back().action);
    ASSERT_NE(close, nullptr);
    EXPECT_EQ(close->reason->text,
              "PRECONDITION_FAILED - message size 101 is larger than configured max size 100");
}

TEST_F(BrokerTest, ClosesTheConnectionForPropertiesThatMakeNoSense) {
    begin();
    connect(1);

    publish(1, "q", "m", as_bytes("\xFF\xFF garbage"));

    EXPECT_EQ(finish<CloseConnection>(), 1U);
}

// Random methods with random fields on random channels: nothing may break, whatever comes.
class Hostile : public BrokerTest {
protected:
    std::uint64_t pick(std::uint64_t bound) { return random.below(bound); }
    bool flip() { return pick(2) == 0; }
    std::string name() {
        static const char* const names[] = {"",  "a", "b", "amq.topic", "amq.direct", "x",
                                            "c", "d", "amq.rabbitmq.reply-to", "amq.delayed.x"};
        return names[pick(10)];
    }
    amqp::FieldTable arguments() {
        static const char* const names[] = {
            "x-message-ttl", "x-expires", "x-max-length", "x-overflow", "x-dead-letter-exchange",
            "x-max-priority", "x-queue-type", "alternate-exchange", "x-delayed-type", "x-match",
            "x-single-active-consumer", "x-delivery-limit", "x-priority", "x-consumer-timeout",
            "x-message-deduplication", "x-delayed-for"};
        amqp::FieldTable table;
        for (auto count = pick(3); count != 0; --count) {
            amqp::FieldValue value;
            switch (pick(5)) {
            case 0: value = amqp::FieldValue(static_cast<std::int32_t>(pick(300)) - 5); break;
            case 1: value = amqp::FieldValue(name()); break;
            case 2: value = amqp::FieldValue(true); break;
            case 3: value = amqp::FieldValue(flip() ? "quorum" : "reject-publish"); break;
            default: break;
            }
            table.set(names[pick(16)], value);
        }
        return table;
    }
    amqp::Method method() {
        static const char* const types[] = {"direct", "topic", "headers", "x-delayed-message",
                                            "x-consistent-hash", "zz"};
        switch (pick(24)) {
        case 0: return amqp::ChannelOpen{};
        case 1: return amqp::ChannelClose{};
        case 2: return amqp::ChannelCloseOk{};
        case 3: return amqp::ExchangeDeclare{name(), types[pick(6)], pick(8) == 0, flip(), flip(),
                                             pick(8) == 0, flip(), arguments()};
        case 4: return amqp::ExchangeDelete{name(), flip(), flip()};
        case 5: return amqp::ExchangeBind{name(), name(), name(), flip(), arguments()};
        case 6: return amqp::ExchangeUnbind{name(), name(), name(), flip(), {}};
        case 7:
        case 8: return amqp::QueueDeclare{name(), pick(8) == 0, flip(), pick(5) == 0,
                                          pick(4) == 0, flip(), arguments()};
        case 9: return amqp::QueueBind{name(), name(), name(), flip(), arguments()};
        case 10: return amqp::QueueUnbind{name(), name(), name(), {}};
        case 11: return amqp::QueuePurge{name(), flip()};
        case 12: return amqp::QueueDelete{name(), flip(), flip(), flip()};
        case 13: return amqp::BasicQos{0, static_cast<std::uint16_t>(pick(4)), flip()};
        case 14:
        case 15: return amqp::BasicConsume{name(), pick(2) ? "" : name(), flip(), flip(),
                                           pick(6) == 0, flip(), arguments()};
        case 16: return amqp::BasicCancel{name(), flip()};
        case 17: return amqp::BasicGet{name(), flip()};
        case 18: return amqp::BasicAck{pick(6), flip()};
        case 19: return amqp::BasicNack{pick(6), flip(), flip()};
        case 20: return amqp::BasicRecover{pick(9) != 0};
        case 21: return amqp::ConfirmSelect{flip()};
        case 22: return amqp::TxSelect{};
        default: return flip() ? amqp::Method(amqp::TxCommit{}) : amqp::Method(amqp::TxRollback{});
        }
    }
    void anything() {
        const std::uint64_t connection = 1 + pick(4);
        if (pick(3) == 0) {
            amqp::Properties properties;
            if (flip()) properties.delivery_mode = 2;
            if (pick(4) == 0) properties.expiration = flip() ? "5" : "soon";
            if (pick(4) == 0) properties.reply_to = "amq.rabbitmq.reply-to";
            if (pick(3) == 0) properties.headers = amqp::FieldTable{{"x-delay", std::int32_t{7}}};
            amqp::Buffer raw;
            ASSERT_TRUE(amqp::encode_properties(properties, raw));
            publish(connection, name(), "body", raw.view());
        } else if (pick(40) == 0) {
            broker->apply(ConnectionLost{{connection}}, now, turn);
        } else {
            broker->apply(MethodReceived{{connection}, static_cast<ChannelNumber>(pick(3)),
                                         method()},
                          now, turn);
        }
        if (pick(30) == 0) {
            broker->apply(ConnectionLost{{connection}}, now, turn);
            connect(connection);
        }
        if (pick(20) == 0) {
            now += std::chrono::milliseconds(pick(300));
            broker->apply(Ticked{}, now, turn);
        }
    }

    Random random{1};
    Time now = start;
};

TEST_F(Hostile, MethodsInAnyOrderBreakNothing) {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        random = Random(seed);
        now = start;
        begin();
        for (int step = 0; step < 2000; ++step) {
            anything();
            if (pick(4) != 0) continue;
            broker->finish(now, turn);
            broker->durable_up_to(turn.number);
            turn.clear();
        }
        for (std::uint64_t connection = 1; connection <= 4; ++connection)
            broker->apply(ConnectionLost{{connection}}, now, turn);
        broker->finish(now, turn);
        turn.clear();
        EXPECT_EQ(broker->overview().totals.unacked, 0U) << "seed " << seed;
        EXPECT_EQ(broker->overview().totals.connections, 0U);
    }
}

TEST_F(BrokerTest, APolicyThatEndsManyMessagesDoesSoInBoundedTurns) {
    Options options;
    options.dead_letters_per_turn_max = 10;
    begin(options);
    connect(1);
    say(1, amqp::QueueDeclare{"dead", false, false, false, false, false, {}});
    say(1, amqp::QueueDeclare{"q", false, false, false, false, false, {}});
    for (int count = 0; count < 95; ++count) publish(1, "q", "m");
    finish<Deliver>();
    const auto ready = [&](std::string_view name) {
        for (const QueueView& queue : broker->overview().queues)
            if (queue.name == name) return queue.ready;
        return UINT64_MAX;
    };

    broker->apply(AdministrationAsked{{1},
                                      PutPolicy{{"/", "p", "^q$", "queues", 0,
                                                 {{"max-length", 5},
                                                  {"dead-letter-exchange", ""},
                                                  {"dead-letter-routing-key", "dead"}},
                                                 false}}},
                  start, turn);
    finish<Deliver>();

    EXPECT_GT(ready("q"), 70U);
    int turns = 0;
    for (; ready("dead") < 90 && turns < 50; ++turns) {
        ASSERT_EQ(broker->next_deadline(), start) << "the rest is due at once";
        broker->apply(Ticked{}, start, turn);
        finish<Deliver>();
    }
    EXPECT_EQ(ready("dead"), 90U);
    EXPECT_EQ(ready("q"), 5U);
    EXPECT_GT(turns, 4);
    broker->apply(Ticked{}, start, turn);
    finish<Deliver>();
    EXPECT_EQ(broker->next_deadline(), std::nullopt) << "nothing is left to do";
}

} // namespace
} // namespace baton::broker::core
