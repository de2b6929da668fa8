// Becoming the owner: fence, secret, definitions, alarms, and the effects that may not have reached
// the broker. Also after every failure of the store, since then nobody knows what was written.
#include "base/fail_point.hpp"
#include "base/log.hpp"
#include "orchestrator/core/fact.hpp"
#include "orchestrator/core/fingerprint.hpp"
#include "orchestrator/core/run_json.hpp"
#include "orchestrator/runtime/engine_body.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <algorithm>

namespace baton::orchestrator::runtime {
namespace {

constexpr std::size_t history_page = 1000; // rows read at once while taking over
// What is read at once of history, and of the runs it speaks of.
constexpr std::size_t history_bytes_max = std::size_t{64} * 1024 * 1024;

Failure broken(std::string detail) {
    return {make_error_code(StoreErrc::unfit), std::move(detail)};
}

// Whether the attempt a command hands out is still the one the run waits for.
bool is_current(const CachedRun& cached, const core::DispatchTask& command) {
    const auto place = core::find_place(*cached.workflow, cached.run, command.ref.step);
    if (!place) return false;
    const core::StepState& state = core::state_of(*cached.workflow, cached.run, *place);
    if (command.ref.undo)
        return state.undo == core::UndoStatus::dispatched &&
               state.undo_attempts.number == command.ref.attempt;
    return state.status == core::StepStatus::dispatched &&
           state.attempts.number == command.ref.attempt;
}

} // namespace

bool Engine::Body::recover(Time now) {
    if (now < not_before) return false;
    if (const auto taken = take_over(now); !taken) {
        note_trouble();
        pause = std::clamp(pause * 2, options.retry_pause_min, options.retry_pause_max);
        not_before = now + pause;
        log::warning("engine", "the store cannot be reached, will try again",
                     {{"reason", taken.error().detail}, {"pause_ms", pause.count() / 1000}});
        return false;
    }
    if (pause > options.retry_pause_min) log::info("engine", "the store is back");
    pause = {};
    is_ready = true;
    retake_at.reset();
    tell_listeners();
    unpark();
    return true;
}

// What this process had, it takes again with a new epoch: nothing that is still on its way to the store under
// the old one counts then. What another node has taken meanwhile is left to it.
Outcome<void> Engine::Body::take_over(Time now) {
    cache.clear();
    alarms.clear();
    std::vector<OwnedPartition> rows;
    if (options.is_shared) {
        std::vector<SeenPartition> had;
        for (const auto& [part, row] : owned)
            had.push_back({part, row.epoch});
        if (!had.empty()) {
            BATON_ASSIGN(rows, store.take_over_from(had, options.node));
        }
        for (const SeenPartition& one : had) {
            if (std::any_of(rows.begin(), rows.end(), [&](const auto& row) { return row.part == one.part; })) continue;
            metrics.lost_partitions.add();
            drop(one.part);
        }
    } else {
        BATON_ASSIGN(rows, store.take_over(options.partitions, options.node));
        assigned.insert(options.partitions.begin(), options.partitions.end());
        is_assigned = true;
    }
    for (const OwnedPartition& row : rows)
        owned[row.part] = row; // also when what follows fails: the next try knows the epoch
    BATON_TRY(learn_secret());
    BATON_TRY(take_in(rows, now));
    if (decides(0)) return load_jobs();
    jobs.clear();
    return boost::system::in_place_value;
}

Outcome<void> Engine::Body::learn_secret() {
    if (has_secret) return load_definitions();
    std::string candidate;
    Random entropy(options.seed != 0 ? options.seed : entropy_seed());
    for (int i = 0; i < 4; ++i) {
        const std::uint64_t part = options.seed != 0 ? entropy.next() : entropy_seed();
        candidate.append(reinterpret_cast<const char*>(&part), sizeof part);
    }
    BATON_ASSIGN(auto secret, store.secret(candidate));
    BATON_TRY(load_definitions());
    has_secret = true;
    // Messaging begins with it, and then knows the queues that must be there: one that is missing in a
    // broker that lost everything had tasks in it.
    if (sinks.ready) sinks.ready(std::move(secret));
    return boost::system::in_place_value;
}

// Rows that were taken: their alarms, and what may not have been published.
Outcome<void> Engine::Body::take_in(const std::vector<OwnedPartition>& rows, Time now) {
    for (const OwnedPartition& row : rows) {
        BATON_ASSIGN(const auto stored, store.alarms(row.part));
        for (const Alarm& alarm : stored)
            alarms.set(alarm.run_id, alarm.due);
        owned[row.part] = row;
        outbox.reset(row.part, row.published);
    }
    fail_point("engine.taken_over");
    // Only after all alarms are known, since reading a run looks its alarm up.
    for (const OwnedPartition& row : rows)
        BATON_TRY(republish(row.part, row.published, now));
    for (const OwnedPartition& row : rows)
        BATON_TRY(offer_kept_events(row.part, now));
    BATON_TRY(load_slots(now));
    metrics.takeovers.add(rows.size());
    return boost::system::in_place_value;
}

Outcome<void> Engine::Body::load_definitions() {
    BATON_ASSIGN(const auto stored, store.needed_definitions());
    std::erase_if(live, [&stored](const auto& one) {
        return std::none_of(stored.begin(), stored.end(),
                            [&](const auto& row) { return row.is_live && row.name == one.first; });
    });
    for (const StoredDefinition& one : stored) {
        if (definitions.contains(one.definition_id)) {
            keep_definition(definitions[one.definition_id], one.is_live);
            continue;
        }
        auto compiled = compile(one.source, one.file_name);
        if (!compiled) {
            log::error("engine", "a deployed workflow is not understood any more; deploy it again",
                       {{"workflow", one.name}, {"reason", compiled.error().detail}});
            continue;
        }
        (*compiled)->definition_id = one.definition_id;
        (*compiled)->version = one.version;
        core::link(**compiled);
        keep_definition(std::move(*compiled), one.is_live);
    }
    tell_live();
    return {};
}

void Engine::Body::tell_live() {
    if (!sinks.live) return;
    std::vector<std::shared_ptr<const core::Workflow>> all;
    for (const auto& [name, workflow] : live)
        all.push_back(workflow);
    sinks.live(std::move(all));
}

void Engine::Body::keep_definition(std::shared_ptr<const core::Workflow> workflow, bool is_live) {
    const std::size_t before = routes.size();
    routes.insert(workflow->task_types.begin(), workflow->task_types.end());
    if (routes.size() != before && sinks.declare) sinks.declare({routes.begin(), routes.end()});
    definitions[workflow->definition_id] = workflow;
    const bool is_limited = !workflow->limits.empty();
    if (is_live) live[workflow->name] = std::move(workflow);
    if (is_limited) define_limits();
}

Outcome<std::shared_ptr<const core::Workflow>> Engine::Body::definition(std::uint64_t id) {
    if (const auto found = definitions.find(id); found != definitions.end()) return found->second;
    BATON_ASSIGN(const auto stored, store.definition(id));
    if (!stored) return broken(fmt::format("definition {} is not in the store", id));
    auto compiled = compile(stored->source, stored->file_name);
    if (!compiled)
        return broken(fmt::format("version {} of workflow {} is not understood any more: {}",
                                  stored->version, stored->name, compiled.error().detail));
    (*compiled)->definition_id = stored->definition_id;
    (*compiled)->version = stored->version;
    core::link(**compiled);
    std::shared_ptr<const core::Workflow> workflow = std::move(*compiled);
    keep_definition(workflow, stored->is_live);
    return workflow;
}

// What the store's document says: the run as it was at that version.
Outcome<CachedRun> Engine::Body::read_document(const StoredRun& stored) {
    BATON_ASSIGN(const auto workflow, definition(stored.definition_id));
    CachedRun cached;
    cached.workflow = workflow;
    cached.part = stored.part;
    cached.alarm = alarms.of(stored.run_id);
    cached.document_bytes = stored.state.size();
    core::Run& run = cached.run;
    run = core::new_run(*workflow, stored.run_id);
    run.version = stored.version;
    run.status = stored.status;
    run.started_at = stored.started_at;
    run.closed_at = stored.closed_at;
    BATON_ASSIGN(run.input, core::Document::parse_stored(stored.input));
    if (stored.output) {
        BATON_ASSIGN(run.output, core::Document::parse_stored(*stored.output));
    }
    const bool is_mended = mending.erase(stored.run_id) > 0;
    std::string nothing;
    if (is_mended) core::append_new_state_json(nothing);
    BATON_TRY(core::read_state_json(is_mended ? nothing : stored.state, *workflow, run));
    // Older versions of the program wrote the document with every transition and no version in it: it
    // must be written anew before anything is left to the history.
    if (run.version == stored.version || is_mended) cached.history_bytes = document_is_due;
    return cached;
}

// False: it is left alone.
bool Engine::Body::may_keep(const StoredRun& stored) {
    if (!owned.contains(stored.part)) {
        // Deciding it would be refused by the fence, again and again, and nothing else would go on.
        leave_alone(stored.run_id,
                    fmt::format("run {} is in partition {}, which this server does not own; ask the server "
                                "that does, or start this one with the partitions it had when the run began",
                                stored.run_id, stored.part));
        left_alone[stored.run_id].is_foreign = true;
        return false;
    }
    if (stored.texts == StoredRun::Texts::too_large) {
        leave_alone(stored.run_id,
                    fmt::format("run {} holds more than twice the {} MiB one run may hold; start the server with "
                                "a larger orchestrator.run_mib_max, or cancel the run",
                                stored.run_id, options.run_limits.text_bytes / (1024 * 1024)));
        left_alone[stored.run_id].row = stored;
        return false;
    }
    return true;
}

void Engine::Body::leave_unread(const StoredRun& stored, const std::string& why) {
    leave_alone(stored.run_id, fmt::format("run {} cannot be read: {}", stored.run_id, why));
    StoredRun& row = left_alone[stored.run_id].row.emplace(stored);
    row.state.clear();
    row.input.clear();
    row.output.reset();
}

namespace {

// The history since the document, applied to it.
Outcome<void> catch_up(CachedRun& cached, std::span<const HistoryRow> rows, std::uint64_t version) {
    core::Run& run = cached.run;
    for (const HistoryRow& row : rows) {
        if (row.seq != run.version + 1)
            return broken(fmt::format("its history has no transition {}", run.version + 1));
        BATON_ASSIGN(const auto facts, core::facts_from_json(row.events));
        if (!core::replay(*cached.workflow, run, facts, row.at))
            return broken(fmt::format("transition {} of its history speaks of what it does not have", row.seq));
        run.version = row.seq;
        cached.history_bytes += row.events.size();
    }
    if (run.version != version)
        return broken(fmt::format("its history ends at transition {} of {}", run.version, version));
    return Outcome<void>{boost::system::in_place_value};
}

} // namespace

// Runs that cannot be read are left alone, loudly: they must not keep the others from going on. A
// store that is away is something else, and the caller's failure.
Outcome<void> Engine::Body::keep_runs(std::span<const StoredRun> stored, Time now) {
    std::map<std::string_view, std::pair<const StoredRun*, CachedRun>> read;
    std::vector<HistoryAsk> asks;
    for (const StoredRun& one : stored) {
        if (!may_keep(one)) continue;
        auto cached = read_document(one);
        if (cached) {
            if (cached->run.version < one.version) asks.push_back({one.run_id, cached->run.version});
            read.emplace(one.run_id, std::pair{&one, std::move(*cached)});
        } else if (cached.error().code == StoreErrc::unavailable || cached.error().code == StoreErrc::refused) {
            return std::move(cached).error();
        } else {
            leave_unread(one, cached.error().detail);
        }
    }
    std::set<std::string, std::less<>> damaged;
    BATON_ASSIGN(const auto rows, read_histories(asks, damaged));
    std::map<std::string_view, std::span<const HistoryRow>> rows_of;
    for (auto first = rows.begin(); first != rows.end();) {
        const auto last = std::find_if(first, rows.end(), [&](const HistoryRow& row) { return row.run_id != first->run_id; });
        rows_of[first->run_id] = {first, last};
        first = last;
    }
    for (auto& [run_id, one] : read) {
        auto& [row, cached] = one;
        if (damaged.contains(run_id)) {
            leave_unread(*row, "its history is damaged");
        } else if (const auto caught_up = catch_up(cached, rows_of[run_id], row->version); !caught_up) {
            leave_unread(*row, caught_up.error().detail);
        } else {
            // Reports may have waited for us: nobody was silent before this moment.
            core::begin_clocks_anew(*cached.workflow, cached.run, now);
            left_alone.erase(row->run_id);
            cache.insert(std::move(cached));
        }
    }
    return Outcome<void>{boost::system::in_place_value};
}

// A damaged row fails the call that reads it. Then each history is read alone, so that it stands by itself.
Outcome<std::vector<HistoryRow>> Engine::Body::read_histories(std::span<const HistoryAsk> asks,
                                                              std::set<std::string, std::less<>>& damaged) {
    if (asks.empty()) return std::vector<HistoryRow>{};
    auto rows = store.history_since(asks);
    if (rows || rows.error().code != StoreErrc::refused) return rows;
    const HistoryAsk nobody{"00000000-0000-7000-8000-000000000000", 0};
    BATON_TRY(store.history_since(std::span(&nobody, 1))); // refuses it all: the store's own trouble
    std::vector<HistoryRow> all;
    for (const HistoryAsk& ask : asks) {
        auto alone = store.history_since(std::span(&ask, 1));
        if (alone)
            std::move(alone->begin(), alone->end(), std::back_inserter(all));
        else if (alone.error().code == StoreErrc::refused)
            damaged.insert(ask.run_id);
        else
            return alone;
    }
    return all;
}

// The history above the cursor, in order; its effects again. What is no longer wanted is left out:
// an attempt that was answered meanwhile needs no second message. Rows and runs come a few at a time, so
// that no store is too large to start with.
Outcome<void> Engine::Body::republish(Partition part, std::uint64_t published, Time now) {
    std::uint64_t after = published;
    while (true) {
        BATON_ASSIGN(const auto rows, store.history_above(part, after, history_page,
                                                          {history_bytes_max, history_bytes_max}));
        if (rows.empty()) return {};
        std::vector<std::string> ids;
        for (const HistoryRow& row : rows)
            if (std::find(ids.begin(), ids.end(), row.run_id) == ids.end() &&
                !cache.find(row.run_id))
                ids.push_back(row.run_id);
        std::set<std::string, std::less<>> damaged, later;
        BATON_ASSIGN(auto stored, read_rows(ids, history_bytes_max, damaged));
        std::vector<StoredRun> here;
        for (StoredRun& one : stored) {
            if (one.texts == StoredRun::Texts::later)
                later.insert(one.run_id);
            else
                here.push_back(std::move(one));
        }
        BATON_TRY(keep_runs(here, now));
        Told told;
        for (const HistoryRow& row : rows) {
            if (later.contains(row.run_id)) break; // from here on in the next round
            after = row.pseq;
            republish(part, row, told);
        }
        cache.trim(outbox.bytes());
        fail_point("engine.before_republish");
        if (sinks.tell && !told.commands.empty()) sinks.tell(std::move(told));
        fail_point("engine.republished");
    }
}

void Engine::Body::republish(Partition part, const HistoryRow& row, Told& told) {
    const CachedRun* cached = cache.find(row.run_id);
    const auto left = left_alone.find(row.run_id);
    // Of a run that cannot be read nobody knows which attempts are current. It may be readable again, and
    // must not wait for a message that was never sent then.
    const bool is_unreadable = cached == nullptr && left != left_alone.end() && left->second.row &&
                               !core::is_closed(left->second.row->status);
    std::uint32_t commands = 0;
    std::size_t bytes = 0;
    if (row.events.empty())
        log::error("engine", "a change is too large to be read, its messages are not sent again",
                   {{"run", row.run_id}, {"seq", row.seq}});
    if ((cached != nullptr || is_unreadable) && !row.events.empty()) {
        const auto facts = core::facts_from_json(row.events);
        if (!facts) {
            log::error("engine", "history cannot be read",
                       {{"run", row.run_id}, {"reason", facts.error().detail}});
            return;
        }
        const core::RunName name =
            cached != nullptr ? cached->name()
                              : core::RunName{row.run_id, left->second.row->workflow,
                                              left->second.row->workflow_version};
        for (const core::Fact& fact : *facts) {
            auto command = core::command_of(name, fact);
            if (!command) continue;
            const auto* dispatch = std::get_if<core::DispatchTask>(&*command);
            if (dispatch && cached != nullptr && !is_current(*cached, *dispatch)) continue;
            bytes += memory_of(*command);
            told.commands.push_back({{part, row.pseq, owned[part].epoch}, std::move(*command)});
            ++commands;
        }
    }
    outbox.add(part, row.pseq, commands, bytes, clock.now());
}

namespace {

// One name is one workflow's: nobody could say which of two a caller means.
std::string why_no_such_rpc(const core::Workflow& workflow,
                            const std::map<std::string, std::shared_ptr<const core::Workflow>, std::less<>>& live) {
    const auto has = [](const core::Workflow& other, const core::RpcTrigger& rpc) {
        return std::any_of(other.triggers.begin(), other.triggers.end(), [&](const core::Trigger& one) {
            const auto* its = std::get_if<core::RpcTrigger>(&one.kind);
            return its != nullptr && its->name == rpc.name;
        });
    };
    for (const core::Trigger& trigger : workflow.triggers)
        if (const auto* rpc = std::get_if<core::RpcTrigger>(&trigger.kind))
            for (const auto& [name, other] : live)
                if (name != workflow.name && has(*other, *rpc))
                    return fmt::format("line {}: the rpc '{}' is answered by the workflow '{}' already; undeploy that one, or "
                                       "give this one another name",
                                       trigger.line, rpc->name, name);
    return {};
}

std::string json_of(const std::vector<std::string>& paths) {
    boost::json::array list;
    for (const std::string& path : paths)
        list.emplace_back(path);
    return boost::json::serialize(list);
}

} // namespace

Outcome<Deployed> Engine::Body::deploy(const DeployItem& item, Time now) {
    auto compiled = compile(item.source, item.file_name);
    if (!compiled)
        return Failure{make_error_code(EngineErrc::bad_definition), compiled.error().detail};
    const std::string name = (*compiled)->name;
    if (item.is_found) {
        BATON_ASSIGN(const bool is_retired, store.is_retired(name, core::sha256(item.source)));
        if (is_retired) return Deployed{name, 0, false, true, true};
    }
    if (std::string why = why_no_such_rpc(**compiled, live); !why.empty())
        return Failure{make_error_code(EngineErrc::bad_definition), fmt::format("{}: {}", item.file_name, why)};
    std::vector<StoredShape> shapes;
    for (const core::EventShape& shape : (*compiled)->event_shapes)
        shapes.push_back({shape.type, json_of(shape.paths), shape.keep});
    if (!shapes.empty()) BATON_TRY(store.add_event_shapes(shapes)); // before a run of it can wait
    const auto before = live.find(name);
    const std::uint64_t former = before == live.end() ? 0 : before->second->definition_id;
    const auto stored =
        store.save_definition(name, item.source, item.file_name, core::sha256(item.source), now, item.only_over);
    if (!stored && stored.error().code == make_error_code(StoreErrc::stale))
        return Failure{make_error_code(EngineErrc::stale), std::string(stale_deploy)};
    if (!stored) return stored.error();
    (*compiled)->definition_id = stored->definition_id;
    (*compiled)->version = stored->version;
    core::link(**compiled);
    keep_definition(std::move(*compiled), true);
    tell_live();
    return Deployed{name, stored->version, stored->definition_id != former};
}

// Who deploys may start a worker next, and a worker asks for its queue.
void Engine::Body::answer(DeployItem& item, Outcome<Deployed> deployed) {
    if (!item.reply) return;
    const auto found = deployed && !deployed->is_retired ? live.find(deployed->name) : live.end();
    if (found == live.end() || !sinks.await_queues) return item.reply(std::move(deployed));
    const auto& types = found->second->task_types;
    sinks.await_queues({types.begin(), types.end()},
                       [reply = std::move(item.reply), made = std::move(*deployed)](bool have) mutable {
                           made.has_queues = have;
                           reply(std::move(made));
                       });
}

Outcome<Undeployed> Engine::Body::undeploy(const std::string& workflow) {
    BATON_ASSIGN(const bool was_live, store.retire_definition(workflow));
    const auto found = live.find(workflow);
    if (!was_live && found == live.end())
        return Failure{make_error_code(EngineErrc::unknown_workflow),
                       fmt::format("there is no workflow '{}'", workflow)};
    Undeployed undeployed{workflow, found == live.end() ? 0 : found->second->version};
    if (found != live.end()) live.erase(found);
    tell_live();
    return undeployed;
}

} // namespace baton::orchestrator::runtime
