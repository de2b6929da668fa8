// The store as the engine sees it: one of the three seams of the house. `db` implements both classes
// for SQLite and PostgreSQL, tests/support in memory. At this seam JSON is text and ids are text, so
// a store knows nothing of workflows.
//
// RunStore is used by one thread, the engine's. It holds no transaction open between calls. RunQueries
// is for everybody who only reads (web); calls may come from several threads at once, one
// implementation object per thread or a lock-free read of its own: see each method of db.
//
// The law (durability):
//   - Runs belong to partitions. One row per partition, (epoch, pseq, published), is the fence and the
//     outbox cursor. take_over() raises the epoch; a commit under an older epoch writes nothing.
//   - A transition is one RunChange: the run's row goes from `version - 1` to `version`, and exactly
//     one history row (run_id, seq = version) is added. All or nothing for one run; runs of one batch
//     do not depend on each other.
//   - History above `published` is the outbox: its effects may not have reached the broker yet.
#pragma once

#include "base/clock.hpp"
#include "base/result.hpp"
#include "orchestrator/core/status.hpp"
#include "orchestrator/runtime/limit_shares.hpp"
#include "orchestrator/runtime/partition.hpp"
#include "orchestrator/runtime/kept_answer.hpp"
#include "orchestrator/runtime/run_log.hpp"
#include "orchestrator/runtime/run_search.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace baton::orchestrator::runtime {

using core::RunStatus;

// What a Failure of a store means; the detail is for people.
enum class StoreErrc {
    unavailable = 1, // nothing was written or nobody knows; the same call may be made again
    refused,         // the store understood and says no (a broken statement, a full disk): a bug or
                     // an operator's matter; also retried, but logged as an error
    unfit,           // what was to be stored cannot be stored, ever (too large, no number, taken): not
                     // retried; everything else may become well again, and nothing is given up for it
    not_found,
    stale, // it is not as the caller has seen it; nothing was written
};
const boost::system::error_category& store_category();
ErrorCode make_error_code(StoreErrc errc);

// The row of a partition as this node may use it after take_over().
struct OwnedPartition {
    Partition part = 0;
    std::uint64_t epoch = 0;
    std::uint64_t pseq = 0;      // last transition committed in this partition
    std::uint64_t published = 0; // effects of transitions <= this are confirmed by the broker
};

// A partition as somebody saw it: the epoch tells whether it has changed hands since.
struct SeenPartition {
    Partition part = 0;
    std::uint64_t epoch = 0;
    std::string node{}; // who owns it; empty: nobody
};

// A process that shares the store with others. It holds a session of the database as long as it lives, which
// ends with the process at once; its lease covers a process that hangs.
struct NodeRow {
    std::string node;
    std::string version;         // of the program, for people
    bool has_session = false;
    bool drains = false;         // wants no partition
    Duration lease_left{};       // may be negative
    bool has_broker = false;     // inside it, that the others reach by its URL
    bool lost_session = false;   // it had one, has none now, and that is not because the database was started again
};
struct Announcement {
    std::string node;
    std::string version;
    bool drains = false;
    bool renews = true;          // the lease begins anew
    Duration lease{};
    bool has_broker = false;
};
// Who is there and who owns what, at one moment.
struct Neighbourhood {
    std::vector<NodeRow> nodes;            // in the order they came
    std::vector<SeenPartition> partitions; // in order
    std::string live_definitions;          // another text when other versions are live
};

// Makes a start idempotent: while the row (workflow, key) exists and has not expired, no other run
// is inserted for it. An expired row is replaced.
struct StartKey {
    std::string key;
    std::string input_sha256;       // 32 bytes
    std::optional<Time> expires_at; // absent: never
};

enum class DeadLetterState : std::uint8_t { open = 1, redriven = 2, dropped = 3 };

