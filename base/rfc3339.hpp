// Times as people and programs write them; the way back of to_rfc3339().
#pragma once

#include "base/clock.hpp"

#include <optional>
#include <string_view>

namespace baton {

// "2026-01-31T12:04:10Z", with or without a fraction, with Z or an offset as "+02:00". Nothing if it is
// none of these, or no day of the calendar.
std::optional<Time> from_rfc3339(std::string_view text);

} // namespace baton
