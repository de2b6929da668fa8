// The inside of the engine, on the engine's thread; private to this folder. engine_work.cpp is the
// loop, engine_decide.cpp what each item does, engine_tell.cpp what follows from a commit, engine_own.cpp
// which partitions are decided here, engine_recover.cpp taking over and definitions, engine_events.cpp events from outside, engine_slots.cpp which runs may begin and what is held, engine_jobs.cpp bulk jobs over dead letters, engine_log.cpp what the
// log hears.
#pragma once

#include "base/deadlines.hpp"
#include "base/random.hpp"
#include "orchestrator/runtime/engine.hpp"
#include "orchestrator/runtime/families.hpp"
#include "orchestrator/runtime/limits.hpp"
#include "orchestrator/runtime/outbox.hpp"
#include "orchestrator/runtime/run_cache.hpp"
#include "orchestrator/runtime/run_spans.hpp"
#include "orchestrator/runtime/slots.hpp"

#include <deque>
#include <map>
#include <set>
#include <span>
#include <unordered_map>
#include <utility>
#include <variant>

namespace baton::orchestrator::runtime {

struct ReportItem {
    Report report;
    std::optional<Failure> refusal{};  // of a run that was to be begun
    std::optional<SlotKey> replaced{}; // others of its key give way to it
};
struct StartItem {
    StartRequest request;
    Reply<Started> reply;
    std::string run_id; // chosen once, so that a second decision finds what the first one committed
    std::optional<SlotKey> slot{}; // of a workflow with `concurrency`
    bool is_known = false;         // a run was started with its key: that one is the answer
    std::string instead{};         // the run that goes on, where concurrency skips
    bool replaces = false;         // others of its key give way
    std::optional<core::ParentRef> parent{};
};
struct CancelItem {
    std::string run_id;
    std::string reason;
    Reply<RunChanged> reply;
    std::string actor{};
};
struct RetryItem {
    std::string run_id;
    bool now = false;
    Reply<RunChanged> reply;
    std::string actor{};
};
struct SkipItem {
    std::string run_id;
    std::string step;
    std::string reason;
    Reply<RunChanged> reply;
    std::string actor{};
};
struct FinishItem {
    std::string run_id;
    RunStatus status = RunStatus::failed;
    std::string reason;
    Reply<RunChanged> reply;
    std::string actor{};
};
// What else an operator asks of a run.
struct OperateItem {
    std::string run_id;
    core::Event event;
    Reply<RunChanged> reply;
    Closing closing{}; // of dead letters that it settles
};
struct RedriveItem {
    std::uint64_t id = 0;
    Reply<void> reply;
    std::optional<DeadLetter> letter;
    bool is_published = false; // a message: the broker has it again
    Closing closing{};
    std::optional<Failure> failure{}; // a message: the broker did not take it
    std::optional<std::string> body{}; // a message: instead of the one it had
    core::Document input{};            // a task of a run: likewise; null: the one it had
    std::string edit{};                // likewise: changes of the one it had (repair.hpp)
};
// A letter that is published again, and not an event of a run. A report that no run could take is one, too:
// sent again, it finds its run readable or dies anew.
inline bool is_message(const DeadLetter& letter) {
    return letter.run_id.empty() || (letter.step.empty() && !letter.message.empty());
}
struct DropItem {
    std::uint64_t id = 0;
    Reply<void> reply;
    std::optional<DeadLetter> letter;
    Closing closing{};
};
struct DeadJobItem {
    DeadJob job;
    Reply<DeadJob> reply;
};
struct CancelDeadJobItem {
    std::uint64_t id = 0;
    Reply<DeadJob> reply;
    std::string actor{};
};
struct PauseItem {
    StoredPause pause;
    bool ends = false; // else it begins
    Reply<StoredPause> reply;
};
struct DeployItem {
    std::string source;
    std::string file_name;
    Reply<Deployed> reply;
    bool is_found = false; // nobody asks for it: it lies in the folder of workflows
    std::optional<std::uint64_t> only_over{}; // the definition that who deploys has seen
};
struct UndeployItem {
    std::string workflow;
    Reply<Undeployed> reply;
};
struct WatchItem {
    Engine::WatchId id;
    std::string run_id;
    std::uint64_t after_seq = 0;
    Reply<RunChanged> reply;
};
struct ForgetItem {
    Engine::WatchId id;
};
struct IncidentsItem {
    std::string run_id;
    Reply<std::vector<Incident>> reply;
};
// Whether reports of workers can reach us.
struct HearingItem {
    bool hears = true;
};
struct AssignItem {
    Assignment assignment;
};
// Reports of no other partitions come any more than were decided here when listen() was called the nth time.
struct ListeningItem {
    std::uint64_t turn = 0;
};
struct DefinitionsItem {};
// An answer from elsewhere, given on the engine's thread.
struct AnsweredItem {
    std::function<void()> act;
};
struct EventItem {
    IncomingEvent event;
    std::optional<DeliveryHandle> delivery;
    Time at{};                     // when it came
    bool is_kept = false;
    bool is_turned = false;        // the page at hand was given out
    std::vector<std::string> keys{}; // that are still to be looked for
    std::string after_run_id{};    // of the last one
};
// A run began to wait for events of these keys, which may have come before.
struct EventLookItem {
    std::string run_id;
    std::vector<std::string> keys;
    std::vector<std::string> results{}; // keys of results that its steps ask for
    bool is_turned = false;
};
struct ConfirmItem {
    std::vector<OutboxPlace> places;
};
// Open runs are gone through in pages, one per batch.
inline constexpr std::size_t lost_page = 200;
struct QueueLostItem {
    std::vector<std::string> routes;
    Unsent unsent;
    std::function<void()> done;
    std::optional<Partition> only; // else all that are decided here
    bool is_begun = false;
    std::vector<Partition> parts{}; // that remain, the first is the page's
    std::string after_run_id{};   // of the page
    std::vector<std::string> page{};
    bool has_more = false;        // behind the page
    std::vector<std::string> again{}; // runs of the page that another process changed meanwhile; the others are done
    bool releases = false; // no queue was lost: what pauses held is handed out
};

using ItemBody =
    std::variant<ReportItem, StartItem, CancelItem, RetryItem, SkipItem, FinishItem, OperateItem, RedriveItem,
                 DropItem, DeadJobItem, CancelDeadJobItem, DeployItem, UndeployItem, WatchItem, ForgetItem, IncidentsItem, ConfirmItem, HearingItem,
                 QueueLostItem, PlainDeadLetter, AssignItem, ListeningItem, DefinitionsItem,
                 AnsweredItem, PauseItem, EventItem, EventLookItem>;

struct Item {
    ItemBody body;
    std::shared_ptr<Claim> claim{}; // of who may withdraw it; taken when it is decided
    OnlyAt only_at{};               // of the run; else it is refused
    int tries = 0;
    std::uint32_t hops = 0; // of a request: how often it was sent on
    // of the decision at hand
    std::string run_id{};             // whose fate it shares; empty: the batch's
    std::optional<Failure> refusal{}; // answered so, whatever becomes of the batch
    bool put_off = false;             // belongs into the next batch
    std::string stranded{};           // a report: why no run can take it
};

// For columns of plain text: no NUL, which databases do not take, and not too long.
std::string plain(std::string text);

// What a command holds until the broker has confirmed it.
std::size_t memory_of(const core::Command& command);

// The type of the error of a run that was closed without being read.
inline constexpr std::string_view unreadable_type = "baton.unreadable_run";

// The run an item is about; empty: none, or none yet.
std::string_view run_of(const Item& item);

// A run that is left alone, and what its row says as far as it can be read.
struct LeftAlone {
    std::string reason;
    std::optional<StoredRun> row; // without texts
    bool is_foreign = false;
};

// A bulk job as this engine does it, one page of letters after the other. Answers of its letters come
// back to it even when the engine has read it anew in the meantime; then they count for nobody.
struct RunningDeadJob {
    DeadJob job;
    Time next_at{};             // not a letter before
    std::size_t in_flight = 0;  // letters of the page that are not settled
    bool is_changed = false;    // since it was saved
};

// More than any history: the next transition writes the document.
inline constexpr std::size_t document_is_due = SIZE_MAX / 4;

// One batch while it is being worked on.
struct Work {
    Time now;
    std::vector<Item> items;
    std::vector<std::string> rung;
    std::vector<std::string> loaded; // runs read for this batch
    std::vector<CachedRun*> touched;
    std::set<std::pair<std::string, std::string>> start_keys;
    std::size_t bytes = 0; // of text that the commit will hold
    // Runs that cannot be read and are closed by hand, with what is to be noted.
    std::map<std::string, std::vector<core::Fact>> forced;
    // Of these a report changed nothing, which only the owner can know: an attempt that this process
    // never heard of may be the next owner's.
    std::set<Partition> asked;
    Batch batch;
    std::vector<RedriveItem> republished; // to be published, and marked when the broker has them
};

// Whether a report is more than a sign of life.
bool is_worth_keeping(const core::Event& event);

// "invite: no such channel", of a problem as a document.
std::string line_of(const core::Document& error);

// Tells the server's log what of the run's new facts people must hear.
void log_facts(const CachedRun& cached);

// Learns from them which tasks no worker can try; `news` are those to be told.
void learn_held(const CachedRun& cached, Time now, HeldTasks& held, std::vector<HeldTask>& news);

struct Engine::Body {
    Body(EngineOptions given, RunStore& run_store, const Clock& time_source, Compile compiler,
         EngineSinks where)
        : options(std::move(given)),
          store(run_store),
          clock(time_source),
          compile(std::move(compiler)),
          sinks(std::move(where)),
          families(options.family_runs_max),
          spans(options.trace, sinks.span,
                [this](const std::string& run_id) {
                    const HistoryAsk ask{run_id, 0};
                    return store.history_since(std::span(&ask, 1));
                }),
          cache(options.cached_runs_max, options.memory_max),
          random(options.seed != 0 ? options.seed : entropy_seed()) {
        if (options.is_shared) task_limits.share(options.partition_count);
        metrics.partitions.set(options.partition_count);
    }

