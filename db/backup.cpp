#include "db/backup.hpp"

#include "db/database_url.hpp"
#include "db/postgres_session.hpp"
#include "db/sqlite.hpp"

#include <fmt/format.h>
#include <pqxx/pqxx>

#include <utility>

namespace baton::db {

using orchestrator::runtime::Partition;
using orchestrator::runtime::StoreErrc;

namespace {

// Where a partition stands.
struct BackupPlace {
    std::uint64_t committed = 0;
    std::uint64_t published = 0;
};
using Places = std::map<Partition, BackupPlace>;

constexpr std::string_view select_places = "select part, pseq, published from owner order by part";

Outcome<Places> places_in(Sqlite& database) {
    Places places;
    BATON_ASSIGN(SqliteStatement select, database.prepare(select_places));
    while (true) {
        BATON_ASSIGN(const bool has_row, select.step());
        if (!has_row) return places;
        places[static_cast<Partition>(select.number(0))] = {static_cast<std::uint64_t>(select.number(1)),
                                                            static_cast<std::uint64_t>(select.number(2))};
    }
}

Outcome<Places> places_in(PostgresSession& session) {
    Places places;
    BATON_TRY(session.run([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        for (const auto& row : work.exec(std::string(select_places)))
            places[static_cast<Partition>(row[0].as<int>())] = {row[1].as<std::uint64_t>(),
                                                                row[2].as<std::uint64_t>()};
    }));
    return places;
}

Outcome<void> refuse_older(const Places& places, const OutboxCursors& limits, std::string_view where) {
    for (const auto& [part, limit] : limits) {
        const auto found = places.find(part);
        if (found != places.end() && found->second.committed >= limit) continue;
        return Failure{StoreErrc::refused,
                       fmt::format("the runs in {} are older than the messages of the backup: partition {} is at "
                                   "transition {}, the backup begins at {}. Restore a dump that was made after the "
                                   "backup",
                                   where, part, found == places.end() ? 0 : found->second.committed, limit)};
    }
    return boost::system::in_place_value;
}

Outcome<void> go_on_from(Sqlite& database, const OutboxMark& mark) {
    BATON_ASSIGN(SqliteTransaction transaction, SqliteTransaction::begin(database));
    BATON_ASSIGN(SqliteStatement update,
                 database.prepare("update owner set published = min(published, ?2) where part = ?1"));
    for (const auto& [part, cursor] : mark.cursors)
        BATON_TRY(update.with(static_cast<std::int64_t>(part), static_cast<std::int64_t>(cursor)).run());
    // Their messages may have come too late for the copy of the messages.
    BATON_ASSIGN(SqliteStatement reopen,
                 database.prepare("update dead_letter set state = 1, closed_at = null "
                                  "where run_id is null and state = 2 and closed_at >= ?"));
    BATON_TRY(reopen.with(mark.at).run());
    return transaction.commit();
}

// What an open run has sent may be anywhere; what closed runs have sent is of no use any more.
constexpr const char* before_open_runs =
    "update owner set published = min(published, coalesce((select min(h.pseq) - 1 from history h "
    "join run r on r.run_id = h.run_id where r.closed_at is null and h.part = owner.part), published))";

} // namespace

Outcome<std::optional<std::string>> sqlite_file_of(const std::string& url) {
    BATON_ASSIGN(DatabaseUrl parsed, parse_database_url(url));
    if (parsed.kind == DatabaseUrl::Kind::postgres) return std::optional<std::string>{};
    return std::optional(std::move(parsed.location));
}

Outcome<OutboxMark> outbox_mark(const std::string& url, Time now) {
    BATON_ASSIGN(const DatabaseUrl parsed, parse_database_url(url));
    Places places;
    switch (parsed.kind) {
    case DatabaseUrl::Kind::sqlite: {
        BATON_ASSIGN(Sqlite database, Sqlite::open(parsed.location, Sqlite::Access::read));
        BATON_ASSIGN(places, places_in(database));
        break;
    }
    case DatabaseUrl::Kind::postgres: {
        PostgresSession session(parsed.location, {});
        BATON_ASSIGN(places, places_in(session));
        break;
    }
    }
    OutboxMark mark{{}, now};
    for (const auto& [part, place] : places) mark.cursors[part] = place.published;
    return mark;
}

Outcome<void> copy_runs(const std::string& source, const std::string& target,
                        const std::optional<OutboxMark>& mark, const std::function<bool()>& is_given_up) {
    BATON_ASSIGN(Sqlite from, Sqlite::open(source, Sqlite::Access::read));
    BATON_ASSIGN(Sqlite to, Sqlite::open(target, Sqlite::Access::write));
    BATON_TRY(from.copy_into(to, is_given_up));
    // One file, complete in itself.
    BATON_TRY(to.execute("pragma journal_mode = delete; pragma synchronous = full"));
    if (mark) return go_on_from(to, *mark);
    return to.execute(before_open_runs);
}

Outcome<void> check_runs(const std::string& path) {
    BATON_ASSIGN(Sqlite database, Sqlite::open(path, Sqlite::Access::read));
    BATON_ASSIGN(SqliteStatement check, database.prepare("pragma integrity_check(1)"));
    BATON_ASSIGN(const bool has_verdict, check.step());
    const std::string verdict = has_verdict ? check.text(0) : "no answer";
    if (verdict != "ok")
        return Failure{StoreErrc::refused, fmt::format("the runs in {} are damaged: {}", path, verdict)};
    check.reset();
    BATON_TRY(places_in(database));
    return boost::system::in_place_value;
}

Outcome<void> take_back(const std::string& url, const OutboxMark& mark) {
    BATON_ASSIGN(const DatabaseUrl parsed, parse_database_url(url));
    if (parsed.kind == DatabaseUrl::Kind::sqlite) {
        BATON_ASSIGN(Sqlite database, Sqlite::open(parsed.location, Sqlite::Access::write));
        BATON_ASSIGN(const Places places, places_in(database));
        BATON_TRY(refuse_older(places, mark.cursors, parsed.location));
        return go_on_from(database, mark);
    }
    PostgresSession session(parsed.location, {});
    BATON_ASSIGN(const Places places, places_in(session));
    BATON_TRY(refuse_older(places, mark.cursors, session.name()));
    return session.run([&](pqxx::connection& connection) {
        pqxx::work work(connection);
        for (const auto& [part, cursor] : mark.cursors)
            work.exec_params("update owner set published = least(published, $2) where part = $1",
                             static_cast<int>(part), static_cast<std::int64_t>(cursor));
        work.exec_params("update dead_letter set state = 1, closed_at = null "
                         "where run_id is null and state = 2 and closed_at >= $1::timestamptz",
                         to_rfc3339(mark.at));
        work.commit();
    });
}

} // namespace baton::db
