// Time as values. Cores receive `Time` with each event and never read a clock; edges own a Clock.
// One of the three seams: SystemClock in products, a simulated clock in tests.
#pragma once

#include <chrono>
#include <string>

namespace baton {

using Duration = std::chrono::microseconds;
// Wall time since the Unix epoch, microseconds. Deadlines are stored, so they must be wall time.
using Time = std::chrono::time_point<std::chrono::system_clock, Duration>;

constexpr Time time_from_micros(std::int64_t micros) { return Time{Duration{micros}}; }
constexpr std::int64_t micros_of(Time time) { return time.time_since_epoch().count(); }
constexpr std::int64_t millis_of(Time time) { return time.time_since_epoch().count() / 1000; }

class Clock {
public:
    virtual ~Clock() = default;
    virtual Time now() const = 0;
};

class SystemClock final : public Clock {
public:
    Time now() const override;
};

// "2026-01-31T12:04:10.123456Z", always UTC.
std::string to_rfc3339(Time time);

} // namespace baton
