// The engine: gather → load → decide → commit → tell. One thread, one store, one mailbox; it
// decides the runs of the partitions this process owns, so no run is ever decided in two places.
// Everything that happens to runs goes through here as an item in the mailbox; nothing else writes
// to the store.
//
//   gather  all waiting items and due alarms, at most batch_events_max
//   load    runs that are not in memory, with one call
//   decide  core::advance per event; several events of a run become one change
//   commit  one store.commit for the batch; the history is the outbox
//   tell    commands and settled deliveries to `tell`, answers to whoever asked
//
// When the store fails, nothing was told; the engine forgets what it held in memory, takes its
// partitions over again with growing pauses, and decides the same items again. Items it had
// committed without knowing it are recognised as duplicates then.
//
// Partitions come and go one by one (engine_own.cpp). What is asked about a run of a partition that
// is not owned here goes to its owner; a partition whose fence refuses is lost, and nothing else
// with it.
//
// All public functions may be called from any thread. Callbacks run on the engine's thread: they
// must be quick and must not call back into work(); posting new items is fine.
#pragma once

#include "base/claim.hpp"
#include "base/clock.hpp"
#include "base/mailbox.hpp"
#include "base/metrics.hpp"
#include "base/result.hpp"
#include "base/thread.hpp"
#include "orchestrator/core/advance.hpp"
#include "orchestrator/core/command.hpp"
#include "orchestrator/core/event.hpp"
#include "orchestrator/core/workflow.hpp"
#include "orchestrator/runtime/held_tasks.hpp"
#include "orchestrator/runtime/pauses.hpp"
#include "orchestrator/runtime/request.hpp"
#include "orchestrator/runtime/run_store.hpp"
#include "orchestrator/runtime/run_tags.hpp"
#include "orchestrator/runtime/span.hpp"
#include "orchestrator/runtime/spread.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace baton::orchestrator::runtime {

// Why a request was not carried out. The detail is a sentence for people.
enum class EngineErrc {
    unknown_workflow = 1,
    bad_input,      // the detail has one complaint a line
    bad_definition, // the detail is the checker's report
    duplicate,      // the key is taken and the workflow says on_duplicate = "refuse"
    unknown_run,
    unknown_dead_letter,
    unknown_dead_job,
    refused,       // the run is not in a state for this
    too_many_runs, // one run has led to as many as may be
    settled,       // the dead letter is not open any more, or is being sent already
    stopping,      // the engine stops; ask again after the restart
    overloaded,    // as much waits for the broker as memory may hold; ask again later
    moving,        // the run's partition changes hands just now; nothing was done, ask again
    unanswered,    // the server that owns the run was asked, and nobody knows whether it did it
    stale,         // the run is not as it was when it was looked at; nothing was done
};
const boost::system::error_category& engine_category();
ErrorCode make_error_code(EngineErrc errc);
// Whether the same may be asked for a moment later; else it would fail again.
bool is_passing(const Failure& failure);

// Names a report message that the broker still holds for us; given back once when what it said is
// durable. Opaque to the engine.
using DeliveryHandle = std::uint64_t;

// An event of a run that came from outside, by a message.
struct Report {
    std::string run_id;
    core::Event event;
    std::optional<DeliveryHandle> delivery;
};

// A command and the transition that made it. When the broker has confirmed the command, say
// confirmed() with the same place; the outbox cursor moves by it. After a new take-over the same
// transition may be told again, with other commands or fewer: a confirm counts for its own epoch
// only.
struct OutboxPlace {
    Partition part = 0;
    std::uint64_t pseq = 0;
    std::uint64_t epoch = 0;
    friend auto operator<=>(const OutboxPlace&, const OutboxPlace&) = default;
};
struct OutgoingCommand {
    OutboxPlace place;
    core::Command command;
};

// What a batch says to the world, after it is durable.
struct Stranded {
    Report report;      // its delivery is not settled
    Partition part = 0; // of the run
    std::string reason; // for people
};
struct Told {
    std::vector<OutgoingCommand> commands;
    std::vector<DeliveryHandle> settled;
    // Reports of runs that are decided elsewhere: the broker is to give them to whoever listens
    // there.
    std::vector<DeliveryHandle> returned;
    // Decided elsewhere from now on: of these nothing more is to be published that was told before.
    std::vector<Partition> dropped{};
    // Reports that no run can take now: because it cannot be read, or is not in this store. Whoever
    // has the message makes a dead letter of it.
    std::vector<Stranded> stranded;
    // Runs that were to be begun and cannot be: the report for who waits for them; its delivery is
    // settled when the broker has it.
    std::vector<Stranded> refused{};
    // Tasks whose target lets no worker try; the workers are to hear of it.
    std::vector<HeldTask> held;
};