// A task or message nobody could process, with the context an operator needs. `run_id` and what
// follows it are empty for messages that belong to no run. The store gives the id.
struct DeadLetter {
    std::uint64_t id = 0;
    Time at;
    DeadLetterState state = DeadLetterState::open;
    std::optional<Time> closed_at;
    std::string reason;     // "exhausted", "not_retryable", "compensation", "rejected", "unrouted", ...
    std::string task;       // task type, or the routing key of a plain message
    std::string run_id;
    std::string workflow;
    std::uint32_t workflow_version = 0;
    std::string step;       // path; an undo has ":undo" at its end
    std::uint32_t attempts = 0;
    std::string error_type;
    std::string error;      // JSON: the problem with type, detail, data
    std::string input;      // JSON: what the worker was given
    std::string message;    // JSON: properties, headers and x-death of the message if there was one
    std::uint64_t again_of = 0; // a message: the dead letter it was sent again from; 0: none
    // What the store adds: the key of its group (dead_cause.hpp), and who closed it and why.
    std::string cause;
    std::string closed_by;
    std::string close_reason;
    std::uint64_t job = 0;      // the bulk job that closed it; 0: none
};

// Who closes a dead letter, and why.
struct Closing {
    std::string by;
    std::string reason;
    std::uint64_t job = 0;
};

// Which dead letters; what is empty says nothing.
struct DeadLetterFilter {
    std::optional<DeadLetterState> state = DeadLetterState::open;
    std::string run_id;
    std::string task;
    std::string workflow;
    std::string error_type;
    std::string cause;                 // the key of a group
    std::optional<Time> since;         // they died at this time or later
    std::optional<Time> until;         // and before this one
    std::uint64_t before_id = UINT64_MAX;
    std::uint64_t after_id = 0;
    std::size_t limit = 100;
};

// Many dead letters sent again or dropped, one after the other: a row of the store, so that it goes on
// after a crash. It never touches a letter that came after it was asked for.
enum class DeadJobState : std::uint8_t { running = 1, done = 2, cancelled = 3, stopped = 4 };
struct DeadJob {
    std::uint64_t id = 0;       // given by the store
    std::string key;            // of who asks: asked for twice, it is there once
    Time at;
    std::string actor;
    bool drops = false;         // else it sends again
    DeadLetterFilter filter;    // without state, ids and limit
    Duration interval{};        // between two letters
    std::uint64_t stop_after = 0; // new failures; 0: never
    std::string reason;
    std::string edit{};         // JSON: changes of the inputs (repair.hpp); empty: they go as they are
    DeadJobState state = DeadJobState::running;
    std::optional<Time> closed_at;
    std::uint64_t total = 0;    // letters that it found when it was asked for
    std::uint64_t last_id = 0;  // and the youngest of all there were
    std::uint64_t cursor = 0;   // letters up to this one are dealt with
    std::uint64_t done = 0;
    std::uint64_t refused = 0;  // could not be sent or dropped, and stay as they are
    std::uint64_t failures = 0; // were sent again, and are dead again
    std::uint64_t unfit = 0;    // `edit` does not fit them, so they stay as they are
    std::uint64_t seen_id = 0;  // letters up to this one were looked at for such
    std::string note;           // the last refusal, or why it has ended
};

// Many runs changed, one after the other (run_job.hpp).
struct RunJob {
    std::uint64_t id = 0;       // given by the store
    std::string key;            // of who asks: asked for twice, it is there once
    std::string node;           // the server that does it
    Time at;
    std::string actor;
    std::string action;         // JSON: what is done to each
    std::string query;          // which; as it was asked for, of the time `at`
    Duration interval{};        // between two runs
    std::uint64_t stop_after = 0; // runs that refuse; 0: never
    DeadJobState state = DeadJobState::running;
    std::optional<Time> closed_at;
    std::uint64_t total = 0;    // runs that it found when it was asked for
    bool total_is_exact = true; // else at least so many
    std::string cursor;         // where the next page begins
    std::uint64_t done = 0;
    std::uint64_t refused = 0;
    std::string note;           // the last refusal, or why it has ended
};

// Those of new dead letters that a job had sent again.
struct DiedAgain {
    std::uint64_t count = 0;
    std::uint64_t seen_id = 0;  // how far it was looked
};

// Dead letters of one cause.
struct DeadGroup {
    std::string cause;
    std::uint64_t count = 0;
    Time first;
    Time last;
    DeadLetter example;         // the youngest, without input and message
};

