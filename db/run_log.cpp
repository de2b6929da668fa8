#include "db/run_log.hpp"

#include "db/postgres_rows.hpp"
#include "db/run_id.hpp"
#include "db/sqlite_rows.hpp"

#include <set>

namespace baton::db {

using orchestrator::runtime::RunLogLimits;
using orchestrator::runtime::RunLogLine;
using orchestrator::runtime::RunLogPage;

namespace {

std::set<std::string> runs_of(std::span<const RunLogLine> lines) {
    std::set<std::string> runs;
    for (const RunLogLine& line : lines)
        if (is_run_id(line.run_id)) runs.insert(line.run_id);
    return runs;
}

// The page was read with one line more than it has.
RunLogPage page_of(std::vector<RunLogLine> lines, std::int64_t first, std::size_t limit) {
    RunLogPage page;
    page.has_more = lines.size() > limit;
    if (page.has_more) lines.resize(limit);
    page.lines = std::move(lines);
    page.dropped = first > 1 ? static_cast<std::uint64_t>(first - 1) : 0;
    return page;
}

} // namespace

Outcome<void> add_log_lines(Sqlite& database, std::span<const RunLogLine> lines,
                            const RunLogLimits& limits) {
    BATON_ASSIGN(
        auto insert,
        database.prepare(
            "insert into run_log (run_id, number, at, step, attempt, level, line) select ?1, "
            "coalesce((select max(number) from run_log where run_id = ?1), 0) + 1, ?2, ?3, ?4, ?5, "
            "?6 "
            "where exists (select 1 from run where run_id = ?1) and not (?7 and exists (select 1 "
            "from "
            "run_log where run_id = ?1 and step = ?3 and attempt = ?4 and level = ?5 and line = "
            "?6))"));
    BATON_ASSIGN(
        auto shorten,
        database.prepare(
            "delete from run_log where run_id = ?1 and number <= coalesce((select max(number) from "
            "(select number, row_number() over newest as place, sum(length(cast(line as blob))) "
            "over "
            "newest as bytes from run_log where run_id = ?1 window newest as (order by number "
            "desc)) "
            "where place > ?2 or bytes > ?3), 0)"));
    BATON_ASSIGN(SqliteTransaction transaction, SqliteTransaction::begin(database));
    for (const RunLogLine& line : lines)
        BATON_TRY(insert
                      .with(line.run_id, line.at, line.step,
                            static_cast<std::int64_t>(line.attempt), line.level, line.text,
                            static_cast<std::int64_t>(line.came_before))
                      .run());
    for (const std::string& run_id : runs_of(lines))
        BATON_TRY(shorten
                      .with(run_id, static_cast<std::int64_t>(limits.lines),
                            static_cast<std::int64_t>(limits.bytes))
                      .run());
    return transaction.commit();
}

void add_log_lines(pqxx::transaction_base& work, std::span<const RunLogLine> lines,
                   const RunLogLimits& limits) {
    ArrayText runs, times, steps, attempts, levels, texts, again, touched;
    for (const RunLogLine& line : lines) {
        if (!is_run_id(line.run_id)) continue;
        runs.add(line.run_id);
        times.add(micros_of(line.at));
        steps.add(line.step);
        attempts.add(line.attempt);
        levels.add(line.level);
        texts.add(line.text);
        again.add(line.came_before ? 1 : 0);
    }
    for (const std::string& run_id : runs_of(lines))
        touched.add(run_id);
    work.exec_params(
        "insert into run_log (run_id, number, at, step, attempt, level, line) select n.run_id, "
        "coalesce((select max(l.number) from run_log l where l.run_id = n.run_id), 0) + "
        "row_number() over (partition by n.run_id order by n.place), n.at, n.step, n.attempt, "
        "n.level, n.line "
        "from unnest($1::uuid[], $2::bigint[], $3::text[], $4::int[], $5::text[], $6::text[], "
        "$7::int[]) with ordinality "
        "as n(run_id, at, step, attempt, level, line, again, place) "
        "where exists (select 1 from run r where r.run_id = n.run_id) "
        "and not (n.again = 1 and exists (select 1 from run_log k where k.run_id = n.run_id and "
        "k.step = n.step "
        "and k.attempt = n.attempt and k.level = n.level and k.line = n.line))",
        runs.text(), times.text(), steps.text(), attempts.text(), levels.text(), texts.text(),
        again.text());
    work.exec_params("delete from run_log l using (select run_id, max(number) as number from "
                     "(select run_id, number, "
                     "row_number() over newest as place, sum(octet_length(line)) over newest as "
                     "bytes from run_log "
                     "where run_id = any($1::uuid[]) window newest as (partition by run_id order "
                     "by number desc)) numbered "
                     "where place > $2 or bytes > $3 group by run_id) old "
                     "where l.run_id = old.run_id and l.number <= old.number",
                     touched.text(), static_cast<std::int64_t>(limits.lines),
                     static_cast<std::int64_t>(limits.bytes));
}

Outcome<RunLogPage> read_log_lines(Sqlite& database, const std::string& run_id, std::uint64_t after,
                                   std::size_t limit) {
    BATON_ASSIGN(auto oldest,
                 database.prepare("select coalesce(min(number), 1) from run_log where run_id = ?"));
    BATON_ASSIGN(const auto first,
                 read_one<std::int64_t>(oldest.with(run_id),
                                        [](const SqliteStatement& row) { return row.number(0); }));
    BATON_ASSIGN(auto select,
                 database.prepare(
                     "select number, at, step, attempt, level, line from run_log where run_id = ? "
                     "and number > ? order by number limit ?"));
    BATON_ASSIGN(auto lines,
                 read_all<RunLogLine>(
                     select.with(run_id, static_cast<std::int64_t>(after),
                                 static_cast<std::int64_t>(limit) + 1),
                     [](const SqliteStatement& row) {
                         return RunLogLine{
                             {},          static_cast<std::uint64_t>(row.number(0)), row.time(1),
                             row.text(2), static_cast<std::uint32_t>(row.number(3)), row.text(4),
                             row.text(5)};
                     }));
    return page_of(std::move(lines), first.value_or(1), limit);
}

RunLogPage read_log_lines(pqxx::transaction_base& work, const std::string& run_id,
                          std::uint64_t after, std::size_t limit) {
    if (!is_run_id(run_id)) return {};
    const auto first =
        work.exec_params("select coalesce(min(number), 1) from run_log where run_id = $1", run_id);
    auto lines =
        read_all<RunLogLine>(work.exec_params("select number, at, step, attempt, level, line from "
                                              "run_log where run_id = $1 and number > $2 "
                                              "order by number limit $3",
                                              run_id, static_cast<std::int64_t>(after),
                                              static_cast<std::int64_t>(limit) + 1),
                             [](const pqxx::row& row) {
                                 return RunLogLine{{},
                                                   row[0].as<std::uint64_t>(),
                                                   time_from_micros(row[1].as<std::int64_t>()),
                                                   row[2].as<std::string>(),
                                                   row[3].as<std::uint32_t>(),
                                                   row[4].as<std::string>(),
                                                   row[5].as<std::string>()};
                             });
    return page_of(std::move(lines), first[0][0].as<std::int64_t>(), limit);
}

} // namespace baton::db
