// What counts towards the watermark of memory, and what is refused when waiting publishers would not
// help: transactions, queues, exchanges, bindings, connections, channels and consumers. And what the
// journal is told again, in bounded turns.
#include "broker/core/broker.hpp"

#include "amqp/properties.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

namespace baton::broker::core {
namespace {

const Time memory_start = time_from_micros(1'000'000);

class Memory : public testing::Test {
protected:
    Memory() {
        options_.first_user_password_hash = "hash";
        options_.stored_bytes_high = 400'000;
        options_.stored_bytes_low = 360'000;
    }

    void SetUp() override { begin(); }
    void begin() {
        broker_ = std::make_unique<Broker>(options_);
        broker_->finish_recovery(0, memory_start, turn_);
        records_.clear();
        keep();
        connect(1);
    }

    void connect(std::uint64_t id, std::uint16_t channel_max = 2047, amqp::FieldTable properties = {}) {
        ConnectionOpened opened;
        opened.connection = {id};
        opened.user = "guest";
        opened.vhost = "/";
        opened.channel_max = channel_max;
        opened.client_properties = std::move(properties);
        broker_->apply(opened, memory_start, turn_);
        say(id, amqp::ChannelOpen{});
    }

    void say(std::uint64_t id, amqp::Method method, ChannelNumber channel = 1) {
        broker_->apply(MethodReceived{{id}, channel, std::move(method)}, memory_start, turn_);
    }

    void declare(const std::string& queue) {
        say(1, amqp::QueueDeclare{queue, false, true, false, false, true, {}});
    }

    void publish(std::uint64_t id, std::string_view key, std::string_view body) {
        PublishReceived event;
        event.connection = {id};
        event.channel = 1;
        event.routing_key = key;
        event.properties = amqp::no_properties;
        event.body = as_bytes(body);
        broker_->publish(event, memory_start, turn_);
    }

    // Ends the turn and keeps its commands and records.
    void keep() {
        broker_->finish(memory_start, turn_);
        commands_ = std::move(turn_.commands);
        for (Command& command : turn_.commands_when_durable) commands_.push_back(std::move(command));
        answers_ = turn_.answers;
        turn_records_ = turn_.records.size();
        for (std::size_t at = 0; at < turn_.records.size(); ++at)
            records_.emplace(turn_.first_record + at, turn_.records[at]);
        if (turn_.forget_below)
            records_.erase(records_.begin(), records_.lower_bound(*turn_.forget_below));
        broker_->durable_up_to(turn_.number);
        turn_.clear();
    }

    template <typename Wanted>
    const Wanted* said() const {
        for (const Command& command : commands_)
            if (const auto* wanted = std::get_if<Wanted>(&command.action)) return wanted;
        return nullptr;
    }
    template <typename Wanted>
    bool finish() {
        keep();
        return said<Wanted>() != nullptr;
    }

    Totals totals() const { return broker_->overview().totals; }

