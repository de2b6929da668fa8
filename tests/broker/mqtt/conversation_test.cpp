// What a client hears, packet by packet; and what it may not do.
#include "tests/broker/mqtt/support.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace baton::test {
namespace {

using mqtt::Acknowledgement;
using mqtt::ReasonCode;
using mqtt::Version;

mqtt::Subscribe subscribe_to(std::string_view filter, std::uint8_t qos, std::uint16_t id = 1) {
    mqtt::Subscribe packet;
    packet.id = id;
    packet.wishes.push_back({.filter = filter, .qos = qos});
    return packet;
}
mqtt::Publish message(std::string_view topic, std::string_view payload, std::uint8_t qos = 0,
                      std::uint16_t id = 0) {
    mqtt::Publish packet;
    packet.topic = topic;
    packet.payload = as_bytes(payload);
    packet.qos = qos;
    packet.id = id;
    return packet;
}
Acknowledgement answer(Acknowledgement::Kind kind, std::uint16_t id) {
    Acknowledgement packet;
    packet.kind = kind;
    packet.id = id;
    return packet;
}
template <typename T>
T only(const std::vector<mqtt::Packet>& packets) {
    if (packets.size() != 1 || !std::holds_alternative<T>(packets.front()))
        throw std::runtime_error(fmt::format("{} packets, the first of kind {}", packets.size(),
                                             packets.empty() ? 0 : packets.front().index()));
    return std::get<T>(packets.front());
}
// How a conversation ended: the code of DISCONNECT, or of CONNACK.
ReasonCode end_of(MqttHouse::Talk& talk) {
    EXPECT_TRUE(talk.talk.has_ended());
    const auto heard = talk.take();
    if (heard.empty()) return ReasonCode::success;
    if (const auto* one = std::get_if<mqtt::Disconnect>(&heard.back())) return one->code;
    if (const auto* one = std::get_if<mqtt::ConnectAck>(&heard.back())) return one->code;
    return ReasonCode::success;
}

TEST(MqttConversation, QosTwoIsAnsweredStepByStepAndDeliveredOnce) {
    MqttHouse house;
    auto taker = house.connect("taker", {});
    EXPECT_FALSE(only<mqtt::ConnectAck>(taker->take()).session_present);
    taker->send(subscribe_to("a/+", 2));
    EXPECT_EQ(only<mqtt::SubscribeAck>(taker->take()).codes,
              std::vector{ReasonCode::granted_qos_2});
    auto giver = house.connect("giver", {}, Version::v3_1_1);
    giver->take();
    giver->send(message("a/x", "once", 2, 9));
    EXPECT_EQ(only<Acknowledgement>(giver->take()).kind, Acknowledgement::Kind::pubrec);
    auto again = message("a/x", "once", 2, 9);
    again.dup = true;
    giver->send(again);
    EXPECT_EQ(only<Acknowledgement>(giver->take()).kind, Acknowledgement::Kind::pubrec);
    giver->send(answer(Acknowledgement::Kind::pubrel, 9));
    EXPECT_EQ(only<Acknowledgement>(giver->take()).kind, Acknowledgement::Kind::pubcomp);
    const auto heard = taker->take();
    const auto& got = only<mqtt::Publish>(heard);
    EXPECT_EQ(std::pair(got.qos, as_text(got.payload)),
              std::pair(std::uint8_t{2}, std::string_view("once")));
    const std::uint16_t id = got.id;
    taker->send(answer(Acknowledgement::Kind::pubrec, id));
    EXPECT_EQ(only<Acknowledgement>(taker->take()).kind, Acknowledgement::Kind::pubrel);
    taker->send(answer(Acknowledgement::Kind::pubcomp, id));
    EXPECT_TRUE(taker->take().empty());
}

TEST(MqttConversation, NoMoreIsSentThanTheClientTakesAtOnce) {
    MqttHouse house;
    mqtt::Connect modest;
    modest.properties.receive_maximum = 2;
    auto taker = house.connect("taker", modest);
    taker->take();
    taker->send(subscribe_to("#", 2));
    taker->take();
    auto giver = house.connect("giver", {});
    giver->take();
    for (std::uint16_t id = 1; id <= 5; ++id)
        giver->send(message("t", fmt::format("{}", id), 2, id));
    std::vector<std::string> got;
    std::vector<std::uint16_t> ids;
    const auto take = [&] {
        for (const mqtt::Packet& packet : taker->take())
            if (const auto* one = std::get_if<mqtt::Publish>(&packet)) {
                got.emplace_back(as_text(one->payload));
                ids.push_back(one->id);
            }
    };
    take();
    EXPECT_EQ(got, (std::vector<std::string>{"1", "2"}));
    // PUBREC alone frees nothing: the id is in use until PUBCOMP.
    taker->send(answer(Acknowledgement::Kind::pubrec, ids[0]));
    take();
    EXPECT_EQ(got.size(), 2U);
    taker->send(answer(Acknowledgement::Kind::pubcomp, ids[0]));
    take();
    EXPECT_EQ(got, (std::vector<std::string>{"1", "2", "3"}));
}

TEST(MqttConversation, AliasesInBothDirections) {
    MqttHouse house;
    mqtt::Connect knows;
    knows.properties.topic_alias_maximum = 1;
    auto client = house.connect("client", knows);
    client->take();
    client->send(subscribe_to("long/topic", 0));
    client->take();
    auto first = message("long/topic", "1");
    first.properties.topic_alias = 3;
    client->send(first);
    for (const char* payload : {"2", "3"}) {
        auto next = message("", payload);
        next.properties.topic_alias = 3;
        client->send(next);
    }
    std::vector<std::string> topics;
    for (const mqtt::Packet& packet : client->take())
        if (const auto* one = std::get_if<mqtt::Publish>(&packet))
            topics.push_back(
                fmt::format("{}:{}", one->topic, one->properties.topic_alias.value_or(0)));
    EXPECT_EQ(topics, (std::vector<std::string>{"long/topic:1", ":1", ":1"}));
    auto unknown = message("", "x");
    unknown.properties.topic_alias = 4;
    client->send(unknown);
    EXPECT_EQ(end_of(*client), ReasonCode::protocol_error);
}

struct Wrong {
    const char* what;
    ReasonCode code;
    std::function<void(MqttHouse::Talk&)> act;
};

TEST(MqttConversation, WhatAClientMayNotDoEndsItWithACode) {
    const std::vector<Wrong> all{
        {"a second CONNECT", ReasonCode::protocol_error,
         [](auto& talk) {
             mqtt::Connect packet;
             packet.version = Version::v5;
             packet.client_id = "x";
             talk.send(packet);
         }},
        {"a packet of servers", ReasonCode::protocol_error,
         [](auto& talk) { talk.send(mqtt::PingResponse{}); }},
        {"an alias beyond the maximum", ReasonCode::topic_alias_invalid,
         [](auto& talk) {
             auto one = message("a", "x");
             one.properties.topic_alias = 17;
             talk.send(one);
         }},
        {"no-local with a share", ReasonCode::protocol_error,
         [](auto& talk) {
             auto one = subscribe_to("$share/g/a", 1);
             one.wishes[0].no_local = true;
             talk.send(one);
         }},
        {"a longer session at the end", ReasonCode::protocol_error,
         [](auto& talk) {
             mqtt::Disconnect one;
             one.properties.session_expiry_seconds = 5;
             talk.send(one);
         }},
        {"more at once than the server takes", ReasonCode::receive_maximum_exceeded,
         [](auto& talk) {
             for (std::uint16_t id = 1; id <= 65; ++id)
                 talk.send(message("a", "x", 2, id));
         }},
        {"a topic of 256 bytes with QoS 0", ReasonCode::topic_name_invalid,
         [](auto& talk) { talk.send(message(std::string(256, 'a'), "x")); }},
        {"bytes that are no packet", ReasonCode::malformed_packet,
         [](auto& talk) { talk.send_bytes(std::string_view("\0\0", 2)); }},
    };
    for (const Wrong& wrong : all) {
        SCOPED_TRACE(wrong.what);
        MqttHouse house;
        auto talk = house.connect("client", {});
        talk->take();
        wrong.act(*talk);
        EXPECT_EQ(end_of(*talk), wrong.code);
    }
}

TEST(MqttConversation, WhatCannotBePublishedIsAnsweredAndTheConnectionStays) {
    MqttHouse house;
    auto talk = house.connect("client", {});
    talk->take();
    talk->send(message("$SYS/x", "x", 1, 1));
    EXPECT_EQ(only<Acknowledgement>(talk->take()).code, ReasonCode::not_authorized);
    talk->send(message(std::string(256, 'a'), "x", 1, 2));
    EXPECT_EQ(only<Acknowledgement>(talk->take()).code, ReasonCode::topic_name_invalid);
    talk->send(message("nobody/listens", "x", 1, 3));
    EXPECT_EQ(only<Acknowledgement>(talk->take()).code, ReasonCode::no_matching_subscribers);
    EXPECT_FALSE(talk->talk.has_ended());
    auto older = house.connect("older", {}, Version::v3_1_1);
    older->take();
    older->send(message("$SYS/x", "x", 1, 1));
    EXPECT_TRUE(older->talk.has_ended());
}

TEST(MqttConversation, ABurstOfSubscriptionsAndPublishesInOneReadKeepsItsOrder) {
    MqttHouse house;
    auto talk = house.connect("client", {});
    talk->take();
    std::vector<std::byte> out;
    append(out, mqtt::Packet(subscribe_to("a", 1, 1)), Version::v5);
    append(out, message("a", "1", 1, 1), Version::v5);
    append(out, mqtt::Packet(subscribe_to("b", 1, 2)), Version::v5);
    append(out, message("b", "2", 1, 2), Version::v5);
    append(out, mqtt::Packet(mqtt::PingRequest{}), Version::v5);
    talk->send_bytes(as_text(out));
    std::string heard;
    for (const mqtt::Packet& packet : talk->take()) {
        if (const auto* one = std::get_if<mqtt::Publish>(&packet))
            heard += fmt::format("publish {} ", as_text(one->payload));
        if (const auto* one = std::get_if<mqtt::SubscribeAck>(&packet))
            heard += fmt::format("suback {} ", one->id);
        if (std::holds_alternative<mqtt::PingResponse>(packet)) heard += "pong";
    }
    EXPECT_NE(heard.find("publish 1"), std::string::npos) << heard;
    EXPECT_NE(heard.find("publish 2"), std::string::npos) << heard;
    EXPECT_LT(heard.find("suback 1"), heard.find("suback 2")) << heard;
    EXPECT_LT(heard.find("suback 2"), heard.find("pong")) << heard;
}

TEST(MqttConversation, WhatAClientMayLeaveBehindIsBounded) {
    broker::mqtt::Options few;
    few.subscriptions_max = 2;
    few.unreleased_max = 3;
    few.sessions_max = 1;
    MqttHouse house(few);
    mqtt::Connect lasting;
    lasting.properties.session_expiry_seconds = 10;
    auto talk = house.connect("first", lasting);
    talk->take();
    for (std::uint16_t id = 1; id <= 3; ++id) {
        talk->send(subscribe_to(std::string(id, 'a'), 1, id));
        EXPECT_EQ(only<mqtt::SubscribeAck>(talk->take()).codes.front(),
                  id == 3 ? ReasonCode::quota_exceeded : ReasonCode::granted_qos_1);
    }
    mqtt::Subscribe many = subscribe_to("a", 1);
    many.wishes.resize(3, many.wishes.front());
    talk->send(many);
    EXPECT_EQ(end_of(*talk), ReasonCode::quota_exceeded);
    talk->lose();
    auto second = house.connect("second", lasting);
    EXPECT_EQ(only<mqtt::ConnectAck>(second->take()).code, ReasonCode::quota_exceeded);
    second->lose();
    auto older = house.connect("older", {}, Version::v3_1_1);
    older->take();
    for (std::uint16_t id = 1; id <= 4; ++id)
        older->send(message("t", "x", 2, id));
    EXPECT_TRUE(older->talk.has_ended());
}

TEST(MqttConversation, NothingIsSaidBeforeConnect) {
    MqttHouse house;
    MqttHouse::Talk talk(house, Version::v3_1_1, "tag000000000");
    talk.send(mqtt::PingRequest{});
    EXPECT_TRUE(talk.talk.has_ended());
    EXPECT_TRUE(talk.talk.out().empty());
}

TEST(MqttSessions, AWillWaitsForItsDelayAndNotForAClientThatIsBack) {
    MqttHouse house;
    auto watcher = house.connect("watcher", {});
    watcher->take();
    watcher->send(subscribe_to("w", 1));
    watcher->take();
    mqtt::Connect dying;
    dying.properties.session_expiry_seconds = 100;
    mqtt::Will will;
    will.topic = "w";
    will.payload = as_bytes(std::string_view("gone"));
    will.properties.will_delay_seconds = 10;
    dying.will = will;
    dying.clean_start = false;
    house.connect("device", dying)->lose();
    house.pass(std::chrono::seconds(9));
    EXPECT_TRUE(watcher->take().empty());
    house.pass(std::chrono::seconds(1));
    EXPECT_EQ(as_text(only<mqtt::Publish>(watcher->take()).payload), "gone");
    house.connect("device", dying)->lose();
    house.pass(std::chrono::seconds(5));
    auto back = house.connect("device", dying);
    EXPECT_TRUE(only<mqtt::ConnectAck>(back->take()).session_present);
    house.pass(std::chrono::seconds(20));
    EXPECT_TRUE(watcher->take().empty());
}

TEST(MqttSessions, ASessionEndsInItsTimeWithItsQueueAndWill) {
    MqttHouse house;
    mqtt::Connect packet;
    packet.properties.session_expiry_seconds = 10;
    mqtt::Will will;
    will.topic = "w";
    will.properties.will_delay_seconds = 100;
    packet.will = will;
    auto watcher = house.connect("watcher", {});
    watcher->send(subscribe_to("w", 0));
    watcher->take();
    auto talk = house.connect("short", packet);
    talk->send(subscribe_to("a", 1));
    talk->lose();
    EXPECT_EQ(house.sessions.count(), 2U);
    EXPECT_TRUE(house.loop.broker().ready_in("/", "mqtt-subscription-shortqos1"));
    house.pass(std::chrono::seconds(10));
    EXPECT_EQ(house.sessions.count(), 1U);
    EXPECT_FALSE(house.loop.broker().ready_in("/", "mqtt-subscription-shortqos1"));
    EXPECT_TRUE(house.loop.broker().parameters("baton.mqtt.session").empty());
    (void)only<mqtt::Publish>(watcher->take());
}

TEST(MqttSessions, UnacknowledgedMessagesComeAgainUnderTheirIds) {
    MqttHouse house;
    mqtt::Connect packet;
    packet.properties.session_expiry_seconds = 100;
    packet.clean_start = false;
    auto taker = house.connect("taker", packet);
    taker->send(subscribe_to("#", 1));
    taker->take();
    auto giver = house.connect("giver", {});
    giver->send(message("a", "1", 1, 1));
    giver->send(message("a", "2", 1, 2));
    std::map<std::string, std::uint16_t> ids;
    for (const mqtt::Packet& one : taker->take())
        if (const auto* got = std::get_if<mqtt::Publish>(&one))
            ids[std::string(as_text(got->payload))] = got->id;
    ASSERT_EQ(ids.size(), 2U);
    taker->lose();
    giver->send(message("a", "3", 1, 3));
    taker = house.connect("taker", packet);
    int seen = 0;
    for (const mqtt::Packet& one : taker->take())
        if (const auto* got = std::get_if<mqtt::Publish>(&one)) {
            ++seen;
            const std::string payload(as_text(got->payload));
            EXPECT_EQ(got->dup, payload != "3");
            if (payload != "3") EXPECT_EQ(got->id, ids[payload]);
        }
    EXPECT_EQ(seen, 3);
}

TEST(MqttSessions, TheYoungerConnectionTakesTheSession) {
    MqttHouse house;
    mqtt::Connect packet;
    packet.properties.session_expiry_seconds = 100;
    packet.clean_start = false;
    auto older = house.connect("one", packet);
    older->send(subscribe_to("a", 1));
    older->take();
    auto younger = house.connect("one", packet);
    EXPECT_EQ(end_of(*older), ReasonCode::session_taken_over);
    older->lose();
    EXPECT_TRUE(only<mqtt::ConnectAck>(younger->take()).session_present);
    auto giver = house.connect("giver", {});
    giver->send(message("a", "x", 1, 1));
    EXPECT_EQ(as_text(only<mqtt::Publish>(younger->take()).payload), "x");
    EXPECT_EQ(house.sessions.takeovers(), 1U);
}

TEST(MqttSessions, RetainedMessagesComeAsFastAsTheClientTakesThem) {
    MqttHouse house;
    auto giver = house.connect("giver", {});
    giver->take();
    constexpr std::uint16_t count = 500;
    for (std::uint16_t number = 1; number <= count; ++number) {
        const std::string topic = fmt::format("r/{:03}", number);
        auto one = message(topic, "x", 1, number);
        one.retain = true;
        giver->send(one);
    }
    EXPECT_EQ(house.sessions.retained(), count);
    auto wipe = message("r/250", "", 1, 600);
    wipe.retain = true;
    giver->send(wipe);
    EXPECT_EQ(house.sessions.retained(), count - 1U);
    mqtt::Connect modest;
    modest.properties.receive_maximum = 4;
    auto taker = house.connect("taker", modest);
    taker->take();
    taker->send(subscribe_to("r/#", 1));
    int seen = 0;
    for (int round = 0; round < 2000 && seen < count - 1; ++round) {
        std::vector<std::uint16_t> ids;
        for (const mqtt::Packet& one : taker->take())
            if (const auto* got = std::get_if<mqtt::Publish>(&one)) {
                EXPECT_TRUE(got->retain);
                ids.push_back(got->id);
            }
        EXPECT_LE(ids.size(), 4U);
        seen += static_cast<int>(ids.size());
        for (const std::uint16_t id : ids)
            taker->send(answer(Acknowledgement::Kind::puback, id));
    }
    EXPECT_EQ(seen, count - 1);
}

} // namespace
} // namespace baton::test