// Written once, with the first transition of a run.
struct NewRun {
    std::uint64_t definition_id = 0;
    std::string workflow;
    std::uint32_t workflow_version = 0;
    Time started_at;
    std::string input;                 // JSON
    std::optional<StartKey> start_key; // (workflow, key) is the primary key
    std::vector<RunTag> tags;          // by name, each once
};

// The alarm of a run: rings no later than its earliest deadline. At most one per run.
struct AlarmChange {
    std::optional<Time> due; // absent: delete
};

struct RunChange {
    std::string run_id;                // UUIDv7 as text, 36 characters
    Partition part = 0;
    std::uint64_t version = 0;         // after; 1 together with `created`
    std::optional<NewRun> created;     // insert instead of update
    RunStatus status = RunStatus::running;
    std::string state;                 // JSON document, opaque; replaces the former one. Empty: it stays,
                                       // and the history since says the rest
    // Set when the run closes, and back to null when it is opened again (`retry`). As they shall be
    // in the row after this change:
    std::optional<Time> closed_at;
    std::optional<std::string> output; // JSON
    std::string error_type;            // empty: none
    std::string error;                 // one line for people
    // The history row: seq = version.
    std::uint64_t pseq = 0;
    Time at;
    std::string events;                // JSON array
    std::optional<AlarmChange> alarm;  // absent: leave it
    std::vector<DeadLetter> dead_letters;      // to add
    // Open dead letters of these steps (paths) of this run change their state.
    std::vector<std::string> redriven_steps;
    std::vector<std::string> dropped_steps;
    std::map<std::string, Closing> closings; // by step; those that nobody asked for have none
};

// An alarm that rang early and is set again without a transition.
struct AlarmMove {
    std::string run_id;
    Partition part = 0;
    std::optional<Time> due; // absent: delete
};

struct Batch {
    // One entry for each partition that has a change or whose cursor moved; the commit sets pseq and
    // published where part and epoch match.
    std::vector<OwnedPartition> fences;
    std::vector<RunChange> runs;        // at most one per run
    std::vector<AlarmMove> alarms;      // only runs that are not in `runs`
    std::vector<DeadLetter> plain_dead_letters; // of no run
    std::vector<std::uint64_t> redriven_dead_letters; // by id, of no run
    std::vector<std::uint64_t> dropped_dead_letters;  // by id, of any kind
    std::map<std::uint64_t, Closing> closings;        // of these two
};

struct DuplicateStart {
    std::string run_id;          // the run that was not inserted
    std::string existing_run_id; // the one the key already belongs to
    bool same_input = true;
};

struct Committed {
    // At least one fence did not match: this node is no longer the owner of these partitions, and
    // NOTHING of the batch was written, neither for these nor for others.
    std::vector<Partition> fenced;
    // These runs had another version than version - 1 (or existed already); nothing of theirs was
    // written.
    std::vector<std::string> lost;
    // The start key existed; nothing of this run was written.
    std::vector<DuplicateStart> duplicates;
};

struct StoredRun {
    // Why state, input and output are empty, if they are.
    enum class Texts : std::uint8_t {
        here,
        too_large, // more bytes than asked for
        later,     // the sum was reached before; nothing but the id is known
    };
    Texts texts = Texts::here;
    std::string run_id;
    Partition part = 0;
    std::uint64_t definition_id = 0;
    std::string workflow;
    std::uint32_t workflow_version = 0;
    RunStatus status = RunStatus::running;
    std::uint64_t version = 0;
    std::string state;  // JSON
    std::string input;  // JSON
    std::optional<std::string> output;
    std::string error_type;
    std::string error;
    Time started_at;
    std::optional<Time> closed_at;
    std::string tags; // JSON object of texts, with `key` if it was started with one; RunQueries alone
};

// Runs that fit a search, in its order.
struct RunPage {
    std::vector<StoredRun> runs;       // `state`, `input` and `output` are left empty
    std::optional<std::string> next;   // where the next page begins; absent: there is none
};

