// The engine's side of the store on PostgreSQL. What libpqxx throws ends in PostgresSession.
#include "db/postgres_store.hpp"

#include "base/mailbox.hpp"
#include "base/thread.hpp"
#include "db/hex.hpp"
#include "db/indexes.hpp"
#include "db/postgres_blobs.hpp"
#include "db/postgres_commit.hpp"
#include "db/postgres_dead.hpp"
#include "db/postgres_limits.hpp"
#include "db/postgres_nodes.hpp"
#include "db/postgres_rows.hpp"
#include "db/retention.hpp"
#include "db/run_jobs.hpp"
#include "db/kept_answers.hpp"
#include "db/run_log.hpp"

#include <fmt/format.h>
#include <pqxx/nontransaction>
#include <pqxx/transaction>

#include <chrono>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

namespace baton::db {

using namespace orchestrator::runtime;

namespace {

// The lengths are known without reading the texts, which lie elsewhere when they are long.
std::string bounded_history() {
    return "select run_id, seq, part, pseq, (extract(epoch from at) * 1000000)::bigint, "
           "case when bytes <= $4 then events else '' end from ("
           "select *, coalesce(sum(case when bytes <= $4 then bytes else 0 end) over (order by pseq, "
           "run_id, seq rows between unbounded preceding and 1 preceding), 0) as before from ("
           "select *, octet_length(events)::bigint as bytes from history where part = $1 and "
           "pseq > $2 order by pseq, run_id, seq limit $3) h) h where before < $5 "
           "order by pseq, run_id, seq";
}

std::string bounded_runs() {
    return "select run_id, part, definition_id, workflow, workflow_version, status, version, "
           "case texts when 0 then state else '' end, case texts when 0 then input else '' end, "
           "case texts when 0 then output end, error_type, error, "
           "(extract(epoch from started_at) * 1000000)::bigint, "
           "(extract(epoch from closed_at) * 1000000)::bigint, texts from ("
           "select *, case when bytes > $2 then 1 when coalesce(sum(case when bytes <= $2 then bytes "
           "else 0 end) over (order by run_id rows between unbounded preceding and 1 preceding), 0) "
           ">= $3 then 2 else 0 end as texts from ("
           "select *, octet_length(state)::bigint + octet_length(input) + "
           "coalesce(octet_length(output), 0) as bytes from run where run_id = any($1::uuid[])) r) r";
}

std::vector<PreparedStatement> statements() {
    return {
        {"commit", commit_statement()},
        {"commit_with_dead_letters", commit_statement_with_dead_letters()},
        // Rows are locked in order of the partition, as commits do: no deadlock.
        {"take_over", "insert into owner (part, node, epoch) "
                      "select part, $2, 1 from unnest($1::smallint[]) as p(part) order by part "
                      "on conflict (part) do update set epoch = owner.epoch + 1, "
                      "node = excluded.node returning part, epoch, pseq, published"},
        {"take_over_from", "update owner o set epoch = o.epoch + 1, node = $3 from (select owner.part from owner "
                           "join unnest($1::smallint[], $2::bigint[]) as s(part, epoch) "
                           "on s.part = owner.part and s.epoch = owner.epoch order by owner.part for update of owner) held "
                           "where o.part = held.part returning o.part, o.epoch, o.pseq, o.published"},
        {"release", "update owner o set pseq = held.pseq, published = held.published, node = '' from ("
                    "select owner.part, s.pseq, s.published from owner "
                    "join unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::bigint[]) as s(part, epoch, pseq, "
                    "published) on s.part = owner.part and s.epoch = owner.epoch order by owner.part for update of owner) held "
                    "where o.part = held.part"},
        // All or none, also when two servers begin at the same time: the first one's number counts.
        {"make_partitions", "insert into owner (part, node, epoch) select p, '', 0 from generate_series(0, $1::int - 1) as p "
                            "where not exists (select 1 from owner) order by p on conflict do nothing"},
        {"alarms", "select run_id, (extract(epoch from due) * 1000000)::bigint from alarm "
                   "where part = $1"},
        {"history_above", bounded_history()},
        {"history_since", fmt::format("select h.* from unnest($1::uuid[], $2::bigint[]) as a(id, after) cross join "
                                      "lateral (select {} from history where run_id = a.id and seq > a.after) h "
                                      "order by 1, 2",
                                      postgres_history_columns)},
        {"load", bounded_runs()},
        // run_by_status holds all but the completed runs
        {"open_runs", fmt::format("select run_id from run where status in ({}, {}, {}, {}) and status <> {} and "
                                  "part = $1 and run_id > $2::uuid order by run_id limit $3",
                                  static_cast<int>(RunStatus::queued), static_cast<int>(RunStatus::running), static_cast<int>(RunStatus::paused),
                                  static_cast<int>(RunStatus::compensating),
                                  static_cast<int>(RunStatus::completed))},
        {"partition_count", "select coalesce(max(part) + 1, 0) from owner"},
        {"epochs", "select part, epoch from owner where part = any($1::smallint[])"},
        {"key_holder", "select run_id, encode(input_sha256, 'hex') from start_key "
                       "where workflow = $1 and key = $2"},
        {"find_history", "select 1 from history where run_id = $1 and seq = $2 and part = $3 "
                         "and pseq = $4 and events = $5"},
    };
}

// Two runs of one batch with the same start key: the first is written, the others are looked up
// afterwards, as an insert may not meet the same row twice.
std::vector<bool> doubled_keys(const Batch& batch) {
    std::vector<bool> left_out(batch.runs.size(), false);
    std::map<std::pair<std::string_view, std::string_view>, bool> seen;
    for (std::size_t index = 0; index < batch.runs.size(); ++index) {
        const auto& created = batch.runs[index].created;
        if (!created || !created->start_key) continue;
        left_out[index] = !seen.try_emplace({created->workflow, created->start_key->key}).second;
    }
    return left_out;
}

std::vector<Partition> foreign_partitions(pqxx::transaction_base& work, const Batch& batch) {
    ArrayText parts;
    for (const OwnedPartition& fence : batch.fences)
        parts.add(fence.part);
    std::map<Partition, std::uint64_t> epochs;
    for (const auto& row : work.exec_prepared("epochs", parts.text()))
        epochs.emplace(static_cast<Partition>(row[0].as<int>()), row[1].as<std::uint64_t>());
    std::vector<Partition> foreign;
    for (const OwnedPartition& fence : batch.fences) {
        const auto found = epochs.find(fence.part);
        if (found == epochs.end() || found->second != fence.epoch) foreign.push_back(fence.part);
    }
    return foreign;
}

// Why a run of the batch was not written. A commit whose answer got lost is made again, and what it
// wrote the first time counts as written.
void explain_loss(pqxx::transaction_base& work, const RunChange& change, Committed& committed) {
    if (change.created && change.created->start_key) {
        const StartKey& key = *change.created->start_key;
        const pqxx::result holder = work.exec_prepared(
            "key_holder", clean_text(change.created->workflow), clean_text(key.key));
        const std::string existing = holder.empty() ? "" : holder[0][0].as<std::string>();
        if (!existing.empty() && existing != change.run_id) {
            const bool same = holder[0][1].as<std::string>() == to_hex(key.input_sha256);
            committed.duplicates.push_back({change.run_id, existing, same});
            return;
        }
    }
    const pqxx::result found =
        work.exec_prepared("find_history", change.run_id, change.version, change.part, change.pseq,
                           clean_text(change.events));
    if (found.empty()) committed.lost.push_back(change.run_id);
}

Committed write(pqxx::transaction_base& work, const Batch& batch) {
    const std::vector<bool> left_out = doubled_keys(batch);
    const CommitParameters parameters = commit_parameters(batch, left_out);
    const pqxx::result answer =
        work.exec_prepared(parameters.with_dead_letters ? "commit_with_dead_letters" : "commit",
                           pqxx::prepare::make_dynamic_params(parameters.values));

    Committed committed;
    if (!answer[0][0].as<bool>()) {
        committed.fenced = foreign_partitions(work, batch);
        // Nothing was written; with nobody to blame the caller must not think otherwise.
        if (committed.fenced.empty())
            for (const OwnedPartition& fence : batch.fences)
                committed.fenced.push_back(fence.part);
        return committed;
    }
    std::unordered_map<std::string_view, bool> lost;
    for (const auto& row : answer)
        if (!row[1].is_null()) lost.emplace(row[1].c_str(), true);
    for (std::size_t index = 0; index < batch.runs.size(); ++index)
        if (left_out[index] || lost.contains(batch.runs[index].run_id))
            explain_loss(work, batch.runs[index], committed);
    return committed;
}

Committed commit_in(pqxx::connection& connection, const Batch& batch, RecentBlobs& recent) {
    auto folded = fold(batch, recent);
    if (!folded) {
        pqxx::nontransaction work(connection); // the statement is the transaction
        return write(work, batch);
    }
    pqxx::work work(connection);
    Committed committed = write(work, folded->batch);
    const std::vector<BlobUse> uses = written(std::move(folded->uses), committed);
    if (committed.fenced.empty()) write_blobs(work, uses);
    work.commit();
    if (committed.fenced.empty())
        for (const BlobUse& use : uses)
            recent.add(use.run_id, use.blob.sha256);
    return committed;
}

} // namespace

namespace {

// Cuts a session off when the one who waits for it gives up.
class Impatience {
public:
    Impatience(PostgresSession& session, const std::function<bool()>& gives_up)
        : thread_("store-open", [this, &session, &gives_up] {
              while (!done_.is_closed() && !gives_up()) done_.take(look_pause);
              done_.take(grace); // for a server that merely needs a moment
              while (!done_.is_closed()) {
                  session.interrupt(Duration::zero());
                  done_.take(look_pause);
              }
          }) {}
    ~Impatience() { done_.close(); }
    Impatience(const Impatience&) = delete;

private:
    static constexpr std::chrono::milliseconds look_pause{100};
    static constexpr std::chrono::seconds grace{1};

