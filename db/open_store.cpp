// Chooses the store by the form of the URL.
#include "db/open_store.hpp"

#include "base/assert.hpp"
#include "db/database_url.hpp"
#include "db/postgres_queries.hpp"
#include "db/postgres_store.hpp"
#include "db/sqlite_queries.hpp"
#include "db/sqlite_store.hpp"

namespace baton::db {

Outcome<std::unique_ptr<runtime::RunStore>> open_store(const std::string& url,
                                                       const std::function<bool()>& gives_up) {
    BATON_ASSIGN(const DatabaseUrl parsed, parse_database_url(url));
    switch (parsed.kind) {
    case DatabaseUrl::Kind::sqlite: {
        BATON_ASSIGN(std::unique_ptr<runtime::RunStore> store, SqliteStore::open(parsed.location));
        return store;
    }
    case DatabaseUrl::Kind::postgres: {
        BATON_ASSIGN(std::unique_ptr<runtime::RunStore> store,
                     PostgresStore::open(parsed.location, gives_up));
        return store;
    }
    }
    BATON_UNREACHABLE("every kind of URL has a store");
}

Outcome<std::unique_ptr<runtime::RunQueries>> open_queries(const std::string& url) {
    BATON_ASSIGN(const DatabaseUrl parsed, parse_database_url(url));
    switch (parsed.kind) {
    case DatabaseUrl::Kind::sqlite: {
        BATON_ASSIGN(std::unique_ptr<runtime::RunQueries> queries,
                     SqliteQueries::open(parsed.location));
        return queries;
    }
    case DatabaseUrl::Kind::postgres:
        return std::unique_ptr<runtime::RunQueries>(
            std::make_unique<PostgresQueries>(parsed.location));
    }
    BATON_UNREACHABLE("every kind of URL has queries");
}

std::string printable_url(const std::string& url) {
    const auto parsed = parse_database_url(url);
    if (!parsed) return "(not a database URL)";
    switch (parsed->kind) {
    case DatabaseUrl::Kind::sqlite:
        return "sqlite:" + parsed->location;
    case DatabaseUrl::Kind::postgres:
        return without_password(parsed->location);
    }
    BATON_UNREACHABLE("every kind of URL can be printed");
}

} // namespace baton::db
