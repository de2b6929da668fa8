// Connecting, telling apart what libpqxx throws, and migrating.
#include "db/postgres_session.hpp"

#include "base/log.hpp"
#include "base/metrics.hpp"
#include "db/database_url.hpp"
#include "orchestrator/runtime/run_store.hpp"

#include <fmt/format.h>
#include <pqxx/except>
#include <pqxx/nontransaction>
#include <pqxx/result>
#include <pqxx/transaction>

#include <algorithm>
#include <atomic>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace baton::db {
namespace {

using orchestrator::runtime::StoreErrc;

// "baton" in ASCII: the advisory lock of everyone who migrates a Baton database.
constexpr const char* take_migration_lock = "select pg_advisory_xact_lock(422926020462)";

// The first that knows `materialized`.
constexpr int server_version_min = 120000;

// What each new connection says first. A statement that takes longer than this is stuck behind
// somebody's lock; better to fail, say so, and try again. Plans are made while tables are empty and
// kept while they grow, so reading a whole table must not look cheap.
std::string session_settings(std::chrono::seconds statement_limit) {
    const auto lock_limit = std::min(statement_limit, std::chrono::seconds(20));
    return fmt::format(
        "set statement_timeout = '{}s'; set lock_timeout = '{}s'; "
        "set idle_in_transaction_session_timeout = '60s'; set client_min_messages = warning; "
        "set enable_seqscan = off; set timezone = 'UTC'",
        statement_limit.count(), lock_limit.count());
}

std::int64_t now_in_microseconds() {
    return std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

// SQLSTATE classes and codes: PostgreSQL documentation, appendix A. What may pass by itself is
// unavailable: the caller tries again. Among it are a lost race (40001, 40P01), a full disk
// (53100), a server that starts, stops, is a standby or with too many sessions.
StoreErrc postgres_reason(std::string_view state) {
    constexpr std::string_view passing[] = {"40001", "40P01", "57014", "57P01", "57P02",
                                            "57P03", "57P05", "55P03", "25006", "25P03"};
    for (const std::string_view code : passing)
        if (state == code) return StoreErrc::unavailable;
    const std::string_view family = state.substr(0, 2);
    if (family == "08" || family == "53" || family == "58") return StoreErrc::unavailable;
    // The data is to blame: no such value, a constraint, larger than a row may be.
    if (family == "22" || family == "23" || family == "54") return StoreErrc::unfit;
    return StoreErrc::refused;
}

// libpq gives no SQLSTATE for a connection that failed, only sentences. These name what no waiting
// mends; a server that speaks another language is merely waited for.
StoreErrc reason_of_lost(std::string_view sentence) {
    constexpr std::string_view lasting[] = {"password authentication failed",
                                            "no password supplied",
                                            "no pg_hba.conf entry",
                                            "\" does not exist",
                                            "invalid",
                                            "does not support SSL"};
    for (const std::string_view part : lasting)
        if (sentence.find(part) != std::string_view::npos) return StoreErrc::refused;
    return StoreErrc::unavailable;
}

// libpq's messages have several lines and end in a line break.
std::string one_line(std::string_view text) {
    std::string line;
    for (const char c : text) {
        const bool is_space = c == '\n' || c == '\r' || c == '\t' || c == ' ';
        if (!is_space)
            line += c;
        else if (!line.empty() && line.back() != ' ')
            line += ' ';
    }
    while (!line.empty() && line.back() == ' ')
        line.pop_back();
    return line;
}

std::vector<AppliedMigration> applied_to(pqxx::transaction_base& work) {
    std::vector<AppliedMigration> applied;
    const pqxx::result rows =
        work.exec("select number, name, checksum from migration order by number");
    for (const auto& row : rows)
        applied.push_back({row[0].as<int>(), row[1].as<std::string>(), row[2].as<std::string>()});
    return applied;
}

} // namespace

// What another thread needs to end a wait: since when it lasts, and the socket. The socket is a
// duplicate, so that its number cannot mean somebody else's file by the time it is used, and whoever
// takes it out of its place owns it alone: no lock.
class PostgresCut {
public:
    PostgresCut() = default;
    PostgresCut(const PostgresCut&) = delete;
    ~PostgresCut() { watch(-1); }

    void begin() { began_.set(now_in_microseconds()); }
    void end() { began_.set(0); }

    // The session's thread: from now on this is the socket. None with -1.
    void watch(int socket) {
        const int copy = socket < 0 ? -1 : ::fcntl(socket, F_DUPFD_CLOEXEC, 0);
        if (const int before = socket_.exchange(copy); before >= 0) ::close(before);
    }

    // No connection is begun any more: to a machine that does not answer that takes five seconds, which
    // nothing cuts short.
    void close() { is_closed_.set(1); }
    bool is_closed() const { return is_closed_.value() != 0; }