    Mailbox<int> done_; // closed: the session is no longer waited for
    Thread thread_;     // last, so that it ends first
};

} // namespace

Outcome<std::unique_ptr<PostgresStore>> PostgresStore::open(const std::string& url,
                                                            const std::function<bool()>& gives_up) {
    PostgresSession session(url, statements());
    {
        std::optional<Impatience> impatience;
        if (gives_up) impatience.emplace(session, gives_up);
        BATON_TRY(session.migrate());
        bool is_complete = false;
        while (!is_complete)
            BATON_TRY(session.run_repeatable([&](pqxx::connection& connection) { is_complete = note_causes(connection); }));
    }
    return std::unique_ptr<PostgresStore>(new PostgresStore(std::move(session)));
}

Outcome<std::vector<OwnedPartition>> PostgresStore::take_over(std::span<const Partition> parts,
                                                              const std::string& node) {
    ArrayText numbers;
    for (const Partition part : parts)
        numbers.add(part);
    std::map<Partition, OwnedPartition> taken;
    BATON_TRY(session_.run([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        for (const auto& row : work.exec_prepared("take_over", numbers.text(), clean_text(node))) {
            const auto part = static_cast<Partition>(row[0].as<int>());
            taken[part] = {part, row[1].as<std::uint64_t>(), row[2].as<std::uint64_t>(),
                           row[3].as<std::uint64_t>()};
        }
    }));
    std::vector<OwnedPartition> owned;
    for (const Partition part : parts)
        owned.push_back(taken[part]);
    return owned;
}

// Not repeated at once after a lost connection: who announces must know that its session is a new one.
Outcome<Neighbourhood> PostgresStore::announce(const Announcement& said) {
    Neighbourhood around;
    BATON_TRY(session_.run([&](pqxx::connection& connection) { around = db::announce(connection, said); }));
    return around;
}

Outcome<void> PostgresStore::withdraw(const std::string& node) {
    return session_.run([&](pqxx::connection& connection) { db::withdraw(connection, node); });
}

Outcome<std::vector<OwnedPartition>> PostgresStore::take_over_from(std::span<const SeenPartition> seen,
                                                                   const std::string& node) {
    ArrayText parts, epochs;
    for (const SeenPartition& one : seen) {
        parts.add(one.part);
        epochs.add(one.epoch);
    }
    std::vector<OwnedPartition> owned;
    BATON_TRY(session_.run([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        owned = read_all<OwnedPartition>(
            work.exec_prepared("take_over_from", parts.text(), epochs.text(), clean_text(node)), [](const pqxx::row& row) {
                return OwnedPartition{static_cast<Partition>(row[0].as<int>()), row[1].as<std::uint64_t>(),
                                      row[2].as<std::uint64_t>(), row[3].as<std::uint64_t>()};
            });
    }));
    return owned;
}

Outcome<void> PostgresStore::release(std::span<const OwnedPartition> parts) {
    ArrayText numbers, epochs, pseqs, cursors;
    for (const OwnedPartition& one : parts) {
        numbers.add(one.part);
        epochs.add(one.epoch);
        pseqs.add(one.pseq);
        cursors.add(one.published);
    }
    return session_.run([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        work.exec_prepared("release", numbers.text(), epochs.text(), pseqs.text(), cursors.text());
    });
}

Outcome<void> PostgresStore::make_partitions(std::uint32_t count) {
    return session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        work.exec_prepared("make_partitions", count);
    });
}

