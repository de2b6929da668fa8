// Timestamps and durations from text, and the calendar fields of a timestamp. Private to this room.
#pragma once

#include "orchestrator/expression/value.hpp"

#include <optional>
#include <string_view>

namespace baton::orchestrator::expression {

// Years 1 to 9999.
constexpr std::int64_t timestamp_seconds_min = -62'135'596'800;
constexpr std::int64_t timestamp_seconds_max = 253'402'300'799;

// RFC 3339: "2026-01-31T12:04:10.5+01:00". Nothing if it is no such text or out of range.
std::optional<Timestamp> timestamp_from_text(std::string_view text);

// "1h30m", "-1.5s", "250ms", "2d"; units d h m s ms us ns. Nothing if no such text or out of range.
std::optional<Span> span_from_text(std::string_view text);

// Seconds east of UTC of "UTC", "Z", "+02:00" or "-05:30". Nothing for anything else.
std::optional<std::int64_t> offset_of_zone(std::string_view zone);

// Nothing when out of range.
std::optional<Timestamp> moved_by(Timestamp timestamp, Span span);
std::optional<Span> difference(Timestamp later, Timestamp earlier);

struct CalendarFields {
    std::int64_t year = 0;
    std::int64_t month = 0;       // 0 to 11, as CEL counts
    std::int64_t day = 0;         // 1 to 31
    std::int64_t day_of_week = 0; // 0 is Sunday
    std::int64_t day_of_year = 0; // 0 to 365
    std::int64_t hours = 0;
    std::int64_t minutes = 0;
    std::int64_t seconds = 0;
    std::int64_t milliseconds = 0;
};

CalendarFields calendar_fields(Timestamp timestamp, std::int64_t offset_seconds);

} // namespace baton::orchestrator::expression
