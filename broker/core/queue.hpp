// A queue: ready messages in order, by priority when it knows priorities, with its limits and its
// consumers. Messages that were delivered and wait for their acknowledgement are held by channels;
// the queue only counts them. Owned by State; lives on the core's thread.
//
// Order: every message gets a position when it arrives and keeps it. A returned message goes back to
// where its position belongs, so returning in any order restores the order.
#pragma once

#include "amqp/field_table.hpp"
#include "base/clock.hpp"
#include "broker/core/deduplicator.hpp"
#include "broker/core/ids.hpp"
#include "broker/core/message.hpp"
#include "broker/core/overview.hpp"
#include "broker/core/queue_settings.hpp"
#include "broker/core/ring.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace baton::broker::core {

class Exchange;
struct AppliedPolicy;
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

    std::uint64_t ready() const { return ready_; }
    std::uint64_t ready_bytes() const { return ready_bytes_; }
    Position next_position() const { return next_position_; }
    Position take_position() { return next_position_++; }

    // Behind everything of its priority; the entry has a position from take_position().
    void push(Entry&& entry) {
        ready_ += 1;
        ready_bytes_ += entry.message->body_size();
        if (settings_.delays_for) [[unlikely]] return push_delayed(std::move(entry));
        level_of(*entry.message).push_back(std::move(entry));
    }
    // To where its position belongs.
    void put_back(Entry entry);
    // The same for many, sorted by position.
    void put_back_all(std::vector<Entry> sorted);

    // The message the next consumer gets; only when ready() is not 0.
    Entry& front() { return levels_[front_level()].front(); }
    Entry pop() {
        Ring<Entry>& level = levels_[front_level()];
        Entry entry = level.pop_front();
        level.shrink_when_empty();
        ready_ -= 1;
        ready_bytes_ -= entry.message->body_size();
        return entry;
    }
    // A message at the head of any priority whose time has come.
    std::optional<Entry> pop_expired(Time now);
    // The message a full queue drops first: the oldest of the lowest priority.
    Entry pop_to_drop();
    // Takes that message out, wherever it is.
    std::optional<Entry> take(Position position);

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

    template <typename Visit>
    void each_ready(Visit&& visit) const {
        for (const auto& [key, entry] : delayed_) visit(entry);
        for (auto level = levels_.rbegin(); level != levels_.rend(); ++level)
            for (std::size_t at = 0; at < level->size(); ++at) visit((*level)[at]);
    }

    // --- Replay: fast for what comes in order, right for what does not -----------------------------

    // What was at that position before, when the message was said again.
    std::optional<Entry> replay_stored(Entry entry);
    // Calls `removed` with every entry of the range that is there, and takes it out.
    template <typename Removed>
    void replay_removed(Position first, Position last, Removed&& removed);
    // The message at that position, now marked and counted; null: it is not there.
    Message* replay_returned(Position position, std::uint32_t delivery_count);
    // The journal has ended: what was replayed becomes ready.
    void finish_replay(bool mark_redelivered);

    // --- What others keep here, each owned by the file named -------------------------------------

    // deliver.cpp
    bool due = false;
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
    std::size_t level_index(const Message& message) const {
        return std::min<std::size_t>(message.priority(), settings_.priority_max);
    }
    Ring<Entry>& level_of(const Message& message) {
        return levels_.size() == 1 ? levels_[0] : levels_[level_index(message)];
    }
    void push_delayed(Entry&& entry);
    Entry pop_delayed();
    std::size_t front_level() const {
        std::size_t level = levels_.size() - 1;
        while (level != 0 && levels_[level].empty()) --level;
        return level;
    }

    Identity identity_;
    QueueSettings settings_;
    bool recorded_ = false;
    bool declared_ = false;
    std::uint64_t ready_ = 0;
    std::uint64_t ready_bytes_ = 0;
    Position next_position_ = 1;
    std::vector<Ring<Entry>> levels_; // by priority, lowest first
    // Instead of levels_, of a queue that delays: by the time they are due.
    std::map<std::pair<Time, Position>, Entry> delayed_;

    struct Replay {
        std::vector<Entry> ascending; // an entry without message was removed
        std::map<Position, Entry> out_of_order;
        // Nothing in `ascending` before this index is alive: removal mostly goes from the front.
        std::size_t alive_from = 0;
    };
    // The first index of `ascending` with at least this position.
    std::size_t replay_place(Position position) const;
    Entry* replay_find(Position position);
    std::unique_ptr<Replay> replay_;
};

template <typename Removed>
void Queue::replay_removed(Position first, Position last, Removed&& removed) {
    if (!replay_) return;
    std::vector<Entry>& ascending = replay_->ascending;
    std::size_t& from = replay_->alive_from;
    while (from < ascending.size() && !ascending[from].message) ++from;
    std::size_t place = from;
    if (place < ascending.size() && ascending[place].position < first) place = replay_place(first);
    for (; place < ascending.size() && ascending[place].position <= last; ++place) {
        if (!ascending[place].message) continue;
        removed(ascending[place]);
        ascending[place].message = {};
    }
    std::map<Position, Entry>& others = replay_->out_of_order;
    for (auto entry = others.lower_bound(first); entry != others.end() && entry->first <= last;
         entry = others.erase(entry))
        removed(entry->second);
}

} // namespace baton::broker::core
