// Segments of a stream, and how the journal's records become segments again.
#include "broker/core/stream.hpp"

#include <algorithm>

namespace baton::broker::core {

void StreamSegment::add(const PagedEntry& entry) {
    if (block.empty()) oldest = entry.expires_at;
    newest = entry.expires_at;
    block.add(entry);
}

StreamSegment& Stream::open_segment(Time now, std::optional<Duration> open_for,
                                    std::optional<std::uint64_t> bytes_max,
                                    const std::function<BlockId()>& next_id) {
    if (is_open_) {
        const StreamSegment& last = segments_.back();
        if (is_full(last, std::min(sizes_.bytes, bytes_max.value_or(sizes_.bytes))) ||
            (open_for && last.oldest + *open_for < now))
            close_segment();
    }
    if (!is_open_) segments_.emplace_back(next_id());
    is_open_ = true;
    return segments_.back();
}

void Stream::close_segment() {
    if (!is_open_) return;
    is_open_ = false;
    segments_.back().block.close();
    segments_.back().in_memory.shrink_to_fit();
}

StreamSegment* Stream::at(Position position) {
    const auto found = std::lower_bound(
        segments_.begin(), segments_.end(), position,
        [](const StreamSegment& segment, Position wanted) { return segment.last() < wanted; });
    return found == segments_.end() ? nullptr : &*found;
}

StreamSegment* Stream::after(const StreamSegment& segment) { return at(segment.last() + 1); }

StreamSegment* Stream::find(BlockId id) {
    // Their numbers rise with their positions.
    const auto found = std::lower_bound(
        segments_.begin(), segments_.end(), id,
        [](const StreamSegment& segment, BlockId wanted) { return segment.block.id() < wanted; });
    return found == segments_.end() || found->block.id() != id ? nullptr : &*found;
}

std::optional<Position> Stream::since(Time time) const {
    const auto found = std::lower_bound(
        segments_.begin(), segments_.end(), time,
        [](const StreamSegment& segment, Time wanted) { return segment.newest < wanted; });
    if (found == segments_.end()) return std::nullopt;
    for (const PagedEntry& entry : found->block.entries())
        if (entry.expires_at >= time) return entry.position;
    return found->last();
}

void Stream::forget(const Consumer& consumer) {
    std::erase(at_end, &consumer);
    std::erase(waiting, &consumer);
}

// --- Replay --------------------------------------------------------------------------------------

void Stream::replay_add(std::deque<StreamSegment>& segments, const PagedEntry& entry) const {
    if (segments.empty() || is_full(segments.back(), sizes_.bytes) ||
        segments.back().last() + 1 != entry.position) {
        if (!segments.empty()) segments.back().block.close();
        segments.emplace_back(BlockId{});
    }
    segments.back().add(entry);
}

void Stream::replay_stored(const PagedEntry& entry) {
    if (entry.position > removed_up_to_) replay_add(segments_, entry);
}

void Stream::replay_removed(Position last) {
    removed_up_to_ = std::max(removed_up_to_, last);
    while (!segments_.empty() && segments_.front().last() <= removed_up_to_)
        segments_.pop_front();
}

// Records that were said again stand behind younger ones. Where segments overlap, their entries are
// sorted, and of two with the same position the one with the later record stands.
void Stream::replay_merge() {
    std::deque<StreamSegment> said = std::exchange(segments_, {});
    std::sort(said.begin(), said.end(), [](const StreamSegment& a, const StreamSegment& b) {
        return a.first() < b.first();
    });
    for (std::size_t from = 0; from < said.size();) {
        std::size_t to = from + 1;
        for (Position last = said[from].last(); to < said.size() && said[to].first() <= last; ++to)
            last = std::max(last, said[to].last());
        if (to == from + 1 && said[from].first() > removed_up_to_)
            segments_.push_back(std::move(said[from]));
        else
            replay_merge(said, from, to);
        from = to;
    }
}

void Stream::replay_merge(const std::deque<StreamSegment>& said, std::size_t from,
                          std::size_t to) {
    std::vector<PagedEntry> entries;
    for (; from != to; ++from)
        for (const PagedEntry& entry : said[from].block.entries()) entries.push_back(entry);
    std::sort(entries.begin(), entries.end(), [](const PagedEntry& a, const PagedEntry& b) {
        return std::pair(a.position, a.record) < std::pair(b.position, b.record);
    });
    for (std::size_t at = 0; at < entries.size(); ++at) {
        const bool is_outdated =
            at + 1 < entries.size() && entries[at + 1].position == entries[at].position;
        if (!is_outdated && entries[at].position > removed_up_to_)
            replay_add(segments_, entries[at]);
    }
}

void Stream::finish_replay(const std::function<BlockId()>& next_id) {
    const auto is_in_order = [](const StreamSegment& a, const StreamSegment& b) {
        return a.last() < b.first();
    };
    const bool ordered =
        std::adjacent_find(segments_.begin(), segments_.end(),
                           [&](const auto& a, const auto& b) { return !is_in_order(a, b); }) ==
        segments_.end();
    if (!ordered || (!segments_.empty() && segments_.front().first() <= removed_up_to_))
        replay_merge();
    for (StreamSegment& segment : segments_) {
        segment.block.close();
        segment.block.take_id(next_id());
        newest_ = std::max(newest_, segment.newest);
    }
    is_open_ = false;
}

} // namespace baton::broker::core
