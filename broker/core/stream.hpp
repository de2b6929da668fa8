// A stream: messages in the order they came, kept when they are delivered. Nobody takes a message
// out of it; every consumer has a place of its own from which it reads on, and only the limits on
// size and age remove messages, from the front and many at a time.
//
//   removed │ segment │ segment │ … │ segment │ open segment ← publishers
//                 ↑ a consumer's place           ↑ another's
//
// A segment is a PagedBlock: where each of its messages lies in the journal, in a few bytes. Next to
// it lie those of its messages that are in memory: the newest ones, because whoever waits at the end
// wants them at once, and what was read for a consumer, until others need the room (StreamCache).
// All readers share what is there.
//
// The offset clients see is a position less one. Owned by its Queue, filled by streams.cpp; lives on
// the core's thread.
#pragma once

#include "base/clock.hpp"
#include "broker/core/ids.hpp"
#include "broker/core/message.hpp"
#include "broker/core/paged_block.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <optional>
#include <utility>
#include <vector>

namespace baton::broker::core {

struct Consumer;

// Which segments have messages in memory, the one that was not needed for longest first.
class StreamCache {
public:
    struct Line {
        QueueId stream;
        BlockId block;
    };
    using Lines = std::list<Line>;

    bool empty() const { return lines_.empty(); }
    std::uint64_t bytes() const { return bytes_; }
    const Line& oldest() const { return lines_.front(); }

    Lines::iterator add(const Line& line) { return lines_.insert(lines_.end(), line); }
    void remove(Lines::iterator line) { lines_.erase(line); }
    void use(Lines::iterator line) { lines_.splice(lines_.end(), lines_, line); }
    void grow(std::uint64_t bytes) { bytes_ += bytes; }
    void shrink(std::uint64_t bytes) { bytes_ -= bytes; }

private:
    Lines lines_;
    std::uint64_t bytes_ = 0;
};

// Neighbours: their positions have no gap. Times are when the messages came, and never fall.
struct StreamSegment {
    struct InMemory {
        MessageRef message; // null: on the disk
        bool has_offset = false; // it is the copy that consumers get, with its offset in a header
    };

    explicit StreamSegment(BlockId id) : block(id) {}

    void add(const PagedEntry& entry);
    Position first() const { return block.first_position(); }
    Position last() const { return block.last_position(); }
    bool has(std::size_t index) const {
        return index < in_memory.size() && in_memory[index].message;
    }

    PagedBlock block;
    Time oldest{};
    Time newest{};
    // By entry; empty while none is in memory.
    std::vector<InMemory> in_memory;
    std::optional<StreamCache::Lines::iterator> line; // while one is
    std::uint64_t bytes_in_memory = 0;
    // While the block is loading: the entry that the first message on its way belongs to.
    std::size_t loading_from = 0;
};

class Stream {
public:
    // How large a segment becomes.
    struct Sizes {
        std::size_t entries = 1024;
        std::uint64_t bytes = 256ULL << 10;
    };
    explicit Stream(Sizes sizes) : sizes_(sizes) {}

    // When a message that comes now has come: clocks may be set back, a stream's is not.
    Time take_time(Time now) { return newest_ = std::max(newest_, now); }
    // The segment the next message goes to, opened with a number from `next_id` when the last one is
    // full, closed, or older than `open_for`.
    StreamSegment& open_segment(Time now, std::optional<Duration> open_for,
                                std::optional<std::uint64_t> bytes_max,
                                const std::function<BlockId()>& next_id);
    // What comes next opens a segment of its own.
    void close_segment();
    bool is_open(const StreamSegment& segment) const {
        return is_open_ && &segment == &segments_.back();
    }

    const std::deque<StreamSegment>& segments() const { return segments_; }
    StreamSegment& front() { return segments_.front(); }
    void pop_front() { segments_.pop_front(); }
    // The one that holds this position or, when that is gone or was never there, the first behind
    // it; null: there is none.
    StreamSegment* at(Position position);
    StreamSegment* after(const StreamSegment& segment);
    StreamSegment* find(BlockId id);
    // The first message that came at this time or later; nothing: there is none yet.
    std::optional<Position> since(Time time) const;

    // --- Who reads; streams.cpp --------------------------------------------------------------------

    // Consumers that have read everything, and those whose next message is on its way.
    std::vector<Consumer*> at_end;
    std::vector<Consumer*> waiting;
    bool has_grown = false; // since at_end was looked at
    void forget(const Consumer& consumer);

    // Messages of turns that may not be durable yet: which turn, and the first of its messages.
    std::deque<std::pair<TurnNumber, Position>> unsynced;

    // --- Replay --------------------------------------------------------------------------------------

    // In any order; the latest that was said of a position stands.
    void replay_stored(const PagedEntry& entry);
    // What is removed is removed from the front.
    void replay_removed(Position last);
    void finish_replay(const std::function<BlockId()>& next_id);

private:
    bool is_full(const StreamSegment& segment, std::uint64_t bytes_max) const {
        return segment.block.size() >= sizes_.entries || segment.block.body_bytes() >= bytes_max;
    }
    void replay_add(std::deque<StreamSegment>& segments, const PagedEntry& entry) const;
    void replay_merge();
    void replay_merge(const std::deque<StreamSegment>& said, std::size_t from, std::size_t to);

    Sizes sizes_;
    std::deque<StreamSegment> segments_; // positions rise
    bool is_open_ = false; // the last one
    Time newest_{};
    Position removed_up_to_ = 0; // replay
};

} // namespace baton::broker::core
