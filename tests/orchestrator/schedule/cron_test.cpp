// When cron expressions fire: the calendar, and the nights on which clocks jump.
#include "base/rfc3339.hpp"
#include "base/time_zone.hpp"
#include "orchestrator/schedule/cron.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace baton::orchestrator::schedule {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

Cron cron(std::string_view text, std::string_view zone = "UTC") {
    auto parsed = Cron::parse(text, zone);
    EXPECT_TRUE(parsed) << text << ": " << parsed.error().detail;
    return *parsed;
}

std::vector<std::string> times(const Cron& when, std::string_view after, std::size_t count) {
    std::vector<std::string> out;
    Time now = *from_rfc3339(after);
    for (std::size_t at = 0; at < count; ++at) {
        now = *when.next(now);
        std::string text = to_rfc3339(now);
        out.push_back(text.substr(0, 16));
    }
    return out;
}

TEST(Cron, TheCalendar) {
    EXPECT_THAT(times(cron("*/20 9-10 * * mon-fri"), "2026-01-02T10:10:00Z", 4),
                ElementsAre("2026-01-02T10:20", "2026-01-02T10:40", "2026-01-05T09:00",
                            "2026-01-05T09:20"));
    EXPECT_THAT(times(cron("0 0 29 2 *"), "2026-01-01T00:00:00Z", 2),
                ElementsAre("2028-02-29T00:00", "2032-02-29T00:00"));
    EXPECT_THAT(times(cron("0 12 13 * 5"), "2026-02-01T00:00:00Z", 4), // the 13th, and Fridays
                ElementsAre("2026-02-06T12:00", "2026-02-13T12:00", "2026-02-20T12:00",
                            "2026-02-27T12:00"));
    EXPECT_THAT(times(cron("0 0 31 * *"), "2026-01-31T00:00:00Z", 2),
                ElementsAre("2026-03-31T00:00", "2026-05-31T00:00"));
    EXPECT_THAT(times(cron("@weekly"), "2026-01-01T00:00:00Z", 1), ElementsAre("2026-01-04T00:00"));
    EXPECT_THAT(times(cron("5/20 * * * 7"), "2026-01-03T23:59:59Z", 3),
                ElementsAre("2026-01-04T00:05", "2026-01-04T00:25", "2026-01-04T00:45"));
    EXPECT_THAT(times(cron("30 6 1 JAN,jul *", "Asia/Kolkata"), "2026-01-02T00:00:00Z", 1),
                ElementsAre("2026-07-01T01:00"));
}

TEST(Cron, ItIsNeverTheMomentItself) {
    const Cron daily = cron("0 0 * * *");
    EXPECT_EQ(*daily.next(*from_rfc3339("2026-01-01T00:00:00Z")),
              *from_rfc3339("2026-01-02T00:00:00Z"));
    EXPECT_EQ(*daily.next(*from_rfc3339("2025-12-31T23:59:59.999Z")),
              *from_rfc3339("2026-01-01T00:00:00Z"));
    EXPECT_EQ(*daily.next(*from_rfc3339("1969-12-30T12:00:00Z")),
              *from_rfc3339("1969-12-31T00:00:00Z"));
}

TEST(Cron, ATimeThatIsSkippedComesAtTheJumpAndOneThatComesTwiceOnce) {
    // Berlin: 02:00 to 03:00 on 29 March 2026, back from 03:00 on 25 October.
    EXPECT_THAT(times(cron("15 2 * * *", "Europe/Berlin"), "2026-03-28T00:00:00Z", 3),
                ElementsAre("2026-03-28T01:15", "2026-03-29T01:00", "2026-03-30T00:15"));
    EXPECT_THAT(times(cron("15 2 * * *", "Europe/Berlin"), "2026-10-24T00:00:00Z", 3),
                ElementsAre("2026-10-24T00:15", "2026-10-25T00:15", "2026-10-26T01:15"));
    // Lord Howe jumps by half an hour: 02:00 to 02:30 on 4 October 2026, back from 02:00 on 5
    // April.
    EXPECT_THAT(times(cron("15 2 * * *", "Australia/Lord_Howe"), "2026-10-02T16:00:00Z", 3),
                ElementsAre("2026-10-03T15:30", "2026-10-04T15:15", "2026-10-05T15:15"));
    EXPECT_THAT(times(cron("45 1 * * *", "Australia/Lord_Howe"), "2026-04-03T16:00:00Z", 2),
                ElementsAre("2026-04-04T14:45", "2026-04-05T15:15"));
    // Two times within what is skipped are one.
    EXPECT_THAT(times(cron("0,30 2 * * *", "Europe/Berlin"), "2026-03-28T02:00:00Z", 3),
                ElementsAre("2026-03-29T01:00", "2026-03-30T00:00", "2026-03-30T00:30"));
}

