// What went over a connection's socket, in the handshake, too; TLS around it is not counted. The
// I/O threads know it.
#pragma once

#include "broker/core/ids.hpp"

#include <cstdint>
#include <utility>
#include <vector>

namespace baton::broker::core {

struct Traffic {
    std::uint64_t received_bytes = 0;
    std::uint64_t reads = 0;
    std::uint64_t sent_bytes = 0;
    std::uint64_t writes = 0;
    std::uint64_t waiting_bytes = 0; // that the client's kernel does not take now
};

using TrafficList = std::vector<std::pair<ConnectionId, Traffic>>;

} // namespace baton::broker::core
