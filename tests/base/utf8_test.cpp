#include "base/utf8.hpp"

#include <gtest/gtest.h>

namespace baton {
namespace {

// Everything up to four bytes at the edges of table 3-7, against the code point worked out by hand.
bool is_character(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const std::size_t size = text.size();
    const unsigned first = byte(0);
    const bool fits = size == 1   ? first < 0x80
                      : size == 2 ? first >> 5 == 6
                      : size == 3 ? first >> 4 == 14
                                  : first >> 3 == 30;
    if (!fits) return false;
    unsigned code = size == 1 ? first : first & (0xFFU >> (size + 1));
    for (std::size_t i = 1; i < size; ++i) {
        if (byte(i) >> 6 != 2) return false;
        code = code << 6 | (byte(i) & 0x3FU);
    }
    const unsigned smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    return code >= smallest[size] && code <= 0x10FFFF && !(code >= 0xD800 && code < 0xE000);
}

TEST(Utf8, LengthIsThatOfTheCharacterOrZero) {
    const unsigned edges[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0,
                              0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF};
    const auto add = [&](const std::string& text, unsigned byte) { return text + static_cast<char>(byte); };
    for (const unsigned a : edges)
        for (const unsigned b : edges)
            for (const unsigned c : edges)
                for (const unsigned d : edges) {
                    const std::string text = add(add(add(add("", a), b), c), d);
                    std::size_t expected = 0;
                    for (std::size_t size = 1; size <= 4 && expected == 0; ++size)
                        if (is_character(text.substr(0, size))) expected = size;
                    ASSERT_EQ(utf8_length(text), expected) << a << " " << b << " " << c << " " << d;
                }
    EXPECT_EQ(utf8_length("\xE2\x82"), 0U) << "cut inside a character";
}

TEST(Utf8, WhatIsNoneIsFoundAndReplacedByteByByte) {
    EXPECT_TRUE(is_utf8(""));
    EXPECT_TRUE(is_utf8(std::string_view("a\0\xC3\xBC", 4)));
    EXPECT_EQ(first_invalid_utf8("\xC3\xBC\xE2\x82"), 2U);
    EXPECT_EQ(as_utf8("M\xFCller \xE2\x82"), "M\xEF\xBF\xBDller \xEF\xBF\xBD\xEF\xBF\xBD");
    EXPECT_EQ(as_utf8("\xF0\x9F\x98\x80"), "\xF0\x9F\x98\x80");
}

} // namespace
} // namespace baton
