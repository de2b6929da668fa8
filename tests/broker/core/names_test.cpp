// Names and values that AMQP cannot say are refused at every door, and a journal that holds them
// from before still starts and lets its messages die.
#include "broker/core/names.hpp"

#include "broker/core/broker.hpp"

#include <gtest/gtest.h>

namespace baton::broker::core {
namespace {

const Time names_start = time_from_micros(1'000'000);
const std::string longest(255, 'k');
const std::string too_long(256, 'k');

class DoorTest : public testing::Test {
protected:
    DoorTest() {
        Options options;
        options.first_user_password_hash = "hash";
        broker = std::make_unique<Broker>(options);
    }

    void begin(RecordNumber last = 0) {
        broker->finish_recovery(last, names_start, turn);
        turn.clear();
    }

    amqp::ReplyCode ask(AdministrationRequest wish) {
        turn.clear();
        broker->apply(AdministrationAsked{{1}, std::move(wish)}, names_start, turn);
        broker->finish(names_start, turn);
        return turn.answers.at(0).code;
    }

    std::unique_ptr<Broker> broker;
    Turn turn;
};

constexpr auto refused = amqp::ReplyCode::precondition_failed;
constexpr auto taken = amqp::ReplyCode::success;

amqp::FieldTable dead_letters_to(const std::string& exchange, const std::string& key) {
    return {{"x-dead-letter-exchange", exchange}, {"x-dead-letter-routing-key", key}};
}

TEST_F(DoorTest, AdministratorsNamesAreShortStrings) {
    begin();

    EXPECT_EQ(ask(PutVhost{{too_long, {}, {}}}), refused);
    EXPECT_EQ(ask(PutVhost{{"\xff", {}, {}}}), refused);
    EXPECT_EQ(ask(PutUser{{too_long, {}, {}, {}}}), refused);
    EXPECT_EQ(ask(PutParameter{{"/", "c", too_long, "1"}}), refused);
    EXPECT_EQ(ask(PutTopicPermission{{"/", "guest", too_long, ".*", ".*"}}), refused);
    EXPECT_EQ(ask(DeclareExchange{{"/", too_long, "fanout", false, false, {}}, true}), refused);
    EXPECT_EQ(ask(DeclareExchange{{"/", longest, "fanout", false, false, {}}, true}), taken);
    EXPECT_EQ(ask(DeclareQueue{"/", too_long, false, true, {}}), refused);
    EXPECT_EQ(ask(DeclareQueue{"/", longest, false, true, {}}), taken);
}

TEST_F(DoorTest, WhatStandsBesideNamesIsTextOfABoundedLength) {
    begin();
    const std::string huge(2 << 20, 'x');
    const std::string no_text("caf\xe9");
    const std::vector<std::string> many_tags(1000, "tag");

    for (const std::string& bad : {huge, no_text}) {
        EXPECT_EQ(ask(PutVhost{{"v", bad, {}}}), refused);
        EXPECT_EQ(ask(PutVhost{{"v", {}, {bad}}}), refused);
        EXPECT_EQ(ask(PutUser{{"u", bad, {}, {}}}), refused);
        EXPECT_EQ(ask(PutUser{{"u", {}, bad, {}}}), refused);
        EXPECT_EQ(ask(PutUser{{"u", {}, {}, {bad}}}), refused);
        EXPECT_EQ(ask(PutPermission{{"/", "guest", bad, ".*", ".*"}}), refused);
        EXPECT_EQ(ask(PutPermission{{"/", "guest", ".*", bad, ".*"}}), refused);
        EXPECT_EQ(ask(PutPermission{{"/", "guest", ".*", ".*", bad}}), refused);
        EXPECT_EQ(ask(PutTopicPermission{{"/", "guest", "x", bad, ".*"}}), refused);
        EXPECT_EQ(ask(PutTopicPermission{{"/", "guest", "x", ".*", bad}}), refused);
        EXPECT_EQ(ask(PutParameter{{"/", "c", "p", bad}}), refused);
        EXPECT_EQ(ask(PutPolicy{{"/", "p", bad, "all", 0, {{"max-length", 1}}, false}}), refused);
        EXPECT_TRUE(turn.records.empty()) << "nothing of it reaches the journal";
        EXPECT_EQ(ask(RemovePermission{{bad, "guest"}}), taken) << "it is not there";
        EXPECT_EQ(ask(RemovePermission{{"/", bad}}), taken);
        EXPECT_EQ(ask(RemoveTopicPermission{{"/", "guest", bad}}), taken);
        EXPECT_TRUE(turn.records.empty());
    }
    EXPECT_EQ(ask(PutUser{{"u", {}, {}, many_tags}}), refused);
    EXPECT_EQ(ask(PutVhost{{"v", {}, many_tags}}), refused);
    EXPECT_EQ(ask(PutVhost{{"v", "one for all", {"a", "b"}}}), taken);
}

TEST_F(DoorTest, ValuesThatBecomeNamesAreShortStrings) {
    begin();

    EXPECT_EQ(ask(DeclareQueue{"/", "q", false, true, dead_letters_to("", too_long)}), refused);
    EXPECT_EQ(ask(DeclareQueue{"/", "q", false, true, dead_letters_to(too_long, "k")}), refused);
    EXPECT_EQ(ask(DeclareQueue{"/", "q", false, true, dead_letters_to(longest, longest)}), taken);
    EXPECT_EQ(ask(DeclareExchange{
                  {"/", "x", "fanout", false, false, {{"alternate-exchange", too_long}}}, true}),
              refused);
    for (const char* setting :
         {"dead-letter-exchange", "dead-letter-routing-key", "alternate-exchange"}) {
        EXPECT_EQ(ask(PutPolicy{{"/", "p", ".*", "all", 0, {{setting, too_long}}, false}}), refused);
        EXPECT_EQ(ask(PutPolicy{{"/", "p", ".*", "all", 0, {{setting, longest}}, false}}), taken);
    }
    EXPECT_EQ(ask(PutPolicy{{"/", too_long, ".*", "all", 0, {{"max-length", 1}}, false}}), refused);
}

TEST_F(DoorTest, ArgumentsCanBeWrittenAndReadAgain) {
    begin();
    ASSERT_EQ(ask(DeclareQueue{"/", "q", false, true, {}}), taken);
    const amqp::FieldTable odd{{too_long, 1}};
    amqp::FieldTable deep;
    for (int level = 0; level <= amqp::field_nesting_max; ++level)
        deep = amqp::FieldTable{{"t", amqp::FieldValue(std::move(deep))}};

    for (const amqp::FieldTable& arguments : {odd, deep}) {
        EXPECT_EQ(ask(DeclareQueue{"/", "other", false, true, arguments}), refused);
        EXPECT_EQ(ask(DeclareExchange{{"/", "x", "fanout", false, false, arguments}, true}), refused);
        EXPECT_EQ(ask(Bind{{"/", "amq.topic", DestinationKind::queue, "q", "k", arguments}}), refused);
    }
    EXPECT_EQ(ask(Bind{{"/", "amq.topic", DestinationKind::queue, "q", too_long, {}}}), refused);
    EXPECT_EQ(ask(Bind{{"/", "amq.topic", DestinationKind::queue, "q", longest, {}}}), taken);
}

TEST_F(DoorTest, AJournalWithLongerNamesStartsAndItsMessagesDie) {
    broker->replay(VhostPut{"/", {}, {}}, 1);
    broker->replay(ExchangeDeclared{"/", too_long, "fanout", false, false, {}}, 2);
    broker->replay(QueueDeclared{{1}, "/", "dead", false, {}}, 3);
    broker->replay(QueueDeclared{{2}, "/", "by-key", false, dead_letters_to("amq.fanout", too_long)}, 4);
    broker->replay(QueueDeclared{{3}, "/", "by-name", false, dead_letters_to(too_long, "k")}, 5);
    broker->replay(Bound{"/", "amq.fanout", DestinationKind::queue, "dead", "", {}}, 6);
    broker->replay(PolicyPut{"/", "p", "^by-policy$", "queues", 0,
                             {{"dead-letter-exchange", "amq.fanout"},
                              {"dead-letter-routing-key", too_long}}, false}, 7);
    broker->replay(QueueDeclared{{4}, "/", "by-policy", false, {}}, 8);
    broker->replay(UserPut{"guest", "hash", {}, {}}, 9);
    broker->replay(PermissionPut{"/", "guest", ".*", ".*", ".*"}, 10);
    begin(10);
    ConnectionOpened opened;
    opened.connection = {1};
    opened.user = "guest";
    opened.vhost = "/";
    broker->apply(opened, names_start, turn);
    broker->apply(MethodReceived{{1}, 1, amqp::ChannelOpen{}}, names_start, turn);

    std::uint64_t tag = 0;
    for (const char* queue : {"by-key", "by-name", "by-policy"}) {
        PublishReceived publish;
        publish.connection = {1};
        publish.channel = 1;
        publish.routing_key = queue;
        broker->publish(publish, names_start, turn);
        amqp::BasicGet get;
        get.queue = queue;
        broker->apply(MethodReceived{{1}, 1, get}, names_start, turn);
        NackReceived nack;
        nack.connection = {1};
        nack.channel = 1;
        nack.delivery_tag = ++tag;
        nack.requeue = false;
        broker->nack(nack, names_start, turn);
        broker->finish(names_start, turn);
        turn.clear();
    }

    // Without a key that a message can have they keep their own.
    EXPECT_EQ(ask(PurgeQueue{"/", "dead"}), taken);
    EXPECT_EQ(turn.answers.at(0).text, "2");
}

} // namespace
} // namespace baton::broker::core
