// Migrations: numbered SQL files under db/migrations, compiled into the program and applied in
// order. Each database remembers which it has, with their checksums, in table `migration`.
#pragma once

#include "base/result.hpp"
#include "db/sqlite.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace baton::db {

struct Migration {
    int number;            // from 1, without gaps
    std::string_view name; // the file's, "0001_runs"
    std::string_view sql;
};

std::span<const Migration> sqlite_migrations();
std::span<const Migration> postgres_migrations();

struct AppliedMigration {
    int number;
    std::string name;
    std::string checksum;
};

// CRC-32C of the SQL, eight hexadecimal digits.
std::string checksum_of(const Migration& migration);

// Which of `known` are still missing. Refuses a database that is newer than this program, and one
// whose migrations were different when they were applied; `where` names it in the sentence.
Outcome<std::span<const Migration>> missing_migrations(std::span<const Migration> known,
                                                       const std::vector<AppliedMigration>& applied,
                                                       std::string_view where);

// Applies what is missing, all of it in one transaction. Two programs that start at the same time
// take turns: the transaction holds the file's write lock.
Outcome<void> migrate(Sqlite& database, std::span<const Migration> known = sqlite_migrations());

} // namespace baton::db
