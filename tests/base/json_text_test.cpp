// JSON from outside and JSON of our own.
#include "base/json_text.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

namespace baton {
namespace {

std::string nested(std::size_t levels) {
    return std::string(levels, '[') + "1" + std::string(levels, ']');
}

TEST(JsonText, DoublesStayDoublesAndLookAsPeopleWriteThem) {
    for (const char* text : {"1000.0", "0.1", "1234567.89", "-2.5", "0.0", "100000000000000000000.0", "1e+21", "1e-07"}) {
        const auto value = read_json(text);
        ASSERT_TRUE(value && value->is_double()) << text;
        EXPECT_EQ(write_json(*value), text);
    }
    EXPECT_EQ(write_json(*read_json("[1E3, 1e0, 7]")), "[1000.0,1.0,7]");
}

TEST(JsonText, EveryDoubleIsReadBackAsItself) {
    std::mt19937_64 random(7);
    for (int i = 0; i < 20'000; ++i) {
        double number = 0;
        const std::uint64_t bits = random();
        std::memcpy(&number, &bits, sizeof number);
        if (!std::isfinite(number)) continue;
        const auto again = read_json(write_json(boost::json::value(number)));
        ASSERT_TRUE(again && again->is_double());
        ASSERT_EQ(again->get_double(), number);
    }
}

TEST(JsonText, WholeNumbersAreKeptOrRefused) {
    EXPECT_EQ(read_json("9223372036854775807")->get_int64(), std::numeric_limits<std::int64_t>::max());
    EXPECT_EQ(read_json("18446744073709551615")->get_uint64(), std::numeric_limits<std::uint64_t>::max());
    for (const char* text : {"18446744073709551616", "-9223372036854775809", "{\"a\":[123456789012345678901234567890]}"}) {
        const auto refused = read_json(text);
        ASSERT_FALSE(refused) << text;
        EXPECT_NE(refused.error().detail.find("does not fit into 64 bits; give it as text"), std::string::npos);
        EXPECT_TRUE(read_json(text, json_of_our_own)) << "what is stored must be readable";
    }
}

TEST(JsonText, WhatNoDoubleHoldsIsRefused) {
    for (const char* text : {"1e400", "-1e400", "{\"x\":1e999}"}) {
        const auto refused = read_json(text);
        ASSERT_FALSE(refused) << text;
        EXPECT_NE(refused.error().detail.find("too large for a double"), std::string::npos);
        EXPECT_TRUE(read_json(text, json_of_our_own));
    }
    for (const char* text : {"NaN", "Infinity", "[1,]", "", "1 2", "{\"a\":1", "nul"}) EXPECT_FALSE(read_json(text)) << text;
    // What is too small for a double is zero, as everywhere.
    EXPECT_TRUE(read_json("1e-400"));
    EXPECT_EQ(write_json(boost::json::value(std::numeric_limits<double>::infinity())), "null");
}

TEST(JsonText, TheDepthHasABound) {
    EXPECT_TRUE(read_json(nested(64)));
    const auto refused = read_json(nested(65));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().detail, "line 1, column 65: it is nested more than 64 levels deep");
    EXPECT_TRUE(read_json(nested(2000), json_of_our_own));
    EXPECT_FALSE(read_json(nested(2001), json_of_our_own));
    EXPECT_EQ(json_depth(*read_json(nested(64)), 1000), 64U);
    EXPECT_EQ(json_depth(*read_json("{\"a\":[],\"b\":1}"), 1000), 2U);
    EXPECT_EQ(json_depth(*read_json(nested(64)), 10), 10U);
}

TEST(JsonText, AFailureNamesItsPlace) {
    const auto refused = read_json("{\n \"a\": tru\n}");
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error().detail.starts_with("line 2, column ")) << refused.error().detail;
}

TEST(JsonText, TextKeepsItsCharacters) {
    const std::string text = R"({"k\"ey":"a\\b\n\u0001 é 😀","e":""})";
    EXPECT_EQ(write_json(*read_json(text)), text);
}

} // namespace
} // namespace baton
