// Facts to states, and the counters that follow from states.
#include "orchestrator/core/apply.hpp"

#include "base/assert.hpp"
#include "orchestrator/core/clocks.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <algorithm>
#include <charconv>

namespace baton::orchestrator::core {
namespace {

bool is_begun(StepStatus status) {
    return status != StepStatus::waiting && !is_closed(status);
}

// Whether there is an effect that could be undone. What nobody did needs no undo: a failure that was
// caught, or that a rule went on from, left nothing behind. Blocks have no worker that reports; they
// happened when they ended well.
bool can_be_undone(const Step& step, const StepState& state, bool is_repeated) {
    if (!step.compensate || is_repeated || state.undo != UndoStatus::none) return false;
    const bool is_task = std::holds_alternative<TaskKind>(step.kind);
    const bool happened = is_task ? state.happened : state.status == StepStatus::done && state.error.is_null();
    return happened || (step.compensate->on == Compensation::On::attempted && state.attempts.has_begun() &&
                        state.look != Look::absent);
}

std::size_t text_of(const Document& document) { return document.is_null() ? 0 : document.text().size(); }

// What a step adds to all that is counted of its run.
struct Share {
    StepStatus status = StepStatus::waiting;
    bool passed = false;
    bool sent = false;
    UndoStatus undo = UndoStatus::none;
    std::optional<std::uint32_t> to_undo{};
    std::optional<Time> clock{};
    std::optional<Time> forward_clock{};
    bool has_error = false;
    std::size_t text = 0;
    std::size_t memory = 0;
};

Share share_of(const Step& step, const StepState& state, bool is_repeated) {
    Share share;
    share.status = state.status;
    share.passed = state.passed;
    share.sent = state.sent;
    share.undo = state.undo;
    if (can_be_undone(step, state, is_repeated)) share.to_undo = state.closed_order;
    share.has_error = !state.error.is_null();
    share.clock = clock_of(step, state);
    share.forward_clock = forward_clock_of(state);
    for (const Document* one : {&state.output, &state.effect, &state.undo_input, &state.error, &state.undo_error,
                                &state.given, &state.input, &state.wait,
                                &state.attempts.progress, &state.undo_attempts.progress}) {
        share.text += text_of(*one);
        share.memory += one->memory();
    }
    return share;
}

std::uint32_t& place_in(Tally& tally, StepStatus status, bool passed) {
    switch (status) {
    case StepStatus::waiting:
    case StepStatus::dispatched:
    case StepStatus::backing_off:
    case StepStatus::running:
    case StepStatus::sleeping:
        return tally.open;
    case StepStatus::done:
        return tally.done;
    case StepStatus::skipped:
        return passed ? tally.passed : tally.skipped;
    case StepStatus::cancelled:
        return tally.skipped;
    case StepStatus::dead:
    case StepStatus::blocked:
        return tally.failed;
    }
    return tally.open;
}

template <typename T>
void put(std::set<T>& set, const T& value, bool was_in, bool is_in) {
    if (was_in == is_in) return;
    if (is_in)
        set.insert(value);
    else
        set.erase(value);
}

// The run while it changes. Whoever alters a step does it by change(), which keeps up what is derived.
class Hand {
public:
    Hand(const Workflow& workflow, Run& run, Time now) : workflow_(workflow), run_(run), now_(now) {}

