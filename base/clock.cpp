#include "base/clock.hpp"

#include <fmt/format.h>

namespace baton {

Time SystemClock::now() const {
    return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
}

std::string to_rfc3339(Time time) {
    using namespace std::chrono;
    const auto day = floor<days>(time);
    const year_month_day date{day};
    const auto of_day = time - day;
    const auto total_seconds = duration_cast<seconds>(of_day).count();
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                       total_seconds / 3600, total_seconds / 60 % 60, total_seconds % 60,
                       of_day.count() % 1'000'000);
}

} // namespace baton
