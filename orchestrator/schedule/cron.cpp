#include "orchestrator/schedule/cron.hpp"

#include "base/time_zone.hpp"

#include <boost/system/errc.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <span>
#include <vector>

namespace baton::orchestrator::schedule {

namespace {

constexpr std::int64_t day_seconds = 86'400;
constexpr std::int64_t minute_seconds = 60;
// The 29th of February may be eight years away.
constexpr std::int64_t days_ahead = 12 * 366;
// No clock jumps further, and no zone is further from UTC.
constexpr std::int64_t offset_max = 16 * 3600;

struct Field {
    std::string_view name;
    unsigned least;
    unsigned most;
    std::span<const std::string_view> words; // the first means `least`
};

constexpr std::array<std::string_view, 12> month_words{"jan", "feb", "mar", "apr", "may", "jun",
                                                       "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> weekday_words{"sun", "mon", "tue", "wed",
                                                        "thu", "fri", "sat"};
constexpr std::array<Field, 5> fields{{{"minute", 0, 59, {}},
                                       {"hour", 0, 23, {}},
                                       {"day of month", 1, 31, {}},
                                       {"month", 1, 12, month_words},
                                       {"day of week", 0, 7, weekday_words}}};

Failure wrong(std::string text) {
    return {make_error_code(boost::system::errc::invalid_argument), std::move(text)};
}

std::optional<unsigned> cron_number(std::string_view text, const Field& field) {
    std::string lower(text);
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) {
        return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    });
    const auto word = std::find(field.words.begin(), field.words.end(), lower);
    if (word != field.words.end())
        return field.least + static_cast<unsigned>(word - field.words.begin());
    unsigned number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size() || number < field.least ||
        number > field.most)
        return std::nullopt;
    return number;
}

// One part of a list: "*", "a", "a-b", each with "/n".
std::optional<Failure> read_part(std::string_view part, const Field& field, std::bitset<64>& out) {
    const auto bad = [&](std::string_view how) {
        return wrong(fmt::format("{} '{}': {}", field.name, part, how));
    };
    std::string_view range = part;
    unsigned step = 1;
    const std::size_t slash = part.find('/');
    if (slash != std::string_view::npos) {
        range = part.substr(0, slash);
        const std::string_view text = part.substr(slash + 1);
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), step);
        if (error != std::errc{} || end != text.data() + text.size() || step == 0 ||
            step > field.most)
            return bad(fmt::format("behind / stands a number from 1 to {}", field.most));
    }
    unsigned from = field.least;
    unsigned to = field.most;
    if (range != "*") {
        const std::size_t dash = range.find('-');
        const auto first = cron_number(range.substr(0, dash), field);
        const auto last =
            dash == std::string_view::npos ? first : cron_number(range.substr(dash + 1), field);
        if (!first || !last)
            return bad(
                fmt::format("it is *, a number from {} to {}, a range as 1-5, or a list of these",
                            field.least, field.most));
        if (*first > *last) return bad("a range goes from the smaller to the larger");
        from = *first;
        to = dash == std::string_view::npos && slash != std::string_view::npos ? field.most : *last;
    }
    for (unsigned number = from; number <= to; number += step)
        out.set(number);
    return std::nullopt;
}

Outcome<std::bitset<64>> read_field(std::string_view text, const Field& field) {
    std::bitset<64> out;
    for (std::size_t at = 0; at <= text.size();) {
        const std::size_t end = std::min(text.find(',', at), text.size());
        if (auto failure = read_part(text.substr(at, end - at), field, out))
            return std::move(*failure);
        at = end + 1;
    }
    return out;
}

std::vector<std::string_view> words_of(std::string_view text) {
    std::vector<std::string_view> words;
    for (std::size_t at = 0; (at = text.find_first_not_of(" \t", at)) != std::string_view::npos;) {
        const std::size_t end = std::min(text.find_first_of(" \t", at), text.size());
        words.push_back(text.substr(at, end - at));
        at = end;
    }
    return words;
}

std::string_view expanded(std::string_view text) {
    if (text == "@hourly") return "0 * * * *";
    if (text == "@daily" || text == "@midnight") return "0 0 * * *";
    if (text == "@weekly") return "0 0 * * 0";
    if (text == "@monthly") return "0 0 1 * *";
    if (text == "@yearly" || text == "@annually") return "0 0 1 1 *";
    return text;
}

template <std::size_t To>
std::bitset<To> narrowed(const std::bitset<64>& from) {
    std::bitset<To> out;
    for (std::size_t at = 0; at < To; ++at)
        out[at] = from[at];
    return out;
}

std::int64_t seconds_of(Time time) {
    return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
}

std::int64_t floor_div(std::int64_t number, std::int64_t by) {
    return number >= 0 ? number / by : -((-number + by - 1) / by);
}

} // namespace

