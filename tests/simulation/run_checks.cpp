// One pass over the history, with a few notes beside the replayed run.
#include "tests/simulation/run_checks.hpp"

#include "orchestrator/core/apply.hpp"
#include "orchestrator/core/fact.hpp"
#include "orchestrator/core/run.hpp"
#include "orchestrator/core/run_json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

namespace baton::test {

using namespace orchestrator::core;
namespace runtime = orchestrator::runtime;

namespace {

std::string state_json(const Workflow& workflow, const Run& run, std::uint64_t version) {
    std::string json;
    append_state_json(json, workflow, run, version);
    return json;
}

bool same_steps(const StepState& a, const StepState& b) {
    return a.before == b.before && a.open_senders == b.open_senders &&
           a.open_children == b.open_children;
}

// Whether what apply() kept up is what follows from the state; else what is not.
std::string difference(const Run& a, const Run& b) {
    const auto name = [](const char* word, bool is_same) {
        return is_same ? std::string{} : std::string{word};
    };
    std::string found = name("begun ", a.begun == b.begun) + name("dead ", a.dead == b.dead) +
                        name("to_undo ", a.to_undo == b.to_undo) +
                        name("undoing ", a.undoing == b.undoing) +
                        name("undo_dead ", a.undo_dead == b.undo_dead) +
                        name("with_workers ", a.with_workers == b.with_workers) +
                        name("undone ", a.undone == b.undone) + name("text ", a.text == b.text) +
                        name("clocks ", a.clocks == b.clocks) +
                        name("forward_clocks ", a.forward_clocks == b.forward_clocks) +
                        name("scopes ", a.scopes.size() == b.scopes.size());
    for (const auto& [number, scope] : a.scopes) {
        const Scope* other = b.find(number);
        if (other == nullptr) return found + "scope";
        if (scope.open_top != other->open_top)
            found += fmt::format("open_top of '{}' ", scope.address);
        for (std::size_t slot = 0; slot < scope.steps.size(); ++slot)
            if (!same_steps(scope.steps[slot], other->steps[slot]))
                found += fmt::format("followers in '{}' slot {} ", scope.address, slot);
        for (const auto& [step, instances] : scope.repetitions) {
            const auto same = other->repetitions.find(step);
            if (same == other->repetitions.end() || instances.open != same->second.open ||
                instances.total != same->second.total || instances.scopes != same->second.scopes)
                found += fmt::format("instances in '{}' ", scope.address);
        }
    }
    return found;
}

class Checker {
public:
    explicit Checker(const RunEvidence& evidence)
        : evidence_(evidence),
          workflow_(evidence.workflow),
          run_(new_run(workflow_, evidence.row.run_id)) {}

    std::string check() {
        run_.input = Document::parse_stored(evidence_.row.input).value();
        derive(workflow_, run_);
        for (const runtime::HistoryRow& row : evidence_.history)
            if (row.run_id == run_.id && wrong_.empty()) take(row);
        if (wrong_.empty()) check_end();
        if (wrong_.empty()) check_documents();
        return wrong_.empty() ? "" : fmt::format("{} (transition {})", wrong_, run_.version);
    }

private:
    template <typename... Args>
    void wrong(fmt::format_string<Args...> text, Args&&... args) {
        if (wrong_.empty()) wrong_ = fmt::format(text, std::forward<Args>(args)...);
    }

    void take(const runtime::HistoryRow& row) {
        if (row.seq != run_.version + 1) return wrong("the history goes on with {}", row.seq);
        const auto facts = facts_from_json(row.events);
        if (!facts) return wrong("the history cannot be read: {}", row.events);
        reasons_ = {};
        for (const Fact& fact : *facts)
            note_reason(fact);
        for (const Fact& fact : *facts) {
            std::visit([this](const auto& one) { before_fact(one); }, fact.body);
            if (!wrong_.empty()) return;
            if (!apply(workflow_, run_, fact, row.at))
                return wrong("a fact speaks of what is not there: {}", row.events);
            std::visit([this](const auto& one) { after_fact(one); }, fact.body);
            if (!wrong_.empty()) return;
        }
        run_.marked.clear();
        run_.version = row.seq;
        check_between();
        const std::string now = state_json(workflow_, run_, row.seq);
        for (const KeptDocument& kept : evidence_.documents)
            if (kept.run_id == run_.id && kept.version == row.seq && kept.at == row.at &&
                kept.events == row.events && kept.state != now)
                return wrong("the history does not give the state\n  kept     {}\n  replayed {}",
                             kept.state, now);
        Run again = run_;
        derive(workflow_, again);
        if (const std::string words = difference(run_, again); !words.empty())
            wrong("derived anew these differ: {}after {}", words, row.events);
    }

