// Concurrency keys and pauses: which runs may begin, and what is handed out again when something
// goes on. On the engine's thread; docs/decisions/0043 says why a key needs no lock.
#include "base/log.hpp"
#include "orchestrator/core/data.hpp"
#include "orchestrator/core/fingerprint.hpp"
#include "orchestrator/core/input.hpp"
#include "orchestrator/expression/value.hpp"
#include "orchestrator/runtime/engine_body.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::orchestrator::runtime {
namespace {

// Keys are indexed, like those of starts.
constexpr std::size_t slot_key_bytes_max = 1000;
// How often pauses are looked at that other servers were asked for.
constexpr Duration pause_look = std::chrono::seconds(1);
// A pause that has ended is remembered until every server has handed out what it held.
constexpr Duration ended_pause_kept = std::chrono::minutes(10);

using OnLimit = core::Concurrency::OnLimit;

Failure slot_refusal(EngineErrc errc, std::string detail) {
    return {make_error_code(errc), std::move(detail)};
}

// What would let a run go on that is over.
bool may_open(const core::Event& event) {
    return std::holds_alternative<core::RunRetried>(event) ||
           std::holds_alternative<core::TaskRevived>(event) ||
           std::holds_alternative<core::SkipRequested>(event) ||
           std::holds_alternative<core::OutputGiven>(event) ||
           std::holds_alternative<core::RerunRequested>(event) ||
           std::holds_alternative<core::UndoSkipped>(event);
}

std::string named(const std::vector<std::string>& runs) {
    return runs.size() == 1 ? "run " + runs.front()
                            : fmt::format("{} runs, among them {}", runs.size(), runs.front());
}

} // namespace

Outcome<SlotKey> Engine::Body::slot_key_of(const core::Workflow& workflow, const core::Run& run) {
    const auto value =
        core::evaluate(workflow.concurrency->key, {workflow, run}, "concurrency.key");
    if (!value) return slot_refusal(EngineErrc::bad_input, value.error().detail);
    SlotKey key{workflow.name, expression::to_plain_text(*value)};
    if (key.key.find('\0') != std::string::npos || key.key.size() > slot_key_bytes_max)
        return slot_refusal(EngineErrc::bad_input,
                            fmt::format("the concurrency key must be text of at most {} bytes",
                                        slot_key_bytes_max));
    return key;
}

// What a start needs to know before it is decided: the partition of its key, which its id must be
// in, and whether the run it asks for is there already. The failure is the store's; a refusal is
// the item's.
Outcome<void> Engine::Body::look_at_start(Item& item, StartItem& start, Time now) {
    const auto found = live.find(start.request.workflow);
    if (found == live.end() || !found->second->concurrency || start.slot)
        return boost::system::in_place_value;
    const core::Workflow& workflow = *found->second;
    const auto parsed =
        core::Document::parse(start.request.input.empty() ? "{}" : start.request.input);
    if (!parsed) return boost::system::in_place_value; // it is told when it is decided
    const core::CheckedInput checked = core::check_input(workflow.input, *parsed);
    if (!checked.complaints.empty()) return boost::system::in_place_value;
    core::Run run = core::new_run(workflow, "");
    run.input = checked.input;
    auto key = slot_key_of(workflow, run);
    if (!key) {
        item.refusal = key.error();
        return boost::system::in_place_value;
    }
    const Partition part = slot_partition(*key, options.partition_count);
    const bool is_here = start.run_id.empty()
                             ? decides(part)
                             : partition_of(start.run_id, options.partition_count) == part;
    if (!is_here && !options.is_shared) {
        item.refusal = slot_refusal(
            EngineErrc::refused,
            fmt::format(
                "runs of the key '{}' are moved by another server (partition {}); ask that one",
                key->key, part));
        return boost::system::in_place_value;
    }
    start.slot = std::move(*key);
    if (!is_here) start.run_id = run_id_in(part, now); // with which it travels to who moves them
    const auto start_key = start_key_of(workflow, run, start.request);
    if (!start_key || start_key->empty()) return boost::system::in_place_value;
    BATON_ASSIGN(start.is_known, store.has_start_key(workflow.name, *start_key, now));
    return boost::system::in_place_value;
}

Outcome<void> Engine::Body::look_at_family(const ReportItem& report) {
    const auto* start = std::get_if<core::RunStarted>(&report.report.event);
    if (start == nullptr || !start->parent) return boost::system::in_place_value;
    const std::string& root = core::root_of(*start->parent);
    if (!families.is_to_be_counted(root)) return boost::system::in_place_value;
    BATON_ASSIGN(const auto runs,
                 store.runs_of_tag({std::string(root_tag), root}, families.runs_max()));
    families.counted(root, runs);
    return boost::system::in_place_value;
}