// Something that was told to everybody: a message of exchange baton.event.
struct IncomingEvent {
    std::string id; // the same however often it comes
    std::string type;
    core::Document event; // id, source, type, subject, time, data
    trace::Given trace{}; // that it was told in
};

struct StartRequest {
    std::string workflow;
    std::uint32_t version = 0;  // 0: the live one
    std::string input;          // JSON text; empty: {}
    std::string key;            // idempotency; empty: the workflow's own key, if it has one
    std::string fallback_key{}; // else this one: makes a repeated request harmless
    std::string actor{};        // the user who asks, for the history
    Labels labels{};            // what the run can be found by, beside those of its workflow
    std::shared_ptr<Claim>
        claim{}; // of who asks and may withdraw; named by the run's id. None: never
    std::optional<Time> scheduled_at{}; // when a trigger meant it to begin: run.scheduled_at
    // The key names an occasion: whichever run has it is the one, whatever its input, and for ever.
    // What the workflow says of duplicates is about requests of people and programs.
    bool is_by_trigger = false;
    core::Document caller{}; // who began it by a call, for its answer: reply_to, correlation_id
    trace::Given trace{};    // that who asks is in
};
struct Started {
    std::string run_id;
    bool is_new = true; // false: a run with this key existed and is this one
    std::uint32_t workflow_version = 0;
    bool is_skipped = false; // nothing was started: this run of its concurrency key goes on
    bool is_queued = false; // it waits for others of its concurrency key, or for the end of a pause
};

struct Deployed {
    std::string name;
    std::uint32_t version = 0;
    bool is_new = true; // false: this very source was live already
    // Whether the queues of its tasks are there by now; if not, the broker is away or refuses, and
    // they are declared as soon as it does not.
    bool has_queues = true;
    bool is_retired = false; // it was taken out of use, and stays so: nothing was deployed
};
// Why a deploy with `only_over` did nothing.
inline constexpr std::string_view stale_deploy =
    "another version is live than the one that was read; somebody may have deployed meanwhile";
struct Undeployed {
    std::string name;
    std::uint32_t version = 0; // which was live
};

// A run had this version and status at the time of the call.
struct RunChanged {
    std::string run_id;
    std::uint64_t seq = 0;
    RunStatus status = RunStatus::running;
};

// A run that was asked for and cannot be read.
struct Incident {
    std::string run_id;
    std::string reason;
};

// A message nobody could process and that belongs to no run.
struct PlainDeadLetter {
    DeadLetter letter;
    std::optional<DeliveryHandle> delivery;
    std::function<void()> stored{}; // called on the engine's thread when it is; may be empty
};

// Attempts whose messages are still to be published, by run.
using Unsent = std::map<std::string, std::vector<core::AttemptRef>, std::less<>>;

// A request that counts only while the run has this version: it is compared where the request is
// decided, so of several who saw the same version one is first.
using OnlyAt = std::optional<std::uint64_t>;

template <typename T>
using Reply = std::function<void(Outcome<T>)>;

// From TOML to a Workflow; the failure's detail is the printed report. Called on the engine's
// thread.
using Compile = std::function<Outcome<std::shared_ptr<core::Workflow>>(
    const std::string& source, const std::string& file_name)>;

struct EngineOptions {
    // Owned by this process, which takes them whoever has them. Empty where it shares the store
    // with others: then assign() says which.
    std::vector<Partition> partitions = {0};
    bool is_shared = false;
    std::uint16_t partition_count = 1; // of the whole house; never changes for one store
    std::string node = "baton";
    // Seed of run ids; 0: from the operating system. A simulation gives its own.
    std::uint64_t seed = 0;
    std::size_t cached_runs_max = 50'000;
    // What one run may hold.
    core::RunLimits run_limits{};
    // So many runs may go back to one that nobody but people, triggers and events began.
    std::uint64_t family_runs_max = 100'000;
    // Memory for the runs that are kept at hand and for messages the broker has not confirmed. What
    // can be read again leaves first; when the messages alone take as much, nothing new is begun.
    std::size_t memory_max = std::size_t{256} * 1024 * 1024;
    // So much history of a run is never spared by a document; most runs end before.
    std::size_t history_bytes_min = 8 * 1024;
    // Bounds how long a commit takes and how much is decided again after a failure.
    std::size_t batch_events_max = 500;
    // Pauses between attempts to reach the store again.
    Duration retry_pause_min = std::chrono::milliseconds(50);
    Duration retry_pause_max = std::chrono::seconds(5);
    trace::Policy trace{};
};

