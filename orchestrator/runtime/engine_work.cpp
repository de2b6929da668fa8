// The loop: gather → load → decide → commit → tell.
#include "base/fail_point.hpp"
#include "base/log.hpp"
#include "base/overloaded.hpp"
#include "orchestrator/core/fact.hpp"
#include "orchestrator/core/run_json.hpp"
#include "orchestrator/runtime/engine_body.hpp"
#include "orchestrator/runtime/repair.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::orchestrator::runtime {
namespace {

// A cursor that moved without a transition behind it is written after this pause: it saves messages
// sent twice after a restart, nothing else.
constexpr Duration cursor_pause = std::chrono::milliseconds(500);
// Texts of runs that one batch reads; runs of the largest size come a few at a time.
constexpr std::size_t loaded_bytes_max = std::size_t{64} * 1024 * 1024;
std::string work_text_in(const core::Document& error, std::string_view name) {
    const auto* object = error.json().if_object();
    const auto* value = object ? object->if_contains(name) : nullptr;
    if (!value || !value->is_string()) return {};
    return {value->get_string().data(), value->get_string().size()};
}

} // namespace

std::string line_of(const core::Document& error) {
    std::string line = work_text_in(error, "detail");
    if (line.empty()) line = work_text_in(error, "title");
    if (line.empty()) line = work_text_in(error, "type");
    const std::string step = work_text_in(error, "step");
    return step.empty() ? line : fmt::format("{}: {}", step, line);
}

std::string plain(std::string text) {
    constexpr std::size_t bytes_max = 2000;
    std::replace_if(
        text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
    if (text.size() <= bytes_max) return text;
    std::size_t end = bytes_max;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80)
        --end; // whole letters
    return text.substr(0, end) + "...";
}

std::string_view run_of(const Item& item) {
    return std::visit(
        Overloaded{
            [](const ReportItem& one) { return std::string_view{one.report.run_id}; },
            // Of a start only once it has one: it may have been committed already.
            [](const StartItem& one) { return std::string_view{one.run_id}; },
            [](const CancelItem& one) { return std::string_view{one.run_id}; },
            [](const RetryItem& one) { return std::string_view{one.run_id}; },
            [](const SkipItem& one) { return std::string_view{one.run_id}; },
            [](const FinishItem& one) { return std::string_view{one.run_id}; },
            [](const OperateItem& one) { return std::string_view{one.run_id}; },
            [](const WatchItem& one) { return std::string_view{one.run_id}; },
            [](const RedriveItem& one) {
                return one.letter ? std::string_view{one.letter->run_id} : std::string_view{};
            },
            [](const auto&) { return std::string_view{}; },
        },
        item.body);
}

void Engine::Body::run_thread() {
    while (!mailbox.is_closed()) {
        if (work()) continue;
        std::optional<Duration> limit;
        if (const auto wake = next_wake())
            limit = std::clamp<Duration>(*wake - clock.now(), Duration{0}, std::chrono::hours(1));
        gather(mailbox.take(limit));
    }
    // What is known to be published need not be published again by the next life.
    gather(mailbox.take_now());
    if (is_ready && cursor_moved()) {
        last_commit = {};
        flush_cursor(clock.now());
    }
}

void Engine::Body::gather(std::vector<Item> items) {
    for (Item& item : items) {
        if (auto* confirm = std::get_if<ConfirmItem>(&item.body)) {
            for (const OutboxPlace& place : confirm->places)
                if (const auto mine = owned.find(place.part);
                    mine != owned.end() && mine->second.epoch == place.epoch)
                    outbox.confirm(place.part, place.pseq);
        } else if (auto* told = std::get_if<AssignItem>(&item.body)) {
            assign(std::move(told->assignment));
        } else if (const auto* listening = std::get_if<ListeningItem>(&item.body)) {
            heard_turn = std::max(heard_turn, listening->turn);
        } else if (const auto* answered = std::get_if<AnsweredItem>(&item.body)) {
            answered->act();
        } else if (const auto* hearing = std::get_if<HearingItem>(&item.body)) {
            hear(hearing->hears);
        } else if (auto* forget = std::get_if<ForgetItem>(&item.body)) {
            drop_watch(forget->id);
        } else if (const auto* asked = std::get_if<IncidentsItem>(&item.body)) {
            tell_incidents(*asked);
        } else {
            pending.push_back(std::move(item));
        }
    }
    metrics.waiting_items.set(static_cast<std::int64_t>(pending.size()));
}