Outcome<std::vector<Alarm>> PostgresStore::alarms(Partition part) {
    std::vector<Alarm> alarms;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        alarms = read_all<Alarm>(work.exec_prepared("alarms", part), [](const pqxx::row& row) {
            return Alarm{row[0].as<std::string>(), time_from_micros(row[1].as<std::int64_t>())};
        });
    }));
    return alarms;
}

Outcome<std::vector<HistoryRow>> PostgresStore::history_above(Partition part, std::uint64_t after,
                                                              std::size_t count,
                                                              const ReadLimits& limits) {
    std::vector<HistoryRow> rows;
    Outcome<void> well = boost::system::in_place_value;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        rows = read_all(work.exec_prepared("history_above", part, after, count, limits.row_bytes,
                                           limits.sum_bytes),
                        read_history);
        well = unfold(rows, limits, reading_blobs(work));
    }));
    BATON_TRY(well);
    return rows;
}

Outcome<std::vector<HistoryRow>> PostgresStore::history_since(std::span<const runtime::HistoryAsk> asks) {
    ArrayText ids, seqs;
    for (const HistoryAsk& ask : asks) {
        ids.add(ask.run_id);
        seqs.add(std::to_string(ask.after_seq));
    }
    std::vector<HistoryRow> rows;
    Outcome<void> well = boost::system::in_place_value;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        rows = read_all(work.exec_prepared("history_since", ids.text(), seqs.text()), read_history);
        well = unfold(rows, {}, reading_blobs(work));
    }));
    BATON_TRY(well);
    return rows;
}