// The outside of the engine. `tell` must be set; the others may be empty.
struct EngineSinks {
    // The store's secret, 32 bytes, keys the MAC of task tokens. Called before anything else is.
    std::function<void(std::string secret)> ready{};
    // Commands to publish and deliveries to ack. Called on the engine's thread, after the commit.
    std::function<void(Told)> tell{};
    // The routes (task types) that need a queue; called with all of them at start and after every
    // deploy that adds one, before the first command for it.
    std::function<void(std::vector<std::string> routes)> declare{};
    // Calls back, on any thread, when these have their queue, or at once when that is not to be
    // soon.
    std::function<void(std::vector<std::string> routes, std::function<void(bool)> done)>
        await_queues{};
    // The workflows that are live, whenever that has changed, and first when they are known at all.
    std::function<void(std::vector<std::shared_ptr<const core::Workflow>> live)> live{};
    // The partitions decided here, whenever these change: their reports are wanted, and no others.
    // `done` is to be called, on any thread, when no others come any more.
    std::function<void(std::vector<Partition> parts, std::function<void()> done)> listen{};
    // A request about a partition that is decided elsewhere. `reply` is to be called once, on any
    // thread: with `unanswered` when nobody knows whether it was carried out. `asker`, of a wait:
    // gone when nobody waits any more, and then the reply may be left out.
    std::function<void(Partition part, Request request, std::weak_ptr<const int> asker,
                       Reply<Answer> reply)>
        forward{};
    // Spans of runs and attempts that are over; empty: nobody records any.
    SpanSink span{};
    // Where dead letters without a run go when they are redriven: to be published again as they
    // were. `settled` is to be called, on any thread, when the broker has the message for good, or
    // will not.
    std::function<void(DeadLetter, std::function<void(Outcome<void>)> settled)> republish{};
};

// Readable at any time, from any thread. What is in the list is printed for Prometheus by itself.
struct EngineMetrics {
    MetricList all;
    Counter transitions{all, "baton_transitions_total", "Changes of runs committed"};
    Counter events{all, "baton_events_total", "Events of runs decided"};
    Counter batches{all, "baton_commits_total", "Batches committed"};
    Counter commit_failures{all, "baton_commit_failures_total", "Commits the store refused"};
    Histogram commit_seconds{all, "baton_commit_seconds", "How long the store took for a batch",
                             durations};
    Histogram commit_size{all, "baton_commit_batch_size", "Changes of runs in a batch", sizes};
    Histogram timer_lag_seconds{all, "baton_timer_lag_seconds",
                                "How late timers of runs were taken up", durations};
    Counter ignored_reports{all, "baton_ignored_reports_total",
                            "Reports of attempts that are over"};
    Counter unknown_reports{all, "baton_unknown_reports_total",
                            "Reports of runs the store does not know"};
    Counter lost_runs{all, "baton_lost_runs_total", "Changes that another process was faster with"};
    Counter takeovers{all, "baton_takeovers_total", "Partitions taken over"};
    Counter lost_partitions{all, "baton_lost_partitions_total",
                            "Partitions that another server had taken"};
    Gauge partitions{all, "baton_partitions", "Partitions of the store, of all servers together"};
    Gauge partitions_owned{all, "baton_partitions_owned",
                           "Partitions whose runs this process moves"};
    Gauge workers_heard{all, "baton_workers_heard",
                        "1: the broker is there, so workers' reports arrive"};
    Gauge cached_runs{all, "baton_cached_runs", "Runs in memory"};
    Gauge run_memory{all, "baton_run_memory_bytes", "Memory of the runs in memory"};
    Gauge unconfirmed_memory{all, "baton_unconfirmed_memory_bytes",
                             "Memory of messages the broker has not confirmed yet"};
    Gauge unreadable_runs{all, "baton_unreadable_runs",
                          "Open runs that were asked for and cannot be read"};
    Gauge waiting_items{all, "baton_waiting_items", "What waits for the engine"};
    Gauge unpublished{all, "baton_outbox_behind",
                      "Changes whose messages the broker has not confirmed yet"};
    // By what facts say; see run_metrics.hpp.
    Family<Counter> runs_started{all, "baton_runs_started_total", "Runs started", {"workflow"}};
    Family<Counter> runs_closed{
        all, "baton_runs_closed_total", "Runs that came to an end", {"workflow", "status"}};
    Family<Histogram> run_seconds{all,
                                  "baton_run_duration_seconds",
                                  "From a run's start to its end",
                                  {"workflow", "status"},
                                  durations};
    Family<Counter> steps{all,
                          "baton_steps_total",
                          "What became of the steps of runs, undos apart",
                          {"workflow", "outcome"}};
    Family<Counter> attempts{all,
                             "baton_task_attempts_total",
                             "Attempts of tasks and undos that ended",
                             {"task", "outcome"}};
    Family<Histogram> queue_seconds{all,
                                    "baton_task_queue_seconds",
                                    "From a task's dispatch until a worker said that it begins",
                                    {"task"},
                                    durations};
    Family<Histogram> task_seconds{
        all,
        "baton_task_run_seconds",
        "From a worker's beginning, or the dispatch where it did not say, to its report",
        {"task", "outcome"},
        durations};
    Family<Counter> dead_letters{
        all, "baton_dead_letters_total", "Tasks that became dead letters", {"task", "reason"}};
    // For /api/health, in milliseconds since 1970; 0: never, or not any more.
    Gauge store_failing_since;
    Gauge unconfirmed_since; // the oldest message that the broker has not confirmed
    Gauge fenced_at;         // the last time another process had taken a partition
    Gauge is_full;           // 1: nothing new is begun until the broker takes messages
};