// What was said meanwhile comes now: the clocks of all attempts begin anew, as after a restart. A run that
// is not in memory begins them when it is read.
void Engine::Body::hear(bool hears) {
    if (hears && is_deaf) {
        const Time now = clock.now();
        cache.each([now](CachedRun& cached) { core::begin_clocks_anew(*cached.workflow, cached.run, now); });
    }
    is_deaf = !hears;
    metrics.workers_heard.set(hears ? 1 : 0);
}

void Engine::Body::tell_incidents(const IncidentsItem& asked) const {
    std::vector<Incident> found;
    for (const auto& [run_id, left] : left_alone)
        if (!left.is_foreign && (asked.run_id.empty() || asked.run_id == run_id))
            found.push_back({run_id, left.reason});
    asked.reply(std::move(found));
}

void Engine::Body::drop_watch(const Engine::WatchId& id) {
    const auto watch = watches.find(id);
    if (watch == watches.end()) {
        // It may not have been looked at yet.
        const auto is_it = [&](const Item& item) {
            const auto* one = std::get_if<WatchItem>(&item.body);
            return one && one->id == id;
        };
        std::erase_if(pending, is_it);
        std::erase_if(parked, is_it);
        return;
    }
    const auto [first, last] = watches_of.equal_range(watch->second.run_id);
    const auto entry = std::find_if(first, last, [&](const auto& one) { return one.second == id; });
    if (entry != last) watches_of.erase(entry);
    watches.erase(watch);
}

bool Engine::Body::work() {
    gather(mailbox.take_now());
    const Time now = clock.now();
    if (!is_ready && !recover(now)) return false;
    if (!turn_ownership(now)) return true;
    if (!turn_jobs(now)) return true;
    if (are_slots_stale)
        if (const auto counted = load_slots(now); !counted) {
            Work nothing;
            nothing.now = now;
            failed(nothing, counted.error(), "counting what goes on");
            return true;
        }
    look_at_pauses(now);
    if (!hand_out_limited(now)) return true;
    forget_events(now);

    Work work;
    work.now = now;
    const std::size_t limit = careful > 0 ? 1 : options.batch_events_max;
    // What an alarm begins would wait in memory behind what waits there already.
    if (!is_full() && !is_deaf) {
        if (const auto due = alarms.next(); due && *due <= now) metrics.timer_lag_seconds.note((now - *due).count());
        work.rung = alarms.take_due(now, limit);
    }
    while (!pending.empty() && work.items.size() + work.rung.size() < limit) {
        work.items.push_back(std::move(pending.front()));
        pending.pop_front();
    }
    if (work.items.empty() && work.rung.empty()) {
        metrics.store_failing_since.set(0); // it was taken over, and nothing waits for it
        measure_memory();
        return flush_cursor(now);
    }

    // Once more when the letters are known that somebody asks about.
    send_away(work);
    if (!prepare(work)) return true;
    send_away(work);
    if (!load(work)) return true;
    if (!work.rung.empty()) fail_point("engine.alarm");
    decide(work);
    fail_point("engine.decided");
    build(work);
    if (!note_waits(work)) return true;
    commit(work);
    fail_point("engine.done");
    metrics.waiting_items.set(static_cast<std::int64_t>(pending.size()));
    measure_memory();
    return true;
}

void Engine::Body::note_trouble() {
    metrics.commit_failures.add();
    if (metrics.store_failing_since.value() == 0) metrics.store_failing_since.set(millis_of(clock.now()));
}

