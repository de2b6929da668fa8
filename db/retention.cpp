// A run that was asked for before the moment may have ended before it; one asked for later cannot
// have. So the search begins at the oldest id and ends at that of the moment.
#include "db/retention.hpp"

#include "db/postgres_blobs.hpp"
#include "db/postgres_rows.hpp"
#include "db/run_id.hpp"
#include "db/sqlite_rows.hpp"

#include <fmt/format.h>

namespace baton::db {

namespace {

// What has to be told to the broker is read from the history, so that stays until it is told.
// Its last row has the highest pseq.
constexpr const char* is_told = "coalesce((select h.pseq from history h where h.run_id = r.run_id "
                                "order by h.seq desc limit 1), 0) <= "
                                "(select o.published from owner o where o.part = r.part)";

// So much history goes at once. A loop of a hundred thousand turns goes in as many slices as it
// takes, the oldest transitions first, and the run with the last of them.
constexpr std::int64_t rows_max = 4000;

// How many transitions of a run are there; none are missing between the first and its version.
constexpr const char* rows_of =
    "r.version - coalesce((select h.seq from history h where h.run_id = r.run_id "
    "order by h.seq limit 1), r.version) + 1";

Outcome<std::vector<std::string>> old_runs(Sqlite& database, const std::string& workflow,
                                           Time ended_before, std::size_t limit) {
    BATON_ASSIGN(auto select,
                 database.prepare(fmt::format(
                     "select run_id from run r where workflow = ? and status = ? and run_id < ? "
                     "and closed_at < ? and {} order by run_id limit ?",
                     is_told)));
    std::vector<std::string> all;
    const std::string last = first_run_id_at(ended_before);
    for (const auto status : closed_statuses) {
        if (all.size() >= limit) break;
        BATON_ASSIGN(const auto found,
                     read_all<std::string>(select.with(workflow, static_cast<int>(status), last,
                                                       ended_before, limit - all.size()),
                                           [](const SqliteStatement& row) { return row.text(0); }));
        all.insert(all.end(), found.begin(), found.end());
    }
    return all;
}

} // namespace

Outcome<std::size_t> remove_runs(Sqlite& database, const std::string& workflow, Time ended_before,
                                 std::size_t limit) {
    // Looked for without the lock; whether they are still closed is asked again under it.
    BATON_ASSIGN(const auto run_ids, old_runs(database, workflow, ended_before, limit));
    if (run_ids.empty()) return std::size_t{0};
    const char* statements[] = {
        "delete from run_tag where (name, value, run_id) in (select j.key, j.value, ?1 from run r, "
        "json_each(nullif(r.tags, '')) j "
        "where r.run_id = ?1)",
        "delete from start_key where run_id = ?1 and workflow = (select r.workflow from run r "
        "where r.run_id = ?1) and key = "
        "(select json_extract(nullif(r.tags, ''), '$.key') from run r where r.run_id = ?1)",
        "delete from history where run_id = ?1",
        "delete from dead_letter where run_id = ?1",
        "delete from alarm where run_id = ?1",
        "delete from run_log where run_id = ?1",
        "delete from blob where sha256 in (select u.sha256 from blob_use u where u.run_id = ?1 and "
        "not exists "
        "(select 1 from blob_use o where o.sha256 = u.sha256 and o.run_id <> ?1))",
        "delete from blob_use where run_id = ?1",
        "delete from run where run_id = ?1",
    };
    BATON_ASSIGN(auto rows_of_old,
                 database.prepare(fmt::format(
                     "select {} from run r where run_id = ? and closed_at < ?", rows_of)));
    BATON_ASSIGN(auto shorten,
                 database.prepare("delete from history where run_id = ?1 and seq < ?2 + "
                                  "(select min(seq) from history where run_id = ?1)"));
    std::vector<SqliteStatement> removals;
    for (const char* statement : statements) {
        BATON_ASSIGN(auto prepared, database.prepare(statement));
        removals.push_back(std::move(prepared));
    }
    BATON_ASSIGN(SqliteTransaction transaction, SqliteTransaction::begin(database));
    std::size_t removed = 0;
    std::int64_t sum = 0;
    for (const std::string& run_id : run_ids) {
        BATON_ASSIGN(const auto rows, read_one<std::int64_t>(rows_of_old.with(run_id, ended_before),
                                                             [](const SqliteStatement& row) {
                                                                 return row.number(0);
                                                             }));
        if (!rows) continue;
        if (sum + *rows > rows_max) {
            if (removed > 0) break;
            BATON_TRY(shorten.with(run_id, rows_max).run());
            removed = 1;
            break;
        }
        sum += *rows;
        for (SqliteStatement& removal : removals)
            BATON_TRY(removal.with(run_id).run());
        ++removed;
    }
    BATON_TRY(transaction.commit());
    return removed;
}

std::size_t remove_runs(pqxx::transaction_base& work, const std::string& workflow,
                        Time ended_before, std::size_t limit) {
    const std::string statement = fmt::format(R"sql(
with old as materialized (
    select run_id, workflow, tags, {1} as rows from run r
    where workflow = $1 and status = $2 and run_id < $3::uuid and closed_at < $4::timestamptz and {0}
    order by run_id limit $5 for update skip locked),
counted as materialized (
    select *, coalesce(sum(rows) over (order by run_id rows between unbounded preceding and 1 preceding), 0) as before from old),
gone as materialized (select * from counted where before + rows <= {2}),
shortened as (
    delete from history h using counted c where c.before = 0 and c.rows > {2} and h.run_id = c.run_id
        and h.seq < {2} + (select min(seq) from history m where m.run_id = c.run_id)),
untagged as (
    delete from run_tag t using gone, jsonb_each_text(nullif(gone.tags, '')::jsonb) j
    where t.name = j.key and t.value = j.value and t.run_id = gone.run_id),
unkeyed as (
    delete from start_key k using gone where k.workflow = gone.workflow
        and k.key = nullif(gone.tags, '')::jsonb ->> 'key' and k.run_id = gone.run_id),
forgotten as (delete from history h using gone where h.run_id = gone.run_id),
buried as (delete from dead_letter d using gone where d.run_id = gone.run_id),
unsaid as (delete from run_log l using gone where l.run_id = gone.run_id),
hushed as (delete from alarm a using gone where a.run_id = gone.run_id),
unused as (delete from blob_use u using gone where u.run_id = gone.run_id returning u.sha256),
removed as (delete from run r using gone where r.run_id = gone.run_id returning 1)
select (select count(*) from removed) + (select count(*) from counted where before = 0 and rows > {2}),
    (select array_agg(distinct sha256) from unused))sql",
                                              is_told, rows_of, rows_max);
    std::size_t removed = 0;
    for (const auto status : closed_statuses) {
        if (removed >= limit) break;
        const pqxx::result result =
            work.exec_params(statement, clean_text(workflow), static_cast<int>(status),
                             first_run_id_at(ended_before), timestamp_text(ended_before),
                             static_cast<std::int64_t>(limit - removed));
        removed += result[0][0].as<std::size_t>();
        if (!result[0][1].is_null()) drop_unused_blobs(work, result[0][1].c_str());
    }
    return removed;
}

} // namespace baton::db
