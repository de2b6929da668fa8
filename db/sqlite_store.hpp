// RunStore on SQLite: one file, one writing connection, used by the engine's thread alone. A commit
// is one transaction and one fsync of the write-ahead log; statements are prepared when the store
// opens.
#pragma once

#include "db/blobs.hpp"
#include "db/sqlite.hpp"
#include "orchestrator/runtime/run_store.hpp"

#include <memory>

namespace baton::db {

namespace runtime = orchestrator::runtime;

class SqliteStore final : public runtime::RunStore {
public:
    // Makes and migrates the file as needed.
    static Outcome<std::unique_ptr<SqliteStore>> open(const std::string& path);
    ~SqliteStore() override;

    Outcome<std::vector<runtime::OwnedPartition>>
    take_over(std::span<const runtime::Partition> parts, const std::string& node) override;
    Outcome<std::vector<runtime::Alarm>> alarms(runtime::Partition part) override;
    Outcome<std::vector<runtime::HistoryRow>>
    history_above(runtime::Partition part, std::uint64_t after, std::size_t count,
                  const runtime::ReadLimits& limits) override;
    using RunStore::history_above;
    Outcome<std::vector<runtime::HistoryRow>>
    history_since(std::span<const runtime::HistoryAsk> asks) override;
    Outcome<std::vector<runtime::StoredRun>> load(std::span<const std::string> run_ids,
                                                   const runtime::ReadLimits& limits) override;
    using RunStore::load;
    Outcome<std::vector<std::string>> open_runs(runtime::Partition part,
                                                const std::string& after_run_id,
                                                std::size_t limit) override;
    Outcome<std::uint32_t> partition_count() override;
    Outcome<runtime::Committed> commit(const runtime::Batch& batch) override;
    Outcome<runtime::StoredDefinition>
    save_definition(const std::string& name, const std::string& source,
                    const std::string& file_name, const std::string& sha256, Time now,
                    std::optional<std::uint64_t> only_over = {}) override;
    Outcome<bool> retire_definition(const std::string& name) override;
    Outcome<bool> is_retired(const std::string& name, const std::string& sha256) override;
    Outcome<std::vector<runtime::StoredDefinition>> needed_definitions() override;
    Outcome<std::optional<runtime::StoredDefinition>>
    definition(std::uint64_t definition_id) override;
    Outcome<std::vector<runtime::StoredDefinition>> newest_definitions() override;
    Outcome<std::size_t> remove_runs(const std::string& workflow, Time ended_before, std::size_t limit) override;
    Outcome<std::vector<runtime::StoredSlot>> slots(runtime::Partition part) override;
    Outcome<bool> has_start_key(const std::string& workflow, const std::string& key, Time now) override;
    Outcome<std::uint64_t> runs_of_tag(const runtime::RunTag& tag, std::uint64_t at_most) override;
    Outcome<void> add_event_shapes(std::span<const runtime::StoredShape> shapes) override;
    Outcome<std::vector<runtime::StoredShape>> event_shapes(const std::string& type) override;
    Outcome<void> add_event_waits(std::span<const runtime::EventWait> waits) override;
    Outcome<void> remove_event_waits(std::span<const runtime::EventWait> waits) override;
    Outcome<std::vector<runtime::EventWait>> event_waits(const std::string& key, const std::string& after_run_id,
                                                         std::size_t limit) override;
    Outcome<void> keep_events(std::span<const runtime::KeptEvent> events) override;
    Outcome<std::vector<runtime::KeptEvent>> kept_events(std::span<const std::string> keys, Time now) override;
    Outcome<std::vector<runtime::EventOffer>> event_offers(runtime::Partition part, Time now) override;
    Outcome<void> forget_events(Time now) override;
    Outcome<std::vector<runtime::StoredPause>> pauses() override;
    Outcome<void> save_pause(const runtime::StoredPause& pause) override;
    Outcome<void> remove_pause(runtime::PauseKind kind, const std::string& name) override;
    Outcome<void> add_log_lines(std::span<const runtime::RunLogLine> lines, const runtime::RunLogLimits& limits) override;
    Outcome<runtime::KeptAnswer> begin_answer(const runtime::KeptAnswer& asked, Time forgotten_before) override;
    Outcome<void> keep_answer(const runtime::KeptAnswer& answered) override;
    Outcome<bool> take_answer_over(const runtime::KeptAnswer& seen, const std::string& owner) override;
    Outcome<void> drop_answer(const runtime::KeptAnswer& begun) override;
    Outcome<bool> save_view(const runtime::SavedView& view, std::size_t views_max) override;
    Outcome<bool> remove_view(const std::string& user, const std::string& name) override;
    Outcome<runtime::RunJob> add_run_job(const runtime::RunJob& job) override;
    Outcome<void> save_run_job(const runtime::RunJob& job) override;
    Outcome<std::vector<runtime::RunJob>> running_run_jobs(const std::string& node) override;
    Outcome<std::vector<runtime::TriggerRow>> triggers() override;
    Outcome<std::vector<std::size_t>> save_triggers(std::span<const runtime::TriggerRow> rows) override;
    Outcome<std::size_t> mend_indexes(const runtime::Closing& closing, Time now) override;
    Outcome<std::optional<runtime::DeadLetter>> dead_letter(std::uint64_t id) override;
    Outcome<std::vector<std::uint64_t>> dead_letter_ids(const runtime::DeadLetterFilter& filter) override;
    Outcome<runtime::DeadJob> add_dead_job(const runtime::DeadJob& job) override;
    Outcome<void> save_dead_job(const runtime::DeadJob& job) override;
    Outcome<std::vector<runtime::DeadJob>> running_dead_jobs() override;
    Outcome<runtime::DiedAgain> died_again(std::uint64_t job_id, std::uint64_t after_id) override;
    Outcome<std::string> secret(const std::string& candidate) override;

private:
    struct Statements;

    explicit SqliteStore(Sqlite database);
    Outcome<void> prepare();
    Outcome<std::optional<runtime::StoredRun>> load_one(const std::string& run_id, std::size_t bytes_max);
    Outcome<std::vector<runtime::Partition>>
    move_fences(std::span<const runtime::OwnedPartition> fences);
    Outcome<runtime::Committed> write(const runtime::Batch& batch, std::vector<BlobUse> uses);
    BlobReader blob_reader();
    Outcome<void> write_run(const runtime::RunChange& change, runtime::Committed& committed);
    Outcome<bool> insert_run(const runtime::RunChange& change);
    Outcome<bool> update_run(const runtime::RunChange& change);
    Outcome<std::optional<runtime::DuplicateStart>> holder_of_key(const runtime::RunChange& change);
    Outcome<bool> is_written(const runtime::RunChange& change);
    Outcome<void> write_dead_letters(const runtime::RunChange& change);
    Outcome<void> insert_dead_letter(const runtime::DeadLetter& letter);
    Outcome<void> set_alarm(const std::string& run_id, runtime::Partition part,
                            std::optional<Time> due);
    Outcome<void> close_dead_letters(const runtime::Batch& batch, std::span<const std::uint64_t> ids,
                                     runtime::DeadLetterState state);

    Sqlite database_;
    std::unique_ptr<Statements> statements_;
    RecentBlobs recent_;
};

} // namespace baton::db
