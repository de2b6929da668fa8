// What people ask, as selects on SQLite. Conditions are added as text, values always as parameters.
#include "db/sqlite_queries.hpp"

#include "db/indexes.hpp"
#include "db/run_id.hpp"
#include "db/run_jobs.hpp"
#include "db/run_log.hpp"
#include "db/run_search.hpp"
#include "db/sqlite_dead.hpp"
#include "db/sqlite_rows.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::db {

using namespace orchestrator::runtime;

namespace {

// The columns of a list: state and input, which may be large, stay away.
constexpr const char* sqlite_list_columns =
    "run_id, part, definition_id, workflow, workflow_version, status, version, '', '', output, "
    "error_type, error, started_at, closed_at";

constexpr const char* sqlite_details_columns =
    "run_id, part, definition_id, workflow, workflow_version, status, version, '', input, output, "
    "error_type, error, started_at, closed_at, tags";

const SqlDialect sqlite_dialect{
    .mark = '?',
    .time = [](Time time) { return std::to_string(micros_of(time)); },
    .time_cast = "+0",
    .id_cast = "",
    .end_micros = "c.closed_at",
    .columns = "r.run_id, r.part, r.definition_id, r.workflow, r.workflow_version, r.status, r.version, r.error_type, r.error, "
               "r.started_at, r.closed_at, r.tags",
    .join_run = "cross join run r on r.run_id = c.run_id",
    .tag_of = "json_extract(nullif(r.tags, ''), {})",
    .tag_name = [](std::string_view name) { return fmt::format("$.\"{}\"", name); },
};

SqlAsk sqlite_asking(Sqlite& database) {
    return [&database](const std::string& sql, const std::vector<std::string>& values) -> Outcome<std::vector<SqlRow>> {
        BATON_ASSIGN(auto select, database.prepare(sql));
        select.with_texts(values);
        std::vector<SqlRow> rows;
        while (true) {
            BATON_ASSIGN(const bool has_row, select.step());
            if (!has_row) return rows;
            SqlRow& row = rows.emplace_back();
            for (int column = 0; column < select.columns(); ++column)
                row.push_back(select.optional_text(column));
        }
    };
}

std::int64_t as_signed(std::uint64_t number) {
    return static_cast<std::int64_t>(
        std::min<std::uint64_t>(number, static_cast<std::uint64_t>(INT64_MAX)));
}

BlobReader sqlite_reading_blobs(Sqlite& database) {
    return [&database](const std::set<std::string>& hashes) { return read_blobs(database, hashes); };
}

} // namespace

Outcome<std::unique_ptr<SqliteQueries>> SqliteQueries::open(const std::string& path) {
    BATON_ASSIGN(Sqlite database, Sqlite::open(path, Sqlite::Access::read));
    return std::unique_ptr<SqliteQueries>(new SqliteQueries(std::move(database)));
}

Outcome<std::vector<StoredRun>> SqliteQueries::runs(const RunFilter& filter) {
    std::string sql =
        fmt::format("select {} from run where (?1 = '' or run_id < ?1)", sqlite_run_row_columns);
    if (!filter.workflow.empty()) sql += " and workflow = ?2";
    if (filter.status) sql += " and status = ?3";
    RunIdRange ids;
    if (!filter.id_prefix.empty()) {
        const auto range = run_ids_like(filter.id_prefix);
        if (!range) return std::vector<StoredRun>{};
        ids = *range;
        sql += " and run_id between ?5 and ?6";
    }
    sql += " order by run_id desc limit ?4";
    BATON_ASSIGN(auto select, database_.prepare(sql));
    const int status = filter.status ? static_cast<int>(*filter.status) : 0;
    return read_all(select.with(filter.before_run_id, filter.workflow, status, as_signed(filter.limit),
                                ids.first, ids.last),
                    read_run);
}

Outcome<RunPage> SqliteQueries::search(const RunSearch& search, const std::string& from, std::size_t limit) {
    return search_runs(sqlite_asking(database_), sqlite_dialect, search, from, limit);
}

Outcome<RunTotals> SqliteQueries::totals(const RunSearch& search) {
    return count_runs(sqlite_asking(database_), sqlite_dialect, search);
}

