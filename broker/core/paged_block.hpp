// Neighbours of one queue whose messages are not in memory: where each one lies and what the queue
// must know about it, in a few bytes. The content of persistent messages is read from the journal
// again, that of the others from the page that was written for the block.
//
// Encoded as a list of small differences, because neighbours are much alike: a run of messages
// published one after the other costs one byte each.
#pragma once

#include "base/clock.hpp"
#include "broker/core/ids.hpp"

#include <cstdint>
#include <vector>

namespace baton::broker::core {

// One message of a block.
struct PagedEntry {
    Position position = 0;
    RecordNumber record = 0; // that says the message; 0: it lies in the block's page
    Time expires_at = Time::max(); // in a stream: when it came
    std::uint32_t delivery_count = 0;
    std::uint32_t body_bytes = 0;
    // How many queues shared the record when this entry left memory; its bytes count by parts.
    std::uint32_t sharers = 1;
    bool redelivered = false;

    bool operator==(const PagedEntry&) const = default;

    // What its record costs in the journal, about, for the decision when to rewrite it.
    std::uint64_t journal_bytes() const {
        return record == 0 ? 0 : (std::uint64_t{body_bytes} + 96) / sharers;
    }
};

class PagedBlock {
public:
    explicit PagedBlock(BlockId id) : id_(id) {}

    // Positions rise from call to call.
    void add(const PagedEntry& entry);
    // Gives back what the list has reserved too much.
    void close() { bytes_.shrink_to_fit(); }

    BlockId id() const { return id_; }
    // Replay makes blocks before it can number them.
    void take_id(BlockId id) { id_ = id; }
    std::uint32_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    Position first_position() const { return first_position_; }
    Position last_position() const { return last_.position; }
    std::uint64_t body_bytes() const { return body_bytes_; }
    std::uint64_t journal_bytes() const { return journal_bytes_; }
    // The oldest record any entry needs; 0: none needs one.
    RecordNumber oldest_record() const { return oldest_record_; }
    // Does a page belong to it?
    bool has_page() const { return has_page_; }
    // Does any of them have a time?
    bool expires() const { return expires_; }
    // What the block itself takes.
    std::uint64_t memory_size() const { return sizeof(PagedBlock) + bytes_.capacity(); }

    std::vector<PagedEntry> entries() const;

    // Its content is being read.
    bool loading = false;

private:
    void put_number(std::uint64_t number);

    BlockId id_;
    std::vector<std::uint8_t> bytes_;
    std::uint32_t size_ = 0;
    bool has_page_ = false;
    bool expires_ = false;
    Position first_position_ = 0;
    RecordNumber oldest_record_ = 0;
    std::uint64_t body_bytes_ = 0;
    std::uint64_t journal_bytes_ = 0;
    PagedEntry last_;
    RecordNumber last_record_ = 0;
    std::int64_t last_micros_ = 0; // of the last expiry
};

} // namespace baton::broker::core