Outcome<std::vector<StoredRun>> PostgresStore::load(std::span<const std::string> run_ids,
                                                    const ReadLimits& limits) {
    ArrayText ids;
    for (const std::string& run_id : run_ids)
        ids.add(run_id);
    std::vector<StoredRun> runs;
    Outcome<void> well = boost::system::in_place_value;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        runs = read_all(
            work.exec_prepared("load", ids.text(), limits.row_bytes, limits.sum_bytes), read_run);
        well = unfold(runs, limits, reading_blobs(work));
    }));
    BATON_TRY(well);
    return runs;
}

Outcome<std::vector<std::string>> PostgresStore::open_runs(Partition part,
                                                           const std::string& after_run_id,
                                                           std::size_t limit) {
    constexpr std::string_view before_all = "00000000-0000-0000-0000-000000000000";
    std::vector<std::string> ids;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        ids = read_all<std::string>(
            work.exec_prepared("open_runs", part,
                               after_run_id.empty() ? std::string{before_all} : after_run_id, limit),
            [](const pqxx::row& row) { return row[0].as<std::string>(); });
    }));
    return ids;
}

Outcome<std::vector<StoredSlot>> PostgresStore::slots(Partition part) {
    std::vector<StoredSlot> slots;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        const auto closed = static_cast<int>(RunStatus::completed);
        slots = read_all<StoredSlot>(
            work.exec_params(fmt::format("select run_id, workflow, tags::jsonb ->> 'slot', status from run where status < {0} and status <> {0} "
                                         "and part = $1 and tags like '%\"slot\":%' and tags::jsonb ->> 'slot' is not null",
                                         closed),
                             part),
            [](const pqxx::row& row) {
                return StoredSlot{row[0].as<std::string>(), row[1].as<std::string>(), row[2].as<std::string>(),
                                  static_cast<RunStatus>(row[3].as<int>()) == RunStatus::queued};
            });
    }));
    return slots;
}

