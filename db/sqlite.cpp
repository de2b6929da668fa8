// The wrapper around SQLite's C interface. Extended result codes are folded into the few reasons a
// caller can act on; SQLite's own message is kept in the sentence.
#include "db/sqlite.hpp"

#include "orchestrator/runtime/run_store.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <utility>

namespace baton::db {
namespace {

using orchestrator::runtime::StoreErrc;

// How long a statement waits for another process (a backup, the sqlite3 shell) to let go.
constexpr int busy_timeout_ms = 5000;

// What may pass by itself, or by freeing space, is unavailable: the caller tries again. What the data
// itself is to blame for is unfit. The rest (damage, a table that is gone) is an operator's matter.
StoreErrc sqlite_reason(int code) {
    switch (code & 0xFF) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_NOMEM:
    case SQLITE_PROTOCOL:
    case SQLITE_INTERRUPT:
        return StoreErrc::unavailable;
    case SQLITE_TOOBIG:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_RANGE:
        return StoreErrc::unfit;
    default:
        return StoreErrc::refused;
    }
}

std::string explain(const std::string& path, int code, const char* message) {
    switch (code & 0xFF) {
    case SQLITE_NOTADB:
        return fmt::format("{} is not a SQLite database. Move it away, or point BATON_DB_URL at "
                           "another file; Baton does not overwrite it",
                           path);
    case SQLITE_CORRUPT:
        return fmt::format("the database {} is damaged ({}). Stop Baton, keep a copy of the file, "
                           "then restore a backup or try: sqlite3 {} .recover",
                           path, message, path);
    case SQLITE_FULL:
        return fmt::format("the disk of {} is full", path);
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return fmt::format("{} may not be written ({}); its folder and file must be writable for "
                           "the user Baton runs as",
                           path, message);
    case SQLITE_CANTOPEN:
        return fmt::format("cannot open the database {}; its folder must exist and be writable for "
                           "the user Baton runs as",
                           path);
    case SQLITE_BUSY:
        return fmt::format("the database {} is locked by another process", path);
    default:
        return fmt::format("the database {} failed: {}", path, message);
    }
}

Failure failure_of(sqlite3* connection, const std::string& path, int code) {
    const char* message = connection != nullptr ? sqlite3_errmsg(connection) : sqlite3_errstr(code);
    return {sqlite_reason(code), explain(path, code, message)};
}

std::string file_of(sqlite3* connection) {
    const char* name = sqlite3_db_filename(connection, "main");
    return name != nullptr && *name != '\0' ? name : ":memory:";
}

// SQLite takes a file without a whole page, or one that begins with zeros, for an empty database
// and writes over it. It may be somebody's file. The header is read through the connection's own file:
// a descriptor of ours beside it would, when closed, drop the locks of every connection of this process
// (POSIX locks belong to the process), and another program could then check the log in and cut it.
bool is_something_else(sqlite3* connection) {
    constexpr std::string_view header("SQLite format 3\0", 16);
    sqlite3_file* file = nullptr;
    if (sqlite3_file_control(connection, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK ||
        file == nullptr || file->pMethods == nullptr)
        return false; // the first statement will say why
    // Asked of the folder, which opens nothing; SQLite itself says 0 of a file with one byte.
    std::error_code ignored;
    const auto bytes = std::filesystem::file_size(file_of(connection), ignored);
    if (ignored || bytes == 0) return false;
    char first[header.size()] = {};
    const int code = file->pMethods->xRead(file, first, sizeof first, 0);
    // A file shorter than its header is filled with zeros, and is none of SQLite's.
    if (code != SQLITE_OK && code != SQLITE_IOERR_SHORT_READ) return false;
    return std::string_view(first, sizeof first) != header;
}

} // namespace

void SqliteStatement::Finalize::operator()(sqlite3_stmt* statement) const {
    sqlite3_finalize(statement);
}

Failure SqliteStatement::failure(int code) const {
    sqlite3* connection = sqlite3_db_handle(statement_.get());
    return failure_of(connection, file_of(connection), code);
}

void SqliteStatement::bind(int index, std::string_view text) {
    // An empty view may have no data, which SQLite would take as NULL.
    const char* data = text.data() != nullptr ? text.data() : "";
    sqlite3_bind_text64(statement_.get(), index, data, text.size(), SQLITE_STATIC, SQLITE_UTF8);
}

void SqliteStatement::bind(int index, std::int64_t number) {
    sqlite3_bind_int64(statement_.get(), index, number);
}

void SqliteStatement::bind(int index, std::nullopt_t) {
    sqlite3_bind_null(statement_.get(), index);
}

Outcome<bool> SqliteStatement::step() {
    const int code = sqlite3_step(statement_.get());
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) {
        reset();
        return false;
    }
    Failure what = failure(code);
    reset();
    return what;
}

Outcome<void> SqliteStatement::run() {
    while (true) {
        BATON_ASSIGN(const bool has_row, step());
        if (!has_row) return {};
    }
}

void SqliteStatement::reset() {
    sqlite3_reset(statement_.get());
    sqlite3_clear_bindings(statement_.get());
}

int SqliteStatement::columns() const {
    return sqlite3_column_count(statement_.get());
}

std::int64_t SqliteStatement::number(int column) const {
    return sqlite3_column_int64(statement_.get(), column);
}

std::string SqliteStatement::text(int column) const {
    const auto* data = sqlite3_column_text(statement_.get(), column);
    if (data == nullptr) return {};
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column));
    return {reinterpret_cast<const char*>(data), size};
}

