// Facts to what people ask for.
#include "orchestrator/core/run_story.hpp"

#include "orchestrator/core/apply.hpp"
#include "orchestrator/core/run.hpp"

#include <boost/json/array.hpp>

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

namespace baton::orchestrator::core {

StepStory& RunStory::entry(std::string_view step, bool undo) {
    std::string key{step};
    if (undo) key += ":undo";
    const auto [place, is_new] = places_.emplace(std::move(key), steps_.size());
    if (is_new) steps_.push_back({std::string{step}, undo});
    return steps_[place->second];
}

// One fact, told. What says nothing of a step is left to others.
struct Teller {
    RunStory& story;
    Time at;

    StepStory& of(const AttemptRef& ref) const { return story.entry(ref.step, ref.undo); }
    StepStory& of(std::string_view step, bool undo = false) const { return story.entry(step, undo); }

    static AttemptStory* attempt_of(StepStory& step, std::uint32_t number) {
        const auto found = std::find_if(step.attempts.rbegin(), step.attempts.rend(),
                                        [&](const AttemptStory& one) { return one.number == number; });
        return found == step.attempts.rend() ? nullptr : &*found;
    }
    AttemptStory& close(const AttemptRef& ref, std::string_view outcome) const {
        StepStory& step = of(ref);
        AttemptStory* attempt = attempt_of(step, ref.attempt);
        if (attempt == nullptr) {
            attempt = &step.attempts.emplace_back();
            attempt->number = ref.attempt;
            attempt->dispatched_at = at;
        }
        attempt->closed_at = at;
        attempt->outcome = outcome;
        return *attempt;
    }

