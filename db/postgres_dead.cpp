// Selects of dead letters and of the jobs over them.
#include "db/postgres_dead.hpp"

#include "db/postgres_rows.hpp"
#include "db/postgres_select.hpp"
#include "db/postgres_store.hpp"
#include "orchestrator/runtime/dead_cause.hpp"
#include "orchestrator/runtime/dead_job.hpp"

#include <fmt/format.h>
#include <pqxx/nontransaction>
#include <pqxx/transaction>

namespace baton::db {

using namespace orchestrator::runtime;

namespace {

constexpr std::size_t postgres_causes_page = 500;
constexpr std::size_t postgres_new_letters_page = 1000;

std::uint64_t dead_count_in(const pqxx::row& row, int column) {
    return static_cast<std::uint64_t>(row[column].as<std::int64_t>());
}

std::string dead_text_in(const pqxx::row& row, int column) {
    return {row[column].c_str(), row[column].size()};
}

} // namespace

// The index holds all that is counted; the texts of a letter are read once for each group.
std::vector<DeadGroup> read_dead_groups(pqxx::transaction_base& work, std::optional<DeadLetterState> state,
                                        std::size_t limit) {
    Select select("with g as (select cause, count(*) as letters, min(at) as first, max(at) as last, max(id) as id "
                  "from dead_letter");
    if (state) select.where("state = {}", std::to_string(static_cast<int>(*state)));
    select.then(fmt::format(" group by cause order by 2 desc, 5 desc limit {}) "
                            "select g.cause, g.letters, (extract(epoch from g.first) * 1000000)::bigint, "
                            "(extract(epoch from g.last) * 1000000)::bigint, g.id, d.task, d.reason, d.error_type, "
                            "d.error, d.workflow, d.step from g join dead_letter d using (id) "
                            "order by g.letters desc, g.id desc",
                            signed_number(limit)));
    return read_all<DeadGroup>(select.run(work), [](const pqxx::row& row) {
        DeadGroup group;
        group.cause = dead_text_in(row, 0);
        group.count = dead_count_in(row, 1);
        group.first = time_from_micros(row[2].as<std::int64_t>());
        group.last = time_from_micros(row[3].as<std::int64_t>());
        group.example.id = dead_count_in(row, 4);
        group.example.task = dead_text_in(row, 5);
        group.example.reason = dead_text_in(row, 6);
        group.example.error_type = dead_text_in(row, 7);
        group.example.error = dead_text_in(row, 8);
        group.example.workflow = dead_text_in(row, 9);
        group.example.step = dead_text_in(row, 10);
        return group;
    });
}

DeadJob read_dead_job(const pqxx::row& row) {
    DeadJob job;
    job.id = dead_count_in(row, 0);
    job.key = dead_text_in(row, 1);
    job.at = time_from_micros(row[2].as<std::int64_t>());
    job.actor = dead_text_in(row, 3);
    job.drops = row[4].as<bool>();
    job.filter = filter_from(dead_text_in(row, 5));
    job.interval = Duration(row[6].as<std::int64_t>());
    job.stop_after = dead_count_in(row, 7);
    job.reason = dead_text_in(row, 8);
    job.state = static_cast<DeadJobState>(row[9].as<int>());
    if (!row[10].is_null()) job.closed_at = time_from_micros(row[10].as<std::int64_t>());
    job.total = dead_count_in(row, 11);
    job.last_id = dead_count_in(row, 12);
    job.cursor = dead_count_in(row, 13);
    job.done = dead_count_in(row, 14);
    job.refused = dead_count_in(row, 15);
    job.failures = dead_count_in(row, 16);
    job.seen_id = dead_count_in(row, 17);
    job.note = dead_text_in(row, 18);
    job.edit = dead_text_in(row, 19);
    job.unfit = dead_count_in(row, 20);
    return job;
}

bool note_causes(pqxx::connection& connection) {
    pqxx::work work(connection);
    const pqxx::result rows = work.exec(fmt::format(
        "select id, task, reason, error_type, error from dead_letter where cause = '' order by id limit {}", postgres_causes_page));
    ArrayText ids;
    ArrayText causes;
    for (const auto& row : rows) {
        DeadLetter letter;
        letter.task = dead_text_in(row, 1);
        letter.reason = dead_text_in(row, 2);
        letter.error_type = dead_text_in(row, 3);
        letter.error = dead_text_in(row, 4);
        ids.add(dead_count_in(row, 0));
        causes.add(cause_of(letter));
    }
    if (!rows.empty())
        work.exec_params("update dead_letter d set cause = c.cause from unnest($1::bigint[], $2::text[]) as c(id, cause) "
                         "where d.id = c.id",
                         ids.text(), causes.text());
    work.commit();
    return static_cast<std::size_t>(rows.size()) < postgres_causes_page;
}

Outcome<std::vector<std::uint64_t>> PostgresStore::dead_letter_ids(const DeadLetterFilter& filter) {
    std::vector<std::uint64_t> ids;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        Select select("select id from dead_letter");
        if (!add_conditions(select, filter)) return;
        select.then(fmt::format(" order by id limit {}", signed_number(filter.limit)));
        pqxx::nontransaction work(connection);
        ids = read_all<std::uint64_t>(select.run(work), [](const pqxx::row& row) { return dead_count_in(row, 0); });
    }));
    return ids;
}

