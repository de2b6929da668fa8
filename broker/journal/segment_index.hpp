// Where the records of one segment lie: every so often a record number and its offset, so that any
// record is found by reading a little. Some bytes per thousand bytes of journal.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace baton::broker::journal {

class SegmentIndex {
public:
    // Numbers and offsets rise from call to call.
    void add(std::uint64_t record, std::uint64_t offset) {
        if (!marks_.empty() && ++since_mark_ < records_per_mark &&
            offset - marks_.back().offset < bytes_per_mark)
            return;
        marks_.push_back({record, offset});
        since_mark_ = 0;
    }
    // Records from this one on are not there any more.
    void cut(std::uint64_t record) {
        while (!marks_.empty() && marks_.back().record >= record) marks_.pop_back();
        since_mark_ = 0;
    }

    // The part of the segment that holds the record, if the segment does; `end` is the segment's.
    struct Part {
        std::uint64_t begin = 0;
        std::uint64_t end = 0;
    };
    Part part_of(std::uint64_t record, std::uint64_t end) const {
        const auto behind =
            std::upper_bound(marks_.begin(), marks_.end(), record,
                             [](std::uint64_t number, const Mark& mark) {
                                 return number < mark.record;
                             });
        if (behind == marks_.begin()) return {end, end};
        return {(behind - 1)->offset, behind == marks_.end() ? end : behind->offset};
    }

private:
    static constexpr std::uint32_t records_per_mark = 64;
    static constexpr std::uint64_t bytes_per_mark = 64 * 1024;
    struct Mark {
        std::uint64_t record = 0;
        std::uint64_t offset = 0;
    };

    std::vector<Mark> marks_;
    std::uint32_t since_mark_ = 0;
};

} // namespace baton::broker::journal