    Options options_;
    std::unique_ptr<Broker> broker_;
    Turn turn_;
    std::vector<Command> commands_;
    std::vector<Answer> answers_;
    std::size_t turn_records_ = 0;
    std::map<RecordNumber, Record> records_;
};

TEST_F(Memory, WhatConnectionsHoldMakesPublishersWait) {
    keep();
    broker_->note_outside_memory(400'000);
    EXPECT_TRUE(finish<HoldPublishes>());
    EXPECT_TRUE(totals().publishers_wait);
    EXPECT_TRUE(totals().alarms[0]) << "and is the alarm that everybody knows";

    connect(2);
    ASSERT_TRUE(finish<HoldPublishes>()) << "who comes now waits, too";
    EXPECT_STREQ(said<HoldPublishes>()->reason, "low on memory");

    broker_->note_outside_memory(0);
    EXPECT_TRUE(finish<TakePublishes>());
    EXPECT_EQ(totals().outside_bytes, 0U);
}

TEST_F(Memory, AShortageAndItsEndAreSaidToPeopleOnce) {
    keep();
    broker_->note_outside_memory(400'000);
    broker_->finish(memory_start, turn_);
    ASSERT_TRUE(turn_.shortage);
    EXPECT_STREQ(turn_.shortage->reason, "low on memory");
    EXPECT_GE(turn_.shortage->memory, 400'000U);
    turn_.clear();
    broker_->finish(memory_start, turn_);
    EXPECT_FALSE(turn_.shortage);
    turn_.clear();
    broker_->note_outside_memory(0);
    broker_->finish(memory_start, turn_);
    ASSERT_TRUE(turn_.shortage);
    EXPECT_EQ(turn_.shortage->reason, nullptr);
}

TEST_F(Memory, AnOpenTransactionCountsAndIsRefusedAboveItsShare) {
    declare("q");
    say(1, amqp::TxSelect{});
    const std::string body(10'000, 'x');
    int taken = 0;
    while (!finish<CloseChannel>() && taken < 100) {
        publish(1, "q", body);
        ++taken;
    }
    EXPECT_NEAR(taken, 11, 2) << "a quarter of 400,000";
    EXPECT_EQ(said<CloseChannel>()->reason->code, amqp::ReplyCode::precondition_failed);
    EXPECT_EQ(totals().transaction_bytes, 0U) << "it is gone with its channel";
    EXPECT_EQ(totals().ready, 0U);
}

TEST_F(Memory, ATransactionThatIsCommittedOrRolledBackCountsNoMore) {
    declare("q");
    say(1, amqp::TxSelect{});
    for (int round = 0; round < 20; ++round) {
        for (int count = 0; count < 5; ++count) publish(1, "q", std::string(10'000, 'x'));
        keep();
        EXPECT_GT(totals().transaction_bytes, 50'000U);
        if (round % 2 == 0)
            say(1, amqp::TxCommit{});
        else
            say(1, amqp::TxRollback{});
        say(1, amqp::QueuePurge{"q", true});
        EXPECT_FALSE(finish<CloseChannel>());
        EXPECT_EQ(totals().transaction_bytes, 0U);
    }
    say(1, amqp::ChannelClose{200, "bye", 0, 0});
    publish(1, "q", "x");
    keep();
    EXPECT_EQ(totals().transaction_bytes, 0U);
}

TEST_F(Memory, QueuesAreRefusedAboveTheirShareByEveryDoor) {
    int declared = 0;
    while (declared < 10'000) {
        declare(fmt::format("queue {}", declared));
        if (finish<CloseChannel>()) break;
        ++declared;
    }
    ASSERT_LT(declared, 10'000);
    EXPECT_GT(declared, 100) << "each takes about a kibibyte";
    EXPECT_EQ(said<CloseChannel>()->reason->code, amqp::ReplyCode::precondition_failed);
    EXPECT_NE(said<CloseChannel>()->reason->text.find("no memory for a queue"), std::string::npos);
    EXPECT_GE(totals().definition_bytes + totals().open_bytes, 200'000U);

    broker_->apply(AdministrationAsked{{7}, DeclareQueue{"/", "one more", false, true, {}}}, memory_start, turn_);
    broker_->apply(AdministrationAsked{{8}, DeclareExchange{{"/", "x", "topic", false, false, {}}, true}},
                   memory_start, turn_);
    keep();
    ASSERT_EQ(answers_.size(), 2U);
    for (const Answer& answer : answers_)
        EXPECT_EQ(answer.code, amqp::ReplyCode::precondition_failed) << answer.text;

    // What is there may be used, and said again; who declares too much keeps nobody out.
    connect(2);
    say(2, amqp::QueueDeclare{"queue 1", false, true, false, false, false, {}});
    say(2, amqp::BasicConsume{"queue 1", "c", false, true, false, false, {}});
    publish(2, "queue 1", "hello");
    EXPECT_TRUE(finish<Deliver>());

    for (int at = 0; at < declared; ++at)
        say(2, amqp::QueueDelete{fmt::format("queue {}", at), false, false, true});
    keep();
    EXPECT_EQ(totals().definition_bytes, 0U) << "what went is given back to the byte";
    say(2, amqp::QueueDeclare{"again", false, true, false, false, false, {}});
    EXPECT_FALSE(finish<CloseChannel>());
}

TEST_F(Memory, BindingsAndExchangesGiveBackWhatTheyTook) {
    declare("q");
    for (const char* type : {"direct", "topic", "fanout", "headers", "x-delayed-message"}) {
        amqp::FieldTable arguments;
        if (std::string_view(type).starts_with("x-")) arguments.set("x-delayed-type", "topic");
        say(1, amqp::ExchangeDeclare{type, type, false, true, false, false, true, arguments});
        for (int key = 0; key < 5; ++key)
            say(1, amqp::QueueBind{"q", type, fmt::format("a.{}.a-key-that-is-not-short", key), true, {}});
    }
    say(1, amqp::ExchangeBind{"topic", "direct", "key", true, {}});
    say(1, amqp::ExchangeBind{"topic", "topic", "itself", true, {}});
    ASSERT_FALSE(finish<CloseChannel>());
    const std::uint64_t all = totals().definition_bytes;
    EXPECT_GT(all, 27U * 100U);

    say(1, amqp::QueueUnbind{"q", "direct", "a.1.a-key-that-is-not-short", {}});
    keep();
    EXPECT_LT(totals().definition_bytes, all);
    for (const char* type : {"topic", "direct", "x-delayed-message"}) say(1, amqp::ExchangeDelete{type, false, true});
    say(1, amqp::QueueDelete{"q", false, false, true});
    for (const char* type : {"fanout", "headers"}) say(1, amqp::ExchangeDelete{type, false, true});
    keep();
    EXPECT_EQ(totals().definition_bytes, 0U);
}

TEST_F(Memory, AVirtualHostTakesWhatItHeldAlong) {
    const auto ask = [&](AdministrationRequest wish) {
        broker_->apply(AdministrationAsked{{1}, std::move(wish)}, memory_start, turn_);
        keep();
        ASSERT_EQ(answers_.size(), 1U);
        EXPECT_EQ(answers_[0].code, amqp::ReplyCode::success) << answers_[0].text;
    };
    ask(PutVhost{{"other", "", {}}});
    ask(DeclareQueue{"other", "q", false, true, {}});
    ask(DeclareExchange{{"other", "x", "topic", false, false, {}}, true});
    ask(Bind{{"other", "x", DestinationKind::queue, "q", "a.#", {}}});
    EXPECT_GT(totals().definition_bytes, 0U);
    ask(RemoveVhost{"other"});
    EXPECT_EQ(totals().definition_bytes, 0U);
}

TEST_F(Memory, ConnectionsChannelsAndConsumersCountWhileTheyAreThere) {
    keep();
    const std::uint64_t one = totals().open_bytes;
    amqp::FieldTable large;
    for (int at = 0; at < 100; ++at) large.set(fmt::format("property {}", at), std::string(500, 'x'));
    connect(2, 2047, large);
    keep();
    EXPECT_GT(totals().open_bytes, one + 50'000) << "what a client says of itself counts";
    for (ChannelNumber channel = 2; channel < 12; ++channel) say(2, amqp::ChannelOpen{}, channel);
    declare("q");
    for (int at = 0; at < 10; ++at)
        say(2, amqp::BasicConsume{"q", fmt::format("consumer {}", at), false, true, false, true, {}});
    keep();
    const std::uint64_t busy = totals().open_bytes;
    say(2, amqp::BasicCancel{"consumer 3", true});
    say(2, amqp::ChannelClose{200, "bye", 0, 0}, 5);
    keep();
    EXPECT_LT(totals().open_bytes, busy);
    broker_->apply(ConnectionLost{{2}}, memory_start, turn_);
    keep();
    EXPECT_EQ(totals().open_bytes, one) << "to the byte";
    // Refused, closed by the broker, closed by the client: each is the end.
    say(1, amqp::ChannelOpen{}, 1);
    broker_->apply(ConnectionLost{{1}}, memory_start, turn_);
    connect(3);
    say(3, amqp::BasicConsume{"q", "c", false, true, false, true, {}});
    say(3, amqp::ConnectionClose{200, "bye", 0, 0}, 0);
    broker_->apply(ConnectionLost{{3}}, memory_start, turn_);
    keep();
    EXPECT_EQ(totals().open_bytes, 0U);
}

TEST_F(Memory, ChannelsAreRefusedAboveTheirShare) {
    ChannelNumber channel = 2;
    while (!finish<CloseConnection>() && channel < 2047) say(1, amqp::ChannelOpen{}, channel++);
    ASSERT_LT(channel, 2047);
    EXPECT_EQ(said<CloseConnection>()->reason->code, amqp::ReplyCode::resource_error);
}

// Its connection carries every run: nobody's idle channels and queues may keep it out.
TEST_F(Memory, TheLastPartIsForTheServersOwnUser) {
    options_.own_user = "own";
    begin();
    broker_->apply(AdministrationAsked{{7}, PutUser{{"own", "hash", "", {}}}}, memory_start, turn_);
    broker_->apply(AdministrationAsked{{8}, PutPermission{{"/", "own", ".*", ".*", ".*"}}}, memory_start, turn_);
    ChannelNumber channel = 2;
    while (totals().open_bytes <= 300'000 && channel < 2047) say(1, amqp::ChannelOpen{}, channel++);
    ASSERT_LT(channel, 2047);
    ASSERT_FALSE(finish<CloseConnection>());
    connect(2);
    ASSERT_TRUE(finish<CloseConnection>()) << "one more of theirs is refused";

    ConnectionOpened own;
    own.connection = {3};
    own.user = "own";
    own.vhost = "/";
    own.channel_max = 2047;
    broker_->apply(own, memory_start, turn_);
    say(3, amqp::ChannelOpen{});
    say(3, amqp::QueueDeclare{"needed", false, true, false, false, false, {}});
    say(3, amqp::BasicConsume{"needed", "c", false, true, false, false, {}});
    EXPECT_FALSE(finish<CloseConnection>());
    publish(3, "needed", "hello");
    EXPECT_TRUE(finish<Deliver>());
    connect(4);
    EXPECT_TRUE(finish<CloseConnection>()) << "and theirs are refused still";
}

TEST_F(Memory, ChannelNumbersAreCountedAndNotCompared) {
    // High numbers make long lists, which count.
    options_.stored_bytes_high = 100 << 20;
    begin();
    connect(2, 3);
    say(2, amqp::ChannelOpen{}, 2047);
    say(2, amqp::ChannelOpen{}, 65535);
    EXPECT_FALSE(finish<CloseConnection>()) << "three channels, and their numbers are their own";
    say(2, amqp::ChannelClose{200, "bye", 0, 0}, 2047);
    say(2, amqp::ChannelOpen{}, 4);
    EXPECT_FALSE(finish<CloseConnection>());
    say(2, amqp::ChannelOpen{}, 5);
    ASSERT_TRUE(finish<CloseConnection>());
    EXPECT_EQ(said<CloseConnection>()->reason->code, amqp::ReplyCode::not_allowed);
}

// --- The journal ---------------------------------------------------------------------------------

class Retention : public Memory {
protected:
    Retention() {
        options_.stored_bytes_high = options_.stored_bytes_low = 1 << 30;
        options_.repeats_per_turn_max = 10;
    }

    void seal(std::uint64_t bytes) {
        const RecordNumber last = records_.rbegin()->first;
        broker_->apply(SegmentSealed{sealed_ + 1, last, bytes}, memory_start, turn_);
        sealed_ = last;
        keep();
    }

    RecordNumber sealed_ = 0;
};

TEST_F(Retention, DefinitionsAreSaidAgainInBoundedTurnsWhileTheyChange) {
    for (int at = 0; at < 100; ++at) {
        declare(fmt::format("q{}", at));
        say(1, amqp::QueueBind{fmt::format("q{}", at), "amq.topic", fmt::format("key.{}", at), true, {}});
    }
    say(1, amqp::ExchangeDeclare{"old", "topic", false, true, false, false, true, {}});
    keep();
    std::size_t turns = 0;
    for (seal(1ULL << 30); broker_->next_deadline(); ++turns) {
        ASSERT_LT(turns, 1000U);
        EXPECT_LE(turn_records_, 10U + 6U) << "and what the client changed";
        // Each change hits what was said already or was not yet.
        if (turns == 3) say(1, amqp::QueueDelete{"q1", false, false, true});
        if (turns == 4) say(1, amqp::QueueDelete{"q99", false, false, true});
        if (turns == 5) {
            say(1, amqp::ExchangeDeclare{"new", "topic", false, true, false, false, true, {}});
            say(1, amqp::QueueBind{"q98", "new", "of a queue that is said later", true, {}});
            say(1, amqp::QueueBind{"q2", "old", "of one that was said", true, {}});
            say(1, amqp::ExchangeBind{"old", "new", "#", true, {}});
        }
        if (turns == 15) say(1, amqp::QueueUnbind{"q2", "amq.topic", "key.2", {}});
        if (turns == 16) say(1, amqp::QueueUnbind{"q97", "amq.topic", "key.97", {}});
        if (turns == 17) say(1, amqp::ExchangeDelete{"old", false, true});
        broker_->apply(Ticked{}, memory_start, turn_);
        keep();
    }
    EXPECT_GT(turns, 15U);
    ASSERT_GT(records_.begin()->first, sealed_) << "the old segment was forgotten";

    Broker again(options_);
    for (const auto& [number, record] : records_) again.replay(Record(record), number);
    Turn turn;
    again.finish_recovery(records_.rbegin()->first, memory_start, turn);
    const Overview before = broker_->overview();
    const Overview after = again.overview();
    ASSERT_EQ(after.queues.size(), before.queues.size());
    ASSERT_EQ(after.bindings.size(), before.bindings.size());
    ASSERT_EQ(after.exchanges.size(), before.exchanges.size());
    for (std::size_t at = 0; at < before.queues.size(); ++at)
        EXPECT_EQ(after.queues[at].name, before.queues[at].name);
    for (std::size_t at = 0; at < before.bindings.size(); ++at)
        EXPECT_EQ(after.bindings[at].routing_key, before.bindings[at].routing_key);
}

TEST_F(Retention, FewSegmentsThatHoldNothingAreForgottenAlsoWhenNothingHappens) {
    declare("q");
    keep();
    for (int segment = 0; segment < 5; ++segment) {
        seal(60ULL << 20);
        say(1, amqp::QueueDeclare{fmt::format("q{}", segment), false, true, false, false, true, {}});
        keep();
    }
    // Nobody says a thing any more.
    for (int tick = 0; broker_->next_deadline() && tick < 100; ++tick) {
        broker_->apply(Ticked{}, memory_start, turn_);
        keep();
    }
    EXPECT_FALSE(broker_->next_deadline());
    EXPECT_GT(records_.begin()->first, 8U) << "of five segments one is left";
}

} // namespace
} // namespace baton::broker::core
