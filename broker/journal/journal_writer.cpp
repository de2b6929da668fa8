#include "broker/journal/journal_writer.hpp"

#include "base/assert.hpp"
#include "broker/journal/record_codec.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace baton::broker::journal {
namespace {

// A batch is synced when it has gathered this much, so that confirms do not wait for a flood.
constexpr std::uint64_t batch_bytes_max = 8ULL << 20;

} // namespace

Outcome<void> mark_beginning(Journal& journal, Directory& directory) {
    amqp::Buffer buffer;
    // A transaction of no records.
    const EncodedRecord encoded = encode_record(core::TransactionBegan{}, buffer);
    const Journal::Entry entry{
        .type = encoded.kind, .group_goes_on = false, .head = encoded.head, .body = encoded.body};
    auto appended = journal.append(entry);
    if (!appended && appended.error().code == Errc::disk_full) {
        const auto wanted = journal.wish();
        if (!wanted) return appended;
        auto prepared = prepare_segment(directory, *wanted);
        if (!prepared && prepared.error().code == Errc::disk_full) return {};
        if (!prepared) return std::move(prepared).error();
        journal.give(std::move(*prepared));
        appended = journal.append(entry);
    }
    if (!appended) return appended;
    return journal.commit();
}

JournalWriter::JournalWriter(std::unique_ptr<Journal> journal, std::unique_ptr<Pages> pages,
                             JournalListener listener)
    : journal_(std::move(journal)), pages_(std::move(pages)), listener_(std::move(listener)) {}

void JournalWriter::take(Work work) {
    if (!work.pages_out.empty() || !work.loads.empty() || !work.pages_gone.empty())
        paging_.push_back({std::move(work.pages_out), std::move(work.loads),
                           std::move(work.pages_gone)});
    if (!work.records.empty() || work.forget_below) waiting_.push_back(std::move(work));
}

Outcome<void> JournalWriter::take_prepared(Outcome<PreparedSegment> prepared) {
    wish_pending_ = false;
    if (prepared) {
        journal_->give(std::move(*prepared));
        set_disk_full(false);
        return {};
    }
    if (prepared.error().code != Errc::disk_full) return std::move(prepared).error();
    set_disk_full(true);
    return {};
}

std::optional<Journal::Wish> JournalWriter::wish() {
    if (wish_pending_) return std::nullopt;
    auto wish = journal_->wish();
    wish_pending_ = wish.has_value();
    return wish;
}

Outcome<void> JournalWriter::work() {
    BATON_TRY(write_waiting());
    return serve_loads();
}

Outcome<void> JournalWriter::finish(Directory& directory) {
    BATON_TRY(work());
    while (!waiting_.empty()) {
        const auto wanted = journal_->wish();
        if (!wanted) break;
        BATON_TRY(take_prepared(prepare_segment(directory, *wanted)));
        if (disk_full_) break;
        BATON_TRY(work());
    }
    BATON_TRY(journal_->commit());
    if (last_turn_ > reported_turn_) listener_.durable_up_to(last_turn_);
    return {};
}

// What is wanted was written, since everything that came with it or before has been; unless the disk
// is full, and then only what has to wait for space waits.
Outcome<void> JournalWriter::serve_loads() {
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

Outcome<void> JournalWriter::load(const core::Load& wanted) {
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

Outcome<void> JournalWriter::write_waiting() {
    for (;;) {
        BATON_TRY(append_waiting());
        const bool goes_on = journal_->waiting_bytes() >= batch_bytes_max;
        if (batch_needs_sync_) {
            const auto began = std::chrono::steady_clock::now();
            BATON_TRY(journal_->commit());
            metrics_.syncs.add();
            metrics_.sync_seconds.note(std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - began).count());
        } else {
            BATON_TRY(journal_->write());
        }
        for (const Work& work : in_batch_)
            written_bytes_ += work.bytes;
        in_batch_.clear();
        report_sealed();
        metrics_.bytes.set(static_cast<std::int64_t>(journal_->bytes()));
        if (batch_needs_sync_) {
            batch_needs_sync_ = false;
            reported_turn_ = last_turn_;
            listener_.durable_up_to(last_turn_);
            if (!is_held_) BATON_TRY(forget());
        }
        if (!goes_on) return {};
    }
}

Outcome<void> JournalWriter::forget() {
    if (!forget_below_) return {};
    return journal_->forget_up_to(*std::exchange(forget_below_, {}) - 1);
}

Outcome<std::vector<Journal::FilePart>> JournalWriter::hold() {
    BATON_TRY(journal_->commit());
    is_held_ = true;
    return journal_->files();
}

Outcome<void> JournalWriter::release() {
    is_held_ = false;
    return forget();
}

// Appends turns until none waits, the batch is large enough, or there is no room.
Outcome<void> JournalWriter::append_waiting() {
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
Outcome<bool> JournalWriter::append(const Work& work) {
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

void JournalWriter::report_sealed() {
    for (const SealedSegment& segment : journal_->take_newly_sealed())
        if (segment.last_record >= segment.first_record)
            listener_.segment_sealed(segment);
}

void JournalWriter::set_disk_full(bool full) {
    if (disk_full_ == full) return;
    disk_full_ = full;
    listener_.disk_full(full);
}

} // namespace baton::broker::journal