Outcome<std::optional<RunDetails>> SqliteQueries::run(const std::string& id_or_prefix) {
    const auto range = run_ids_like(id_or_prefix);
    if (!range) return std::optional<RunDetails>{};
    // One read transaction, so that the run and its dead letters belong together.
    BATON_TRY(database_.execute("begin"));
    auto outcome = [&]() -> Outcome<std::optional<RunDetails>> {
        BATON_ASSIGN(auto select, database_.prepare(fmt::format(
                                      "select {} from run where run_id between ? and ? limit 2",
                                      sqlite_details_columns)));
        BATON_ASSIGN(auto found, read_all(select.with(range->first, range->last), read_tagged_run));
        if (found.size() != 1) return std::optional<RunDetails>{};
        RunDetails details;
        details.run = std::move(found.front());
        BATON_TRY(unfold(details.run, sqlite_reading_blobs(database_)));
        DeadLetterFilter letters;
        letters.state.reset();
        letters.run_id = details.run.run_id;
        letters.limit = 1000;
        BATON_ASSIGN(details.dead_letters, dead_letters(letters));
        return std::optional<RunDetails>(std::move(details));
    }();
    BATON_TRY(database_.execute("commit"));
    return outcome;
}

Outcome<std::optional<StoredRun>> SqliteQueries::run_row(const std::string& id_or_prefix) {
    const auto range = run_ids_like(id_or_prefix);
    if (!range) return std::optional<StoredRun>{};
    BATON_ASSIGN(auto select,
                 database_.prepare(fmt::format(
                     "select {} from run where run_id between ? and ? limit 2", sqlite_list_columns)));
    BATON_ASSIGN(auto found, read_all(select.with(range->first, range->last), read_run));
    if (found.size() != 1) return std::optional<StoredRun>{};
    BATON_TRY(unfold(found.front(), sqlite_reading_blobs(database_)));
    return std::optional<StoredRun>(std::move(found.front()));
}

Outcome<std::optional<RunRecord>> SqliteQueries::record(const std::string& run_id) {
    BATON_TRY(database_.execute("begin"));
    auto outcome = [&]() -> Outcome<std::optional<RunRecord>> {
        BATON_ASSIGN(auto select, database_.prepare(fmt::format("select {} from run where run_id = ?", sqlite_run_columns)));
        BATON_ASSIGN(auto found, read_one(select.with(run_id), read_run));
        if (!found) return std::optional<RunRecord>{};
        RunRecord record;
        record.run = std::move(*found);
        BATON_TRY(unfold(record.run, sqlite_reading_blobs(database_)));
        BATON_ASSIGN(auto alarm, database_.prepare("select due from alarm where run_id = ?"));
        BATON_ASSIGN(record.alarm, read_one<Time>(alarm.with(run_id), [](const SqliteStatement& row) { return row.time(0); }));
        BATON_ASSIGN(auto letters, database_.prepare("select id, step from dead_letter where run_id = ? and state = 1 and step <> ''"));
        BATON_ASSIGN(record.open_letters, read_all<DeadLetter>(letters.with(run_id), [](const SqliteStatement& row) {
                         DeadLetter letter;
                         letter.id = static_cast<std::uint64_t>(row.number(0));
                         letter.step = row.text(1);
                         return letter;
                     }));
        return std::optional<RunRecord>(std::move(record));
    }();
    BATON_TRY(database_.execute("commit"));
    return outcome;
}

Outcome<std::vector<SavedView>> SqliteQueries::views(const std::string& user) {
    BATON_ASSIGN(auto select, database_.prepare("select user_name, name, query, at from saved_view where user_name = ? order by name"));
    return read_all<SavedView>(select.with(user), [](const SqliteStatement& row) {
        return SavedView{row.text(0), row.text(1), row.text(2), row.time(3)};
    });
}

Outcome<RunLogPage> SqliteQueries::log_lines(const std::string& run_id, std::uint64_t after, std::size_t limit) {
    return read_log_lines(database_, run_id, after, limit);
}

Outcome<std::vector<RunJob>> SqliteQueries::run_jobs(std::optional<std::uint64_t> id, std::size_t limit) {
    const std::string which = id ? fmt::format(" where id = {}", as_signed(*id)) : "";
    BATON_ASSIGN(const auto rows,
                 sqlite_asking(database_)(fmt::format("{}{} order by id desc limit {}", run_job_select, which, as_signed(limit)), {}));
    std::vector<RunJob> jobs;
    for (const SqlRow& row : rows) jobs.push_back(read_run_job(row));
    return jobs;
}