    // engine_own.cpp
    bool decides(Partition part) const { return owned.contains(part) && !leaving.contains(part); }
    void assign(Assignment assignment);
    void tell_listeners();
    bool turn_ownership(Time now);
    Outcome<void> take_assigned(Time now);
    Outcome<void> give_back(Time now);
    void drop(Partition part);
    void lose(Work& work, const std::vector<Partition>& fenced);
    void take_back(Work& work);
    std::optional<Partition> part_of(const Item& item) const;
    void send_away(Work& work);
    bool send_away(Item& item, Told& told);
    void forward(Item& item, Partition part);
    void unpark();
    std::optional<Time> next_ownership() const;

    // engine_work.cpp
    bool work();
    void gather(std::vector<Item> items);
    void drop_watch(const Engine::WatchId& id);
    void run_thread();
    std::optional<Time> next_wake() const;
    bool prepare(Work& work);
    bool refresh_definitions(Work& work);
    bool turn_to_page(Work& work, QueueLostItem& lost);
    bool load(Work& work);
    Outcome<std::vector<StoredRun>> read_rows(const std::vector<std::string>& ids, std::size_t sum_bytes,
                                              std::set<std::string, std::less<>>& damaged);
    void leave_alone(const std::string& run_id, std::string reason);
    bool is_full() const { return outbox.bytes() >= options.memory_max; }
    void measure_memory();
    void note_trouble();
    void build(Work& work);
    RunChange change_of(CachedRun& cached, Work& work);
    void write_document(CachedRun& cached, RunChange& change) const;
    void ring_in_time(const CachedRun& cached);
    bool commit(Work& work);
    void put_back(Work& work);
    void bury(const Report& report, const Failure& failure, Time now);
    void give_up_on(Work& work, const Failure& failure);
    void failed(Work& work, const Failure& failure, std::string_view doing);
    bool flush_cursor(Time now);
    bool cursor_moved() const;
    void refuse_all();

