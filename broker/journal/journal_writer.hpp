// What makes turns durable, without a thread: takes what waits, writes it with one call, syncs once,
// and says up to which turn everything is safe. It also reads back what left memory, since what is
// wanted may have been written only just now. The journal thread drives it; a simulated disk can,
// too, step by step.
#pragma once

#include "amqp/buffer.hpp"
#include "base/metrics.hpp"
#include "broker/core/turn.hpp"
#include "broker/journal/journal.hpp"
#include "broker/journal/pages.hpp"

#include <utility>

namespace baton::broker::journal {

// Called by whoever drives the writer: on the journal thread.
struct JournalListener {
    // Every record of this turn and of all before it is on the disk.
    std::function<void(core::TurnNumber)> durable_up_to;
    std::function<void(const SealedSegment&)> segment_sealed;
    // The answer to a Load: the messages of its records and of its page; see core's event Loaded.
    std::function<void(core::BlockId, std::vector<core::MessageRef> recorded,
                       std::vector<core::MessageRef> paged)>
        loaded;
    // True: no space for the next segment. False: there is again.
    std::function<void(bool)> disk_full;
    // JournalThread::lags() changed. Also called on the thread that puts.
    std::function<void()> lags;
    // The disk refused. What was not reported durable never will be; a product ends the process
    // here, because after a failed sync nobody knows what the disk holds.
    std::function<void(const Failure&)> failed;
};

// Readable at any time, from any thread.
struct JournalMetrics {
    MetricList all;
    Counter syncs{all, "baton_journal_syncs_total", "Batches made durable"};
    Histogram sync_seconds{all, "baton_journal_sync_seconds", "How long the disk took to write and sync a batch", durations};
    Gauge bytes{all, "baton_journal_bytes", "Bytes of the journal on the disk"};
};

// Makes a record durable that means nothing but that a life has begun; for after an orderly end, see
// core's Broker::ended_in_order(). On a full disk there may be none, and then a crash before the next
// record delivers some messages again without saying so.
Outcome<void> mark_beginning(Journal& journal, Directory& directory);

class JournalWriter {
public:
    struct Work {
        core::TurnNumber turn = 0;
        core::RecordNumber first_record = 0;
        std::vector<core::Record> records;
        // Somebody waits for this turn; otherwise it is written and the next sync takes it along.
        bool needs_sync = false;
        // Segments whose records all have smaller numbers may go once this turn is durable.
        std::optional<core::RecordNumber> forget_below;
        // Carried out behind the records; see core/turn.hpp.
        std::vector<core::PageOut> pages_out;
        std::vector<core::Load> loads;
        std::vector<core::BlockId> pages_gone;
        // What the records hold in memory; for take_written_bytes(), nothing else looks at it.
        std::uint64_t bytes = 0;
    };

    // `journal` was opened with JournalOptions::prepares_segments off. `listener.failed` is not
    // called here: an error is returned, and then nothing else may be called.
    JournalWriter(std::unique_ptr<Journal> journal, std::unique_ptr<Pages> pages,
                  JournalListener listener);

    // In the order of the turns; carried out with work().
    void take(Work work);
    // Writes and syncs what was taken, as far as there is room, then reads what is wanted back.
    Outcome<void> work();
    // The segment that should be prepared now, if any; the answer is take_prepared(). There is one
    // such question at a time.
    std::optional<Journal::Wish> wish();
    // Errc::disk_full is no error: the wish stands, and work waits until there is a segment.
    Outcome<void> take_prepared(Outcome<PreparedSegment> prepared);
    // After work(): the journal's files as they are on the disk. Until release() none of them is removed,
    // and nothing in front of these sizes changes, so they can be copied.
    Outcome<std::vector<Journal::FilePart>> hold();
    Outcome<void> release();
    // Tells what opening the journal sealed.
    void report_sealed();
    // Is there work that waits for a segment?
    bool has_waiting() const { return !waiting_.empty() || !paging_.empty(); }
    // Makes everything durable that was taken, with segments made in `directory` on the spot; nobody
    // else may make one any more. What waits for space on a full disk was promised to nobody and is
    // lost.
    Outcome<void> finish(Directory& directory);

    // Work::bytes of what was written since the last call. Work that waits for a segment is not.
    std::uint64_t take_written_bytes() { return std::exchange(written_bytes_, 0); }

    const JournalMetrics& metrics() const { return metrics_; }

private:
    Outcome<void> write_waiting();
    Outcome<void> append_waiting();
    Outcome<bool> append(const Work& work);
    Outcome<void> serve_loads();
    Outcome<void> load(const core::Load& wanted);
    Outcome<void> forget();
    void set_disk_full(bool full);

    std::unique_ptr<Journal> journal_;
    std::unique_ptr<Pages> pages_;
    JournalListener listener_;
    std::deque<Work> waiting_;
    // Pages and loads, in the order they came.
    struct Paging {
        std::vector<core::PageOut> pages_out;
        std::vector<core::Load> loads;
        std::vector<core::BlockId> pages_gone;
    };
    std::vector<Paging> paging_;
    std::size_t appended_of_front_ = 0;
    std::vector<Work> in_batch_; // keeps bodies alive until they are written
    std::uint64_t written_bytes_ = 0;
    core::TurnNumber last_turn_ = 0;
    core::TurnNumber reported_turn_ = 0;
    bool batch_needs_sync_ = false;
    std::optional<core::RecordNumber> forget_below_;
    bool wish_pending_ = false;
    bool disk_full_ = false;
    bool is_held_ = false;
    amqp::Buffer encoded_;
    JournalMetrics metrics_;
};

} // namespace baton::broker::journal
