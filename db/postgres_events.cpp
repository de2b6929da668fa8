// Events and who waits for them, in PostgreSQL.
#include "db/postgres_rows.hpp"
#include "db/postgres_store.hpp"

#include <pqxx/nontransaction>
#include <fmt/format.h>

namespace baton::db {

using namespace orchestrator::runtime;

namespace {

constexpr const char* first_of_all = "00000000-0000-0000-0000-000000000000";
constexpr const char* postgres_kept_columns = "k.key, k.id, k.at, k.expires_at, k.event";

KeptEvent postgres_read_kept(const pqxx::row& row, int first) {
    const auto time = [&](int column) { return time_from_micros(row[column].as<std::int64_t>()); };
    return {row[first].as<std::string>(), row[first + 1].as<std::string>(), time(first + 2), time(first + 3),
            row[first + 4].as<std::string>()};
}

} // namespace

Outcome<void> PostgresStore::add_event_shapes(std::span<const StoredShape> shapes) {
    return session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        for (const StoredShape& shape : shapes)
            work.exec_params("insert into event_shape as s (type, paths, keep) values ($1, $2, $3) on conflict (type, paths) "
                             "do update set keep = greatest(s.keep, excluded.keep)",
                             clean_text(shape.type), clean_text(shape.paths), shape.keep.count());
    });
}

Outcome<std::vector<StoredShape>> PostgresStore::event_shapes(const std::string& type) {
    std::vector<StoredShape> shapes;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        shapes = read_all<StoredShape>(
            work.exec_params("select type, paths, keep from event_shape where type = $1", clean_text(type)),
            [](const pqxx::row& row) {
                return StoredShape{row[0].as<std::string>(), row[1].as<std::string>(), Duration(row[2].as<std::int64_t>())};
            });
    }));
    return shapes;
}

Outcome<void> PostgresStore::add_event_waits(std::span<const EventWait> waits) {
    ArrayText keys, runs, parts;
    for (const EventWait& wait : waits) {
        keys.add(wait.key);
        runs.add(wait.run_id);
        parts.add(wait.part);
    }
    return session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        work.exec_params("insert into event_wait (key, run_id, part) select * from unnest($1::text[], $2::uuid[], "
                         "$3::smallint[]) on conflict do nothing",
                         keys.text(), runs.text(), parts.text());
    });
}

Outcome<void> PostgresStore::remove_event_waits(std::span<const EventWait> waits) {
    ArrayText keys, runs, all;
    for (const EventWait& wait : waits) {
        if (wait.key.empty()) {
            all.add(wait.run_id);
            continue;
        }
        keys.add(wait.key);
        runs.add(wait.run_id);
    }
    return session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        if (!keys.is_empty())
            work.exec_params("delete from event_wait w using unnest($1::text[], $2::uuid[]) as g(key, run_id) where "
                         "w.key = g.key and w.run_id = g.run_id",
                         keys.text(), runs.text());
        if (!all.is_empty())
            work.exec_params("delete from event_wait where run_id = any($1::uuid[])", all.text());
    });
}

Outcome<std::vector<EventWait>> PostgresStore::event_waits(const std::string& key, const std::string& after_run_id,
                                                           std::size_t limit) {
    std::vector<EventWait> waits;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        waits = read_all<EventWait>(
            work.exec_params("select key, run_id, part from event_wait where key = $1 and run_id > $2::uuid order by run_id "
                             "limit $3",
                             clean_text(key), after_run_id.empty() ? std::string(first_of_all) : after_run_id, limit),
            [](const pqxx::row& row) {
                return EventWait{row[0].as<std::string>(), row[1].as<std::string>(), row[2].as<Partition>()};
            });
    }));
    return waits;
}

Outcome<void> PostgresStore::keep_events(std::span<const KeptEvent> events) {
    return session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        for (const KeptEvent& event : events)
            work.exec_params("insert into event_kept (key, id, at, expires_at, event) values ($1, $2, $3, $4, $5) "
                             "on conflict do nothing",
                             clean_text(event.key), clean_text(event.id), micros_of(event.at), micros_of(event.expires_at),
                             clean_text(event.event));
    });
}

Outcome<std::vector<KeptEvent>> PostgresStore::kept_events(std::span<const std::string> keys, Time now) {
    ArrayText wanted;
    for (const std::string& key : keys)
        wanted.add(key);
    std::vector<KeptEvent> kept;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        kept = read_all<KeptEvent>(
            work.exec_params(fmt::format("select {} from event_kept k where k.key = any($1::text[]) and k.expires_at > $2 "
                                         "order by k.at, k.id",
                                         postgres_kept_columns),
                             wanted.text(), micros_of(now)),
            [](const pqxx::row& row) { return postgres_read_kept(row, 0); });
    }));
    return kept;
}

Outcome<std::vector<EventOffer>> PostgresStore::event_offers(Partition part, Time now) {
    std::vector<EventOffer> offers;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        offers = read_all<EventOffer>(
            work.exec_params(fmt::format("select w.run_id, {} from event_wait w join event_kept k on k.key = w.key where "
                                         "w.part = $1 and k.expires_at > $2 order by k.at, k.id",
                                         postgres_kept_columns),
                             part, micros_of(now)),
            [](const pqxx::row& row) { return EventOffer{row[0].as<std::string>(), postgres_read_kept(row, 1)}; });
    }));
    return offers;
}

Outcome<void> PostgresStore::forget_events(Time now) {
    return session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        work.exec_params("delete from event_kept where expires_at <= $1", micros_of(now));
    });
}

} // namespace baton::db