    bool operator()(const fact::RunStarted& fact) {
        if (!fact.input.is_null()) hold(run_.input, fact.input); // else it stands there already
        run_.started_at = now_;
        run_.scheduled_at = fact.scheduled_at;
        run_.parent = fact.parent;
        run_.trace = fact.trace;
        hold(run_.caller, fact.caller);
        return true;
    }
    bool operator()(const fact::RunBecame& fact) {
        const bool was_running = run_.status == RunStatus::running;
        run_.status = fact.status;
        hold(run_.output, fact.output);
        hold(run_.error, fact.error);
        hold(run_.cause, fact.cause);
        run_.ending = fact.ending;
        run_.by_hand = fact.by_hand;
        run_.closed_at = is_closed(fact.status) ? std::optional{now_} : std::nullopt;
        const bool goes_on_after_pause = run_.paused_from == fact.status;
        if (goes_on_after_pause) make_up_for_pause();
        if (!run_.paused_from && fact.from) run_.paused_at = now_;
        if (!fact.from) run_.paused_at = {};
        run_.paused_from = fact.from;
        if (is_closed(fact.status) || fact.status == RunStatus::compensating) run_.closing.reset();
        if (!goes_on_after_pause && fact.from != RunStatus::running) run_.deadline.reset();
        if (fact.status == RunStatus::running) {
            if (workflow_.timeout && !goes_on_after_pause) run_.deadline = now_ + *workflow_.timeout;
            if (!was_running) mark_all();
        } else {
            run_.marked.clear();
        }
        return true;
    }
    bool operator()(const fact::RunClosing& fact) {
        const bool waits = fact.end.from.has_value();
        run_.status = waits ? RunStatus::paused : RunStatus::running;
        if (!waits) run_.paused_at = {};
        run_.paused_from = fact.end.from;
        hold(run_.output, fact.end.output);
        hold(run_.error, fact.end.error);
        hold(run_.cause, fact.end.cause);
        run_.ending = fact.end.ending;
        run_.by_hand = fact.end.by_hand;
        run_.closed_at.reset();
        run_.deadline.reset(); // it was for what the run is for
        run_.closing = Closing{fact.phase, fact.end.status};
        run_.marked.clear();
        for (const StepIndex step : top_of(workflow_, fact.phase))
            mark({root_scope, step});
        return true;
    }
    bool operator()(const fact::TaskDispatched& fact) {
        return change_attempt(fact.ref, [&](StepState& state, Attempts& attempts) {
            // The same number: its message was lost before anybody began.
            if (fact.ref.attempt != attempts.number) {
                Attempts next;
                next.number = fact.ref.attempt;
                next.before_series = attempts.before_series;
                next.floor = attempts.floor;
                next.series_at = attempts.series_at == Time{} ? now_ : attempts.series_at;
                next.dispatched_at = now_;
                next.failures = attempts.failures;
                next.progress = attempts.progress; // where the one after may go on
                if (fact.order.is_look) { // it is none of the series
                    ++next.before_series;
                    state.looks.push_back(fact.ref.attempt);
                } else if (!fact.ref.undo) {
                    state.look = Look::none;
                }
                attempts = std::move(next);
            }
            if (!fact.ref.undo) wait_no_more(state); // for a result that might be known
            if (fact.ref.undo)
                state.undo = UndoStatus::dispatched;
            else
                state.status = StepStatus::dispatched;
        });
    }
    bool operator()(const fact::TaskStarted& fact) {
        return change_attempt(fact.ref, [&](StepState&, Attempts& attempts) {
            attempts.worker = fact.worker;
            attempts.started_at = fact.since.value_or(now_);
            attempts.start_is_noted = true;
        });
    }
    bool operator()(const fact::TaskCompleted& fact) {
        return change_attempt(fact.ref, [&](StepState& state, Attempts&) {
            if (fact.ref.undo) {
                state.undo = UndoStatus::done;
                state.undo_error = {};
                return;
            }
            state.status = StepStatus::done;
            state.happened = true;
            state.output = fact.output;
            state.error = {};
            state.closed_order = ++run_.closed_steps;
        });
    }
    bool operator()(const fact::TaskFailed& fact) {
        const auto place = find_place(workflow_, run_, fact.ref.step);
        if (!place) return false;
        return change_attempt(fact.ref, [&](StepState& state, Attempts& attempts) {
            const bool is_look = !fact.ref.undo && state.look == Look::asks;
            if (is_look)
                state.look_failures += fact.untried ? 0 : 1;
            else if (fact.untried)
                ++attempts.before_series;
            else
                count_failure(call_of(workflow_.steps[place->step], fact.ref.undo), type_of(fact.error), attempts);
            // Why it is asked stays the step's error.
            if (!is_look) (fact.ref.undo ? state.undo_error : state.error) = fact.error;
            if (is_look && !fact.retry_at) state.look = Look::unknown;
            if (fact.asks) ask(state);
            if (!fact.retry_at) return;
            attempts.due = *fact.retry_at;
            attempts.held = false;
            if (fact.ref.undo)
                state.undo = UndoStatus::backing_off;
            else
                state.status = StepStatus::backing_off;
        });
    }
    bool operator()(const fact::StepVerified& fact) {
        return change_attempt(fact.ref, [&](StepState& state, Attempts& attempts) {
            state.look = fact.is_done ? Look::none : Look::absent;
            if (!fact.retry_at) return;
            attempts.due = *fact.retry_at;
            attempts.held = false;
            state.status = StepStatus::backing_off;
        });
    }
    bool operator()(const fact::TaskDeferred& fact) {
        return change_attempt(fact.ref, [&](StepState&, Attempts& attempts) {
            attempts.deferred = true;
            attempts.due = fact.until.value_or(Time{});
        });
    }
    bool operator()(const fact::TaskCancelled& fact) {
        return change_attempt(fact.ref, [&](StepState& state, Attempts&) {
            if (fact.ref.undo)
                state.undo = UndoStatus::skipped;
            else
                close(state, StepStatus::cancelled);
        });
    }
    // What it says is for people; what it changes is said by effect_kept.
    bool operator()(const fact::LateResult&) { return true; }
    bool operator()(const fact::EffectKept& fact) {
        return change(fact.step, [&](StepState& state) {
            state.happened = true;
            state.effect = fact.effect;
            state.undo_input = fact.undo_input;
            // on = "attempted" was here before; with its `when` it can tell only now what there is.
            if (state.undo != UndoStatus::none && state.undo != UndoStatus::skipped) return;
            state.undo = UndoStatus::none;
            if (is_closed(state.status)) state.closed_order = ++run_.closed_steps;
        });
    }
    bool operator()(const fact::StepStarted& fact) {
        const auto place = find_place(workflow_, run_, fact.step);
        if (!place) return false;
        const Step& step = workflow_.steps[place->step];
        const bool is_whole = is_repeated(workflow_, run_, *place);
        if (is_whole) scope(place->scope).repetitions[place->step]; // begins
        change(*place, [&](StepState& state) {
            const bool sleeps = fact.until.has_value();
            state.status = sleeps ? StepStatus::sleeping : StepStatus::running;
            state.due = fact.until.value_or(Time{});
            if (!sleeps && !is_whole && step.block_timeout) state.due = now_ + *step.block_timeout;
        });
        return true;
    }
    bool operator()(const fact::StepWaits& fact) {
        const auto place = find_place(workflow_, run_, fact.step);
        if (!place) return false;
        change(*place, [&](StepState& state) {
            state.status = StepStatus::running;
            state.wait = fact.wanted;
            state.due = fact.until.value_or(Time{});
            remind(*place, state);
        });
        return true;
    }
    bool operator()(const fact::SignalReceived& fact) {
        run_.signals_received = fact.number;
        run_.signals.push_back({fact.number, fact.name, fact.by, now_, fact.data});
        count(fact.data);
        if (fact.id.empty()) return true;
        if (run_.signal_ids.size() >= signals_max) run_.signal_ids.erase(run_.signal_ids.begin());
        run_.signal_ids.push_back(fact.id);
        return true;
    }
    // What it gave is said by step_done.
    bool operator()(const fact::SignalTaken& fact) {
        const auto found = std::find_if(run_.signals.begin(), run_.signals.end(),
                                        [&](const Signal& one) { return one.number == fact.number; });
        if (found == run_.signals.end()) return false;
        discount(found->data);
        run_.signals.erase(found);
        return true;
    }
    bool operator()(const fact::EventTaken& fact) {
        if (run_.event_ids.size() >= signals_max) run_.event_ids.erase(run_.event_ids.begin());
        run_.event_ids.push_back(fact.id);
        return true;
    }
    bool operator()(const fact::ApprovalVoted& fact) {
        return change(fact.step, [&](StepState& state) { state.wait = with_vote(state.wait, fact, now_); });
    }
    bool operator()(const fact::ApprovalReminded& fact) {
        const auto place = find_place(workflow_, run_, fact.step);
        if (!place) return false;
        change(*place, [&](StepState& state) { remind(*place, state); });
        return true;
    }
    bool operator()(const fact::StepDone& fact) {
        const auto place = find_place(workflow_, run_, fact.step);
        if (!place) return false;
        change(*place, [&](StepState& state) {
            close(state, StepStatus::done);
            state.output = fact.output;
            if (fact.by_hand) { // as if a worker had said so
                state.happened = std::holds_alternative<TaskKind>(workflow_.steps[place->step].kind);
                state.error = {};
            }
            drop_hand(state);
        });
        if (is_repeated(workflow_, run_, *place)) forget_instances(*place);
        return true;
    }
    bool operator()(const fact::StepSent& fact) {
        return change(fact.step, [](StepState& state) { state.sent = true; });
    }
    bool operator()(const fact::StepSkipped& fact) {
        const auto place = find_place(workflow_, run_, fact.step);
        if (!place) return false;
        if (fact.undo)
            change(*place, [](StepState& state) { state.undo = UndoStatus::skipped; });
        else
            close_with_children(*place, StepStatus::skipped, fact.passed);
        return true;
    }
    bool operator()(const fact::StepBlocked& fact) {
        const auto place = find_place(workflow_, run_, fact.step);
        if (!place) return false;
        close_with_children(*place, StepStatus::blocked, false);
        return true;
    }
    bool operator()(const fact::StepCancelled& fact) {
        return change(fact.step, [&](StepState& state) {
            close(state, StepStatus::cancelled);
            if (!fact.error.is_null()) state.error = fact.error;
        });
    }
    bool operator()(const fact::ErrorCaught& fact) {
        return change(fact.step, [&](StepState& state) { state.error = fact.error; });
    }
    bool operator()(const fact::StepDead& fact) {
        return change(fact.step, [&](StepState& state) {
            if (fact.undo) {
                state.undo = UndoStatus::dead;
                state.undo_error = fact.error;
                return;
            }
            close(state, StepStatus::dead);
            state.error = fact.error;
            drop_hand(state);
        });
    }
    bool operator()(const fact::StepRevived& fact) {
        const auto place = find_place(workflow_, run_, fact.step);
        if (!place) return false;
        if (fact.undo)
            change(*place, [](StepState& state) {
                begin_series(state.undo_attempts);
                state.undo = UndoStatus::none;
                state.undo_error = {};
            });
        else
            revive(*place);
        return true;
    }
    bool operator()(const fact::ItemsListed& fact) {
        const auto place = find_place(workflow_, run_, fact.step);
        if (!place || !is_repeated(workflow_, run_, *place)) return false;
        Instances& instances = scope(place->scope).repetitions[place->step];
        hold(instances.items, fact.items);
        instances.parallel = fact.parallel;
        instances.total = static_cast<std::uint32_t>(fact.items.json().as_array().size());
        mark(*place);
        return true;
    }
    bool operator()(const fact::ItemStarted& fact) {
        const auto open = fact.step.rfind('[');
        if (open == std::string::npos || fact.step.back() != ']') return false;
        std::uint32_t index = 0;
        const char* end = fact.step.data() + fact.step.size() - 1;
        if (std::from_chars(fact.step.data() + open + 1, end, index).ptr != end) return false;
        const auto place = find_place(workflow_, run_, std::string_view{fact.step}.substr(0, open));
        if (!place || !is_repeated(workflow_, run_, *place)) return false;
        begin_instance(*place, index);
        return true;
    }
    bool operator()(const fact::ItemClosed& fact) {
        const auto place = find_place(workflow_, run_, fact.step);
        if (!place || workflow_.bodies[scope(place->scope).body].owner != place->step) return false;
        count_instance(*place);
        return true;
    }
    // These are for others.
    bool operator()(const fact::ResultFound&) { return true; }
    bool operator()(const fact::ResultKept&) { return true; }
    bool operator()(const fact::CallerAnswered&) {
        hold(run_.caller, {});
        return true;
    }
    bool operator()(const fact::ParentTold&) { return true; }
    bool operator()(const fact::ChildCancelled&) { return true; }
    bool operator()(const fact::EventEmitted&) { return true; }
    bool operator()(const fact::UndoSkipped& fact) {
        return change(fact.step, [](StepState& state) { state.undo = UndoStatus::skipped; });
    }
    bool operator()(const fact::RunFinished&) { return true; }
    bool operator()(const fact::CancelRequested&) { return true; }
    bool operator()(const fact::RetryRequested&) { return true; }
    bool operator()(const fact::PauseRequested&) { return true; }
    bool operator()(const fact::ResumeRequested&) { return true; }
    bool operator()(const fact::SkipRequested& fact) {
        return change(fact.step, [](StepState& state) {
            state.by_hand = ByHand::skip;
            state.given = {};
        });
    }
    bool operator()(const fact::OutputGiven& fact) {
        return change(fact.step, [&](StepState& state) {
            state.by_hand = ByHand::output;
            state.given = fact.output;
        });
    }
    bool operator()(const fact::InputEdited& fact) {
        return change(fact.step, [&](StepState& state) {
            (fact.undo ? state.undo_input : state.input) = fact.input;
        });
    }
    bool operator()(const fact::RerunRequested&) { return true; }
    bool operator()(const fact::RunMended&) { return true; }
    bool operator()(const fact::SlotAwaited&) { return true; }
    bool operator()(const fact::SlotGiven&) { return true; }
    bool operator()(const fact::TaskHeld& fact) {
        return change_attempt({fact.step, fact.undo, 0}, [&](StepState& state, Attempts& attempts) {
            attempts.held = true;
            attempts.due = {};
            if (!fact.undo) wait_no_more(state);
            if (fact.undo)
                state.undo = UndoStatus::backing_off;
            else
                state.status = StepStatus::backing_off;
        });
    }
    bool operator()(const fact::TaskReleased& fact) {
        return change_attempt({fact.step, fact.undo, 0}, [&](StepState&, Attempts& attempts) {
            attempts.held = false;
            attempts.due = now_;
        });
    }
    bool operator()(const fact::StepReset& fact) {
        const auto place = find_place(workflow_, run_, fact.step);
        if (!place) return false;
        run_.reruns = std::max(run_.reruns, fact.rerun);
        const bool is_whole = is_repeated(workflow_, run_, *place);
        if (is_whole) drop_instances(*place);
        change(*place, [&](StepState& state) {
            StepState fresh;
            fresh.attempts.number = state.attempts.number;
            fresh.attempts.before_series = fresh.attempts.number;
            fresh.attempts.floor = fresh.attempts.number;
            fresh.attempts.clock_floor = state.attempts.clock_floor;
            fresh.sent = fact.is_sent;
            fresh.rerun = fact.rerun;
            keep_derived(state, fresh);
            state = std::move(fresh);
        });
        return true;
    }

