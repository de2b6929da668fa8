// What the sandbox's services share: one world, one fault switch, the options. Lives on the
// sandbox's thread, like everybody who touches it.
#pragma once

#include "sandbox/faults.hpp"
#include "sandbox/options.hpp"
#include "sandbox/world.hpp"

namespace baton::sandbox {

struct Room {
    Options options;
    World world;
    Faults faults;
    int open_connections = 0;
};

// More than any test needs; the next connection is closed at once.
inline constexpr int connections_max = 512;
inline constexpr std::size_t http_body_bytes_max = 1 << 20;
inline constexpr std::size_t mail_bytes_max = 1 << 20;

} // namespace baton::sandbox
