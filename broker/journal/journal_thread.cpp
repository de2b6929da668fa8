#include "broker/journal/journal_thread.hpp"

#include "base/assert.hpp"
#include "base/overloaded.hpp"
#include "broker/journal/record_codec.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::broker::journal {
namespace {

// A batch is synced when it has gathered this much, so that confirms do not wait for a flood.
constexpr std::uint64_t batch_bytes_max = 8ULL << 20;

// How long to wait before asking a full disk again.
constexpr Duration retry_pause = std::chrono::milliseconds(500);

} // namespace

JournalThread::JournalThread(std::unique_ptr<Journal> journal, std::unique_ptr<Pages> pages,
                             Directory& directory, JournalListener listener)
    : journal_(std::move(journal)),
      pages_(std::move(pages)),
      directory_(directory),
      listener_(std::move(listener)) {
    preparer_ = Thread("journal-prepare", [this] { run_preparer(); });
    thread_ = Thread("journal", [this] { run(); });
}

JournalThread::~JournalThread() {
    stop();
}

void JournalThread::put(Work work) {
    mailbox_.put(std::move(work));
}

void JournalThread::stop() {
    mailbox_.close();
    thread_.join();
    wishes_.close();
    preparer_.join();
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
    report_sealed();
    wish_for_segment();
    for (;;) {
        std::vector<Item> items = wish_failed_ ? mailbox_.take(retry_pause) : mailbox_.take();
        if (items.empty() && mailbox_.is_closed()) break;
        for (Item& item : items)
            std::visit(Overloaded{[this](Work& work) { take(std::move(work)); },
                                  [this](Prepared& prepared) { take(std::move(prepared)); }},
                       item);
        if (failed_) continue;
        wish_failed_ = false;
        if (auto written = write_waiting(); !written) fail(written.error());
        if (failed_) continue;
        if (auto served = serve_loads(); !served) fail(served.error());
        if (!failed_) wish_for_segment();
    }
    if (failed_) return;
    // What still waits for space on a full disk was promised to nobody and is lost.
    if (auto done = journal_->commit(); !done) return fail(done.error());
    if (last_turn_ > reported_turn_) listener_.durable_up_to(last_turn_);
}

void JournalThread::take(Work work) {
    if (!work.pages_out.empty() || !work.loads.empty() || !work.pages_gone.empty())
        paging_.push_back({std::move(work.pages_out), std::move(work.loads),
                           std::move(work.pages_gone)});
    if (!work.records.empty() || work.forget_below) waiting_.push_back(std::move(work));
}

// What is wanted was written, since everything that came with it or before has been; unless the disk
// is full, and then only what has to wait for space waits.
Outcome<void> JournalThread::serve_loads() {
    std::vector<core::Load> unwritten;
    for (Paging& paging : paging_) {
        for (const core::PageOut& page : paging.pages_out) BATON_TRY(pages_->put(page));
        for (core::Load& wanted : paging.loads) {
            const auto youngest = std::ranges::max_element(wanted.records);
            if (youngest != wanted.records.end() && *youngest >= journal_->next_record())
                unwritten.push_back(std::move(wanted));
            else
                BATON_TRY(load(wanted));
        }
        for (const core::BlockId block : paging.pages_gone) pages_->drop(block);
    }
    paging_.clear();
    if (!unwritten.empty()) paging_.push_back({{}, std::move(unwritten), {}});
    return {};
}

Outcome<void> JournalThread::load(const core::Load& wanted) {
    std::vector<core::MessageRef> recorded;
    recorded.reserve(wanted.records.size());
    const auto visit = [&](const RecordView& view) -> Outcome<void> {
        recorded.emplace_back();
        if (!is_message_stored(view.type)) return {};
        auto message = decode_message(view.payload);
        if (!message)
            return Failure{message.error(),
                           fmt::format("record {} cannot be read back", view.number)};
        recorded.back() = std::move(*message);
        return {};
    };
    BATON_TRY(journal_->read(wanted.records, visit));
    std::vector<core::MessageRef> paged;
    if (wanted.with_page) {
        BATON_ASSIGN(paged, pages_->read(wanted.block));
    }
    listener_.loaded(wanted.block, std::move(recorded), std::move(paged));
    return {};
}

void JournalThread::take(Prepared prepared) {
    wish_pending_ = false;
    if (prepared.outcome) {
        journal_->give(std::move(*prepared.outcome));
        return set_disk_full(false);
    }
    const Failure& problem = prepared.outcome.error();
    if (problem.code != Errc::disk_full) return fail(problem);
    wish_failed_ = true;
    set_disk_full(true);
}

Outcome<void> JournalThread::write_waiting() {
    for (;;) {
        BATON_TRY(append_waiting());
        const bool goes_on = journal_->waiting_bytes() >= batch_bytes_max;
        if (batch_needs_sync_) {
            BATON_TRY(journal_->commit());
            syncs_.add();
        } else {
            BATON_TRY(journal_->write());
        }
        in_batch_.clear();
        report_sealed();
        bytes_.set(static_cast<std::int64_t>(journal_->bytes()));
        if (batch_needs_sync_) {
            batch_needs_sync_ = false;
            reported_turn_ = last_turn_;
            listener_.durable_up_to(last_turn_);
            if (forget_below_) {
                BATON_TRY(journal_->forget_up_to(*std::exchange(forget_below_, {}) - 1));
            }
        }
        if (!goes_on) return {};
    }
}

// Appends turns until none waits, the batch is large enough, or there is no room.
Outcome<void> JournalThread::append_waiting() {
    while (!waiting_.empty() && journal_->waiting_bytes() < batch_bytes_max) {
        BATON_ASSIGN(const bool complete, append(waiting_.front()));
        if (!complete) return {};
        Work& work = waiting_.front();
        last_turn_ = work.turn;
        batch_needs_sync_ = batch_needs_sync_ || work.needs_sync || work.forget_below;
        if (work.forget_below) forget_below_ = work.forget_below;
        in_batch_.push_back(std::move(work));
        waiting_.pop_front();
        appended_of_front_ = 0;
    }
    return {};
}

// True when all of it is in the batch, false when there is no room for the rest at the moment.
Outcome<bool> JournalThread::append(const Work& work) {
    for (; appended_of_front_ < work.records.size(); ++appended_of_front_) {
        BATON_ASSERT(journal_->next_record() == work.first_record + appended_of_front_,
                     "the core and the journal count records alike");
        const EncodedRecord encoded = encode_record(work.records[appended_of_front_], encoded_);
        auto done = journal_->append({.type = encoded.kind,
                                      .group_goes_on = appended_of_front_ + 1 < work.records.size(),
                                      .head = encoded.head,
                                      .body = encoded.body});
        if (!done) {
            if (done.error().code == Errc::disk_full) return false;
            return std::move(done).error();
        }
    }
    return true;
}

void JournalThread::report_sealed() {
    for (const SealedSegment& segment : journal_->take_newly_sealed())
        if (segment.last_record >= segment.first_record)
            listener_.segment_sealed(segment);
}

void JournalThread::wish_for_segment() {
    if (wish_pending_ || wish_failed_) return;
    if (const auto wish = journal_->wish()) {
        wish_pending_ = true;
        wishes_.put(*wish);
    }
}

void JournalThread::set_disk_full(bool full) {
    if (disk_full_ == full) return;
    disk_full_ = full;
    listener_.disk_full(full);
}

void JournalThread::fail(const Failure& failure) {
    failed_ = true;
    waiting_.clear();
    paging_.clear();
    in_batch_.clear();
    listener_.failed(failure);
}

} // namespace baton::broker::journal