    void see(const Sighting& sighting) {
        change(sighting.place, [&](StepState& state) {
            Attempts& attempts = sighting.undo ? state.undo_attempts : state.attempts;
            if (sighting.worker) attempts.worker = *sighting.worker;
            if (!sighting.progress.is_null()) attempts.progress = sighting.progress;
            attempts.seen_at = now_;
            if (!attempts.started_at) attempts.started_at = now_;
        });
    }

    void begin_clocks_anew() {
        for (auto& [number, one] : run_.scopes)
            for (const StepIndex index : workflow_.bodies[one.body].steps)
                change({number, index}, [&](StepState& state) {
                    state.attempts.clock_floor = now_;
                    state.undo_attempts.clock_floor = now_;
                });
    }

    void derive() {
        run_.marked.clear();
        run_.begun.clear();
        run_.dead.clear();
        run_.erred.clear();
        run_.to_undo.clear();
        run_.undoing.clear();
        run_.undo_dead.clear();
        run_.with_workers = 0;
        run_.undone = 0;
        run_.clocks.clear();
        run_.forward_clocks.clear();
        run_.text = 0;
        run_.memory = sizeof(Run);
        for (const Document* one : {&run_.input, &run_.output, &run_.error, &run_.cause, &run_.caller})
            count(*one);
        for (const Signal& one : run_.signals)
            count(one.data);
        for (auto& [number, one] : run_.scopes) {
            for (auto& [step, instances] : one.repetitions) {
                instances.scopes.clear();
                instances.open = 0;
                const auto* items = instances.items.json().if_array();
                instances.total = items == nullptr ? 0 : static_cast<std::uint32_t>(items->size());
                count(instances.items);
                for (const auto& [index, result] : instances.results)
                    count(result);
            }
            begin_counting(one);
        }
        for (auto& [number, one] : run_.scopes)
            for (const StepIndex index : workflow_.bodies[one.body].steps)
                update({number, index}, {}, share({number, index}));
        run_.marked.clear();
    }

private:
    Scope& scope(ScopeNumber number) { return run_.scopes.find(number)->second; }
    StepState& state(Place place) {
        Scope& one = scope(place.scope);
        return one.steps[workflow_.bodies[one.body].slot_of(workflow_, place.step)];
    }
    Share share(Place place) {
        return share_of(workflow_.steps[place.step], state(place), is_repeated(workflow_, run_, place));
    }