void Engine::Body::measure_memory() {
    metrics.cached_runs.set(static_cast<std::int64_t>(cache.size()));
    metrics.partitions_owned.set(is_ready ? static_cast<std::int64_t>(owned.size()) : 0);
    metrics.unpublished.set(static_cast<std::int64_t>(outbox.outstanding()));
    metrics.run_memory.set(static_cast<std::int64_t>(cache.memory()));
    const auto oldest = outbox.oldest();
    metrics.unconfirmed_since.set(oldest ? millis_of(*oldest) : 0);
    metrics.is_full.set(is_full() ? 1 : 0);
    metrics.unconfirmed_memory.set(static_cast<std::int64_t>(outbox.bytes()));
    metrics.unreadable_runs.set(std::count_if(left_alone.begin(), left_alone.end(), [](const auto& one) {
        return !one.second.is_foreign && (!one.second.row || !core::is_closed(one.second.row->status));
    }));
}

std::optional<Time> Engine::Body::next_wake() const {
    if (!is_ready) return not_before;
    if (!pending.empty()) return clock.now();
    std::optional<Time> wake;
    if (!is_full() && !is_deaf) wake = alarms.next();
    if (const auto due = task_limits.next_due()) wake = wake ? std::min(*wake, *due) : *due;
    const bool looks_at_pauses = options.is_shared || owned.size() < options.partition_count;
    if (looks_at_pauses) wake = wake ? std::min(*wake, next_pause_look) : next_pause_look;
    if (const auto job = next_job()) wake = wake ? std::min(*wake, *job) : *job;
    if (cursor_moved()) {
        const Time flush = last_commit + cursor_pause;
        wake = wake ? std::min(*wake, flush) : flush;
    }
    if (const auto other = next_ownership()) wake = wake ? std::min(*wake, *other) : *other;
    return wake;
}

namespace {

// Its input as the rule of its bulk job makes it of the letter's. A letter that is not open is refused anyway.
void mend(RedriveItem& redrive) {
    if (redrive.edit.empty() || !redrive.letter || redrive.letter->state != DeadLetterState::open) return;
    const auto changes = core::Document::parse_stored(redrive.edit);
    auto input = core::Document::parse_stored(redrive.letter->input);
    auto made = changes && input && !is_message(*redrive.letter) ? mended(input->json(), changes->json()) : std::nullopt;
    if (made)
        redrive.input = core::Document::of(std::move(*made));
    else
        redrive.failure = Failure{make_error_code(EngineErrc::bad_input), "the change does not fit its input"};
}

} // namespace

