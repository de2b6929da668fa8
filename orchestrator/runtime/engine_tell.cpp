// Tell: after the commit, and only then. Commands to the dispatcher, settled deliveries back to the
// broker, answers to whoever asked, changes to whoever follows.
#include "base/fail_point.hpp"
#include "base/overloaded.hpp"
#include "orchestrator/core/fact.hpp"
#include "orchestrator/runtime/engine_body.hpp"
#include "orchestrator/runtime/run_metrics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <iterator>

namespace baton::orchestrator::runtime {
namespace {

// An item that is decided again this often is not unlucky any more.
constexpr int tries_max = 5;

// Of tasks that are handed out together the more urgent ones come first. Where something is taken back, too, all stays
// in its order: a task must not come behind its own end.
void put_urgent_first(std::vector<OutgoingCommand>& commands) {
    const auto is_task = [](const OutgoingCommand& one) { return std::holds_alternative<core::DispatchTask>(one.command); };
    const auto takes_back = [](const OutgoingCommand& one) { return std::holds_alternative<core::CancelTask>(one.command); };
    if (std::any_of(commands.begin(), commands.end(), takes_back)) return;
    std::map<int, std::vector<OutgoingCommand>, std::greater<>> by_priority;
    for (OutgoingCommand& one : commands)
        if (is_task(one)) by_priority[std::get<core::DispatchTask>(one.command).priority].push_back(std::move(one));
    std::vector<OutgoingCommand> tasks;
    for (auto& [priority, some] : by_priority) std::move(some.begin(), some.end(), std::back_inserter(tasks));
    auto next = tasks.begin();
    for (OutgoingCommand& one : commands) // what was moved from is a task still
        if (is_task(one)) one = std::move(*next++);
}

// By itself nothing happens to it for a while, and whoever comes reads it again: so a hundred thousand
// runs that wait cost their alarms alone.
constexpr Duration short_sleep = std::chrono::seconds(10);
bool sleeps(const CachedRun& cached, Time now) {
    const core::Run& run = cached.run;
    if (run.with_workers > 0 || !run.undoing.empty() || !cached.workflow->limits.empty()) return false;
    const auto due = core::next_deadline(run);
    return !due || *due > now + short_sleep;
}

} // namespace

bool is_worth_keeping(const core::Event& event) {
    return !std::holds_alternative<core::TaskStarted>(event) &&
           !std::holds_alternative<core::TaskHeartbeat>(event);
}

std::size_t memory_of(const core::Command& command) {
    return sizeof command +
           std::visit(Overloaded{
                          [](const core::DispatchTask& one) { return one.with.memory(); },
                          [](const core::CancelTask&) { return std::size_t{0}; },
                          [](const core::AnnounceRun& one) {
                              return one.output.memory() + one.error.memory();
                          },
                          [](const core::AnnounceDeadTask& one) { return one.error.memory(); },
                          [](const core::AnnounceApproval& one) { return one.asked.memory(); },
                          [](const core::EmitEvent& one) { return one.data.memory(); },
                          [](const core::AnswerCaller& one) { return one.output.memory() + one.error.memory(); },
                          [](const core::ReportToParent& one) { return one.output.memory() + one.error.memory(); },
                      },
                      command);
}

// The batch is durable, except for runs that lost. Tell everybody.
void Engine::Body::settle(Work& work, const Committed& committed) {
    std::set<std::string> gone(committed.lost.begin(), committed.lost.end());
    metrics.lost_runs.add(gone.size());
    for (const DuplicateStart& one : committed.duplicates)
        gone.insert(one.run_id);

    Told told = tell_of(work, gone);
    std::deque<Item> again;
    for (Item& item : work.items) {
        if (auto* queue = std::get_if<QueueLostItem>(&item.body)) {
            std::erase_if(queue->again = queue->page, [&](const std::string& run_id) {
                return std::find(committed.lost.begin(), committed.lost.end(), run_id) == committed.lost.end();
            });
            if (!queue->again.empty()) item.put_off = true;
        }
        const bool lost = std::find(committed.lost.begin(), committed.lost.end(), item.run_id) !=
                          committed.lost.end();
        if (item.put_off || (lost && item.tries < tries_max)) {
            if (lost) ++item.tries;
            item.put_off = false;
            item.run_id.clear();
            again.push_back(std::move(item));
            continue;
        }
        finish(work, item, told, committed);
    }
    for (const std::string& run_id : work.rung)
        if (std::find(committed.lost.begin(), committed.lost.end(), run_id) != committed.lost.end())
            alarms.set(run_id, work.now);
    for (const CachedRun* cached : work.touched)
        if (!gone.contains(cached->run.id)) learn_held(*cached, work.now, held, told.held);
    put_urgent_first(told.commands);
    const bool says_something = !told.commands.empty() || !told.held.empty() || !told.settled.empty() ||
                                !told.stranded.empty() || !told.refused.empty();
    if (sinks.tell && says_something) sinks.tell(std::move(told));
    fail_point("engine.told");
    for (RedriveItem& redrive : work.republished)
        publish_again(std::move(redrive));

    std::vector<RunChanged> changes;
    std::vector<std::string> asleep;
    for (CachedRun* cached : work.touched) {
        const bool changed = !cached->facts.empty() && !gone.contains(cached->run.id);
        if (changed) changes.push_back({cached->run.id, cached->run.version, cached->run.status});
        if (changed) log_facts(*cached);
        if (changed && cached->workflow->keeps_results) keep_results(*cached);
        if (changed && (!cached->workflow->event_shapes.empty() || cached->workflow->keeps_results)) follow_waits(*cached);
        note_limits(*cached);
        cached->facts.clear();
        cached->dead.clear();
        cached->revived.clear();
        cached->dropped.clear();
        cached->closings.clear();
        cached->is_touched = false;
        cached->rang = false;
        cache.weigh(*cached);
        if (sleeps(*cached, work.now)) asleep.push_back(cached->run.id);
    }
    for (const auto& [run_id, facts] : work.forced) {
        if (gone.contains(run_id)) continue;
        changes.push_back({run_id, left_alone[run_id].row->version + 1, std::get<core::fact::RunBecame>(facts.back().body).status});
        left_alone.erase(run_id);
    }
    wake_watches(changes);
    if (listener && !changes.empty()) listener(changes);
    // Ids by value: erasing frees the run they are in.
    for (const RunChanged& change : changes)
        if (core::is_closed(change.status)) {
            cache.erase(std::string{change.run_id});
            give_back(change.run_id);
        }
    for (const std::string& run_id : gone)
        cache.erase(run_id);
    for (const DuplicateStart& one : committed.duplicates)
        give_back(one.run_id);
    for (const std::string& run_id : asleep)
        cache.erase(run_id);
    // A closed run that somebody only looked at is not worth its place.
    for (const std::string& run_id : work.loaded)
        if (const CachedRun* cached = cache.find(run_id);
            cached && core::is_closed(cached->run.status))
            cache.erase(run_id);
    pending.insert(pending.begin(), std::make_move_iterator(again.begin()),
                   std::make_move_iterator(again.end()));
    cache.trim(outbox.bytes());
}

// Commands of everything committed; versions, alarms and the outbox move on.
Told Engine::Body::tell_of(Work& work, const std::set<std::string>& gone) {
    Told told;
    for (const AlarmMove& move : work.batch.alarms) {
        if (CachedRun* cached = cache.find(move.run_id)) cached->alarm = move.due;
        if (move.due) alarms.set(move.run_id, *move.due);
    }
    for (const RunChange& change : work.batch.runs) {
        // A transition that lost has a number too, and nothing to publish.
        std::uint32_t commands = 0;
        std::size_t bytes = 0;
        const auto add = [&](core::Command command) {
            bytes += memory_of(command);
            told.commands.push_back({{change.part, change.pseq, owned[change.part].epoch}, std::move(command)});
            ++commands;
        };
        if (CachedRun* cached = cache.find(change.run_id);
            cached && !gone.contains(change.run_id)) {
            cached->run.version = change.version;
            metrics.transitions.add();
            count_facts(metrics, *cached, work.now);
            if (spans.is_on()) spans.tell(*cached, work.now);
            for (const DeadLetter& letter : change.dead_letters)
                metrics.dead_letters.of(letter.task, letter.reason).add();
            for (const core::Fact& fact : cached->facts)
                if (auto command = core::command_of(cached->name(), fact)) {
                    add(std::move(*command));
                }
            if (change.alarm) {
                cached->alarm = change.alarm->due;
                if (change.alarm->due)
                    alarms.set(change.run_id, *change.alarm->due);
                else
                    alarms.cancel(change.run_id);
            }
            if (core::is_closed(cached->run.status)) alarms.cancel(change.run_id);
        } else if (const auto forced = work.forced.find(change.run_id);
                   forced != work.forced.end() && !gone.contains(change.run_id)) {
            alarms.cancel(change.run_id);
            const StoredRun& row = *left_alone[change.run_id].row;
            for (const core::Fact& fact : forced->second)
                if (auto command =
                        core::command_of({row.run_id, row.workflow, row.workflow_version}, fact))
                    add(std::move(*command));
        }
        outbox.add(change.part, change.pseq, commands, bytes, work.now);
    }
    return told;
}

namespace {

// Of the problem that the step has whose run cannot begin.
std::string type_of(const Failure& refusal) {
    if (refusal.code == make_error_code(EngineErrc::unknown_workflow)) return "baton.unknown_workflow";
    if (refusal.code == make_error_code(EngineErrc::refused)) return "baton.refused";
    if (refusal.code == make_error_code(EngineErrc::too_many_runs)) return std::string(core::family_type);
    return "baton.bad_input";
}

} // namespace

// Who waits for the run hears that it does not begin.
void Engine::Body::refuse_child(const ReportItem& asked, Told& told) {
    const auto& start = std::get<core::RunStarted>(asked.report.event);
    core::Problem problem;
    problem.type = type_of(*asked.refusal);
    problem.title = fmt::format("the run of workflow '{}' cannot begin", start.workflow);
    problem.detail = asked.refusal->detail;
    problem.retryable = false;
    const core::ParentRef& parent = *start.parent;
    told.refused.push_back({{parent.run_id, core::TaskFailed{parent.ref, std::move(problem)}, asked.report.delivery},
                            partition_of(parent.run_id, options.partition_count),
                            {}});
}

void Engine::Body::finish(const Work& work, Item& item, Told& told, const Committed& committed) {
    const auto answer = [&](auto& reply, const std::string& run_id) {
        if (!reply) return;
        if (item.refusal) return reply(*item.refusal);
        const CachedRun* cached = cache.find(run_id);
        if (const auto forced = work.forced.find(run_id); !cached && forced != work.forced.end())
            reply(RunChanged{run_id, left_alone[run_id].row->version + 1, std::get<core::fact::RunBecame>(forced->second.back().body).status});
        else if (cached)
            reply(RunChanged{run_id, cached->run.version, cached->run.status});
        else
            reply(Failure{make_error_code(EngineErrc::unknown_run), "the run is gone"});
    };
    const auto answer_done = [&](auto& reply) {
        if (!reply) return;
        if (item.refusal)
            reply(*item.refusal);
        else
            reply(Outcome<void>{boost::system::in_place_value});
    };
    std::visit(Overloaded{
                   [&](ReportItem& one) {
                       if (one.replaced) replace_for(*one.replaced);
                       if (one.refusal)
                           refuse_child(one, told);
                       else if (!item.stranded.empty() && is_worth_keeping(one.report.event))
                           strand(one.report, item.stranded, told);
                       else if (one.report.delivery)
                           told.settled.push_back(*one.report.delivery);
                   },
                   [&](StartItem& one) {
                       const auto duplicate =
                           std::find_if(committed.duplicates.begin(), committed.duplicates.end(),
                                        [&](const DuplicateStart& start) {
                                            return start.run_id == item.run_id;
                                        });
                       if (!item.refusal && duplicate != committed.duplicates.end())
                           return duplicate_start(one, *duplicate);
                       if (one.replaces && !item.refusal) replace_for(*one.slot);
                       if (!one.reply) return;
                       if (item.refusal) return one.reply(*item.refusal);
                       if (!one.instead.empty()) return one.reply(Started{one.instead, false, 0, true});
                       const CachedRun* cached = cache.find(one.run_id);
                       one.reply(Started{one.run_id, true, cached ? cached->workflow->version : 0, false,
                                         cached && cached->run.status == RunStatus::queued});
                   },
                   [&](CancelItem& one) { answer(one.reply, one.run_id); },
                   [&](RetryItem& one) { answer(one.reply, one.run_id); },
                   [&](SkipItem& one) { answer(one.reply, one.run_id); },
                   [&](FinishItem& one) { answer(one.reply, one.run_id); },
                   [&](OperateItem& one) { answer(one.reply, one.run_id); },
                   [&](RedriveItem& one) {
                       const bool is_settled = one.is_published || one.failure;
                       if (is_settled) on_their_way.erase(one.id);
                       const bool waits = one.letter && is_message(*one.letter) && !is_settled;
                       if (!waits || item.refusal) answer_done(one.reply);
                   },
                   [&](DropItem& one) { answer_done(one.reply); },
                   [&](WatchItem& one) {
                       if (item.refusal) return one.reply(*item.refusal);
                       const CachedRun* cached = cache.find(one.run_id);
                       if (cached && (cached->run.version > one.after_seq ||
                                      core::is_closed(cached->run.status)))
                           return one.reply(
                               RunChanged{one.run_id, cached->run.version, cached->run.status});
                       watches_of.emplace(one.run_id, one.id);
                       watches[one.id] = {one.run_id, one.after_seq, std::move(one.reply)};
                   },
                   [&](PlainDeadLetter& one) {
                       if (one.delivery) told.settled.push_back(*one.delivery);
                       if (one.stored) one.stored();
                   },
                   [](DeadJobItem&) {},
                   [](CancelDeadJobItem&) {},
                   [](DeployItem&) {},
                   [](UndeployItem&) {},
                   [](PauseItem&) {},
                   [](ForgetItem&) {},
                   [](IncidentsItem&) {},
                   [](ConfirmItem&) {},
                   [](HearingItem&) {},
                   [](AssignItem&) {},
                   [](ListeningItem&) {},
                   [](DefinitionsItem&) {},
                   [](AnsweredItem&) {},
                   [](EventItem&) {},
                   [](EventLookItem&) {},
                   [&](QueueLostItem& one) { next_page(std::move(one)); },
               },
               item.body);
}

void Engine::Body::next_page(QueueLostItem lost) {
    if (lost.has_more) {
        lost.after_run_id = lost.page.back();
    } else {
        if (!lost.parts.empty()) lost.parts.erase(lost.parts.begin());
        lost.after_run_id.clear();
    }
    if (!lost.parts.empty()) return mailbox.put({std::move(lost)});
    if (lost.done) lost.done();
}

void Engine::Body::publish_again(RedriveItem redrive) {
    if (!sinks.republish) return;
    DeadLetter letter = *redrive.letter;
    on_their_way.insert(redrive.id);
    sinks.republish(std::move(letter), [this, id = redrive.id, reply = std::move(redrive.reply),
                                        closing = std::move(redrive.closing)](const Outcome<void>& settled) {
        RedriveItem item{id, reply, {}, settled.has_value(), closing};
        if (!settled) item.failure = settled.error();
        mailbox.put({std::move(item)});
    });
}

void Engine::Body::strand(Report& report, std::string& reason, Told& told) const {
    const Partition part = partition_of(report.run_id, options.partition_count);
    told.stranded.push_back({std::move(report), part, std::move(reason)});
}

void Engine::Body::duplicate_start(StartItem& start, const DuplicateStart& duplicate) {
    using OnDuplicate = core::Idempotency::OnDuplicate;
    const auto found = live.find(start.request.workflow);
    const bool has_policy = found != live.end() && found->second->idempotency;
    const auto policy =
        has_policy ? found->second->idempotency->on_duplicate : OnDuplicate::return_existing;
    const std::string existing = duplicate.existing_run_id;
    if (!start.reply) return;
    if (start.request.is_by_trigger) return start.reply(Started{existing, false, 0});
    // Who gives a key and other input with it would be told of a run that does something else. A
    // workflow's own key is different: it says which inputs count as one.
    if (!duplicate.same_input && !start.request.key.empty() && policy != OnDuplicate::refuse) {
        start.reply(Failure{make_error_code(EngineErrc::duplicate),
                            fmt::format("run {} was started under the key '{}' with other input; use another key, "
                                        "or the same input",
                                        existing, start.request.key)});
        return;
    }
    switch (policy) {
    case OnDuplicate::return_existing:
        start.reply(Started{existing, false, 0});
        return;
    case OnDuplicate::refuse:
        start.reply(Failure{make_error_code(EngineErrc::duplicate),
                            fmt::format("run {} has this key already", existing)});
        return;
    case OnDuplicate::restart_failed: {
        // A run that did not fail refuses the retry, and is simply the answer.
        auto reply = std::move(start.reply);
        pending.push_back({RetryItem{existing, false, [reply, existing](const Outcome<RunChanged>&) {
                                         reply(Started{existing, false, 0});
                                     }}});
        return;
    }
    }
}

void Engine::Body::wake_watches(const std::vector<RunChanged>& changes) {
    if (watches.empty()) return;
    for (const RunChanged& change : changes) {
        auto [at, last] = watches_of.equal_range(change.run_id);
        while (at != last) {
            const auto watch = watches.find(at->second);
            if (watch != watches.end() && change.seq <= watch->second.after_seq &&
                !core::is_closed(change.status)) {
                ++at;
                continue;
            }
            if (watch != watches.end()) {
                const auto reply = std::move(watch->second.reply);
                watches.erase(watch);
                reply(change);
            }
            at = watches_of.erase(at);
        }
    }
}

} // namespace baton::orchestrator::runtime
