// The shares: enough for anybody, less where there is little.
#include "server/memory_shares.hpp"

#include <algorithm>

namespace baton::server {

MemoryShares share_memory(std::uint64_t memory) {
    constexpr std::uint64_t mib = 1024 * 1024;
    // One body of 16 MiB must fit, and a few of the largest runs.
    const auto share = [memory](std::uint64_t part, std::uint64_t least, std::uint64_t most) {
        return static_cast<std::size_t>(std::clamp(memory / part, least * mib, most * mib));
    };
    return {.runs = share(8, 32, 256),
            .http_bodies = share(16, 18, 64),
            .one_heap = memory < 2048 * mib};
}

} // namespace baton::server