    template <typename Alter>
    void change(Place place, const Alter& alter) {
        StepState& one = state(place);
        const bool is_whole = is_repeated(workflow_, run_, place);
        const Step& step = workflow_.steps[place.step];
        const Share before = share_of(step, one, is_whole);
        alter(one);
        update(place, before, share_of(step, one, is_whole));
    }
    template <typename Alter>
    bool change(std::string_view address, const Alter& alter) {
        const auto place = find_place(workflow_, run_, address);
        if (place) change(*place, alter);
        return place.has_value();
    }
    template <typename Alter>
    bool change_attempt(const AttemptRef& ref, const Alter& alter) {
        return change(ref.step, [&](StepState& state) {
            alter(state, ref.undo ? state.undo_attempts : state.attempts);
        });
    }

    static void ask(StepState& state) {
        state.look = Look::asks;
        state.look_failures = 0;
    }

    static void drop_hand(StepState& state) {
        state.by_hand = ByHand::none;
        state.given = {};
    }

    static void keep_derived(const StepState& from, StepState& to) {
        to.before = from.before;
        to.open_senders = from.open_senders;
        to.open_children = from.open_children;
        to.clock = from.clock;
        to.forward_clock = from.forward_clock;
    }

    // A pause takes nothing of the time the run and its blocks may need. What ends at a moment (a wait, the
    // pause before an attempt) ends then.
    void make_up_for_pause() {
        const Duration paused = now_ - run_.paused_at;
        if (run_.deadline) *run_.deadline += paused;
        for (const Place place : std::set(run_.begun)) {
            if (state(place).status != StepStatus::running || state(place).due == Time{}) continue;
            change(place, [&](StepState& state) { state.due += paused; });
        }
    }

