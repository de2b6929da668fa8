// Selects of dead letters and of the jobs over them.
#include "db/sqlite_dead.hpp"

#include "db/sqlite_store.hpp"
#include "orchestrator/runtime/dead_cause.hpp"
#include "orchestrator/runtime/dead_job.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::db {

using namespace orchestrator::runtime;

namespace {

constexpr std::size_t sqlite_causes_page = 500;
constexpr std::size_t sqlite_new_letters_page = 1000;

std::int64_t signed_id(std::uint64_t number) {
    return static_cast<std::int64_t>(std::min<std::uint64_t>(number, static_cast<std::uint64_t>(INT64_MAX)));
}

std::uint64_t sqlite_dead_count_in(const SqliteStatement& row, int column) {
    return static_cast<std::uint64_t>(row.number(column));
}

} // namespace

std::string dead_letter_conditions(const DeadLetterFilter& filter) {
    std::string sql = "id < ?1 and id > ?2";
    if (filter.state) sql += " and state = ?3";
    if (!filter.run_id.empty()) sql += " and run_id = ?4";
    if (!filter.task.empty()) sql += " and task = ?5";
    if (!filter.workflow.empty()) sql += " and workflow = ?6";
    if (!filter.error_type.empty()) sql += " and error_type = ?7";
    if (!filter.cause.empty()) sql += " and cause = ?8";
    if (filter.since) sql += " and at >= ?9";
    if (filter.until) sql += " and at < ?10";
    return sql;
}

SqliteStatement& with_filter(SqliteStatement& statement, const DeadLetterFilter& filter) {
    return statement.with(signed_id(filter.before_id), signed_id(filter.after_id),
                          filter.state ? static_cast<int>(*filter.state) : 0, filter.run_id, filter.task,
                          filter.workflow, filter.error_type, filter.cause, filter.since, filter.until,
                          signed_id(filter.limit));
}

// The index holds all that is counted; the texts of a letter are read once for each group.
Outcome<std::vector<DeadGroup>> read_dead_groups(Sqlite& database, std::optional<DeadLetterState> state,
                                                 std::size_t limit) {
    BATON_ASSIGN(auto select,
                 database.prepare(fmt::format(
                     "select cause, count(*), min(at), max(at), max(id) from dead_letter {} group by cause "
                     "order by 2 desc, 5 desc limit ?2",
                     state ? "where state = ?1" : "where ?1 = 0")));
    BATON_ASSIGN(auto groups, read_all<DeadGroup>(select.with(state ? static_cast<int>(*state) : 0, signed_id(limit)),
                                                  [](const SqliteStatement& row) {
                                                      DeadGroup group;
                                                      group.cause = row.text(0);
                                                      group.count = sqlite_dead_count_in(row, 1);
                                                      group.first = row.time(2);
                                                      group.last = row.time(3);
                                                      group.example.id = sqlite_dead_count_in(row, 4);
                                                      return group;
                                                  }));
    BATON_ASSIGN(auto example, database.prepare("select task, reason, error_type, error, workflow, step from dead_letter "
                                                "where id = ?"));
    for (DeadGroup& group : groups) {
        BATON_ASSIGN(const bool is_there, example.with(signed_id(group.example.id)).step());
        if (!is_there) continue;
        group.example.task = example.text(0);
        group.example.reason = example.text(1);
        group.example.error_type = example.text(2);
        group.example.error = example.text(3);
        group.example.workflow = example.text(4);
        group.example.step = example.text(5);
        example.reset();
    }
    return groups;
}

DeadJob read_dead_job(const SqliteStatement& row) {
    DeadJob job;
    job.id = sqlite_dead_count_in(row, 0);
    job.key = row.text(1);
    job.at = row.time(2);
    job.actor = row.text(3);
    job.drops = row.number(4) != 0;
    job.filter = filter_from(row.text(5));
    job.interval = Duration(row.number(6));
    job.stop_after = sqlite_dead_count_in(row, 7);
    job.reason = row.text(8);
    job.state = static_cast<DeadJobState>(row.number(9));
    job.closed_at = row.optional_time(10);
    job.total = sqlite_dead_count_in(row, 11);
    job.last_id = sqlite_dead_count_in(row, 12);
    job.cursor = sqlite_dead_count_in(row, 13);
    job.done = sqlite_dead_count_in(row, 14);
    job.refused = sqlite_dead_count_in(row, 15);
    job.failures = sqlite_dead_count_in(row, 16);
    job.seen_id = sqlite_dead_count_in(row, 17);
    job.note = row.text(18);
    job.edit = row.text(19);
    job.unfit = sqlite_dead_count_in(row, 20);
    return job;
}

