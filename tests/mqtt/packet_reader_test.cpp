#include "mqtt/packet_reader.hpp"
#include "tests/mqtt/some_packets.hpp"
#include "tests/mqtt/wire_kit.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace baton::mqtt {
namespace {

using namespace std::string_literals;
using test::connect_head;
using test::four;
using test::packet;
using test::props;
using test::read_all;
using test::read_one;
using test::sized;
using test::two;

constexpr std::array versions{Version::v3_1, Version::v3_1_1, Version::v5};

// The examples of the standards' figures, joined to whole packets.
TEST(PacketReader, TakesTheExamplesOfTheStandards) {
    // MQTT 3.1.1, figure 3.6: user, password, will with QoS 1, clean session, 10 seconds.
    const std::string old =
        packet(0x10, "\x00\x04MQTT\x04\xCE\x00\x0A"s + sized("id") + sized("w") + sized("gone") +
                         sized("me") + sized("secret"));
    EXPECT_EQ(read_one(old, Version::v3_1_1),
              "CONNECT v4 cleantrue alive10 id=6964 user=6d65 password=736563726574 "
              "will=[77 676f6e65 qos1 retainfalse { }] { }");
    // MQTT 5.0, figure 3-6: the same with a session of 10 seconds.
    const std::string fresh =
        packet(0x10, "\x00\x04MQTT\x05\xCE\x00\x0A\x05\x11\x00\x00\x00\x0A"s + sized("id") +
                         props() + sized("w") + sized("gone") + sized("me") + sized("secret"));
    EXPECT_EQ(read_one(fresh, Version::v3_1_1),
              "CONNECT v5 cleantrue alive10 id=6964 user=6d65 password=736563726574 "
              "will=[77 676f6e65 qos1 retainfalse { }] { session expiry=10 }");
    // MQTT 5.0, figure 1-1: A and U+2A6D4. Figure 3-9: topic a/b, identifier 10.
    EXPECT_EQ(read_one(packet(0x30, "\x00\x05\x41\xF0\xAA\x9B\x94"s), Version::v3_1_1),
              "PUBLISH dupfalse qos0 retainfalse #0 41f0aa9b94 { } ");
    EXPECT_EQ(read_one(packet(0x32, "\x00\x03\x61\x2F\x62\x00\x0A\x00"s), Version::v5),
              "PUBLISH dupfalse qos1 retainfalse #10 612f62 { } ");
    EXPECT_EQ(read_one(packet(0x3B, "\x00\x03\x61\x2F\x62\x00\x0A"s), Version::v3_1_1),
              "PUBLISH duptrue qos1 retaintrue #10 612f62 { } ");
    // Figure 3-23: a/b with QoS 1, c/d with QoS 2.
    EXPECT_EQ(read_one(packet(0x82, "\x00\x0A\x00\x03\x61\x2F\x62\x01\x00\x03\x63\x2F\x64\x02"s),
                       Version::v3_1_1),
              "SUBSCRIBE #10 { } [612f62 qos1 localtrue retainfalse handling0]"
              "[632f64 qos2 localtrue retainfalse handling0]");
    // MQTT 3.1.1, figure 3.27: QoS 0, QoS 2, failure.
    EXPECT_EQ(read_one(packet(0x90, "\x00\x0A\x00\x02\x80"s), Version::v3_1_1),
              "SUBACK #10 { } 0x00 success;0x02 granted QoS 2;0x80 unspecified error;");
    EXPECT_EQ(read_one(packet(0xA2, "\x00\x0A\x00\x03\x61\x2F\x62\x00\x03\x63\x2F\x64"s),
                       Version::v3_1_1),
              "UNSUBSCRIBE #10 { } [612f62][632f64]");
    EXPECT_EQ(read_one("\xC0\x00"s, Version::v5), "PINGREQ");
    EXPECT_EQ(read_one("\xD0\x00"s, Version::v3_1), "PINGRESP");
    EXPECT_EQ(read_one("\xE0\x00"s, Version::v5), "DISCONNECT 0x00 success { }");
    EXPECT_EQ(read_one("\x20\x02\x01\x00"s, Version::v3_1_1),
              "CONNACK presenttrue 0x00 success { }");
    // MQTT 3.1, its own name.
    EXPECT_EQ(
        read_one(packet(0x10, "\x00\x06MQIsdp\x03\x02\x00\x0A"s + sized("id")), Version::v3_1_1),
        "CONNECT v3 cleantrue alive10 id=6964 user=- password=- will=none { }");
}

// MQTT 5.0, table 1-1: the ends of each length.
TEST(PacketReader, TakesLengthsOfOneToFourBytes) {
    const std::array<std::pair<std::size_t, std::string>, 6> ends{
        {{127, "\x7F"},
         {128, "\x80\x01"},
         {16'383, "\xFF\x7F"},
         {16'384, "\x80\x80\x01"},
         {2'097'151, "\xFF\xFF\x7F"},
         {2'097'152, "\x80\x80\x80\x01"}}};
    for (const auto& [length, bytes] : ends) {
        const std::string body = sized("t") + std::string(length - 3, 'x');
        PacketReader reader(SIZE_MAX);
        const std::string sent = "\x30" + bytes + body;
        reader.take(as_bytes(sent));

        const auto next = reader.next();

        ASSERT_TRUE(next.has_value()) << length;
        const auto* whole = std::get_if<Packet>(&*next);
        ASSERT_NE(whole, nullptr) << length;
        EXPECT_EQ(std::get<Publish>(*whole).payload.size(), length - 3);
        EXPECT_FALSE(reader.has_waiting());
    }
}

// One fault each, and what the connection ends with.
struct FaultRow {
    Version version;
    std::string bytes;
    std::string answer;
};

const std::string bad_utf8 = "0x81 malformed packet: {}: a text that is not UTF-8, or has U+0000";

void expect_fault(const FaultRow& row) {
    for (const std::size_t piece : {std::size_t{0}, std::size_t{1}, std::size_t{3}}) {
        // What comes behind a fault is not looked at.
        const auto lines = read_all(row.bytes + "\xC0\x00"s, row.version, piece);
        EXPECT_EQ(fmt::format("{}", fmt::join(lines, " | ")), "fault " + row.answer)
            << "v" << static_cast<int>(row.version) << " " << test::hex(row.bytes);
    }
}

TEST(PacketReader, RefusesWrongHeads) {
    for (const Version version : versions) {
        expect_fault({version, "\x00"s, "0x81 malformed packet: MQTT: packet type 0"});
        for (const unsigned type : {1U, 2U, 4U, 5U, 7U, 9U, 11U, 12U, 13U, 14U})
            for (unsigned flags = 1; flags < 16; ++flags)
                expect_fault(
                    {version, std::string(1, static_cast<char>(type << 4 | flags)),
                     fmt::format("0x81 malformed packet: {}: reserved flags of the fixed header",
                                 name_of(static_cast<Carrier>(type)))});
        for (const unsigned type : {6U, 8U, 10U})
            for (unsigned flags = 0; flags < 16; ++flags) {
                const std::string first(1, static_cast<char>(type << 4 | flags));
                if (flags == 2 || (flags == 10 && version == Version::v3_1))
                    EXPECT_EQ(read_one(first, version), "more is needed");
                else
                    expect_fault(
                        {version, first,
                         fmt::format(
                             "0x81 malformed packet: {}: reserved flags of the fixed header",
                             name_of(static_cast<Carrier>(type)))});
            }
        for (const char first : {'\x36', '\x37', '\x3E', '\x3F'})
            expect_fault({version, std::string(1, first), "0x81 malformed packet: PUBLISH: QoS 3"});
        for (const char first : {'\x38', '\x39'})
            expect_fault(
                {version, std::string(1, first), "0x81 malformed packet: PUBLISH: DUP with QoS 0"});
        expect_fault({version, "\x30\xFF\xFF\xFF\xFF"s,
                      "0x81 malformed packet: PUBLISH: a length of more than four bytes"});
    }
    expect_fault(
        {Version::v3_1, "\xF0"s, "0x81 malformed packet: AUTH: packet type 15 before version 5"});
    expect_fault(
        {Version::v3_1_1, "\xF0"s, "0x81 malformed packet: AUTH: packet type 15 before version 5"});
    expect_fault(
        {Version::v5, "\xF1"s, "0x81 malformed packet: AUTH: reserved flags of the fixed header"});
    // [MQTT-1.5.5-1] is of version 5.
    const std::string longer = "\xC0\x80\x00"s;
    expect_fault({Version::v5, longer,
                  "0x81 malformed packet: PINGREQ: a length in more bytes than it needs"});
    EXPECT_EQ(read_one(longer, Version::v3_1_1), "PINGREQ");
    EXPECT_EQ(read_one(longer, Version::v3_1), "PINGREQ");
    // A CONNECT is of the version that it says.
    const auto body_of = [](Version version) {
        return connect_head("MQTT", static_cast<unsigned>(version), 2) +
               (version == Version::v5 ? props() : "") + sized("id");
    };
    for (const Version version : versions) {
        EXPECT_EQ(read_one("\x10\x8E\x80\x00"s + body_of(Version::v3_1_1), version),
                  "CONNECT v4 cleantrue alive60 id=6964 user=- password=- will=none { }");
        expect_fault({version, "\x10\x8F\x80\x00"s + body_of(Version::v5),
                      "0x81 malformed packet: CONNECT: a length in more bytes than it needs"});
    }
}

TEST(PacketReader, RefusesWrongConnects) {
    const auto connect = [](unsigned level, unsigned flags, const std::string& rest) {
        return packet(0x10, connect_head(level == 3 ? "MQIsdp" : "MQTT", level, flags) +
                                (level == 5 ? props() : "") + rest);
    };
    const Version first = Version::v3_1_1;
    const std::string id = sized("id");
    const std::string unknown =
        "0x84 unsupported protocol version: CONNECT: a protocol or version that is not known";
    for (const unsigned level : {0U, 1U, 2U, 3U, 6U, 7U, 0x83U, 0x84U, 0x85U, 255U})
        expect_fault({first, packet(0x10, connect_head("MQTT", level, 2) + id), unknown});
    for (const unsigned level : {0U, 2U, 4U, 5U, 0x83U})
        expect_fault({first, packet(0x10, connect_head("MQIsdp", level, 2) + id), unknown});
    for (const std::string name : {"", "mqtt", "MQTT ", "AMQP", "MQTTX"})
        expect_fault({first, packet(0x10, connect_head(name, 4, 2) + id), unknown});
    expect_fault({first, packet(0x10, connect_head("MQT\xFF", 4, 2) + id),
                  fmt::format(fmt::runtime(bad_utf8), "CONNECT")});

    for (const unsigned level : {3U, 4U, 5U}) {
        const std::string will = (level == 5 ? props() : "") + sized("w") + sized("gone");
        expect_fault(
            {first, connect(level, 3, id), "0x81 malformed packet: CONNECT: the reserved flag"});
        for (const unsigned flags : {0x08U, 0x10U, 0x18U, 0x20U})
            expect_fault(
                {first, connect(level, 2 | flags, id),
                 "0x81 malformed packet: CONNECT: QoS or RETAIN of a will that is not there"});
        expect_fault({first, connect(level, 0x1E, id + will),
                      "0x81 malformed packet: CONNECT: QoS 3 of the will"});
        const auto with_will_topic = [&](std::string_view topic) {
            return connect(level, 6,
                           id + (level == 5 ? props() : "") + sized(topic) + sized("gone"));
        };
        for (const std::string topic : {"", "#", "a/+", "a#"})
            expect_fault({first, with_will_topic(topic),
                          "0x90 topic name invalid: CONNECT: will topic: no name of a topic"});
        for (const std::string& text : {"\xFF"s, "a\0"s, "\xED\xA0\x80"s}) {
            const std::string answer = fmt::format(fmt::runtime(bad_utf8), "CONNECT");
            expect_fault({first, with_will_topic(text), answer});
            expect_fault({first, connect(level, 2, sized(text)), answer});
            expect_fault({first, connect(level, 0x82, id + sized(text)), answer});
        }
        // A password and a will's payload may be any bytes.
        EXPECT_EQ(read_one(connect(level, 0xC6,
                                   id + (level == 5 ? props() : "") + sized("w") +
                                       sized("\0\xFF"s) + sized("me") + sized("\0\xFF"s)),
                           first),
                  fmt::format("CONNECT v{} cleantrue alive60 id=6964 user=6d65 password=00ff "
                              "will=[77 00ff qos0 retainfalse {{ }}] {{ }}",
                              level));
        expect_fault({first, connect(level, 2, id + "x"),
                      "0x81 malformed packet: CONNECT: bytes behind its end"});
        // Cut off at each byte, its length set to it.
        const std::string whole = connect(level, 0xC6, id + will + sized("me") + sized("secret"));
        const std::string body = whole.substr(2);
        for (std::size_t cut = 0; cut < body.size(); ++cut) {
            const std::string line = read_one(packet(0x10, body.substr(0, cut)), first);
            // 3.1 lets a user name and a password be missing.
            const std::size_t names = body.size() - sized("me").size() - sized("secret").size();
            if (level == 3 && (cut == names || cut == names + sized("me").size()))
                EXPECT_TRUE(line.starts_with("CONNECT v3")) << line;
            else
                EXPECT_TRUE(line.starts_with("fault 0x81 malformed packet: CONNECT: ") &&
                            line.ends_with("cut off"))
                    << cut << " " << line;
        }
    }

    for (const unsigned level : {3U, 4U})
        expect_fault({first, connect(level, 0x42, id + sized("secret")),
                      "0x81 malformed packet: CONNECT: a password without a user name"});
    EXPECT_EQ(read_one(connect(5, 0x42, id + sized("s")), first),
              "CONNECT v5 cleantrue alive60 id=6964 user=- password=73 will=none { }");

    const std::string nameless = "0x85 client identifier not valid: CONNECT: no client identifier";
    expect_fault({first, connect(3, 2, sized("")), nameless});
    expect_fault({first, connect(3, 0, sized("")), nameless});
    expect_fault({first, connect(4, 0, sized("")), nameless});
    for (const auto& [level, flags] : {std::pair{4U, 2U}, std::pair{5U, 2U}, std::pair{5U, 0U}})
        EXPECT_TRUE(read_one(connect(level, flags, sized("")), first).starts_with("CONNECT"));
    expect_fault({first,
                  packet(0x10, connect_head("MQTT", 5, 2) + props("\x16"s + sized("data")) + id),
                  "0x82 protocol error: CONNECT: authentication data without a method"});
}

TEST(PacketReader, RefusesWrongPublishes) {
    for (const Version version : versions) {
        const bool is_v5 = version == Version::v5;
        const std::string none = is_v5 ? props() : "";
        const auto publish = [&](std::string_view topic) {
            return packet(0x30, sized(topic) + none);
        };
        for (const std::string topic : {"#", "+", "a/#", "a/+/b", "a+"})
            expect_fault(
                {version, publish(topic), "0x90 topic name invalid: PUBLISH: no name of a topic"});
        for (const std::string& topic :
             {"\xFF"s, "a\0b"s, "\0"s, "abcdefgh\0"s, "abcdefg\0"s, "\xED\xA0\x80"s,
              "\xED\xBF\xBF"s, "\xC0\x80"s, "abcdefghijk\xF5\x80\x80\x80"s, "\xF4\x90\x80\x80"s,
              "\xC3"s, "ä\0"s})
            expect_fault({version, publish(topic), fmt::format(fmt::runtime(bad_utf8), "PUBLISH")});
        for (const std::string& topic : {"\x01"s, "\x7F"s, "\xEF\xBB\xBF"s, "\xEF\xBF\xBF"s,
                                         "\xF4\x8F\xBF\xBF"s, " "s, "/"s, "$SYS"s, "*"s})
            EXPECT_TRUE(read_one(publish(topic), version).starts_with("PUBLISH"))
                << test::hex(topic);
        for (const unsigned first : {0x32U, 0x34U, 0x3AU})
            expect_fault({version, packet(first, sized("t") + two(0) + none),
                          "0x82 protocol error: PUBLISH: packet identifier 0"});
        for (const std::string& body : {""s, "\x00"s, "\x00\x01"s, "\x00\x02t"s})
            expect_fault({version, packet(0x30, body), "0x81 malformed packet: PUBLISH: cut off"});
        for (const std::string& rest : {""s, "\x01"s})
            expect_fault({version, packet(0x32, sized("t") + rest),
                          "0x81 malformed packet: PUBLISH: cut off"});
    }
    for (const Version version : {Version::v3_1, Version::v3_1_1})
        expect_fault({version, packet(0x30, sized("")),
                      "0x90 topic name invalid: PUBLISH: no name of a topic"});
    expect_fault({Version::v5, packet(0x30, sized("") + props()),
                  "0x82 protocol error: PUBLISH: neither a topic nor an alias"});
    EXPECT_EQ(read_one(packet(0x30, sized("") + props("\x23\x00\x07"s) + "x"), Version::v5),
              "PUBLISH dupfalse qos0 retainfalse #0  { topic alias=7 } 78");
    expect_fault({Version::v5, packet(0x30, sized("t")),
                  "0x81 malformed packet: PUBLISH: length of the properties: cut off"});
    expect_fault({Version::v5, packet(0x30, sized("t") + "\x05\x01\x01"s),
                  "0x81 malformed packet: PUBLISH: cut off"});
}

TEST(PacketReader, RefusesWrongAcknowledgements) {
    for (const unsigned first : {0x40U, 0x50U, 0x62U, 0x70U}) {
        const auto name = name_of(static_cast<Carrier>(first >> 4));
        for (const Version version : versions) {
            expect_fault({version, packet(first, two(0)),
                          fmt::format("0x82 protocol error: {}: packet identifier 0", name)});
            expect_fault({version, packet(first, ""),
                          fmt::format("0x81 malformed packet: {}: cut off", name)});
            expect_fault({version, packet(first, "x"),
                          fmt::format("0x81 malformed packet: {}: cut off", name)});
            EXPECT_EQ(read_one(packet(first, two(7)), version),
                      fmt::format("ack {} #7 0x00 success {{ }}", first >> 4));
            if (version == Version::v5) continue;
            expect_fault({version, packet(first, two(7) + "\0"s),
                          fmt::format("0x81 malformed packet: {}: bytes behind its end", name)});
        }
        EXPECT_EQ(read_one(packet(first, two(7) + "\0"s), Version::v5),
                  fmt::format("ack {} #7 0x00 success {{ }}", first >> 4));
        EXPECT_EQ(read_one(packet(first, two(7) + "\0\0"s), Version::v5),
                  fmt::format("ack {} #7 0x00 success {{ }}", first >> 4));
        expect_fault({Version::v5, packet(first, two(7) + "\0\0x"s),
                      fmt::format("0x81 malformed packet: {}: bytes behind its end", name)});
        expect_fault(
            {Version::v5, packet(first, two(7) + "\x01"s),
             fmt::format("0x82 protocol error: {}: a reason code that it may not carry", name)});
    }
}

TEST(PacketReader, RefusesWrongSubscribes) {
    for (const Version version : versions) {
        const bool is_v5 = version == Version::v5;
        const std::string none = is_v5 ? props() : "";
        const auto subscribe = [&](const std::string& wishes) {
            return packet(0x82, two(7) + none + wishes);
        };
        const auto unsubscribe = [&](const std::string& filters) {
            return packet(0xA2, two(7) + none + filters);
        };
        expect_fault({version, packet(0x82, two(0) + none + sized("a") + "\0"s),
                      "0x82 protocol error: SUBSCRIBE: packet identifier 0"});
        expect_fault({version, packet(0xA2, two(0) + none + sized("a")),
                      "0x82 protocol error: UNSUBSCRIBE: packet identifier 0"});
        expect_fault({version, subscribe(""), "0x82 protocol error: SUBSCRIBE: no topic filter"});
        expect_fault(
            {version, unsubscribe(""), "0x82 protocol error: UNSUBSCRIBE: no topic filter"});
        for (const std::string filter :
             {"", "a+", "+a", "a#", "#/a", "a/#/b", "##", "++", "a/+b/c"}) {
            expect_fault({version, subscribe(sized("fine") + "\0"s + sized(filter) + "\0"s),
                          "0x8F topic filter invalid: SUBSCRIBE: no filter of topics"});
            expect_fault({version, unsubscribe(sized("fine") + sized(filter)),
                          "0x8F topic filter invalid: UNSUBSCRIBE: no filter of topics"});
        }
        for (const std::string& filter : {"\xFF"s, "a\0"s, "\xED\xA0\x80"s}) {
            expect_fault({version, subscribe(sized(filter) + "\0"s),
                          fmt::format(fmt::runtime(bad_utf8), "SUBSCRIBE")});
            expect_fault({version, unsubscribe(sized(filter)),
                          fmt::format(fmt::runtime(bad_utf8), "UNSUBSCRIBE")});
        }
        // Before version 5 nobody knew "$share".
        for (const std::string filter :
             {"$share/", "$share/g", "$share//a", "$share/g/", "$share//"}) {
            if (is_v5) {
                expect_fault(
                    {version, subscribe(sized(filter) + "\0"s),
                     "0x8F topic filter invalid: SUBSCRIBE: a broken shared subscription"});
                expect_fault(
                    {version, unsubscribe(sized(filter)),
                     "0x8F topic filter invalid: UNSUBSCRIBE: a broken shared subscription"});
            } else {
                EXPECT_TRUE(
                    read_one(subscribe(sized(filter) + "\0"s), version).starts_with("SUBSCRIBE"));
            }
        }
        expect_fault({version, subscribe(sized("a")), "0x81 malformed packet: SUBSCRIBE: cut off"});
        expect_fault({version, subscribe("\0"s), "0x81 malformed packet: SUBSCRIBE: cut off"});
        expect_fault(
            {version, unsubscribe(two(3) + "ab"), "0x81 malformed packet: UNSUBSCRIBE: cut off"});
        for (unsigned options = 0; options < 256; ++options) {
            const std::string bytes = subscribe(sized("a") + static_cast<char>(options));
            if (!is_v5 && options > 2)
                expect_fault(
                    {version, bytes, "0x81 malformed packet: SUBSCRIBE: QoS 3 or reserved bits"});
            else if ((options & 0xC0) != 0)
                expect_fault({version, bytes,
                              "0x81 malformed packet: SUBSCRIBE: reserved bits of the options"});
            else if ((options & 3) == 3)
                expect_fault({version, bytes, "0x82 protocol error: SUBSCRIBE: QoS 3"});
            else if ((options & 0x30) == 0x30)
                expect_fault({version, bytes, "0x82 protocol error: SUBSCRIBE: retain handling 3"});
            else
                EXPECT_EQ(read_one(bytes, version),
                          fmt::format("SUBSCRIBE #7 {{ }} [61 qos{} local{} retain{} handling{}]",
                                      options & 3, (options & 4) == 0, (options & 8) != 0,
                                      options >> 4 & 3));
        }
        expect_fault({version, packet(0x90, two(0) + none + "\0"s),
                      "0x82 protocol error: SUBACK: packet identifier 0"});
        expect_fault(
            {version, packet(0x90, two(7) + none), "0x82 protocol error: SUBACK: no reason code"});
        expect_fault({version, packet(0xB0, two(0) + none + (is_v5 ? "\0"s : "")),
                      "0x82 protocol error: UNSUBACK: packet identifier 0"});
    }
    expect_fault({Version::v5, packet(0x82, two(7) + props() + sized("$share/g/a") + "\x04"),
                  "0x82 protocol error: SUBSCRIBE: no local in a shared subscription"});
    expect_fault({Version::v5, packet(0x82, two(7) + props() + sized("$share/g+/a") + "\x04"),
                  "0x8F topic filter invalid: SUBSCRIBE: no filter of topics"});
    expect_fault({Version::v5, packet(0x82, two(7) + props() + sized("$share/+/a") + "\0"s),
                  "0x8F topic filter invalid: SUBSCRIBE: a broken shared subscription"});
    expect_fault({Version::v5, packet(0xB0, two(7) + props()),
                  "0x82 protocol error: UNSUBACK: no reason code"});
    expect_fault({Version::v3_1_1, packet(0xB0, two(7) + "\0"s),
                  "0x81 malformed packet: UNSUBACK: bytes behind its end"});
}

TEST(PacketReader, RefusesWrongAnswersOfServers) {
    for (const Version version : {Version::v3_1_1, Version::v5}) {
        const std::string none = version == Version::v5 ? props() : "";
        for (unsigned flags = 2; flags < 256; ++flags)
            expect_fault({version,
                          packet(0x20, std::string(1, static_cast<char>(flags)) + "\0"s + none),
                          "0x81 malformed packet: CONNACK: reserved acknowledge flags"});
    }
    // MQTT 3.1 has a byte without meaning there.
    EXPECT_EQ(read_one("\x20\x02\xFF\x00"s, Version::v3_1),
              "CONNACK presentfalse 0x00 success { }");
    for (unsigned code = 6; code < 256; ++code)
        expect_fault({Version::v3_1_1, packet(0x20, "\0"s + static_cast<char>(code)),
                      "0x82 protocol error: CONNACK: a return code that is reserved"});
    expect_fault({Version::v3_1_1, "\x20\x02\x01\x05"s,
                  "0x82 protocol error: CONNACK: a session that is present though it is refused"});
    expect_fault({Version::v5, packet(0x20, "\x01\x87\x00"s),
                  "0x82 protocol error: CONNACK: a session that is present though it is refused"});
    expect_fault({Version::v3_1_1, packet(0x20, "\0\0\0"s),
                  "0x81 malformed packet: CONNACK: bytes behind its end"});
    expect_fault({Version::v5, packet(0x20, "\0\0"s),
                  "0x81 malformed packet: CONNACK: length of the properties: cut off"});
    for (const unsigned code : {3U, 0x10U, 0x7FU, 0x81U, 0x87U, 0xFFU})
        EXPECT_TRUE(read_one(packet(0x90, two(7) + static_cast<char>(code)), Version::v3_1_1)
                        .starts_with("fault 0x82 protocol error: SUBACK: "))
            << code;
}

TEST(PacketReader, RefusesWrongEndsAndPings) {
    for (const Version version : versions) {
        expect_fault(
            {version, packet(0xC0, "x"), "0x81 malformed packet: PINGREQ: bytes behind its end"});
        expect_fault(
            {version, packet(0xD0, "x"), "0x81 malformed packet: PINGRESP: bytes behind its end"});
        if (version != Version::v5)
            expect_fault({version, packet(0xE0, "\0"s),
                          "0x81 malformed packet: DISCONNECT: bytes behind its end"});
    }
    EXPECT_EQ(read_one(packet(0xE0, "\x04"), Version::v5),
              "DISCONNECT 0x04 disconnect with will { }");
    expect_fault({Version::v5, packet(0xE0, "\x01"),
                  "0x82 protocol error: DISCONNECT: a reason code that it may not carry"});
    expect_fault({Version::v5, packet(0xE0, "\0\0x"s),
                  "0x81 malformed packet: DISCONNECT: bytes behind its end"});
    EXPECT_EQ(read_one(packet(0xF0, ""), Version::v5), "AUTH 0x00 success { }");
    expect_fault({Version::v5, packet(0xF0, "\x18"),
                  "0x81 malformed packet: AUTH: length of the properties: cut off"});
    expect_fault({Version::v5, packet(0xF0, "\x18\x00"s),
                  "0x82 protocol error: AUTH: no authentication method"});
    expect_fault({Version::v5, packet(0xF0, "\x01\x00"s),
                  "0x82 protocol error: AUTH: a reason code that it may not carry"});
}

// Written and read again, each packet is what it was.
TEST(PacketReader, ReadsWhatTheWriterWrites) {
    for (const Version version : versions) {
        test::SomePackets some(static_cast<unsigned>(version));
        for (int round = 0; round < 1500; ++round) {
            const Packet sent = some.next(version);
            const std::string bytes = test::written(sent, version);
            EXPECT_EQ(read_one(bytes, version), test::text_of(sent)) << test::hex(bytes);
            if (HasFailure()) return;
            some.forget();
        }
    }
}

// A story of everything is the same story in any cut.
TEST(PacketReader, CutsMakeNoDifference) {
    for (unsigned seed = 0; seed < 12; ++seed) {
        const Version version = versions[seed % versions.size()];
        test::SomePackets some(seed);
        std::string story;
        std::vector<std::string> expected;
        while (expected.size() < 12) {
            const Packet sent = some.next(version);
            const std::string bytes = test::written(sent, version);
            if (bytes.size() > 200) continue;
            story += bytes;
            expected.push_back(test::text_of(sent));
        }
        ASSERT_EQ(read_all(story, version), expected);
        for (std::size_t piece = 1; piece < 300; piece += 1 + piece / 8)
            EXPECT_EQ(read_all(story, version, piece), expected) << piece;
        for (std::size_t cut = 1; cut < story.size(); ++cut) {
            PacketReader reader(test::roomy, version);
            std::size_t read = 0;
            for (const std::string& part : {story.substr(0, cut), story.substr(cut)}) {
                reader.take(as_bytes(part));
                while (const auto next = reader.next()) {
                    const auto* whole = std::get_if<Packet>(&*next);
                    ASSERT_TRUE(whole != nullptr && read < expected.size()) << cut;
                    ASSERT_EQ(test::text_of(*whole), expected[read++]) << cut;
                }
            }
            ASSERT_EQ(read, expected.size()) << cut;
        }
    }
}

TEST(PacketReader, RefusesAPacketThatIsTooLargeByItsHead) {
    const std::string whole = packet(0x30, sized("t") + std::string(95, 'x'));
    ASSERT_EQ(whole.size(), 100U);
    EXPECT_TRUE(read_all(whole, Version::v3_1_1, 0, 100)[0].starts_with("PUBLISH"));
    EXPECT_EQ(read_all(whole.substr(0, 2), Version::v3_1_1, 0, 99)[0],
              "fault 0x95 packet too large: PUBLISH: larger than is taken");
    EXPECT_EQ(read_all("\x30\xFF\xFF\xFF\x7F"s, Version::v5, 1)[0],
              "fault 0x95 packet too large: PUBLISH: larger than is taken");

    PacketReader reader(99);
    reader.set_packet_bytes_max(100);
    reader.take(as_bytes(whole));
    EXPECT_TRUE(reader.next().has_value());
}

TEST(PacketReader, TakesTheVersionOfTheFirstConnect) {
    const auto connect = [](std::string_view name, unsigned level) {
        return packet(0x10,
                      connect_head(name, level, 2) + (level == 5 ? props() : "") + sized("id"));
    };
    const auto version_behind = [](const std::string& bytes) {
        PacketReader reader(test::roomy);
        reader.take(as_bytes(bytes));
        while (reader.next()) {
        }
        return reader.version();
    };
    EXPECT_EQ(version_behind(connect("MQIsdp", 3)), Version::v3_1);
    EXPECT_EQ(version_behind(connect("MQTT", 4)), Version::v3_1_1);
    EXPECT_EQ(version_behind(connect("MQTT", 5)), Version::v5);
    // The second one is against the rules, and changes nothing.
    EXPECT_EQ(version_behind(connect("MQTT", 5) + connect("MQTT", 4)), Version::v5);
    // How to say that a version is not known: as its client reads it.
    EXPECT_EQ(version_behind(connect("MQTT", 6)), Version::v5);
    EXPECT_EQ(version_behind(connect("MQTT", 2)), Version::v3_1_1);
    EXPECT_EQ(version_behind(connect("MQTT", 0x84)), Version::v3_1_1);
    EXPECT_EQ(version_behind(packet(0x10, connect_head("MQTT", 5, 3))), Version::v5);
    EXPECT_EQ(version_behind(packet(0x10, connect_head("MQTT", 4, 0) + sized(""))),
              Version::v3_1_1);
    // What comes behind it in the same piece is read in its version.
    EXPECT_EQ(
        read_one(connect("MQTT", 5) + packet(0x30, sized("t") + props() + "x"), Version::v3_1_1),
        "CONNECT v5 cleantrue alive60 id=6964 user=- password=- will=none { } | "
        "PUBLISH dupfalse qos0 retainfalse #0 74 { } 78");
}

TEST(PacketReader, HoldsNoMoreThanWaits) {
    PacketReader reader(64 << 20);
    EXPECT_EQ(reader.held_bytes(), 0U);
    const std::string large = packet(0x30, sized("t") + std::string(8 << 20, 'x'));
    for (std::size_t at = 0; at < large.size(); at += 65536) {
        reader.take(as_bytes(std::string_view(large).substr(at, 65536)));
        EXPECT_LE(reader.held_bytes(), 2 * (at + 65536));
        if (at + 65536 < large.size()) EXPECT_FALSE(reader.next().has_value());
    }
    reader.release_memory();
    EXPECT_TRUE(reader.has_waiting());
    EXPECT_TRUE(reader.next().has_value());
    EXPECT_FALSE(reader.has_waiting());
    EXPECT_FALSE(reader.next().has_value());
    EXPECT_EQ(reader.held_bytes(), 0U);

    const std::string small = packet(0x30, sized("t") + "x");
    reader.take(as_bytes(small + small.substr(0, 2)));
    EXPECT_TRUE(reader.next().has_value());
    EXPECT_FALSE(reader.next().has_value());
    EXPECT_LE(reader.held_bytes(), 64U);
    reader.take(as_bytes(small.substr(2)));
    EXPECT_TRUE(reader.next().has_value());
    reader.release_memory();
    EXPECT_EQ(reader.held_bytes(), 0U);

    // Always one more than was asked for: what was read is moved away, not kept.
    reader.take(as_bytes(small));
    for (int round = 0; round < 5000; ++round) {
        reader.take(as_bytes(small));
        EXPECT_TRUE(reader.next().has_value());
        EXPECT_TRUE(reader.has_waiting());
    }
    EXPECT_LE(reader.held_bytes(), 64U);
    EXPECT_TRUE(reader.next().has_value());

    // An endless stream behind a fault.
    reader.take(as_bytes("\x00"s));
    EXPECT_TRUE(std::holds_alternative<Fault>(*reader.next()));
    reader.take(as_bytes(large));
    EXPECT_FALSE(reader.next().has_value());
    EXPECT_EQ(reader.held_bytes(), 0U);
}

TEST(PacketReader, AnyBytesGiveAnAnswer) {
    std::mt19937 random(5);
    for (int round = 0; round < 8000; ++round) {
        const Version version = versions[random() % versions.size()];
        std::string bytes;
        // Heads that are good, so that bodies are read.
        static constexpr std::array<unsigned char, 16> heads{0x10, 0x20, 0x30, 0x33, 0x3C, 0x40,
                                                             0x50, 0x62, 0x70, 0x82, 0x90, 0xA2,
                                                             0xB0, 0xC0, 0xE0, 0xF0};
        std::string body;
        for (std::size_t i = random() % 20; i > 0; --i)
            body.push_back(static_cast<char>(random() % (random() % 2 == 0 ? 4 : 256)));
        bytes = packet(heads[random() % heads.size()], body) + "\xC0\x00"s;
        EXPECT_EQ(read_all(bytes, version), read_all(bytes, version, 1 + random() % 5))
            << test::hex(bytes);
    }
}

} // namespace
} // namespace baton::mqtt
