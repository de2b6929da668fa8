// The list of differences a block is stored as.
//
//   entry := flags u8 | [position − the last one's − 1] | [record − the last one's, zigzag]
//            | [body bytes] | [expiry − the last one's, micros, zigzag] | [delivery count] | [sharers]
//
// Numbers are seven bits to a byte, the lowest first; the high bit says that more follow.
#include "broker/core/paged_block.hpp"

namespace baton::broker::core {

namespace {

enum Flag : std::uint8_t {
    in_page = 1,
    redelivered = 2,
    skips_positions = 4, // the position is not the next one
    jumps_records = 8,   // the record is not the next one
    other_size = 16,     // the body is not as large as the last one's
    has_time = 32,
    counted = 64,
    shared = 128,
};

std::uint64_t zigzag(std::int64_t number) {
    return (static_cast<std::uint64_t>(number) << 1) ^
           static_cast<std::uint64_t>(number >> 63);
}

std::int64_t unzigzag(std::uint64_t number) {
    return static_cast<std::int64_t>(number >> 1) ^ -static_cast<std::int64_t>(number & 1);
}

} // namespace

void PagedBlock::put_number(std::uint64_t number) {
    for (; number >= 0x80; number >>= 7)
        bytes_.push_back(static_cast<std::uint8_t>(number | 0x80));
    bytes_.push_back(static_cast<std::uint8_t>(number));
}

void PagedBlock::add(const PagedEntry& entry) {
    const std::uint64_t skipped = entry.position - last_.position - 1;
    const auto jump = static_cast<std::int64_t>(entry.record - last_record_) - 1;
    unsigned flags = 0;
    if (entry.record == 0) flags |= in_page;
    if (entry.redelivered) flags |= redelivered;
    if (skipped != 0) flags |= skips_positions;
    if (entry.record != 0 && jump != 0) flags |= jumps_records;
    if (entry.body_bytes != last_.body_bytes) flags |= other_size;
    if (entry.expires_at != Time::max()) flags |= has_time;
    if (entry.delivery_count != 0) flags |= counted;
    if (entry.sharers != 1) flags |= shared;
    bytes_.push_back(static_cast<std::uint8_t>(flags));
    if ((flags & skips_positions) != 0) put_number(skipped);
    if ((flags & jumps_records) != 0) put_number(zigzag(jump));
    if ((flags & other_size) != 0) put_number(entry.body_bytes);
    if ((flags & has_time) != 0) {
        const std::int64_t micros = micros_of(entry.expires_at);
        put_number(zigzag(micros - last_micros_));
        last_micros_ = micros;
    }
    if ((flags & counted) != 0) put_number(entry.delivery_count);
    if ((flags & shared) != 0) put_number(entry.sharers);

    if (size_++ == 0) first_position_ = entry.position;
    if (entry.record == 0) {
        has_page_ = true;
    } else {
        if (oldest_record_ == 0 || entry.record < oldest_record_) oldest_record_ = entry.record;
        last_record_ = entry.record;
    }
    expires_ = expires_ || entry.expires_at != Time::max();
    body_bytes_ += entry.body_bytes;
    journal_bytes_ += entry.journal_bytes();
    last_ = entry;
}

std::vector<PagedEntry> PagedBlock::entries() const {
    std::vector<PagedEntry> entries;
    entries.reserve(size_);
    std::size_t at = 0;
    const auto number = [&] {
        std::uint64_t value = 0;
        for (unsigned shift = 0;; shift += 7) {
            const std::uint8_t octet = bytes_[at++];
            value |= static_cast<std::uint64_t>(octet & 0x7F) << shift;
            if ((octet & 0x80) == 0) return value;
        }
    };
    PagedEntry last;
    RecordNumber last_record = 0;
    std::int64_t last_micros = 0;
    while (entries.size() < size_) {
        const unsigned flags = bytes_[at++];
        PagedEntry entry;
        entry.redelivered = (flags & redelivered) != 0;
        entry.position = last.position + 1 + ((flags & skips_positions) != 0 ? number() : 0);
        if ((flags & in_page) == 0) {
            const std::int64_t jump = (flags & jumps_records) != 0 ? unzigzag(number()) : 0;
            last_record += 1 + static_cast<std::uint64_t>(jump);
            entry.record = last_record;
        }
        entry.body_bytes = (flags & other_size) != 0 ? static_cast<std::uint32_t>(number())
                                                     : last.body_bytes;
        if ((flags & has_time) != 0) {
            last_micros += unzigzag(number());
            entry.expires_at = time_from_micros(last_micros);
        }
        if ((flags & counted) != 0) entry.delivery_count = static_cast<std::uint32_t>(number());
        if ((flags & shared) != 0) entry.sharers = static_cast<std::uint32_t>(number());
        entries.push_back(entry);
        last = entry;
    }
    return entries;
}

} // namespace baton::broker::core