struct HistoryRow {
    std::string run_id;
    std::uint64_t seq = 0;
    Partition part = 0;
    std::uint64_t pseq = 0;
    Time at;
    std::string events; // JSON array; empty: larger than was asked for
};

// How much one call may bring into memory. The first row comes whatever the sum is.
struct ReadLimits {
    std::size_t row_bytes = std::size_t{1} << 40; // a row with larger texts comes without them
    std::size_t sum_bytes = std::size_t{1} << 40; // behind this no more texts come
};

// The history of a run behind a transition.
struct HistoryAsk {
    std::string run_id;
    std::uint64_t after_seq = 0;
};

struct Alarm {
    std::string run_id;
    Time due;
};

struct StoredDefinition {
    std::uint64_t definition_id = 0;
    std::string name;
    std::uint32_t version = 0; // 1, 2, ... per name
    std::string source;        // the TOML as uploaded
    std::string file_name;     // as uploaded, for messages
    bool is_live = false;      // the version a new start takes
    Time created_at;
};

// An open run that a concurrency key of its workflow counts.
struct StoredSlot {
    std::string run_id;
    std::string workflow;
    std::string key;
    bool is_waiting = false; // queued: it has not begun
};

// What waits for events of a type compare (event_key.hpp of the core), of any version of any workflow.
struct StoredShape {
    std::string type;
    std::string paths; // JSON: a list of texts
    Duration keep{};   // events are kept so long for waits that begin later
};
// A run waits for an event of this key, or has done so a moment ago.
struct EventWait {
    std::string key;
    std::string run_id;
    Partition part = 0;
};
struct KeptEvent {
    std::string key;
    std::string id;
    Time at;
    Time expires_at;
    std::string event; // JSON
};
struct EventOffer {
    std::string run_id;
    KeptEvent event;
};

// What is remembered of a trigger of a workflow. The state is opaque here.
struct TriggerRow {
    std::string workflow;
    std::string trigger;
    std::uint64_t version = 0; // counts its changes; 0: it is not stored yet
    std::string state;         // JSON
};

enum class PauseKind : std::uint8_t { workflow = 1, task = 2 };
// Something that people let pause.
struct StoredPause {
    PauseKind kind = PauseKind::task;
    std::string name;
    std::string actor;
    std::string reason;
    Time at;
    // It goes on since then; kept a while, so that every owner of a partition hands out what was held.
    std::optional<Time> ended_at;
};

// A query for runs that a user keeps under a name.
struct SavedView {
    std::string user;
    std::string name;
    std::string query;
    Time at{}; // of the last change
};

class RunStore {
public:
    virtual ~RunStore() = default;

    // Raises the epoch of each partition (making the rows on first use), for `node`. Waits for a
    // commit of the former owner that is under way. Rows come back in the order asked.
    virtual Outcome<std::vector<OwnedPartition>> take_over(std::span<const Partition> parts,
                                                           const std::string& node) = 0;

    // Whether several processes may work on this store at the same time. If not, nobody calls the next five.
    virtual bool is_shared() const { return false; }
    // Says that this process is there, and gives what all of them say. The session that announces holds the
    // node's lock as long as it lasts.
    virtual Outcome<Neighbourhood> announce(const Announcement& announcement);
    // This process goes, or that one is known to be dead: its row is taken away unless a session holds it.
    virtual Outcome<void> withdraw(const std::string& node);
    // As take_over(), but only those that still have the epoch they were seen with; others are left out of
    // the answer. So of two who want the same one, one gets it.
    virtual Outcome<std::vector<OwnedPartition>> take_over_from(std::span<const SeenPartition> seen,
                                                                const std::string& node);
    // Writes their cursors; from then on nobody owns those that are still ours by their epoch.
    virtual Outcome<void> release(std::span<const OwnedPartition> parts);

    // Makes the rows of all partitions in a store that has none, owned by nobody.
    virtual Outcome<void> make_partitions(std::uint32_t count);

    // Alarms of a partition, in any order.
    virtual Outcome<std::vector<Alarm>> alarms(Partition part) = 0;