    // And all that is in them.
    void drop_instances(Place whole) {
        auto& repetitions = scope(whole.scope).repetitions;
        const auto found = repetitions.find(whole.step);
        if (found == repetitions.end()) return;
        for (const auto& [index, number] : std::map(found->second.scopes)) {
            Scope& one = scope(number);
            std::vector<StepIndex> inner;
            for (const auto& [step, instances] : one.repetitions)
                inner.push_back(step);
            for (const StepIndex step : inner)
                drop_instances({number, step});
            drop(one, found->second);
        }
        discount(found->second.items);
        for (const auto& [index, result] : found->second.results)
            discount(result);
        repetitions.erase(found);
    }

    void remind(Place place, StepState& state) {
        const auto* kind = approval_of(workflow_.steps[place.step].kind);
        state.remind_at = kind != nullptr && kind->remind ? now_ + *kind->remind : Time{};
    }

    void wait_no_more(StepState& state) {
        state.wait = {};
        state.remind_at = {};
    }

    void close(StepState& state, StepStatus status) {
        wait_no_more(state);
        state.status = status;
        state.closed_order = ++run_.closed_steps;
    }

    static std::string_view type_of(const Document& error) {
        const auto* object = error.json().if_object();
        const auto* type = object == nullptr ? nullptr : object->if_contains("type");
        return type != nullptr && type->is_string() ? std::string_view{type->get_string()} : std::string_view{};
    }

