// Events and who waits for them, in SQLite.
#include "db/sqlite_rows.hpp"
#include "db/sqlite_store.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::db {

using namespace orchestrator::runtime;

namespace {

constexpr const char* sqlite_kept_columns = "k.key, k.id, k.at, k.expires_at, k.event";

KeptEvent sqlite_read_kept(const SqliteStatement& row, int first) {
    return {row.text(first), row.text(first + 1), row.time(first + 2), row.time(first + 3), row.text(first + 4)};
}

} // namespace

Outcome<void> SqliteStore::add_event_shapes(std::span<const StoredShape> shapes) {
    BATON_ASSIGN(auto insert, database_.prepare("insert into event_shape (type, paths, keep) values (?, ?, ?) on conflict "
                                                "(type, paths) do update set keep = max(keep, excluded.keep)"));
    BATON_ASSIGN(SqliteTransaction transaction, SqliteTransaction::begin(database_));
    for (const StoredShape& shape : shapes)
        BATON_TRY(insert.with(shape.type, shape.paths, shape.keep.count()).run());
    return transaction.commit();
}

Outcome<std::vector<StoredShape>> SqliteStore::event_shapes(const std::string& type) {
    BATON_ASSIGN(auto select, database_.prepare("select type, paths, keep from event_shape where type = ?"));
    return read_all<StoredShape>(select.with(type), [](const SqliteStatement& row) {
        return StoredShape{row.text(0), row.text(1), Duration(row.number(2))};
    });
}

Outcome<void> SqliteStore::add_event_waits(std::span<const EventWait> waits) {
    BATON_ASSIGN(auto insert, database_.prepare("insert or ignore into event_wait (key, run_id, part) values (?, ?, ?)"));
    BATON_ASSIGN(SqliteTransaction transaction, SqliteTransaction::begin(database_));
    for (const EventWait& wait : waits)
        BATON_TRY(insert.with(wait.key, wait.run_id, wait.part).run());
    return transaction.commit();
}

Outcome<void> SqliteStore::remove_event_waits(std::span<const EventWait> waits) {
    BATON_ASSIGN(auto one, database_.prepare("delete from event_wait where key = ? and run_id = ?"));
    BATON_ASSIGN(auto all, database_.prepare("delete from event_wait where run_id = ?"));
    BATON_ASSIGN(SqliteTransaction transaction, SqliteTransaction::begin(database_));
    for (const EventWait& wait : waits) {
        SqliteStatement& remove = wait.key.empty() ? all.with(wait.run_id) : one.with(wait.key, wait.run_id);
        BATON_TRY(remove.run());
    }
    return transaction.commit();
}

Outcome<std::vector<EventWait>> SqliteStore::event_waits(const std::string& key, const std::string& after_run_id,
                                                         std::size_t limit) {
    BATON_ASSIGN(auto select, database_.prepare("select key, run_id, part from event_wait where key = ? and run_id > ? "
                                                "order by run_id limit ?"));
    return read_all<EventWait>(select.with(key, after_run_id, limit), [](const SqliteStatement& row) {
        return EventWait{row.text(0), row.text(1), static_cast<Partition>(row.number(2))};
    });
}

Outcome<void> SqliteStore::keep_events(std::span<const KeptEvent> events) {
    BATON_ASSIGN(auto insert, database_.prepare("insert or ignore into event_kept (key, id, at, expires_at, event) values "
                                                "(?, ?, ?, ?, ?)"));
    BATON_ASSIGN(SqliteTransaction transaction, SqliteTransaction::begin(database_));
    for (const KeptEvent& event : events)
        BATON_TRY(insert.with(event.key, event.id, event.at, event.expires_at, event.event).run());
    return transaction.commit();
}

Outcome<std::vector<KeptEvent>> SqliteStore::kept_events(std::span<const std::string> keys, Time now) {
    BATON_ASSIGN(auto select, database_.prepare(fmt::format("select {} from event_kept k where k.key = ? and k.expires_at > ? "
                                                            "order by k.at, k.id",
                                                            sqlite_kept_columns)));
    std::vector<KeptEvent> all;
    for (const std::string& key : keys) {
        BATON_ASSIGN(auto some, read_all<KeptEvent>(select.with(key, now),
                                                    [](const SqliteStatement& row) { return sqlite_read_kept(row, 0); }));
        std::move(some.begin(), some.end(), std::back_inserter(all));
    }
    return all;
}

Outcome<std::vector<EventOffer>> SqliteStore::event_offers(Partition part, Time now) {
    BATON_ASSIGN(auto select, database_.prepare(fmt::format("select w.run_id, {} from event_wait w join event_kept k on "
                                                            "k.key = w.key where w.part = ? and k.expires_at > ? "
                                                            "order by k.at, k.id",
                                                            sqlite_kept_columns)));
    return read_all<EventOffer>(select.with(part, now), [](const SqliteStatement& row) {
        return EventOffer{row.text(0), sqlite_read_kept(row, 1)};
    });
}

Outcome<void> SqliteStore::forget_events(Time now) {
    BATON_ASSIGN(auto remove, database_.prepare("delete from event_kept where expires_at <= ?"));
    return remove.with(now).run();
}

} // namespace baton::db