    // History with pseq > `after`, in the order of pseq, at most `count` rows.
    virtual Outcome<std::vector<HistoryRow>> history_above(Partition part, std::uint64_t after,
                                                           std::size_t count, const ReadLimits& limits) = 0;
    auto history_above(Partition part, std::uint64_t after, std::size_t count) {
        return history_above(part, after, count, {});
    }

    // Those of the ids that exist, in any order, open or closed. A row that alone is damaged makes the
    // whole call fail as refused.
    virtual Outcome<std::vector<StoredRun>> load(std::span<const std::string> run_ids,
                                                 const ReadLimits& limits) = 0;
    auto load(std::span<const std::string> run_ids) { return load(run_ids, {}); }

    // What each of these runs did behind the transition asked for: rows of one run together, in the order
    // of seq. A row that alone is damaged makes the whole call fail as refused.
    virtual Outcome<std::vector<HistoryRow>> history_since(std::span<const HistoryAsk> asks) = 0;

    // Open runs that were started with a concurrency key, in any order.
    virtual Outcome<std::vector<StoredSlot>> slots(Partition part) = 0;

    // Whether a run was started with the key, and the key has not expired.
    virtual Outcome<bool> has_start_key(const std::string& workflow, const std::string& key, Time now) = 0;
    // How many runs of the whole store have this tag, counted no further than `at_most`.
    virtual Outcome<std::uint64_t> runs_of_tag(const RunTag& tag, std::uint64_t at_most) = 0;

    // Events and who waits for them. These calls stand by themselves, beside the commits: a wait is written before
    // the transition that begins it and an event before anybody is looked for, so that of two at the same moment at
    // least one sees the other. A wait that is there too long costs a look at its run, and nothing else.
    virtual Outcome<void> add_event_shapes(std::span<const StoredShape> shapes) = 0; // the longest `keep` counts
    virtual Outcome<std::vector<StoredShape>> event_shapes(const std::string& type) = 0;
    virtual Outcome<void> add_event_waits(std::span<const EventWait> waits) = 0;
    virtual Outcome<void> remove_event_waits(std::span<const EventWait> waits) = 0; // no key: all of the run
    // By run, those after `after_run_id`.
    virtual Outcome<std::vector<EventWait>> event_waits(const std::string& key, const std::string& after_run_id,
                                                        std::size_t limit) = 0;
    virtual Outcome<void> keep_events(std::span<const KeptEvent> events) = 0; // what is there stays
    // Those that have not expired, the oldest first.
    virtual Outcome<std::vector<KeptEvent>> kept_events(std::span<const std::string> keys, Time now) = 0;
    // Kept events of waits in the partition: whoever began to wait may not have been told of them.
    virtual Outcome<std::vector<EventOffer>> event_offers(Partition part, Time now) = 0;
    virtual Outcome<void> forget_events(Time now) = 0;

    virtual Outcome<std::vector<StoredPause>> pauses() = 0;
    // Instead of one of the same kind and name.
    virtual Outcome<void> save_pause(const StoredPause& pause) = 0;
    virtual Outcome<void> remove_pause(PauseKind kind, const std::string& name) = 0;

    // Shares named limits with the other nodes (limit_shares.hpp), in the order asked. Need not be durable
    // when it returns, but is before any later commit is. `adopts`: the first time since partitions were
    // taken; then what these have of other limits is nobody's. Only of a shared store.
    virtual Outcome<std::vector<LimitAnswer>> share_limits(const std::string& node, std::span<const LimitAsk> asks,
                                                           bool adopts);

    // Ids of runs that are not closed, in order, those after `after_run_id`.
    virtual Outcome<std::vector<std::string>> open_runs(Partition part,
                                                        const std::string& after_run_id,
                                                        std::size_t limit) = 0;

    // How many partitions this store's runs are spread over; 0: nobody has taken any yet. A server
    // with another number would look for runs where they are not.
    virtual Outcome<std::uint32_t> partition_count() = 0;

    // Durable when it returns. All fences match or nothing is written; then each run by itself.
    // A Failure means unavailable: the caller does not know whether it was written and commits the
    // same batch again; whatever was written then shows up as `lost` or as duplicates.
    virtual Outcome<Committed> commit(const Batch& batch) = 0;

