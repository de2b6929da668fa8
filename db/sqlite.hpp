// A thin ownership wrapper around SQLite: a connection, and statements prepared once and used many
// times. Errors come back as Failure with a StoreErrc and a sentence that names the file. A
// connection and its statements belong to one thread at a time; nothing here locks.
#pragma once

#include "base/clock.hpp"
#include "base/result.hpp"

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace baton::db {

// A prepared statement: given its values, stepped through its rows, reset. Destroyed before its
// connection.
class SqliteStatement {
public:
    SqliteStatement() = default;

    // Binds all parameters in order: texts, numbers, times (stored as microseconds), and optional
    // ones of these (absent is NULL). Texts must stay alive and unchanged until the statement is
    // stepped to its end or reset.
    template <typename... Values>
    SqliteStatement& with(const Values&... values) {
        int index = 0;
        (bind(++index, values), ...);
        return *this;
    }

    // The same with texts alone, as many as the statement has parameters.
    SqliteStatement& with_texts(std::span<const std::string> texts) {
        int index = 0;
        for (const std::string& text : texts)
            bind(++index, text);
        return *this;
    }
    int columns() const;

    // True: there is a row to read. False: the end, and the statement is reset.
    [[nodiscard]] Outcome<bool> step();
    // Steps to the end, ignoring rows.
    [[nodiscard]] Outcome<void> run();
    // Forgets position and bindings.
    void reset();

    // The columns of the current row, from 0.
    std::int64_t number(int column) const;
    std::string text(int column) const;
    Time time(int column) const { return time_from_micros(number(column)); }
    std::optional<std::string> optional_text(int column) const;
    std::optional<Time> optional_time(int column) const;

private:
    void bind(int index, std::string_view text);
    void bind(int index, std::int64_t number);
    void bind(int index, std::nullopt_t);
    void bind(int index, Time time) { bind(index, micros_of(time)); }
    template <std::integral Number>
    void bind(int index, Number number) {
        bind(index, static_cast<std::int64_t>(number));
    }
    template <typename Value>
    void bind(int index, const std::optional<Value>& value) {
        if (value)
            bind(index, *value);
        else
            bind(index, std::nullopt);
    }
    bool is_null(int column) const;

    friend class Sqlite;
    struct Finalize {
        void operator()(sqlite3_stmt* statement) const;
    };
    Failure failure(int code) const;

    std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

// A connection to one database file.
class Sqlite {
public:
    enum class Access {
        write, // makes the file if needed
        read,  // an existing file; writing through it fails
    };

    // `path` is a file, or ":memory:" for tests. Refuses what is not a SQLite database, what is
    // damaged, and what may not be written, in a sentence that names the file.
    static Outcome<Sqlite> open(const std::string& path, Access access);

    // Write-ahead log, and an fsync for each commit. Changes the file, so it comes after everything
    // that may refuse it.
    Outcome<void> make_durable();

    Outcome<SqliteStatement> prepare(std::string_view sql);
    // One or more statements without parameters.
    Outcome<void> execute(const std::string& sql);

    // Makes `target`, which is empty, a copy of this as it is at one moment, whatever other connections
    // write meanwhile. Fails with operation_canceled soon after `is_given_up` says so.
    Outcome<void> copy_into(Sqlite& target, const std::function<bool()>& is_given_up);
    // Texts with more bytes than this are neither read nor written: StoreErrc::unfit. Gives the former limit.
    std::size_t limit_texts(std::size_t bytes);

    // Rows changed by the last statement.
    std::int64_t changes() const;
    const std::string& path() const { return path_; }

private:
    struct Close {
        void operator()(sqlite3* connection) const;
    };

    std::string path_;
    std::unique_ptr<sqlite3, Close> connection_;
};

// Begins with the object; rolls back when it goes without commit().
class SqliteTransaction {
public:
    // Takes the write lock at once, so that a later statement cannot find it taken.
    static Outcome<SqliteTransaction> begin(Sqlite& connection);
    SqliteTransaction(SqliteTransaction&& other) noexcept;
    SqliteTransaction& operator=(SqliteTransaction&&) = delete;
    ~SqliteTransaction();

    Outcome<void> commit();

private:
    explicit SqliteTransaction(Sqlite& connection) : connection_(&connection) {}
    Sqlite* connection_;
};

} // namespace baton::db
