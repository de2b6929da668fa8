// One session with a PostgreSQL server that mends itself: when the connection is lost the call that
// noticed returns StoreErrc::unavailable and the next call connects again and prepares its
// statements anew. The only file where libpqxx's exceptions are caught. One thread at a time.
//
// libpq waits for an answer without a limit, and a server that is stopped, or hangs, keeps its
// sockets alive: nothing of TCP notices. So another thread may call interrupt(), which shuts the
// socket under the wait. Connecting has a limit of its own (with_connection_limits()).
#pragma once

#include "base/clock.hpp"
#include "base/result.hpp"
#include "db/migrate.hpp"

#include <pqxx/connection>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace baton::db {

// A statement the session prepares whenever it connects.
struct PreparedStatement {
    std::string name;
    std::string sql;
};

class PostgresCut;

class PostgresSession {
public:
    // `url` as libpq takes it, postgresql://user:password@host:port/database?sslmode=require.
    // Connects at the first use. The server gives up a statement after `statement_limit`.
    PostgresSession(std::string url, std::vector<PreparedStatement> statements,
                    std::chrono::seconds statement_limit = std::chrono::seconds(30));
    ~PostgresSession();
    PostgresSession(PostgresSession&&) noexcept;
    PostgresSession& operator=(PostgresSession&&) noexcept;

    // Runs `work` on the open connection. What it throws becomes a Failure: unavailable when trying
    // again later makes sense, else refused. A statement outside a transaction is its own
    // transaction.
    Outcome<void> run(const std::function<void(pqxx::connection&)>& work);

    // The same for work that may be done twice: repeated once at once if the connection turned out
    // to be dead, so that a restart of the server is not seen by whoever asks next.
    Outcome<void> run_repeatable(const std::function<void(pqxx::connection&)>& work);

    // Applies the missing migrations in one transaction, taking turns with other programs that do
    // the same. Refuses a database that is newer than this program.
    Outcome<void> migrate(std::span<const Migration> known = postgres_migrations());

    // Ends the connection; the next call opens a new one.
    void disconnect();

    // Any thread: ends a run() that has been under way for longer than `age`, as if the connection
    // had broken. With zero, which whoever stops says, no connection is begun any more either.
    void interrupt(Duration age);

    // For sentences: the URL without its password.
    const std::string& name() const { return name_; }

private:
    Outcome<void> attempt(const std::function<void(pqxx::connection&)>& work);
    void connect();
    void migrate_in(pqxx::connection& connection, std::span<const Migration> known,
                    Outcome<void>& outcome) const;
    Failure lost(std::string_view what) const;
    Failure refused(std::string_view state, std::string_view what) const;
    std::string without_secrets(std::string_view what) const;

    std::string url_;
    std::string name_;
    std::vector<PreparedStatement> statements_;
    std::chrono::seconds statement_limit_;
    std::unique_ptr<PostgresCut> cut_;
    std::unique_ptr<pqxx::connection> connection_;
};

} // namespace baton::db