    // engine_jobs.cpp
    bool turn_jobs(Time now);
    bool turn(const std::shared_ptr<RunningDeadJob>& running, Time now);
    Outcome<bool> look_for_failures(RunningDeadJob& running);
    Outcome<void> send_page(const std::shared_ptr<RunningDeadJob>& running, Time now);
    Outcome<void> end(RunningDeadJob& running, DeadJobState state, std::string note, Time now);
    Outcome<void> load_jobs();
    Outcome<DeadJob> add(DeadJob& job, Time now);
    Outcome<DeadJob> cancel(const CancelDeadJobItem& asked, Time now);
    std::optional<Time> next_job() const;

    // engine_tell.cpp
    void settle(Work& work, const Committed& committed);
    Told tell_of(Work& work, const std::set<std::string>& gone);
    void refuse_child(const ReportItem& asked, Told& told);
    void finish(const Work& work, Item& item, Told& told, const Committed& committed);
    void strand(Report& report, std::string& reason, Told& told) const;
    void publish_again(RedriveItem redrive);
    bool is_on_its_way(const Work& work, std::uint64_t dead_letter_id) const;
    void next_page(QueueLostItem lost);
    void duplicate_start(StartItem& start, const DuplicateStart& duplicate);
    void wake_watches(const std::vector<RunChanged>& changes);

