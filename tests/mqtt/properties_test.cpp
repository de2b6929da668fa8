#include "mqtt/properties.hpp"
#include "tests/mqtt/wire_kit.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace baton::mqtt {
namespace {

using namespace std::string_literals;
using test::four;
using test::packet;
using test::props;
using test::read_one;
using test::sized;
using test::two;

struct PropertyRow {
    std::string bytes; // the property as it may be, with its identifier
    std::string line;  // and as it was read
    std::vector<Carrier> carriers;
};

// Written down from the sections of the packets, not from table 2-4, which the room has.
const std::vector<PropertyRow>& property_rows() {
    using enum Carrier;
    static const std::vector<Carrier> messages{publish, will};
    static const std::vector<Carrier> answers{connack, puback,   pubrec,     pubrel, pubcomp,
                                              suback,  unsuback, disconnect, auth};
    static const std::vector<Carrier> all{will,        connect,  connack,    publish,   puback,
                                          pubrec,      pubrel,   pubcomp,    subscribe, suback,
                                          unsubscribe, unsuback, disconnect, auth};
    static const std::vector<PropertyRow> rows{
        {"\x01\x01"s, "payload format=1", messages},
        {"\x02"s + four(70'000), "message expiry=70000", messages},
        {"\x03"s + sized("c"), "content type=63", messages},
        {"\x08"s + sized("r"), "response topic=72", messages},
        {"\x09"s + sized("\0\xFF"s), "correlation data=00ff", messages},
        {"\x0B\xFF\xFF\xFF\x7F"s, "subscription identifier=268435455", {publish, subscribe}},
        {"\x11"s + four(0xFFFFFFFF), "session expiry=4294967295", {connect, connack, disconnect}},
        {"\x12"s + sized("i"), "assigned client identifier=69", {connack}},
        {"\x13"s + two(60), "server keep alive=60", {connack}},
        {"\x15"s + sized("m"), "authentication method=6d", {connect, connack, auth}},
        {"\x16"s + sized("\0"s), "authentication data=00", {connect, connack, auth}},
        {"\x17\x00"s, "request problem information=false", {connect}},
        {"\x18"s + four(5), "will delay=5", {will}},
        {"\x19\x01"s, "request response information=true", {connect}},
        {"\x1A"s + sized("r"), "response information=72", {connack}},
        {"\x1C"s + sized("s"), "server reference=73", {connack, disconnect}},
        {"\x1F"s + sized("w"), "reason string=77", answers},
        {"\x21"s + two(1), "receive maximum=1", {connect, connack}},
        {"\x22"s + two(0), "topic alias maximum=0", {connect, connack}},
        {"\x23"s + two(65'535), "topic alias=65535", {publish}},
        {"\x24\x01"s, "maximum QoS=1", {connack}},
        {"\x25\x00"s, "retain available=false", {connack}},
        {"\x26"s + sized("n") + sized(""), "user property=(6e=)", all},
        {"\x27"s + four(1), "maximum packet size=1", {connect, connack}},
        {"\x28\x00"s, "wildcard subscription available=false", {connack}},
        {"\x29\x00"s, "subscription identifiers available=false", {connack}},
        {"\x2A\x00"s, "shared subscription available=false", {connack}},
    };
    return rows;
}

// A packet of its kind with these properties, and else as short as it may be.
std::string packet_with(Carrier carrier, const std::string& properties) {
    const unsigned first = static_cast<unsigned>(carrier) << 4;
    switch (carrier) {
    case Carrier::connect:
        return packet(first, test::connect_head("MQTT", 5, 2) + props(properties) + sized("i"));
    case Carrier::will:
        return packet(0x10, test::connect_head("MQTT", 5, 6) + props() + sized("i") +
                                props(properties) + sized("t") + sized("p"));
    case Carrier::connack:
        return packet(first, "\0\0"s + props(properties));
    case Carrier::publish:
        return packet(first, sized("t") + props(properties));
    case Carrier::puback:
    case Carrier::pubrec:
    case Carrier::pubcomp:
        return packet(first, two(7) + "\0"s + props(properties));
    case Carrier::pubrel:
        return packet(first | 2, two(7) + "\0"s + props(properties));
    case Carrier::subscribe:
        return packet(first | 2, two(7) + props(properties) + sized("t") + "\0"s);
    case Carrier::suback:
    case Carrier::unsuback:
        return packet(first, two(7) + props(properties) + "\0"s);
    case Carrier::unsubscribe:
        return packet(first | 2, two(7) + props(properties) + sized("t"));
    case Carrier::disconnect:
    case Carrier::auth:
        return packet(first, "\0"s + props(properties));
    case Carrier::pingreq:
    case Carrier::pingresp:
        break;
    }
    return {};
}

constexpr std::array with_properties{Carrier::will,       Carrier::connect,     Carrier::connack,
                                     Carrier::publish,    Carrier::puback,      Carrier::pubrec,
                                     Carrier::pubrel,     Carrier::pubcomp,     Carrier::subscribe,
                                     Carrier::suback,     Carrier::unsubscribe, Carrier::unsuback,
                                     Carrier::disconnect, Carrier::auth};

// What a packet needs beside the property.
std::string needed_beside(Carrier carrier, unsigned char id) {
    const std::string method = "\x15" + sized("x");
    if (carrier == Carrier::auth && id != 0x15) return method;
    if (carrier == Carrier::connect && id == 0x16) return method;
    return {};
}

std::string packet_of(Carrier carrier) {
    return carrier == Carrier::will ? "CONNECT" : std::string(name_of(carrier));
}

TEST(Properties, StandOnlyWhereTheyMay) {
    ASSERT_EQ(property_rows().size(), detail::rules.size());
    for (const PropertyRow& row : property_rows())
        for (const Carrier carrier : with_properties) {
            const auto id = static_cast<unsigned char>(row.bytes[0]);
            const std::string line =
                read_one(packet_with(carrier, needed_beside(carrier, id) + row.bytes), Version::v5);
            if (std::ranges::find(row.carriers, carrier) != row.carriers.end())
                EXPECT_TRUE(!line.starts_with("fault") &&
                            line.find(" " + row.line) != std::string::npos)
                    << name_of(carrier) << " " << row.line << ": " << line;
            else
                EXPECT_EQ(
                    line,
                    fmt::format(
                        "fault 0x81 malformed packet: {}: {}: a property that may not stand here",
                        packet_of(carrier), row.line.substr(0, row.line.find('='))));
        }
}

TEST(Properties, StandOnceButForThoseThatRepeat) {
    for (const PropertyRow& row : property_rows())
        for (const Carrier carrier : row.carriers) {
            const auto id = static_cast<unsigned char>(row.bytes[0]);
            const std::string line =
                read_one(packet_with(carrier, needed_beside(carrier, id) + row.bytes + row.bytes),
                         Version::v5);
            const bool repeats = id == 0x26 || (id == 0x0B && carrier == Carrier::publish);
            if (repeats)
                EXPECT_FALSE(line.starts_with("fault")) << line;
            else
                EXPECT_EQ(line,
                          fmt::format("fault 0x82 protocol error: {}: {}: a second time",
                                      packet_of(carrier), row.line.substr(0, row.line.find('='))));
        }
}

TEST(Properties, AreCutOffNowhere) {
    for (const PropertyRow& row : property_rows())
        for (const Carrier carrier : row.carriers)
            for (std::size_t cut = 1; cut < row.bytes.size(); ++cut) {
                const auto id = static_cast<unsigned char>(row.bytes[0]);
                const std::string line = read_one(
                    packet_with(carrier, needed_beside(carrier, id) + row.bytes.substr(0, cut)),
                    Version::v5);
                EXPECT_EQ(line,
                          fmt::format("fault 0x81 malformed packet: {}: {}: cut off",
                                      packet_of(carrier), row.line.substr(0, row.line.find('='))));
            }
}

TEST(Properties, HaveValuesTheyMayHave) {
    const auto answer = [](Carrier carrier, const std::string& property) {
        return read_one(packet_with(carrier, property), Version::v5);
    };
    for (const PropertyRow& row : property_rows())
        if (const char id = row.bytes[0];
            "\x01\x17\x19\x24\x25\x28\x29\x2A"s.find(id) != std::string::npos)
            for (unsigned value = 0; value < 256; ++value) {
                const std::string line =
                    answer(row.carriers[0], std::string(1, id) + static_cast<char>(value));
                const std::string name = row.line.substr(0, row.line.find('='));
                if (value < 2)
                    EXPECT_FALSE(line.starts_with("fault")) << line;
                else
                    EXPECT_EQ(line,
                              fmt::format(
                                  "fault 0x82 protocol error: {}: {}: a value that it may not have",
                                  packet_of(row.carriers[0]), name));
            }
    const auto refused = [&](Carrier carrier, const std::string& property, std::string_view text) {
        EXPECT_EQ(answer(carrier, property), "fault " + std::string(text));
    };
    const std::string bad = ": a value that it may not have";
    refused(Carrier::connect, "\x21\0\0"s, "0x82 protocol error: CONNECT: receive maximum" + bad);
    refused(Carrier::connack, "\x21\0\0"s, "0x82 protocol error: CONNACK: receive maximum" + bad);
    refused(Carrier::connect, "\x27\0\0\0\0"s,
            "0x82 protocol error: CONNECT: maximum packet size" + bad);
    refused(Carrier::connack, "\x27\0\0\0\0"s,
            "0x82 protocol error: CONNACK: maximum packet size" + bad);
    refused(Carrier::subscribe, "\x0B\0"s,
            "0x82 protocol error: SUBSCRIBE: subscription identifier" + bad);
    refused(Carrier::publish, "\x0B\0"s,
            "0x82 protocol error: PUBLISH: subscription identifier" + bad);
    refused(Carrier::publish, "\x23\0\0"s, "0x94 topic alias invalid: PUBLISH: topic alias" + bad);
    for (const std::string topic : {"", "a/#", "+", "a+b"}) {
        const std::string property = "\x08" + sized(topic);
        refused(Carrier::publish, property,
                "0x90 topic name invalid: PUBLISH: response topic: no name of a topic");
        refused(Carrier::will, property,
                "0x90 topic name invalid: CONNECT: response topic: no name of a topic");
    }
    // Each text is one, each pair are two.
    for (const PropertyRow& row : property_rows())
        if (const char id = row.bytes[0];
            "\x03\x08\x12\x15\x1A\x1C\x1F\x26"s.find(id) != std::string::npos)
            for (const std::string& text : {"\xFF"s, "a\0"s, "\xED\xA0\x80"s}) {
                const std::string name = row.line.substr(0, row.line.find('='));
                const std::string wrong =
                    std::string(1, id) + sized(text) + (id == 0x26 ? sized("v") : "");
                refused(
                    row.carriers[0], wrong,
                    fmt::format(
                        "0x81 malformed packet: {}: {}: a text that is not UTF-8, or has U+0000",
                        packet_of(row.carriers[0]), name));
            }
    refused(
        Carrier::publish, "\x26" + sized("n") + sized("\xFF"),
        "0x81 malformed packet: PUBLISH: user property: a text that is not UTF-8, or has U+0000");
}

TEST(Properties, AreThoseThatAreKnown) {
    std::vector<bool> known(256);
    for (const PropertyRow& row : property_rows())
        known[static_cast<unsigned char>(row.bytes[0])] = true;
    for (unsigned id = 0; id < 128; ++id) {
        if (known[id]) continue;
        EXPECT_EQ(read_one(packet_with(Carrier::publish,
                                       std::string(1, static_cast<char>(id)) + "\0\0\0\0"s),
                           Version::v5),
                  "fault 0x81 malformed packet: PUBLISH: a property that nobody knows");
    }
    // Identifiers are numbers of any length.
    EXPECT_EQ(read_one(packet_with(Carrier::publish, "\x83\x01"s), Version::v5),
              "fault 0x81 malformed packet: PUBLISH: a property that nobody knows");
    EXPECT_EQ(read_one(packet_with(Carrier::publish, "\x83\x00\x00\x00"s), Version::v5),
              "fault 0x81 malformed packet: PUBLISH: a number in more bytes than it needs");
    EXPECT_EQ(read_one(packet_with(Carrier::publish, "\xFF\xFF\xFF\xFF\x01"s), Version::v5),
              "fault 0x81 malformed packet: PUBLISH: a number of more than four bytes");
    EXPECT_EQ(read_one(packet(0x30, sized("t") + "\x80\x00"s), Version::v5),
              "fault 0x81 malformed packet: PUBLISH: length of the properties: a number in more "
              "bytes than it needs");
    EXPECT_EQ(read_one(packet(0x30, sized("t") + "\xFF\xFF\xFF\xFF\x7F"s), Version::v5),
              "fault 0x81 malformed packet: PUBLISH: length of the properties: a number of more "
              "than four bytes");
}

// Order and repetition of user properties count.
TEST(Properties, KeepUserPropertiesAsTheyCame) {
    const auto pair = [](std::string_view name, std::string_view value) {
        return "\x26" + sized(name) + sized(value);
    };
    EXPECT_EQ(
        read_one(packet_with(Carrier::publish, pair("b", "1") + "\x0B\x02" + pair("a", "2") +
                                                   "\x0B\x01" + pair("b", "1") + pair("", "")),
                 Version::v5),
        "PUBLISH dupfalse qos0 retainfalse #0 74 { subscription identifier=2+1 "
        "user property=(62=31)(61=32)(62=31)(=) } ");
}

} // namespace
} // namespace baton::mqtt
