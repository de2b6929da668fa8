// Decide: what each item of a batch does to runs in memory. Nothing here writes or tells.
#include "base/log.hpp"
#include "orchestrator/core/data.hpp"
#include "orchestrator/core/fact.hpp"
#include "orchestrator/core/fingerprint.hpp"
#include "orchestrator/core/input.hpp"
#include "orchestrator/runtime/dead_job.hpp"
#include "orchestrator/runtime/engine_body.hpp"

#include <fmt/format.h>

namespace baton::orchestrator::runtime {
namespace {

// Keys are indexed; a B-tree page of PostgreSQL takes no more.
constexpr std::size_t key_bytes_max = 1000;
constexpr const char* on_its_way_text =
    "its message is on its way to the broker already, and marked when the broker has it";
constexpr const char* withdrawn_text = "the request was withdrawn before it was decided";
// What a batch may bring to the store: some runs of the largest size, many thousands of usual ones.
constexpr std::size_t batch_bytes_max = std::size_t{64} * 1024 * 1024;
// A run that cannot be read is looked at again after this.
constexpr Duration unreadable_pause = std::chrono::minutes(1);

Failure refusal(EngineErrc errc, std::string detail) {
    return {make_error_code(errc), std::move(detail)};
}

std::string lines_of(const std::vector<std::string>& complaints) {
    std::string text;
    for (const std::string& one : complaints)
        text += (text.empty() ? "" : "\n") + one;
    return text;
}

} // namespace

void Engine::Body::decide(Work& work) {
    for (const std::string& run_id : work.rung) {
        if (work.bytes < batch_bytes_max)
            ring(work, run_id);
        else
            alarms.set(run_id, work.now);
    }
    for (Item& item : work.items) {
        if (work.bytes >= batch_bytes_max) item.put_off = true; // so that each run keeps its order
        if (!item.put_off && !item.refusal && take(item)) std::visit([&](auto& body) { decide(work, item, body); }, item.body);
    }
}

core::Transition Engine::Body::advance(Work& work, CachedRun& cached, const core::Event& event,
                                       const std::string& actor) {
    if (!cached.is_touched) {
        cached.is_touched = true;
        work.touched.push_back(&cached);
        work.bytes += core::size_of(cached.run).text;
    }
    metrics.events.add();
    core::Transition made =
        core::advance(*cached.workflow, cached.run, event, work.now, options.run_limits, core::evaluating_judge(),
                      HandOutGate(pauses, task_limits, *cached.workflow, cached.run, work.now));
    note_slot(cached);
    if (!made.facts.empty()) made.facts.front().actor = actor;
    work.bytes += made.bytes;
    const auto append = [](auto& to, auto& from) {
        to.insert(to.end(), std::make_move_iterator(from.begin()),
                  std::make_move_iterator(from.end()));
    };
    append(cached.facts, made.facts);
    // A dead letter that is settled within its batch was never there: the store closes those that it has.
    for (const auto* settled : {&made.revived, &made.dropped})
        for (const std::string& step : *settled)
            std::erase_if(cached.dead, [&](const core::DeadTask& dead) {
                return dead.ref.step + (dead.ref.undo ? ":undo" : "") == step;
            });
    append(cached.dead, made.dead);
    append(cached.revived, made.revived);
    append(cached.dropped, made.dropped);
    return made;
}

// False: whoever asked waits no longer and was told that it does not happen.
bool Engine::Body::take(Item& item) {
    const auto claim = std::exchange(item.claim, nullptr);
    if (!claim || claim->take({})) return true;
    item.refusal = refusal(EngineErrc::refused, withdrawn_text);
    return false;
}

// A request about a run that exists or not.
CachedRun* Engine::Body::find_or_refuse(Item& item, const std::string& run_id) {
    CachedRun* cached = cache.find(run_id);
    if (cached) return cached;
    if (const auto found = left_alone.find(run_id); found != left_alone.end())
        item.refusal = refusal(EngineErrc::refused, found->second.reason);
    else
        item.refusal = refusal(EngineErrc::unknown_run, fmt::format("there is no run {}", run_id));
    return nullptr;
}

void Engine::Body::refuse_stale(Item& item, std::uint64_t version) {
    item.refusal = refusal(EngineErrc::stale,
                           fmt::format("the run has changed since it was looked at: it is at {} and was at {}; "
                                       "somebody may have been faster",
                                       version, *item.only_at));
}

void Engine::Body::ask(Work& work, Item& item, const std::string& run_id,
                       const core::Event& event, const std::string& actor) {
    CachedRun* cached = find_or_refuse(item, run_id);
    if (!cached) return;
    // What the batch has done to it already is its next version.
    const std::uint64_t version = cached->run.version + (cached->facts.empty() ? 0 : 1);
    if (item.only_at && *item.only_at != version) return refuse_stale(item, version);
    if (auto no_slot = why_no_slot(*cached, event)) {
        item.refusal = std::move(*no_slot);
        return;
    }
    const core::Transition made = advance(work, *cached, event, actor);
    if (made.refusal.empty())
        item.run_id = run_id;
    else
        item.refusal = refusal(EngineErrc::refused, made.refusal);
}

std::string Engine::Body::too_many_runs(const std::string& root) const {
    return fmt::format("run {} has led to {} runs, as many as one may (orchestrator.family_runs_max): does a workflow "
                       "call itself without end? They are found by root:{}",
                       root, families.runs_max(), root);
}

// A run that is a step's attempt of another one. Its id says which, so however often it is asked for it is
// begun once.
void Engine::Body::begin_child(Work& work, Item& item, ReportItem& report, const core::RunStarted& asked) {
    const std::string& run_id = report.report.run_id;
    if (cache.find(run_id) != nullptr) return;
    if (const auto found = left_alone.find(run_id); found != left_alone.end()) {
        if (found->second.is_foreign) item.stranded = found->second.reason;
        return;
    }
    StartItem start;
    start.run_id = run_id;
    start.parent = asked.parent;
    start.request.workflow = asked.workflow;
    start.request.input = asked.input.is_null() ? "{}" : std::string{asked.input.text()};
    start.request.actor = "run:" + asked.parent->run_id;
    start.request.trace = asked.trace;
    if (const auto found = live.find(asked.workflow); found == live.end())
        item.refusal = refusal(EngineErrc::unknown_workflow, fmt::format("there is no workflow '{}'", asked.workflow));
    else if (!families.take(core::root_of(*asked.parent)))
        item.refusal = refusal(EngineErrc::too_many_runs, too_many_runs(core::root_of(*asked.parent)));
    else if (take_child_slot(item, start, *found->second))
        begin_run(work, item, start, found->second);
    if (!item.refusal && !start.instead.empty())
        item.refusal = refusal(EngineErrc::refused,
                               fmt::format("run {} of its concurrency key '{}' goes on", start.instead, start.slot->key));
    if (start.replaces && !item.refusal) report.replaced = start.slot;
    if (!item.refusal) return;
    item.run_id.clear();
    report.refusal = std::exchange(item.refusal, std::nullopt);
}

void Engine::Body::decide(Work& work, Item& item, ReportItem& report) {
    if (const auto* start = std::get_if<core::RunStarted>(&report.report.event); start != nullptr && start->parent)
        return begin_child(work, item, report, *start);
    CachedRun* cached = cache.find(report.report.run_id);
    // What never began needs no end.
    if (!cached && std::holds_alternative<core::CancelRequested>(report.report.event) &&
        !left_alone.contains(report.report.run_id))
        return;
    if (!cached) {
        metrics.unknown_reports.add();
        const auto found = left_alone.find(report.report.run_id);
        item.stranded = found != left_alone.end()
                            ? found->second.reason
                            : fmt::format("there is no run {} in this store", report.report.run_id);
        return;
    }
    item.run_id = report.report.run_id;
    if (!advance(work, *cached, report.report.event).ignored) return;
    metrics.ignored_reports.add();
    if (is_worth_keeping(report.report.event)) work.asked.insert(cached->part);
}

std::string Engine::Body::new_run_id(Time now, const std::optional<SlotKey>& slot) {
    while (true) {
        std::string id = uuid_v7(millis_of(now), random);
        // All runs of a concurrency key are in one partition.
        if (slot && partition_of(id, options.partition_count) != slot_partition(*slot, options.partition_count)) continue;
        // Only what this process owns: so a start never waits for another one.
        if (decides(partition_of(id, options.partition_count))) return id;
    }
}

void Engine::Body::decide(Work& work, Item& item, StartItem& start) {
    if (const auto claim = std::exchange(start.request.claim, nullptr)) {
        if (start.run_id.empty()) start.run_id = new_run_id(work.now, start.slot);
        if (!claim->take(start.run_id)) {
            item.refusal = refusal(EngineErrc::refused, withdrawn_text);
            return;
        }
    }
    const auto found = live.find(start.request.workflow);
    if (found == live.end() ||
        (start.request.version != 0 && start.request.version != found->second->version)) {
        item.refusal =
            refusal(EngineErrc::unknown_workflow,
                    found == live.end()
                        ? fmt::format("there is no workflow '{}'", start.request.workflow)
                        : fmt::format("version {} of workflow '{}' is not live, version {} is",
                                      start.request.version, start.request.workflow,
                                      found->second->version));
        return;
    }
    if (!start.run_id.empty() && cache.find(start.run_id)) {
        item.run_id = start.run_id; // committed the first time already
        return;
    }
    if (is_full()) {
        item.refusal = refusal(
            EngineErrc::overloaded,
            fmt::format("{} MiB of messages wait for the broker, as much as may be held in memory "
                        "(orchestrator.runs_mib_max); nothing was started, try again when it takes them",
                        outbox.bytes() / (1024 * 1024)));
        return;
    }
    begin_run(work, item, start, found->second);
}

void Engine::Body::begin_run(Work& work, Item& item, StartItem& start,
                             const std::shared_ptr<const core::Workflow>& workflow) {
    auto parsed = core::Document::parse(start.request.input.empty() ? "{}" : start.request.input);
    if (!parsed) {
        item.refusal = refusal(EngineErrc::bad_input, "input: " + parsed.error().detail);
        return;
    }
    const core::CheckedInput checked = core::check_input(workflow->input, *parsed);
    if (!checked.complaints.empty()) {
        item.refusal = refusal(EngineErrc::bad_input, lines_of(checked.complaints));
        return;
    }

    if (checked.input.text().size() > options.run_limits.text_bytes) {
        item.refusal = refusal(
            EngineErrc::bad_input,
            fmt::format("the input has {} bytes; one run may hold {} (orchestrator.run_mib_max)",
                        checked.input.text().size(), options.run_limits.text_bytes));
        return;
    }

    if (start.run_id.empty()) start.run_id = new_run_id(work.now, start.slot);
    CachedRun fresh;
    fresh.workflow = workflow;
    fresh.run = core::new_run(*workflow, start.run_id);
    fresh.run.input = checked.input;
    // A run of another one has its key already: the attempt that it is.
    const auto start_key = start.parent ? Outcome<std::string>{std::string{}} : start_key_of(*workflow, fresh.run, start.request);
    if (!start_key) {
        item.refusal = start_key.error();
        return;
    }
    const std::string& key = *start_key;
    auto tags = tags_of(*workflow, fresh.run, start.request.labels);
    if (!tags) {
        item.refusal = refusal(EngineErrc::bad_input, tags.error().detail);
        return;
    }
    if (key.find('\0') != std::string::npos || key.size() > key_bytes_max) {
        item.refusal = refusal(
            EngineErrc::bad_input,
            fmt::format("the idempotency key must be text of at most {} bytes", key_bytes_max));
        return;
    }
    if (!key.empty() && !work.start_keys.emplace(workflow->name, key).second) {
        item.put_off = true; // the store decides which start has the key, one batch after the other
        return;
    }

    core::RunStarted event{checked.input};
    event.scheduled_at = start.request.scheduled_at;
    event.parent = start.parent;
    event.caller = start.request.caller;
    event.trace = start.request.trace;
    if (!admit(item, start, *workflow, event)) return;
    fresh.part = partition_of(start.run_id, options.partition_count);
    if (start.parent) tags->push_back({std::string(root_tag), core::root_of(*start.parent)});
    if (start.slot) tags->push_back({std::string(slot_tag), start.slot->key});
    NewRun created;
    created.definition_id = workflow->definition_id;
    created.workflow = workflow->name;
    created.workflow_version = workflow->version;
    created.started_at = work.now;
    created.input = checked.input.text();
    created.tags = std::move(*tags);
    if (!key.empty()) {
        created.start_key = StartKey{key, core::sha256(checked.input.text()), {}};
        if (!start.request.is_by_trigger && workflow->idempotency && workflow->idempotency->window)
            created.start_key->expires_at = work.now + *workflow->idempotency->window;
    }
    fresh.created = std::move(created);
    CachedRun& cached = cache.insert(std::move(fresh));
    item.run_id = start.run_id;
    advance(work, cached, event, start.request.actor);
}

// A run that cannot be read is closed without being read: its row says what it is from then on, and its
// history why. What its steps did stays as it is.
bool Engine::Body::force(Work& work, Item& item, const std::string& run_id, RunStatus status,
                         core::Fact asked, const std::string& reason) {
    const auto found = left_alone.find(run_id);
    if (found == left_alone.end() || found->second.is_foreign || !found->second.row) return false;
    const StoredRun& row = *found->second.row;
    if (core::is_closed(row.status) || work.forced.contains(run_id)) return false;
    if (item.only_at && *item.only_at != row.version) {
        refuse_stale(item, row.version);
        return true;
    }
    core::Problem problem;
    problem.type = unreadable_type;
    problem.title = "closed by hand, unread";
    problem.detail = reason + (reason.empty() ? "" : "; ") + found->second.reason;
    std::vector<core::Fact> facts{std::move(asked)};
    core::fact::RunBecame closed;
    closed.status = status;
    closed.error = core::to_document(problem);
    closed.by_hand = true;
    facts.push_back({std::move(closed)});

    RunChange& change = work.batch.runs.emplace_back();
    change.run_id = run_id;
    change.part = row.part;
    change.version = row.version + 1;
    change.status = status;
    change.closed_at = work.now;
    change.error_type = problem.type;
    change.error = plain(problem.detail);
    change.pseq = ++owned.at(row.part).pseq;
    change.at = work.now;
    core::append_json(change.events, facts);
    change.alarm = AlarmChange{};
    work.forced.emplace(run_id, std::move(facts));
    item.run_id = run_id;
    return true;
}

void Engine::Body::decide(Work& work, Item& item, CancelItem& cancel) {
    if (!cache.find(cancel.run_id) &&
        force(work, item, cancel.run_id, RunStatus::cancelled,
              {core::fact::CancelRequested{cancel.reason}, cancel.actor}, cancel.reason))
        return;
    ask(work, item, cancel.run_id, core::CancelRequested{cancel.reason}, cancel.actor);
}

void Engine::Body::decide(Work& work, Item& item, RetryItem& retry) {
    ask(work, item, retry.run_id, core::RunRetried{retry.now}, retry.actor);
}

void Engine::Body::decide(Work& work, Item& item, SkipItem& skip) {
    ask(work, item, skip.run_id, core::UndoSkipped{skip.step, skip.reason}, skip.actor);
}

void Engine::Body::decide(Work& work, Item& item, FinishItem& finish) {
    if (!cache.find(finish.run_id) &&
        force(work, item, finish.run_id, finish.status,
              {core::fact::RunFinished{finish.reason}, finish.actor}, finish.reason))
        return;
    ask(work, item, finish.run_id, core::RunFinished{finish.status, finish.reason}, finish.actor);
}

// Letters of steps that nobody tries any more, or that are tried again, are closed by who asked for it.
void Engine::Body::decide(Work& work, Item& item, OperateItem& asked) {
    CachedRun* cached = cache.find(asked.run_id);
    const std::size_t revived = cached ? cached->revived.size() : 0;
    const std::size_t dropped = cached ? cached->dropped.size() : 0;
    ask(work, item, asked.run_id, asked.event, asked.closing.by);
    if (item.refusal || !cached) return;
    const auto sign = [&](const std::vector<std::string>& steps, std::size_t from) {
        for (std::size_t i = from; i < steps.size(); ++i)
            cached->closings.try_emplace(steps[i], asked.closing);
    };
    sign(cached->revived, revived);
    sign(cached->dropped, dropped);
}

namespace {

// Why nothing can be done with a dead letter; nothing if something can.
std::optional<Failure> refusal_of(std::uint64_t id, const std::optional<DeadLetter>& letter) {
    if (!letter)
        return refusal(EngineErrc::unknown_dead_letter,
                       fmt::format("there is no dead letter {}; baton dead list shows them", id));
    if (letter->state != DeadLetterState::open)
        return refusal(EngineErrc::settled, "the dead letter is settled already");
    return std::nullopt;
}

} // namespace

bool Engine::Body::is_on_its_way(const Work& work, std::uint64_t id) const {
    return on_their_way.contains(id) ||
           std::any_of(work.republished.begin(), work.republished.end(),
                       [id](const RedriveItem& one) { return one.id == id; });
}

void Engine::Body::decide(Work& work, Item& item, RedriveItem& redrive) {
    item.refusal = redrive.failure;
    if (!item.refusal) item.refusal = refusal_of(redrive.id, redrive.letter);
    if (item.refusal) return;
    const DeadLetter& letter = *redrive.letter;
    if (is_message(letter) && !redrive.input.is_null()) {
        item.refusal = refusal(EngineErrc::refused, "this is a message and no task of a run: it has a body and no input");
        return;
    }
    if (is_message(letter)) {
        // Publish, confirm, then mark: a crash in between leaves the letter open, and a second message has
        // the same id as the first.
        if (redrive.is_published) {
            work.batch.redriven_dead_letters.push_back(letter.id);
            work.batch.closings[letter.id] = redrive.closing;
        } else if (is_on_its_way(work, redrive.id)) {
            item.refusal = refusal(EngineErrc::settled, on_its_way_text);
        } else {
            if (redrive.body) redrive.letter->message = with_body(letter.message, *redrive.body);
            work.republished.push_back(redrive);
        }
        return;
    }
    if (redrive.body) {
        item.refusal = refusal(EngineErrc::refused, "this is the task of a run and no message: it has no body to be changed");
        return;
    }
    core::TaskRevived event{letter.step, false, redrive.input, redrive.closing.reason};
    if (event.step.ends_with(":undo")) {
        event.step.resize(event.step.size() - 5);
        event.undo = true;
    }
    // Opening a run again revives all of its dead steps, and their letters are closed with this one.
    CachedRun* cached = cache.find(letter.run_id);
    if (const auto found = cached ? cached->closings.find(letter.step) : std::map<std::string, Closing>::iterator{};
        cached && found != cached->closings.end() && redrive.input.is_null() && !item.only_at) {
        found->second = redrive.closing;
        item.run_id = letter.run_id;
        return;
    }
    ask(work, item, letter.run_id, event, redrive.closing.by);
    if (item.refusal || !cached) return;
    for (const std::string& step : cached->revived)
        cached->closings.try_emplace(step, Closing{redrive.closing.by, redrive.closing.reason,
                                                   step == letter.step ? redrive.closing.job : 0});
}

void Engine::Body::decide(Work& work, Item& item, DropItem& drop) {
    item.refusal = refusal_of(drop.id, drop.letter);
    if (!item.refusal && is_on_its_way(work, drop.id)) item.refusal = refusal(EngineErrc::settled, on_its_way_text);
    if (item.refusal) return;
    work.batch.dropped_dead_letters.push_back(drop.id);
    work.batch.closings[drop.id] = drop.closing;
}

void Engine::Body::decide(Work&, Item& item, WatchItem& watch) {
    find_or_refuse(item, watch.run_id);
}

void Engine::Body::decide(Work& work, Item&, PlainDeadLetter& letter) {
    letter.letter.at = work.now;
    work.batch.plain_dead_letters.push_back(letter.letter);
}

void Engine::Body::decide(Work& work, Item&, QueueLostItem& lost) {
    // That none of its runs has anything to send is for the owner to say: what this process remembers may be old.
    if (!lost.parts.empty()) work.asked.insert(lost.parts.front());
    for (const std::string& run_id : lost.again.empty() ? lost.page : lost.again) {
        CachedRun* cached = cache.find(run_id);
        if (!cached) continue;
        if (lost.releases) {
            release(work, *cached);
            continue;
        }
        const auto unsent = lost.unsent.find(run_id);
        const core::Transition made =
            advance(work, *cached,
                    core::QueueLost{lost.routes, unsent == lost.unsent.end() ? std::vector<core::AttemptRef>{}
                                                                             : unsent->second});
        if (!made.ignored)
            log::warning("engine", "what waited in a deleted queue is sent again", {{"run", run_id}});
    }
}

// These never get into a batch; gather() and prepare() have taken them.
void Engine::Body::decide(Work&, Item&, DeadJobItem&) {}
void Engine::Body::decide(Work&, Item&, CancelDeadJobItem&) {}
void Engine::Body::decide(Work&, Item&, DeployItem&) {}
void Engine::Body::decide(Work&, Item&, UndeployItem&) {}
void Engine::Body::decide(Work&, Item&, PauseItem&) {}
void Engine::Body::decide(Work&, Item&, ForgetItem&) {}
void Engine::Body::decide(Work&, Item&, IncidentsItem&) {}
void Engine::Body::decide(Work&, Item&, ConfirmItem&) {}

void Engine::Body::decide(Work&, Item&, HearingItem&) {}
void Engine::Body::decide(Work&, Item&, AssignItem&) {}
void Engine::Body::decide(Work&, Item&, ListeningItem&) {}
void Engine::Body::decide(Work&, Item&, DefinitionsItem&) {}
void Engine::Body::decide(Work&, Item&, AnsweredItem&) {}

void Engine::Body::ring(Work& work, const std::string& run_id) {
    CachedRun* cached = cache.find(run_id);
    if (!cached) {
        // It may be readable again later; a run that is gone has no alarm any more.
        const auto found = left_alone.find(run_id);
        if (found != left_alone.end() && !found->second.is_foreign)
            alarms.set(run_id, work.now + unreadable_pause);
        return;
    }
    cached->rang = true;
    advance(work, *cached, core::AlarmRang{});
}

} // namespace baton::orchestrator::runtime
