// Durations as workflow files write them: "1h30m", "500ms", "2.5s" is not one. Pure.
#pragma once

#include "base/clock.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace baton {

// Whole numbers with a unit each (ms s m h d), largest unit first, at most a hundred years.
// Nothing if the text is something else.
std::optional<Duration> parse_duration(std::string_view text);

// "1h30m", "0s". The inverse for whole milliseconds.
std::string to_text(Duration duration);

} // namespace baton
