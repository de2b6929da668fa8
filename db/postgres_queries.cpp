// What people ask, as selects on PostgreSQL. Conditions are added as text, values always as
// parameters. The statements are not prepared, so the planner sees the values and can use the
// partial indexes.
#include "db/postgres_queries.hpp"

#include "db/indexes.hpp"
#include "db/postgres_blobs.hpp"
#include "db/postgres_dead.hpp"
#include "db/postgres_nodes.hpp"
#include "db/postgres_rows.hpp"
#include "db/postgres_select.hpp"
#include "db/run_id.hpp"
#include "db/run_jobs.hpp"
#include "db/run_log.hpp"
#include "db/run_search.hpp"

#include <fmt/format.h>
#include <pqxx/nontransaction>
#include <pqxx/transaction>

namespace baton::db {

using namespace orchestrator::runtime;

namespace {

// The columns of a list, without what may be large.
constexpr const char* row_columns =
    "run_id, part, definition_id, workflow, workflow_version, status, version, '', '', null, "
    "error_type, error, (extract(epoch from started_at) * 1000000)::bigint, "
    "(extract(epoch from closed_at) * 1000000)::bigint";

constexpr const char* postgres_details_columns =
    "run_id, part, definition_id, workflow, workflow_version, status, version, '', input, output, "
    "error_type, error, (extract(epoch from started_at) * 1000000)::bigint, "
    "(extract(epoch from closed_at) * 1000000)::bigint, 0, tags";

const SqlDialect postgres_dialect{
    .mark = '$',
    .time = timestamp_text,
    .time_cast = "::timestamptz",
    .id_cast = "::uuid",
    .end_micros = "(extract(epoch from c.closed_at) * 1000000)::bigint",
    .columns = "r.run_id, r.part, r.definition_id, r.workflow, r.workflow_version, r.status, r.version, r.error_type, r.error, "
               "(extract(epoch from r.started_at) * 1000000)::bigint, (extract(epoch from r.closed_at) * 1000000)::bigint, r.tags",
    // Without the offset the planner would join as it likes, and read all runs.
    .join_run = "cross join lateral (select * from run where run.run_id = c.run_id offset 0) r",
    .tag_of = R"(((nullif(r.tags, '')::jsonb ->> {}::text) collate "C"))",
    .tag_name = [](std::string_view name) { return std::string(name); },
};

// What it throws ends in the session.
SqlAsk postgres_asking(pqxx::transaction_base& work) {
    return [&work](const std::string& sql, const std::vector<std::string>& values) -> Outcome<std::vector<SqlRow>> {
        std::vector<std::string> clean;
        for (const std::string& value : values)
            clean.push_back(clean_text(value));
        const pqxx::result result = work.exec_params(sql, pqxx::prepare::make_dynamic_params(clean));
        std::vector<SqlRow> rows;
        for (const auto& row : result) {
            SqlRow& texts = rows.emplace_back();
            for (const auto& field : row)
                texts.push_back(field.is_null() ? std::nullopt : std::optional<std::string>(field.c_str()));
        }
        return rows;
    };
}

// Of one run: state and input stay away.
constexpr const char* postgres_list_columns =
    "run_id, part, definition_id, workflow, workflow_version, status, version, '', '', output, "
    "error_type, error, (extract(epoch from started_at) * 1000000)::bigint, "
    "(extract(epoch from closed_at) * 1000000)::bigint";

// Somebody waits in front of a terminal or a page; without an answer by then he is told so.
constexpr std::chrono::seconds look_limit{10};

Select dead_letter_select(const DeadLetterFilter& filter) {
    Select select(fmt::format("select {} from dead_letter", postgres_dead_letter_columns));
    (void)add_conditions(select, filter); // the run id was looked at
    select.then(fmt::format(" order by id desc limit {}", signed_number(filter.limit)));
    return select;
}

// The rows of a page and the first behind it, of which only that it is there is wanted.
Select history_select(const std::string& run_id, std::uint64_t after_seq, std::size_t limit) {
    Select select(fmt::format(
        "select run_id, seq, part, pseq, (extract(epoch from at) * 1000000)::bigint, case when before < {0} then events else '' end, "
        "before < {0} from (select *, coalesce(sum(octet_length(events)::bigint) over (order by seq rows between unbounded "
        "preceding and 1 preceding), 0) as before from (select * from history",
        history_page_bytes_max));
    select.where("run_id = {}", run_id);
    select.where("seq > {}", std::to_string(signed_number(after_seq)));
    select.then(fmt::format(" order by seq limit {}) h) h order by seq", signed_number(limit) + 1));
    return select;
}

} // namespace

PostgresQueries::PostgresQueries(const std::string& url) : session_(url, {}, look_limit) {}

Outcome<std::vector<StoredRun>> PostgresQueries::runs(const RunFilter& filter) {
    Select select(fmt::format("select {} from run", row_columns));
    if (!filter.before_run_id.empty()) {
        if (!is_run_id(filter.before_run_id)) return std::vector<StoredRun>{};
        select.where("run_id < {}", filter.before_run_id);
    }
    if (!filter.workflow.empty()) select.where("workflow = {}", clean_text(filter.workflow));
    if (filter.status)
        select.where("status = {}", std::to_string(static_cast<int>(*filter.status)));
    if (!filter.id_prefix.empty()) {
        const auto range = run_ids_like(filter.id_prefix);
        if (!range) return std::vector<StoredRun>{};
        select.where("run_id >= {}", range->first);
        select.where("run_id <= {}", range->last);
    }
    select.then(fmt::format(" order by run_id desc limit {}", signed_number(filter.limit)));
    std::vector<StoredRun> runs;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        runs = read_all(select.run(work), read_run);
    }));
    return runs;
}