class Engine {
public:
    // `clock` and `store` must outlive the engine. Nothing happens before start() or work().
    Engine(EngineOptions options, RunStore& store, const Clock& clock, Compile compile,
           EngineSinks sinks);
    ~Engine();
    Engine(const Engine&) = delete;

    // Starts the thread: takes the partitions over, publishes what may not have been published, and
    // works until stop(). May be called before the broker is reachable.
    void start();
    // Finishes the batch at hand, refuses what is still waiting, joins. May be called twice.
    void stop();

    // One pass of the loop without a thread, for tests and simulations: true when there was
    // anything to do.
    bool work();
    // When work() wants to be called again at the latest; nothing: only on a new item.
    std::optional<Time> next_wake() const;

    // Messaging.
    void report(std::vector<Report> reports);
    void confirmed(std::vector<OutboxPlace> places);
    void add_dead_letter(PlainDeadLetter letter);
    // Runs that wait for it get it, and those that begin to wait while it is kept. The delivery is
    // settled when all of them have it.
    void event(IncomingEvent event, std::optional<DeliveryHandle> delivery);
    // The queues of these routes are gone, with all that waited in them: what nobody has begun is
    // sent again, except what is still `unsent`. `done` is called when that is in the store, on the
    // engine's thread; not if the engine stops before. Only runs of partitions decided here are
    // looked at, or of the one that another orchestrator means.
    void queue_lost(std::vector<std::string> routes, Unsent unsent, std::function<void()> done = {},
                    std::optional<Partition> only = {});

    // Which partitions this process is to have, where it shares the store. Said again and again;
    // those it has and is not to have are given back: its batch is finished, its messages are
    // confirmed, nobody listens.
    void assign(Assignment assignment);
    // Other versions of workflows are live in the store.
    void definitions_changed();
    // A request that came from another node.
    void ask(Request request, Reply<Answer> reply);

    // Whether reports of workers can reach us, which is so until said otherwise. While they cannot,
    // nothing times out and no wait ends: what workers do meanwhile cannot be heard.
    void hear_workers(bool hears);

