// Bytes as hexadecimal digits, the form in which both databases take and give them.
#pragma once

#include <string>
#include <string_view>

namespace baton::db {

inline std::string to_hex(std::string_view bytes) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string hex;
    hex.reserve(bytes.size() * 2);
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        hex += digits[byte >> 4U];
        hex += digits[byte & 15U];
    }
    return hex;
}

// Of what to_hex() made: an even number of lower-case digits.
inline std::string from_hex(std::string_view hex) {
    const auto value = [](char c) {
        return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10) & 15U;
    };
    std::string bytes;
    bytes.reserve(hex.size() / 2);
    for (std::size_t index = 0; index + 1 < hex.size(); index += 2)
        bytes += static_cast<char>(value(hex[index]) << 4U | value(hex[index + 1]));
    return bytes;
}

} // namespace baton::db