Outcome<RunPage> PostgresQueries::search(const RunSearch& search, const std::string& from, std::size_t limit) {
    Outcome<RunPage> page = RunPage{};
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        page = search_runs(postgres_asking(work), postgres_dialect, search, from, limit);
    }));
    return page;
}

Outcome<RunTotals> PostgresQueries::totals(const RunSearch& search) {
    Outcome<RunTotals> totals = RunTotals{};
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        totals = count_runs(postgres_asking(work), postgres_dialect, search);
    }));
    return totals;
}

Outcome<std::optional<RunDetails>> PostgresQueries::run(const std::string& id_or_prefix) {
    std::optional<RunDetails> details;
    Outcome<void> well = boost::system::in_place_value;
    const auto range = run_ids_like(id_or_prefix);
    if (!range) return details;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        // One snapshot, so that the run and its dead letters belong together.
        pqxx::transaction<pqxx::repeatable_read, pqxx::read_only> work(connection);
        const pqxx::result found = work.exec_params(
            fmt::format("select {} from run where run_id between $1 and $2 limit 2",
                        postgres_details_columns),
            range->first, range->last);
        if (found.size() != 1) return;
        details.emplace();
        details->run = read_run(found[0]);
        DeadLetterFilter letters;
        letters.state.reset();
        letters.run_id = details->run.run_id;
        letters.limit = 1000;
        details->dead_letters = read_all(dead_letter_select(letters).run(work), read_dead_letter);
        well = unfold(details->run, reading_blobs(work));
    }));
    BATON_TRY(well);
    return details;
}

Outcome<std::optional<StoredRun>> PostgresQueries::run_row(const std::string& id_or_prefix) {
    std::optional<StoredRun> run;
    Outcome<void> well = boost::system::in_place_value;
    const auto range = run_ids_like(id_or_prefix);
    if (!range) return run;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        const pqxx::result found = work.exec_params(
            fmt::format("select {} from run where run_id between $1 and $2 limit 2", postgres_list_columns),
            range->first, range->last);
        if (found.size() != 1) return;
        run = read_run(found[0]);
        well = unfold(*run, reading_blobs(work));
    }));
    BATON_TRY(well);
    return run;
}