Outcome<DeadJob> PostgresStore::add_dead_job(const DeadJob& job) {
    std::optional<DeadJob> kept;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::work work(connection);
        Select count("select count(*) from dead_letter");
        const bool can_fit = add_conditions(count, job.filter);
        const std::int64_t total = can_fit ? count.run(work)[0][0].as<std::int64_t>() : 0;
        work.exec_params("insert into dead_job (key, at, actor, drops, filter, interval, stop_after, reason, state, "
                         "total, last_id, cursor, done, refused, failures, seen_id, note, edit) select $1, $2::timestamptz, "
                         "$3, $4, $5, $6, $7, $8, 1, $9, m.id, 0, 0, 0, 0, m.id, '', $10 from "
                         "(select coalesce(max(id), 0) as id from dead_letter) m on conflict (key) do nothing",
                         job.key, timestamp_text(job.at), clean_text(job.actor), job.drops,
                         clean_text(filter_text(job.filter)), job.interval.count(), signed_number(job.stop_after),
                         clean_text(job.reason), total, clean_text(job.edit));
        kept = read_one(work.exec_params(fmt::format("{} where key = $1", postgres_dead_job_select), job.key),
                        read_dead_job);
        work.commit();
    }));
    if (!kept) return Failure{StoreErrc::refused, "a saved bulk job is not there"};
    return std::move(*kept);
}

Outcome<void> PostgresStore::save_dead_job(const DeadJob& job) {
    return session_.run_repeatable([&](pqxx::connection& connection) {
        std::optional<std::string> closed_at;
        if (job.closed_at) closed_at = timestamp_text(*job.closed_at);
        pqxx::nontransaction work(connection);
        work.exec_params("update dead_job set state = $2, closed_at = $3::timestamptz, cursor = $4, refused = $5, "
                         "failures = $6, seen_id = $7, note = $8, unfit = $10, done = case $2::smallint when 1 then $9 else "
                         "(select count(*) from dead_letter where job = $1) end where id = $1",
                         signed_number(job.id), static_cast<int>(job.state), closed_at, signed_number(job.cursor),
                         signed_number(job.refused), signed_number(job.failures), signed_number(job.seen_id),
                         clean_text(job.note), signed_number(job.done), signed_number(job.unfit));
    });
}

Outcome<std::vector<DeadJob>> PostgresStore::running_dead_jobs() {
    std::vector<DeadJob> jobs;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        work.exec("update dead_job j set done = (select count(*) from dead_letter d where d.job = j.id) where state = 1");
        jobs = read_all(work.exec(fmt::format("{} where state = 1 order by id", postgres_dead_job_select)), read_dead_job);
    }));
    return jobs;
}

Outcome<DiedAgain> PostgresStore::died_again(std::uint64_t job_id, std::uint64_t after_id) {
    DiedAgain found{0, after_id};
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        const pqxx::row row = work.exec_params1(
            "select coalesce(max(n.id), $2::bigint), count(*) filter (where exists (select 1 from dead_letter o where "
            "o.run_id = n.run_id and o.step = n.step and o.job = $1 and o.id < n.id) or exists (select 1 from "
            "dead_letter o where o.id = n.again_of and o.job = $1)) from (select id, run_id, step, again_of from "
            "dead_letter where id > $2 order by id limit $3) n",
            signed_number(job_id), signed_number(after_id), postgres_new_letters_page);
        found = {dead_count_in(row, 1), dead_count_in(row, 0)};
    }));
    return found;
}

} // namespace baton::db