    // --- what a closed run may be opened again by ---

    void note_reason(const Fact& fact) {
        reasons_.is_asked |= std::holds_alternative<fact::RetryRequested>(fact.body) ||
                             std::holds_alternative<fact::RerunRequested>(fact.body) ||
                             std::holds_alternative<fact::StepRevived>(fact.body) ||
                             std::holds_alternative<fact::SkipRequested>(fact.body) ||
                             std::holds_alternative<fact::OutputGiven>(fact.body) ||
                             std::holds_alternative<fact::UndoSkipped>(fact.body);
        reasons_.came_late |= std::holds_alternative<fact::LateResult>(fact.body);
        reasons_.is_finished |= std::holds_alternative<fact::RunFinished>(fact.body);
    }

    // --- fact by fact ---

    void before_fact(const auto&) {}
    void after_fact(const auto&) {}

    void before_fact(const fact::RunStarted&) {
        if (has_started_) wrong("the run started twice");
        has_started_ = true;
    }

    void before_fact(const fact::RunBecame& fact) {
        if (!orchestrator::core::is_closed(run_.status)) return;
        const bool closes = orchestrator::core::is_closed(fact.status);
        const bool may = closes ? reasons_.is_finished || reasons_.is_asked || reasons_.came_late
                                : reasons_.is_asked || reasons_.came_late;
        if (!may) wrong("the {} run became {}", word_of(run_.status), word_of(fact.status));
    }
    void after_fact(const fact::RunBecame& fact) {
        was_undoing_ |=
            fact.status == RunStatus::compensating || fact.from == RunStatus::compensating;
    }

    void before_fact(const fact::TaskDispatched& fact) {
        const auto place = find_place(workflow_, run_, fact.ref.step);
        if (!place) return wrong("'{}' is dispatched and not there", fact.ref.step);
        const StepState& state = state_of(workflow_, run_, *place);
        const Attempts& attempts = fact.ref.undo ? state.undo_attempts : state.attempts;
        const bool is_again = fact.ref.attempt == attempts.number;
        const std::string name = fact.ref.step + (fact.ref.undo ? ":undo" : "");
        if (!is_again && fact.ref.attempt != attempts.number + 1)
            wrong("'{}' has attempt {} after {}", name, fact.ref.attempt, attempts.number);
        const RunStatus wanted = fact.ref.undo ? RunStatus::compensating : RunStatus::running;
        // What is undone asks first whether it took effect.
        const bool asks = fact.order.is_look && run_.status == RunStatus::compensating;
        if (run_.status != wanted && !asks && !(is_again && run_.status == RunStatus::paused))
            wrong("'{}' is dispatched while the run is {}", name, word_of(run_.status));
        check_key(fact.order.is_look ? name + ":verify" : name, fact.order.idempotency_key);
        if (fact.order.is_look) {
            if (state.look != Look::asks) wrong("'{}' is looked at, and nobody asked", name);
        } else if (state.look == Look::asks && !fact.ref.undo) {
            wrong("'{}' is tried again, and nobody looked whether it took effect", name);
        } else if (fact.ref.undo) {
            if (!can_be_undone(*place)) wrong("'{}' is undone and was never done", fact.ref.step);
        } else if (!is_again) {
            attempted_.insert(fact.ref.step);
            check_turn(*place);
        }
    }

    void before_fact(const fact::StepVerified& fact) {
        if (!fact.is_done) attempted_.erase(fact.ref.step);
    }

