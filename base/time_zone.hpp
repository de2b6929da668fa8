// Time zones by their names in the IANA database ("Europe/Berlin"). The rules are the machine's
// (/usr/share/zoneinfo, Debian's package tzdata), so they follow the law with its updates; each thread
// reads a zone once.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace baton {

// Seconds east of UTC at a moment, given in seconds since 1970. Nothing: the machine knows no such zone.
std::optional<std::int64_t> zone_offset(std::string_view zone, std::int64_t moment);

// Whether the machine knows any.
bool has_zones();

} // namespace baton