    // engine_decide.cpp
    void decide(Work& work);
    void decide(Work& work, Item& item, ReportItem& report);
    void begin_child(Work& work, Item& item, ReportItem& report, const core::RunStarted& start);
    std::string too_many_runs(const std::string& root) const;
    void decide(Work& work, Item& item, StartItem& start);
    void begin_run(Work& work, Item& item, StartItem& start,
                   const std::shared_ptr<const core::Workflow>& workflow);
    void decide(Work& work, Item& item, CancelItem& cancel);
    void decide(Work& work, Item& item, RetryItem& retry);
    void decide(Work& work, Item& item, SkipItem& skip);
    void decide(Work& work, Item& item, FinishItem& finish);
    void decide(Work& work, Item& item, OperateItem& asked);
    void decide(Work& work, Item& item, RedriveItem& redrive);
    void decide(Work& work, Item& item, DropItem& drop);
    void decide(Work& work, Item& item, DeadJobItem& job);
    void decide(Work& work, Item& item, CancelDeadJobItem& cancel);
    void decide(Work& work, Item& item, DeployItem& deploy);
    void decide(Work& work, Item& item, UndeployItem& undeploy);
    void decide(Work& work, Item& item, PauseItem& pause);
    static bool take(Item& item);
    void decide(Work& work, Item& item, WatchItem& watch);
    void decide(Work& work, Item& item, PlainDeadLetter& letter);
    void decide(Work& work, Item& item, ForgetItem& forget);
    void decide(Work& work, Item& item, IncidentsItem& incidents);
    void tell_incidents(const IncidentsItem& asked) const;
    void decide(Work& work, Item& item, ConfirmItem& confirm);
    void decide(Work& work, Item& item, HearingItem& hearing);
    void decide(Work& work, Item& item, AssignItem& told);
    void decide(Work& work, Item& item, ListeningItem& listening);
    void decide(Work& work, Item& item, DefinitionsItem& changed);
    void decide(Work& work, Item& item, AnsweredItem& answered);
    void hear(bool hears);
    void decide(Work& work, Item& item, QueueLostItem& lost);
    void ring(Work& work, const std::string& run_id);
    // `actor`: the user who asked for this; empty where nobody did.
    core::Transition advance(Work& work, CachedRun& cached, const core::Event& event,
                             const std::string& actor = {});
    void ask(Work& work, Item& item, const std::string& run_id, const core::Event& event,
             const std::string& actor);
    CachedRun* find_or_refuse(Item& item, const std::string& run_id);
    static void refuse_stale(Item& item, std::uint64_t version);
    std::string run_id_in(Partition part, Time now);
    std::string new_run_id(Time now, const std::optional<SlotKey>& slot = {});

    // engine_slots.cpp
    static Outcome<SlotKey> slot_key_of(const core::Workflow& workflow, const core::Run& run);
    static Outcome<std::string> start_key_of(const core::Workflow& workflow, const core::Run& run, const StartRequest& request);
    Outcome<void> look_at_start(Item& item, StartItem& start, Time now);
    bool admit(Item& item, StartItem& start, const core::Workflow& workflow, core::RunStarted& event);
    Outcome<void> look_at_family(const ReportItem& report);
    bool take_child_slot(Item& item, StartItem& start, const core::Workflow& workflow) const;
    void replace_for(const SlotKey& key);
    std::uint32_t limit_of(const SlotKey& key) const;
    std::optional<Failure> why_no_slot(const CachedRun& cached, const core::Event& event);
    void note_slot(const CachedRun& cached);
    void give_back(const std::string& run_id);
    void give_slots(const SlotKey& key);
    void give_slots_of(const std::string& workflow);
    Outcome<void> load_slots(Time now);
    Outcome<StoredPause> pause_or_resume(const PauseItem& asked, Time now);
    void hand_out_held();
    void release(Work& work, CachedRun& cached);
    void look_at_pauses(Time now);
    void define_limits();
    void note_limits(const CachedRun& cached);
    Outcome<void> share_limits(std::span<const LimitAsk> asks, Time now);
    std::map<Partition, std::uint64_t> epochs() const;
    bool hand_out_limited(Time now);

    // engine_events.cpp
    struct EventTurn;
    Outcome<void> turn_event(EventItem& one, Time now);
    Outcome<void> keep_event(EventItem& one, Time now);
    void end_turn(EventTurn& turn);
    Outcome<void> look_for_events(EventLookItem& look, Time now);
    void keep_results(const CachedRun& cached);
    bool note_waits(Work& work);
    void follow_waits(const CachedRun& cached);
    Outcome<void> offer_kept_events(Partition part, Time now);
    void forget_events(Time now);
    void decide(Work& work, Item& item, EventItem& event);
    void decide(Work& work, Item& item, EventLookItem& look);