    // Saves a source as the next version of `name` and makes it live, or, when the live version has
    // the same sha256, changes nothing and gives that one. An older version with the same source
    // becomes live again (a rollback) under its old number. `created_at` is `now`. With `only_over`, a
    // definition's id: only while that is the live version, or the newest where none is; else `stale`.
    virtual Outcome<StoredDefinition> save_definition(const std::string& name,
                                                      const std::string& source,
                                                      const std::string& file_name,
                                                      const std::string& sha256, Time now,
                                                      std::optional<std::uint64_t> only_over = {}) = 0;
    // No version of `name` is live any more; all of them stay, for the runs they began. False: none was.
    virtual Outcome<bool> retire_definition(const std::string& name) = 0;
    // Whether this very source is one of `name`'s versions, and none of them is live: saving makes one
    // live, so it was retired since.
    virtual Outcome<bool> is_retired(const std::string& name, const std::string& sha256) = 0;
    // What is live, and what open runs began with though it is not: their tasks need queues, too.
    virtual Outcome<std::vector<StoredDefinition>> needed_definitions() = 0;
    virtual Outcome<std::optional<StoredDefinition>> definition(std::uint64_t definition_id) = 0;
    // Of each name the live version, or the newest where none is.
    virtual Outcome<std::vector<StoredDefinition>> newest_definitions() { return needed_definitions(); }

    // Removes at most `limit` runs of the workflow that ended before this time, the oldest first, with all that is
    // theirs: history, dead letters, tags and the key they were started with. What still has to be told to the broker
    // stays. How many. Called on a store of its own, beside the engine's: what it holds up is short.
    virtual Outcome<std::size_t> remove_runs(const std::string& workflow, Time ended_before, std::size_t limit) {
        (void)workflow, (void)ended_before, (void)limit;
        return std::size_t{0};
    }

    // Puts right what RunQueries::index_faults() finds, as far as it can be. How many rows that were; dead letters of
    // no run are dropped, with this reason. Called with nobody else at the store.
    virtual Outcome<std::size_t> mend_indexes(const Closing& closing, Time now) {
        (void)closing, (void)now;
        return std::size_t{0};
    }

    virtual Outcome<std::optional<DeadLetter>> dead_letter(std::uint64_t id) = 0;
    // Numbers of those that fit, the oldest first, at most filter.limit.
    virtual Outcome<std::vector<std::uint64_t>> dead_letter_ids(const DeadLetterFilter& filter) = 0;

    // Adds a job and gives it back with id, total, last_id and seen_id; one whose key is there already
    // is given back as it is.
    virtual Outcome<DeadJob> add_dead_job(const DeadJob& job) = 0;
    // Its state, closed_at, cursor, seen_id, counts and note are from now on these.
    virtual Outcome<void> save_dead_job(const DeadJob& job) = 0;
    // Those that are running, in the order of their ids; `done` is counted anew.
    virtual Outcome<std::vector<DeadJob>> running_dead_jobs() = 0;
    // Looks at a page of letters that are younger than `after_id`.
    virtual Outcome<DiedAgain> died_again(std::uint64_t job_id, std::uint64_t after_id) = 0;

    // Adds a job and gives it back with its id; one whose key is there already is given back as it is.
    virtual Outcome<RunJob> add_run_job(const RunJob& job) {
        (void)job;
        return Failure{make_error_code(StoreErrc::refused), "this store keeps no bulk jobs"};
    }
    // Its state, closed_at, cursor, counts and note are from now on these.
    virtual Outcome<void> save_run_job(const RunJob& job) {
        (void)job;
        return boost::system::in_place_value;
    }
    virtual Outcome<std::vector<RunJob>> running_run_jobs(const std::string& node) {
        (void)node;
        return std::vector<RunJob>{};
    }

    // Behind the lines that are there, and of each run what is more than the limits goes, the oldest first. Lines of
    // runs that are not there are left out. Called on a store of its own, beside the engine's.
    virtual Outcome<void> add_log_lines(std::span<const RunLogLine> lines, const RunLogLimits& limits) {
        (void)lines, (void)limits;
        return Failure{make_error_code(StoreErrc::refused), "this store keeps no lines of workers"};
    }

