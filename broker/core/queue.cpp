// Ready messages, their order and limits.
#include "broker/core/queue.hpp"

#include "base/assert.hpp"
#include "broker/core/channel.hpp"
#include "broker/core/stream.hpp"

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

Position position_of(const Entry& entry) { return entry.position; }
Position position_of(const Queue::Replayed& stored) { return stored.entry.position; }

// Where in an ascending range of entries this position is or belongs.
template <typename Entries>
std::size_t place_of(const Entries& entries, Position position) {
    std::size_t low = 0;
    std::size_t high = entries.size();
    while (low < high) {
        const std::size_t middle = (low + high) / 2;
        if (position_of(entries[middle]) < position)
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
    Ring<Entry>& level = level_of(*entry.message).head;
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
    Ring<Entry>& level = levels_[0].head;
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
    for (Level& level : levels_)
        if (!level.head.empty() && level.head.front().expires_at <= now) return pop_from(level);
    return std::nullopt;
}

std::optional<Entry> Queue::pop_to_drop() {
    if (!delayed_.empty()) return pop_delayed();
    for (Level& level : levels_) {
        if (level.empty()) continue;
        if (level.head.empty()) return std::nullopt;
        return pop_from(level);
    }
    return std::nullopt;
}

Time Queue::next_expiry() const {
    Time earliest = delayed_.empty() ? Time::max() : delayed_.begin()->first.first;
    for (const Level& level : levels_)
        if (!level.head.empty()) earliest = std::min(earliest, level.head.front().expires_at);
    return earliest;
}

// --- Blocks --------------------------------------------------------------------------------------

void Queue::begin_backlog(Level& level, std::size_t kept) {
    level.backlog = std::make_unique<Backlog>();
    Ring<Entry> head;
    for (; kept != 0; --kept) head.push_back(level.head.pop_front());
    level.backlog->tail = std::exchange(level.head, std::move(head));
}

void Queue::end_backlog(Level& level) {
    Ring<Entry> tail = std::move(level.backlog->tail);
    level.backlog.reset();
    if (level.head.empty()) return level.head.swap(tail);
    while (!tail.empty()) level.head.push_back(tail.pop_front());
}

void Queue::add_block(BlockPlace place, PagedBlock&& block) {
    Level& to = levels_[place.level];
    if (!to.backlog) to.backlog = std::make_unique<Backlog>();
    block.close();
    paged_ += block.size();
    std::deque<PagedBlock>& blocks = to.backlog->blocks;
    if (place.in_front)
        blocks.push_front(std::move(block));
    else
        blocks.push_back(std::move(block));
}

// Half a window is enough to go on with while the next block comes.
bool Queue::is_short(const Level& level, const PageSizes& sizes) const {
    if (stays_in_memory()) return true;
    return level.head.size() <
           std::min(sizes.window_entries / 2 + 1, entries_in(2 * sizes.block_bytes));
}

PagedBlock* Queue::block_to_load(const PageSizes& sizes) {
    for (auto level = levels_.rbegin(); level != levels_.rend(); ++level) {
        if (!level->backlog || !is_short(*level, sizes)) continue;
        PagedBlock& next = level->backlog->blocks.front();
        if (!next.loading) return &next;
    }
    return nullptr;
}

PagedBlock* Queue::find_block(std::size_t level, BlockId id) {
    if (!levels_[level].backlog) return nullptr;
    for (PagedBlock& block : levels_[level].backlog->blocks)
        if (block.id() == id) return &block;
    return nullptr;
}

bool Queue::is_wanted(std::size_t level, const PagedBlock& block, const PageSizes& sizes) const {
    const Level& at = levels_[level];
    return &at.backlog->blocks.front() == &block && is_short(at, sizes);
}

void Queue::unpage(std::size_t level, std::vector<Entry> entries) {
    Level& to = levels_[level];
    to.backlog->blocks.pop_front();
    paged_ -= entries.size();
    for (Entry& entry : entries) {
        if (settings_.delays_for)
            push_delayed(std::move(entry));
        else
            to.head.push_back(std::move(entry));
    }
    if (to.backlog->blocks.empty()) end_backlog(to);
}

std::vector<PagedBlock> Queue::drop_blocks() {
    std::vector<PagedBlock> dropped;
    for (Level& level : levels_) {
        if (!level.backlog) continue;
        for (PagedBlock& block : level.backlog->blocks) {
            ready_ -= block.size();
            ready_bytes_ -= block.body_bytes();
            paged_ -= block.size();
            dropped.push_back(std::move(block));
        }
        end_backlog(level);
    }
    return dropped;
}

// --- Replay --------------------------------------------------------------------------------------

Queue::Replayed* Queue::replay_find(Position position) {
    if (!replay_) return nullptr;
    Ring<Replayed>& ascending = replay_->ascending;
    const std::size_t place = place_of(ascending, position);
    if (place < ascending.size() && ascending[place].entry.position == position)
        return &ascending[place];
    const auto found = replay_->out_of_order.find(position);
    return found == replay_->out_of_order.end() ? nullptr : &found->second;
}

void Queue::replay_stored(const Replayed& stored) {
    const Position position = stored.entry.position;
    next_position_ = std::max(next_position_, position + 1);
    if (stream) return stream->replay_stored(stored.entry);
    if (!replay_) replay_ = std::make_unique<Replay>();
    Ring<Replayed>& ascending = replay_->ascending;
    if (ascending.empty() || ascending.back().entry.position < position)
        ascending.push_back(Replayed(stored));
    else if (Replayed* there = replay_find(position))
        *there = stored;
    else
        replay_->out_of_order.emplace(position, stored);
}

// Removal mostly goes from the front, and what is gone there needs no memory.
void Queue::replay_removed(Position first, Position last) {
    if (stream) return stream->replay_removed(last);
    if (!replay_) return;
    Ring<Replayed>& ascending = replay_->ascending;
    for (std::size_t place = place_of(ascending, first);
         place < ascending.size() && ascending[place].entry.position <= last; ++place)
        ascending[place].removed = true;
    while (!ascending.empty() && ascending.front().removed) ascending.drop_front();
    std::map<Position, Replayed>& others = replay_->out_of_order;
    others.erase(others.lower_bound(first), others.upper_bound(last));
}

void Queue::replay_returned(Position position, std::uint32_t delivery_count) {
    Replayed* stored = replay_find(position);
    if (stored == nullptr) return;
    stored->entry.redelivered = true;
    stored->entry.delivery_count = delivery_count;
}

void Queue::become_stream(std::unique_ptr<Stream> empty) {
    stream = std::move(empty);
    if (!replay_) return;
    replay_sort();
    for (std::size_t at = 0; at < replay_->ascending.size(); ++at)
        if (!replay_->ascending[at].removed)
            stream->replay_stored(replay_->ascending[at].entry);
    replay_.reset();
}

void Queue::finish_stream_replay(const std::function<BlockId()>& next_id) {
    stream->finish_replay(next_id);
    for (const StreamSegment& segment : stream->segments()) {
        ready_ += segment.block.size();
        ready_bytes_ += segment.block.body_bytes();
    }
}

void Queue::replay_sort() {
    if (replay_->out_of_order.empty()) return;
    std::vector<Replayed> all;
    all.reserve(replay_->ascending.size() + replay_->out_of_order.size());
    while (!replay_->ascending.empty()) all.push_back(replay_->ascending.pop_front());
    for (const auto& [position, stored] : replay_->out_of_order) all.push_back(stored);
    std::sort(all.begin(), all.end(), [](const Replayed& a, const Replayed& b) {
        return a.entry.position < b.entry.position;
    });
    for (Replayed& stored : all) replay_->ascending.push_back(std::move(stored));
}

} // namespace baton::broker::core
