// Single records read back from the segments, long after they were written. Neighbours are read
// together: what is wanted was mostly written one after the other.
#include "broker/journal/journal.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::broker::journal {
namespace {

constexpr std::size_t open_segments_max = 8;
constexpr std::uint64_t read_bytes_max = 512 * 1024;

} // namespace

Outcome<File*> Journal::file_of(std::uint64_t number) {
    if (number == current_.number) return current_.file.get();
    const auto found = std::ranges::find(open_, number, &OpenSegment::number);
    if (found != open_.end()) {
        std::rotate(open_.begin(), found, found + 1);
        return open_.front().file.get();
    }
    auto file = directory_.open(segment_name(number));
    if (!file && file.error().code == Errc::disk_full && !open_.empty()) {
        // No descriptor is free; these can be opened again.
        open_.clear();
        file = directory_.open(segment_name(number));
    }
    if (!file) return std::move(file).error();
    if (open_.size() == open_segments_max) open_.pop_back();
    open_.insert(open_.begin(), OpenSegment{number, std::move(*file)});
    return open_.front().file.get();
}

std::optional<Journal::Span> Journal::span_with(std::uint64_t record) const {
    if (record >= first_in_current_ && record < next_record_)
        return Span{current_.number, next_record_ - 1, end_, &current_index_};
    const auto after = std::ranges::upper_bound(sealed_, record, {}, &SealedSegment::first_record);
    if (after == sealed_.begin()) return std::nullopt;
    const SealedSegment& segment = *(after - 1);
    if (record > segment.last_record) return std::nullopt;
    return Span{segment.number, segment.last_record, segment.bytes, &segment.index};
}

Outcome<void> Journal::read(std::span<const std::uint64_t> records, const Visitor& visit) {
    std::uint64_t segment = 0; // whose bytes from `begin` on are in read_buffer_
    std::uint64_t begin = 0;
    std::uint64_t at = 0; // in the segment: where the last record that was found ends
    std::uint64_t last = 0; // its number
    for (std::size_t index = 0; index < records.size(); ++index) {
        const std::uint64_t wanted = records[index];
        const auto span = span_with(wanted);
        if (!span) {
            BATON_TRY(visit(RecordView{.number = wanted, .payload = {}}));
            continue;
        }
        const SegmentIndex::Part part = span->index->part_of(wanted, span->end);
        const bool is_there = span->segment == segment && part.begin >= begin &&
                              part.end <= begin + read_buffer_.size();
        if (!is_there) {
            // As far as the records go that are wanted next, within reason.
            std::uint64_t end = part.end;
            for (std::size_t next = index + 1; next < records.size(); ++next) {
                if (records[next] <= wanted || records[next] > span->last_record) break;
                const std::uint64_t more = span->index->part_of(records[next], span->end).end;
                if (more > part.begin + read_bytes_max) break;
                end = std::max(end, more);
            }
            BATON_ASSIGN(File* const file, file_of(span->segment));
            segment = span->segment;
            begin = part.begin;
            read_buffer_.resize(static_cast<std::size_t>(end - begin));
            BATON_ASSIGN(const std::size_t got, file->read_at(begin, read_buffer_));
            read_buffer_.resize(got);
            last = 0;
        }
        if (last == 0 || wanted <= last || at < part.begin) at = part.begin;
        std::optional<RecordView> record;
        for (;;) {
            record = record_at(read_buffer_, at - begin);
            if (!record || record->number >= wanted) break;
            at += record_size(record->payload.size());
        }
        if (!record || record->number != wanted)
            return failure(Errc::damaged,
                           fmt::format("{} cannot be read back: record {} should be behind offset "
                                       "{}",
                                       directory_.path_of(segment_name(segment)), wanted, at));
        at += record_size(record->payload.size());
        last = wanted;
        BATON_TRY(visit(*record));
    }
    return {};
}

} // namespace baton::broker::journal