// A run of another one has its id, and so its partition, before anybody knows its key. False: the
// item says why it does not begin.
bool Engine::Body::take_child_slot(Item& item, StartItem& start,
                                   const core::Workflow& workflow) const {
    if (!workflow.concurrency) return true;
    if (options.partition_count > 1) {
        item.refusal = slot_refusal(
            EngineErrc::refused,
            fmt::format("workflow '{}' has concurrency, and runs of one key are moved in one "
                        "partition, of which this store has {}: it can be started by itself only",
                        workflow.name, options.partition_count));
        return false;
    }
    const auto parsed = core::Document::parse(start.request.input);
    if (!parsed) return true; // it is told when it is decided
    const core::CheckedInput checked = core::check_input(workflow.input, *parsed);
    if (!checked.complaints.empty()) return true;
    core::Run run = core::new_run(workflow, "");
    run.input = checked.input;
    auto key = slot_key_of(workflow, run);
    if (!key) {
        item.refusal = key.error();
        return false;
    }
    start.slot = std::move(*key);
    return true;
}

std::string Engine::Body::run_id_in(Partition part, Time now) {
    while (true) {
        std::string id = uuid_v7(millis_of(now), random);
        if (partition_of(id, options.partition_count) == part) return id;
    }
}

// The key of an idempotent start: that of who asks, else the workflow's, else what repeats with the
// request.
Outcome<std::string> Engine::Body::start_key_of(const core::Workflow& workflow,
                                                const core::Run& run, const StartRequest& request) {
    std::string key = request.key;
    if (key.empty() && workflow.idempotency) {
        const auto own =
            core::evaluate(workflow.idempotency->key, {workflow, run}, "idempotency.key");
        if (!own) return slot_refusal(EngineErrc::bad_input, own.error().detail);
        key = expression::to_plain_text(*own);
    }
    return key.empty() ? request.fallback_key : key;
}

// Whether a new run may begin, has to wait, or is not wanted. False: it is not started.
bool Engine::Body::admit(Item& item, StartItem& start, const core::Workflow& workflow,
                         core::RunStarted& event) {
    if (const auto found = pauses.of_workflow(workflow.name))
        event.awaited_slot = sentence_of(*found);
    if (!workflow.concurrency || !start.slot || start.is_known) return true;
    const SlotKey& key = *start.slot;
    if (!slots.is_full(key, workflow.concurrency->limit) && slots.waiting(key).empty()) return true;
    std::vector<std::string> there = slots.holders(key);
    if (there.empty()) there = slots.waiting(key);
    switch (workflow.concurrency->on_limit) {
    case OnLimit::queue:
        break;
    case OnLimit::skip:
        start.instead = there.front();
        return false;
    case OnLimit::refuse:
        item.refusal = slot_refusal(
            EngineErrc::refused,
            fmt::format(
                "{} of the key '{}' goes on, and concurrency allows {}; nothing was started",
                named(there), key.key, workflow.concurrency->limit));
        return false;
    case OnLimit::replace:
        start.replaces = true;
        break;
    }
    event.awaited_slot = key.key;
    return true;
}

// The runs of the key that give way to the newest: all others that wait, and as many of the oldest
// as it needs.
void Engine::Body::replace_for(const SlotKey& key) {
    const std::vector<std::string> waiting = slots.waiting(key);
    if (waiting.empty()) return;
    const std::string reason = fmt::format("replaced by run {}", waiting.back());
    const auto cancel = [&](const std::string& run_id) {
        pending.push_back({CancelItem{run_id, reason, {}}});
    };
    std::for_each(waiting.begin(), waiting.end() - 1, cancel);
    const std::vector<std::string> holders = slots.holders(key);
    const std::uint32_t limit = limit_of(key);
    for (std::size_t i = 0; i + limit <= holders.size() && i < holders.size(); ++i)
        cancel(holders[i]);
}

std::uint32_t Engine::Body::limit_of(const SlotKey& key) const {
    const auto limit_in = [](const core::Workflow& workflow) {
        return workflow.concurrency ? workflow.concurrency->limit : UINT32_MAX;
    };
    if (const auto found = live.find(key.workflow); found != live.end())
        return limit_in(*found->second);
    const core::Workflow* newest = nullptr;
    for (const auto& [id, workflow] : definitions)
        if (workflow->name == key.workflow &&
            (newest == nullptr || workflow->version > newest->version))
            newest = workflow.get();
    return newest == nullptr ? 1 : limit_in(*newest);
}

