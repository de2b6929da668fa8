// The engine's side of the store on SQLite: every statement in one place, in the order of the
// interface.
#include "db/sqlite_store.hpp"

#include "db/hex.hpp"
#include "db/indexes.hpp"
#include "db/migrate.hpp"
#include "db/retention.hpp"
#include "db/kept_answers.hpp"
#include "db/run_jobs.hpp"
#include "db/run_log.hpp"
#include "db/run_search.hpp"
#include "db/sqlite_dead.hpp"
#include "db/sqlite_rows.hpp"
#include "orchestrator/runtime/dead_cause.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::db {

using namespace orchestrator::runtime;

struct SqliteStore::Statements {
    SqliteStatement take_over;
    SqliteStatement alarms;
    SqliteStatement history_above;
    SqliteStatement history_row_above;
    SqliteStatement history_since;
    SqliteStatement load;
    SqliteStatement open_runs;
    SqliteStatement partition_count;
    SqliteStatement load_row;
    SqliteStatement epoch_of;
    SqliteStatement move_fence;
    SqliteStatement key_holder;
    SqliteStatement take_key;
    SqliteStatement insert_run;
    SqliteStatement update_run_of_same_status;
    SqliteStatement insert_tag;
    SqliteStatement update_run;
    SqliteStatement insert_history;
    SqliteStatement find_history;
    SqliteStatement set_alarm;
    SqliteStatement delete_alarm;
    SqliteStatement insert_dead_letter;
    SqliteStatement close_dead_letters_of_step;
    SqliteStatement close_dead_letter;
    SqliteStatement dead_letter;
};

SqliteStore::SqliteStore(Sqlite database)
    : database_(std::move(database)), statements_(std::make_unique<Statements>()) {}

// Statements go before their connection.
SqliteStore::~SqliteStore() {
    statements_.reset();
}

namespace {

std::optional<std::uint64_t> sqlite_job_of(const Closing& closing) {
    if (closing.job == 0) return std::nullopt;
    return closing.job;
}

// "Batn": says in the file's header whose database it is; set by the first migration.
constexpr std::int64_t application_id = 0x4261746E;

// Checking every page of a larger file would make starting slow; its damage shows when it is read.
constexpr std::int64_t checked_bytes_max = 64LL * 1024 * 1024;

// Names, error texts and ids are texts, too.
constexpr std::size_t smallest_text_limit = 64 * 1024;

Outcome<std::int64_t> number_from(Sqlite& database, std::string_view sql) {
    BATON_ASSIGN(auto select, database.prepare(sql));
    BATON_ASSIGN(auto number, read_one<std::int64_t>(select, [](const SqliteStatement& row) {
                     return row.number(0);
                 }));
    return number.value_or(0);
}

Outcome<void> refuse_foreign(Sqlite& database) {
    BATON_ASSIGN(const auto id, number_from(database, "pragma application_id"));
    if (id == application_id) return {};
    BATON_ASSIGN(const auto tables, number_from(database, "select count(*) from sqlite_schema"));
    if (id == 0 && tables == 0) return {};
    return Failure{StoreErrc::refused,
                   fmt::format("{} is a SQLite database of another program. Point BATON_DB_URL at "
                               "another file; Baton does not touch this one",
                               database.path())};
}

Outcome<void> refuse_damaged(Sqlite& database) {
    BATON_ASSIGN(const auto bytes,
                 number_from(database, "select page_count * page_size "
                                       "from pragma_page_count, pragma_page_size"));
    if (bytes > checked_bytes_max) return {};
    BATON_ASSIGN(auto check, database.prepare("pragma quick_check(1)"));
    BATON_ASSIGN(auto verdict, read_one<std::string>(
                                   check, [](const SqliteStatement& row) { return row.text(0); }));
    if (verdict == "ok") return {};
    return Failure{StoreErrc::refused,
                   fmt::format("the database {} is damaged ({}). Keep a copy of the file, then "
                               "restore a backup or try: sqlite3 {} .recover",
                               database.path(), verdict.value_or("no answer"), database.path())};
}

} // namespace

Outcome<std::unique_ptr<SqliteStore>> SqliteStore::open(const std::string& path) {
    BATON_ASSIGN(Sqlite database, Sqlite::open(path, Sqlite::Access::write));
    BATON_TRY(refuse_foreign(database));
    BATON_TRY(refuse_damaged(database));
    BATON_TRY(database.make_durable());
    BATON_TRY(migrate(database));
    BATON_TRY(note_causes(database));
    std::unique_ptr<SqliteStore> store(new SqliteStore(std::move(database)));
    BATON_TRY(store->prepare());
    return store;
}