    // Requests. The reply comes when the change is durable. `actor` is the user who asks; the
    // history keeps the name with the first fact of what it led to. Who waits no longer withdraws
    // by the `claim`: what was not decided until then never happens.
    void start_run(StartRequest request, Reply<Started> reply);
    void cancel(std::string run_id, std::string reason, Reply<RunChanged> reply,
                std::string actor = {}, std::shared_ptr<Claim> claim = {}, OnlyAt only_at = {});
    // `now`: in a run that goes on, attempts that wait for their time are made at once.
    void retry(std::string run_id, bool now, Reply<RunChanged> reply, std::string actor = {},
               std::shared_ptr<Claim> claim = {}, OnlyAt only_at = {});
    // The undo of a step is not tried any more; the others, and the run's end, are as if it were
    // done.
    void skip_undo(std::string run_id, std::string step, std::string reason,
                   Reply<RunChanged> reply, std::string actor = {},
                   std::shared_ptr<Claim> claim = {}, OnlyAt only_at = {});
    // Ends a run as it is, also one that cannot be read.
    void finish(std::string run_id, RunStatus status, std::string reason, Reply<RunChanged> reply,
                std::string actor = {}, std::shared_ptr<Claim> claim = {}, OnlyAt only_at = {});
    // What else an operator may ask of a run, as an event: pause and resume, a step passed over or
    // done by hand, another input, a rerun.
    void operate(std::string run_id, core::Event event, std::string reason, Reply<RunChanged> reply,
                 std::string actor = {}, std::shared_ptr<Claim> claim = {}, OnlyAt only_at = {});
    // Tasks of a type are not handed out any more; or none of a workflow's runs, and new ones wait.
    // Who is at it goes on. Refused where it is so already.
    void pause(PauseKind kind, std::string name, std::string reason, Reply<StoredPause> reply,
               std::string actor = {}, std::shared_ptr<Claim> claim = {});
    void resume(PauseKind kind, std::string name, std::string reason, Reply<StoredPause> reply,
                std::string actor = {}, std::shared_ptr<Claim> claim = {});
    // Both refuse a dead letter that is not there or not open any more.
    // `body`: of a message, what it says this time; its properties and headers stay. `input`: of a
    // task, what its attempts are given from now on.
    void redrive(std::uint64_t dead_letter_id, Reply<void> reply, std::string actor = {},
                 std::shared_ptr<Claim> claim = {}, std::optional<std::string> body = {},
                 core::Document input = {}, OnlyAt only_at = {});
    void drop(std::uint64_t dead_letter_id, Reply<void> reply, std::string actor = {},
              std::string reason = {}, std::shared_ptr<Claim> claim = {});
    // The same for all that fit a filter, at a rate; answered when the job is stored, and it goes
    // on by itself. `job` says what of it a person can say; its key is this engine's.
    void start_dead_job(DeadJob job, Reply<DeadJob> reply, std::shared_ptr<Claim> claim = {});
    // Letters that are on their way already arrive; no further one is touched.
    void cancel_dead_job(std::uint64_t id, Reply<DeadJob> reply, std::string actor = {},
                         std::shared_ptr<Claim> claim = {});
    // Compiles, saves as the next version and makes it live. With `only_over`, the id of a
    // definition, only while that is the live one (or the newest, where none is); else it is
    // refused as `stale`.
    void deploy(std::string source, std::string file_name, Reply<Deployed> reply,
                std::shared_ptr<Claim> claim = {}, std::optional<std::uint64_t> only_over = {});
    // The same for a file that lies there: what was taken out of use stays so (`retired`) as long
    // as the file says what one of its versions says.
    void deploy_found(std::string source, std::string file_name, Reply<Deployed> reply);
    // Nothing starts by this name any more, until it is deployed again; runs that go on, go on.
    void undeploy(std::string workflow, Reply<Undeployed> reply, std::shared_ptr<Claim> claim = {});

    // The runs that were asked for and cannot be read; of one run, or all with an empty id.
    void incidents(std::string run_id, Reply<std::vector<Incident>> reply);

    // Calls once, as soon as the run has a version above `after_seq`, is closed, or does not exist
    // (unknown_run). forget() drops the wait; a call that is already under way may still come.
    using WatchId = std::shared_ptr<const int>;
    WatchId wait_for_change(std::string run_id, std::uint64_t after_seq, Reply<RunChanged> reply);
    void forget(WatchId watch);
    // The same for another node, which asks again: the wait ends after a while by forget().
    WatchId watch_for(const Request& request, Reply<Answer> reply);

    // Called with every batch of committed changes, for pages that show everything. Set before
    // start().
    void on_changes(std::function<void(const std::vector<RunChanged>&)> listener);

    const EngineMetrics& metrics() const;
    const HeldTasks& held_tasks() const;
    const Pauses& pauses() const;

private:
    struct Body;
    std::unique_ptr<Body> body_;
};

// Which partition a run belongs to.
Partition partition_of(std::string_view run_id, std::uint16_t partition_count);

} // namespace baton::orchestrator::runtime

template <>
struct boost::system::is_error_code_enum<baton::orchestrator::runtime::EngineErrc>
    : std::true_type {};
