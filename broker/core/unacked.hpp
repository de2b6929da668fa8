// The deliveries of a channel that wait for their end, in the order of their tags. One that ends in
// the middle leaves a gap; when gaps are most of what is kept, the living move together, so that
// one delivery nobody acknowledges does not hold a place for every one behind it.
#pragma once

#include "broker/core/queue.hpp"
#include "broker/core/ring.hpp"

#include <cstddef>
#include <cstdint>

namespace baton::broker::core {

struct Consumer;

// A delivered message that waits for its acknowledgement.
struct Unacked {
    Entry entry; // without message: it was delivered from a stream
    // Null: acknowledged. A deleted queue lives on until the last is gone.
    Queue* queue = nullptr;
    Consumer* consumer = nullptr; // null: basic.get, or the consumer is cancelled
    std::uint64_t tag = 0;
    Time until = Time::max();    // then it goes back; Time::max(): may stay
    bool in_transaction = false; // acknowledged in a transaction that is not committed
    bool uses_prefetch = false;  // was sent to a consumer, who may be gone by now

    bool is_open() const { return queue != nullptr; }
};

class UnackedDeliveries {
public:
    // Gaps included; an index is good until trim().
    std::size_t size() const { return kept_.size(); }
    Unacked& operator[](std::size_t index) { return kept_[index]; }
    const Unacked& operator[](std::size_t index) const { return kept_[index]; }
    // How many wait.
    std::size_t open() const { return open_; }
    // How many of those were sent to consumers: what a prefetch of the channel limits.
    std::size_t using_prefetch() const { return using_prefetch_; }

    // Tags rise.
    void add(Entry&& entry, Queue& queue, Consumer* consumer, std::uint64_t tag,
             Time until = Time::max()) {
        kept_.emplace_back(std::move(entry), &queue, consumer, tag, until);
        ++open_;
        if (consumer == nullptr) return;
        kept_[kept_.size() - 1].uses_prefetch = true;
        ++using_prefetch_;
    }

    // The first of this tag or a later one; size() when all are earlier.
    std::size_t first_from(std::uint64_t tag) const {
        if (kept_.empty() || tag > kept_.back().tag) return kept_.size();
        // Where no tag is missing behind it, it is as far from the last as its tag is; otherwise
        // it is nearer.
        const std::uint64_t distance = kept_.back().tag - tag;
        std::size_t low =
            distance < kept_.size() ? kept_.size() - 1 - static_cast<std::size_t>(distance) : 0;
        if (kept_[low].tag >= tag) return low;
        for (std::size_t high = kept_.size() - 1; low + 1 < high;) {
            const std::size_t middle = low + (high - low) / 2;
            (kept_[middle].tag < tag ? low : high) = middle;
        }
        return low + 1;
    }

    // The one of this tag; size() when it does not wait.
    std::size_t find(std::uint64_t tag) const {
        const std::size_t at = first_from(tag);
        return at < kept_.size() && kept_[at].tag == tag && kept_[at].is_open() ? at : kept_.size();
    }

    // It has ended.
    Entry close(Unacked& unacked) {
        Entry entry = std::move(unacked.entry);
        unacked.queue = nullptr;
        unacked.consumer = nullptr;
        --open_;
        if (unacked.uses_prefetch) --using_prefetch_;
        return entry;
    }

    // After some were closed.
    void trim() {
        while (!kept_.empty() && !kept_.front().is_open())
            kept_.drop_front();
        if (kept_.empty()) return kept_.shrink_when_empty();
        if (kept_.size() > gaps_allowed + 2 * open_) move_together();
        kept_.shrink();
    }

private:
    // So few that looking for more is not worth the while.
    static constexpr std::size_t gaps_allowed = 1024;

    // Each moves once for at least one that has ended.
    void move_together() {
        std::size_t to = 0;
        for (std::size_t at = 0; at < kept_.size(); ++at) {
            if (!kept_[at].is_open()) continue;
            if (to != at) kept_[to] = std::move(kept_[at]);
            ++to;
        }
        while (kept_.size() > to)
            kept_.drop_back();
    }

    Ring<Unacked> kept_;
    std::size_t open_ = 0;
    std::size_t using_prefetch_ = 0;
};

} // namespace baton::broker::core