    static void begin_series(Attempts& attempts) {
        attempts.before_series = attempts.number;
        attempts.failures.clear();
        attempts.series_at = {};
    }

    void count(const Document& document) {
        run_.text += text_of(document);
        run_.memory += document.memory();
    }
    void discount(const Document& document) {
        run_.text -= text_of(document);
        run_.memory -= document.memory();
    }
    void hold(Document& member, const Document& document) {
        discount(member);
        member = document;
        count(member);
    }

    // Others may wait for a step inside a block that never runs. Such a block has no instances.
    void close_with_children(Place place, StepStatus status, bool passed) {
        change(place, [&](StepState& state) {
            wait_no_more(state);
            state.status = status;
            state.passed = passed;
            drop_hand(state);
        });
        if (is_repeated(workflow_, run_, place)) return;
        for (const StepIndex child : workflow_.steps[place.step].children)
            close_children(Place{place.scope, child}, status, passed);
    }
    void close_children(Place place, StepStatus status, bool passed) {
        if (!is_closed(state(place).status)) return close_with_children(place, status, passed);
        if (is_repeated(workflow_, run_, place)) return;
        for (const StepIndex child : workflow_.steps[place.step].children)
            close_children(Place{place.scope, child}, status, passed);
    }

    // A block goes on with the children it has; anything else begins again.
    void revive(Place place) {
        const Step& step = workflow_.steps[place.step];
        const bool is_whole = is_repeated(workflow_, run_, place);
        auto& repetitions = scope(place.scope).repetitions;
        bool goes_on = !is_whole && !step.children.empty();
        if (const auto found = repetitions.find(place.step); is_whole && found != repetitions.end()) {
            goes_on = found->second.begun > 0;
            found->second.before_series = found->second.begun;
            if (!goes_on) {
                discount(found->second.items);
                repetitions.erase(found);
            }
        }
        uncount_instance(place);
        change(place, [&](StepState& state) {
            begin_series(state.attempts);
            if (state.look == Look::unknown || state.look == Look::asks) ask(state); // before it is repeated
            if (state.status == StepStatus::blocked) goes_on = false; // it had not begun
            state.error = {};
            state.passed = false;
            state.status = goes_on ? StepStatus::running : StepStatus::waiting;
            state.closed_order = 0;
            state.due = goes_on && step.block_timeout && !is_whole ? now_ + *step.block_timeout : Time{};
        });
    }

    void begin_instance(Place whole, std::uint32_t index) {
        const ScopeNumber number = ++run_.begun_scopes;
        Instances& instances = scope(whole.scope).repetitions[whole.step];
        instances.begun = std::max(instances.begun, index + 1);
        Scope& made = run_.scopes[number];
        made.number = number;
        made.parent = whole.scope;
        made.body = workflow_.steps[whole.step].inner;
        made.index = index;
        made.steps.resize(workflow_.bodies[made.body].steps.size());
        const std::uint32_t floor = state(whole).attempts.floor;
        for (StepState& state : made.steps) {
            for (Attempts* attempts : {&state.attempts, &state.undo_attempts})
                attempts->number = attempts->before_series = attempts->floor = floor;
        }
        begin_counting(made);
        change(whole, [](StepState& state) {
            state.status = StepStatus::running;
            state.due = {};
        });
        mark({number, whole.step});
    }

    Place whole_of(const Scope& instance) const {
        return {instance.parent, workflow_.bodies[instance.body].owner};
    }

    void count_instance(Place place) {
        Scope& one = scope(place.scope);
        const Place whole = whole_of(one);
        const StepState& end = one.steps.front();
        const Step& step = workflow_.steps[place.step];
        Instances& instances = scope(whole.scope).repetitions[whole.step];
        one.is_counted = true;
        --instances.open;
        const bool is_good = end.status == StepStatus::done || end.status == StepStatus::skipped;
        if (is_good) ++instances.succeeded;
        if (end.status == StepStatus::dead || end.status == StepStatus::blocked) ++instances.failed;
        if (is_good && step.results_are_read) {
            const bool is_loop = std::holds_alternative<Loop>(*step.repetition);
            hold(instances.results[is_loop ? 0 : one.index], end.output);
        }
        mark(whole);
        if (is_good && is_over(one)) drop(one, instances);
    }
    void uncount_instance(Place place) {
        Scope& one = scope(place.scope);
        if (workflow_.bodies[one.body].owner != place.step || !one.is_counted) return;
        Instances& instances = scope(one.parent).repetitions[place.step];
        one.is_counted = false;
        ++instances.open;
        const StepStatus end = one.steps.front().status;
        if (end == StepStatus::done || end == StepStatus::skipped) --instances.succeeded;
        if (end == StepStatus::dead || end == StepStatus::blocked) --instances.failed;
    }