    // One key for what is done once, and for nothing else.
    void check_key(const std::string& name, const std::string& key) {
        const auto [owner, is_new] = owner_of_key_.emplace(key, name);
        if (!is_new && owner->second != name)
            wrong("the key {} is of '{}' and of '{}'", key, owner->second, name);
        const auto [mine, is_first] = key_of_.emplace(name, std::pair{key, run_.reruns});
        if (is_first) return;
        if (mine->second.first != key && mine->second.second == run_.reruns)
            wrong("'{}' has the keys {} and {}", name, mine->second.first, key);
        mine->second = {key, run_.reruns};
    }

    bool can_be_undone(Place place) const {
        const Step& step = workflow_.steps[place.step];
        if (!step.compensate) return false;
        const std::string address = address_of(workflow_, run_, place);
        return did_.contains(address) ||
               (step.compensate->on == Compensation::On::attempted && attempted_.contains(address));
    }

    // Blocks around it run, and no race that it was in is decided.
    void check_turn(Place place) {
        const std::string address = address_of(workflow_, run_, place);
        for (Place at = place;;) {
            const Step& step = workflow_.steps[at.step];
            const bool is_instance = workflow_.bodies[run_.scope(at.scope).body].owner == at.step;
            if (!is_instance)
                for (const StepIndex follower : step.followers) {
                    const StepStatus status =
                        state_of(workflow_, run_, {at.scope, follower}).status;
                    const bool has_begun =
                        status != StepStatus::waiting && status != StepStatus::blocked &&
                        status != StepStatus::skipped && status != StepStatus::cancelled &&
                        status != StepStatus::dead;
                    if (workflow_.steps[follower].cancel_rest && has_begun)
                        wrong("'{}' begins, and the race it was in is decided for '{}'", address,
                              workflow_.steps[follower].path);
                }
            const auto around = block_around(at);
            if (!around) return;
            const StepStatus status = state_of(workflow_, run_, *around).status;
            if (status != StepStatus::running)
                wrong("'{}' begins, and '{}' around it is {}", address,
                      address_of(workflow_, run_, *around), word_of(status));
            at = *around;
        }
    }
    std::optional<Place> block_around(Place place) const {
        const Place block = block_of(workflow_, run_, place);
        if (block.step != no_step) return block;
        if (place.scope == root_scope) return std::nullopt;
        const Scope& scope = run_.scope(place.scope);
        return Place{scope.parent, workflow_.bodies[scope.body].owner};
    }

    void before_fact(const fact::TaskCompleted& fact) {
        const auto place = find_place(workflow_, run_, fact.ref.step);
        if (!place) return wrong("'{}' is completed and not there", fact.ref.step);
        const StepState& state = state_of(workflow_, run_, *place);
        const bool is_out = fact.ref.undo ? state.undo == UndoStatus::dispatched &&
                                                state.undo_attempts.number == fact.ref.attempt
                                          : state.status == StepStatus::dispatched &&
                                                state.attempts.number == fact.ref.attempt;
        if (!is_out)
            wrong("'{}' is completed by attempt {}, which is not out", fact.ref.step,
                  fact.ref.attempt);
        if (!fact.ref.undo) did_.insert(fact.ref.step);
    }
    void before_fact(const fact::LateResult& fact) {
        const auto floor = floors_.find(fact.ref.step);
        if (!fact.ref.undo && floor != floors_.end() && fact.ref.attempt <= floor->second)
            wrong("attempt {} of '{}' is of before its rerun, and counts", fact.ref.attempt,
                  fact.ref.step);
    }
    void before_fact(const fact::EffectKept& fact) { did_.insert(fact.step); }
    void before_fact(const fact::UndoSkipped& fact) { excused_.insert(fact.step); }
    void before_fact(const fact::TaskCancelled& fact) {
        if (fact.ref.undo) excused_.insert(fact.ref.step);
    }
    void before_fact(const fact::StepReset& fact) {
        const auto forget = [&](std::set<std::string>& notes) {
            std::erase_if(notes, [&](const std::string& one) { return is_within(one, fact.step); });
        };
        if (const auto place = find_place(workflow_, run_, fact.step))
            floors_[fact.step] = state_of(workflow_, run_, *place).attempts.number;
        std::erase_if(key_of_, [&](const auto& one) { return is_within(one.first, fact.step); });
        forget(did_);
        forget(attempted_);
        forget(excused_);
        std::erase_if(items_, [&](const auto& one) { return is_within(one.first, fact.step); });
    }
    static bool is_within(const std::string& address, const std::string& whole) {
        return address.starts_with(whole) &&
               (address.size() == whole.size() || address[whole.size()] == '[' ||
                address[whole.size()] == '.');
    }