Outcome<bool> PostgresStore::has_start_key(const std::string& workflow, const std::string& key, Time now) {
    bool found = false;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        found = !work.exec_params("select 1 from start_key where workflow = $1 and key = $2 and (expires_at is null or "
                                  "expires_at > $3::timestamptz)",
                                  clean_text(workflow), clean_text(key), timestamp_text(now))
                     .empty();
    }));
    return found;
}

Outcome<std::uint64_t> PostgresStore::runs_of_tag(const runtime::RunTag& tag, std::uint64_t at_most) {
    std::uint64_t found = 0;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        found = work.exec_params1("select count(*) from (select 1 from run_tag where name = $1 and value = $2 limit $3) few",
                                  clean_text(tag.name), clean_text(tag.value), at_most)[0]
                    .as<std::uint64_t>();
    }));
    return found;
}

Outcome<std::vector<StoredPause>> PostgresStore::pauses() {
    std::vector<StoredPause> pauses;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        pauses = read_all<StoredPause>(
            work.exec("select kind, name, actor, reason, (extract(epoch from at) * 1000000)::bigint, "
                      "(extract(epoch from ended_at) * 1000000)::bigint from pause"),
            [](const pqxx::row& row) {
                StoredPause pause{static_cast<PauseKind>(row[0].as<int>()), row[1].as<std::string>(), row[2].as<std::string>(),
                                  row[3].as<std::string>(), time_from_micros(row[4].as<std::int64_t>()), {}};
                if (!row[5].is_null()) pause.ended_at = time_from_micros(row[5].as<std::int64_t>());
                return pause;
            });
    }));
    return pauses;
}

Outcome<void> PostgresStore::save_pause(const StoredPause& pause) {
    return session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        std::optional<std::string> ended;
        if (pause.ended_at) ended = timestamp_text(*pause.ended_at);
        work.exec_params("insert into pause (kind, name, actor, reason, at, ended_at) values ($1, $2, $3, $4, $5::timestamptz, "
                         "$6::timestamptz) on conflict (kind, name) do update set actor = excluded.actor, reason = excluded.reason, "
                         "at = excluded.at, ended_at = excluded.ended_at",
                         static_cast<int>(pause.kind), clean_text(pause.name), clean_text(pause.actor), clean_text(pause.reason),
                         timestamp_text(pause.at), ended);
    });
}

Outcome<void> PostgresStore::remove_pause(PauseKind kind, const std::string& name) {
    return session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        work.exec_params("delete from pause where kind = $1 and name = $2", static_cast<int>(kind), clean_text(name));
    });
}

// Not repeated at once: the answer of a call whose answer was lost may have given turns of a rate.
Outcome<std::vector<runtime::LimitAnswer>> PostgresStore::share_limits(const std::string& node,
                                                                       std::span<const runtime::LimitAsk> asks,
                                                                       bool adopts) {
    std::vector<runtime::LimitAnswer> answers;
    BATON_TRY(session_.run([&](pqxx::connection& connection) {
        answers = db::share_limits(connection, clean_text(node), asks, adopts);
    }));
    return answers;
}

Outcome<std::uint32_t> PostgresStore::partition_count() {
    std::uint32_t count = 0;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        count = work.exec_prepared1("partition_count")[0].as<std::uint32_t>();
    }));
    return count;
}

