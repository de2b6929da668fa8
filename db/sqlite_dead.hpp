// Dead letters on SQLite: which of them, in what groups, and bulk jobs over them. Private to db.
#pragma once

#include "db/sqlite.hpp"
#include "db/sqlite_rows.hpp"
#include "orchestrator/runtime/run_store.hpp"

#include <optional>
#include <string>
#include <vector>

namespace baton::db {

// The conditions of a filter, with its values as parameters 1 to 10; 11 is its limit, which the
// statement has to use.
std::string dead_letter_conditions(const runtime::DeadLetterFilter& filter);
SqliteStatement& with_filter(SqliteStatement& statement, const runtime::DeadLetterFilter& filter);

Outcome<std::vector<runtime::DeadGroup>> read_dead_groups(Sqlite& database,
                                                          std::optional<runtime::DeadLetterState> state,
                                                          std::size_t limit);

inline constexpr const char* sqlite_dead_job_select =
    "select id, key, at, actor, drops, filter, interval, stop_after, reason, state, closed_at, total, last_id, "
    "cursor, done, refused, failures, seen_id, note, edit, unfit from dead_job";
runtime::DeadJob read_dead_job(const SqliteStatement& row);

// Letters from before they had a cause get theirs, a page per transaction.
Outcome<void> note_causes(Sqlite& database);

} // namespace baton::db