    // Nothing of the instance will ever be asked for: there is nothing to undo, and no late result could
    // bring something.
    bool is_over(const Scope& one) const {
        const auto& steps = workflow_.bodies[one.body].steps;
        for (std::size_t slot = 0; slot < steps.size(); ++slot)
            if (workflow_.steps[steps[slot]].compensate && !is_repeated(workflow_, run_, {one.number, steps[slot]}) &&
                (one.steps[slot].attempts.has_begun() || one.steps[slot].status == StepStatus::done))
                return false;
        return std::all_of(one.repetitions.begin(), one.repetitions.end(),
                           [](const auto& repetition) { return repetition.second.scopes.empty(); });
    }
    void drop(Scope& one, Instances& instances) {
        Attempts& highest = state(whole_of(one)).attempts;
        for (const StepState& state : one.steps)
            highest.number = std::max({highest.number, state.attempts.number, state.undo_attempts.number});
        for (const StepIndex index : workflow_.bodies[one.body].steps) {
            const Place place{one.number, index};
            count_step(place, share(place), {});
            run_.marked.erase(place);
        }
        for (const auto& [step, inner] : one.repetitions) {
            discount(inner.items);
            for (const auto& [index, result] : inner.results)
                discount(result);
        }
        run_.memory -= memory_of(one);
        instances.scopes.erase(one.index);
        run_.scopes.erase(one.number);
    }

    // Its output says all; only instances that may still be undone go on reading their items.
    void forget_instances(Place whole) {
        auto& repetitions = scope(whole.scope).repetitions;
        const auto found = repetitions.find(whole.step);
        if (found == repetitions.end()) return;
        Instances& instances = found->second;
        for (const auto& [index, result] : instances.results)
            discount(result);
        instances.results.clear();
        if (!instances.scopes.empty()) return;
        discount(instances.items);
        repetitions.erase(found);
    }

    static std::size_t memory_of(const Scope& one) {
        return sizeof(Scope) + one.steps.capacity() * sizeof(StepState);
    }

    std::uint32_t& open_of(Scope& one, StepIndex step) const {
        const Phase phase = workflow_.steps[step].phase;
        if (one.body != root_body || phase == Phase::main) return one.open_top;
        return one.open_closing[phase == Phase::on_error ? 0 : 1];
    }

    // A scope is entered as if nothing of it had happened yet.
    void begin_counting(Scope& one) {
        const Body& body = workflow_.bodies[one.body];
        if (body.owner != no_step) {
            const Scope& parent = run_.scope(one.parent);
            one.address = address_of(workflow_, parent, body.owner) + '[' + std::to_string(one.index) + ']';
            Instances& instances = scope(one.parent).repetitions[body.owner];
            instances.scopes[one.index] = one.number;
            if (!one.is_counted) ++instances.open;
        }
        one.open_top = 0;
        one.open_closing = {};
        for (const StepIndex step : body.top)
            ++open_of(one, step);
        for (std::size_t slot = 0; slot < one.steps.size(); ++slot) {
            const Step& step = workflow_.steps[body.steps[slot]];
            StepState& state = one.steps[slot];
            const bool is_instance = body.steps[slot] == body.owner;
            // Whom an instance waits for, its step as a whole has waited for.
            state.before = {};
            state.before.open = is_instance ? 0 : static_cast<std::uint32_t>(step.predecessors.size());
            state.open_senders = is_instance ? 0 : static_cast<std::uint32_t>(step.senders.size());
            const bool is_whole = step.repetition && !is_instance;
            state.open_children = is_whole ? 0 : static_cast<std::uint32_t>(step.children.size());
            state.clock.reset();
            state.forward_clock.reset();
        }
        run_.memory += memory_of(one);
    }

    void mark(Place place) {
        if (run_.status == RunStatus::running) run_.marked.insert(place);
    }
    void mark_all() {
        for (const auto& [number, one] : run_.scopes)
            for (const StepIndex index : workflow_.bodies[one.body].steps)
                run_.marked.insert({number, index});
    }

    // What follows from a step having become another one.
    void update(Place place, const Share& was, const Share& is) {
        count_step(place, was, is);
        if (was.status == is.status && was.passed == is.passed && was.sent == is.sent) return;
        mark(place);
        tell_others(place, was, is);
    }

