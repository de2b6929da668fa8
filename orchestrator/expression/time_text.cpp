// RFC 3339 and durations, read and written.
#include "orchestrator/expression/time_text.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <limits>

namespace baton::orchestrator::expression {

namespace {

constexpr std::int64_t second_nanos = 1'000'000'000;
constexpr std::int64_t seconds_per_day = 86'400;

// Reads from the front of a text and remembers whether everything fitted so far.
class Scanner {
public:
    explicit Scanner(std::string_view text) : rest_(text) {}

    bool at_end() const { return rest_.empty(); }
    bool failed() const { return failed_; }
    char peek() const { return rest_.empty() ? '\0' : rest_.front(); }

    bool accept(char wanted) {
        if (peek() != wanted || rest_.empty()) return false;
        rest_.remove_prefix(1);
        return true;
    }

    void expect(char wanted) {
        if (!accept(wanted)) failed_ = true;
    }

    // Exactly `digits` digits.
    std::int64_t number(int digits) {
        std::int64_t value = 0;
        for (int i = 0; i < digits; ++i) {
            if (peek() < '0' || peek() > '9') {
                failed_ = true;
                return 0;
            }
            value = value * 10 + (peek() - '0');
            rest_.remove_prefix(1);
        }
        return value;
    }

    // Digits after the point, as nanoseconds; more than nine are too many.
    std::int32_t fraction() {
        std::int32_t nanos = 0;
        int digits = 0;
        while (peek() >= '0' && peek() <= '9' && digits < 9) {
            nanos = nanos * 10 + (peek() - '0');
            rest_.remove_prefix(1);
            ++digits;
        }
        if (digits == 0) failed_ = true;
        for (; digits < 9; ++digits)
            nanos *= 10;
        return nanos;
    }

private:
    std::string_view rest_;
    bool failed_ = false;
};

std::int64_t read_offset(Scanner& scanner) {
    const bool west = scanner.peek() == '-';
    if (!scanner.accept('-')) scanner.expect('+');
    const std::int64_t hours = scanner.number(2);
    scanner.expect(':');
    const std::int64_t minutes = scanner.number(2);
    const std::int64_t seconds = (hours * 60 + minutes) * 60;
    return hours > 23 || minutes > 59 ? std::numeric_limits<std::int64_t>::max()
                                      : (west ? -seconds : seconds);
}

bool in_range(Timestamp timestamp) {
    return timestamp.seconds >= timestamp_seconds_min && timestamp.seconds <= timestamp_seconds_max;
}

// A duration unit in nanoseconds; longest names first where one begins another.
struct Unit {
    std::string_view name;
    std::int64_t nanos;
};
constexpr Unit units[] = {
    {"ns", 1},
    {"us", 1'000},
    {"ms", 1'000'000},
    {"s", second_nanos},
    {"m", 60 * second_nanos},
    {"h", 3'600 * second_nanos},
    {"d", seconds_per_day* second_nanos},
};

// One "1.5h" from the front of `text`, in nanoseconds.
std::optional<std::int64_t> read_part(std::string_view& text) {
    std::int64_t whole = 0;
    std::int64_t fraction = 0; // in billionths
    std::int64_t scale = second_nanos;
    std::size_t at = 0;
    bool digits = false;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
        digits = true;
        if (__builtin_mul_overflow(whole, 10, &whole)) return std::nullopt;
        if (__builtin_add_overflow(whole, text[at] - '0', &whole)) return std::nullopt;
    }
    if (at < text.size() && text[at] == '.') {
        for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
            digits = true;
            scale /= 10;
            fraction += (text[at] - '0') * scale;
        }
    }
    if (!digits) return std::nullopt;
    text.remove_prefix(at);
    for (const Unit& unit : units) {
        if (!text.starts_with(unit.name)) continue;
        text.remove_prefix(unit.name.size());
        std::int64_t nanos = 0;
        if (__builtin_mul_overflow(whole, unit.nanos, &nanos)) return std::nullopt;
        const auto part = static_cast<__int128>(fraction) * unit.nanos / second_nanos;
        if (__builtin_add_overflow(nanos, static_cast<std::int64_t>(part), &nanos))
            return std::nullopt;
        return nanos;
    }
    return std::nullopt;
}

// As few of 3, 6 or 9 digits as keep the value; "" for 0.
std::string fraction_text(std::int64_t nanos) {
    if (nanos == 0) return {};
    if (nanos % 1'000'000 == 0) return fmt::format(".{:03}", nanos / 1'000'000);
    if (nanos % 1'000 == 0) return fmt::format(".{:06}", nanos / 1'000);
    return fmt::format(".{:09}", nanos);
}

std::chrono::sys_days day_of(std::int64_t seconds) {
    const auto moment = std::chrono::sys_seconds{std::chrono::seconds{seconds}};
    return std::chrono::floor<std::chrono::days>(moment);
}

} // namespace

std::optional<Timestamp> timestamp_from_text(std::string_view text) {
    Scanner scanner{text};
    const std::int64_t year = scanner.number(4);
    scanner.expect('-');
    const std::int64_t month = scanner.number(2);
    scanner.expect('-');
    const std::int64_t day = scanner.number(2);
    if (!scanner.accept('t')) scanner.expect('T');
    const std::int64_t hours = scanner.number(2);
    scanner.expect(':');
    const std::int64_t minutes = scanner.number(2);
    scanner.expect(':');
    const std::int64_t seconds = scanner.number(2);
    Timestamp timestamp;
    if (scanner.accept('.')) timestamp.nanos = scanner.fraction();
    const bool utc = scanner.accept('Z') || scanner.accept('z');
    const std::int64_t offset = utc ? 0 : read_offset(scanner);
    if (scanner.failed() || !scanner.at_end()) return std::nullopt;
    if (offset == std::numeric_limits<std::int64_t>::max()) return std::nullopt;
    if (hours > 23 || minutes > 59 || seconds > 59) return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year{static_cast<int>(year)},
                                           std::chrono::month{static_cast<unsigned>(month)},
                                           std::chrono::day{static_cast<unsigned>(day)}};
    if (!date.ok()) return std::nullopt;
    const std::int64_t days = std::chrono::sys_days{date}.time_since_epoch().count();
    timestamp.seconds = days * seconds_per_day + (hours * 60 + minutes) * 60 + seconds - offset;
    if (!in_range(timestamp)) return std::nullopt;
    return timestamp;
}