std::optional<std::string> SqliteStatement::optional_text(int column) const {
    if (is_null(column)) return std::nullopt;
    return text(column);
}

std::optional<Time> SqliteStatement::optional_time(int column) const {
    if (is_null(column)) return std::nullopt;
    return time(column);
}

bool SqliteStatement::is_null(int column) const {
    return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

void Sqlite::Close::operator()(sqlite3* connection) const {
    sqlite3_close_v2(connection);
}

Outcome<Sqlite> Sqlite::open(const std::string& path, Access access) {
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    switch (access) {
    case Access::write:
        flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
        break;
    case Access::read:
        // A read-only connection could not make the -shm file it needs to read while nobody writes.
        flags |= SQLITE_OPEN_READWRITE;
        break;
    }
    // SQLite would wait for the other end of a FIFO. The file itself is never opened here.
    std::error_code unknown;
    const auto kind = std::filesystem::status(path, unknown).type();
    if (kind == std::filesystem::file_type::fifo || kind == std::filesystem::file_type::character ||
        kind == std::filesystem::file_type::block || kind == std::filesystem::file_type::socket)
        return Failure{StoreErrc::refused, path + ": it is no regular file; name a file for the database"};
    Sqlite database;
    database.path_ = path;
    sqlite3* raw = nullptr;
    const int code = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
    database.connection_.reset(raw);
    if (code != SQLITE_OK) return failure_of(raw, path, code);
    if (is_something_else(raw)) return Failure{StoreErrc::refused, explain(path, SQLITE_NOTADB, "")};

    sqlite3_busy_timeout(raw, busy_timeout_ms);
    // The first statement that touches the file: it is what notices garbage.
    BATON_TRY(database.execute("pragma schema_version"));
    switch (access) {
    case Access::write:
        BATON_TRY(database.execute("pragma foreign_keys = on"));
        break;
    case Access::read:
        BATON_TRY(database.execute("pragma query_only = on"));
        break;
    }
    return database;
}

Outcome<void> Sqlite::make_durable() {
    // The limit gives the space back that one very large batch took. Moving the log into the database every 8 MiB
    // instead of every 4 writes and syncs pages that change with each batch (the ends of indexes) half as often;
    // with 32 MiB of pages in memory, what a run touches again is still there.
    return execute("pragma journal_mode = wal; pragma synchronous = full; "
                   "pragma journal_size_limit = 67108864; pragma wal_autocheckpoint = 2048; "
                   "pragma cache_size = -32768");
}

Outcome<SqliteStatement> Sqlite::prepare(std::string_view sql) {
    sqlite3_stmt* raw = nullptr;
    const int code = sqlite3_prepare_v3(connection_.get(), sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
    SqliteStatement statement;
    statement.statement_.reset(raw);
    if (code != SQLITE_OK) return failure_of(connection_.get(), path_, code);
    return statement;
}

Outcome<void> Sqlite::execute(const std::string& sql) {
    const int code = sqlite3_exec(connection_.get(), sql.c_str(), nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) return failure_of(connection_.get(), path_, code);
    return {};
}

Outcome<void> Sqlite::copy_into(Sqlite& target, const std::function<bool()>& is_given_up) {
    constexpr int pages_at_once = 1024;
    // One reading transaction over all steps: what others write meanwhile neither shows nor makes the copy
    // begin again, as it would after each commit.
    BATON_TRY(execute("begin; select count(*) from sqlite_schema"));
    sqlite3_backup* copy =
        sqlite3_backup_init(target.connection_.get(), "main", connection_.get(), "main");
    int code = copy == nullptr ? sqlite3_errcode(target.connection_.get()) : SQLITE_OK;
    bool is_over = false;
    while (copy != nullptr && code == SQLITE_OK && !is_over) {
        code = sqlite3_backup_step(copy, pages_at_once);
        is_over = is_given_up();
    }
    if (copy != nullptr) sqlite3_backup_finish(copy);
    BATON_TRY(execute("commit"));
    if (code == SQLITE_DONE) return {};
    if (code == SQLITE_OK)
        return Failure{make_error_code(boost::system::errc::operation_canceled), "given up before the end"};
    return Failure{sqlite_reason(code), explain(target.path_, code, sqlite3_errstr(code))};
}

std::size_t Sqlite::limit_texts(std::size_t bytes) {
    const auto limit = static_cast<int>(std::min<std::size_t>(bytes, std::numeric_limits<int>::max()));
    return static_cast<std::size_t>(sqlite3_limit(connection_.get(), SQLITE_LIMIT_LENGTH, limit));
}

std::int64_t Sqlite::changes() const {
    return sqlite3_changes64(connection_.get());
}

Outcome<SqliteTransaction> SqliteTransaction::begin(Sqlite& connection) {
    BATON_TRY(connection.execute("begin immediate"));
    return SqliteTransaction(connection);
}

SqliteTransaction::SqliteTransaction(SqliteTransaction&& other) noexcept
    : connection_(std::exchange(other.connection_, nullptr)) {}

SqliteTransaction::~SqliteTransaction() {
    // After some errors SQLite has rolled back by itself; a second rollback only complains.
    if (connection_ != nullptr) (void)connection_->execute("rollback");
}

Outcome<void> SqliteTransaction::commit() {
    BATON_TRY(connection_->execute("commit"));
    connection_ = nullptr;
    return {};
}

} // namespace baton::db