Outcome<void> note_causes(Sqlite& database) {
    for (std::size_t found = sqlite_causes_page; found == sqlite_causes_page;) {
        BATON_ASSIGN(SqliteTransaction transaction, SqliteTransaction::begin(database));
        BATON_ASSIGN(auto select, database.prepare("select id, task, reason, error_type, error from dead_letter "
                                                   "where cause = '' order by id limit ?"));
        BATON_ASSIGN(const auto letters, read_all<DeadLetter>(select.with(sqlite_causes_page), [](const SqliteStatement& row) {
                         DeadLetter letter;
                         letter.id = sqlite_dead_count_in(row, 0);
                         letter.task = row.text(1);
                         letter.reason = row.text(2);
                         letter.error_type = row.text(3);
                         letter.error = row.text(4);
                         return letter;
                     }));
        BATON_ASSIGN(auto update, database.prepare("update dead_letter set cause = ? where id = ?"));
        for (const DeadLetter& letter : letters)
            BATON_TRY(update.with(cause_of(letter), signed_id(letter.id)).run());
        found = letters.size();
        BATON_TRY(transaction.commit());
    }
    return boost::system::in_place_value;
}

Outcome<std::vector<std::uint64_t>> SqliteStore::dead_letter_ids(const DeadLetterFilter& filter) {
    BATON_ASSIGN(auto select, database_.prepare(fmt::format("select id from dead_letter where {} order by id limit ?11",
                                                            dead_letter_conditions(filter))));
    return read_all<std::uint64_t>(with_filter(select, filter),
                                   [](const SqliteStatement& row) { return sqlite_dead_count_in(row, 0); });
}

Outcome<DeadJob> SqliteStore::add_dead_job(const DeadJob& job) {
    BATON_ASSIGN(SqliteTransaction transaction, SqliteTransaction::begin(database_));
    DeadLetterFilter all = job.filter;
    all.limit = SIZE_MAX;
    BATON_ASSIGN(auto count, database_.prepare(fmt::format("select count(*), (select coalesce(max(id), 0) from "
                                                           "dead_letter) from dead_letter where {} limit ?11",
                                                           dead_letter_conditions(all))));
    BATON_ASSIGN(const bool has_row, with_filter(count, all).step());
    const std::int64_t total = has_row ? count.number(0) : 0;
    const std::int64_t last = has_row ? count.number(1) : 0;
    count.reset();
    BATON_ASSIGN(auto insert,
                 database_.prepare("insert into dead_job (key, at, actor, drops, filter, interval, stop_after, reason, "
                                   "state, total, last_id, cursor, done, refused, failures, seen_id, note, edit) values "
                                   "(?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, 0, 0, 0, 0, ?, '', ?) on conflict (key) do nothing"));
    BATON_TRY(insert
                  .with(job.key, job.at, job.actor, job.drops ? 1 : 0, filter_text(job.filter), job.interval.count(),
                        signed_id(job.stop_after), job.reason, total, last, last, job.edit)
                  .run());
    BATON_ASSIGN(auto select, database_.prepare(fmt::format("{} where key = ?", sqlite_dead_job_select)));
    BATON_ASSIGN(auto kept, read_one(select.with(job.key), read_dead_job));
    if (!kept) return Failure{StoreErrc::refused, "a saved bulk job is not there"};
    BATON_TRY(transaction.commit());
    return std::move(*kept);
}

Outcome<void> SqliteStore::save_dead_job(const DeadJob& job) {
    BATON_ASSIGN(auto update,
                 database_.prepare("update dead_job set state = ?2, closed_at = ?3, cursor = ?4, refused = ?5, "
                                   "failures = ?6, seen_id = ?7, note = ?8, unfit = ?10, done = case ?2 when 1 then ?9 else "
                                   "(select count(*) from dead_letter where job = ?1) end where id = ?1"));
    return update
        .with(signed_id(job.id), static_cast<int>(job.state), job.closed_at, signed_id(job.cursor),
              signed_id(job.refused), signed_id(job.failures), signed_id(job.seen_id), job.note, signed_id(job.done), signed_id(job.unfit))
        .run();
}

Outcome<std::vector<DeadJob>> SqliteStore::running_dead_jobs() {
    BATON_TRY(database_.execute("update dead_job set done = (select count(*) from dead_letter where job = dead_job.id) "
                                "where state = 1"));
    BATON_ASSIGN(auto select, database_.prepare(fmt::format("{} where state = 1 order by id", sqlite_dead_job_select)));
    return read_all(select, read_dead_job);
}

Outcome<DiedAgain> SqliteStore::died_again(std::uint64_t job_id, std::uint64_t after_id) {
    // The plus keeps the index of jobs away: a job may have closed very many.
    BATON_ASSIGN(auto select,
                 database_.prepare("select n.id, exists (select 1 from dead_letter o where o.run_id = n.run_id and "
                                   "o.step = n.step and +o.job = ?1 and o.id < n.id) or exists (select 1 from "
                                   "dead_letter o where o.id = n.again_of and +o.job = ?1) "
                                   "from dead_letter n where n.id > ?2 order by n.id limit ?3"));
    select.with(signed_id(job_id), signed_id(after_id), sqlite_new_letters_page);
    DiedAgain found{0, after_id};
    while (true) {
        BATON_ASSIGN(const bool has_row, select.step());
        if (!has_row) return found;
        found.seen_id = sqlite_dead_count_in(select, 0);
        if (select.number(1) != 0) ++found.count;
    }
}

} // namespace baton::db
