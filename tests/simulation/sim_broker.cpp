#include "tests/simulation/sim_broker.hpp"

#include "broker/journal/record_codec.hpp"

#include <algorithm>
#include <utility>

namespace baton::test {

namespace core = broker::core;
namespace journal = broker::journal;

Outcome<std::unique_ptr<SimBroker>> SimBroker::start(Machine& machine,
                                                     std::function<void(core::Command&)> hear) {
    std::unique_ptr<SimBroker> broker(new SimBroker(machine));
    broker->hear_ = std::move(hear);
    BATON_TRY(broker->open());
    return broker;
}

Outcome<void> SimBroker::open() {
    core_ = std::make_unique<broker::runtime::CoreLoop>(
        machine_.core, machine_.clock,
        broker::runtime::CoreSinks{
            .commands =
                [this](std::span<core::Command> commands) {
                    for (core::Command& command : commands) hear_(command);
                },
            .journal =
                [this](broker::runtime::JournalWork work) {
                    const bool is_urgent = work.is_urgent;
                    kept_.add(std::move(work));
                    if (is_urgent) send_kept();
                },
            .alarm = [](std::optional<Time>) {},
            .wake = [] {}});
    journal::JournalOptions options = machine_.options;
    options.prepares_segments = false;
    const auto visit = [this](const journal::RecordView& view) -> Outcome<void> {
        auto record = journal::decode_record_without_content(view.type, view.payload);
        if (!record) return Failure{record.error(), "a record cannot be read"};
        core_->replay(std::move(*record), view.number);
        return {};
    };
    journal::RecoveryReport report;
    BATON_ASSIGN(auto opened, journal::Journal::open(machine_.journal, options, visit, report));
    if (core_->broker().ended_in_order())
        BATON_TRY(journal::mark_beginning(*opened, machine_.journal));
    BATON_ASSIGN(auto pages, journal::Pages::open(machine_.pages, 4096));
    const core::RecordNumber last = opened->next_record() - 1;
    journal_ = opened.get();
    writer_ = std::make_unique<journal::JournalWriter>(std::move(opened), std::move(pages),
                                                       listener());
    core_->finish_recovery(last);
    writer_->report_sealed();
    return {};
}

journal::JournalListener SimBroker::listener() {
    return {.durable_up_to =
                [this](core::TurnNumber turn) {
                    reports_.emplace_back([this, turn] { core_->durable_up_to(turn); });
                },
            .segment_sealed =
                [this](const journal::SealedSegment& segment) {
                    reports_.emplace_back(
                        [this, sealed = core::SegmentSealed{segment.first_record,
                                                            segment.last_record,
                                                            segment.bytes}] {
                            core_->apply(sealed);
                        });
                },
            .loaded =
                [this](core::BlockId block, std::vector<core::MessageRef> recorded,
                       std::vector<core::MessageRef> paged) {
                    reports_.emplace_back(
                        [this, loaded = core::Loaded{block, std::move(recorded),
                                                     std::move(paged)}] { core_->apply(loaded); });
                },
            .disk_full =
                [this](bool full) {
                    reports_.emplace_back([this, full] {
                        core_->apply(core::AlarmChanged{core::Alarm::disk, full});
                    });
                },
            .lags = {},
            .failed = [](const Failure&) {}};
}

void SimBroker::send_kept() {
    auto work = kept_.take();
    if (!work) return;
    sent_.push_back({.turn = work->turn,
                     .first_record = work->first_record,
                     .records = std::move(work->records),
                     .needs_sync = work->needs_sync,
                     .forget_below = work->forget_below,
                     .pages_out = std::move(work->pages_out),
                     .loads = std::move(work->loads),
                     .pages_gone = std::move(work->pages_gone)});
}

Outcome<void> SimBroker::write(std::size_t turns) {
    if (turns == all) send_kept();
    for (; turns != 0 && !sent_.empty(); --turns) {
        writer_->take(std::move(sent_.front()));
        sent_.pop_front();
    }
    return writer_->work();
}

Outcome<void> SimBroker::prepare() {
    const auto wish = writer_->wish();
    if (!wish) return {};
    return writer_->take_prepared(journal::prepare_segment(machine_.journal, *wish));
}

void SimBroker::report(std::size_t count) {
    for (; count != 0 && !reports_.empty(); --count) {
        const auto report = std::move(reports_.front());
        reports_.pop_front();
        report();
    }
}

Outcome<void> SimBroker::stop() {
    core_->apply(core::Stopping{});
    BATON_TRY(write(all));
    BATON_TRY(writer_->finish(machine_.journal));
    report(reports_.size());
    return {};
}

std::vector<core::Record> SimBroker::durable_state() {
    return core_->broker().snapshot([this](core::RecordNumber number) {
        core::MessageRef message;
        const auto visit = [&](const journal::RecordView& view) -> Outcome<void> {
            if (auto found = journal::decode_message(view.payload)) message = std::move(*found);
            return {};
        };
        (void)journal_->read({&number, 1}, visit);
        return message;
    });
}

} // namespace baton::test
