// Durations as text, both ways.
#include "base/duration_text.hpp"

#include <array>
#include <cstdint>
#include <utility>

namespace baton {

namespace {

using Unit = std::pair<std::string_view, std::int64_t>; // name, microseconds

constexpr std::array<Unit, 5> units{{{"d", 86'400'000'000},
                                     {"h", 3'600'000'000},
                                     {"m", 60'000'000},
                                     {"s", 1'000'000},
                                     {"ms", 1'000}}};

// A hundred years: longer waits are typing mistakes, and sums of times must not overflow.
constexpr std::int64_t micros_max = std::int64_t{36'525} * 86'400'000'000;

} // namespace

std::optional<Duration> parse_duration(std::string_view text) {
    if (text.empty()) return std::nullopt;
    std::int64_t total = 0;
    std::size_t next_unit = 0;
    while (!text.empty()) {
        std::int64_t number = 0;
        std::size_t digits = 0;
        while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') {
            number = number * 10 + (text[digits] - '0');
            if (number > micros_max) return std::nullopt;
            ++digits;
        }
        if (digits == 0) return std::nullopt;
        text.remove_prefix(digits);
        std::size_t letters = 0;
        while (letters < text.size() && (text[letters] < '0' || text[letters] > '9'))
            ++letters;
        const std::string_view name = text.substr(0, letters);
        text.remove_prefix(letters);
        while (next_unit < units.size() && units[next_unit].first != name)
            ++next_unit;
        if (next_unit == units.size()) return std::nullopt;
        if (number > micros_max / units[next_unit].second) return std::nullopt;
        total += number * units[next_unit].second;
        if (total > micros_max) return std::nullopt;
        ++next_unit;
    }
    return Duration{total};
}

std::string to_text(Duration duration) {
    std::int64_t rest = duration.count();
    std::string text;
    for (const auto& [name, micros] : units) {
        if (const std::int64_t number = rest / micros; number > 0) {
            text += std::to_string(number);
            text += name;
            rest %= micros;
        }
    }
    return text.empty() ? "0s" : text;
}

} // namespace baton
