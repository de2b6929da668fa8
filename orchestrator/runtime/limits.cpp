// Places, and who waits for one.
#include "orchestrator/runtime/limits.hpp"

#include "orchestrator/core/clocks.hpp"

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
        const core::TaskCall& call = core::call_of(workflow.steps[place.step], is_undo);
        if (call.limit.empty()) return;
        const core::StepState& state = core::state_of(workflow, run, place);
        const bool is_out = is_undo ? state.undo == core::UndoStatus::dispatched
                                    : state.status == core::StepStatus::dispatched;
        const bool is_held = (is_undo ? state.undo_attempts : state.attempts).held;
        if (is_out)
            ++tasks.out[call.limit];
        else if (is_held && paused.why_held(call, core::route_of(call)).empty())
            tasks.held[call.limit] = std::max(tasks.held[call.limit], call.priority);
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
    taken_.clear();
    waits_.clear();
    for (auto& [name, place] : places_) {
        place.used = 0;
        place.waiting.clear();
        // When the last one went nobody knows.
        place.next_at = now + place.limit.interval.value_or(Duration::zero());
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

std::size_t Limits::room(const Place& place, Time now) const {
    std::size_t left = most_at_once;
    if (place.limit.max_concurrent)
        left = *place.limit.max_concurrent - std::min(place.used, *place.limit.max_concurrent);
    if (!place.limit.interval) return left;
    if (place.next_at > now) return 0;
    const auto due = 1 + (now - std::max(place.next_at, now - burst_of(*place.limit.interval))) /
                             *place.limit.interval;
    return std::min(left, static_cast<std::size_t>(due));
}

std::string Limits::take(const std::string& limit, const std::string& run_id, Time now) {
    if (!is_counted_) return fmt::format("limit {}: what is out is being counted", limit);
    Place& place = places_[limit];
    if (place.limit.max_concurrent && place.used >= *place.limit.max_concurrent)
        return fmt::format("limit {}: {} tasks are out, as many as may be", limit, place.used);
    if (room(place, now) == 0)
        return fmt::format("limit {}: its rate allows the next one in a moment", limit);
    ++place.used;
    ++taken_[run_id][limit];
    if (place.limit.interval)
        place.next_at =
            std::max(place.next_at, now - burst_of(*place.limit.interval)) + *place.limit.interval;
    return {};
}

void Limits::note(const std::string& run_id, const LimitedTasks& tasks) {
    if (const auto taken = taken_.find(run_id); taken != taken_.end())
        for (const auto& [name, count] : taken->second)
            places_[name].used -= count;
    for (const auto& [name, count] : tasks.out)
        places_[name].used += count;
    if (tasks.out.empty())
        taken_.erase(run_id);
    else
        taken_[run_id] = tasks.out;
    auto& waits = waits_[run_id];
    std::erase_if(waits, [&](const auto& one) {
        if (tasks.held.contains(one.first)) return false;
        places_[one.first].waiting.erase(one.second);
        return true;
    });
    for (const auto& [name, priority] : tasks.held) {
        if (waits.contains(name)) continue;
        const std::pair<int, std::uint64_t> place{-static_cast<int>(priority), ++asked_};
        waits[name] = place;
        places_[name].waiting.emplace(place, run_id);
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
            waits_[first->second].erase(name);
            place.waiting.erase(first);
        }
    }
    return runs;
}

std::optional<Time> Limits::next_due() const {
    std::optional<Time> first;
    if (!is_counted_) return first;
    for (const auto& [name, place] : places_) {
        const bool is_full =
            place.limit.max_concurrent && place.used >= *place.limit.max_concurrent;
        if (place.waiting.empty() || is_full) continue;
        if (!first || place.next_at < *first) first = place.next_at;
    }
    return first;
}

std::string HandOutGate::why_held(const core::TaskCall& call, std::string_view route) const {
    if (std::string pause = pauses_.why_held(call, route); !pause.empty() || call.limit.empty())
        return pause;
    return limits_.take(call.limit, run_.id, now_);
}

} // namespace baton::orchestrator::runtime
