#include "base/base64.hpp"

#include <cstdint>

namespace baton {

namespace {

constexpr std::string_view base64_letters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_value(char letter) {
    if (letter >= 'A' && letter <= 'Z') return letter - 'A';
    if (letter >= 'a' && letter <= 'z') return letter - 'a' + 26;
    if (letter >= '0' && letter <= '9') return letter - '0' + 52;
    if (letter == '+') return 62;
    return letter == '/' ? 63 : -1;
}

} // namespace

std::string base64_of(std::string_view data) {
    std::string text;
    text.reserve((data.size() + 2) / 3 * 4);
    for (std::size_t at = 0; at < data.size(); at += 3) {
        const std::string_view part = data.substr(at, 3);
        std::uint32_t bits = 0;
        for (std::size_t i = 0; i < 3; ++i)
            bits = bits << 8 | (i < part.size() ? static_cast<std::uint8_t>(part[i]) : 0U);
        for (std::size_t i = 0; i < 4; ++i)
            text.push_back(i <= part.size() ? base64_letters[(bits >> (18 - 6 * i)) & 63] : '=');
    }
    return text;
}

std::optional<std::string> from_base64(std::string_view text) {
    if (text.size() % 4 == 0) {
        if (text.ends_with("=="))
            text.remove_suffix(2);
        else if (text.ends_with('='))
            text.remove_suffix(1);
    }
    if (text.size() % 4 == 1) return std::nullopt;
    std::string data;
    data.reserve(text.size() / 4 * 3 + 2);
    std::uint32_t bits = 0;
    int held = 0;
    for (const char letter : text) {
        const int value = base64_value(letter);
        if (value < 0) return std::nullopt;
        bits = bits << 6 | static_cast<std::uint32_t>(value);
        held += 6;
        if (held >= 8) {
            held -= 8;
            data.push_back(static_cast<char>(bits >> held & 0xff));
        }
    }
    return data;
}

} // namespace baton