    void operator()(const fact::TaskDispatched& fact) const {
        StepStory& step = of(fact.ref);
        step.task = fact.order.route;
        step.status = "dispatched";
        step.reason.clear(); // why it was held
        step.waits_for = {};
        step.until.reset();
        step.input = fact.order.with;
        if (attempt_of(step, fact.ref.attempt) != nullptr) return; // its message was lost and is sent again
        AttemptStory& attempt = step.attempts.emplace_back();
        attempt.number = fact.ref.attempt;
        attempt.max_attempts = fact.order.max_attempts;
        attempt.run = fact.order.child_run;
        if (fact.order.is_look) attempt.look = "asks";
        attempt.dispatched_at = at;
    }
    void operator()(const fact::TaskStarted& fact) const {
        AttemptStory* attempt = attempt_of(of(fact.ref), fact.ref.attempt);
        if (attempt == nullptr) return;
        attempt->started_at = fact.since.value_or(at);
        attempt->worker = fact.worker;
    }
    void operator()(const fact::TaskCompleted& fact) const {
        AttemptStory& attempt = close(fact.ref, "completed");
        if (!fact.worker.empty()) attempt.worker = fact.worker;
        StepStory& step = of(fact.ref);
        step.status = "done";
        if (!fact.ref.undo) step.output = fact.output;
    }
    void operator()(const fact::TaskFailed& fact) const {
        AttemptStory& attempt = close(fact.ref, "failed");
        if (!fact.worker.empty()) attempt.worker = fact.worker;
        attempt.error = fact.error;
        attempt.retry_at = fact.retry_at;
        StepStory& step = of(fact.ref);
        step.status = fact.retry_at ? "backing_off" : "failed";
        step.error = fact.error;
    }
    void operator()(const fact::StepVerified& fact) const {
        AttemptStory& attempt = close(fact.ref, "completed");
        if (!fact.worker.empty()) attempt.worker = fact.worker;
        attempt.look = fact.is_done ? "done" : "not_done";
        attempt.retry_at = fact.retry_at;
        of(fact.ref).status = fact.retry_at ? "backing_off" : "failed"; // else task_completed follows
    }
    void operator()(const fact::TaskDeferred& fact) const {
        StepStory& step = of(fact.ref);
        step.status = "deferred";
        step.until = fact.until;
    }
    void operator()(const fact::TaskHeld& fact) const {
        StepStory& step = of(fact.step, fact.undo);
        step.task = fact.task;
        step.status = "held";
        step.reason = fact.reason;
        step.waits_for = {};
        step.until.reset();
    }
    void operator()(const fact::TaskReleased& fact) const { of(fact.step, fact.undo).status = "backing_off"; }
    void operator()(const fact::TaskCancelled& fact) const {
        close(fact.ref, "cancelled");
        of(fact.ref).status = "cancelled";
    }
    void operator()(const fact::StepStarted& fact) const {
        StepStory& step = of(fact.step);
        // Only a wait knows when it ends.
        step.status = fact.until ? "sleeping" : "running";
        if (!step.started_at) step.started_at = at;
        step.until = fact.until;
    }
    void operator()(const fact::StepWaits& fact) const {
        StepStory& step = of(fact.step);
        step.status = "sleeping";
        if (!step.started_at) step.started_at = at;
        step.until = fact.until;
        step.waits_for = fact.wanted;
    }
    void operator()(const fact::ApprovalVoted& fact) const {
        StepStory& step = of(fact.step);
        step.waits_for = with_vote(step.waits_for, fact, at);
    }
    void operator()(const fact::ResultFound& fact) const { of(fact.step).known_from = fact.run; }
    void operator()(const fact::StepDone& fact) const {
        StepStory& step = of(fact.step);
        step.waits_for = {};
        step.status = "done";
        step.closed_at = at;
        if (!fact.output.is_null()) step.output = fact.output;
    }
    void operator()(const fact::StepSent& fact) const { of(fact.step).status = "waiting"; }
    void operator()(const fact::StepSkipped& fact) const { of(fact.step, fact.undo).status = "skipped"; }
    void operator()(const fact::StepBlocked& fact) const { of(fact.step).status = "blocked"; }
    void operator()(const fact::StepCancelled& fact) const {
        StepStory& step = of(fact.step);
        step.status = "cancelled";
        if (!fact.error.is_null()) step.error = fact.error;
    }
    void operator()(const fact::ErrorCaught& fact) const {
        StepStory& step = of(fact.step);
        step.caught = true;
        step.error = fact.error;
    }
    void operator()(const fact::StepDead& fact) const {
        StepStory& step = of(fact.step, fact.undo);
        step.status = "dead";
        step.error = fact.error;
        step.reason = fact.reason;
    }
    void operator()(const fact::StepRevived& fact) const { of(fact.step, fact.undo).status = "waiting"; }
    void operator()(const fact::ItemsListed& fact) const {
        if (const auto* items = fact.items.json().if_array()) of(fact.step).items = items->size();
    }
    void operator()(const fact::ItemStarted& fact) const {
        StepStory& step = of(fact.step);
        if (!step.started_at) step.started_at = at;
    }
    void operator()(const fact::UndoSkipped& fact) const {
        StepStory& step = of(fact.step, true);
        step.status = "skipped";
        step.reason = fact.reason;
    }
    void operator()(const fact::InputEdited& fact) const { of(fact.step, fact.undo).input = fact.input; }
    void operator()(const fact::StepReset& fact) const {
        StepStory& step = of(fact.step);
        step.status = "waiting";
        step.output.reset();
        step.error = {};
        step.reason.clear();
        step.caught = false;
        step.known_from.clear();
        step.until.reset();
        step.started_at.reset();
        step.closed_at.reset();
    }
    void operator()(const auto&) const {} // of the run, or of people
};

void RunStory::add(std::span<const Fact> facts, Time at) {
    const Teller teller{*this, at};
    for (const Fact& fact : facts) {
        std::visit(teller, fact.body);
        tell_run(fact, at);
    }
}

void RunStory::tell_run(const Fact& fact, Time at) {
    if (const auto* asked = std::get_if<fact::PauseRequested>(&fact.body)) last_asked_ = {fact.actor, asked->reason, at};
    if (const auto* started = std::get_if<fact::RunStarted>(&fact.body)) parent_ = started->parent;
    if (const auto* waits = std::get_if<fact::SlotAwaited>(&fact.body)) awaits_ = waits->key;
    const auto* closing = std::get_if<fact::RunClosing>(&fact.body);
    if (closing != nullptr) closing_ = {closing->phase, closing->end.status};
    const auto* became = closing != nullptr ? &closing->end : std::get_if<fact::RunBecame>(&fact.body);
    if (became == nullptr) return;
    awaits_.clear();
    if (closing == nullptr && (is_closed(became->status) || became->status == RunStatus::compensating)) closing_.reset();
    pause_.reset();
    if (became->from) pause_ = last_asked_;
}

void RunStory::close() {
    constexpr std::string_view open[] = {"waiting", "dispatched", "backing_off", "deferred", "held", "sleeping", "running"};
    for (StepStory& step : steps_) {
        if (!step.attempts.empty()) step.attempts.back().retry_at.reset(); // it never came
        if (std::find(std::begin(open), std::end(open), step.status) == std::end(open)) continue;
        step.status = "cancelled";
        step.until.reset();
    }
}

namespace {

// Of "people[17].send": the place of "people" in the file, 17, the place of "people.send". So whatever is
// in one instance stands together, behind the step itself.
std::vector<std::size_t> place_of(std::string_view address, const std::map<std::string, std::size_t, std::less<>>& order) {
    std::vector<std::size_t> place;
    std::string path; // without the numbers
    while (!address.empty()) {
        const auto instance = first_instance(address);
        path += instance ? instance->before : address;
        const auto found = order.find(path);
        place.push_back(found == order.end() ? order.size() : found->second);
        if (instance) place.push_back(instance->index);
        address = instance ? instance->behind : std::string_view{};
    }
    return place;
}

} // namespace

std::vector<StepStory> RunStory::take(std::span<const std::string> paths) {
    places_.clear();
    if (paths.empty()) return std::exchange(steps_, {});
    std::map<std::string, std::size_t, std::less<>> order;
    for (const std::string& path : paths)
        order.emplace(path, order.size());
    using Key = std::tuple<bool, std::vector<std::size_t>, std::size_t>; // is an undo, place, came up as
    std::vector<Key> keys;
    for (std::size_t i = 0; i < steps_.size(); ++i)
        keys.emplace_back(steps_[i].undo, steps_[i].undo ? std::vector<std::size_t>{} : place_of(steps_[i].step, order), i);
    std::sort(keys.begin(), keys.end());
    std::vector<StepStory> sorted;
    sorted.reserve(steps_.size());
    for (const Key& key : keys)
        sorted.push_back(std::move(steps_[std::get<2>(key)]));
    steps_.clear();
    return sorted;
}

} // namespace baton::orchestrator::core
