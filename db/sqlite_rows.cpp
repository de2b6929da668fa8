// Reads the columns in the order their lists name them.
#include "db/sqlite_rows.hpp"

namespace baton::db {

using namespace orchestrator::runtime;

namespace {

std::uint64_t sqlite_count_in(const SqliteStatement& row, int column) {
    return static_cast<std::uint64_t>(row.number(column));
}

std::uint32_t sqlite_small_count_in(const SqliteStatement& row, int column) {
    return static_cast<std::uint32_t>(row.number(column));
}

} // namespace

StoredRun read_run(const SqliteStatement& row) {
    StoredRun run;
    run.run_id = row.text(0);
    run.part = static_cast<Partition>(row.number(1));
    run.definition_id = sqlite_count_in(row, 2);
    run.workflow = row.text(3);
    run.workflow_version = sqlite_small_count_in(row, 4);
    run.status = static_cast<RunStatus>(row.number(5));
    run.version = sqlite_count_in(row, 6);
    run.state = row.text(7);
    run.input = row.text(8);
    run.output = row.optional_text(9);
    run.error_type = row.text(10);
    run.error = row.text(11);
    run.started_at = row.time(12);
    run.closed_at = row.optional_time(13);
    return run;
}

StoredRun read_tagged_run(const SqliteStatement& row) {
    StoredRun run = read_run(row);
    run.tags = row.text(14);
    return run;
}

HistoryRow read_history(const SqliteStatement& row) {
    HistoryRow history;
    history.run_id = row.text(0);
    history.seq = sqlite_count_in(row, 1);
    history.part = static_cast<Partition>(row.number(2));
    history.pseq = sqlite_count_in(row, 3);
    history.at = row.time(4);
    history.events = row.text(5);
    return history;
}

DeadLetter read_dead_letter(const SqliteStatement& row) {
    DeadLetter letter;
    letter.id = sqlite_count_in(row, 0);
    letter.at = row.time(1);
    letter.state = static_cast<DeadLetterState>(row.number(2));
    letter.closed_at = row.optional_time(3);
    letter.reason = row.text(4);
    letter.task = row.text(5);
    letter.run_id = row.text(6);
    letter.workflow = row.text(7);
    letter.workflow_version = sqlite_small_count_in(row, 8);
    letter.step = row.text(9);
    letter.attempts = sqlite_small_count_in(row, 10);
    letter.error_type = row.text(11);
    letter.error = row.text(12);
    letter.input = row.text(13);
    letter.message = row.text(14);
    letter.again_of = sqlite_count_in(row, 15);
    letter.cause = row.text(16);
    letter.closed_by = row.text(17);
    letter.close_reason = row.text(18);
    letter.job = sqlite_count_in(row, 19);
    return letter;
}

StoredDefinition read_definition(const SqliteStatement& row) {
    StoredDefinition definition;
    definition.definition_id = sqlite_count_in(row, 0);
    definition.name = row.text(1);
    definition.version = sqlite_small_count_in(row, 2);
    definition.source = row.text(3);
    definition.file_name = row.text(4);
    definition.is_live = row.number(5) != 0;
    definition.created_at = row.time(6);
    return definition;
}

Outcome<void> write_blobs(Sqlite& database, const std::vector<BlobUse>& uses) {
    if (uses.empty()) return {};
    BATON_ASSIGN(auto keep, database.prepare("insert into blob (sha256, text) values (?, ?) on conflict (sha256) do nothing"));
    BATON_ASSIGN(auto use, database.prepare("insert or ignore into blob_use (run_id, sha256) values (?, ?)"));
    for (const BlobUse& one : uses) {
        BATON_TRY(keep.with(one.blob.sha256, one.blob.text).run());
        BATON_TRY(use.with(one.run_id, one.blob.sha256).run());
    }
    return {};
}

Outcome<BlobTexts> read_blobs(Sqlite& database, const std::set<std::string>& hashes) {
    BATON_ASSIGN(auto select, database.prepare("select text from blob where sha256 = ?"));
    BlobTexts texts;
    for (const std::string& sha256 : hashes) {
        BATON_ASSIGN(auto text, read_one<std::string>(select.with(sha256), [](const SqliteStatement& row) { return row.text(0); }));
        if (text) texts.emplace(sha256, std::move(*text));
    }
    return texts;
}

} // namespace baton::db