Outcome<Cron> Cron::parse(std::string_view text, std::string_view zone) {
    const auto words = words_of(expanded(text));
    if (words.size() != fields.size())
        return wrong(fmt::format("a cron expression has five fields (minute hour day-of-month "
                                 "month day-of-week), not {}",
                                 words.size()));
    std::array<std::bitset<64>, fields.size()> read;
    for (std::size_t at = 0; at < fields.size(); ++at) {
        auto field = read_field(words[at], fields[at]);
        if (!field) return std::move(field).error();
        read[at] = *field;
    }
    if (read[4][7]) read[4].set(0);
    Cron cron;
    cron.minutes_ = narrowed<60>(read[0]);
    cron.hours_ = narrowed<24>(read[1]);
    cron.days_ = narrowed<32>(read[2]);
    cron.months_ = narrowed<13>(read[3]);
    cron.weekdays_ = narrowed<7>(read[4]);
    cron.any_hour_ = words[1].starts_with('*');
    cron.any_day_ = words[2].starts_with('*');
    cron.any_weekday_ = words[4].starts_with('*');
    cron.zone_ = zone;
    if (!zone_offset(zone, 0))
        return wrong(
            fmt::format("there is no time zone '{}'; it is called as in Europe/Berlin", zone));
    if (!cron.next(Time{})) return wrong("there is no such day in any year");
    return cron;
}

Cron::Day Cron::day_of(std::int64_t number) {
    const std::chrono::sys_days date{std::chrono::days(number)};
    const std::chrono::year_month_day calendar{date};
    return {number, unsigned(calendar.month()), unsigned(calendar.day()),
            std::chrono::weekday(date).c_encoding()};
}

bool Cron::fits(const Day& day) const {
    if (!months_[day.month]) return false;
    const bool is_day = days_[day.day];
    const bool is_weekday = weekdays_[day.weekday];
    if (any_day_ || any_weekday_) return is_day && is_weekday;
    return is_day || is_weekday;
}

std::optional<Time> Cron::next(Time after) const {
    const std::int64_t seconds = seconds_of(after);
    // The day may have begun in the zone, or what is skipped today may come on it.
    const std::int64_t first = floor_div(seconds - offset_max, day_seconds);
    for (std::int64_t number = first; number <= first + days_ahead; ++number) {
        const Day day = day_of(number);
        if (!fits(day)) continue;
        if (const auto found = first_of(day, seconds)) return Time{std::chrono::seconds(*found)};
    }
    return std::nullopt;
}

std::optional<std::int64_t> Cron::first_of(const Day& day, std::int64_t after) const {
    return any_hour_ ? every_hour(day, after) : given_hour(day, after);
}

std::optional<std::int64_t> Cron::given_hour(const Day& day, std::int64_t after) const {
    for (std::int64_t hour = 0; hour < 24; ++hour) {
        if (!hours_[static_cast<std::size_t>(hour)]) continue;
        for (std::int64_t minute = 0; minute < 60; ++minute) {
            if (!minutes_[static_cast<std::size_t>(minute)]) continue;
            const std::int64_t moment =
                moment_of(day.number * day_seconds + hour * 3600 + minute * minute_seconds);
            if (moment > after) return moment;
        }
    }
    return std::nullopt;
}

// Minute by minute, as the clock on the wall shows them.
std::optional<std::int64_t> Cron::every_hour(const Day& day, std::int64_t after) const {
    const std::int64_t begin = moment_of(day.number * day_seconds);
    const std::int64_t end = moment_of((day.number + 1) * day_seconds);
    std::int64_t moment = begin;
    if (after >= begin)
        moment = begin + (floor_div(after - begin, minute_seconds) + 1) * minute_seconds;
    for (; moment < end; moment += minute_seconds) {
        const std::int64_t local = moment + zone_offset(zone_, moment).value_or(0);
        if (floor_div(local, day_seconds) != day.number) continue;
        const std::int64_t minute = floor_div(local, minute_seconds) % 60;
        if (minutes_[static_cast<std::size_t>((minute + 60) % 60)] &&
            hours_[static_cast<std::size_t>(floor_div(local, 3600) - day.number * 24)])
            return moment;
    }
    return std::nullopt;
}

// With the offset of the day before and of the day after there are two candidates; where both show
// the wanted time, the earlier counts, where none does, the clock jumps over it, and the jump is
// found by halving.
std::int64_t Cron::moment_of(std::int64_t local) const {
    const auto offset = [this](std::int64_t moment) {
        return std::int64_t{zone_offset(zone_, moment).value_or(0)};
    };
    const std::int64_t before = offset(local - day_seconds);
    const std::int64_t behind = offset(local + day_seconds);
    const std::int64_t early = local - std::max(before, behind);
    const std::int64_t late = local - std::min(before, behind);
    if (early + offset(early) == local) return early;
    if (late + offset(late) == local) return late;
    std::int64_t low = early; // shows less
    std::int64_t high = late; // shows more
    while (high - low > 1) {
        const std::int64_t middle = low + (high - low) / 2;
        (middle + offset(middle) < local ? low : high) = middle;
    }
    return high;
}

} // namespace baton::orchestrator::schedule
