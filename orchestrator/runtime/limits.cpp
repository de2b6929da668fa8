// Places, and who waits for one.
#include "orchestrator/runtime/limits.hpp"

#include "orchestrator/core/clocks.hpp"
#include "orchestrator/runtime/engine.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::orchestrator::runtime {

namespace {

// So much of a rate that is faster than the engine's turns is caught up with.
constexpr Duration fast = std::chrono::milliseconds(1);
constexpr Duration burst_of_fast = std::chrono::milliseconds(10);
constexpr std::size_t most_at_once = 1000;

Duration burst_of(Duration interval) {
    return interval < fast ? burst_of_fast : Duration::zero();
}

// How often the store is asked at most, how often while something waits for others, and while
// nothing does.
constexpr Duration ask_pause = std::chrono::milliseconds(5);
constexpr Duration wait_pause = std::chrono::milliseconds(50);
constexpr Duration look_pause = std::chrono::milliseconds(100);
// A turn that nobody took within this is lost: late, it would come beside the next one.
constexpr Duration turn_lasts = std::chrono::milliseconds(100);

void hold_slot(LimitedTasks::Held& held, std::uint8_t priority) {
    held.priority = std::max(held.priority, priority);
    ++held.count;
}

template <typename T>
void keep_smaller(std::optional<T>& kept, const std::optional<T>& other) {
    if (other && (!kept || *other < *kept)) kept = other;
}

} // namespace

LimitedTasks limited_tasks_of(const core::Workflow& workflow, const core::Run& run,
                              const Pauses& pauses) {
    LimitedTasks tasks;
    if (workflow.limits.empty() || core::is_closed(run.status)) return tasks;
    const PauseGate paused(pauses, workflow.name); // what it holds is handed out when it ends
    const auto look = [&](core::Place place, bool is_undo) {
        const core::StepState& state = core::state_of(workflow, run, place);
        const core::TaskCall& call = core::call_of(workflow.steps[place.step], state, is_undo);
        if (call.limit.empty()) return;
        const bool is_out = is_undo ? state.undo == core::UndoStatus::dispatched
                                    : state.status == core::StepStatus::dispatched;
        const bool is_held = (is_undo ? state.undo_attempts : state.attempts).held;
        if (is_out)
            ++tasks.out[call.limit];
        else if (is_held && paused.why_held(call, core::route_of(call)).empty())
            hold_slot(tasks.held[call.limit], call.priority);
    };
    for (const core::Place place : run.begun)
        if (std::holds_alternative<core::TaskKind>(workflow.steps[place.step].kind) &&
            !core::is_repeated(workflow, run, place))
            look(place, false);
    for (const core::Place place : run.undoing)
        look(place, true);
    return tasks;
}

void Limits::forget(Time now) {
    is_counted_ = false;
    has_asked_ = false;
    taken_.clear();
    waits_.clear();
    for (auto& [name, place] : places_) {
        Place fresh;
        fresh.limit = place.limit;
        // When the last one went nobody knows.
        fresh.next_at = now + place.limit.interval.value_or(Duration::zero());
        place = std::move(fresh);
    }
}

void Limits::define(const std::vector<const core::Workflow*>& workflows) {
    for (auto& [name, place] : places_)
        place.limit = {};
    for (const core::Workflow* workflow : workflows)
        for (const auto& [name, limit] : workflow->limits) {
            core::Limit& kept = places_[name].limit;
            if (limit.interval && (!kept.interval || *limit.interval > *kept.interval))
                kept.interval = limit.interval;
            keep_smaller(kept.max_concurrent, limit.max_concurrent);
        }
}

// How many this process may have out.
std::uint32_t Limits::most_out(const Place& place) const {
    const std::uint32_t most = place.limit.max_concurrent.value_or(UINT32_MAX);
    if (!is_shared() || !place.limit.max_concurrent) return most;
    return std::min({most, place.granted_sum, place.fair});
}