Outcome<Committed> PostgresStore::commit(const Batch& batch) {
    Committed committed;
    BATON_TRY(session_.run(
        [&](pqxx::connection& connection) { committed = commit_in(connection, batch, recent_); }));
    return committed;
}

// Is $2 what who asked has seen of $1, or does the live one say already what they want ($3), by a first try of theirs?
constexpr const char* definition_seen =
    "select 1 where $2 = coalesce((select definition_id from live where name = $1), "
    "(select definition_id from definition where name = $1 order by version desc limit 1)) "
    "or exists (select 1 from live join definition using (definition_id) "
    "where live.name = $1 and sha256 = decode($3, 'hex'))";

Outcome<StoredDefinition> PostgresStore::save_definition(const std::string& name,
                                                         const std::string& source,
                                                         const std::string& file_name,
                                                         const std::string& sha256, Time now,
                                                         std::optional<std::uint64_t> only_over) {
    std::optional<StoredDefinition> saved;
    bool is_stale = false;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::work work(connection);
        const std::string clean_name = clean_text(name);
        const std::string sha = to_hex(sha256);
        // Two programs may save at the same time: one version number each.
        work.exec("lock table definition in share row exclusive mode");
        is_stale = only_over && work.exec_params(definition_seen, clean_name, *only_over, sha).empty();
        if (is_stale) return;
        work.exec_params("insert into definition (name, version, source, file_name, sha256, "
                         "created_at) select $1, 1 + coalesce(max(version), 0), $2, $3, "
                         "decode($4, 'hex'), $5::timestamptz from definition where name = $1 "
                         "on conflict (name, sha256) do nothing",
                         clean_name, clean_text(source), clean_text(file_name), sha,
                         timestamp_text(now));
        work.exec_params("insert into live (name, definition_id) select name, definition_id "
                         "from definition where name = $1 and sha256 = decode($2, 'hex') "
                         "on conflict (name) do update set definition_id = excluded.definition_id",
                         clean_name, sha);
        saved = read_one(work.exec_params(std::string(postgres_definition_select) +
                                              "where d.name = $1 and d.sha256 = decode($2, 'hex')",
                                          clean_name, sha),
                         read_definition);
        work.commit();
    }));
    if (is_stale) return Failure{StoreErrc::stale, "another version is live"};
    if (!saved) return Failure{StoreErrc::refused, "a saved definition is not there"};
    return std::move(*saved);
}

Outcome<bool> PostgresStore::retire_definition(const std::string& name) {
    bool was_live = false;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::work work(connection);
        // A second try, because the answer to the first one was lost, finds it done.
        was_live = work.exec_params("delete from live where name = $1", clean_text(name)).affected_rows() > 0 || was_live;
        work.commit();
    }));
    return was_live;
}

Outcome<bool> PostgresStore::is_retired(const std::string& name, const std::string& sha256) {
    bool found = false;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        found = !work.exec_params("select 1 from definition where name = $1 and sha256 = decode($2, 'hex') "
                                  "and not exists (select 1 from live where name = $1)",
                                  clean_text(name), to_hex(sha256))
                     .empty();
    }));
    return found;
}

Outcome<std::vector<StoredDefinition>> PostgresStore::needed_definitions() {
    std::vector<StoredDefinition> definitions;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        // Those that are not closed, in words that the index by status has.
        const auto closed = static_cast<int>(RunStatus::completed);
        definitions = read_all(
            work.exec(fmt::format("{}where l.name is not null or d.definition_id in (select definition_id from run where "
                                  "status < {} and status <> {}) order by d.name, d.version",
                                  postgres_definition_select, closed, closed)),
            read_definition);
    }));
    return definitions;
}

Outcome<std::optional<StoredDefinition>> PostgresStore::definition(std::uint64_t definition_id) {
    std::optional<StoredDefinition> definition;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        definition = read_one(
            work.exec_params(std::string(postgres_definition_select) + "where d.definition_id = $1",
                             signed_number(definition_id)),
            read_definition);
    }));
    return definition;
}

Outcome<std::vector<StoredDefinition>> PostgresStore::newest_definitions() {
    std::vector<StoredDefinition> definitions;
    BATON_TRY(session_.run([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        definitions = read_all(work.exec(std::string(postgres_definition_select) + std::string(of_newest_definitions)), read_definition);
    }));
    return definitions;
}

