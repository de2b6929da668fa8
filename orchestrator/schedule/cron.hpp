// Cron expressions as crontab(5) has them, in a time zone, with a clear answer for the nights on
// which clocks jump. Pure, but for the zones of the machine (base/time_zone.hpp).
//
//   minute hour day-of-month month day-of-week     0 and 7 are Sunday; names jan-dec, sun-sat
//   *  a-b  a,b  */n  a-b/n                        @hourly @daily @weekly @monthly @yearly
//
// If both days are restricted, either is enough, as everywhere. When clocks jump:
//   - with an hour given, each day has its time once: one that the clock skips comes at the end of
//   what is skipped,
//     one that comes twice counts the first time;
//   - with `*` as the hour, time is what passes: every matching minute there really is.
#pragma once

#include "base/clock.hpp"
#include "base/result.hpp"

#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace baton::orchestrator::schedule {

class Cron {
public:
    // The failure says which field is wrong and how it is written; also when no day ever fits.
    static Outcome<Cron> parse(std::string_view text, std::string_view zone = "UTC");

    // The first moment after `after`. Nothing: there is none within twelve years, which parse() has
    // excluded.
    std::optional<Time> next(Time after) const;

    const std::string& zone() const { return zone_; }

private:
    struct Day {
        std::int64_t number = 0; // days since 1970-01-01
        unsigned month = 1;
        unsigned day = 1;
        unsigned weekday = 0; // Sunday is 0
    };
    static Day day_of(std::int64_t number);
    bool fits(const Day& day) const;
    std::optional<std::int64_t> first_of(const Day& day, std::int64_t after) const;
    std::optional<std::int64_t> given_hour(const Day& day, std::int64_t after) const;
    std::optional<std::int64_t> every_hour(const Day& day, std::int64_t after) const;
    // The first second at which the clock shows this or, where it is skipped, more.
    std::int64_t moment_of(std::int64_t local) const;

    std::bitset<60> minutes_;
    std::bitset<24> hours_;
    std::bitset<32> days_;
    std::bitset<13> months_;
    std::bitset<7> weekdays_;
    bool any_hour_ = true;
    bool any_day_ = true;
    bool any_weekday_ = true;
    std::string zone_;
};

} // namespace baton::orchestrator::schedule