    void before_fact(const fact::StepStarted& fact) {
        if (const auto place = find_place(workflow_, run_, fact.step)) check_turn(*place);
    }

    // --- repeated steps ---

    struct Items {
        std::map<std::uint32_t, StepStatus> closed;
        std::optional<bool> stops; // of a loop with `until`: what its last iteration said
    };
    static std::pair<std::string, std::uint32_t> split(const std::string& instance) {
        const auto open = instance.rfind('[');
        return {instance.substr(0, open),
                static_cast<std::uint32_t>(std::stoul(instance.substr(open + 1)))};
    }

    void before_fact(const fact::ItemStarted& fact) {
        const auto [whole, index] = split(fact.step);
        const auto place = find_place(workflow_, run_, whole);
        if (!place) return wrong("an instance of '{}' begins, which is not there", whole);
        const Instances* instances = instances_of(run_, *place);
        if (instances == nullptr) return wrong("'{}' begins before its step", fact.step);
        if (index != instances->begun)
            wrong("'{}' begins after {} instances", fact.step, instances->begun);
        if (run_.status != RunStatus::running)
            wrong("'{}' begins while the run is {}", fact.step, word_of(run_.status));
        if (items_[whole].stops == true) wrong("'{}' begins, and `until` held", fact.step);
        check_turn(*place);
    }
    void before_fact(const fact::ItemClosed& fact) {
        const auto place = find_place(workflow_, run_, fact.step);
        if (!place) return wrong("'{}' is counted and not there", fact.step);
        if (run_.scope(place->scope).is_counted) wrong("'{}' is counted twice", fact.step);
        const StepStatus status = state_of(workflow_, run_, *place).status;
        if (!is_closed(status)) wrong("'{}' is counted and {}", fact.step, word_of(status));
        const auto [whole, index] = split(fact.step);
        Items& items = items_[whole];
        items.closed[index] = status;
        const Step& step = workflow_.steps[place->step];
        const auto* loop = std::get_if<Loop>(&*step.repetition);
        if (loop != nullptr && loop->test == Loop::Test::after && status != StepStatus::dead)
            items.stops = stops(*place);
    }
    // The conditions of random workflows ask the task, or the first step of the block:
    // default(x.stop, true).
    bool stops(Place instance) const {
        const Step& step = workflow_.steps[instance.step];
        const Place asked =
            step.children.empty() ? instance : Place{instance.scope, step.children.front()};
        const StepState& state = state_of(workflow_, run_, asked);
        if (state.status != StepStatus::done) return true;
        const auto* output = state.output.json().if_object();
        const auto* word = output == nullptr ? nullptr : output->if_contains("stop");
        return word == nullptr || !word->is_bool() || word->get_bool();
    }
    // Whoever ends a run settles its dead letters.
    void before_fact(const fact::RunFinished&) {
        for (const Place place : run_.dead)
            settled_.insert(address_of(workflow_, run_, place));
    }
    void before_fact(const fact::StepDead& fact) {
        settled_.erase(fact.step + (fact.undo ? ":undo" : ""));
    }

