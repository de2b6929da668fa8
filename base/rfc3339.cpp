// Takes a text apart from left to right.
#include "base/rfc3339.hpp"

namespace baton {

namespace {

// Exactly `digits` digits off the front of `text`.
std::optional<int> take_number(std::string_view& text, std::size_t digits) {
    if (text.size() < digits) return std::nullopt;
    int number = 0;
    for (std::size_t i = 0; i < digits; ++i) {
        if (text[i] < '0' || text[i] > '9') return std::nullopt;
        number = number * 10 + (text[i] - '0');
    }
    text.remove_prefix(digits);
    return number;
}

bool take_one_of(std::string_view& text, std::string_view wanted) {
    if (text.empty() || wanted.find(text.front()) == std::string_view::npos) return false;
    text.remove_prefix(1);
    return true;
}

// "12:04:10", or "12:04" of an offset.
std::optional<std::chrono::seconds> take_clock(std::string_view& text, bool has_seconds) {
    const auto hour = take_number(text, 2);
    if (!hour || *hour > 23 || !take_one_of(text, ":")) return std::nullopt;
    const auto minute = take_number(text, 2);
    if (!minute || *minute > 59) return std::nullopt;
    int second = 0;
    if (has_seconds) {
        const auto given = take_one_of(text, ":") ? take_number(text, 2) : std::nullopt;
        if (!given || *given > 59) return std::nullopt;
        second = *given;
    }
    return std::chrono::hours(*hour) + std::chrono::minutes(*minute) + std::chrono::seconds(second);
}

} // namespace

std::optional<Time> from_rfc3339(std::string_view text) {
    using namespace std::chrono;
    const auto year_number = take_number(text, 4);
    if (!year_number || !take_one_of(text, "-")) return std::nullopt;
    const auto month_number = take_number(text, 2);
    if (!month_number || !take_one_of(text, "-")) return std::nullopt;
    const auto day_number = take_number(text, 2);
    if (!day_number || !take_one_of(text, "Tt ")) return std::nullopt;
    const year_month_day date{year(*year_number), month(static_cast<unsigned>(*month_number)),
                              day(static_cast<unsigned>(*day_number))};
    const auto of_day = take_clock(text, true);
    if (!date.ok() || !of_day) return std::nullopt;
    Duration fraction{};
    if (take_one_of(text, ".")) {
        const std::size_t before = text.size();
        Duration digit = milliseconds(100);
        while (const auto one = take_number(text, 1)) {
            fraction += *one * digit;
            digit /= 10;
        }
        if (text.size() == before) return std::nullopt;
    }
    seconds offset{};
    const bool is_behind = !text.empty() && text.front() == '-';
    if (take_one_of(text, "+-")) {
        const auto given = take_clock(text, false);
        if (!given) return std::nullopt;
        offset = is_behind ? -*given : *given;
    } else if (!take_one_of(text, "Zz")) {
        return std::nullopt;
    }
    if (!text.empty()) return std::nullopt;
    return Time(sys_days(date)) + *of_day + fraction - offset;
}

} // namespace baton