Outcome<HistoryPage> PostgresQueries::history_after(const std::string& run_id, std::uint64_t after_seq, std::size_t limit) {
    HistoryPage page;
    Outcome<void> well = boost::system::in_place_value;
    if (!is_run_id(run_id)) return page;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        page = {};
        pqxx::nontransaction work(connection);
        for (const auto& row : history_select(run_id, after_seq, limit).run(work)) {
            page.has_more = page.rows.size() == limit || !row[6].as<bool>();
            if (page.has_more) break;
            page.rows.push_back(read_history(row));
        }
        well = unfold(page, reading_blobs(work));
    }));
    BATON_TRY(well);
    return page;
}

Outcome<std::optional<RunRecord>> PostgresQueries::record(const std::string& run_id) {
    std::optional<RunRecord> record;
    Outcome<void> well = boost::system::in_place_value;
    if (!is_run_id(run_id)) return record;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        record.reset();
        pqxx::read_transaction work(connection);
        work.exec("set transaction isolation level repeatable read");
        auto found = read_one(work.exec_params(fmt::format("select {} from run where run_id = $1", postgres_run_columns), run_id), read_run);
        if (!found) return;
        record.emplace();
        record->run = std::move(*found);
        record->alarm = read_one<Time>(
            work.exec_params("select (extract(epoch from due) * 1000000)::bigint from alarm where run_id = $1", run_id),
            [](const pqxx::row& row) { return time_from_micros(row[0].as<std::int64_t>()); });
        record->open_letters = read_all<DeadLetter>(
            work.exec_params("select id, step from dead_letter where run_id = $1 and state = 1 and step <> ''", run_id),
            [](const pqxx::row& row) {
                DeadLetter letter;
                letter.id = row[0].as<std::uint64_t>();
                letter.step = row[1].as<std::string>();
                return letter;
            });
        well = unfold(record->run, reading_blobs(work));
    }));
    BATON_TRY(well);
    return record;
}

Outcome<std::vector<SavedView>> PostgresQueries::views(const std::string& user) {
    std::vector<SavedView> all;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        all.clear();
        // By bytes, as the other store has them, whatever the database's language.
        for (const pqxx::row& row : work.exec_params("select user_name, name, query, at from saved_view where user_name = $1 "
                                                     "order by name collate \"C\"", clean_text(user)))
            all.push_back({row[0].as<std::string>(), row[1].as<std::string>(), row[2].as<std::string>(),
                           time_from_micros(row[3].as<std::int64_t>())});
    }));
    return all;
}

Outcome<RunLogPage> PostgresQueries::log_lines(const std::string& run_id, std::uint64_t after, std::size_t limit) {
    RunLogPage page;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        page = read_log_lines(work, run_id, after, limit);
    }));
    return page;
}

Outcome<std::vector<RunJob>> PostgresQueries::run_jobs(std::optional<std::uint64_t> id, std::size_t limit) {
    const std::string which = id ? fmt::format(" where id = {}", signed_number(*id)) : "";
    std::vector<RunJob> jobs;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        const auto rows = postgres_asking(work)(fmt::format("{}{} order by id desc limit {}", run_job_select, which, signed_number(limit)), {});
        jobs.clear();
        for (const SqlRow& row : *rows) jobs.push_back(read_run_job(row));
    }));
    return jobs;
}

Outcome<std::vector<IndexFault>> PostgresQueries::index_faults(std::size_t limit) {
    Outcome<std::vector<IndexFault>> faults = std::vector<IndexFault>{};
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::work work(connection);
        work.exec("set local statement_timeout = 0"); // it reads everything
        faults = find_index_faults(postgres_asking(work), postgres_index_checks(), limit);
    }));
    return faults;
}

Outcome<std::vector<RunCount>> PostgresQueries::counts() {
    std::vector<RunCount> counts;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        counts = read_all<RunCount>(
            work.exec("select workflow, status, count(*) from run group by 1, 2 order by 1, 2"),
            [](const pqxx::row& row) {
                return RunCount{row[0].as<std::string>(), static_cast<RunStatus>(row[1].as<int>()),
                                row[2].as<std::uint64_t>()};
            });
    }));
    return counts;
}