// Nothing: it may go on, or is over anyway.
std::optional<Failure> Engine::Body::why_no_slot(const CachedRun& cached,
                                                 const core::Event& event) {
    const bool begins = std::holds_alternative<core::SlotGiven>(event);
    if (begins && pauses.of_workflow(cached.workflow->name))
        return slot_refusal(EngineErrc::refused, "its workflow is paused");
    if (!cached.workflow->concurrency) return std::nullopt;
    const bool opens = core::is_closed(cached.run.status) && may_open(event);
    if (!opens && !begins) return std::nullopt;
    const auto key = slot_key_of(*cached.workflow, cached.run);
    if (!key || slots.holds(cached.run.id) || !slots.is_full(*key, limit_of(*key)))
        return std::nullopt;
    return slot_refusal(
        EngineErrc::refused,
        fmt::format(
            "{} of its concurrency key '{}' goes on, and {} may; try again when it has ended",
            named(slots.holders(*key)), key->key, limit_of(*key)));
}

// What an open run takes. What is over gives its slot back when that is durable.
void Engine::Body::note_slot(const CachedRun& cached) {
    if (!cached.workflow->concurrency || core::is_closed(cached.run.status) ||
        slots.holds(cached.run.id))
        return;
    auto key = slots.key_of(cached.run.id);
    if (!key) {
        auto made = slot_key_of(*cached.workflow, cached.run);
        if (!made) return;
        key = std::move(*made);
    }
    if (cached.run.status == RunStatus::queued)
        slots.wait(*key, cached.run.id);
    else
        slots.hold(*key, cached.run.id);
}

void Engine::Body::give_back(const std::string& run_id) {
    task_limits.leave(run_id);
    const auto key = slots.key_of(run_id);
    if (!key) return;
    slots.leave(run_id);
    give_slots(*key);
}

// Those who wait longest begin next. Asked for twice it happens once.
void Engine::Body::give_slots(const SlotKey& key) {
    if (pauses.of_workflow(key.workflow)) return;
    const std::size_t taken = slots.holders(key).size();
    const std::uint32_t limit = limit_of(key);
    std::size_t given = 0;
    for (const std::string& run_id : slots.waiting(key)) {
        if (taken + given >= limit) return;
        pending.push_back({OperateItem{run_id, core::SlotGiven{}, {}}});
        ++given;
    }
}

void Engine::Body::give_slots_of(const std::string& workflow) {
    for (const SlotKey& key : slots.awaited(workflow))
        give_slots(key);
}

// After a take-over: what goes on and what waits is in the store, and so are pauses.
Outcome<void> Engine::Body::load_slots(Time now) {
    are_slots_stale = false;
    slots.clear();
    for (const auto& [part, row] : owned) {
        BATON_ASSIGN(const auto stored, store.slots(part));
        for (const StoredSlot& one : stored) {
            const SlotKey key{one.workflow, one.key};
            if (one.is_waiting)
                slots.wait(key, one.run_id);
            else
                slots.hold(key, one.run_id);
        }
    }
    BATON_ASSIGN(auto stored, store.pauses());
    const bool any_ended = std::any_of(stored.begin(), stored.end(), [](const StoredPause& one) {
        return one.ended_at.has_value();
    });
    pauses.set(std::move(stored));
    next_pause_look = now + pause_look;
    define_limits();
    task_limits.forget(now);
    const bool any_limited =
        std::any_of(definitions.begin(), definitions.end(),
                    [](const auto& one) { return !one.second->limits.empty(); });
    if (!any_limited) task_limits.counted();
    if (any_ended || any_limited) hand_out_held();
    for (const SlotKey& key : slots.awaited({})) {
        const auto found = live.find(key.workflow);
        const bool replaces = found != live.end() && found->second->concurrency &&
                              found->second->concurrency->on_limit == OnLimit::replace;
        if (replaces) replace_for(key);
        give_slots(key);
    }
    return boost::system::in_place_value;
}

// ---- pauses ----

