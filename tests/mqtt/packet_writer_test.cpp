#include "mqtt/packet_writer.hpp"
#include "tests/mqtt/some_packets.hpp"
#include "tests/mqtt/wire_kit.hpp"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>

namespace baton::mqtt {
namespace {

using namespace std::string_literals;
using test::hex;
using test::written;

TEST(PacketWriter, WritesTheExamplesOfTheStandards) {
    Connect connect{.version = Version::v3_1_1,
                    .keep_alive_seconds = 10,
                    .client_id = "id",
                    .will = Will{.topic = "w", .payload = as_bytes("gone"), .qos = 1},
                    .user = "me",
                    .password = as_bytes("secret")};
    EXPECT_EQ(hex(written(connect, Version::v3_1_1)), "1023"
                                                      "00044d51545404ce000a"
                                                      "00026964"
                                                      "000177"
                                                      "0004676f6e65"
                                                      "00026d65"
                                                      "0006736563726574");
    connect.properties.session_expiry_seconds = 10;
    EXPECT_EQ(hex(written(connect, Version::v5)), "102a"
                                                  "00044d51545405ce000a"
                                                  "05110000000a"
                                                  "00026964"
                                                  "00"
                                                  "000177"
                                                  "0004676f6e65"
                                                  "00026d65"
                                                  "0006736563726574");
    EXPECT_EQ(hex(written(connect, Version::v3_1)).substr(0, 24), "102500064d514973647003ce");
    const Publish publish{.qos = 1, .topic = "a/b", .id = 10};
    EXPECT_EQ(hex(written(publish, Version::v3_1_1)), "32070003612f62000a");
    EXPECT_EQ(hex(written(publish, Version::v5)), "32080003612f62000a00");
    Subscribe subscribe;
    subscribe.id = 10;
    subscribe.wishes = {{.filter = "a/b", .qos = 1},
                        {.filter = "c/d",
                         .qos = 2,
                         .no_local = true,
                         .retain_as_published = true,
                         .retain_handling = 2}};
    EXPECT_EQ(hex(written(subscribe, Version::v3_1_1)), "820e000a0003612f62010003632f6402");
    EXPECT_EQ(hex(written(subscribe, Version::v5)), "820f000a000003612f62010003632f642e");
    EXPECT_EQ(hex(written(PingRequest{}, Version::v3_1)), "c000");
    EXPECT_EQ(hex(written(PingResponse{}, Version::v5)), "d000");
}

// §3.4.2.1, §3.14.2.1: what goes without saying is not said.
TEST(PacketWriter, LeavesOutSuccessAndEmptyProperties) {
    Acknowledgement ack{.kind = Acknowledgement::Kind::pubrel, .id = 7};
    EXPECT_EQ(hex(written(ack, Version::v5)), "62020007");
    ack.code = ReasonCode::packet_identifier_not_found;
    EXPECT_EQ(hex(written(ack, Version::v5)), "6203000792");
    EXPECT_EQ(hex(written(ack, Version::v3_1_1)), "62020007");
    ack.properties.reason_string = "x";
    EXPECT_EQ(hex(written(ack, Version::v5)), "620800079204"
                                              "1f000178");
    ack.code = ReasonCode::success;
    EXPECT_EQ(hex(written(ack, Version::v5)), "620800070004"
                                              "1f000178");
    EXPECT_EQ(hex(written(Disconnect{}, Version::v5)), "e000");
    EXPECT_EQ(hex(written(Disconnect{ReasonCode::session_taken_over, {}}, Version::v5)), "e0018e");
    EXPECT_EQ(hex(written(Disconnect{ReasonCode::session_taken_over, {}}, Version::v3_1_1)),
              "e000");
    EXPECT_EQ(hex(written(Auth{}, Version::v5)), "f000");
    EXPECT_EQ(written(Auth{}, Version::v3_1_1), "refused");
}

TEST(PacketWriter, SaysCodesAsOldVersionsKnowThem) {
    const auto connack = [](ReasonCode code) {
        return hex(written(ConnectAck{true, code, {}}, Version::v3_1_1));
    };
    EXPECT_EQ(connack(ReasonCode::success), "20020100");
    EXPECT_EQ(connack(ReasonCode::unsupported_protocol_version), "20020001");
    EXPECT_EQ(connack(ReasonCode::client_identifier_not_valid), "20020002");
    EXPECT_EQ(connack(ReasonCode::server_unavailable), "20020003");
    EXPECT_EQ(connack(ReasonCode::server_busy), "20020003");
    EXPECT_EQ(connack(ReasonCode::quota_exceeded), "20020003");
    EXPECT_EQ(connack(ReasonCode::bad_user_name_or_password), "20020004");
    EXPECT_EQ(connack(ReasonCode::not_authorized), "20020005");
    EXPECT_EQ(connack(ReasonCode::banned), "20020005");
    EXPECT_EQ(connack(ReasonCode::bad_authentication_method), "20020005");
    EXPECT_EQ(hex(written(ConnectAck{true, ReasonCode::success, {}}, Version::v3_1)), "20020000");
    EXPECT_EQ(hex(written(ConnectAck{true, ReasonCode::not_authorized, {}}, Version::v5)),
              "2003008700");

    SubscribeAck suback;
    suback.id = 7;
    suback.codes = {ReasonCode::success, ReasonCode::granted_qos_2, ReasonCode::not_authorized,
                    ReasonCode::unspecified_error};
    EXPECT_EQ(hex(written(suback, Version::v3_1_1)), "9006000700028080");
    EXPECT_EQ(hex(written(suback, Version::v5)), "90070007000002"
                                                 "8780");
    UnsubscribeAck unsuback;
    unsuback.id = 7;
    unsuback.codes = {ReasonCode::success, ReasonCode::no_subscription_existed};
    EXPECT_EQ(hex(written(unsuback, Version::v3_1_1)), "b0020007");
    EXPECT_EQ(hex(written(unsuback, Version::v5)), "b005000700"
                                                   "0011");
}

TEST(PacketWriter, WritesAPropertyOnlyWhereItMayStand) {
    Publish publish{.topic = "t"};
    publish.properties.reason_string = "no";
    publish.properties.will_delay_seconds = 7;
    publish.properties.content_type = "c";
    EXPECT_EQ(hex(written(publish, Version::v5)), "3008000174"
                                                  "04"
                                                  "03000163");
    EXPECT_EQ(hex(written(publish, Version::v3_1_1)), "3003000174");
    publish.dup = true;
    EXPECT_EQ(hex(written(publish, Version::v3_1_1)), "3003000174") << "DUP with QoS 0";

    Connect connect{.client_id = "id", .password = as_bytes("s")};
    EXPECT_EQ(test::read_one(written(connect, Version::v3_1_1), Version::v3_1_1),
              "CONNECT v4 cleantrue alive0 id=6964 user=- password=- will=none { }");
}

TEST(PacketWriter, RefusesWhatIsTooLarge) {
    const std::string payload(100, 'x');
    const Publish publish{.topic = "t", .payload = as_bytes(payload)};
    EXPECT_EQ(written(publish, Version::v3_1_1, 104), "refused");
    EXPECT_EQ(written(publish, Version::v3_1_1, 105).size(), 105U);
    EXPECT_EQ(written(publish, Version::v5, 105), "refused");
    EXPECT_EQ(written(Packet(publish), Version::v5, 106).size(), 106U);

    // A text or value that its two bytes of length cannot say.
    const std::string long_text(65'536, 'x');
    EXPECT_EQ(written(Publish{.topic = long_text}, Version::v5), "refused");
    EXPECT_EQ(written(Connect{.client_id = long_text}, Version::v5), "refused");
    Publish with_property{.topic = "t"};
    with_property.properties.correlation_data = as_bytes(long_text);
    EXPECT_EQ(written(with_property, Version::v5), "refused");
    const std::string longest(65'535, 'x');
    EXPECT_EQ(written(Publish{.topic = longest}, Version::v5).size(),
              1 + 3 + 2 + longest.size() + 1);

    // A length that its four bytes cannot say.
    // The pages of it are never touched.
    constexpr std::size_t huge = 268'435'455 - 2;
    const auto memory = std::make_unique_for_overwrite<std::byte[]>(huge);
    EXPECT_EQ(written(Publish{.topic = "t", .payload = {memory.get(), huge}}, Version::v3_1_1),
              "refused");
}

// What may be left out is, before anything is refused: first user properties, then the reason
// string.
TEST(PacketWriter, LeavesOutExplanationsBeforeItRefuses) {
    Properties properties;
    properties.reason_string = "because";
    properties.user_properties = {{"name", "value"}};
    const std::array<Packet, 6> answers{
        ConnectAck{false, ReasonCode::not_authorized, properties},
        Acknowledgement{Acknowledgement::Kind::pubrec, 7, ReasonCode::not_authorized, properties},
        SubscribeAck{7, properties, {ReasonCode::not_authorized}},
        UnsubscribeAck{7, properties, {ReasonCode::not_authorized}},
        Disconnect{ReasonCode::not_authorized, properties},
        Auth{ReasonCode::continue_authentication, properties}};
    for (const Packet& answer : answers) {
        const std::size_t whole = written(answer, Version::v5).size();
        const std::size_t without_user = written(answer, Version::v5, whole - 1).size();
        const std::size_t bare = written(answer, Version::v5, without_user - 1).size();

        EXPECT_EQ(whole - without_user, 14U) << test::text_of(answer);
        EXPECT_GE(without_user - bare, 10U) << test::text_of(answer);
        EXPECT_EQ(written(answer, Version::v5, whole).size(), whole);
        EXPECT_EQ(written(answer, Version::v5, without_user).size(), without_user);
        EXPECT_EQ(written(answer, Version::v5, bare).size(), bare);
        EXPECT_EQ(written(answer, Version::v5, bare - 1), "refused");
    }
    Publish publish{.topic = "t"};
    publish.properties.user_properties = {{"name", "value"}};
    EXPECT_EQ(written(publish, Version::v5, written(publish, Version::v5).size() - 1), "refused");
}

TEST(PacketWriter, AppendsBehindWhatIsThere) {
    test::SomePackets some(3);
    for (const Version version : {Version::v3_1, Version::v3_1_1, Version::v5}) {
        std::vector<std::byte> out;
        std::string expected;
        for (int round = 0; round < 300; ++round) {
            const Packet one = some.next(version);
            const Publish other = some.publish(version);
            EXPECT_TRUE(append(out, one, version));
            EXPECT_TRUE(append(out, other, version));
            EXPECT_FALSE(append(out, other, version, 3));
            expected += written(one, version) + written(other, version);
            EXPECT_EQ(written(other, version), written(Packet(other), version));
        }
        EXPECT_EQ(as_text(out), expected);
    }
}

// A burst into one buffer costs a handful of moves, not one for each packet.
TEST(PacketWriter, GrowsByMoreThanItNeeds) {
    std::vector<std::byte> out;
    std::size_t moves = 0;
    for (int round = 0; round < 5000; ++round) {
        const std::size_t before = out.capacity();
        EXPECT_TRUE(
            append(out, Publish{.topic = "t", .payload = as_bytes("payload")}, Version::v5));
        if (out.capacity() != before) ++moves;
    }
    EXPECT_LE(moves, 25U);
}

} // namespace
} // namespace baton::mqtt