Outcome<std::vector<DeadLetter>> PostgresQueries::dead_letters(const DeadLetterFilter& filter) {
    std::vector<DeadLetter> letters;
    if (!filter.run_id.empty() && !is_run_id(filter.run_id)) return letters;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        letters = read_all(dead_letter_select(filter).run(work), read_dead_letter);
    }));
    return letters;
}

Outcome<std::optional<DeadLetter>> PostgresQueries::dead_letter(std::uint64_t id) {
    std::optional<DeadLetter> letter;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        letter = read_one(work.exec_params(fmt::format("select {} from dead_letter where id = $1",
                                                       postgres_dead_letter_columns),
                                           signed_number(id)),
                          read_dead_letter);
    }));
    return letter;
}

Outcome<std::vector<DeadGroup>> PostgresQueries::dead_groups(std::optional<DeadLetterState> state, std::size_t limit) {
    std::vector<DeadGroup> groups;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        groups = read_dead_groups(work, state, limit);
    }));
    return groups;
}

Outcome<std::vector<DeadJob>> PostgresQueries::dead_jobs(std::optional<std::uint64_t> id, std::size_t limit) {
    std::vector<DeadJob> jobs;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        Select select(postgres_dead_job_select);
        if (id) select.where("id = {}", std::to_string(signed_number(*id)));
        select.then(fmt::format(" order by id desc limit {}", signed_number(limit)));
        jobs = read_all(select.run(work), read_dead_job);
    }));
    return jobs;
}

Outcome<std::vector<StoredDefinition>>
PostgresQueries::definitions(const std::string& all_versions_of) {
    Select select(postgres_definition_select);
    if (all_versions_of.empty()) {
        select.then("where l.name is not null order by d.name");
    } else {
        select.where("d.name = {}", clean_text(all_versions_of));
        select.then(" order by d.version desc");
    }
    std::vector<StoredDefinition> definitions;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        definitions = read_all(select.run(work), read_definition);
    }));
    return definitions;
}

Outcome<Neighbourhood> PostgresQueries::neighbourhood() {
    Neighbourhood around;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) { around = read_neighbourhood(connection); }));
    return around;
}

// A partition's transitions have one writer and come in their order, so none appears below one that was seen.
Outcome<RunsElsewhere> PostgresQueries::runs_elsewhere(const std::string& node, const std::map<Partition, std::uint64_t>& after,
                                                       std::size_t limit) {
    RunsElsewhere found;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        found = {};
        pqxx::nontransaction work(connection);
        ArrayText parts, seen, heads;
        for (const pqxx::row& row : work.exec_params("select part, node, pseq from owner")) {
            const auto part = row[0].as<Partition>();
            const auto head = row[2].as<std::uint64_t>();
            found.heads[part] = head;
            const auto known = after.find(part);
            if (row[1].as<std::string>() == node || known == after.end() || known->second >= head) continue;
            parts.add(part);
            seen.add(signed_number(known->second));
            heads.add(signed_number(head));
        }
        if (parts.is_empty()) return;
        const pqxx::result rows = work.exec_params(
            "select r.run_id, r.version, r.status from (select distinct h.run_id from unnest($1::smallint[], $2::bigint[], "
            "$3::bigint[]) as a(part, seen, head) cross join lateral (select run_id from history where part = a.part and "
            "pseq > a.seen and pseq <= a.head order by pseq limit $4) h) changed join run r on r.run_id = changed.run_id limit $4",
            parts.text(), seen.text(), heads.text(), static_cast<std::int64_t>(limit) + 1);
        for (const pqxx::row& row : rows)
            found.runs.push_back({row[0].as<std::string>(), row[1].as<std::uint64_t>(), static_cast<RunStatus>(row[2].as<int>())});
        found.is_whole = found.runs.size() <= limit;
    }));
    return found;
}

} // namespace baton::db
