// Events that are told to everybody. One that somebody may wait for is kept first and then given to
// the runs that wait, by its keys (core/event_key.hpp); a run that begins to wait is noted first
// and then looks at what is kept. So of two at the same moment at least one sees the other, and a
// run takes each event once.
#include "base/log.hpp"
#include "base/overloaded.hpp"
#include "orchestrator/core/fact.hpp"
#include "orchestrator/runtime/engine_body.hpp"

#include <boost/json/array.hpp>
#include <fmt/format.h>

#include <algorithm>

namespace baton::orchestrator::runtime {
namespace {

constexpr std::size_t waits_page = 500;
constexpr Duration sweep_pause = std::chrono::minutes(10);

core::EventShape shape_of(const StoredShape& stored) {
    core::EventShape shape{stored.type, {}, stored.keep};
    const auto paths = core::Document::parse_stored(stored.paths);
    const auto* list = paths ? paths->json().if_array() : nullptr;
    if (list != nullptr)
        for (const auto& path : *list)
            if (path.is_string()) shape.paths.emplace_back(path.get_string());
    return shape;
}

core::EventArrived arrival(const KeptEvent& kept) {
    auto event = core::Document::parse_stored(kept.event);
    return {kept.key, kept.id, kept.at, event ? std::move(*event) : core::Document{}};
}

} // namespace

// One page of runs that are given an event.
struct Engine::Body::EventTurn {
    EventItem item; // as it goes on
    std::size_t left = 0;
    bool has_failed = false;
    std::vector<EventWait> over; // of runs that wait no more
};

Outcome<void> Engine::Body::keep_event(EventItem& one, Time now) {
    BATON_ASSIGN(const auto shapes, store.event_shapes(one.event.type));
    std::vector<KeptEvent> kept;
    for (const StoredShape& stored : shapes) {
        const auto key = core::key_of(shape_of(stored), one.event.type, one.event.event.json());
        if (!key) continue;
        one.keys.push_back(*key);
        kept.push_back(
            {*key, one.event.id, now, now + stored.keep, std::string{one.event.event.text()}});
    }
    if (!kept.empty()) BATON_TRY(store.keep_events(kept));
    one.at = now;
    one.is_kept = true;
    return boost::system::in_place_value;
}

Outcome<void> Engine::Body::turn_event(EventItem& one, Time now) {
    if (one.is_turned) return boost::system::in_place_value;
    if (!one.is_kept) {
        one.keys.clear();
        BATON_TRY(keep_event(one, now));
    }
    std::vector<EventWait> waits;
    if (!one.keys.empty()) {
        BATON_ASSIGN(waits, store.event_waits(one.keys.back(), one.after_run_id, waits_page));
    }
    one.is_turned = true;
    const auto turn = std::make_shared<EventTurn>(EventTurn{one, waits.size(), false, {}});
    const std::string key = one.keys.empty() ? std::string{} : one.keys.back();
    if (waits.size() == waits_page) {
        turn->item.after_run_id = waits.back().run_id;
    } else if (!one.keys.empty()) {
        turn->item.keys.pop_back();
        turn->item.after_run_id.clear();
    }
    if (waits.empty()) end_turn(*turn);
    for (const EventWait& wait : waits) {
        auto reply = [this, turn, run_id = wait.run_id](const Outcome<RunChanged>& told) {
            if (!told && is_passing(told.error())) turn->has_failed = true;
            const bool is_over =
                told ? core::is_closed(told->status) : told.error().code == EngineErrc::unknown_run;
            if (is_over) turn->over.push_back({{}, run_id, 0});
            if (--turn->left == 0) end_turn(*turn);
        };
        pending.push_back({OperateItem{
            wait.run_id, core::EventArrived{key, one.event.id, one.at, one.event.event},
            std::move(reply)}});
    }
    return boost::system::in_place_value;
}

void Engine::Body::end_turn(EventTurn& turn) {
    Told told;
    if (turn.has_failed) {
        if (!turn.item.delivery) return;
        told.returned.push_back(*turn.item.delivery); // it comes again, and who has it ignores it
        if (sinks.tell) sinks.tell(std::move(told));
        return;
    }
    if (!turn.over.empty() && !store.remove_event_waits(turn.over))
        log::debug("engine", "waits of runs that are over stay a while",
                   {{"runs", turn.over.size()}});
    if (!turn.item.keys.empty()) {
        turn.item.is_turned = false;
        pending.push_back({std::move(turn.item)});
        return;
    }
    if (!turn.item.delivery) return;
    told.settled.push_back(*turn.item.delivery);
    if (sinks.tell) sinks.tell(std::move(told));
}

Outcome<void> Engine::Body::look_for_events(EventLookItem& look, Time now) {
    if (look.is_turned) return boost::system::in_place_value;
    BATON_ASSIGN(const auto kept, store.kept_events(look.keys, now));
    for (const std::string& key : look.results) {
        BATON_ASSIGN(const auto known, store.kept_events(std::span(&key, 1), now));
        core::ResultKnown answer{key};
        auto result = known.empty() ? core::Document::parse_stored("null")
                                    : core::Document::parse_stored(known.back().event);
        if (!known.empty() && result) {
            answer.run = known.back().id.substr(0, known.back().id.find('/'));
            answer.at = known.back().at;
            answer.result = std::move(*result);
        }
        pending.push_back({OperateItem{look.run_id, std::move(answer), {}}});
    }
    look.is_turned = true;
    for (const KeptEvent& one : kept)
        pending.push_back({OperateItem{look.run_id, arrival(one), {}}});
    return boost::system::in_place_value;
}

// Before the commit that begins them. False: the store failed.
bool Engine::Body::note_waits(Work& work) {
    std::vector<EventWait> waits;
    for (const CachedRun* cached : work.touched) {
        if (cached->workflow->event_shapes.empty()) continue;
        for (const core::Fact& fact : cached->facts)
            if (const auto* begun = std::get_if<core::fact::StepWaits>(&fact.body))
                for (const core::AwaitedEvent& one : core::awaited_events(begun->wanted))
                    waits.push_back({one.key, cached->run.id, cached->part});
    }
    if (waits.empty()) return true;
    const auto noted = store.add_event_waits(waits);
    if (!noted) failed(work, noted.error(), "noting who waits for events");
    return noted.has_value();
}

// After it.
void Engine::Body::follow_waits(const CachedRun& cached) {
    std::vector<EventWait> over;
    if (core::is_closed(cached.run.status) && !cached.workflow->event_shapes.empty())
        over.push_back({{}, cached.run.id, cached.part});
    EventLookItem look{cached.run.id, {}};
    std::set<std::string> awaited;
    for (const core::Fact& fact : cached.facts) {
        if (const auto* begun = std::get_if<core::fact::StepWaits>(&fact.body)) {
            for (const core::AwaitedEvent& one : core::awaited_events(begun->wanted))
                look.keys.push_back(one.key);
            if (auto asked = core::awaited_result(begun->wanted))
                look.results.push_back(std::move(asked->key));
        }
        const auto* taken = std::get_if<core::fact::EventTaken>(&fact.body);
        if (taken == nullptr || !over.empty()) continue;
        if (awaited.empty())
            for (const core::Place place : cached.run.begun)
                for (const core::AwaitedEvent& one :
                     core::awaited_events(core::state_of(*cached.workflow, cached.run, place).wait))
                    awaited.insert(one.key);
        if (!awaited.contains(taken->key)) over.push_back({taken->key, cached.run.id, cached.part});
    }
    const bool asks = !look.keys.empty() || !look.results.empty();
    if (asks && !core::is_closed(cached.run.status)) pending.push_back({std::move(look)});
    if (!over.empty() && !store.remove_event_waits(over))
        log::debug("engine", "waits that are over stay a while", {{"run", cached.run.id}});
}

// They lie beside events: under a key, for a time. One that a crash loses is only made again.
void Engine::Body::keep_results(const CachedRun& cached) {
    std::vector<KeptEvent> kept;
    for (const core::Fact& fact : cached.facts) {
        const auto* one = std::get_if<core::fact::ResultKept>(&fact.body);
        const auto step =
            one != nullptr ? core::find_step(*cached.workflow, one->step) : std::nullopt;
        if (!step || !cached.workflow->steps[*step].cache) continue;
        const auto completed = std::ranges::find_if(cached.facts, [&](const core::Fact& other) {
            const auto* done = std::get_if<core::fact::TaskCompleted>(&other.body);
            return done != nullptr && !done->ref.undo && done->ref.step == one->step;
        });
        if (completed == cached.facts.end()) continue;
        const auto& done = std::get<core::fact::TaskCompleted>(completed->body);
        const core::Document& raw =
            cached.workflow->steps[*step].output ? done.result : done.output;
        kept.push_back({one->key, fmt::format("{}/{}", cached.run.id, one->step),
                        one->until - cached.workflow->steps[*step].cache->max_age, one->until,
                        std::string{raw.text()}});
    }
    if (kept.empty()) return;
    if (const auto done = store.keep_events(kept); !done)
        log::warning("engine", "a result is not kept for others",
                     {{"run", cached.run.id}, {"reason", done.error().detail}});
}

// Somebody may have begun to wait for them and died before looking.
Outcome<void> Engine::Body::offer_kept_events(Partition part, Time now) {
    BATON_ASSIGN(const auto offers, store.event_offers(part, now));
    for (const EventOffer& offer : offers)
        pending.push_back({OperateItem{offer.run_id, arrival(offer.event), {}}});
    return boost::system::in_place_value;
}

void Engine::Body::forget_events(Time now) {
    if (now < next_event_sweep || !decides(0)) return;
    next_event_sweep = now + sweep_pause;
    if (const auto done = store.forget_events(now); !done)
        log::warning("engine", "old events stay a while", {{"reason", done.error().detail}});
}

// Both are dealt with before a batch is decided.
void Engine::Body::decide(Work&, Item&, EventItem&) {}
void Engine::Body::decide(Work&, Item&, EventLookItem&) {}

} // namespace baton::orchestrator::runtime