std::size_t Limits::room(const Place& place, Time now) const {
    const std::uint32_t most = most_out(place);
    std::size_t left = std::min<std::size_t>(most_at_once, most - std::min(place.used, most));
    if (!place.limit.interval) return left;
    if (is_shared()) {
        const auto is_due = [now](Time turn) { return turn <= now && now - turn <= turn_lasts; };
        return std::min<std::size_t>(
            left, static_cast<std::size_t>(std::ranges::count_if(place.turns, is_due)));
    }
    if (place.next_at > now) return 0;
    const auto due = 1 + (now - std::max(place.next_at, now - burst_of(*place.limit.interval))) /
                             *place.limit.interval;
    return std::min(left, static_cast<std::size_t>(due));
}

void Limits::use(Place& place, const std::string& run_id, std::int64_t count) {
    place.used = static_cast<std::uint32_t>(place.used + count);
    if (!is_shared()) return;
    std::uint32_t& used = place.used_in[partition_of(run_id, partition_count_)];
    used = static_cast<std::uint32_t>(used + count);
    // More than its part while others wait.
    if (count < 0 && place.granted_sum > place.fair) place.is_urgent = true;
}

std::string Limits::take(const std::string& limit, const std::string& run_id, Time now) {
    if (!is_counted_) return fmt::format("limit {}: what is out is being counted", limit);
    Place& place = places_[limit];
    if (place.used >= most_out(place))
        return is_shared()
                   ? fmt::format("limit {}: as many tasks are out as may be, over all servers",
                                 limit)
                   : fmt::format("limit {}: {} tasks are out, as many as may be", limit,
                                 place.used);
    if (room(place, now) == 0)
        return fmt::format("limit {}: its rate allows the next one in a moment", limit);
    use(place, run_id, 1);
    ++taken_[run_id][limit];
    if (!place.limit.interval) return {};
    if (is_shared()) {
        while (now - place.turns.front() > turn_lasts)
            place.turns.pop_front();
        place.turns.pop_front();
    } else {
        place.next_at =
            std::max(place.next_at, now - burst_of(*place.limit.interval)) + *place.limit.interval;
    }
    return {};
}

void Limits::stop_waiting(Place& place, const Wait& wait) {
    place.waiting.erase(wait.place);
    place.waiting_tasks -= wait.count;
}

void Limits::note(const std::string& run_id, const LimitedTasks& tasks) {
    if (const auto taken = taken_.find(run_id); taken != taken_.end())
        for (const auto& [name, count] : taken->second)
            use(places_[name], run_id, -static_cast<std::int64_t>(count));
    for (const auto& [name, count] : tasks.out)
        use(places_[name], run_id, count);
    if (tasks.out.empty())
        taken_.erase(run_id);
    else
        taken_[run_id] = tasks.out;
    auto& waits = waits_[run_id];
    std::erase_if(waits, [&](const auto& one) {
        if (tasks.held.contains(one.first)) return false;
        stop_waiting(places_[one.first], one.second);
        return true;
    });
    for (const auto& [name, held] : tasks.held) {
        Place& place = places_[name];
        auto found = waits.find(name);
        if (found == waits.end()) {
            const std::pair<int, std::uint64_t> rank{-static_cast<int>(held.priority), ++asked_};
            found = waits.emplace(name, Wait{rank}).first;
            place.waiting.emplace(rank, run_id);
            // Who asked in vain a moment ago asks again soon enough.
            if (place.unmet == 0) place.is_urgent = true;
        }
        place.waiting_tasks += held.count - found->second.count;
        found->second.count = held.count;
    }
    if (waits.empty()) waits_.erase(run_id);
}

void Limits::leave(const std::string& run_id) {
    if (taken_.contains(run_id) || waits_.contains(run_id)) note(run_id, {});
}

std::vector<std::string> Limits::due(Time now) {
    std::vector<std::string> runs;
    if (!is_counted_) return runs;
    for (auto& [name, place] : places_) {
        for (std::size_t left = room(place, now); left > 0 && !place.waiting.empty(); --left) {
            const auto first = place.waiting.begin();
            runs.push_back(first->second);
            auto& waits = waits_[first->second];
            const Wait wait = waits[name];
            waits.erase(name);
            stop_waiting(place, wait);
        }
    }
    return runs;
}