    void cut(Duration age) {
        const std::int64_t began = began_.value();
        if (began == 0 || now_in_microseconds() - began < age.count()) return;
        const int socket = socket_.exchange(-1);
        if (socket < 0) return;
        ::shutdown(socket, SHUT_RDWR);
        ::close(socket);
    }

private:
    Gauge began_; // 0: nothing is under way
    Gauge is_closed_;
    std::atomic<int> socket_{-1};
};

PostgresSession::PostgresSession(std::string url, std::vector<PreparedStatement> statements,
                                 std::chrono::seconds statement_limit)
    : url_(std::move(url)),
      name_(without_password(url_)),
      statements_(std::move(statements)),
      statement_limit_(statement_limit),
      cut_(std::make_unique<PostgresCut>()) {}

PostgresSession::~PostgresSession() = default;
PostgresSession::PostgresSession(PostgresSession&&) noexcept = default;
PostgresSession& PostgresSession::operator=(PostgresSession&&) noexcept = default;

void PostgresSession::disconnect() {
    cut_->watch(-1);
    connection_.reset();
}

void PostgresSession::interrupt(Duration age) {
    if (age == Duration::zero()) cut_->close();
    cut_->cut(age);
}

void PostgresSession::connect() {
    if (connection_ && connection_->is_open()) return;
    disconnect();
    if (cut_->is_closed()) throw pqxx::broken_connection("the program is stopping");
    auto connection = std::make_unique<pqxx::connection>(with_connection_limits(url_));
    cut_->watch(connection->sock());
    {
        pqxx::nontransaction work(*connection);
        work.exec(session_settings(statement_limit_));
    }
    for (const PreparedStatement& statement : statements_)
        connection->prepare(statement.name, statement.sql);
    connection_ = std::move(connection);
}

std::string PostgresSession::without_secrets(std::string_view what) const {
    return hide_passwords(one_line(what), url_);
}

Failure PostgresSession::lost(std::string_view what) const {
    return {reason_of_lost(what),
            fmt::format("PostgreSQL at {} is out of reach: {}", name_, without_secrets(what))};
}

Failure PostgresSession::refused(std::string_view state, std::string_view what) const {
    return {postgres_reason(state), fmt::format("PostgreSQL at {} refused a statement: {} (SQLSTATE {})",
                                          name_, without_secrets(what), state)};
}

Outcome<void> PostgresSession::run(const std::function<void(pqxx::connection&)>& work) {
    cut_->begin();
    Outcome<void> outcome = attempt(work);
    cut_->end();
    if (!connection_) cut_->watch(-1);
    return outcome;
}

Outcome<void> PostgresSession::attempt(const std::function<void(pqxx::connection&)>& work) {
    try {
        connect();
        work(*connection_);
        return {};
    } catch (const pqxx::broken_connection& error) {
        connection_.reset();
        return lost(error.what());
    } catch (const pqxx::in_doubt_error& error) {
        connection_.reset();
        return lost(error.what());
    } catch (const pqxx::sql_error& error) {
        // A server that shuts down answers with an error before it hangs up.
        if (connection_ && !connection_->is_open()) connection_.reset();
        if (!connection_ || error.sqlstate().empty()) {
            connection_.reset();
            return lost(error.what());
        }
        Failure failure = refused(error.sqlstate(), error.what());
        if (failure.code == StoreErrc::unavailable) connection_.reset();
        return failure;
    } catch (const std::exception& error) {
        connection_.reset();
        return Failure{StoreErrc::refused,
                       fmt::format("PostgreSQL at {}: {}", name_, without_secrets(error.what()))};
    }
}

Outcome<void> PostgresSession::run_repeatable(const std::function<void(pqxx::connection&)>& work) {
    const bool was_connected = connection_ != nullptr;
    Outcome<void> outcome = run(work);
    if (outcome || !was_connected || connection_) return outcome;
    return run(work);
}

void PostgresSession::migrate_in(pqxx::connection& connection, std::span<const Migration> known,
                                 Outcome<void>& outcome) const {
    if (connection.server_version() < server_version_min) {
        outcome = Failure{StoreErrc::refused,
                          fmt::format("PostgreSQL at {} is version {}; Baton needs 12 or newer",
                                      name_, connection.server_version() / 10000)};
        return;
    }
    pqxx::work work(connection);
    work.exec(take_migration_lock);
    work.exec("create table if not exists migration (number int primary key, name text not null, "
              "checksum text not null, applied_at timestamptz not null default now())");
    auto missing = missing_migrations(known, applied_to(work), name_);
    if (!missing) {
        outcome = std::move(missing).error();
        return;
    }
    for (const Migration& migration : *missing) {
        log::info("db", "migrating",
                  {{"database", name_}, {"number", migration.number}, {"name", migration.name}});
        work.exec(std::string(migration.sql));
        work.exec_params("insert into migration (number, name, checksum) values ($1, $2, $3)",
                         migration.number, std::string(migration.name), checksum_of(migration));
    }
    work.commit();
}

Outcome<void> PostgresSession::migrate(std::span<const Migration> known) {
    Outcome<void> outcome;
    BATON_TRY(run([&](pqxx::connection& connection) { migrate_in(connection, known, outcome); }));
    return outcome;
}

} // namespace baton::db