    void count_step(Place place, const Share& was, const Share& is) {
        run_.text += is.text - was.text;
        run_.memory += is.memory - was.memory;
        StepState& one = state(place);
        if (was.clock) run_.clocks.erase({*was.clock, place});
        if (is.clock) run_.clocks.insert({*is.clock, place});
        if (was.forward_clock) run_.forward_clocks.erase({*was.forward_clock, place});
        if (is.forward_clock) run_.forward_clocks.insert({*is.forward_clock, place});
        one.clock = is.clock;
        one.forward_clock = is.forward_clock;

        if (was.to_undo) run_.to_undo.erase({*was.to_undo, place});
        if (is.to_undo) run_.to_undo.insert({*is.to_undo, place});
        const auto is_undoing = [](UndoStatus undo) {
            return undo == UndoStatus::dispatched || undo == UndoStatus::backing_off;
        };
        put(run_.undoing, place, is_undoing(was.undo), is_undoing(is.undo));
        put(run_.undo_dead, place, was.undo == UndoStatus::dead, is.undo == UndoStatus::dead);
        run_.undone += (is.undo != UndoStatus::none) - (was.undo != UndoStatus::none);

        put(run_.begun, place, is_begun(was.status), is_begun(is.status));
        put(run_.dead, place, was.status == StepStatus::dead, is.status == StepStatus::dead);
        put(run_.erred, place, was.has_error && is_closed(was.status), is.has_error && is_closed(is.status));
        run_.with_workers += (is.status == StepStatus::dispatched) - (was.status == StepStatus::dispatched);
    }

    void tell_others(Place place, const Share& was, const Share& is) {
        Scope& one = scope(place.scope);
        const Body& body = workflow_.bodies[one.body];
        const Step& step = workflow_.steps[place.step];
        const bool is_instance = place.step == body.owner;
        if (is.status == StepStatus::running && was.status != StepStatus::running &&
            !is_repeated(workflow_, run_, place))
            for (const StepIndex child : step.children)
                mark({place.scope, child});

        const int opened = static_cast<int>(is_closed(was.status)) - static_cast<int>(is_closed(is.status));
        const bool is_counted_anew = opened != 0 || was.passed != is.passed ||
                                     (is_closed(is.status) && was.status != is.status);
        if (!is_counted_anew) return;
        if (is_instance) {
            open_of(one, place.step) += static_cast<std::uint32_t>(opened);
            mark(whole_of(one));
            return;
        }
        if (step.parent == no_step)
            open_of(one, place.step) += static_cast<std::uint32_t>(opened);
        else {
            state({place.scope, step.parent}).open_children += static_cast<std::uint32_t>(opened);
            mark({place.scope, step.parent});
        }
        for (const StepIndex follower : step.followers) {
            const Place there{place.scope, follower};
            Tally& tally = state(there).before;
            --place_in(tally, was.status, was.passed);
            ++place_in(tally, is.status, is.passed);
            mark(there);
        }
        for (const StepIndex target : step.targets) {
            const Place there{place.scope, target};
            state(there).open_senders += static_cast<std::uint32_t>(opened);
            mark(there);
        }
    }

    const Workflow& workflow_;
    Run& run_;
    Time now_;
};

} // namespace

Document with_vote(const Document& wait, const fact::ApprovalVoted& voted, Time at) {
    boost::json::object with = wait.json().is_object() ? wait.json().get_object() : boost::json::object{};
    auto& votes = with["votes"];
    if (!votes.is_array()) votes = boost::json::array{};
    boost::json::object vote{{"by", voted.by}, {"approves", voted.approves}, {"at", to_rfc3339(at)}};
    if (!voted.comment.empty()) vote["comment"] = voted.comment;
    if (!voted.form.is_null()) vote["form"] = voted.form.json();
    votes.as_array().push_back(std::move(vote));
    return Document::of(std::move(with));
}

bool apply(const Workflow& workflow, Run& run, const Fact& fact, Time at) {
    Hand hand(workflow, run, at);
    return std::visit([&](const auto& body) { return hand(body); }, fact.body);
}

bool replay(const Workflow& workflow, Run& run, std::span<const Fact> facts, Time at) {
    const bool fits = std::all_of(facts.begin(), facts.end(), [&](const Fact& fact) {
        return apply(workflow, run, fact, at);
    });
    run.marked.clear();
    return fits;
}

void see(const Workflow& workflow, Run& run, const Sighting& sighting, Time now) {
    Hand(workflow, run, now).see(sighting);
}

void begin_clocks_anew(const Workflow& workflow, Run& run, Time now) {
    Hand(workflow, run, now).begin_clocks_anew();
}

void derive(const Workflow& workflow, Run& run) {
    Hand(workflow, run, {}).derive();
}

void Recorder::note(FactBody body) {
    facts_.push_back({std::move(body)});
    const bool fits = apply(workflow_, run_, facts_.back(), now_);
    BATON_ASSERT(fits, "what is decided of a run speaks of what it has");
}

std::optional<Place> Recorder::next_marked(Place from) {
    if (run_.marked.empty()) return std::nullopt;
    auto next = run_.marked.lower_bound(from);
    if (next == run_.marked.end()) next = run_.marked.begin();
    const Place place = *next;
    run_.marked.erase(next);
    return place;
}

} // namespace baton::orchestrator::core