    // engine_recover.cpp
    bool recover(Time now);
    Outcome<void> take_over(Time now);
    Outcome<void> take_in(const std::vector<OwnedPartition>& rows, Time now);
    Outcome<void> learn_secret();
    Outcome<void> load_definitions();
    void tell_live();
    Outcome<void> republish(Partition part, std::uint64_t published, Time now);
    void republish(Partition part, const HistoryRow& row, Told& told);
    Outcome<std::shared_ptr<const core::Workflow>> definition(std::uint64_t id);
    void keep_definition(std::shared_ptr<const core::Workflow> workflow, bool is_live);
    Outcome<void> keep_runs(std::span<const StoredRun> stored, Time now);
    bool may_keep(const StoredRun& stored);
    Outcome<CachedRun> read_document(const StoredRun& stored);
    Outcome<std::vector<HistoryRow>> read_histories(std::span<const HistoryAsk> asks,
                                                    std::set<std::string, std::less<>>& damaged);
    void leave_unread(const StoredRun& stored, const std::string& why);
    Outcome<Deployed> deploy(const DeployItem& item, Time now);
    Outcome<Undeployed> undeploy(const std::string& workflow);
    void answer(DeployItem& item, Outcome<Deployed> deployed);

    EngineOptions options;
    RunStore& store;
    const Clock& clock;
    Compile compile;
    EngineSinks sinks;
    std::function<void(const std::vector<RunChanged>&)> listener;
    EngineMetrics metrics;
    HeldTasks held;
    Families families;
    Slots slots;
    bool are_slots_stale = false; // they are more than what is owned and stored
    Limits task_limits;
    std::uint64_t sweeps = 0; // begun over held tasks
    Pauses pauses;
    Time next_pause_look{};
    Time next_event_sweep{};
    // No report can reach us: then nobody is silent, and no clock runs out.
    bool is_deaf = false;

    Mailbox<Item> mailbox;
    std::deque<Item> pending;

    bool is_ready = false; // has read what it owns, and the store has not failed since
    Time not_before{};     // when to try again to become ready
    Duration pause{};
    std::size_t careful = 0; // so many items are to be committed one by one
    bool has_secret = false;
    std::map<Partition, OwnedPartition> owned;
    // Of these, those that are being given back: nothing is decided in them any more.
    struct Leaving {
        std::uint64_t turn = 0; // of listen()
        Time until;             // then what the broker has not confirmed is left to the next owner
    };
    std::map<Partition, Leaving> leaving;
    bool is_assigned = false;            // knows which are its own
    std::set<Partition> assigned;        // that are to be decided here, soon if not now
    std::vector<SeenPartition> takeable;
    std::uint64_t listen_turn = 0;
    std::uint64_t heard_turn = 0;
    std::optional<Time> retake_at;       // those that another process took from one that shares with nobody
    std::vector<Item> parked;            // for partitions that are to be decided here soon
    // Runs that were asked for and cannot be decided here.
    std::map<std::string, LeftAlone, std::less<>> left_alone;
    bool force(Work& work, Item& item, const std::string& run_id, RunStatus status,
               core::Fact asked, const std::string& reason);
    // To be read from their histories alone, since what the store says beside may be wrong.
    std::set<std::string, std::less<>> mending;
    Outbox outbox;
    RunSpans spans;
    RunCache cache;
    Deadlines<std::string> alarms;
    Time last_commit{};
    std::unordered_map<std::uint64_t, std::shared_ptr<const core::Workflow>> definitions;
    std::map<std::string, std::shared_ptr<const core::Workflow>, std::less<>> live;
    std::set<std::string> routes;
    struct Watch {
        std::string run_id;
        std::uint64_t after_seq = 0;
        Reply<RunChanged> reply;
    };
    std::map<Engine::WatchId, Watch> watches;
    std::set<std::uint64_t> on_their_way; // dead letters whose message the broker has not confirmed
    std::multimap<std::string, Engine::WatchId> watches_of;
    std::map<std::uint64_t, std::shared_ptr<RunningDeadJob>> jobs; // by id; those that are running
    std::set<std::uint64_t> letters_of_jobs; // that are being settled
    Random random;
    Thread thread;
};

} // namespace baton::orchestrator::runtime
