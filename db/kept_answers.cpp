#include "db/kept_answers.hpp"

#include "db/postgres_rows.hpp"
#include "db/sqlite_rows.hpp"

namespace baton::db {

namespace {

// So many old ones go with each new one: fewer come than go.
constexpr std::int64_t forgotten_at_once = 100;

KeptAnswer read_answer(const SqliteStatement& row) {
    return {
        row.text(0), row.text(1), row.text(2), row.time(3), static_cast<unsigned>(row.number(4)),
        row.text(5)};
}

} // namespace

Outcome<KeptAnswer> begin_answer(Sqlite& database, const KeptAnswer& asked, Time forgotten_before) {
    BATON_ASSIGN(auto forget,
                 database.prepare("delete from kept_answer where name in (select name from "
                                  "kept_answer where at < ? order by at limit ?)"));
    // The one that is asked for counts by its age, whatever the others wait for.
    BATON_ASSIGN(auto outlived,
                 database.prepare("delete from kept_answer where name = ? and at < ?"));
    BATON_ASSIGN(auto insert, database.prepare("insert into kept_answer (name, fingerprint, owner, "
                                               "at, status, body) values (?, ?, ?, ?, 0, '') "
                                               "on conflict do nothing"));
    BATON_ASSIGN(auto select, database.prepare("select name, fingerprint, owner, at, status, body "
                                               "from kept_answer where name = ?"));
    BATON_ASSIGN(SqliteTransaction transaction, SqliteTransaction::begin(database));
    BATON_TRY(forget.with(forgotten_before, forgotten_at_once).run());
    BATON_TRY(outlived.with(asked.name, forgotten_before).run());
    BATON_TRY(insert.with(asked.name, asked.fingerprint, asked.owner, asked.at).run());
    BATON_ASSIGN(const auto there, read_one<KeptAnswer>(select.with(asked.name), read_answer));
    BATON_TRY(transaction.commit());
    if (!there)
        return Failure{orchestrator::runtime::StoreErrc::refused, "a saved answer is not there"};
    return *there;
}

KeptAnswer begin_answer(pqxx::transaction_base& work, const KeptAnswer& asked,
                        Time forgotten_before) {
    // Two servers may forget at the same moment; neither waits for the other.
    work.exec_params("delete from kept_answer where name in (select name from kept_answer where at "
                     "< $1 order by at limit $2 for update skip locked)",
                     micros_of(forgotten_before), forgotten_at_once);
    work.exec_params("delete from kept_answer where name = $1 and at < $2", clean_text(asked.name),
                     micros_of(forgotten_before));
    work.exec_params("insert into kept_answer (name, fingerprint, owner, at, status, body) values "
                     "($1, $2, $3, $4, 0, '') on conflict do nothing",
                     clean_text(asked.name), asked.fingerprint, asked.owner, micros_of(asked.at));
    const pqxx::result there =
        work.exec_params("select name, fingerprint, owner, at, status, body from kept_answer where "
                         "name = $1",
                         clean_text(asked.name));
    if (there.empty()) return {}; // another server has just dropped it
    const pqxx::row row = there[0];
    return {row[0].as<std::string>(), row[1].as<std::string>(),
            row[2].as<std::string>(), time_from_micros(row[3].as<std::int64_t>()),
            row[4].as<unsigned>(),    row[5].as<std::string>()};
}

Outcome<void> keep_answer(Sqlite& database, const KeptAnswer& answered) {
    BATON_ASSIGN(auto update, database.prepare("update kept_answer set status = ?, body = ? where "
                                               "name = ? and owner = ? and status = 0"));
    return update
        .with(static_cast<std::int64_t>(answered.status), answered.body, answered.name,
              answered.owner)
        .run();
}

void keep_answer(pqxx::transaction_base& work, const KeptAnswer& answered) {
    work.exec_params("update kept_answer set status = $1, body = $2 where name = $3 and owner = $4 "
                     "and status = 0",
                     static_cast<int>(answered.status), clean_text(answered.body),
                     clean_text(answered.name), answered.owner);
}

Outcome<bool> take_answer_over(Sqlite& database, const KeptAnswer& seen, const std::string& owner) {
    BATON_ASSIGN(auto update, database.prepare("update kept_answer set owner = ? where name = ? "
                                               "and owner = ? and status = 0"));
    BATON_TRY(update.with(owner, seen.name, seen.owner).run());
    return database.changes() > 0;
}

bool take_answer_over(pqxx::transaction_base& work, const KeptAnswer& seen,
                      const std::string& owner) {
    return work.exec_params("update kept_answer set owner = $1 where name = $2 and owner = $3 and "
                            "status = 0",
                            owner, clean_text(seen.name), seen.owner)
               .affected_rows() > 0;
}

Outcome<void> drop_answer(Sqlite& database, const KeptAnswer& begun) {
    BATON_ASSIGN(auto remove, database.prepare("delete from kept_answer where name = ? and owner = "
                                               "? and status = 0"));
    return remove.with(begun.name, begun.owner).run();
}

void drop_answer(pqxx::transaction_base& work, const KeptAnswer& begun) {
    work.exec_params("delete from kept_answer where name = $1 and owner = $2 and status = 0",
                     clean_text(begun.name), begun.owner);
}

} // namespace baton::db