// What needs the store before anything can be decided: deploys, and dead letters to look at.
bool Engine::Body::prepare(Work& work) {
    const auto look_at = [&](auto& asked) {
        auto letter = store.dead_letter(asked.id);
        if (letter)
            asked.letter = std::move(*letter);
        else
            failed(work, letter.error(), "reading a dead letter");
        return letter.has_value();
    };
    const auto settle_job = [&](Item& item, auto& asked, const auto& act) {
        if (!take(item)) {
            if (asked.reply) asked.reply(*item.refusal);
            asked.reply = nullptr; // the item may come again, when the store fails another one
            return true;
        }
        auto done = act();
        if (!done && done.error().code.category() == store_category()) {
            failed(work, done.error(), "keeping a bulk job or a pause");
            return false;
        }
        if (const auto reply = std::exchange(asked.reply, nullptr)) reply(std::move(done));
        return true;
    };
    if (!refresh_definitions(work)) return false;
    for (Item& item : work.items) {
        if (auto* redrive = std::get_if<RedriveItem>(&item.body)) {
            if (!look_at(*redrive)) return false;
            mend(*redrive);
        } else if (auto* drop = std::get_if<DropItem>(&item.body)) {
            if (!look_at(*drop)) return false;
        } else if (auto* lost = std::get_if<QueueLostItem>(&item.body)) {
            if (!turn_to_page(work, *lost)) return false;
        } else if (auto* one = std::get_if<DeployItem>(&item.body)) {
            if (!take(item)) {
                if (one->reply) one->reply(*item.refusal);
                continue;
            }
            auto deployed = deploy(*one, work.now);
            if (!deployed && deployed.error().code.category() == store_category()) {
                failed(work, deployed.error(), "saving a definition");
                return false;
            }
            define_limits();
            if (deployed) give_slots_of(deployed->name); // its limit may be another one
            answer(*one, std::move(deployed));
        } else if (auto* undone = std::get_if<UndeployItem>(&item.body)) {
            if (!take(item)) {
                if (undone->reply) undone->reply(*item.refusal);
                continue;
            }
            auto retired = undeploy(undone->workflow);
            if (!retired && retired.error().code.category() == store_category()) {
                failed(work, retired.error(), "retiring a definition");
                return false;
            }
            define_limits();
            if (undone->reply) undone->reply(std::move(retired));
        } else if (auto* start = std::get_if<StartItem>(&item.body)) {
            if (const auto looked = look_at_start(item, *start, work.now); !looked) {
                failed(work, looked.error(), "looking for the run of a key");
                return false;
            }
        } else if (const auto* report = std::get_if<ReportItem>(&item.body)) {
            if (const auto looked = look_at_family(*report); !looked) {
                failed(work, looked.error(), "counting the runs of a family");
                return false;
            }
        } else if (auto* event = std::get_if<EventItem>(&item.body)) {
            if (const auto turned = turn_event(*event, work.now); !turned) {
                failed(work, turned.error(), "looking for who waits for an event");
                return false;
            }
        } else if (auto* look = std::get_if<EventLookItem>(&item.body)) {
            if (const auto looked = look_for_events(*look, work.now); !looked) {
                failed(work, looked.error(), "looking for events that came early");
                return false;
            }
        } else if (auto* wished = std::get_if<PauseItem>(&item.body)) {
            if (!settle_job(item, *wished, [&] { return pause_or_resume(*wished, work.now); })) return false;
        } else if (auto* bulk = std::get_if<DeadJobItem>(&item.body)) {
            if (!settle_job(item, *bulk, [&] { return add(bulk->job, work.now); })) return false;
        } else if (auto* ended = std::get_if<CancelDeadJobItem>(&item.body)) {
            if (!settle_job(item, *ended, [&] { return cancel(*ended, work.now); })) return false;
        }
    }
    std::erase_if(work.items,
                  [](const Item& item) {
                      return std::holds_alternative<DeployItem>(item.body) ||
                             std::holds_alternative<DeadJobItem>(item.body) ||
                             std::holds_alternative<CancelDeadJobItem>(item.body) ||
                             std::holds_alternative<PauseItem>(item.body) ||
                             std::holds_alternative<EventItem>(item.body) ||
                             std::holds_alternative<EventLookItem>(item.body) ||
                             std::holds_alternative<DefinitionsItem>(item.body) ||
                             std::holds_alternative<UndeployItem>(item.body);
                  });
    return true;
}

// Another node may have deployed what is asked for a moment ago.
bool Engine::Body::refresh_definitions(Work& work) {
    const auto is_asked_for = [this](const Item& item) {
        if (std::holds_alternative<DefinitionsItem>(item.body)) return true;
        if (!options.is_shared || item.tries > 0) return false;
        if (const auto* report = std::get_if<ReportItem>(&item.body)) {
            const auto* child = std::get_if<core::RunStarted>(&report->report.event);
            return child != nullptr && !live.contains(child->workflow);
        }
        const auto* start = std::get_if<StartItem>(&item.body);
        if (start == nullptr) return false;
        const auto found = live.find(start->request.workflow);
        return found == live.end() ||
               (start->request.version != 0 && start->request.version != found->second->version);
    };
    if (std::none_of(work.items.begin(), work.items.end(), is_asked_for)) return true;
    const auto loaded = load_definitions();
    if (!loaded) failed(work, loaded.error(), "reading definitions");
    if (loaded) give_slots_of({}); // a limit may be another one
    return loaded.has_value();
}

