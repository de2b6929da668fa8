#include "orchestrator/runtime/pauses.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace baton::orchestrator::runtime {

namespace {

bool is(const StoredPause& pause, PauseKind kind, std::string_view name) {
    return pause.kind == kind && pause.name == name;
}

} // namespace

void Pauses::set(std::vector<StoredPause> pauses) {
    const std::lock_guard lock(mutex_);
    pauses_ = std::move(pauses);
}

void Pauses::put(StoredPause pause) {
    const std::lock_guard lock(mutex_);
    std::erase_if(pauses_, [&](const StoredPause& one) { return is(one, pause.kind, pause.name); });
    pauses_.push_back(std::move(pause));
}

void Pauses::remove(PauseKind kind, const std::string& name) {
    const std::lock_guard lock(mutex_);
    std::erase_if(pauses_, [&](const StoredPause& one) { return is(one, kind, name); });
}

std::vector<StoredPause> Pauses::list() const {
    std::vector<StoredPause> in_force = all();
    std::erase_if(in_force, [](const StoredPause& one) { return one.ended_at.has_value(); });
    return in_force;
}

std::vector<StoredPause> Pauses::all() const {
    const std::lock_guard lock(mutex_);
    return pauses_;
}

std::optional<StoredPause> Pauses::find(PauseKind kind, const std::string& name) const {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(pauses_.begin(), pauses_.end(),
                                    [&](const StoredPause& one) { return is(one, kind, name); });
    return found == pauses_.end() ? std::nullopt : std::optional{*found};
}

std::optional<StoredPause> Pauses::of_task(const std::string& task, std::string_view route) const {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(pauses_.begin(), pauses_.end(), [&](const StoredPause& one) {
        return !one.ended_at && (is(one, PauseKind::task, task) || is(one, PauseKind::task, route));
    });
    return found == pauses_.end() ? std::nullopt : std::optional{*found};
}

std::optional<StoredPause> Pauses::of_workflow(const std::string& workflow) const {
    auto found = find(PauseKind::workflow, workflow);
    if (found && found->ended_at) found.reset();
    return found;
}

std::string sentence_of(const StoredPause& pause) {
    return fmt::format("{}{} is paused{} since {}{}",
                       pause.kind == PauseKind::workflow ? "workflow " : "task type ", pause.name,
                       pause.actor.empty() ? "" : " by " + pause.actor, to_rfc3339(pause.at),
                       pause.reason.empty() ? "" : ": " + pause.reason);
}

std::string PauseGate::why_held(const core::TaskCall& call, std::string_view route) const {
    if (const auto pause = pauses_.of_workflow(workflow_)) return sentence_of(*pause);
    if (const auto pause = pauses_.of_task(call.task, route)) return sentence_of(*pause);
    return {};
}

} // namespace baton::orchestrator::runtime