Outcome<std::vector<IndexFault>> SqliteQueries::index_faults(std::size_t limit) {
    BATON_ASSIGN(auto faults, find_index_faults(sqlite_asking(database_), sqlite_index_checks(), limit));
    BATON_ASSIGN(auto check, database_.prepare(fmt::format("pragma integrity_check({})", limit)));
    BATON_ASSIGN(const auto verdicts, read_all<std::string>(check, [](const SqliteStatement& row) { return row.text(0); }));
    for (const std::string& verdict : verdicts)
        if (verdict != "ok")
            faults.push_back({"file", {}, fmt::format("{} is damaged: {}; restore a backup, or try sqlite3 {} .recover", database_.path(), verdict, database_.path())});
    return faults;
}

Outcome<HistoryPage> SqliteQueries::history_after(const std::string& run_id, std::uint64_t after_seq, std::size_t limit) {
    BATON_ASSIGN(auto select,
                 database_.prepare(
                     fmt::format("select {} from history where run_id = ? and seq > ? order by seq limit ?",
                                 sqlite_history_columns)));
    select.with(run_id, as_signed(after_seq), as_signed(limit) + 1);
    HistoryPage page;
    for (std::size_t sum = 0;; sum += unfolded_size(page.rows.back().events)) {
        BATON_ASSIGN(const bool has_row, select.step());
        if (!has_row) break;
        page.has_more = page.rows.size() == limit || sum >= history_page_bytes_max;
        if (page.has_more) break;
        page.rows.push_back(read_history(select));
    }
    select.reset();
    BATON_TRY(unfold(page, sqlite_reading_blobs(database_)));
    return page;
}

Outcome<std::vector<RunCount>> SqliteQueries::counts() {
    BATON_ASSIGN(auto select, database_.prepare("select workflow, status, count(*) from run "
                                                "group by workflow, status order by 1, 2"));
    return read_all<RunCount>(select, [](const SqliteStatement& row) {
        return RunCount{row.text(0), static_cast<RunStatus>(row.number(1)),
                        static_cast<std::uint64_t>(row.number(2))};
    });
}

Outcome<std::vector<DeadLetter>> SqliteQueries::dead_letters(const DeadLetterFilter& filter) {
    BATON_ASSIGN(auto select,
                 database_.prepare(fmt::format("select {} from dead_letter where {} order by id desc limit ?11",
                                               sqlite_dead_letter_columns, dead_letter_conditions(filter))));
    return read_all(with_filter(select, filter), read_dead_letter);
}

Outcome<std::vector<DeadGroup>> SqliteQueries::dead_groups(std::optional<DeadLetterState> state, std::size_t limit) {
    return read_dead_groups(database_, state, limit);
}

Outcome<std::vector<DeadJob>> SqliteQueries::dead_jobs(std::optional<std::uint64_t> id, std::size_t limit) {
    BATON_ASSIGN(auto select, database_.prepare(fmt::format("{} where ?1 is null or id = ?1 order by id desc limit ?2",
                                                            sqlite_dead_job_select)));
    std::optional<std::int64_t> number;
    if (id) number = as_signed(*id);
    return read_all(select.with(number, as_signed(limit)), read_dead_job);
}

Outcome<std::optional<DeadLetter>> SqliteQueries::dead_letter(std::uint64_t id) {
    BATON_ASSIGN(auto select,
                 database_.prepare(fmt::format("select {} from dead_letter where id = ?",
                                               sqlite_dead_letter_columns)));
    return read_one(select.with(as_signed(id)), read_dead_letter);
}

Outcome<std::vector<StoredDefinition>>
SqliteQueries::definitions(const std::string& all_versions_of) {
    std::string sql = sqlite_definition_select;
    sql += all_versions_of.empty() ? "where l.name is not null order by d.name"
                                   : "where d.name = ? order by d.version desc";
    BATON_ASSIGN(auto select, database_.prepare(sql));
    if (!all_versions_of.empty()) select.with(all_versions_of);
    return read_all(select, read_definition);
}

} // namespace baton::db
