// timestamp, duration, and the calendar and clock fields of both.
#include "base/time_zone.hpp"
#include "orchestrator/expression/functions.hpp"
#include "orchestrator/expression/time_text.hpp"

#include <fmt/format.h>

namespace baton::orchestrator::expression {

namespace {

using Arguments = std::span<const Value>;

constexpr std::int64_t nanos_per_second = 1'000'000'000;

bool to_timestamp(Work& work, Arguments arguments, Value& result) {
    const Value& value = arguments[0];
    if (value.kind() == Kind::timestamp) {
        result = value;
        return true;
    }
    if (value.kind() == Kind::integer) {
        const std::int64_t seconds = value.as_integer();
        if (seconds < timestamp_seconds_min || seconds > timestamp_seconds_max)
            return work.fail(ErrorKind::arithmetic, "the time is outside the years 1 to 9999");
        result = Value::timestamp({seconds, 0});
        return true;
    }
    const auto timestamp = timestamp_from_text(value.as_text());
    if (!timestamp)
        return work.fail(ErrorKind::argument,
                         "no time of the form 2026-01-31T12:00:00Z or 2026-01-31T12:00:00+01:00");
    result = Value::timestamp(*timestamp);
    return true;
}

bool to_duration(Work& work, Arguments arguments, Value& result) {
    const Value& value = arguments[0];
    if (value.kind() == Kind::duration) {
        result = value;
        return true;
    }
    const auto span = span_from_text(value.as_text());
    if (!span)
        return work.fail(ErrorKind::argument,
                         "no duration of the form 1h30m; units are d h m s ms us ns");
    result = Value::duration(*span);
    return true;
}

template <std::int64_t CalendarFields::* Field, int Added = 0>
bool calendar(Work& work, Arguments arguments, Value& result) {
    std::int64_t offset = 0;
    if (arguments.size() > 1) {
        const std::string_view name = arguments[1].as_text();
        auto zone = offset_of_zone(name);
        if (!zone) zone = zone_offset(name, arguments[0].as_timestamp().seconds);
        if (!zone)
            return work.fail(ErrorKind::argument,
                             fmt::format("there is no time zone '{}'; a zone is 'UTC', an offset as '+02:00', or a name "
                                         "as 'Europe/Berlin'{}",
                                         name.substr(0, 60),
                                         has_zones() ? "" : ", for which this machine lacks the package tzdata"));
        offset = *zone;
    }
    result = Value::integer(calendar_fields(arguments[0].as_timestamp(), offset).*Field + Added);
    return true;
}

// Of a duration: the whole of it in this unit, except milliseconds, which are those within a
// second.
template <std::int64_t CalendarFields::* Field, std::int64_t Nanos>
bool clock_field(Work& work, Arguments arguments, Value& result) {
    if (arguments[0].kind() == Kind::timestamp) return calendar<Field>(work, arguments, result);
    if (arguments.size() > 1)
        return work.fail(ErrorKind::no_overload, "a duration has no time zone");
    const std::int64_t nanos = arguments[0].as_duration().nanos;
    const bool within_second = Nanos < nanos_per_second;
    result = Value::integer((within_second ? nanos % nanos_per_second : nanos) / Nanos);
    return true;
}

constexpr Kinds moments = kinds(Kind::timestamp);
constexpr Kinds both = kinds(Kind::timestamp, Kind::duration);
constexpr Kinds zones = kinds(Kind::text);

constexpr Function time_table[] = {
    {"timestamp",
     to_timestamp,
     1,
     1,
     {kinds(Kind::text, Kind::integer, Kind::timestamp)},
     Kind::timestamp,
     true},
    {"duration", to_duration, 1, 1, {kinds(Kind::text, Kind::duration)}, Kind::duration, true},
    {"getFullYear", calendar<&CalendarFields::year>, 1, 2, {moments, zones}, Kind::integer},
    {"getMonth", calendar<&CalendarFields::month>, 1, 2, {moments, zones}, Kind::integer},
    {"getDate", calendar<&CalendarFields::day>, 1, 2, {moments, zones}, Kind::integer},
    {"getDayOfMonth", calendar<&CalendarFields::day, -1>, 1, 2, {moments, zones}, Kind::integer},
    {"getDayOfWeek", calendar<&CalendarFields::day_of_week>, 1, 2, {moments, zones}, Kind::integer},
    {"getDayOfYear", calendar<&CalendarFields::day_of_year>, 1, 2, {moments, zones}, Kind::integer},
    {"getHours",
     clock_field<&CalendarFields::hours, 3'600 * nanos_per_second>,
     1,
     2,
     {both, zones},
     Kind::integer},
    {"getMinutes",
     clock_field<&CalendarFields::minutes, 60 * nanos_per_second>,
     1,
     2,
     {both, zones},
     Kind::integer},
    {"getSeconds",
     clock_field<&CalendarFields::seconds, nanos_per_second>,
     1,
     2,
     {both, zones},
     Kind::integer},
    {"getMilliseconds",
     clock_field<&CalendarFields::milliseconds, 1'000'000>,
     1,
     2,
     {both, zones},
     Kind::integer},
};

} // namespace

std::span<const Function> time_functions() {
    return time_table;
}

} // namespace baton::orchestrator::expression