Outcome<void> SqliteStore::prepare() {
    struct Text {
        SqliteStatement& statement;
        std::string sql;
    };
    Statements& s = *statements_;
    const Text all[] = {
        {s.take_over, "insert into owner (part, node, epoch) values (?1, ?2, 1) "
                      "on conflict (part) do update set epoch = epoch + 1, node = excluded.node "
                      "returning epoch, pseq, published"},
        {s.alarms, "select run_id, due from alarm where part = ?"},
        // By the index alone: a sorter would read rows ahead, and stumble over one that is too large.
        {s.history_above, fmt::format("select {} from history where part = ? and pseq > ? "
                                      "order by pseq limit ?",
                                      sqlite_history_columns)},
        {s.history_row_above, "select run_id, seq, part, pseq, at, '' from history where part = ? and "
                              "pseq > ? order by pseq limit 1"},
        {s.history_since, fmt::format("select {} from history where run_id = ? and seq > ? order by seq",
                                      sqlite_history_columns)},
        {s.load, fmt::format("select {} from run where run_id = ?", sqlite_run_columns)},
        {s.open_runs, fmt::format("select run_id from run where status in ({}, {}, {}, {}) and status <> {} and "
                                  "part = ? and run_id > ? order by run_id limit ?",
                                  static_cast<int>(RunStatus::queued), static_cast<int>(RunStatus::running), static_cast<int>(RunStatus::paused),
                                  static_cast<int>(RunStatus::compensating),
                                  static_cast<int>(RunStatus::completed))},
        {s.partition_count, "select coalesce(max(part) + 1, 0) from owner"},
        {s.load_row, fmt::format("select {} from run where run_id = ?", sqlite_run_row_columns)},
        {s.epoch_of, "select epoch from owner where part = ?"},
        {s.move_fence, "update owner set pseq = ?2, published = ?3 where part = ?1"},
        {s.key_holder, "select run_id, input_sha256 from start_key where workflow = ?1 and "
                       "key = ?2 and (expires_at is null or expires_at > ?3)"},
        {s.take_key, "insert or replace into start_key (workflow, key, run_id, input_sha256, "
                     "expires_at) values (?, ?, ?, ?, ?)"},
        {s.insert_run, "insert into run (run_id, part, definition_id, workflow, workflow_version, "
                       "status, version, started_at, closed_at, error_type, error, state, input, "
                       "output, tags) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                       "on conflict (run_id) do nothing"},
        // Which indexes an update writes anew depends on the columns it names, not on their values.
        {s.update_run_of_same_status, "update run set version = ?2, "
                                      "state = case ?4 when '' then state else ?4 end, closed_at = ?5, "
                                      "output = ?6, error_type = ?7, error = ?8 "
                                      "where run_id = ?1 and version = ?2 - 1 and status = ?3"},
        {s.insert_tag, "insert or ignore into run_tag (name, value, run_id) values (?, ?, ?)"},
        {s.update_run, "update run set version = ?2, status = ?3, "
                       "state = case ?4 when '' then state else ?4 end, closed_at = ?5, "
                       "output = ?6, error_type = ?7, error = ?8 "
                       "where run_id = ?1 and version = ?2 - 1"},
        {s.insert_history, "insert into history (run_id, seq, part, pseq, at, events) "
                           "values (?, ?, ?, ?, ?, ?)"},
        {s.find_history, "select 1 from history where run_id = ? and seq = ? and part = ? and "
                         "pseq = ? and events = ?"},
        {s.set_alarm, "insert or replace into alarm (run_id, part, due) values (?, ?, ?)"},
        {s.delete_alarm, "delete from alarm where run_id = ?"},
        {s.insert_dead_letter,
         "insert into dead_letter (at, state, closed_at, reason, task, run_id, workflow, "
         "workflow_version, step, attempts, error_type, error, input, message, again_of, cause) "
         "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"},
        {s.close_dead_letters_of_step, "update dead_letter set state = ?1, closed_at = ?2, closed_by = ?5, "
                                       "close_reason = ?6, job = ?7 where run_id = ?3 and step = ?4 and state = 1"},
        {s.close_dead_letter,
         "update dead_letter set state = ?1, closed_at = ?2, closed_by = ?4, close_reason = ?5, job = ?6 "
         "where id = ?3 and state = 1"},
        {s.dead_letter,
         fmt::format("select {} from dead_letter where id = ?", sqlite_dead_letter_columns)},
    };
    for (const Text& text : all) {
        BATON_ASSIGN(text.statement, database_.prepare(text.sql));
    }
    return {};
}

Outcome<std::vector<OwnedPartition>> SqliteStore::take_over(std::span<const Partition> parts,
                                                            const std::string& node) {
    BATON_ASSIGN(SqliteTransaction transaction, SqliteTransaction::begin(database_));
    std::vector<OwnedPartition> owned;
    SqliteStatement& statement = statements_->take_over;
    for (const Partition part : parts) {
        BATON_TRY(statement.with(part, node).step());
        owned.push_back({part, static_cast<std::uint64_t>(statement.number(0)),
                         static_cast<std::uint64_t>(statement.number(1)),
                         static_cast<std::uint64_t>(statement.number(2))});
        statement.reset();
    }
    BATON_TRY(transaction.commit());
    return owned;
}

Outcome<std::vector<Alarm>> SqliteStore::alarms(Partition part) {
    return read_all<Alarm>(statements_->alarms.with(part), [](const SqliteStatement& row) {
        return Alarm{row.text(0), row.time(1)};
    });
}

namespace {

// While it lives, larger texts are not read.
class TextLimit {
public:
    TextLimit(Sqlite& database, std::size_t bytes)
        : database_(database), former_(database.limit_texts(bytes)) {}
    ~TextLimit() { database_.limit_texts(former_); }
    TextLimit(const TextLimit&) = delete;

private:
    Sqlite& database_;
    std::size_t former_;
};

bool is_too_large(const Failure& failure) {
    return failure.code == StoreErrc::unfit;
}

} // namespace

Outcome<std::vector<HistoryRow>> SqliteStore::history_above(Partition part, std::uint64_t after,
                                                            std::size_t count,
                                                            const ReadLimits& limits) {
    const TextLimit limit(database_, std::max(limits.row_bytes, smallest_text_limit));
    std::vector<HistoryRow> rows;
    SqliteStatement& select = statements_->history_above.with(part, after, count);
    for (std::size_t sum = 0; sum < limits.sum_bytes; sum += unfolded_size(rows.back().events)) {
        auto has_row = select.step();
        if (!has_row && is_too_large(has_row.error())) {
            // Found again as the first one of the next call.
            if (!rows.empty()) break;
            return read_all(statements_->history_row_above.with(part, after), read_history);
        }
        if (!has_row) return std::move(has_row).error();
        if (!*has_row) break;
        rows.push_back(read_history(select));
    }
    select.reset();
    BATON_TRY(unfold(rows, limits, blob_reader()));
    return rows;
}

Outcome<std::vector<HistoryRow>> SqliteStore::history_since(std::span<const runtime::HistoryAsk> asks) {
    std::vector<HistoryRow> rows;
    for (const HistoryAsk& ask : asks) {
        BATON_ASSIGN(auto more, read_all(statements_->history_since.with(ask.run_id, ask.after_seq), read_history));
        std::move(more.begin(), more.end(), std::back_inserter(rows));
    }
    BATON_TRY(unfold(rows, {}, blob_reader()));
    return rows;
}

Outcome<std::vector<StoredRun>> SqliteStore::load(std::span<const std::string> run_ids,
                                                  const ReadLimits& limits) {
    const TextLimit limit(database_, std::max(limits.row_bytes, smallest_text_limit));
    std::vector<StoredRun> runs;
    std::size_t sum = 0;
    for (const std::string& run_id : run_ids) {
        StoredRun& run = runs.emplace_back();
        run.run_id = run_id;
        run.texts = StoredRun::Texts::later;
        if (sum >= limits.sum_bytes) continue;
        BATON_ASSIGN(auto read, load_one(run_id, limits.row_bytes));
        if (!read) {
            runs.pop_back();
            continue;
        }
        run = std::move(*read);
        sum += unfolded_size(run.state) + unfolded_size(run.input) + (run.output ? unfolded_size(*run.output) : 0);
    }
    BATON_TRY(unfold(runs, limits, blob_reader()));
    return runs;
}

Outcome<std::vector<std::string>> SqliteStore::open_runs(Partition part,
                                                         const std::string& after_run_id,
                                                         std::size_t limit) {
    return read_all<std::string>(statements_->open_runs.with(part, after_run_id, limit),
                                 [](const SqliteStatement& row) { return row.text(0); });
}

Outcome<std::vector<StoredSlot>> SqliteStore::slots(Partition part) {
    BATON_ASSIGN(auto select, database_.prepare(fmt::format(
                                  "select run_id, workflow, json_extract(tags, '$.slot'), status from run where status < {0} and "
                                  "status <> {0} and part = ? and tags like '%\"slot\":%' and json_extract(tags, '$.slot') is not null",
                                  static_cast<int>(RunStatus::completed))));
    return read_all<StoredSlot>(select.with(part), [](const SqliteStatement& row) {
        return StoredSlot{row.text(0), row.text(1), row.text(2), static_cast<RunStatus>(row.number(3)) == RunStatus::queued};
    });
}

Outcome<bool> SqliteStore::has_start_key(const std::string& workflow, const std::string& key, Time now) {
    BATON_ASSIGN(const auto found, read_one<bool>(statements_->key_holder.with(workflow, key, now), [](const SqliteStatement&) { return true; }));
    return found.has_value();
}

Outcome<std::uint64_t> SqliteStore::runs_of_tag(const runtime::RunTag& tag, std::uint64_t at_most) {
    BATON_ASSIGN(auto select, database_.prepare("select count(*) from (select 1 from run_tag where name = ? and value = ? limit ?)"));
    BATON_ASSIGN(const auto found, read_one<std::int64_t>(select.with(tag.name, tag.value, at_most),
                                                          [](const SqliteStatement& row) { return row.number(0); }));
    return static_cast<std::uint64_t>(found.value_or(0));
}

Outcome<std::vector<StoredPause>> SqliteStore::pauses() {
    BATON_ASSIGN(auto select, database_.prepare("select kind, name, actor, reason, at, ended_at from pause"));
    return read_all<StoredPause>(select, [](const SqliteStatement& row) {
        return StoredPause{static_cast<PauseKind>(row.number(0)), row.text(1), row.text(2), row.text(3), row.time(4), row.optional_time(5)};
    });
}

Outcome<void> SqliteStore::save_pause(const StoredPause& pause) {
    BATON_ASSIGN(auto save, database_.prepare("insert or replace into pause (kind, name, actor, reason, at, ended_at) values (?, ?, ?, ?, ?, ?)"));
    return save.with(static_cast<int>(pause.kind), pause.name, pause.actor, pause.reason, pause.at, pause.ended_at).run();
}

Outcome<void> SqliteStore::remove_pause(PauseKind kind, const std::string& name) {
    BATON_ASSIGN(auto remove, database_.prepare("delete from pause where kind = ? and name = ?"));
    return remove.with(static_cast<int>(kind), name).run();
}

Outcome<std::uint32_t> SqliteStore::partition_count() {
    BATON_ASSIGN(const auto count, read_one<std::uint32_t>(
                                       statements_->partition_count.with(), [](const SqliteStatement& row) {
                                           return static_cast<std::uint32_t>(row.number(0));
                                       }));
    return count.value_or(0);
}

Outcome<std::optional<StoredRun>> SqliteStore::load_one(const std::string& run_id,
                                                        std::size_t bytes_max) {
    if (bytes_max > 0) {
        auto whole = read_one(statements_->load.with(run_id), read_run);
        if (whole || !is_too_large(whole.error())) return whole;
    }
    BATON_ASSIGN(auto row, read_one(statements_->load_row.with(run_id), read_run));
    if (row) row->texts = StoredRun::Texts::too_large;
    return row;
}

BlobReader SqliteStore::blob_reader() {
    return [this](const std::set<std::string>& hashes) { return read_blobs(database_, hashes); };
}

Outcome<Committed> SqliteStore::commit(const Batch& batch) {
    auto folded = fold(batch, recent_);
    return folded ? write(folded->batch, std::move(folded->uses)) : write(batch, {});
}

Outcome<Committed> SqliteStore::write(const Batch& batch, std::vector<BlobUse> uses) {
    BATON_ASSIGN(SqliteTransaction transaction, SqliteTransaction::begin(database_));
    Committed committed;
    BATON_ASSIGN(committed.fenced, move_fences(batch.fences));
    if (!committed.fenced.empty()) return committed; // the transaction is rolled back
    for (const RunChange& change : batch.runs)
        BATON_TRY(write_run(change, committed));
    for (const AlarmMove& move : batch.alarms)
        BATON_TRY(set_alarm(move.run_id, move.part, move.due));
    for (const DeadLetter& letter : batch.plain_dead_letters)
        BATON_TRY(insert_dead_letter(letter));
    BATON_TRY(close_dead_letters(batch, batch.redriven_dead_letters, DeadLetterState::redriven));
    BATON_TRY(close_dead_letters(batch, batch.dropped_dead_letters, DeadLetterState::dropped));
    uses = written(std::move(uses), committed);
    BATON_TRY(write_blobs(database_, uses));
    BATON_TRY(transaction.commit());
    for (const BlobUse& use : uses)
        recent_.add(use.run_id, use.blob.sha256);
    return committed;
}

// The partitions that belong to somebody else by now.
Outcome<std::vector<Partition>> SqliteStore::move_fences(std::span<const OwnedPartition> fences) {
    std::vector<Partition> fenced;
    for (const OwnedPartition& fence : fences) {
        SqliteStatement& epoch = statements_->epoch_of.with(fence.part);
        BATON_ASSIGN(const bool has_row, epoch.step());
        if (!has_row || static_cast<std::uint64_t>(epoch.number(0)) != fence.epoch)
            fenced.push_back(fence.part);
        epoch.reset();
    }
    if (!fenced.empty()) return fenced;
    for (const OwnedPartition& fence : fences)
        BATON_TRY(statements_->move_fence.with(fence.part, fence.pseq, fence.published).run());
    return fenced;
}

Outcome<void> SqliteStore::write_run(const RunChange& change, Committed& committed) {
    if (change.created) {
        BATON_ASSIGN(auto duplicate, holder_of_key(change));
        if (duplicate && duplicate->existing_run_id != change.run_id) {
            committed.duplicates.push_back(std::move(*duplicate));
            return {};
        }
    }
    BATON_ASSIGN(const bool won, change.created ? insert_run(change) : update_run(change));
    if (!won) {
        BATON_ASSIGN(const bool repeated, is_written(change));
        if (!repeated) committed.lost.push_back(change.run_id);
        return {};
    }
    BATON_TRY(
        statements_->insert_history
            .with(change.run_id, change.version, change.part, change.pseq, change.at, change.events)
            .run());
    if (change.alarm) BATON_TRY(set_alarm(change.run_id, change.part, change.alarm->due));
    return write_dead_letters(change);
}

Outcome<std::optional<DuplicateStart>> SqliteStore::holder_of_key(const RunChange& change) {
    if (!change.created->start_key) return std::optional<DuplicateStart>{};
    const StartKey& key = *change.created->start_key;
    SqliteStatement& holder =
        statements_->key_holder.with(change.created->workflow, key.key, change.created->started_at);
    BATON_ASSIGN(const bool has_row, holder.step());
    if (!has_row) return std::optional<DuplicateStart>{};
    std::optional<DuplicateStart> duplicate =
        DuplicateStart{change.run_id, holder.text(0), holder.text(1) == to_hex(key.input_sha256)};
    holder.reset();
    return duplicate;
}

Outcome<bool> SqliteStore::insert_run(const RunChange& change) {
    const NewRun& created = *change.created;
    const std::string tags = tags_text(created);
    SqliteStatement& insert = statements_->insert_run.with(
        change.run_id, change.part, created.definition_id, created.workflow,
        created.workflow_version, static_cast<int>(change.status), change.version,
        created.started_at, change.closed_at, change.error_type, change.error, change.state,
        created.input, change.output, tags);
    BATON_TRY(insert.run());
    const bool inserted = database_.changes() == 1;
    if (!inserted) return false;
    for (const RunTag& tag : created.tags)
        BATON_TRY(statements_->insert_tag.with(tag.name, tag.value, change.run_id).run());
    if (created.start_key) {
        const std::string sha256 = to_hex(created.start_key->input_sha256);
        BATON_TRY(statements_->take_key
                      .with(created.workflow, created.start_key->key, change.run_id, sha256,
                            created.start_key->expires_at)
                      .run());
    }
    return true;
}

Outcome<bool> SqliteStore::update_run(const RunChange& change) {
    // Most transitions leave the status as it is.
    for (SqliteStatement* update : {&statements_->update_run_of_same_status, &statements_->update_run}) {
        BATON_TRY(update->with(change.run_id, change.version, static_cast<int>(change.status), change.state,
                               change.closed_at, change.output, change.error_type, change.error)
                      .run());
        if (database_.changes() == 1) return true;
    }
    return false;
}

// Whether exactly this transition is there already: a commit whose answer got lost is made again,
// and what it wrote the first time counts as written.
Outcome<bool> SqliteStore::is_written(const RunChange& change) {
    SqliteStatement& find = statements_->find_history.with(change.run_id, change.version,
                                                           change.part, change.pseq, change.events);
    BATON_ASSIGN(const bool found, find.step());
    find.reset();
    return found;
}

Outcome<void> SqliteStore::write_dead_letters(const RunChange& change) {
    // Closing comes first: a letter added by the same transition stays open.
    const auto close = [&](const std::vector<std::string>& steps, DeadLetterState state) {
        for (const std::string& step : steps) {
            const auto found = change.closings.find(step);
            const Closing closing = found == change.closings.end() ? Closing{} : found->second;
            Outcome<void> closed =
                statements_->close_dead_letters_of_step
                    .with(static_cast<int>(state), change.at, change.run_id, step, closing.by, closing.reason,
                          sqlite_job_of(closing))
                    .run();
            if (!closed) return closed;
        }
        return Outcome<void>{};
    };
    BATON_TRY(close(change.redriven_steps, DeadLetterState::redriven));
    BATON_TRY(close(change.dropped_steps, DeadLetterState::dropped));
    for (const DeadLetter& letter : change.dead_letters)
        BATON_TRY(insert_dead_letter(letter));
    return {};
}

Outcome<void> SqliteStore::insert_dead_letter(const DeadLetter& letter) {
    std::optional<std::string_view> run_id;
    if (!letter.run_id.empty()) run_id = letter.run_id;
    std::optional<std::uint64_t> former;
    if (letter.again_of > 0) former = letter.again_of;
    return statements_->insert_dead_letter
        .with(letter.at, static_cast<int>(letter.state), letter.closed_at, letter.reason,
              letter.task, run_id, letter.workflow, letter.workflow_version, letter.step,
              letter.attempts, letter.error_type, letter.error, letter.input, letter.message, former,
              cause_of(letter))
        .run();
}

Outcome<void> SqliteStore::set_alarm(const std::string& run_id, Partition part,
                                     std::optional<Time> due) {
    if (due) return statements_->set_alarm.with(run_id, part, *due).run();
    return statements_->delete_alarm.with(run_id).run();
}

Outcome<void> SqliteStore::close_dead_letters(const Batch& batch, std::span<const std::uint64_t> ids,
                                              DeadLetterState state) {
    for (const std::uint64_t id : ids) {
        const auto found = batch.closings.find(id);
        const Closing closing = found == batch.closings.end() ? Closing{} : found->second;
        BATON_TRY(statements_->close_dead_letter
                      .with(static_cast<int>(state), SystemClock().now(), id, closing.by, closing.reason,
                            sqlite_job_of(closing))
                      .run());
    }
    return {};
}

// Is ?2 what who asked has seen of ?1, or does the live one say already what they want (?3), by a first try of theirs?
constexpr const char* definition_seen =
    "select 1 where ?2 = coalesce((select definition_id from live where name = ?1), "
    "(select definition_id from definition where name = ?1 order by version desc limit 1)) "
    "or exists (select 1 from live l join definition d on d.definition_id = l.definition_id "
    "where l.name = ?1 and d.sha256 = ?3)";

Outcome<StoredDefinition> SqliteStore::save_definition(const std::string& name,
                                                       const std::string& source,
                                                       const std::string& file_name,
                                                       const std::string& sha256, Time now,
                                                       std::optional<std::uint64_t> only_over) {
    BATON_ASSIGN(SqliteTransaction transaction, SqliteTransaction::begin(database_));
    const std::string sha = to_hex(sha256);
    if (only_over) {
        BATON_ASSIGN(auto seen, database_.prepare(definition_seen));
        BATON_ASSIGN(const auto found, read_one<bool>(seen.with(name, *only_over, sha), [](const SqliteStatement&) { return true; }));
        if (!found) return Failure{StoreErrc::stale, "another version is live"};
    }
    BATON_ASSIGN(auto insert,
                 database_.prepare("insert into definition (name, version, source, file_name, "
                                   "sha256, created_at) select ?1, 1 + coalesce(max(version), 0), "
                                   "?2, ?3, ?4, ?5 from definition where name = ?1 "
                                   "on conflict (name, sha256) do nothing"));
    BATON_TRY(insert.with(name, source, file_name, sha, now).run());
    BATON_ASSIGN(auto enliven,
                 database_.prepare("insert or replace into live (name, definition_id) "
                                   "select name, definition_id from definition "
                                   "where name = ?1 and sha256 = ?2"));
    BATON_TRY(enliven.with(name, sha).run());
    BATON_ASSIGN(auto select, database_.prepare(std::string(sqlite_definition_select) +
                                                "where d.name = ?1 and d.sha256 = ?2"));
    BATON_ASSIGN(auto saved, read_one(select.with(name, sha), read_definition));
    BATON_TRY(transaction.commit());
    if (!saved) return Failure{StoreErrc::refused, "a saved definition is not there"};
    return std::move(*saved);
}

Outcome<bool> SqliteStore::retire_definition(const std::string& name) {
    BATON_ASSIGN(SqliteTransaction transaction, SqliteTransaction::begin(database_));
    BATON_ASSIGN(auto select, database_.prepare("select 1 from live where name = ?"));
    BATON_ASSIGN(const auto found, read_one<bool>(select.with(name), [](const SqliteStatement&) { return true; }));
    BATON_ASSIGN(auto retire, database_.prepare("delete from live where name = ?"));
    BATON_TRY(retire.with(name).run());
    BATON_TRY(transaction.commit());
    return found.has_value();
}

Outcome<bool> SqliteStore::is_retired(const std::string& name, const std::string& sha256) {
    BATON_ASSIGN(auto select, database_.prepare("select 1 from definition where name = ?1 and sha256 = ?2 "
                                                "and not exists (select 1 from live where name = ?1)"));
    BATON_ASSIGN(const auto found, read_one<bool>(select.with(name, to_hex(sha256)), [](const SqliteStatement&) { return true; }));
    return found.has_value();
}

Outcome<std::vector<StoredDefinition>> SqliteStore::needed_definitions() {
    // Those that are not closed, in words that the index by status has.
    BATON_ASSIGN(auto select,
                 database_.prepare(fmt::format("{}where l.name is not null or d.definition_id in (select definition_id from run "
                                               "where status < {} and status <> {}) order by d.name, d.version",
                                               sqlite_definition_select, static_cast<int>(RunStatus::completed),
                                               static_cast<int>(RunStatus::completed))));
    return read_all(select, read_definition);
}

Outcome<std::optional<StoredDefinition>> SqliteStore::definition(std::uint64_t definition_id) {
    BATON_ASSIGN(auto select, database_.prepare(std::string(sqlite_definition_select) +
                                                "where d.definition_id = ?"));
    return read_one(select.with(definition_id), read_definition);
}

Outcome<std::vector<StoredDefinition>> SqliteStore::newest_definitions() {
    BATON_ASSIGN(auto select, database_.prepare(std::string(sqlite_definition_select) + std::string(of_newest_definitions)));
    return read_all(select, read_definition);
}

Outcome<std::size_t> SqliteStore::remove_runs(const std::string& workflow, Time ended_before, std::size_t limit) {
    return db::remove_runs(database_, workflow, ended_before, limit);
}

namespace {

SqlRow sqlite_row_of(const SqliteStatement& row) {
    SqlRow texts;
    for (int column = 0; column < row.columns(); ++column) texts.push_back(row.optional_text(column));
    return texts;
}

} // namespace

Outcome<void> SqliteStore::add_log_lines(std::span<const RunLogLine> lines, const RunLogLimits& limits) {
    return db::add_log_lines(database_, lines, limits);
}

Outcome<KeptAnswer> SqliteStore::begin_answer(const KeptAnswer& asked, Time forgotten_before) {
    return db::begin_answer(database_, asked, forgotten_before);
}

Outcome<void> SqliteStore::keep_answer(const KeptAnswer& answered) {
    return db::keep_answer(database_, answered);
}

Outcome<bool> SqliteStore::take_answer_over(const KeptAnswer& seen, const std::string& owner) {
    return db::take_answer_over(database_, seen, owner);
}

Outcome<void> SqliteStore::drop_answer(const KeptAnswer& begun) {
    return db::drop_answer(database_, begun);
}

Outcome<bool> SqliteStore::save_view(const SavedView& view, std::size_t views_max) {
    BATON_ASSIGN(auto insert, database_.prepare("insert into saved_view (user_name, name, query, at) select ?1, ?2, ?3, ?4 where "
                                                "(select count(*) from saved_view where user_name = ?1 and name <> ?2) < ?5 "
                                                "on conflict (user_name, name) do update set query = excluded.query, at = excluded.at"));
    BATON_TRY(insert.with(view.user, view.name, view.query, view.at, static_cast<std::int64_t>(views_max)).run());
    return database_.changes() > 0;
}

Outcome<bool> SqliteStore::remove_view(const std::string& user, const std::string& name) {
    BATON_ASSIGN(auto remove, database_.prepare("delete from saved_view where user_name = ? and name = ?"));
    BATON_TRY(remove.with(user, name).run());
    return database_.changes() > 0;
}

Outcome<RunJob> SqliteStore::add_run_job(const RunJob& job) {
    BATON_ASSIGN(auto insert, database_.prepare("insert into run_job (key, node, at, actor, action, query, interval, stop_after, state, "
                                                "total, total_is_exact, cursor, done, refused, note) values "
                                                "(?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, '', 0, 0, '') on conflict (key) do nothing"));
    BATON_TRY(insert
                  .with(job.key, job.node, job.at, job.actor, job.action, job.query, job.interval.count(), job.stop_after, job.total,
                        job.total_is_exact ? 1 : 0)
                  .run());
    BATON_ASSIGN(auto select, database_.prepare(fmt::format("{} where key = ?", run_job_select)));
    BATON_ASSIGN(const auto kept, read_one<SqlRow>(select.with(job.key), sqlite_row_of));
    if (!kept) return Failure{StoreErrc::refused, "a saved bulk job is not there"};
    return read_run_job(*kept);
}

Outcome<void> SqliteStore::save_run_job(const RunJob& job) {
    BATON_ASSIGN(auto update, database_.prepare("update run_job set state = ?, closed_at = ?, cursor = ?, done = ?, refused = ?, note = ? "
                                                "where id = ?"));
    return update.with(static_cast<int>(job.state), job.closed_at, job.cursor, job.done, job.refused, job.note, job.id).run();
}

Outcome<std::vector<RunJob>> SqliteStore::running_run_jobs(const std::string&) {
    BATON_ASSIGN(auto select, database_.prepare(fmt::format("{} where state = 1 order by id", run_job_select)));
    BATON_ASSIGN(const auto rows, read_all<SqlRow>(select, sqlite_row_of));
    std::vector<RunJob> jobs;
    for (const SqlRow& row : rows) jobs.push_back(read_run_job(row));
    return jobs;
}

Outcome<std::vector<TriggerRow>> SqliteStore::triggers() {
    BATON_ASSIGN(auto select, database_.prepare("select workflow, name, version, state from trigger_state order by workflow, name"));
    return read_all<TriggerRow>(select, [](const SqliteStatement& row) {
        return TriggerRow{row.text(0), row.text(1), static_cast<std::uint64_t>(row.number(2)), row.text(3)};
    });
}

Outcome<std::vector<std::size_t>> SqliteStore::save_triggers(std::span<const TriggerRow> rows) {
    std::vector<std::size_t> lost;
    BATON_ASSIGN(SqliteTransaction transaction, SqliteTransaction::begin(database_));
    BATON_ASSIGN(auto insert, database_.prepare("insert into trigger_state (workflow, name, version, state) values (?, ?, 1, ?) "
                                                "on conflict do nothing"));
    BATON_ASSIGN(auto update, database_.prepare("update trigger_state set version = version + 1, state = ? "
                                                "where workflow = ? and name = ? and version = ?"));
    for (std::size_t at = 0; at < rows.size(); ++at) {
        const TriggerRow& row = rows[at];
        if (row.version == 1)
            BATON_TRY(insert.with(row.workflow, row.trigger, row.state).run());
        else
            BATON_TRY(update.with(row.state, row.workflow, row.trigger, row.version - 1).run());
        if (database_.changes() == 0) lost.push_back(at);
    }
    BATON_TRY(transaction.commit());
    return lost;
}

Outcome<std::size_t> SqliteStore::mend_indexes(const Closing& closing, Time now) {
    BATON_ASSIGN(SqliteTransaction transaction, SqliteTransaction::begin(database_));
    std::int64_t mended = 0;
    for (const IndexCheck& check : sqlite_index_checks()) {
        BATON_ASSIGN(auto mend, database_.prepare(check.mend));
        if (check.kind == "dead_letter") mend.with(now, closing.by, closing.reason);
        BATON_TRY(mend.run());
        mended += database_.changes();
    }
    BATON_TRY(database_.execute("reindex"));
    BATON_TRY(transaction.commit());
    return static_cast<std::size_t>(mended);
}

Outcome<std::optional<DeadLetter>> SqliteStore::dead_letter(std::uint64_t id) {
    return read_one(statements_->dead_letter.with(id), read_dead_letter);
}

Outcome<std::string> SqliteStore::secret(const std::string& candidate) {
    BATON_ASSIGN(auto insert, database_.prepare("insert or ignore into secret values (1, ?)"));
    const std::string hex = to_hex(candidate);
    BATON_TRY(insert.with(hex).run());
    BATON_ASSIGN(auto select, database_.prepare("select bytes from secret"));
    BATON_ASSIGN(auto kept, read_one<std::string>(
                                select, [](const SqliteStatement& row) { return row.text(0); }));
    if (!kept) return Failure{StoreErrc::refused, "a saved secret is not there"};
    return from_hex(*kept);
}

} // namespace baton::db
