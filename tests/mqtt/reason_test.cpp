#include "mqtt/reason.hpp"
#include "tests/mqtt/wire_kit.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace baton::mqtt {
namespace {

using namespace std::string_literals;

TEST(ReasonCode, HasANumberAndAName) {
    EXPECT_EQ(to_text(ReasonCode::session_taken_over), "0x8E session taken over");
    EXPECT_EQ(to_text(ReasonCode::success), "0x00 success");
    EXPECT_EQ(to_text(ReasonCode::wildcard_subscriptions_not_supported),
              "0xA2 wildcard subscriptions not supported");
    EXPECT_EQ(to_text(static_cast<ReasonCode>(0x42)), "0x42 unknown");
}

// The tables of the packets' own sections (§3.2.2.2, §3.4.2.1, …), and 0x8C of table 2-6 for
// DISCONNECT.
const std::map<Carrier, std::set<unsigned>>& allowed_codes() {
    static const std::set<unsigned> publish{0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99};
    static const std::set<unsigned> release{0x00, 0x92};
    static const std::map<Carrier, std::set<unsigned>> table{
        {Carrier::connack, {0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
                            0x8A, 0x8C, 0x90, 0x95, 0x97, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F}},
        {Carrier::puback, publish},
        {Carrier::pubrec, publish},
        {Carrier::pubrel, release},
        {Carrier::pubcomp, release},
        {Carrier::suback, {0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2}},
        {Carrier::unsuback, {0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91}},
        {Carrier::disconnect, {0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8C,
                               0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98,
                               0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2}},
        {Carrier::auth, {0x00, 0x18, 0x19}}};
    return table;
}

TEST(ReasonCode, StandsOnlyWhereItMay) {
    for (const auto& [carrier, codes] : allowed_codes()) {
        for (unsigned code = 0; code < 256; ++code) {
            const std::string byte(1, static_cast<char>(code));
            const unsigned type = static_cast<unsigned>(carrier);
            std::string body;
            switch (carrier) {
            case Carrier::connack:
                body = "\0"s + byte + "\0"s;
                break;
            case Carrier::suback:
            case Carrier::unsuback:
                body = "\0\x07\0"s + byte;
                break;
            case Carrier::disconnect:
                body = byte;
                break;
            case Carrier::auth:
                body = byte + test::props("\x15" + test::sized("m"));
                break;
            case Carrier::puback:
            case Carrier::pubrec:
            case Carrier::pubrel:
            case Carrier::pubcomp:
                body = "\0\x07"s + byte;
                break;
            case Carrier::will:
            case Carrier::connect:
            case Carrier::publish:
            case Carrier::subscribe:
            case Carrier::unsubscribe:
            case Carrier::pingreq:
            case Carrier::pingresp:
                FAIL();
            }
            const std::string line = test::read_one(
                test::packet(type << 4 | (carrier == Carrier::pubrel ? 2U : 0U), body),
                Version::v5);
            if (codes.contains(code))
                EXPECT_FALSE(line.starts_with("fault")) << line;
            else
                EXPECT_EQ(line,
                          fmt::format(
                              "fault 0x82 protocol error: {}: a reason code that it may not carry",
                              name_of(carrier)));
        }
    }
}

TEST(ReasonCode, OldReturnCodesComeBackAsTheyWent) {
    for (std::uint8_t code = 0; code < 6; ++code)
        EXPECT_EQ(connect_return_code(from_connect_return_code(code).value()), code);
    for (unsigned code = 6; code < 256; ++code)
        EXPECT_FALSE(from_connect_return_code(static_cast<std::uint8_t>(code)).has_value());
    // A refusal is never taken for a welcome.
    for (unsigned code = 0x80; code < 256; ++code) {
        const std::uint8_t old = connect_return_code(static_cast<ReasonCode>(code));
        EXPECT_TRUE(old >= 1 && old <= 5) << code;
    }
}

} // namespace
} // namespace baton::mqtt
