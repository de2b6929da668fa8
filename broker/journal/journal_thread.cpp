#include "broker/journal/journal_thread.hpp"

#include <utility>

namespace baton::broker::journal {
namespace {

using Clock = std::chrono::steady_clock;

// How long to wait before asking a full disk again.
constexpr auto retry_pause = std::chrono::milliseconds(500);

// What may wait to be written; a disk writes it in a second or less. It is in memory and nobody
// else counts it: its messages may have left their queues already.
constexpr std::uint64_t waiting_bytes_high = 64 << 20;
constexpr std::uint64_t waiting_bytes_low = waiting_bytes_high / 2;

std::uint64_t weight_of(const JournalThread::Work& work) {
    std::uint64_t bytes = work.records.size() * sizeof(core::Record);
    for (const core::Record& record : work.records)
        if (const auto* stored = std::get_if<core::MessageStored>(&record);
            stored != nullptr && stored->message)
            bytes += stored->message->memory_size();
    return bytes;
}

} // namespace

JournalThread::JournalThread(std::unique_ptr<Journal> journal, std::unique_ptr<Pages> pages,
                             Directory& directory, JournalListener listener)
    : directory_(directory),
      failed_listener_(listener.failed),
      lags_listener_(listener.lags),
      writer_(std::move(journal), std::move(pages), std::move(listener)) {
    preparer_ = Thread("journal-prepare", [this] { run_preparer(); });
    thread_ = Thread("journal", [this] { run(); });
}

JournalThread::~JournalThread() {
    stop();
}

void JournalThread::put(Work work) {
    work.bytes = weight_of(work);
    const bool is_too_much = waiting_bytes_.fetch_add(work.bytes) + work.bytes > waiting_bytes_high;
    // Before the work is there: the thread, done with it, takes it back.
    const bool begins = is_too_much && !lags_.exchange(true);
    mailbox_.put(std::move(work));
    if (begins && lags_listener_) lags_listener_();
}

void JournalThread::done_with(std::uint64_t bytes) {
    const std::uint64_t left = waiting_bytes_.fetch_sub(bytes) - bytes;
    if (left <= waiting_bytes_low && lags_.exchange(false) && lags_listener_) lags_listener_();
}

void JournalThread::hold(std::function<void(std::vector<Journal::FilePart>)> answer) {
    mailbox_.put(Hold{std::move(answer)});
}

void JournalThread::release() {
    mailbox_.put(Hold{});
}

void JournalThread::stop() {
    mailbox_.close();
    thread_.join();
}

void JournalThread::run_preparer() {
    for (;;) {
        const std::vector<Journal::Wish> wishes = wishes_.take();
        if (wishes.empty()) return;
        for (const Journal::Wish& wish : wishes)
            mailbox_.put(Prepared{prepare_segment(directory_, wish)});
    }
}

void JournalThread::run() {
    writer_.report_sealed();
    wish_for_segment();
    for (;;) {
        std::vector<Item> items = wait();
        if (items.empty() && mailbox_.is_closed()) break;
        if (failed_) continue;
        if (auto worked = work_on(std::move(items)); !worked) fail(worked.error());
    }
    // A segment that is still being made would come too late.
    wishes_.close();
    preparer_.join();
    if (failed_) return;
    if (auto done = writer_.finish(directory_); !done) fail(done.error());
}

std::vector<JournalThread::Item> JournalThread::wait() {
    if (!ask_again_at_) return mailbox_.take();
    const auto left = std::chrono::duration_cast<Duration>(*ask_again_at_ - Clock::now());
    return left > Duration::zero() ? mailbox_.take(left) : mailbox_.take_now();
}

Outcome<void> JournalThread::work_on(std::vector<Item> items) {
    for (Item& item : items) {
        if (auto* work = std::get_if<Work>(&item)) writer_.take(std::move(*work));
        if (auto* prepared = std::get_if<Prepared>(&item)) BATON_TRY(take(std::move(*prepared)));
    }
    BATON_TRY(writer_.work());
    for (Item& item : items)
        if (auto* hold = std::get_if<Hold>(&item)) BATON_TRY(carry_out(*hold));
    done_with(writer_.take_written_bytes());
    wish_for_segment();
    return {};
}

Outcome<void> JournalThread::carry_out(const Hold& hold) {
    if (!hold.answer) return writer_.release();
    BATON_ASSIGN(auto files, writer_.hold());
    hold.answer(std::move(files));
    return {};
}

Outcome<void> JournalThread::take(Prepared prepared) {
    if (prepared.outcome)
        ask_again_at_.reset();
    else
        ask_again_at_ = Clock::now() + retry_pause;
    return writer_.take_prepared(std::move(prepared.outcome));
}

void JournalThread::wish_for_segment() {
    if (ask_again_at_ && Clock::now() < *ask_again_at_) return;
    ask_again_at_.reset();
    if (const auto wish = writer_.wish()) wishes_.put(*wish);
}

void JournalThread::fail(const Failure& failure) {
    failed_ = true;
    failed_listener_(failure);
}

} // namespace baton::broker::journal