bool Engine::Body::turn_to_page(Work& work, QueueLostItem& lost) {
    // Another page only when all that the one before it found has been decided.
    if (!lost.again.empty()) return true;
    if (!std::exchange(lost.is_begun, true))
        for (const auto& [part, row] : owned)
            if (!lost.only || *lost.only == part) lost.parts.push_back(part);
    // The next owner of a partition that left meanwhile hears of it, too.
    while (!lost.parts.empty() && !owned.contains(lost.parts.front())) {
        lost.parts.erase(lost.parts.begin());
        lost.after_run_id.clear();
    }
    lost.page.clear();
    lost.has_more = false;
    if (lost.parts.empty()) return true;
    auto page = store.open_runs(lost.parts.front(), lost.after_run_id, lost_page);
    if (page) {
        lost.page = std::move(*page);
        lost.has_more = lost.page.size() == lost_page;
    } else {
        failed(work, page.error(), "looking for the runs of a lost queue");
    }
    return page.has_value();
}

bool Engine::Body::load(Work& work) {
    for (const Item& item : work.items) {
        const auto* asked = std::get_if<OperateItem>(&item.body);
        if (asked == nullptr || !std::holds_alternative<core::RunMended>(asked->event)) continue;
        cache.erase(asked->run_id);
        mending.insert(asked->run_id);
    }
    std::set<std::string, std::less<>> ids;
    const auto want = [&](std::string_view run_id) {
        if (!run_id.empty() && !cache.find(std::string{run_id})) ids.emplace(run_id);
    };
    for (const std::string& run_id : work.rung)
        want(run_id);
    for (const Item& item : work.items) {
        want(run_of(item));
        if (const auto* lost = std::get_if<QueueLostItem>(&item.body))
            for (const std::string& run_id : lost->page)
                want(run_id);
    }
    if (ids.empty()) return true;
    work.loaded.assign(ids.begin(), ids.end());
    std::set<std::string, std::less<>> damaged;
    auto stored = read_rows(work.loaded, loaded_bytes_max, damaged);
    if (!stored) {
        failed(work, stored.error(), "reading runs");
        return false;
    }
    std::set<std::string, std::less<>> later;
    std::vector<StoredRun> here;
    for (StoredRun& one : *stored) {
        ids.erase(one.run_id);
        if (one.texts == StoredRun::Texts::later)
            later.insert(one.run_id);
        else
            here.push_back(std::move(one));
    }
    if (const auto kept = keep_runs(here, work.now); !kept) {
        failed(work, kept.error(), "reading histories and definitions");
        return false;
    }
    for (const std::string& gone : ids)
        if (!damaged.contains(gone)) left_alone.erase(gone);
    // Whoever has no room in this batch is in the next one.
    for (Item& item : work.items) {
        if (later.contains(run_of(item))) item.put_off = true;
        auto* lost = std::get_if<QueueLostItem>(&item.body);
        if (lost == nullptr) continue;
        const auto first_late = std::find_if(lost->page.begin(), lost->page.end(),
                                             [&](const auto& run_id) { return later.contains(run_id); });
        if (first_late == lost->page.end()) continue;
        if (first_late == lost->page.begin()) item.put_off = true;
        lost->page.erase(first_late, lost->page.end());
        lost->has_more = true;
    }
    std::erase_if(work.rung, [&](const std::string& run_id) {
        if (!later.contains(run_id)) return false;
        alarms.set(run_id, work.now);
        return true;
    });
    return true;
}

