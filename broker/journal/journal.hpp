// The journal: segments in order, one of them being written. Opening reads everything once, cuts
// what the last crash tore, refuses what is damaged. Writing gathers records into a batch and makes
// the batch durable with one write and one sync. Plain functions without threads; it belongs to the
// journal thread (or to a test).
//
//   sealed … sealed │ current │ next (prepared: its place on the disk is already ours)
//
// Segments are only ever forgotten from the oldest end, so a record that takes something back never
// disappears before what it takes back.
#pragma once

#include "broker/journal/file.hpp"
#include "broker/journal/format.hpp"
#include "broker/journal/segment_index.hpp"

#include <deque>
#include <functional>

namespace baton::broker::journal {

struct JournalOptions {
    // The first segment is small so that a fresh server starts at once; each following one is four
    // times as large until the maximum.
    std::uint64_t first_segment_bytes = std::uint64_t{1} << 20;
    std::uint64_t segment_bytes_max = std::uint64_t{64} << 20;
    // Go on after damage: a copy of each damaged segment is set aside, what is readable stays.
    bool salvage = false;
    // Whether append() may prepare a missing next segment itself; false where a second thread does.
    bool prepares_segments = true;
};

// What opening found, for the log.
struct RecoveryReport {
    std::uint64_t segments = 0;
    std::uint64_t records = 0;
    std::uint64_t bytes = 0;
    // The torn end that was cut, in words; empty if there was none.
    std::string cut;
    // One sentence for each damaged place that a salvage stepped over.
    std::vector<std::string> salvaged;
};

// A segment whose place on the disk is reserved and whose header is durable.
struct PreparedSegment {
    std::uint64_t number = 0;
    std::uint64_t capacity = 0;
    std::unique_ptr<File> file;
};

struct SealedSegment {
    std::uint64_t number = 0;
    std::uint64_t first_record = 0;
    std::uint64_t last_record = 0;
    std::uint64_t bytes = 0;
    SegmentIndex index;
};

class Journal {
public:
    // Called for every record in order; its view lives for the call. An error ends the opening.
    using Visitor = std::function<Outcome<void>(const RecordView&)>;

    static Outcome<std::unique_ptr<Journal>> open(Directory& directory, JournalOptions options,
                                                  const Visitor& visit, RecoveryReport& report);

    // The number the next appended record gets.
    std::uint64_t next_record() const { return next_record_; }

    struct Entry {
        std::uint8_t type = 0;
        // The next appended record stands or falls with this one.
        bool group_goes_on = false;
        ByteView head; // copied
        ByteView body; // copied if small, otherwise alive until the next write() or commit()
    };
    // Adds a record to the batch. Where the current segment has no room, what was gathered so far
    // is made durable and the next segment begins; if that is not there and cannot be made for want
    // of space (Errc::disk_full), nothing is lost and the call may be repeated.
    Outcome<void> append(const Entry& entry);

    // Gives everything appended to the system, which will keep it unless the power fails. An error
    // here and from commit() is final: the caller stops the process.
    Outcome<void> write();
    // Makes everything appended durable.
    Outcome<void> commit();

    // Visits these records in their order, everything in front of next_record() that was written; a
    // record that is not kept any more comes with type 0. Errc::damaged or an error of the disk:
    // what was durable is lost.
    Outcome<void> read(std::span<const std::uint64_t> records, const Visitor& visit);

    // Bytes gathered since the last write.
    std::uint64_t waiting_bytes() const { return batch_bytes_; }
    // Everything up to this record number is durable.
    std::uint64_t durable_record() const { return durable_record_; }

    // What the second thread should prepare now, if anything. Where there is no space for the
    // capacity, the smallest that serves is better than none.
    struct Wish {
        std::uint64_t number;
        std::uint64_t capacity;
        std::uint64_t smallest;
    };
    std::optional<Wish> wish() const;
    void give(PreparedSegment segment);

    const std::deque<SealedSegment>& sealed() const { return sealed_; }
    // Segments sealed since the last call.
    std::vector<SealedSegment> take_newly_sealed();
    // Removes the oldest sealed segments that hold no record above `record`.
    Outcome<void> forget_up_to(std::uint64_t record);
    // The files that hold what was written, in order, and how much of each does.
    struct FilePart {
        std::string name;
        std::uint64_t bytes = 0;
    };
    std::vector<FilePart> files() const;
    // Sealed and current bytes on disk.
    std::uint64_t bytes() const;

private:
    Journal(Directory& directory, JournalOptions options)
        : directory_(directory), options_(options) {}

    friend class Opening;

    struct Piece {
        const std::byte* outside = nullptr; // null: lies in scratch_
        std::size_t begin = 0;
        std::size_t size = 0;
    };

    struct OpenSegment {
        std::uint64_t number = 0;
        std::unique_ptr<File> file;
    };
    // A segment as read() sees it.
    struct Span {
        std::uint64_t segment = 0;
        std::uint64_t last_record = 0;
        std::uint64_t end = 0;
        const SegmentIndex* index = nullptr;
    };
    std::optional<Span> span_with(std::uint64_t record) const;
    Outcome<File*> file_of(std::uint64_t number);

    void add_to_batch(const Entry& entry, std::uint64_t size);
    Outcome<void> begin_next_segment(std::uint64_t room);
    Wish next_segment(std::uint64_t room) const;

    Directory& directory_;
    JournalOptions options_;
    std::deque<SealedSegment> sealed_;
    std::size_t announced_ = 0; // of sealed_, from the front
    PreparedSegment current_;
    std::optional<PreparedSegment> next_;
    std::uint64_t end_ = 0;        // of the written part of current_
    std::uint64_t synced_end_ = 0; // of the synced part of current_
    std::uint64_t first_in_current_ = 0;
    std::uint64_t next_record_ = 1;
    std::uint64_t durable_record_ = 0;
    std::uint64_t room_wanted_ = 0; // by a record that did not fit
    SegmentIndex current_index_;
    std::vector<OpenSegment> open_; // for reading, the last used first
    std::vector<std::byte> read_buffer_;
    // The batch.
    std::vector<std::byte> scratch_;
    std::vector<Piece> pieces_;
    std::vector<ByteView> views_;
    std::uint64_t batch_bytes_ = 0;
};

// Makes a segment ready to be written, from nothing to durable header. Takes long (it writes the
// whole file once), so the journal thread lets a second thread do it. Errc::disk_full leaves
// nothing behind.
Outcome<PreparedSegment> prepare_segment(Directory& directory, const Journal::Wish& wish);

} // namespace baton::broker::journal
