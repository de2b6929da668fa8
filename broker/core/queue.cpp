// Ready messages, their order and limits.
#include "broker/core/queue.hpp"

#include "base/assert.hpp"
#include "broker/core/channel.hpp"

namespace baton::broker::core {

// --- ReadyConsumers ------------------------------------------------------------------------------

Consumer* ReadyConsumers::first() const {
    return lanes_.empty() ? nullptr : lanes_.front().first;
}

ReadyConsumers::Lane* ReadyConsumers::lane_of(std::int32_t priority) {
    for (Lane& lane : lanes_)
        if (lane.priority == priority) return &lane;
    return nullptr;
}

void ReadyConsumers::add(Consumer& consumer) {
    if (consumer.is_ready) return;
    Lane* lane = lane_of(consumer.priority);
    if (lane == nullptr) {
        const auto place = std::find_if(lanes_.begin(), lanes_.end(), [&](const Lane& other) {
            return other.priority < consumer.priority;
        });
        lane = &*lanes_.insert(place, Lane{consumer.priority, nullptr, nullptr});
    }
    consumer.previous = lane->last;
    consumer.next = nullptr;
    (lane->last != nullptr ? lane->last->next : lane->first) = &consumer;
    lane->last = &consumer;
    consumer.is_ready = true;
}

void ReadyConsumers::remove(Consumer& consumer) {
    if (!consumer.is_ready) return;
    Lane* lane = lane_of(consumer.priority);
    (consumer.previous != nullptr ? consumer.previous->next : lane->first) = consumer.next;
    (consumer.next != nullptr ? consumer.next->previous : lane->last) = consumer.previous;
    consumer.next = consumer.previous = nullptr;
    consumer.is_ready = false;
    if (lane->first == nullptr) lanes_.erase(lanes_.begin() + (lane - lanes_.data()));
}

void ReadyConsumers::rotate(Consumer& consumer) {
    if (consumer.next == nullptr) return;
    Lane* lane = lane_of(consumer.priority);
    lane->first = consumer.next;
    consumer.next->previous = nullptr;
    consumer.previous = lane->last;
    consumer.next = nullptr;
    lane->last->next = &consumer;
    lane->last = &consumer;
}

// --- Queue ---------------------------------------------------------------------------------------

Queue::Queue(QueueId id) {
    identity_.id = id;
    levels_.resize(1);
}

Queue::Queue(Identity identity, QueueSettings settings) {
    levels_.resize(1);
    become(std::move(identity), std::move(settings));
}

Queue::~Queue() = default;

void Queue::become(Identity identity, QueueSettings settings) {
    identity_ = std::move(identity);
    settings_ = std::move(settings);
    deduplicator = Deduplicator::from(identity_.arguments);
    recorded_ = identity_.durable && !is_exclusive();
    declared_ = true;
    BATON_ASSERT(ready_ == 0, "levels change only while nothing is ready");
    levels_.resize(std::size_t{settings_.priority_max} + 1);
}

namespace {

// Where in an ascending range of entries this position is or belongs.
template <typename Entries>
std::size_t place_of(const Entries& entries, Position position) {
    std::size_t low = 0;
    std::size_t high = entries.size();
    while (low < high) {
        const std::size_t middle = (low + high) / 2;
        if (entries[middle].position < position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

} // namespace

void Queue::put_back(Entry entry) {
    ready_ += 1;
    ready_bytes_ += entry.message->body_size();
    Ring<Entry>& level = level_of(*entry.message);
    if (level.empty() || entry.position < level.front().position)
        level.push_front(std::move(entry));
    else
        level.insert(place_of(level, entry.position), std::move(entry));
}

// Backwards, every entry that belongs in front of the ready ones is a push_front. Those in between
// are merged: what is smaller than the youngest returned one leaves and comes back in order.
void Queue::put_back_all(std::vector<Entry> sorted) {
    if (levels_.size() != 1 || sorted.size() < 2) {
        for (auto entry = sorted.rbegin(); entry != sorted.rend(); ++entry)
            put_back(std::move(*entry));
        return;
    }
    Ring<Entry>& level = levels_[0];
    std::vector<Entry> smaller;
    while (!level.empty() && level.front().position < sorted.back().position)
        smaller.push_back(level.pop_front());
    while (!sorted.empty() || !smaller.empty()) {
        const bool take_returned =
            smaller.empty() ||
            (!sorted.empty() && sorted.back().position > smaller.back().position);
        if (take_returned) {
            ready_ += 1;
            ready_bytes_ += sorted.back().message->body_size();
        }
        std::vector<Entry>& from = take_returned ? sorted : smaller;
        level.push_front(std::move(from.back()));
        from.pop_back();
    }
}

void Queue::push_delayed(Entry&& entry) {
    const std::pair key(entry.expires_at, entry.position);
    delayed_.emplace(key, std::move(entry));
}

Entry Queue::pop_delayed() {
    Entry entry = std::move(delayed_.begin()->second);
    delayed_.erase(delayed_.begin());
    ready_ -= 1;
    ready_bytes_ -= entry.message->body_size();
    return entry;
}

std::optional<Entry> Queue::pop_expired(Time now) {
    if (!delayed_.empty() && delayed_.begin()->first.first <= now) return pop_delayed();
    for (Ring<Entry>& level : levels_) {
        if (level.empty() || level.front().expires_at > now) continue;
        Entry entry = level.pop_front();
        level.shrink_when_empty();
        ready_ -= 1;
        ready_bytes_ -= entry.message->body_size();
        return entry;
    }
    return std::nullopt;
}

Entry Queue::pop_to_drop() {
    if (!delayed_.empty()) return pop_delayed();
    std::size_t lowest = 0;
    while (levels_[lowest].empty()) ++lowest;
    Entry entry = levels_[lowest].pop_front();
    ready_ -= 1;
    ready_bytes_ -= entry.message->body_size();
    return entry;
}

std::optional<Entry> Queue::take(Position position) {
    for (Ring<Entry>& level : levels_) {
        const std::size_t place = place_of(level, position);
        if (place == level.size() || level[place].position != position) continue;
        Entry entry = level.take(place);
        ready_ -= 1;
        ready_bytes_ -= entry.message->body_size();
        return entry;
    }
    return std::nullopt;
}

Time Queue::next_expiry() const {
    Time earliest = delayed_.empty() ? Time::max() : delayed_.begin()->first.first;
    for (const Ring<Entry>& level : levels_)
        if (!level.empty()) earliest = std::min(earliest, level.front().expires_at);
    return earliest;
}

// --- Replay --------------------------------------------------------------------------------------

Entry* Queue::replay_find(Position position) {
    if (!replay_) return nullptr;
    const std::size_t place = place_of(replay_->ascending, position);
    if (place < replay_->ascending.size() && replay_->ascending[place].position == position)
        return &replay_->ascending[place];
    const auto found = replay_->out_of_order.find(position);
    return found == replay_->out_of_order.end() ? nullptr : &found->second;
}

std::optional<Entry> Queue::replay_stored(Entry entry) {
    if (!replay_) replay_ = std::make_unique<Replay>();
    next_position_ = std::max(next_position_, entry.position + 1);
    std::vector<Entry>& ascending = replay_->ascending;
    if (ascending.empty() || ascending.back().position < entry.position) {
        ascending.push_back(std::move(entry));
        return std::nullopt;
    }
    if (Entry* there = replay_find(entry.position)) {
        Entry before = std::exchange(*there, std::move(entry));
        if (!before.message) return std::nullopt;
        return before;
    }
    const Position position = entry.position;
    replay_->out_of_order.emplace(position, std::move(entry));
    return std::nullopt;
}

std::size_t Queue::replay_place(Position position) const {
    return place_of(replay_->ascending, position);
}

Message* Queue::replay_returned(Position position, std::uint32_t delivery_count) {
    Entry* entry = replay_find(position);
    if (entry == nullptr || !entry->message) return nullptr;
    entry->redelivered = true;
    entry->delivery_count = delivery_count;
    return entry->message.get();
}

void Queue::finish_replay(bool mark_redelivered) {
    if (!replay_) return;
    std::vector<Entry> entries;
    entries.reserve(replay_->ascending.size() + replay_->out_of_order.size());
    for (Entry& entry : replay_->ascending)
        if (entry.message) entries.push_back(std::move(entry));
    const bool sorted = replay_->out_of_order.empty();
    for (auto& [position, entry] : replay_->out_of_order) entries.push_back(std::move(entry));
    replay_.reset();
    if (!sorted)
        std::sort(entries.begin(), entries.end(),
                  [](const Entry& a, const Entry& b) { return a.position < b.position; });
    for (Entry& entry : entries) {
        entry.redelivered = entry.redelivered || mark_redelivered;
        push(std::move(entry));
    }
}

} // namespace baton::broker::core
