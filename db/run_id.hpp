// Run ids as people type them: whole, or the first characters.
#pragma once

#include "base/clock.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace baton::db {

// The lowest and the highest UUID that begin like the text.
struct RunIdRange {
    std::string first;
    std::string last;
};

// Of a UUID or the beginning of one, at least 6 characters, in either case. Nothing if `text`
// cannot be the beginning of a UUID.
inline std::optional<RunIdRange> run_ids_like(std::string_view text) {
    constexpr std::string_view pattern = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    constexpr std::size_t characters_min = 6;
    if (text.size() < characters_min || text.size() > pattern.size()) return std::nullopt;
    RunIdRange range;
    for (std::size_t index = 0; index < pattern.size(); ++index) {
        const bool is_dash = pattern[index] == '-';
        if (index >= text.size()) {
            range.first += is_dash ? '-' : '0';
            range.last += is_dash ? '-' : 'f';
            continue;
        }
        char c = text[index];
        if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
        const bool is_digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        if (is_dash ? c != '-' : !is_digit) return std::nullopt;
        range.first += c;
        range.last += c;
    }
    return range;
}

// The lowest id that a run can have that was asked for at this time.
inline std::string first_run_id_at(Time time) {
    const auto millis = static_cast<std::uint64_t>(std::max<std::int64_t>(0, millis_of(time)));
    return fmt::format("{:08x}-{:04x}-0000-0000-000000000000", (millis >> 16U) & 0xFFFFFFFFU, millis & 0xFFFFU);
}

inline bool is_run_id(std::string_view text) {
    return text.size() == 36 && run_ids_like(text).has_value();
}

} // namespace baton::db
