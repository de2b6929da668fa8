// The thread that makes turns durable: takes everything that waits, writes it with one call, syncs
// once, and says up to which turn everything is safe. While it syncs, the next batch gathers, so
// batches grow with the load and a lone publisher waits for one sync only; there is no timer.
// It also reads back what left memory, since what is wanted may have been written only just now.
// A second, mostly sleeping thread reserves the next segment before it is needed; when there is no
// space for it, publishers are stopped while the current segment still has room for the rest.
#pragma once

#include "amqp/buffer.hpp"
#include "base/mailbox.hpp"
#include "base/metrics.hpp"
#include "base/thread.hpp"
#include "broker/core/turn.hpp"
#include "broker/journal/journal.hpp"
#include "broker/journal/pages.hpp"

#include <variant>

namespace baton::broker::journal {

// Called on the journal thread.
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
    // The disk refused. What was not reported durable never will be; a product ends the process
    // here, because after a failed sync nobody knows what the disk holds.
    std::function<void(const Failure&)> failed;
};

class JournalThread {
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
    };

    // `directory` must outlive the thread and be the one `journal` was opened in, with
    // JournalOptions::prepares_segments off.
    JournalThread(std::unique_ptr<Journal> journal, std::unique_ptr<Pages> pages,
                  Directory& directory, JournalListener listener);
    ~JournalThread();

    // Any thread, in the order of the turns.
    void put(Work work);
    // Makes everything durable that was put, then ends. May be called twice.
    void stop();

    std::uint64_t syncs() const { return syncs_.value(); }
    std::uint64_t bytes() const { return static_cast<std::uint64_t>(bytes_.value()); }

private:
    struct Prepared {
        Outcome<PreparedSegment> outcome;
    };
    using Item = std::variant<Work, Prepared>;

    void run();
    void run_preparer();
    void take(Prepared prepared);
    Outcome<void> write_waiting();
    Outcome<void> append_waiting();
    Outcome<bool> append(const Work& work);
    void report_sealed();
    void take(Work work);
    Outcome<void> serve_loads();
    Outcome<void> load(const core::Load& wanted);
    void wish_for_segment();
    void set_disk_full(bool full);
    void fail(const Failure& failure);

    std::unique_ptr<Journal> journal_;
    std::unique_ptr<Pages> pages_;
    Directory& directory_;
    JournalListener listener_;
    Mailbox<Item> mailbox_;
    Mailbox<Journal::Wish> wishes_;

    // The journal thread's own.
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
    core::TurnNumber last_turn_ = 0;
    core::TurnNumber reported_turn_ = 0;
    bool batch_needs_sync_ = false;
    std::optional<core::RecordNumber> forget_below_;
    bool wish_pending_ = false;
    bool wish_failed_ = false;
    bool disk_full_ = false;
    bool failed_ = false;
    amqp::Buffer encoded_;
    Counter syncs_;
    Gauge bytes_;

    Thread preparer_;
    Thread thread_;
};

} // namespace baton::broker::journal
