// What the connections of all I/O threads keep in memory that the core does not see: contents that are
// not complete, bytes that wait for the rest of their frame, output that nobody takes. It counts
// towards the watermark, where it makes publishers wait; what was begun before may grow on, up to a
// second limit. Then every thread looks for who holds most of what its connections keep, and ends
// its part of the excess there.
//
// Any thread.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace baton::broker::net {

class HeldMemory {
public:
    explicit HeldMemory(std::uint64_t watermark) : watermark_(watermark) {}

    void add(std::uint64_t bytes) { bytes_.fetch_add(bytes, std::memory_order_relaxed); }
    void take(std::uint64_t bytes) { bytes_.fetch_sub(bytes, std::memory_order_relaxed); }
    std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

    // What the core counted when its turn began.
    void set_core(std::uint64_t bytes) { core_.store(bytes, std::memory_order_relaxed); }

    // So many bytes more than may be held. That the core is full is not held against connections:
    // publishers wait for that, and a quarter of the watermark is always theirs.
    std::uint64_t excess() const {
        const std::uint64_t core = std::min(core_.load(std::memory_order_relaxed), watermark_);
        const std::uint64_t most = watermark_ + watermark_ / 4 - core;
        const std::uint64_t now = bytes();
        return now > most ? now - most : 0;
    }

    // What the excess is to so many bytes of it: everybody gives in proportion, so that those of a
    // thread that holds little are not ended for what another one's hold.
    std::uint64_t part_of_excess(std::uint64_t held) const {
        const std::uint64_t all = std::max(bytes(), std::uint64_t{1});
        const double part = static_cast<double>(std::min(held, all)) / static_cast<double>(all);
        return static_cast<std::uint64_t>(static_cast<double>(excess()) * part);
    }

    // `call` comes on whatever thread asks for relief. To be set before the threads begin.
    void when_relief_is_asked(std::function<void()> call) { relieve_.push_back(std::move(call)); }
    void ask_for_relief() const {
        for (const auto& call : relieve_)
            call();
    }

private:
    const std::uint64_t watermark_;
    std::vector<std::function<void()>> relieve_;
    std::atomic<std::uint64_t> bytes_{0};
    std::atomic<std::uint64_t> core_{0};
};

} // namespace baton::broker::net
