// RunQueries on PostgreSQL: a session of its own, one object per thread. A lost connection is
// replaced unseen, since reading twice does no harm.
#pragma once

#include "db/postgres_session.hpp"
#include "orchestrator/runtime/run_store.hpp"

namespace baton::db {

namespace runtime = orchestrator::runtime;

class PostgresQueries final : public runtime::RunQueries {
public:
    // `url` as libpq takes it. Connects at the first question.
    explicit PostgresQueries(const std::string& url);

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
    Outcome<runtime::Neighbourhood> neighbourhood() override;
    Outcome<runtime::RunsElsewhere> runs_elsewhere(const std::string& node, const std::map<runtime::Partition, std::uint64_t>& after,
                                                   std::size_t limit) override;
    void interrupt(Duration age) override { session_.interrupt(age); }

private:
    PostgresSession session_;
};

} // namespace baton::db