    // Answers to requests with an Idempotency-Key. begin_answer() gives the row that is there behind it: with the
    // owner of `asked` it is the asker's to do; an empty name: another server has just taken it away. Rows of
    // before the time are forgotten. The others do nothing to a row that is answered or another one's.
    virtual Outcome<KeptAnswer> begin_answer(const KeptAnswer& asked, Time forgotten_before) {
        (void)asked, (void)forgotten_before;
        return Failure{make_error_code(StoreErrc::refused), "this store keeps no answers"};
    }
    virtual Outcome<void> keep_answer(const KeptAnswer& answered) {
        (void)answered;
        return boost::system::in_place_value;
    }
    // Whether it is from now on this owner's to do.
    virtual Outcome<bool> take_answer_over(const KeptAnswer& seen, const std::string& owner) {
        (void)seen, (void)owner;
        return false;
    }
    // Nothing was done, nor will it be.
    virtual Outcome<void> drop_answer(const KeptAnswer& begun) {
        (void)begun;
        return boost::system::in_place_value;
    }

    // Instead of the user's one of that name. False: the user has as many as may be.
    virtual Outcome<bool> save_view(const SavedView& view, std::size_t views_max) {
        (void)view, (void)views_max;
        return Failure{make_error_code(StoreErrc::refused), "this store keeps no views"};
    }
    // False: there is none.
    virtual Outcome<bool> remove_view(const std::string& user, const std::string& name) {
        (void)user, (void)name;
        return false;
    }

    // All of them, by workflow and name.
    virtual Outcome<std::vector<TriggerRow>> triggers() { return std::vector<TriggerRow>{}; }
    // Each row that is stored with the version before `version` becomes this one; version 1 is a new row. Gives
    // the places of those that somebody else has changed meanwhile, and of which nothing was written.
    virtual Outcome<std::vector<std::size_t>> save_triggers(std::span<const TriggerRow> rows) {
        (void)rows;
        return Failure{make_error_code(StoreErrc::refused), "this store keeps no triggers"};
    }

    // A secret of this store, 32 bytes, made on first use and the same for ever: keys the MAC of
    // task tokens. `candidate` is kept if there is none yet.
    virtual Outcome<std::string> secret(const std::string& candidate) = 0;

    // Any thread. Ends the wait of a call that has been under way for longer than `age`; it fails as
    // unavailable, and whether it was done is unknown. Nothing to do where nothing waits for others.
    virtual void interrupt(Duration age) { (void)age; }
};

struct RunFilter {
    std::string workflow;              // empty: all
    std::optional<RunStatus> status;
    std::string before_run_id;         // page: only runs older than this one
    std::string id_prefix;             // only these; less than 6 characters, or no such id: none
    std::size_t limit = 50;
};

struct RunDetails {
    StoredRun run;                     // `state` is left empty
    std::vector<DeadLetter> dead_letters;
};

struct RunCount {
    std::string workflow;
    RunStatus status = RunStatus::running;
    std::uint64_t count = 0;
};

// A run's history comes in pages: nobody holds all of it.
struct HistoryPage {
    std::vector<HistoryRow> rows; // in order
    bool has_more = false;        // behind the last one
};
// A page has one row at least, and no further one behind so many bytes of events.
inline constexpr std::size_t history_page_bytes_max = std::size_t{4} * 1024 * 1024;

// All that a store says of one run beside its history, as it is at one moment.
struct RunRecord {
    StoredRun run;                          // whole
    std::optional<Time> alarm;
    std::vector<DeadLetter> open_letters;   // of its steps; without texts
};

// What the store keeps beside the runs so that they are found, and that does not go with them.
struct IndexFault {
    std::string kind;   // "label", "due_time", "start_key", "history", "dead_letter", "file"
    std::string run_id; // may be that of no run
    std::string what;   // a sentence
};

// What runs became at other servers of a store: of each run where it is by now.
struct RunsElsewhere {
    struct Run {
        std::string run_id;
        std::uint64_t version = 0;
        RunStatus status = RunStatus::running;
    };
    std::vector<Run> runs;
    std::map<Partition, std::uint64_t> heads; // the last transition of every partition
    bool is_whole = true;                     // false: there were more, which are left out
};