// A damaged row fails the call that reads it. Then each is read alone, so that it stands by itself.
Outcome<std::vector<StoredRun>> Engine::Body::read_rows(const std::vector<std::string>& ids,
                                                        std::size_t sum_bytes,
                                                        std::set<std::string, std::less<>>& damaged) {
    // Twice: beyond its limit a run holds errors, and what its undos are given.
    const ReadLimits limits{2 * options.run_limits.text_bytes, sum_bytes};
    auto rows = store.load(ids, limits);
    if (rows || rows.error().code != StoreErrc::refused) return rows;
    const std::vector<std::string> nobody{"00000000-0000-7000-8000-000000000000"};
    BATON_TRY(store.load(nobody, limits)); // refuses it all: the store's own trouble
    std::vector<StoredRun> all;
    for (const std::string& id : ids) {
        auto alone = store.load(std::span(&id, 1), limits);
        if (!alone && alone.error().code != StoreErrc::refused) return alone;
        if (alone) {
            std::move(alone->begin(), alone->end(), std::back_inserter(all));
            continue;
        }
        damaged.insert(id);
        auto row = store.load(std::span(&id, 1), {0, sum_bytes});
        leave_alone(id, fmt::format("run {} cannot be read: {}", id, alone.error().detail));
        if (row && !row->empty()) left_alone[id].row = std::move(row->front());
    }
    return all;
}

// Loudly, once for each reason.
void Engine::Body::leave_alone(const std::string& run_id, std::string reason) {
    LeftAlone& left = left_alone[run_id];
    if (left.reason != reason)
        log::error("engine", "a run is left alone; baton show names it, baton cancel closes it",
                   {{"run", run_id}, {"reason", reason}});
    left = {std::move(reason), std::nullopt, false};
}

void Engine::Body::build(Work& work) {
    std::set<Partition> parts;
    for (const RunChange& forced : work.batch.runs)
        parts.insert(forced.part);
    for (CachedRun* cached : work.touched) {
        if (cached->facts.empty()) {
            if (!cached->rang) {
                ring_in_time(*cached);
                continue;
            }
            const auto due = core::next_deadline(cached->run);
            // What rang was in memory alone, and the store's alarm is still to come.
            if (due && cached->alarm && *cached->alarm > work.now) {
                alarms.set(cached->run.id, std::min(*due, *cached->alarm));
                continue;
            }
            // It rang early. Lazy alarms: only now the later deadline is written.
            work.batch.alarms.push_back({cached->run.id, cached->part, due});
            parts.insert(cached->part); // a stale owner must not move alarms either
            continue;
        }
        work.batch.runs.push_back(change_of(*cached, work));
        parts.insert(cached->part);
    }
    parts.insert(work.asked.begin(), work.asked.end());
    for (const Partition part : parts) {
        OwnedPartition fence = owned.at(part);
        fence.published = std::max(fence.published, outbox.cursor(part));
        work.batch.fences.push_back(fence);
    }
}

// A worker that begins starts a clock and writes nothing. The alarm moves in memory alone: after a
// restart the worker, or the one that gets its message then, says again that it begins.
void Engine::Body::ring_in_time(const CachedRun& cached) {
    const auto due = core::next_deadline(cached.run);
    if (due && (!cached.alarm || *due < *cached.alarm)) alarms.set(cached.run.id, *due);
}

// The history gives the state; the document only spares reading all of it, and is written when the history
// since has become longer than it: so a transition costs what it says, however much the run holds.
void Engine::Body::write_document(CachedRun& cached, RunChange& change) const {
    cached.history_bytes += change.events.size();
    if (cached.history_bytes > options.history_bytes_min + cached.document_bytes) {
        core::append_state_json(change.state, *cached.workflow, cached.run, change.version);
        cached.document_bytes = change.state.size();
        cached.history_bytes = 0;
    } else if (change.created) {
        core::append_new_state_json(change.state);
    }
}

