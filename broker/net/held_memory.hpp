// What the connections of all I/O threads keep in memory that the core does not see: contents that are
// not complete, bytes that wait for the rest of their frame, output that nobody takes. It counts
// towards the watermark, where it makes publishers wait; what was begun before may grow on, up to a
// second limit. Then every thread looks for who holds most of what its connections keep, and ends
// its part of the excess there.
//
// Between the two limits nobody may sit for ever, either: a message that is never finished would keep
// all publishers waiting. When memory has been short for as long as patience lasts, though the core by
// itself has room, the connections that hold most are ended until publishers may go on.
//
// Any thread.
#pragma once

#include "base/clock.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

namespace baton::broker::net {

class HeldMemory {
public:
    // `low`: the bytes below which publishers go on (core::Options::stored_bytes_low).
    HeldMemory(std::uint64_t watermark, std::uint64_t low, Duration patience)
        : watermark_(watermark), low_(low), patience_(patience) {}

    void add(std::uint64_t bytes) { bytes_.fetch_add(bytes, std::memory_order_relaxed); }
    void take(std::uint64_t bytes) { bytes_.fetch_sub(bytes, std::memory_order_relaxed); }
    std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

    // So much of it is kept by connections that are being ended (`before`: what was said last). It is
    // gone in a moment, and nobody else's connections are ended for it.
    void set_leaving(std::uint64_t before, std::uint64_t now) { leaving_.fetch_add(now - before, std::memory_order_relaxed); }
    std::uint64_t staying_bytes() const {
        const std::uint64_t all = bytes();
        return all - std::min(all, leaving_.load(std::memory_order_relaxed));
    }

    // What the core counted when its turn began; publishers wait by the same rule. On the core's thread.
    void set_core(std::uint64_t core) {
        core_.store(core, std::memory_order_relaxed);
        const std::uint64_t taken = core + bytes();
        if (taken > watermark_) is_short_.store(true, std::memory_order_relaxed);
        if (taken < low_) is_short_.store(false, std::memory_order_relaxed);
    }

    // From time to time, on one thread. True: patience is at its end, and relief is to be asked for.
    bool watch(std::chrono::steady_clock::time_point now) {
        const bool is_theirs = is_short_.load(std::memory_order_relaxed) &&
                               core_.load(std::memory_order_relaxed) < low_;
        if (!is_theirs) short_since_.reset();
        else if (!short_since_) short_since_ = now;
        const bool is_over = short_since_ && now - *short_since_ >= patience_;
        is_impatient_.store(is_over, std::memory_order_relaxed);
        return is_over;
    }
    bool is_impatient() const { return is_impatient_.load(std::memory_order_relaxed); }

    // So many bytes more than may be held. That the core is full is not held against connections:
    // publishers wait for that, and a quarter of the watermark is always theirs.
    std::uint64_t excess() const {
        const std::uint64_t core = std::min(core_.load(std::memory_order_relaxed), watermark_);
        const std::uint64_t most = is_impatient() && core < low_
                                       ? low_ - core
                                       : watermark_ + watermark_ / 4 - core;
        const std::uint64_t now = staying_bytes();
        return now > most ? now - most : 0;
    }

    // What the excess is to so many bytes of it: everybody gives in proportion, so that those of a
    // thread that holds little are not ended for what another one's hold.
    std::uint64_t part_of_excess(std::uint64_t held) const {
        const std::uint64_t all = std::max(staying_bytes(), std::uint64_t{1});
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
    const std::uint64_t low_;
    const Duration patience_;
    std::vector<std::function<void()>> relieve_;
    std::optional<std::chrono::steady_clock::time_point> short_since_; // of watch()
    std::atomic<std::uint64_t> bytes_{0};
    std::atomic<std::uint64_t> leaving_{0};
    std::atomic<std::uint64_t> core_{0};
    std::atomic<bool> is_short_{false};
    std::atomic<bool> is_impatient_{false};
};

} // namespace baton::broker::net