    void before_fact(const fact::StepRevived& fact) {
        if (fact.undo || fact.step.empty() || fact.step.back() != ']') return;
        const auto [whole, index] = split(fact.step);
        revived_.insert(fact.step);
        items_[whole].closed.erase(index);
        items_[whole].stops.reset();
    }
    void before_fact(const fact::StepDone& fact) {
        const auto place = find_place(workflow_, run_, fact.step);
        if (!place) return wrong("'{}' is done and not there", fact.step);
        const StepState& state = state_of(workflow_, run_, *place);
        const bool was_with_worker =
            fact.by_hand && state.status == StepStatus::cancelled; // until then
        if (is_closed(state.status) && !was_with_worker)
            wrong("'{}' is {} and done again", fact.step, word_of(state.status));
        const Step& step = workflow_.steps[place->step];
        if (!is_repeated(workflow_, run_, *place)) {
            const bool is_block = !step.children.empty();
            if (fact.by_hand || (is_block && state.error.is_null())) did_.insert(fact.step);
            return;
        }
        if (!fact.by_hand) check_whole(fact.step, *place);
    }
    void check_whole(const std::string& whole, Place place) {
        const Instances* instances = instances_of(run_, place);
        if (instances == nullptr) return;
        const Items& items = items_[whole];
        const auto count = [&](auto... statuses) {
            return static_cast<std::uint32_t>(
                std::count_if(items.closed.begin(), items.closed.end(),
                              [&](const auto& one) { return ((one.second == statuses) || ...); }));
        };
        const auto* each = std::get_if<ForEach>(&*workflow_.steps[place.step].repetition);
        const bool may_fail = each != nullptr && each->keeps_failures();
        if (instances->open != 0 && !(each != nullptr && each->enough))
            wrong("'{}' is done with {} instances open", whole, instances->open);
        const std::uint32_t failed = count(StepStatus::dead, StepStatus::blocked);
        if (instances->succeeded != count(StepStatus::done, StepStatus::skipped) ||
            instances->failed != failed || (failed != 0 && !may_fail))
            wrong("'{}' counts {} instances that ended well, and {} that did not; its history has "
                  "{} of {}",
                  whole, instances->succeeded, instances->failed,
                  count(StepStatus::done, StepStatus::skipped), items.closed.size());
        const Step& step = workflow_.steps[place.step];
        const auto* loop = std::get_if<Loop>(&*step.repetition);
        if (each != nullptr && !each->enough && items.closed.size() != instances->total)
            wrong("'{}' is done after {} of {} items", whole, items.closed.size(),
                  instances->total);
        if (loop != nullptr && loop->test == Loop::Test::after && items.stops == false)
            wrong("'{}' is done, and its `until` did not hold", whole);
    }

    // --- between transitions ---

    void check_between() {
        if (orchestrator::core::is_closed(run_.status)) {
            if (!run_.begun.empty())
                wrong("the run is {}, and '{}' is open", word_of(run_.status),
                      address_of(workflow_, run_, *run_.begun.begin()));
            if (!run_.undoing.empty())
                wrong("the run is {}, and '{}' is being undone", word_of(run_.status),
                      address_of(workflow_, run_, *run_.undoing.begin()));
        }
        for (const auto& [number, scope] : run_.scopes)
            for (const auto& [index, instances] : scope.repetitions) {
                const auto* each = std::get_if<ForEach>(&*workflow_.steps[index].repetition);
                const std::uint32_t allowed = each == nullptr ? 1 : each->max_parallel;
                const std::uint32_t busy = working(instances, index);
                if (busy > allowed)
                    wrong("'{}' has {} instances at once, {} are allowed",
                          address_of(workflow_, run_, {number, index}), busy, allowed);
            }
    }
    // What an operator tries again begins at once, and is not counted here.
    std::uint32_t working(const Instances& instances, StepIndex step) const {
        return static_cast<std::uint32_t>(
            std::count_if(instances.scopes.begin(), instances.scopes.end(), [&](const auto& one) {
                if (revived_.contains(address_of(workflow_, run_, {one.second, step})))
                    return false;
                const StepStatus status = state_of(workflow_, run_, {one.second, step}).status;
                return status != StepStatus::waiting && !is_closed(status);
            }));
    }

    // --- the end ---

    void check_end() {
        if (run_.version != evidence_.row.version)
            return wrong("the row says version {}", evidence_.row.version);
        if (run_.status != evidence_.row.status)
            return wrong("the row says {}", word_of(evidence_.row.status));
        if (!orchestrator::core::is_closed(run_.status))
            return wrong("stuck: {}", state_json(workflow_, run_, run_.version));
        check_letters();
        for (const auto& [key, effect] : evidence_.effects)
            if (effect.run_id == run_.id) check_effect(effect);
    }

