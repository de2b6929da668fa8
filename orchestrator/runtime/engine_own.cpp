// Which partitions are decided here. Each one by itself:
//
//            take_over_from                    assigned to another node
//   not owned ──────────▶ owned ◀──────────▶ leaving ──release──▶ not owned
//                           │   assigned again    │
//                           └──── fence refuses ──┴─────────────▶ not owned (lost)
//
// What comes for a partition that is not decided here: a report goes back to the broker, which has
// it for whoever listens; a request goes to the owner, or waits where this node is about to be it.
#include "base/log.hpp"
#include "base/overloaded.hpp"
#include "orchestrator/runtime/engine_body.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <type_traits>

namespace baton::orchestrator::runtime {
namespace {

// How long a partition that leaves waits for the broker's confirms; then the next owner publishes
// again.
constexpr Duration confirm_patience = std::chrono::seconds(2);
// Another process has taken partitions of one that shares with nobody: see whether it lives.
constexpr Duration fenced_pause = std::chrono::seconds(1);
// So often a request is sent on while partitions move about.
constexpr std::uint32_t hops_max = 4;

// Those of partitions that are not owned any more; once for all that left, since it looks at every
// alarm.
void drop_foreign(Deadlines<std::string>& alarms, const std::map<Partition, OwnedPartition>& owned,
                  std::uint16_t count) {
    Deadlines<std::string> kept;
    while (const auto due = owned.empty() ? std::nullopt : alarms.next())
        for (const std::string& run_id : alarms.take_due(*due))
            if (owned.contains(partition_of(run_id, count))) kept.set(run_id, *due);
    alarms = std::move(kept);
}

} // namespace

void Engine::Body::assign(Assignment assignment) {
    is_assigned = true;
    assigned = {assignment.ours.begin(), assignment.ours.end()};
    takeable = std::move(assignment.takeable);
    bool has_changed = false;
    // Somebody who saw this process hang has taken them, and perhaps given back since; the fence
    // would say the same.
    for (const SeenPartition& seen : assignment.seen)
        if (const auto found = owned.find(seen.part);
            found != owned.end() && seen.epoch > found->second.epoch) {
            log::warning("engine", "another node has taken over a partition",
                         {{"partition", seen.part}, {"node", seen.node}});
            metrics.lost_partitions.add();
            drop(seen.part);
            has_changed = true;
        }
    if (has_changed) drop_foreign(alarms, owned, options.partition_count);
    for (const auto& [part, row] : owned) {
        if (assigned.contains(part))
            has_changed = leaving.erase(part) > 0 || has_changed;
        else if (leaving.try_emplace(part, Leaving{listen_turn + 1, clock.now() + confirm_patience})
                     .second)
            has_changed = true;
    }
    if (has_changed && is_ready) tell_listeners();
    unpark();
}

void Engine::Body::tell_listeners() {
    std::vector<Partition> parts;
    for (const auto& [part, row] : owned)
        if (decides(part)) parts.push_back(part);
    metrics.partitions_owned.set(static_cast<std::int64_t>(owned.size()));
    const std::uint64_t turn = ++listen_turn;
    if (!decides(0)) jobs.clear();
    if (!sinks.listen) {
        heard_turn = turn;
        return;
    }
    sinks.listen(std::move(parts), [this, turn] { mailbox.put({ListeningItem{turn}}); });
}

// False: the store failed, and everything begins anew.
bool Engine::Body::turn_ownership(Time now) {
    Work nothing;
    nothing.now = now;
    if (const auto given = give_back(now); !given) {
        failed(nothing, given.error(), "giving a partition back");
        return false;
    }
    if (const auto taken = take_assigned(now); !taken) {
        failed(nothing, taken.error(), "taking a partition");
        return false;
    }
    return true;
}

Outcome<void> Engine::Body::take_assigned(Time now) {
    std::vector<OwnedPartition> rows;
    if (options.is_shared) {
        std::vector<SeenPartition> wanted;
        for (const SeenPartition& one : std::exchange(takeable, {}))
            if (!owned.contains(one.part)) wanted.push_back(one);
        if (wanted.empty()) return boost::system::in_place_value;
        BATON_ASSIGN(rows, store.take_over_from(wanted, options.node));
    } else {
        if (!retake_at || now < *retake_at) return boost::system::in_place_value;
        retake_at.reset();
        std::vector<Partition> missing;
        for (const Partition part : options.partitions)
            if (!owned.contains(part)) missing.push_back(part);
        BATON_ASSIGN(rows, store.take_over(missing, options.node));
    }
    if (rows.empty()) return boost::system::in_place_value;
    for (const OwnedPartition& row : rows)
        owned[row.part] = row;
    BATON_TRY(take_in(rows, now));
    log::info("engine", "partitions taken over", {{"count", rows.size()}, {"owned", owned.size()}});
    const auto is_first = [](const OwnedPartition& row) { return row.part == 0; };
    if (std::any_of(rows.begin(), rows.end(), is_first)) BATON_TRY(load_jobs());
    tell_listeners();
    unpark();
    return boost::system::in_place_value;
}

// Those that nobody listens to any more, and whose messages the broker has.
Outcome<void> Engine::Body::give_back(Time now) {
    std::vector<OwnedPartition> rows;
    for (const auto& [part, one] : leaving) {
        if (heard_turn < one.turn) continue;
        OwnedPartition row = owned.at(part);
        row.published = std::max(row.published, outbox.cursor(part));
        if (row.published < row.pseq && now < one.until) continue;
        rows.push_back(row);
    }
    if (rows.empty()) return boost::system::in_place_value;
    BATON_TRY(store.release(rows));
    for (const OwnedPartition& row : rows)
        drop(row.part);
    drop_foreign(alarms, owned, options.partition_count);
    log::info("engine", "partitions given back", {{"count", rows.size()}, {"owned", owned.size()}});
    metrics.partitions_owned.set(static_cast<std::int64_t>(owned.size()));
    return boost::system::in_place_value;
}

std::optional<Time> Engine::Body::next_ownership() const {
    if (retake_at) return retake_at;
    std::optional<Time> first;
    for (const auto& [part, one] : leaving)
        if (heard_turn >= one.turn && (!first || one.until < *first)) first = one.until;
    return first;
}

// Forgets everything of a partition that is not this process's any more, but for its alarms.
void Engine::Body::drop(Partition part) {
    owned.erase(part);
    are_slots_stale = true; // those of its runs count no more
    leaving.erase(part);
    cache.erase_partition(part);
    outbox.reset(part, 0);
    const auto is_of_it = [&](const std::string& run_id) {
        return partition_of(run_id, options.partition_count) == part;
    };
    std::erase_if(left_alone, [&](const auto& one) { return is_of_it(one.first); });
    // Who waits for a run of it waits at its next owner.
    for (auto watch = watches.begin(); watch != watches.end();) {
        if (!is_of_it(watch->second.run_id)) {
            ++watch;
            continue;
        }
        pending.push_back({WatchItem{watch->first, watch->second.run_id, watch->second.after_seq,
                                     std::move(watch->second.reply)}});
        watch = watches.erase(watch);
    }
    std::erase_if(watches_of, [&](const auto& one) { return is_of_it(one.first); });
    if (part == 0) jobs.clear();
    if (!sinks.tell) return;
    Told told;
    told.dropped.push_back(part);
    sinks.tell(std::move(told));
}

// The fence refused: nothing of the batch was written. These partitions are gone; the rest is
// decided again without them, from what the store has.
void Engine::Body::lose(Work& work, const std::vector<Partition>& fenced) {
    take_back(work);
    for (const Partition part : fenced) {
        log::warning("engine", "another node has taken over a partition", {{"partition", part}});
        metrics.lost_partitions.add();
        drop(part);
    }
    drop_foreign(alarms, owned, options.partition_count);
    if (!options.is_shared) {
        metrics.fenced_at.set(millis_of(work.now));
        retake_at = work.now + fenced_pause;
    }
    tell_listeners();
}

// What was decided in memory for a batch that was not written.
void Engine::Body::take_back(Work& work) {
    are_slots_stale = true;
    for (const RunChange& change : work.batch.runs)
        if (const auto found = owned.find(change.part); found != owned.end()) --found->second.pseq;
    std::vector<std::string> touched;
    for (const CachedRun* cached : work.touched)
        touched.push_back(cached->run.id);
    for (const std::string& run_id : touched)
        cache.erase(run_id);
    for (const std::string& run_id : work.rung)
        alarms.set(run_id, work.now);
    put_back(work);
    work.items.clear();
}

// Whose partition decides about an item; nothing: nobody's, or nobody knows yet.
std::optional<Partition> Engine::Body::part_of(const Item& item) const {
    const auto of_letter = [this](const auto& one) -> std::optional<Partition> {
        if (!one.letter) return std::nullopt;
        if (!one.letter->run_id.empty())
            return partition_of(one.letter->run_id, options.partition_count);
        return static_cast<Partition>(one.id % options.partition_count);
    };
    return std::visit(
        Overloaded{
            [&](const RedriveItem& one) {
                // The broker has answered; what is left is to note it.
                return one.is_published || one.failure ? std::nullopt : of_letter(one);
            },
            [&](const DropItem& one) { return of_letter(one); },
            [](const QueueLostItem& one) { return one.only; },
            // All jobs are one process's.
            [](const DeadJobItem&) -> std::optional<Partition> { return Partition{0}; },
            [](const CancelDeadJobItem&) -> std::optional<Partition> { return Partition{0}; },
            [&](const auto&) -> std::optional<Partition> {
                const std::string_view run_id = run_of(item);
                if (run_id.empty()) return std::nullopt;
                return partition_of(run_id, options.partition_count);
            },
        },
        item.body);
}

void Engine::Body::send_away(Work& work) {
    Told told;
    std::erase_if(work.items, [&](Item& item) { return send_away(item, told); });
    // An alarm of a partition that is not decided here rings where it is.
    std::erase_if(work.rung, [&](const std::string& run_id) {
        return !decides(partition_of(run_id, options.partition_count));
    });
    if (sinks.tell && !told.returned.empty()) sinks.tell(std::move(told));
}

// True: nothing is left to be done about it here.
bool Engine::Body::send_away(Item& item, Told& told) {
    auto part = part_of(item);
    auto* start = std::get_if<StartItem>(&item.body);
    if (start != nullptr && !part) {
        if (std::any_of(owned.begin(), owned.end(),
                        [this](const auto& one) { return decides(one.first); }))
            return false;
        if (is_assigned && assigned.empty()) {
            start->run_id = uuid_v7(millis_of(clock.now()), random);
            part = part_of(item);
        }
    } else if (!part || decides(*part)) {
        return false;
    }
    if (const auto* report = std::get_if<ReportItem>(&item.body)) {
        if (report->report.delivery) told.returned.push_back(*report->report.delivery);
        return true;
    }
    if (!part || !is_assigned || (assigned.contains(*part) && !leaving.contains(*part)))
        parked.push_back(std::move(item));
    else
        forward(item, *part);
    return true;
}

void Engine::Body::unpark() {
    for (Item& item : std::exchange(parked, {}))
        pending.push_back(std::move(item));
}

namespace {

// How an item looks on its way, and how its answer comes back to who asked.
struct Travelling {
    Request request;
    Reply<Answer> reply;
    std::weak_ptr<const int> asker{};
};

Reply<Answer> to_change(Reply<RunChanged> reply) {
    return [reply = std::move(reply)](Outcome<Answer> answer) {
        if (!reply) return;
        if (!answer) return reply(std::move(answer).error());
        reply(RunChanged{answer->run_id, answer->seq, answer->status});
    };
}

Reply<Answer> to_nothing(Reply<void> reply) {
    return [reply = std::move(reply)](const Outcome<Answer>& answer) {
        if (!reply) return;
        if (!answer) return reply(answer.error());
        reply(Outcome<void>{boost::system::in_place_value});
    };
}

Reply<Answer> to_job(Reply<DeadJob> reply) {
    return [reply = std::move(reply)](Outcome<Answer> answer) {
        if (!reply) return;
        if (!answer) return reply(std::move(answer).error());
        reply(std::move(answer->job));
    };
}

Request about(Request::Kind kind, const std::string& run_id, const std::string& actor) {
    Request request;
    request.kind = kind;
    request.run_id = run_id;
    request.actor = actor;
    return request;
}

Request about_letter(Request::Kind kind, std::uint64_t id, const Closing& closing) {
    Request request = about(kind, {}, closing.by);
    request.id = id;
    request.reason = closing.reason;
    request.job.id = closing.job;
    return request;
}

Travelling travelling(StartItem& one) {
    Request request = about(Request::Kind::start, one.run_id, one.request.actor);
    request.workflow = one.request.workflow;
    request.version = one.request.version;
    request.input = std::move(one.request.input);
    request.key = one.request.key;
    request.fallback_key = one.request.fallback_key;
    request.labels = one.request.labels;
    if (!one.request.caller.is_null()) request.caller = one.request.caller.text();
    request.scheduled_at = one.request.scheduled_at;
    request.traceparent = one.request.trace.parent;
    request.tracestate = one.request.trace.state;
    request.is_by_trigger = one.request.is_by_trigger;
    auto reply = [reply = std::move(one.reply)](Outcome<Answer> answer) {
        if (!reply) return;
        if (!answer) return reply(std::move(answer).error());
        reply(Started{answer->run_id, answer->is_new, answer->workflow_version, answer->is_skipped,
                      answer->is_queued});
    };
    return {std::move(request), std::move(reply)};
}
Travelling travelling(CancelItem& one) {
    Request request = about(Request::Kind::cancel, one.run_id, one.actor);
    request.reason = one.reason;
    return {std::move(request), to_change(std::move(one.reply))};
}
Travelling travelling(RetryItem& one) {
    Request request = about(Request::Kind::retry, one.run_id, one.actor);
    request.now = one.now;
    return {std::move(request), to_change(std::move(one.reply))};
}
Travelling travelling(SkipItem& one) {
    Request request = about(Request::Kind::skip_undo, one.run_id, one.actor);
    request.step = one.step;
    request.reason = one.reason;
    return {std::move(request), to_change(std::move(one.reply))};
}
Travelling travelling(FinishItem& one) {
    Request request = about(Request::Kind::finish, one.run_id, one.actor);
    request.status = one.status;
    request.reason = one.reason;
    return {std::move(request), to_change(std::move(one.reply))};
}
Travelling travelling(OperateItem& one) {
    Request request = about(Request::Kind::retry, one.run_id, one.closing.by);
    put_event(request, one.event);
    return {std::move(request), to_change(std::move(one.reply))};
}
Travelling travelling(WatchItem& one) {
    Request request = about(Request::Kind::watch, one.run_id, {});
    request.after_seq = one.after_seq;
    return {std::move(request), to_change(std::move(one.reply)), one.id};
}
Travelling travelling(RedriveItem& one) {
    Request request = about_letter(Request::Kind::redrive, one.id, one.closing);
    request.body = one.body;
    if (!one.input.is_null()) request.input = one.input.text();
    return {std::move(request), to_nothing(std::move(one.reply))};
}
Travelling travelling(DropItem& one) {
    return {about_letter(Request::Kind::drop, one.id, one.closing),
            to_nothing(std::move(one.reply))};
}
Travelling travelling(DeadJobItem& one) {
    Request request = about(Request::Kind::start_dead_job, {}, one.job.actor);
    request.job = one.job;
    return {std::move(request), to_job(std::move(one.reply))};
}
Travelling travelling(CancelDeadJobItem& one) {
    Request request = about(Request::Kind::cancel_dead_job, {}, one.actor);
    request.id = one.id;
    return {std::move(request), to_job(std::move(one.reply))};
}
Travelling travelling(QueueLostItem& one) {
    Request request = about(Request::Kind::queue_lost, {}, {});
    request.id = one.only.value_or(0);
    request.routes = one.routes;
    return {std::move(request), [done = std::move(one.done)](const Outcome<Answer>&) {
                if (done) done();
            }};
}
// A report goes back to the broker instead, and what else there is is of no partition.
template <class Body>
    requires(std::is_same_v<Body, ReportItem> || std::is_same_v<Body, DeployItem> ||
             std::is_same_v<Body, UndeployItem> || std::is_same_v<Body, ForgetItem> ||
             std::is_same_v<Body, IncidentsItem> || std::is_same_v<Body, ConfirmItem> ||
             std::is_same_v<Body, HearingItem> || std::is_same_v<Body, PlainDeadLetter> ||
             std::is_same_v<Body, AssignItem> || std::is_same_v<Body, ListeningItem> ||
             std::is_same_v<Body, DefinitionsItem> || std::is_same_v<Body, AnsweredItem> ||
             std::is_same_v<Body, PauseItem> || std::is_same_v<Body, EventItem> ||
             std::is_same_v<Body, EventLookItem>)
Travelling travelling(Body&) {
    return {{}, [](const Outcome<Answer>&) {}};
}

} // namespace

// From here on it happens elsewhere: who asked can withdraw it no more.
void Engine::Body::forward(Item& item, Partition part) {
    // Whose run has gone elsewhere goes on there by its own alarm.
    if (const auto* told = std::get_if<OperateItem>(&item.body);
        told != nullptr && std::holds_alternative<core::ResultKnown>(told->event))
        return;
    // Twice on the way, it is one all the same.
    if (auto* bulk = std::get_if<DeadJobItem>(&item.body); bulk != nullptr && bulk->job.key.empty())
        bulk->job.key = uuid_v7(millis_of(clock.now()), random);
    bool is_wanted = true;
    if (auto* start = std::get_if<StartItem>(&item.body)) {
        const auto claim = std::exchange(start->request.claim, nullptr);
        is_wanted = !claim || claim->take(start->run_id);
    } else {
        is_wanted = take(item);
    }
    Travelling way = std::visit([](auto& body) { return travelling(body); }, item.body);
    way.request.hops = item.hops + 1;
    way.request.only_at = item.only_at;
    if (!is_wanted) return; // who asked waits no longer
    if (!sinks.forward)
        return way.reply(
            Failure{make_error_code(EngineErrc::refused),
                    fmt::format("this is for partition {}, which this server does not own", part)});
    if (way.request.hops > hops_max)
        return way.reply(
            Failure{make_error_code(EngineErrc::moving),
                    "the servers are sharing out their runs anew; nothing was done, try again"});
    sinks.forward(part, std::move(way.request), std::move(way.asker),
                  [this, reply = std::move(way.reply)](Outcome<Answer> answer) {
                      mailbox.put(
                          {AnsweredItem{[reply, answer = std::move(answer)] { reply(answer); }}});
                  });
}

} // namespace baton::orchestrator::runtime