Outcome<StoredPause> Engine::Body::pause_or_resume(const PauseItem& asked, Time now) {
    const auto found = pauses.find(asked.pause.kind, asked.pause.name);
    const bool is_paused = found && !found->ended_at;
    StoredPause wanted = asked.ends && found ? *found : asked.pause;
    if (asked.ends == !is_paused)
        return slot_refusal(EngineErrc::refused,
                            asked.ends ? fmt::format("{} is not paused", asked.pause.name)
                                       : sentence_of(*found));
    if (asked.ends)
        wanted.ended_at = now;
    else
        wanted.at = now;
    BATON_TRY(store.save_pause(wanted));
    pauses.put(wanted);
    log::info("engine", asked.ends ? "goes on" : "is paused",
              {{"what", wanted.name}, {"by", asked.pause.actor}, {"reason", asked.pause.reason}});
    if (asked.ends) hand_out_held();
    return wanted;
}

// Goes over all open runs of this server, a page at a time: what no pause holds any more is handed
// out.
void Engine::Body::hand_out_held() {
    QueueLostItem sweep;
    sweep.releases = true;
    // What it does not meet began later, and was counted then.
    sweep.done = [this, turn = ++sweeps] {
        if (turn == sweeps)
            task_limits.counted(); // else another one has begun since, perhaps with a new count
    };
    mailbox.put({std::move(sweep)});
}

void Engine::Body::release(Work& work, CachedRun& cached) {
    if (!task_limits.is_counted()) note_limits(cached);
    if (cached.run.status != RunStatus::queued) {
        advance(work, cached, core::TasksReleased{});
    } else if (!cached.workflow->concurrency) {
        if (!pauses.of_workflow(cached.workflow->name)) advance(work, cached, core::SlotGiven{});
    } else if (const auto key = slots.key_of(cached.run.id)) {
        give_slots(*key);
    }
}

// Other servers may have been asked. One that owns all partitions is alone.
void Engine::Body::look_at_pauses(Time now) {
    if (now < next_pause_look) return;
    next_pause_look = now + pause_look;
    const bool is_alone = !options.is_shared && owned.size() >= options.partition_count;
    const auto known = pauses.all();
    const bool is_idle =
        is_alone && std::none_of(known.begin(), known.end(),
                                 [](const StoredPause& one) { return one.ended_at.has_value(); });
    if (is_idle) return;
    auto stored = store.pauses();
    if (!stored) return; // the next commit says so, too
    bool any_ended = false;
    for (const StoredPause& one : *stored) {
        if (!one.ended_at) continue;
        const auto before = pauses.find(one.kind, one.name);
        any_ended = any_ended || !before || !before->ended_at;
        if (*one.ended_at + ended_pause_kept < now) (void)store.remove_pause(one.kind, one.name);
    }
    std::erase_if(*stored, [&](const StoredPause& one) {
        return one.ended_at && *one.ended_at + ended_pause_kept < now;
    });
    pauses.set(std::move(*stored));
    if (any_ended) hand_out_held();
}

// ---- limits ----

// What is live counts; of what is not, the runs that go on.
void Engine::Body::define_limits() {
    std::vector<const core::Workflow*> workflows;
    for (const auto& [name, workflow] : live)
        workflows.push_back(workflow.get());
    for (const auto& [id, workflow] : definitions)
        if (!live.contains(workflow->name)) workflows.push_back(workflow.get());
    task_limits.define(workflows);
}

void Engine::Body::note_limits(const CachedRun& cached) {
    if (!cached.workflow->limits.empty())
        task_limits.note(cached.run.id, limited_tasks_of(*cached.workflow, cached.run, pauses));
}

std::map<Partition, std::uint64_t> Engine::Body::epochs() const {
    std::map<Partition, std::uint64_t> epochs;
    for (const auto& [part, row] : owned)
        epochs[part] = row.epoch;
    return epochs;
}

Outcome<void> Engine::Body::share_limits(std::span<const LimitAsk> asks, Time now) {
    if (asks.empty()) return boost::system::in_place_value;
    BATON_ASSIGN(const auto answers,
                 store.share_limits(options.node, asks, !task_limits.has_asked()));
    task_limits.answered(answers, now);
    return boost::system::in_place_value;
}

// False: the store failed, and everything begins anew.
bool Engine::Body::hand_out_limited(Time now) {
    if (task_limits.is_shared() && task_limits.has_any())
        if (const auto shared = share_limits(task_limits.asks(now, epochs()), now); !shared) {
            Work nothing;
            nothing.now = now;
            failed(nothing, shared.error(), "sharing limits");
            return false;
        }
    for (std::string& run_id : task_limits.due(now))
        pending.push_back({OperateItem{std::move(run_id), core::TasksReleased{}, {}}});
    return true;
}

} // namespace baton::orchestrator::runtime