RunChange Engine::Body::change_of(CachedRun& cached, Work& work) {
    core::Run& run = cached.run;
    RunChange change;
    change.run_id = run.id;
    change.part = cached.part;
    change.version = run.version + 1;
    change.created = std::move(cached.created);
    cached.created.reset();
    change.status = run.status;
    change.closed_at = run.closed_at;
    if (core::is_closed(run.status) && !run.output.is_null())
        change.output = std::string{run.output.text()};
    if (!run.error.is_null()) {
        change.error_type = plain(work_text_in(run.error, "type"));
        change.error = plain(line_of(run.error));
    }
    change.pseq = ++owned.at(cached.part).pseq;
    change.at = work.now;
    core::append_json(change.events, cached.facts);
    write_document(cached, change);

    const auto deadline = core::next_deadline(run);
    if (cached.rang || (cached.alarm && !deadline) ||
        (deadline && (!cached.alarm || *deadline < *cached.alarm)))
        change.alarm = AlarmChange{deadline};

    for (core::DeadTask& dead : cached.dead) {
        DeadLetter& letter = change.dead_letters.emplace_back();
        letter.at = work.now;
        letter.reason = std::move(dead.reason);
        letter.task = std::move(dead.task);
        letter.run_id = run.id;
        letter.workflow = cached.workflow->name;
        letter.workflow_version = cached.workflow->version;
        letter.step = dead.ref.step + (dead.ref.undo ? ":undo" : "");
        letter.attempts = dead.attempts;
        letter.error_type = plain(std::move(dead.error_type));
        letter.error = dead.error.text();
        letter.input = dead.input.text();
        if (!dead.message.is_null()) letter.message = dead.message.text();
    }
    change.redriven_steps = std::move(cached.revived);
    change.dropped_steps = std::move(cached.dropped);
    change.closings = std::move(cached.closings);
    return change;
}

bool Engine::Body::commit(Work& work) {
    const Batch& batch = work.batch;
    Committed committed;
    const bool has_changes =
        !work.asked.empty() || !batch.runs.empty() || !batch.alarms.empty() || !batch.plain_dead_letters.empty() ||
        !batch.redriven_dead_letters.empty() || !batch.dropped_dead_letters.empty();
    if (has_changes) {
        // Before any task is told that the store does not count yet.
        if (task_limits.is_shared() && task_limits.has_any())
            if (const auto moved = share_limits(task_limits.moves(epochs()), work.now); !moved) {
                failed(work, moved.error(), "sharing limits");
                return false;
            }
        const Time began = clock.now();
        fail_point("engine.before_commit");
        auto result = store.commit(batch);
        fail_point("engine.after_commit");
        if (!result) {
            failed(work, result.error(), "committing");
            return false;
        }
        metrics.commit_seconds.note((clock.now() - began).count());
        metrics.commit_size.note(static_cast<std::int64_t>(batch.runs.size()));
        committed = std::move(*result);
        metrics.store_failing_since.set(0);
        last_commit = work.now;
        metrics.batches.add();
    }
    if (!committed.fenced.empty()) {
        lose(work, committed.fenced);
        return false;
    }
    for (const OwnedPartition& fence : batch.fences)
        owned.at(fence.part).published = fence.published;
    if (careful > 0) --careful;
    settle(work, committed);
    return true;
}

void Engine::Body::put_back(Work& work) {
    for (auto item = work.items.rbegin(); item != work.items.rend(); ++item) {
        ++item->tries;
        item->run_id.clear();
        item->refusal.reset();
        item->put_off = false;
        item->stranded.clear();
        pending.push_front(std::move(*item));
    }
}

// Nobody knows what the store has written. Forget what is in memory, become the owner again, decide
// the same items again: what was committed after all shows up as ignored.
void Engine::Body::failed(Work& work, const Failure& failure, std::string_view doing) {
    note_trouble();
    log::warning("engine", "the store failed", {{"doing", doing}, {"reason", failure.detail}});
    // A store that refuses today (a table renamed, a damaged page) may take the same tomorrow, and what
    // was reported must be there then. Only what can never be stored is given up.
    // Nor may a damaged row that somebody closes by hand keep everybody else waiting.
    const bool is_hopeless = failure.code == StoreErrc::unfit ||
                             (failure.code == StoreErrc::refused && !work.forced.empty());
    if (is_hopeless && work.items.size() + work.rung.size() == 1)
        give_up_on(work, failure);
    else if (is_hopeless)
        careful = work.items.size() + work.rung.size(); // find out which one it is
    put_back(work);
    cache.clear();
    is_ready = false;
    pause = std::max(pause, options.retry_pause_min);
    not_before = clock.now() + pause;
}

