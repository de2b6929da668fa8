// How the memory there is is shared out, so that all parts full at once still fit: two fifths are
// the broker's (BrokerService), and a quarter of those above its watermark; what is left of the
// rest is the program, its threads and what lives for a moment.
#pragma once

#include <cstddef>
#include <cstdint>

namespace baton::server {

struct MemoryShares {
    std::size_t runs = 0; // at hand, and messages that wait for the broker
    std::size_t http_bodies =
        0; // of requests, together; and as much for answers that nobody has read yet
    // The C library gives each thread a heap of its own, and what one leaves free no other one
    // takes: the threads' peaks add up, though they do not come at once. Where there is little, one
    // for all.
    bool one_heap = false;
};

// `memory` is what the process may have at most, in bytes.
MemoryShares share_memory(std::uint64_t memory);

} // namespace baton::server
