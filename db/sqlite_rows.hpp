// Rows of SQLite as the values of run_store.hpp. Each read function belongs to the list of columns
// above it; a select that begins with that list can be read by it.
#pragma once

#include "db/blobs.hpp"
#include "db/sqlite.hpp"
#include "orchestrator/runtime/run_store.hpp"

#include <vector>

namespace baton::db {

namespace runtime = orchestrator::runtime;

inline constexpr const char* sqlite_run_columns =
    "run_id, part, definition_id, workflow, workflow_version, status, version, state, input, "
    "output, error_type, error, started_at, closed_at";
// Without what may be large.
inline constexpr const char* sqlite_run_row_columns =
    "run_id, part, definition_id, workflow, workflow_version, status, version, '', '', "
    "null, error_type, error, started_at, closed_at";
runtime::StoredRun read_run(const SqliteStatement& row);
// The same, with the tags behind.
runtime::StoredRun read_tagged_run(const SqliteStatement& row);

inline constexpr const char* sqlite_history_columns = "run_id, seq, part, pseq, at, events";
runtime::HistoryRow read_history(const SqliteStatement& row);

inline constexpr const char* sqlite_dead_letter_columns =
    "id, at, state, closed_at, reason, task, run_id, workflow, workflow_version, step, attempts, "
    "error_type, error, input, message, coalesce(again_of, 0), cause, closed_by, close_reason, "
    "coalesce(job, 0)";
runtime::DeadLetter read_dead_letter(const SqliteStatement& row);

// From `definition d left join live l using (definition_id)`.
inline constexpr const char* sqlite_definition_select =
    "select d.definition_id, d.name, d.version, d.source, d.file_name, l.name is not null, "
    "d.created_at from definition d left join live l on l.definition_id = d.definition_id ";
runtime::StoredDefinition read_definition(const SqliteStatement& row);

// Large values (blobs.hpp), within a transaction of the caller's.
Outcome<void> write_blobs(Sqlite& database, const std::vector<BlobUse>& uses);
Outcome<BlobTexts> read_blobs(Sqlite& database, const std::set<std::string>& hashes);

// Steps to the end and reads every row.
template <typename Row>
Outcome<std::vector<Row>> read_all(SqliteStatement& statement,
                                   Row (*read)(const SqliteStatement&)) {
    std::vector<Row> rows;
    while (true) {
        BATON_ASSIGN(const bool has_row, statement.step());
        if (!has_row) return rows;
        rows.push_back(read(statement));
    }
}

// Reads the first row, if there is one.
template <typename Row>
Outcome<std::optional<Row>> read_one(SqliteStatement& statement,
                                     Row (*read)(const SqliteStatement&)) {
    BATON_ASSIGN(const bool has_row, statement.step());
    if (!has_row) return std::optional<Row>{};
    std::optional<Row> row = read(statement);
    statement.reset();
    return row;
}

} // namespace baton::db
