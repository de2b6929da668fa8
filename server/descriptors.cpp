// The shares, small and large.
#include "server/descriptors.hpp"

#include <algorithm>

namespace baton::server {

DescriptorShares share_descriptors(std::size_t limit, std::size_t io_threads) {
    // A server at rest has 26 open and opens about as many for segments, pages, sessions of the
    // database and files of workflows; an I/O thread has three.
    constexpr std::size_t house = 42;
    constexpr std::size_t per_thread = 3;
    constexpr std::size_t http_max = 1000;
    constexpr std::size_t metrics_max = 16;
    // Even then somebody can look and somebody can work, for as long as it goes well.
    constexpr std::size_t least = 4;
    if (limit == 0) return {0, http_max, metrics_max};
    const std::size_t kept = house + per_thread * io_threads;
    const std::size_t free = limit > kept ? limit - kept : 0;
    DescriptorShares shares;
    shares.http = std::clamp(free / 8, least, http_max);
    shares.metrics = std::clamp(free / 32, std::size_t{2}, metrics_max);
    shares.amqp = std::max(free - std::min(free, shares.http + shares.metrics), least);
    return shares;
}

} // namespace baton::server