// What this one item leads to can never be stored. One item must not stop all runs; so it is dropped,
// as loudly as we can, and a report becomes a dead letter that says so.
void Engine::Body::give_up_on(Work& work, const Failure& failure) {
    for (const std::string& run_id : work.rung) {
        log::error("engine", "the store refuses what an alarm leads to; trying again in a minute",
                   {{"run", run_id}, {"reason", failure.detail}});
        const Partition part = partition_of(run_id, options.partition_count);
        if (!owned.contains(part)) continue;
        Batch later;
        later.fences.push_back(owned.at(part));
        later.alarms.push_back({run_id, part, work.now + std::chrono::minutes(1)});
        (void)store.commit(later);
    }
    Told told;
    for (Item& item : work.items) {
        log::error("engine", "the store cannot hold what an event leads to; the event is dropped",
                   {{"reason", failure.detail}, {"tries", item.tries}});
        if (const auto* report = std::get_if<ReportItem>(&item.body))
            bury(report->report, failure, work.now);
        item.refusal = failure;
        finish(work, item, told, {});
    }
    work.items.clear();
    if (sinks.tell && !told.settled.empty()) sinks.tell(std::move(told));
}

void Engine::Body::bury(const Report& report, const Failure& failure, Time now) {
    DeadLetter letter;
    letter.at = now;
    letter.reason = "not_storable";
    letter.run_id = report.run_id;
    letter.error_type = "baton.not_storable";
    core::Problem problem;
    problem.type = letter.error_type;
    problem.detail = plain(failure.detail);
    letter.error = core::to_document(problem).text();
    Batch batch;
    const auto fence = owned.find(partition_of(report.run_id, options.partition_count));
    if (fence != owned.end()) batch.fences.push_back(fence->second);
    batch.plain_dead_letters.push_back(std::move(letter));
    if (const auto kept = store.commit(batch); !kept)
        log::error("engine", "the dropped event has no dead letter", {{"reason", kept.error().detail}});
}

bool Engine::Body::cursor_moved() const {
    return std::any_of(owned.begin(), owned.end(), [this](const auto& one) {
        return outbox.cursor(one.first) > one.second.published;
    });
}

bool Engine::Body::flush_cursor(Time now) {
    if (!cursor_moved() || now < last_commit + cursor_pause) return false;
    Work work;
    work.now = now;
    for (const auto& [part, row] : owned)
        if (outbox.cursor(part) > row.published) {
            OwnedPartition fence = row;
            fence.published = outbox.cursor(part);
            work.batch.fences.push_back(fence);
        }
    fail_point("engine.before_cursor");
    auto result = store.commit(work.batch);
    fail_point("engine.after_cursor");
    if (!result) {
        failed(work, result.error(), "moving the outbox cursor");
        return true;
    }
    last_commit = now;
    if (!result->fenced.empty()) {
        lose(work, result->fenced);
        return true;
    }
    for (const OwnedPartition& fence : work.batch.fences)
        owned.at(fence.part).published = fence.published;
    return true;
}

// The process stops: whoever waits for an answer gets one.
void Engine::Body::refuse_all() {
    gather(mailbox.take_now());
    const Failure stopping{make_error_code(EngineErrc::stopping), "the server is stopping"};
    std::move(parked.begin(), parked.end(), std::back_inserter(pending));
    parked.clear();
    for (Item& item : pending)
        std::visit(Overloaded{
                       [](ReportItem&) {},
                       [](PlainDeadLetter&) {},
                       [](ForgetItem&) {},
                       [](ConfirmItem&) {},
                       [](HearingItem&) {},
                       [](QueueLostItem&) {},
                       [](AssignItem&) {},
                       [](ListeningItem&) {},
                       [](DefinitionsItem&) {},
                       [](AnsweredItem&) {},
                       [](EventItem&) {},
                       [](EventLookItem&) {},
                       [&](auto& one) {
                           if (one.reply) one.reply(stopping);
                       },
                   },
                   item.body);
    pending.clear();
    for (auto& [id, watch] : watches)
        if (watch.reply) watch.reply(stopping);
    watches.clear();
    watches_of.clear();
}

} // namespace baton::orchestrator::runtime