    void check_letters() {
        std::set<std::string> open;
        for (const runtime::DeadLetter& letter : evidence_.letters) {
            if (letter.run_id != run_.id || letter.state != runtime::DeadLetterState::open)
                continue;
            if (!open.insert(letter.step).second)
                wrong("'{}' has two open dead letters", letter.step);
        }
        std::set<std::string> dead;
        for (const Place place : run_.dead)
            if (std::holds_alternative<TaskKind>(workflow_.steps[place.step].kind) &&
                !is_repeated(workflow_, run_, place))
                dead.insert(address_of(workflow_, run_, place));
        for (const Place place : run_.undo_dead)
            dead.insert(address_of(workflow_, run_, place) + ":undo");
        for (const std::string& step : open)
            if (!dead.contains(step)) wrong("'{}' has an open dead letter and is not dead", step);
        for (const std::string& step : dead)
            if (!open.contains(step) && !settled_.contains(step))
                wrong("'{}' is dead without an open dead letter", step);
    }

    bool was_undone() const {
        if (run_.by_hand || !was_undoing_) return false;
        return run_.status == RunStatus::compensated || run_.status == RunStatus::cancelled ||
               run_.status == RunStatus::failed;
    }

    void check_effect(const Effect& effect) {
        if (effect.undo) {
            if (!was_undoing_) wrong("'{}' was undone in a run that never was", effect.address);
            return;
        }
        const auto step_index = find_step(workflow_, effect.address);
        if (!step_index || !workflow_.steps[*step_index].compensate) return;
        if (!was_undone() || !effect.is_reported) return;
        const std::string key = find_key(effect.address);
        const auto mine = evidence_.effects.find(key);
        if (mine == evidence_.effects.end() || &mine->second != &effect)
            return; // of before a rerun: it stays
        const bool is_undone =
            std::any_of(evidence_.effects.begin(), evidence_.effects.end(), [&](const auto& one) {
                return one.second.run_id == run_.id && one.second.undo &&
                       one.second.address == effect.address;
            });
        if (is_undone || excused_.contains(effect.address)) return;
        const auto place = find_place(workflow_, run_, effect.address);
        if (!place) return wrong("'{}' was done, is not undone, and is gone", effect.address);
        const StepState& state = state_of(workflow_, run_, *place);
        if (state.undo == UndoStatus::dead) return;
        const bool has_when = workflow_.steps[place->step].compensate->when.has_value();
        if (state.undo == UndoStatus::skipped && has_when && !effect.needs_undo) return;
        wrong("'{}' was done and is not undone ({})", effect.address, word_of(state.undo));
    }
    std::string find_key(const std::string& address) const {
        const auto found = key_of_.find(address);
        return found == key_of_.end() ? "" : found->second.first;
    }

    // What a reader of the row gets: its document, and the history since.
    void check_documents() {
        Run read = new_run(workflow_, run_.id);
        read.input = run_.input;
        read.version = evidence_.row.version;
        read.status = evidence_.row.status;
        read.started_at = evidence_.row.started_at;
        if (const auto was_read = read_state_json(evidence_.row.state, workflow_, read); !was_read)
            return wrong("the document cannot be read: {}", was_read.error().detail);
        for (const runtime::HistoryRow& row : evidence_.history)
            if (row.run_id == run_.id && row.seq > read.version) {
                if (!replay(workflow_, read, facts_from_json(row.events).value(), row.at))
                    return wrong("transition {} does not fit the document", row.seq);
                read.version = row.seq;
            }
        if (state_json(workflow_, read, read.version) != state_json(workflow_, run_, run_.version))
            return wrong("document and history give another state than the history");
        if (const std::string words = difference(read, run_); !words.empty())
            wrong("document and history give other counters: {}", words);
    }

    const RunEvidence& evidence_;
    const Workflow& workflow_;
    Run run_;
    std::string wrong_;
    struct Reasons {
        bool is_asked = false;
        bool came_late = false;
        bool is_finished = false;
    } reasons_;
    bool has_started_ = false;
    bool was_undoing_ = false;
    std::map<std::string, std::string> owner_of_key_;
    std::map<std::string, std::pair<std::string, std::uint32_t>> key_of_;
    std::set<std::string> did_, attempted_, excused_, settled_, revived_;
    std::map<std::string, std::uint32_t> floors_; // the last attempt before a rerun
    std::map<std::string, Items> items_;
};

} // namespace

std::string complaint_about(const RunEvidence& evidence) {
    return Checker(evidence).check();
}

} // namespace baton::test