TEST(Cron, EveryHourIsEveryHourThereIs) {
    EXPECT_THAT(times(cron("30 * * * *", "Europe/Berlin"), "2026-03-28T23:45:00Z", 3),
                ElementsAre("2026-03-29T00:30", "2026-03-29T01:30", "2026-03-29T02:30"));
    EXPECT_THAT(times(cron("30 * * * *", "Europe/Berlin"), "2026-10-24T23:45:00Z", 3),
                ElementsAre("2026-10-25T00:30", "2026-10-25T01:30", "2026-10-25T02:30"));
    // 25 hours on the day the clock goes back.
    std::size_t hours = 0;
    const Cron hourly = cron("@hourly", "Europe/Berlin");
    for (Time now = *from_rfc3339("2026-10-24T21:59:00Z");
         (now = *hourly.next(now)) < *from_rfc3339("2026-10-25T23:00:00Z");)
        ++hours;
    EXPECT_EQ(hours, 25U);
}

class EachDayOfAYear : public testing::TestWithParam<const char*> {};

TEST_P(EachDayOfAYear, HasItsTimeOnceWhateverTheHour) {
    if (!has_zones()) GTEST_SKIP() << "tzdata is not installed";
    for (int hour = 0; hour < 24; ++hour)
        for (const int minute : {0, 15, 45}) {
            const Cron daily =
                cron(std::to_string(minute) + " " + std::to_string(hour) + " * * *", GetParam());
            // From noon to noon: no clock jumps at noon.
            Time now = *from_rfc3339("2026-01-01T12:00:00Z") -
                       std::chrono::seconds(*zone_offset(GetParam(), 1767268800));
            const Time end = *from_rfc3339("2027-01-01T12:00:00Z") -
                             std::chrono::seconds(*zone_offset(GetParam(), 1767268800));
            std::set<std::int64_t> days;
            std::size_t fired = 0;
            while ((now = *daily.next(now)) <= end) {
                const auto seconds =
                    std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()).count();
                days.insert((seconds + *zone_offset(GetParam(), seconds)) / 86400);
                ++fired;
            }
            EXPECT_EQ(fired, 365U) << hour << ":" << minute;
            EXPECT_EQ(days.size(), 365U) << hour << ":" << minute;
        }
}

INSTANTIATE_TEST_SUITE_P(Zones, EachDayOfAYear,
                         testing::Values("Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata",
                                         "America/New_York", "UTC"));

TEST(Cron, WhatIsWrongIsNamed) {
    const auto said = [](std::string_view text, std::string_view zone = "UTC") {
        const auto parsed = Cron::parse(text, zone);
        return parsed ? std::string("nothing") : parsed.error().detail;
    };
    EXPECT_THAT(said("* * * *"), HasSubstr("five fields"));
    EXPECT_THAT(said(""), HasSubstr("not 0"));
    EXPECT_THAT(said("60 * * * *"),
                "minute '60': it is *, a number from 0 to 59, a range as 1-5, or a list of these");
    EXPECT_THAT(said("* 5-1 * * *"), "hour '5-1': a range goes from the smaller to the larger");
    EXPECT_THAT(said("*/0 * * * *"), "minute '*/0': behind / stands a number from 1 to 59");
    EXPECT_THAT(said("* * * foo *"), HasSubstr("month 'foo'"));
    EXPECT_THAT(said("1,,2 * * * *"), HasSubstr("minute ''"));
    EXPECT_THAT(said("0 0 31 2 *"), "there is no such day in any year");
    EXPECT_THAT(said("* * * * *", "Europe/Berln"),
                "there is no time zone 'Europe/Berln'; it is called as in Europe/Berlin");
}

} // namespace
} // namespace baton::orchestrator::schedule
