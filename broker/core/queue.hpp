// A queue: ready messages in order, by priority when it knows priorities, with its limits and its
// consumers. Messages that were delivered and wait for their acknowledgement are held by channels;
// the queue only counts them. Owned by State; lives on the core's thread.
//
// Order: every message gets a position when it arrives and keeps it. A returned message goes back to
// where its position belongs, so returning in any order restores the order.
//
// A long backlog is mostly not in memory:   head (in memory) │ blocks (on disk) │ tail (in memory).
// Consumers take from the head, publishers append to the tail; without blocks there is only a head.
// What was returned goes to the head, since only what was in the head can have been delivered.
#pragma once

#include "amqp/field_table.hpp"
#include "base/clock.hpp"
#include "broker/core/deduplicator.hpp"
#include "broker/core/ids.hpp"
#include "broker/core/message.hpp"
#include "broker/core/overview.hpp"
#include "broker/core/paged_block.hpp"
#include "broker/core/queue_settings.hpp"
#include "broker/core/ring.hpp"

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace baton::broker::core {

class Exchange;
struct AppliedPolicy;
class Stream;
struct Consumer;
struct Vhost;

// A message in a queue, or on its way from one to a consumer.
struct Entry {
    MessageRef message;
    Position position = 0;
    Time expires_at = Time::max(); // Time::max(): never
    std::uint32_t delivery_count = 0;
    bool redelivered = false;
};

// Consumers of one queue that can take a message now, by priority, round robin within one. Intrusive
// and doubly linked, so that joining and leaving cost nothing and nobody is searched for.
class ReadyConsumers {
public:
    bool empty() const { return lanes_.empty(); }
    // The next one of the highest priority.
    Consumer* first() const;
    void add(Consumer& consumer); // to the end of its lane
    void remove(Consumer& consumer);
    void rotate(Consumer& consumer); // from the front to the end of its lane

private:
    struct Lane {
        std::int32_t priority = 0;
        Consumer* first = nullptr;
        Consumer* last = nullptr;
    };
    Lane* lane_of(std::int32_t priority);

    std::vector<Lane> lanes_; // highest priority first; nearly always one
};

class Queue {
public:
    struct Identity {
        QueueId id;
        std::string name;
        Vhost* vhost = nullptr;
        bool durable = false;
        bool auto_delete = false;
        ConnectionId exclusive_to; // 0: not exclusive
        amqp::FieldTable arguments;
    };

    // Not declared yet: replay met its messages first.
    explicit Queue(QueueId id);
    Queue(Identity identity, QueueSettings settings);
    ~Queue();
    Queue(const Queue&) = delete;
    Queue& operator=(const Queue&) = delete;

    const Identity& identity() const { return identity_; }
    QueueId id() const { return identity_.id; }
    const std::string& name() const { return identity_.name; }
    const QueueSettings& settings() const { return settings_; }
    QueueKind kind() const {
        if (settings_.stream) return QueueKind::stream;
        return settings_.quorum ? QueueKind::quorum : QueueKind::classic;
    }
    bool is_exclusive() const { return identity_.exclusive_to != ConnectionId{}; }
    // Do its messages and itself belong into the journal? An exclusive queue ends with its
    // connection, at the latest with the process.
    bool is_recorded() const { return recorded_; }
    // After a restart: what replay left unsaid until the declaration came.
    void become(Identity identity, QueueSettings settings);
    // A policy came or went. What only a declaration decides stays as it is.
    void settle(QueueSettings settings) { settings_ = std::move(settings); }
    bool is_declared() const { return declared_; }

    // --- Ready messages --------------------------------------------------------------------------

    // In memory or not.
    std::uint64_t ready() const { return ready_; }
    std::uint64_t ready_bytes() const { return ready_bytes_; }
    Position next_position() const { return next_position_; }
    Position take_position() { return next_position_++; }

    // What a stream holds counts as ready; streams.cpp.
    void stream_grew(std::uint64_t bytes) {
        ready_ += 1;
        ready_bytes_ += bytes;
    }
    void stream_shrank(std::uint64_t messages, std::uint64_t bytes) {
        ready_ -= messages;
        ready_bytes_ -= bytes;
    }

    // Behind everything of its priority; the entry has a position from take_position().
    void push(Entry&& entry) {
        ready_ += 1;
        ready_bytes_ += entry.message->body_size();
        if (settings_.delays_for) [[unlikely]] return push_delayed(std::move(entry));
        level_of(*entry.message).end().push_back(std::move(entry));
    }
    // To where its position belongs.
    void put_back(Entry entry);
    // The same for many, sorted by position.
    void put_back_all(std::vector<Entry> sorted);

    // Is the message the next consumer gets there? False with ready() not 0: it has to be loaded.
    bool has_front() const {
        return paged_ == 0 ? ready_ != 0 : ready_ != 0 && !levels_[front_level()].head.empty();
    }
    // That message; only when has_front().
    Entry& front() { return levels_[front_level()].head.front(); }
    Entry pop() { return pop_from(levels_[front_level()]); }
    // A message at the head of any priority whose time has come.
    std::optional<Entry> pop_expired(Time now);
    // The message a full queue drops first: the oldest of the lowest priority. Nothing: there is
    // none, or it has to be loaded.
    std::optional<Entry> pop_to_drop();

    // When a head expires; Time::max(): never.
    Time next_expiry() const;

    bool is_over_limit() const {
        return (settings_.length_max && ready_ > *settings_.length_max) ||
               (settings_.bytes_max && ready_bytes_ > *settings_.bytes_max);
    }
    // Would a message more be one too many? What reject-publish asks.
    bool is_full() const {
        return (settings_.length_max && ready_ + held >= *settings_.length_max) ||
               (settings_.bytes_max && ready_bytes_ + held_bytes >= *settings_.bytes_max);
    }

    // Those in memory.
    template <typename Visit>
    void each_ready(Visit&& visit) const {
        for (const auto& [key, entry] : delayed_) visit(entry);
        for (auto level = levels_.rbegin(); level != levels_.rend(); ++level) {
            for (std::size_t at = 0; at < level->head.size(); ++at) visit(level->head[at]);
            if (!level->backlog) continue;
            const Ring<Entry>& tail = level->backlog->tail;
            for (std::size_t at = 0; at < tail.size(); ++at) visit(tail[at]);
        }
    }

    // --- Blocks: what is not in memory; paging.cpp ------------------------------------------------

    // After a crash nobody knows what was delivered: everything older than this counts as redelivered.
    bool is_redelivered(const PagedEntry& entry) const {
        return entry.redelivered || entry.position < redelivered_below_;
    }
    // Then it may have left before the crash, too, without the journal hearing of it in time, and
    // what it becomes may have been delivered. The mark of such a one counts no delivery.
    bool may_have_left_before(const Entry& entry) const {
        return (entry.position != 0 && entry.position < redelivered_below_) ||
               (entry.redelivered && entry.delivery_count == 0);
    }

    std::uint64_t paged() const { return paged_; }
    std::uint64_t resident() const { return ready_ - paged_; }

    template <typename Visit>
    void each_block(Visit&& visit) const {
        for (std::size_t level = 0; level < levels_.size(); ++level)
            if (levels_[level].backlog)
                for (const PagedBlock& block : levels_[level].backlog->blocks) visit(level, block);
    }
    // Nothing of it may be paged: it is ordered by time, or must know every message it holds.
    bool stays_in_memory() const { return settings_.delays_for || deduplicator != nullptr; }
    // Does time pass for a message that is not in memory and comes next?
    bool next_block_expires() const {
        return std::any_of(levels_.begin(), levels_.end(), [](const Level& level) {
            return level.backlog && level.backlog->blocks.front().expires();
        });
    }
    // How much of a backlog stays in memory at its head, and how large a block is.
    struct PageSizes {
        std::size_t window_entries = 0;
        std::size_t block_entries = 0;
        std::uint64_t block_bytes = 0;
    };
    // Entries that become the next block, oldest first; empty: there are not enough, or the first
    // one may not leave. The caller must give the block to add_block() of this level.
    struct BlockPlace {
        std::size_t level = 0;
        bool in_front = false; // of the other blocks: what was returned to a long head
    };
    template <typename May>
    std::vector<Entry> take_for_block(const PageSizes& sizes, BlockPlace& place, May&& may);
    void add_block(BlockPlace place, PagedBlock&& block);
    // The block that the head of some priority will want next, when the head is short.
    PagedBlock* block_to_load(const PageSizes& sizes);
    PagedBlock* find_block(std::size_t level, BlockId id);
    // Is it the first of its level, behind a head that is short?
    bool is_wanted(std::size_t level, const PagedBlock& block, const PageSizes& sizes) const;
    // Its messages are there: they become the end of the head.
    void unpage(std::size_t level, std::vector<Entry> entries);
    // Takes all blocks out; their messages are gone.
    std::vector<PagedBlock> drop_blocks();

    // --- Replay: fast for what comes in order, right for what does not -----------------------------

    // A stored message as the journal tells of it; its content stays there.
    struct Replayed {
        PagedEntry entry;
        std::uint8_t priority = 0;
        bool removed = false;
    };
    // It is one from now on; what replay met before moves into it.
    void become_stream(std::unique_ptr<Stream> stream);
    // Takes the place of what was said of the same position before.
    void replay_stored(const Replayed& stored);
    void replay_removed(Position first, Position last);
    void replay_returned(Position position, std::uint32_t delivery_count);
    // The journal has ended: what was replayed becomes ready, as blocks with numbers from `next_id`.
    template <typename NextId>
    void finish_replay(bool mark_redelivered, const PageSizes& sizes, NextId&& next_id);

    // --- What others keep here, each owned by the file named -------------------------------------

    // streams.cpp: null: a queue that forgets what is acknowledged. With a stream it has no ready
    // messages of its own, and what this class says about them is not for it.
    std::unique_ptr<Stream> stream;
    // deliver.cpp
    bool due = false;
    // paging.cpp: listed as one with more in memory than it needs.
    bool is_pageable = false;
    ReadyConsumers ready_consumers;
    // consume.cpp: in the order they came.
    std::vector<Consumer*> consumers;
    Consumer* exclusive_consumer = nullptr;
    Consumer* active_consumer = nullptr;
    bool had_consumer = false;
    // settle.cpp: delivered, not acknowledged.
    std::uint64_t unacked = 0;
    std::uint64_t unacked_bytes = 0;
    // state.cpp: the bindings to this queue and their sources.
    std::map<std::uint64_t, Exchange*> bound_to;
    bool deleted = false;
    // state.cpp: what settings() takes from policies; null: nothing.
    std::shared_ptr<const AppliedPolicy> policy;
    // held_letters.cpp: its dead that nobody has taken yet.
    std::uint64_t held = 0;
    std::uint64_t held_bytes = 0;
    // publish.cpp: null: takes the same message as often as it comes.
    std::unique_ptr<Deduplicator> deduplicator;
    // deliver.cpp: the deadline that stands for this queue, so that it is not moved per message.
    Time armed = Time::max();
    Time used_at{};
    // exchange.cpp: the last route that collected this queue.
    std::uint64_t route_mark = 0;
    MessageCounters counters;

private:
    // What does not fit into memory, and what came after it.
    struct Backlog {
        std::deque<PagedBlock> blocks; // positions rise
        Ring<Entry> tail;
    };
    // The messages of one priority.
    struct Level {
        Ring<Entry> head;
        std::unique_ptr<Backlog> backlog; // null: everything is in the head

        bool empty() const { return head.empty() && backlog == nullptr; }
        Ring<Entry>& end() { return backlog ? backlog->tail : head; }
    };

    std::size_t level_index(std::uint8_t priority) const {
        return std::min<std::size_t>(priority, settings_.priority_max);
    }
    Level& level_of(const Message& message) {
        return levels_.size() == 1 ? levels_[0] : levels_[level_index(message.priority())];
    }
    Entry pop_from(Level& level) {
        Entry entry = level.head.pop_front();
        level.head.shrink_when_empty();
        ready_ -= 1;
        ready_bytes_ -= entry.message->body_size();
        return entry;
    }
    void push_delayed(Entry&& entry);
    Entry pop_delayed();
    std::size_t front_level() const {
        std::size_t level = levels_.size() - 1;
        while (level != 0 && levels_[level].empty()) --level;
        return level;
    }
    // How many entries of this queue weigh that much, about; at least 1.
    std::size_t entries_in(std::uint64_t bytes) const {
        const std::uint64_t weight = ready_ == 0 ? 0 : ready_bytes_ / ready_;
        return static_cast<std::size_t>(bytes / (weight + 1) + 1);
    }
    bool is_short(const Level& level, const PageSizes& sizes) const;
    static void begin_backlog(Level& level, std::size_t kept);
    static void end_backlog(Level& level);
    void finish_stream_replay(const std::function<BlockId()>& next_id);
    Replayed* replay_find(Position position);
    void replay_sort();

    Identity identity_;
    QueueSettings settings_;
    bool recorded_ = false;
    bool declared_ = false;
    std::uint64_t ready_ = 0;
    std::uint64_t ready_bytes_ = 0;
    Position next_position_ = 1;
    Position redelivered_below_ = 0;
    std::uint64_t paged_ = 0; // of those
    std::vector<Level> levels_; // by priority, lowest first
    // Instead of levels_, of a queue that delays: by the time they are due.
    std::map<std::pair<Time, Position>, Entry> delayed_;

    struct Replay {
        Ring<Replayed> ascending;
        std::map<Position, Replayed> out_of_order;
    };
    std::unique_ptr<Replay> replay_;
};

template <typename May>
std::vector<Entry> Queue::take_for_block(const PageSizes& sizes, BlockPlace& place, May&& may) {
    const std::size_t full = std::min(sizes.block_entries, entries_in(sizes.block_bytes));
    const std::size_t window = std::min(sizes.window_entries, entries_in(2 * sizes.block_bytes));
    std::vector<Entry> taken;
    for (place.level = 0; place.level < levels_.size(); ++place.level) {
        Level& from = levels_[place.level];
        place.in_front = from.backlog && from.head.size() >= window + full && may(from.head.back());
        if (place.in_front) {
            while (taken.size() < full && may(from.head.back()))
                taken.push_back(from.head.take(from.head.size() - 1));
            from.head.shrink();
            std::reverse(taken.begin(), taken.end());
            return taken;
        }
        const std::size_t kept = from.backlog ? 0 : window;
        if (from.end().size() < kept + full || !may(from.end()[kept])) continue;
        if (!from.backlog) begin_backlog(from, kept);
        Ring<Entry>& tail = from.backlog->tail;
        taken.reserve(full);
        std::uint64_t bytes = 0;
        while (!tail.empty() && taken.size() < sizes.block_entries && bytes < sizes.block_bytes &&
               may(tail.front())) {
            bytes += tail.front().message->body_size();
            taken.push_back(tail.pop_front());
        }
        tail.shrink();
        return taken;
    }
    return taken;
}

template <typename NextId>
void Queue::finish_replay(bool mark_redelivered, const PageSizes& sizes, NextId&& next_id) {
    if (stream) return finish_stream_replay(next_id);
    if (!replay_) return;
    replay_sort();
    std::vector<std::optional<PagedBlock>> open(levels_.size());
    Ring<Replayed>& all = replay_->ascending;
    for (std::size_t at = 0; at < all.size(); ++at) {
        Replayed& one = all[at];
        if (one.removed) continue;
        const std::size_t level = settings_.delays_for ? 0 : level_index(one.priority);
        std::optional<PagedBlock>& block = open[level];
        if (!block) block.emplace(next_id());
        block->add(one.entry);
        ready_ += 1;
        ready_bytes_ += one.entry.body_bytes;
        if (block->size() < sizes.block_entries && block->body_bytes() < sizes.block_bytes)
            continue;
        add_block({level}, std::move(*block));
        block.reset();
    }
    for (std::size_t level = 0; level < open.size(); ++level)
        if (open[level]) add_block({level}, std::move(*open[level]));
    replay_.reset();
    if (mark_redelivered) redelivered_below_ = next_position_;
}

} // namespace baton::broker::core