class RunQueries {
public:
    virtual ~RunQueries() = default;

    // Newest first. `state`, `input` and `output` of the rows are left empty.
    virtual Outcome<std::vector<StoredRun>> runs(const RunFilter& filter) = 0;
    // At most `limit` runs from `from` on, which is a page's `next`, or empty: from the beginning. A page
    // may have fewer, even none, and be followed by others. Failure: not_found, if `from` is no such place.
    virtual Outcome<RunPage> search(const RunSearch& search, const std::string& from, std::size_t limit) = 0;
    virtual Outcome<RunTotals> totals(const RunSearch& search) = 0;
    // `id_or_prefix` is a run id or an unambiguous beginning of one (at least 6 characters).
    virtual Outcome<std::optional<RunDetails>> run(const std::string& id_or_prefix) = 0;
    // Only the row, with `state` and `input` left empty.
    virtual Outcome<std::optional<StoredRun>> run_row(const std::string& id_or_prefix) = 0;
    // At most `limit` rows with seq > after_seq.
    virtual Outcome<HistoryPage> history_after(const std::string& run_id, std::uint64_t after_seq,
                                               std::size_t limit) = 0;
    virtual Outcome<std::vector<RunCount>> counts() = 0;
    // Newest first.
    virtual Outcome<std::vector<DeadLetter>> dead_letters(const DeadLetterFilter& filter) = 0;
    virtual Outcome<std::optional<DeadLetter>> dead_letter(std::uint64_t id) = 0;
    // Of a state, or of all; the largest first, at most `limit`.
    virtual Outcome<std::vector<DeadGroup>> dead_groups(std::optional<DeadLetterState> state, std::size_t limit) = 0;
    // Newest first, at most `limit`; with an id only that one.
    virtual Outcome<std::vector<DeadJob>> dead_jobs(std::optional<std::uint64_t> id, std::size_t limit) = 0;
    // Newest first, at most `limit`; with an id only that one.
    virtual Outcome<std::vector<RunJob>> run_jobs(std::optional<std::uint64_t> id, std::size_t limit) {
        (void)id, (void)limit;
        return std::vector<RunJob>{};
    }
    // Those of the user, by name.
    virtual Outcome<std::vector<SavedView>> views(const std::string& user) {
        (void)user;
        return std::vector<SavedView>{};
    }
    // At most `limit` lines with a number > after.
    virtual Outcome<RunLogPage> log_lines(const std::string& run_id, std::uint64_t after, std::size_t limit) {
        (void)run_id, (void)after, (void)limit;
        return RunLogPage{};
    }
    // Live versions, by name; with `all_versions_of` set, every version of that name, newest first.
    virtual Outcome<std::vector<StoredDefinition>> definitions(
        const std::string& all_versions_of) = 0;

    virtual Outcome<std::optional<RunRecord>> record(const std::string& run_id) {
        (void)run_id;
        return std::optional<RunRecord>{};
    }
    // At most about `limit` of each kind. Reads everything: slow where there are many runs.
    virtual Outcome<std::vector<IndexFault>> index_faults(std::size_t limit) {
        (void)limit;
        return std::vector<IndexFault>{};
    }
    // Of partitions that others than `node` own, what happened behind these transitions; of one that is not named,
    // nothing but where it is. Of a store of one process nothing.
    virtual Outcome<RunsElsewhere> runs_elsewhere(const std::string& node, const std::map<Partition, std::uint64_t>& after,
                                                  std::size_t limit) {
        (void)node, (void)after, (void)limit;
        return RunsElsewhere{};
    }
    // The nodes that share the store, and whose the partitions are; nothing of a store of one process.
    virtual Outcome<Neighbourhood> neighbourhood() { return Neighbourhood{}; }

    // As in RunStore.
    virtual void interrupt(Duration age) { (void)age; }
};

} // namespace baton::orchestrator::runtime

template <>
struct boost::system::is_error_code_enum<baton::orchestrator::runtime::StoreErrc> : std::true_type {};
