// RunQueries on SQLite: a reading connection of its own, which sees the last commit and never waits
// for the writer (write-ahead log). One object per thread.
#pragma once

#include "db/sqlite.hpp"
#include "orchestrator/runtime/run_store.hpp"

#include <memory>

namespace baton::db {

namespace runtime = orchestrator::runtime;

class SqliteQueries final : public runtime::RunQueries {
public:
    // The file must exist and be migrated: a SqliteStore was opened before.
    static Outcome<std::unique_ptr<SqliteQueries>> open(const std::string& path);

    Outcome<std::vector<runtime::StoredRun>> runs(const runtime::RunFilter& filter) override;
    Outcome<runtime::RunPage> search(const runtime::RunSearch& search, const std::string& from,
                                     std::size_t limit) override;
    Outcome<runtime::RunTotals> totals(const runtime::RunSearch& search) override;
    Outcome<std::optional<runtime::RunDetails>> run(const std::string& id_or_prefix) override;
    Outcome<std::optional<runtime::StoredRun>> run_row(const std::string& id_or_prefix) override;
    Outcome<std::optional<runtime::RunRecord>> record(const std::string& run_id) override;
    Outcome<std::vector<runtime::SavedView>> views(const std::string& user) override;
    Outcome<runtime::RunLogPage> log_lines(const std::string& run_id, std::uint64_t after, std::size_t limit) override;
    Outcome<std::vector<runtime::RunJob>> run_jobs(std::optional<std::uint64_t> id, std::size_t limit) override;
    Outcome<std::vector<runtime::IndexFault>> index_faults(std::size_t limit) override;
    Outcome<runtime::HistoryPage> history_after(const std::string& run_id, std::uint64_t after_seq,
                                                std::size_t limit) override;
    Outcome<std::vector<runtime::RunCount>> counts() override;
    Outcome<std::vector<runtime::DeadLetter>>
    dead_letters(const runtime::DeadLetterFilter& filter) override;
    Outcome<std::optional<runtime::DeadLetter>> dead_letter(std::uint64_t id) override;
    Outcome<std::vector<runtime::DeadGroup>> dead_groups(std::optional<runtime::DeadLetterState> state,
                                                         std::size_t limit) override;
    Outcome<std::vector<runtime::DeadJob>> dead_jobs(std::optional<std::uint64_t> id, std::size_t limit) override;
    Outcome<std::vector<runtime::StoredDefinition>>
    definitions(const std::string& all_versions_of) override;

private:
    explicit SqliteQueries(Sqlite database) : database_(std::move(database)) {}

    Sqlite database_;
};

} // namespace baton::db
