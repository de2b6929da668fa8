// A transaction in the mail database, whichever of the two it is: PostgreSQL by libpqxx, MariaDB or MySQL by libmariadb.
// What they say differently is said here once. Each call makes a connection of its own, which ends with it. Any thread;
// calls block.
#pragma once

#include "contract/task_message.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::workers::mail {

struct Rows {
    std::vector<std::vector<std::optional<std::string>>> rows;
    std::uint64_t changed = 0;        // by insert, update, delete

    bool empty() const { return rows.empty(); }
    // Of a value that is null: `otherwise`.
    std::string text(std::size_t row, std::size_t column, std::string_view otherwise = {}) const;
    std::int64_t number(std::size_t row, std::size_t column) const;
    bool flag(std::size_t row, std::size_t column, bool otherwise) const;
};

enum class Dialect : std::uint8_t { postgres, mariadb };

// Whether a row's `created` and `modified` become this moment.
enum class Stamps : std::uint8_t { none, set };

// Not owned by who uses it; its functions throw what the database's file catches again.
struct Work {
    Dialect dialect = Dialect::postgres;
    // Parameters are $1, $2, … in both; a flag is "1" or "0".
    std::function<Rows(const std::string& sql, const std::vector<std::string>& parameters)> run_with;
    std::function<void()> commit;

    Rows run(const std::string& sql, const std::vector<std::string>& parameters = {}) const { return run_with(sql, parameters); }
    // Does nothing where such a row is already; `changed` says whether it was made.
    Rows insert_unless_there(const std::string& table, const std::vector<std::string>& columns,
                             const std::vector<std::string>& values, Stamps stamps = Stamps::none) const;
    bool has_table(const std::string& name) const;
    // Who has the same name waits, until the end of this transaction; false: for too long. Names are short.
    bool wait_for_turn(const std::string& name) const;
};

// "postgresql://…" or "mysql://…", "mariadb://…".
bool is_mariadb(std::string_view url);
// Why the URL makes no sense; empty: it does.
std::string url_complaint(const std::string& url);

// What `act` did counts if it calls commit. The problem is the database's, or what `act` gives. README.md has the table.
using Act = std::function<std::optional<contract::Problem>(const Work& work)>;
std::optional<contract::Problem> in_database(const std::string& url, const Act& act);

// --- For the two databases' own files -------------------------------------------------------------------

// By SQLSTATE as PostgreSQL has it.
contract::Problem problem_of_state(const std::string& state, const std::string& said);
std::optional<contract::Problem> in_postgres(const std::string& url, const Act& act);
std::optional<contract::Problem> in_mariadb(const std::string& url, const Act& act);

} // namespace baton::workers::mail