std::optional<Time> Limits::next_due() const {
    std::optional<Time> first;
    if (!is_counted_) return first;
    for (const auto& [name, place] : places_) {
        if (is_shared()) {
            if (has_reason(place)) keep_smaller(first, std::optional(next_ask(place)));
            continue;
        }
        const bool is_full =
            place.limit.max_concurrent && place.used >= *place.limit.max_concurrent;
        if (place.waiting.empty() || is_full) continue;
        keep_smaller(first, std::optional(place.next_at));
    }
    return first;
}

// ---- several servers ----

bool Limits::has_reason(const Place& place) const {
    if (!place.limit.max_concurrent && !place.limit.interval) return false;
    return !place.is_known || !place.waiting.empty() || place.unmet > 0 || place.granted_sum > 0;
}

Time Limits::next_ask(const Place& place) const {
    if (!place.is_known) return place.asked_at;
    return place.is_urgent ? place.asked_at + ask_pause : place.ask_at;
}

LimitAsk Limits::ask_of(const std::string& name, const Place& place,
                        const std::map<Partition, std::uint64_t>& epochs) const {
    LimitAsk ask;
    ask.limit = name;
    ask.max_concurrent = place.limit.max_concurrent;
    ask.interval = place.limit.interval;
    for (const auto& [part, epoch] : epochs) {
        const auto used = place.used_in.find(part);
        ask.parts.push_back({part, epoch, used == place.used_in.end() ? 0 : used->second});
    }
    ask.wanted = std::min<std::uint32_t>(place.waiting_tasks, most_at_once);
    return ask;
}

std::vector<LimitAsk> Limits::asks(Time now,
                                   const std::map<Partition, std::uint64_t>& epochs) const {
    std::vector<LimitAsk> asks;
    if (!is_shared() || !is_counted_ || epochs.empty()) return asks;
    for (const auto& [name, place] : places_)
        if (has_reason(place) && next_ask(place) <= now)
            asks.push_back(ask_of(name, place, epochs));
    return asks;
}

std::vector<LimitAsk> Limits::moves(const std::map<Partition, std::uint64_t>& epochs) const {
    std::vector<LimitAsk> asks;
    if (!is_shared() || !is_counted_) return asks;
    const auto has_more = [&](const Place& place) {
        return std::ranges::any_of(place.used_in, [&](const auto& used) {
            const auto granted = place.granted.find(used.first);
            return used.second > (granted == place.granted.end() ? 0 : granted->second);
        });
    };
    for (const auto& [name, place] : places_)
        if (place.is_known && place.limit.max_concurrent && has_more(place)) {
            asks.push_back(ask_of(name, place, epochs));
            asks.back().interval.reset(); // no turn of the rate is taken on this occasion
        }
    return asks;
}

void Limits::answered(const std::vector<LimitAnswer>& answers, Time now) {
    has_asked_ = true;
    for (const LimitAnswer& answer : answers) {
        Place& place = places_[answer.limit];
        place.granted = answer.granted;
        place.granted_sum = 0;
        for (const auto& [part, count] : answer.granted)
            place.granted_sum += count;
        place.fair = answer.fair;
        place.unmet = answer.unmet;
        place.is_known = true;
        place.is_urgent = false;
        place.asked_at = now;
        place.ask_at = now + (place.unmet > 0 ? wait_pause : look_pause);
        std::erase_if(place.turns, [now](Time turn) { return now - turn > turn_lasts; });
        place.turns.insert(place.turns.end(), answer.turns, now);
        if (!answer.next_turn) continue;
        const Time next = now + std::max(ask_pause, *answer.next_turn);
        if (next < place.ask_at || place.granted_sum == 0) place.ask_at = next;
    }
}

std::string HandOutGate::why_held(const core::TaskCall& call, std::string_view route) const {
    if (std::string pause = pauses_.why_held(call, route); !pause.empty() || call.limit.empty())
        return pause;
    return limits_.take(call.limit, run_.id, now_);
}

} // namespace baton::orchestrator::runtime
