// The thread that makes turns durable: hands everything that waits to a JournalWriter, again and
// again. While it syncs, the next batch gathers, so batches grow with the load and a lone publisher
// waits for one sync only; there is no timer.
// A second, mostly sleeping thread reserves the next segment before it is needed; when there is no
// space for it, publishers are stopped while the current segment still has room for the rest.
#pragma once

#include "base/mailbox.hpp"
#include "base/thread.hpp"
#include "broker/journal/journal_writer.hpp"

#include <atomic>
#include <chrono>
#include <variant>

namespace baton::broker::journal {

class JournalThread {
public:
    using Work = JournalWriter::Work;

    // `directory` must outlive the thread and be the one `journal` was opened in, with
    // JournalOptions::prepares_segments off.
    JournalThread(std::unique_ptr<Journal> journal, std::unique_ptr<Pages> pages,
                  Directory& directory, JournalListener listener);
    ~JournalThread();

    // Any thread, in the order of the turns.
    void put(Work work);
    // Any thread: more waits to be written than should. The listener's `lags` is called when it
    // changed, on either thread; two calls may overtake each other, so ask here what is true.
    bool lags() const { return lags_.load(); }
    // Any thread: the journal's files once everything put before is on the disk; see
    // JournalWriter::hold(). `answer` is called on the journal thread, or thrown away when that has ended
    // or the disk refused.
    void hold(std::function<void(std::vector<Journal::FilePart>)> answer);
    void release();
    // Makes everything durable that was put, then ends. May be called twice.
    void stop();

    const JournalMetrics& metrics() const { return writer_.metrics(); }

private:
    struct Prepared {
        Outcome<PreparedSegment> outcome;
    };
    struct Hold {
        std::function<void(std::vector<Journal::FilePart>)> answer; // empty: let go
    };
    using Item = std::variant<Work, Prepared, Hold>;

    void run();
    void run_preparer();
    std::vector<Item> wait();
    Outcome<void> work_on(std::vector<Item> items);
    Outcome<void> take(Prepared prepared);
    Outcome<void> carry_out(const Hold& hold);
    void wish_for_segment();
    void fail(const Failure& failure);

    void done_with(std::uint64_t bytes);

    Directory& directory_;
    std::function<void(const Failure&)> failed_listener_;
    std::function<void()> lags_listener_;
    std::atomic<std::uint64_t> waiting_bytes_{0}; // of records that were put and are not written
    std::atomic<bool> lags_{false};
    Mailbox<Item> mailbox_;
    Mailbox<Journal::Wish> wishes_;

    // The journal thread's own.
    JournalWriter writer_;
    // A full disk is asked again at this time; nothing: it has not refused.
    std::optional<std::chrono::steady_clock::time_point> ask_again_at_;
    bool failed_ = false;

    Thread preparer_;
    Thread thread_;
};

} // namespace baton::broker::journal