Outcome<std::size_t> PostgresStore::remove_runs(const std::string& workflow, Time ended_before, std::size_t limit) {
    std::size_t removed = 0;
    BATON_TRY(session_.run([&](pqxx::connection& connection) {
        pqxx::work work(connection);
        removed = db::remove_runs(work, workflow, ended_before, limit);
        work.commit();
    }));
    return removed;
}

namespace {

SqlRow postgres_row_of(const pqxx::row& row) {
    SqlRow texts;
    for (const auto& field : row) texts.push_back(field.is_null() ? std::nullopt : std::optional<std::string>(field.c_str()));
    return texts;
}

} // namespace

Outcome<void> PostgresStore::add_log_lines(std::span<const RunLogLine> lines, const RunLogLimits& limits) {
    return session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::work work(connection);
        db::add_log_lines(work, lines, limits);
        work.commit();
    });
}

Outcome<KeptAnswer> PostgresStore::begin_answer(const KeptAnswer& asked, Time forgotten_before) {
    KeptAnswer there;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::work work(connection);
        there = db::begin_answer(work, asked, forgotten_before);
        work.commit();
    }));
    return there;
}

Outcome<void> PostgresStore::keep_answer(const KeptAnswer& answered) {
    return session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::work work(connection);
        db::keep_answer(work, answered);
        work.commit();
    });
}

// Not repeated: a second time it would find itself the owner, and think that another one is.
Outcome<bool> PostgresStore::take_answer_over(const KeptAnswer& seen, const std::string& owner) {
    bool is_taken = false;
    BATON_TRY(session_.run([&](pqxx::connection& connection) {
        pqxx::work work(connection);
        is_taken = db::take_answer_over(work, seen, owner);
        work.commit();
    }));
    return is_taken;
}

Outcome<void> PostgresStore::drop_answer(const KeptAnswer& begun) {
    return session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::work work(connection);
        db::drop_answer(work, begun);
        work.commit();
    });
}

Outcome<bool> PostgresStore::save_view(const SavedView& view, std::size_t views_max) {
    bool is_kept = false;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::work work(connection);
        is_kept = work.exec_params("insert into saved_view (user_name, name, query, at) select $1, $2, $3, $4::bigint where "
                                   "(select count(*) from saved_view where user_name = $1 and name <> $2) < $5 "
                                   "on conflict (user_name, name) do update set query = excluded.query, at = excluded.at",
                                   clean_text(view.user), clean_text(view.name), clean_text(view.query), micros_of(view.at),
                                   static_cast<std::int64_t>(views_max))
                      .affected_rows() > 0;
        work.commit();
    }));
    return is_kept;
}

Outcome<bool> PostgresStore::remove_view(const std::string& user, const std::string& name) {
    bool is_gone = false;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::work work(connection);
        is_gone = work.exec_params("delete from saved_view where user_name = $1 and name = $2", clean_text(user), clean_text(name))
                      .affected_rows() > 0;
        work.commit();
    }));
    return is_gone;
}

Outcome<RunJob> PostgresStore::add_run_job(const RunJob& job) {
    std::optional<SqlRow> kept;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::work work(connection);
        work.exec_params("insert into run_job (key, node, at, actor, action, query, interval, stop_after, state, total, total_is_exact, "
                         "cursor, done, refused, note) values ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9, $10, '', 0, 0, '') "
                         "on conflict (key) do nothing",
                         job.key, clean_text(job.node), micros_of(job.at), clean_text(job.actor), clean_text(job.action),
                         clean_text(job.query), job.interval.count(), signed_number(job.stop_after), signed_number(job.total),
                         job.total_is_exact ? 1 : 0);
        kept = read_one<SqlRow>(work.exec_params(fmt::format("{} where key = $1", run_job_select), job.key), postgres_row_of);
        work.commit();
    }));
    if (!kept) return Failure{StoreErrc::refused, "a saved bulk job is not there"};
    return read_run_job(*kept);
}