std::optional<Span> span_from_text(std::string_view text) {
    const bool negative = text.starts_with('-');
    if (negative || text.starts_with('+')) text.remove_prefix(1);
    if (text == "0") return Span{};
    if (text.empty()) return std::nullopt;
    std::int64_t nanos = 0;
    while (!text.empty()) {
        const auto part = read_part(text);
        if (!part || __builtin_add_overflow(nanos, *part, &nanos)) return std::nullopt;
    }
    return Span{negative ? -nanos : nanos};
}

std::optional<std::int64_t> offset_of_zone(std::string_view zone) {
    if (zone.empty() || zone == "UTC" || zone == "Z" || zone == "Etc/UTC") return 0;
    // CEL also writes "02:00" for "+02:00".
    const bool bare = zone.front() >= '0' && zone.front() <= '9';
    const std::string signed_zone = bare ? "+" + std::string{zone} : std::string{zone};
    Scanner scanner{signed_zone};
    const std::int64_t offset = read_offset(scanner);
    if (scanner.failed() || !scanner.at_end()) return std::nullopt;
    if (offset == std::numeric_limits<std::int64_t>::max()) return std::nullopt;
    return offset;
}

std::optional<Timestamp> moved_by(Timestamp timestamp, Span span) {
    std::int64_t seconds = timestamp.seconds + span.nanos / second_nanos;
    std::int64_t nanos = timestamp.nanos + span.nanos % second_nanos;
    if (nanos < 0) {
        nanos += second_nanos;
        --seconds;
    } else if (nanos >= second_nanos) {
        nanos -= second_nanos;
        ++seconds;
    }
    const Timestamp moved{seconds, static_cast<std::int32_t>(nanos)};
    if (!in_range(moved)) return std::nullopt;
    return moved;
}

std::optional<Span> difference(Timestamp later, Timestamp earlier) {
    Span span;
    const std::int64_t seconds = later.seconds - earlier.seconds;
    if (__builtin_mul_overflow(seconds, second_nanos, &span.nanos)) return std::nullopt;
    if (__builtin_add_overflow(span.nanos, later.nanos - earlier.nanos, &span.nanos))
        return std::nullopt;
    return span;
}

CalendarFields calendar_fields(Timestamp timestamp, std::int64_t offset_seconds) {
    const std::int64_t local = timestamp.seconds + offset_seconds;
    const auto day = day_of(local);
    const std::chrono::year_month_day date{day};
    const std::int64_t of_day = local - day.time_since_epoch().count() * seconds_per_day;
    const auto first_day = std::chrono::sys_days{date.year() / std::chrono::January / 1};
    CalendarFields fields;
    fields.year = static_cast<int>(date.year());
    fields.month = static_cast<unsigned>(date.month()) - 1;
    fields.day = static_cast<unsigned>(date.day());
    fields.day_of_week = std::chrono::weekday{day}.c_encoding();
    fields.day_of_year = (day - first_day).count();
    fields.hours = of_day / 3'600;
    fields.minutes = of_day / 60 % 60;
    fields.seconds = of_day % 60;
    fields.milliseconds = timestamp.nanos / 1'000'000;
    return fields;
}

std::string to_text(Timestamp timestamp) {
    const CalendarFields fields = calendar_fields(timestamp, 0);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}Z", fields.year, fields.month + 1,
                       fields.day, fields.hours, fields.minutes, fields.seconds,
                       fraction_text(timestamp.nanos));
}

std::string to_text(Span span) {
    const bool negative = span.nanos < 0;
    // The magnitude of the smallest number does not fit into a signed one.
    const std::uint64_t magnitude = negative ? 0 - static_cast<std::uint64_t>(span.nanos)
                                             : static_cast<std::uint64_t>(span.nanos);
    const auto per_second = static_cast<std::uint64_t>(second_nanos);
    std::string fraction = fraction_text(static_cast<std::int64_t>(magnitude % per_second));
    while (fraction.ends_with('0'))
        fraction.pop_back();
    return fmt::format("{}{}{}s", negative ? "-" : "", magnitude / per_second, fraction);
}

} // namespace baton::orchestrator::expression
