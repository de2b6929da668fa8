#include "broker/journal/journal.hpp"

#include "base/fail_point.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace baton::broker::journal {
namespace {

// Bodies above this are written from where they lie instead of being copied into the batch.
constexpr std::size_t copied_body_bytes_max = 4096;

Outcome<PreparedSegment> prepare_exactly(Directory& directory, std::uint64_t number,
                                         std::uint64_t capacity) {
    const std::string draft = segment_name_in_preparation(number);
    BATON_ASSIGN(std::unique_ptr<File> file, directory.create(draft));
    const auto fill = [&]() -> Outcome<void> {
        BATON_TRY(file->reserve(capacity));
        const FileHeader header = encode_file_header(number);
        const ByteView piece(header);
        BATON_TRY(file->write_at(0, {&piece, 1}));
        BATON_TRY(file->sync());
        BATON_TRY(directory.rename(draft, segment_name(number)));
        return directory.sync();
    };
    if (auto filled = fill(); !filled) {
        file.reset();
        // The draft is in the way of the next try; if it cannot be removed, that try says so.
        (void)directory.remove(draft);
        return std::move(filled).error();
    }
    return PreparedSegment{number, capacity, std::move(file)};
}

} // namespace

Outcome<PreparedSegment> prepare_segment(Directory& directory, const Journal::Wish& wish) {
    for (std::uint64_t capacity = wish.capacity;;) {
        auto prepared = prepare_exactly(directory, wish.number, capacity);
        if (prepared || prepared.error().code != Errc::disk_full || capacity <= wish.smallest)
            return prepared;
        capacity = std::max(capacity / 4, wish.smallest);
    }
}

Outcome<void> Journal::append(const Entry& entry) {
    const std::uint64_t size = record_size(entry.head.size() + entry.body.size());
    if (end_ + batch_bytes_ + size > current_.capacity) BATON_TRY(begin_next_segment(size));
    add_to_batch(entry, size);
    return {};
}

void Journal::add_to_batch(const Entry& entry, std::uint64_t size) {
    const ByteView head = entry.head;
    const ByteView body = entry.body;
    const std::size_t begin = scratch_.size();
    const bool copies_body = body.size() <= copied_body_bytes_max;
    const std::size_t padding =
        static_cast<std::size_t>(size) - record_header_size - head.size() - body.size();
    const std::size_t front = record_header_size + head.size() + (copies_body ? body.size() : 0);
    scratch_.resize(begin + front + padding);
    const RecordView record{.number = next_record_,
                            .offset = end_ + batch_bytes_,
                            .synced_before = static_cast<std::uint32_t>(synced_end_),
                            .type = entry.type,
                            .group_goes_on = entry.group_goes_on,
                            .payload = {}};
    current_index_.add(record.number, record.offset);
    encode_record_header(scratch_.data() + begin, record, head, body);
    std::byte* at = scratch_.data() + begin + record_header_size;
    if (!head.empty()) std::memcpy(at, head.data(), head.size());
    if (copies_body && !body.empty()) std::memcpy(at + head.size(), body.data(), body.size());

    const std::size_t inside = copies_body ? front + padding : front;
    if (!pieces_.empty() && pieces_.back().outside == nullptr)
        pieces_.back().size += inside;
    else
        pieces_.push_back({nullptr, begin, inside});
    if (!copies_body) {
        pieces_.push_back({body.data(), 0, body.size()});
        if (padding > 0) pieces_.push_back({nullptr, begin + front, padding});
    }
    batch_bytes_ += size;
    ++next_record_;
}

Outcome<void> Journal::write() {
    if (batch_bytes_ == 0) return {};
    views_.clear();
    for (const Piece& piece : pieces_)
        views_.emplace_back(
            piece.outside != nullptr ? piece.outside : scratch_.data() + piece.begin, piece.size);
    fail_point("journal.before_write");
    BATON_TRY(current_.file->write_at(end_, views_));
    fail_point("journal.written");
    end_ += batch_bytes_;
    batch_bytes_ = 0;
    pieces_.clear();
    scratch_.clear();
    return {};
}

Outcome<void> Journal::commit() {
    BATON_TRY(write());
    if (synced_end_ == end_) return {};
    BATON_TRY(current_.file->sync());
    fail_point("journal.synced");
    synced_end_ = end_;
    durable_record_ = next_record_ - 1;
    return {};
}

Outcome<void> Journal::begin_next_segment(std::uint64_t room) {
    // What lies in the old segment must be durable before anything in the new one is: recovery
    // takes a record in a later segment as proof that the earlier ones were complete.
    BATON_TRY(commit());
    if (next_ && next_->capacity < file_header_size + room) {
        // Too small for this one record; the larger one takes its name.
        next_.reset();
    }
    if (!next_) {
        room_wanted_ = room;
        if (!options_.prepares_segments)
            return failure(Errc::disk_full, "the next segment is not ready yet");
        auto prepared = prepare_segment(directory_, next_segment(room));
        if (!prepared) return std::move(prepared).error();
        next_ = std::move(*prepared);
    }
    // Best effort: the zeros behind the end are harmless, they only take space.
    (void)current_.file->truncate(end_);
    sealed_.push_back({current_.number, first_in_current_, next_record_ - 1, end_,
                       std::exchange(current_index_, {})});
    current_ = std::move(*next_);
    next_.reset();
    room_wanted_ = 0;
    end_ = file_header_size;
    synced_end_ = end_;
    first_in_current_ = next_record_;
    return {};
}

Journal::Wish Journal::next_segment(std::uint64_t room) const {
    const std::uint64_t grown = std::min(current_.capacity * 4, options_.segment_bytes_max);
    const std::uint64_t smallest = std::max(options_.first_segment_bytes, file_header_size + room);
    return {current_.number + 1, std::max(grown, smallest), smallest};
}

std::optional<Journal::Wish> Journal::wish() const {
    if (next_) return std::nullopt;
    if (room_wanted_ == 0 && end_ < current_.capacity / 2) return std::nullopt;
    return next_segment(room_wanted_);
}

void Journal::give(PreparedSegment segment) {
    next_ = std::move(segment);
}

std::vector<SealedSegment> Journal::take_newly_sealed() {
    const auto from = sealed_.begin() + static_cast<std::ptrdiff_t>(announced_);
    std::vector<SealedSegment> fresh(from, sealed_.end());
    announced_ = sealed_.size();
    return fresh;
}

Outcome<void> Journal::forget_up_to(std::uint64_t record) {
    while (!sealed_.empty() && sealed_.front().last_record <= record) {
        std::erase_if(open_, [&](const OpenSegment& open) {
            return open.number == sealed_.front().number;
        });
        BATON_TRY(directory_.remove(segment_name(sealed_.front().number)));
        // One by one: if a crash could bring back the older of two alone, the next start would
        // miss the one between and take that for damage.
        BATON_TRY(directory_.sync());
        sealed_.pop_front();
        if (announced_ > 0) --announced_;
    }
    return {};
}

std::vector<Journal::FilePart> Journal::files() const {
    std::vector<FilePart> files;
    for (const SealedSegment& segment : sealed_)
        files.push_back({segment_name(segment.number), segment.bytes});
    files.push_back({segment_name(current_.number), end_});
    return files;
}

std::uint64_t Journal::bytes() const {
    std::uint64_t sum = end_;
    for (const SealedSegment& segment : sealed_)
        sum += segment.bytes;
    return sum;
}

} // namespace baton::broker::journal