Outcome<void> PostgresStore::save_run_job(const RunJob& job) {
    return session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        std::optional<std::int64_t> closed_at;
        if (job.closed_at) closed_at = micros_of(*job.closed_at);
        work.exec_params("update run_job set state = $1, closed_at = $2, cursor = $3, done = $4, refused = $5, note = $6 where id = $7",
                         static_cast<int>(job.state), closed_at, clean_text(job.cursor), signed_number(job.done),
                         signed_number(job.refused), clean_text(job.note), signed_number(job.id));
    });
}

Outcome<std::vector<RunJob>> PostgresStore::running_run_jobs(const std::string& node) {
    std::vector<RunJob> jobs;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        jobs.clear();
        pqxx::nontransaction work(connection);
        for (const SqlRow& row : read_all<SqlRow>(
                 work.exec_params(fmt::format("{} where state = 1 and node = $1 order by id", run_job_select), clean_text(node)), postgres_row_of))
            jobs.push_back(read_run_job(row));
    }));
    return jobs;
}

Outcome<std::vector<TriggerRow>> PostgresStore::triggers() {
    std::vector<TriggerRow> triggers;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        triggers = read_all<TriggerRow>(
            work.exec("select workflow, name, version, state from trigger_state order by workflow, name"), [](const pqxx::row& row) {
                return TriggerRow{row[0].c_str(), row[1].c_str(), static_cast<std::uint64_t>(row[2].as<std::int64_t>()), row[3].c_str()};
            });
    }));
    return triggers;
}

// Never repeated by itself: the second time every row would look like somebody else's.
Outcome<std::vector<std::size_t>> PostgresStore::save_triggers(std::span<const TriggerRow> rows) {
    std::vector<std::size_t> lost;
    BATON_TRY(session_.run([&](pqxx::connection& connection) {
        lost.clear();
        pqxx::work work(connection);
        for (std::size_t at = 0; at < rows.size(); ++at) {
            const TriggerRow& row = rows[at];
            const auto done =
                row.version == 1
                    ? work.exec_params("insert into trigger_state (workflow, name, version, state) values ($1, $2, 1, $3) "
                                       "on conflict do nothing",
                                       clean_text(row.workflow), clean_text(row.trigger), clean_text(row.state))
                    : work.exec_params("update trigger_state set version = version + 1, state = $1 "
                                       "where workflow = $2 and name = $3 and version = $4",
                                       clean_text(row.state), clean_text(row.workflow), clean_text(row.trigger),
                                       signed_number(row.version - 1));
            if (done.affected_rows() == 0) lost.push_back(at);
        }
        work.commit();
    }));
    return lost;
}

Outcome<std::size_t> PostgresStore::mend_indexes(const Closing& closing, Time now) {
    std::size_t mended = 0;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        mended = 0;
        pqxx::work work(connection);
        work.exec("set local statement_timeout = 0");
        for (const IndexCheck& check : postgres_index_checks()) {
            const std::string sql(check.mend);
            const auto done = check.kind == "dead_letter"
                                  ? work.exec_params(sql, timestamp_text(now), clean_text(closing.by), clean_text(closing.reason))
                                  : work.exec(sql);
            mended += static_cast<std::size_t>(done.affected_rows());
        }
        work.commit();
    }));
    return mended;
}

Outcome<std::optional<DeadLetter>> PostgresStore::dead_letter(std::uint64_t id) {
    std::optional<DeadLetter> letter;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        letter = read_one(work.exec_params(fmt::format("select {} from dead_letter where id = $1",
                                                       postgres_dead_letter_columns),
                                           signed_number(id)),
                          read_dead_letter);
    }));
    return letter;
}

Outcome<std::string> PostgresStore::secret(const std::string& candidate) {
    std::string kept;
    BATON_TRY(session_.run_repeatable([&](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        work.exec_params("insert into secret values (1, decode($1, 'hex')) on conflict do nothing",
                         to_hex(candidate));
        kept = from_hex(work.exec("select encode(bytes, 'hex') from secret")[0][0].c_str());
    }));
    return kept;
}

} // namespace baton::db
