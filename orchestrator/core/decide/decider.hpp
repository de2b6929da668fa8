// What is to become of a run; private to this folder. It reads the run and notes facts, and the note is
// what changes it: nothing here can write to a run.
//
//   events.cpp   what each event means: is it about something current, what follows, go on
//   steps.cpp    whose turn it is, beginning and ending of steps
//   tasks.cpp    attempts: handed out, reported, lost, late
//   caching.cpp  is the result known already?
//   verifying.cpp  did it take effect? looks that find out
//   failing.cpp  no more attempts: caught, or dead
//   repeating.cpp  for_each, while, until
//   waiting.cpp  for what comes from outside: signals, approvals, the first of several; and what is told there
//   ending.cpp   how a run ends, is undone and is opened again
//   operating.cpp  what else an operator asks for: pauses, steps done by hand, inputs, reruns
//   holding.cpp  how much a run may hold
//
// Whatever closes or opens a step marks those whose turn may have come by that (apply.hpp); go_on() looks
// at them, and is the only place that begins anything new.
#pragma once

#include "orchestrator/core/advance.hpp"
#include "orchestrator/core/apply.hpp"
#include "orchestrator/core/clocks.hpp"
#include "orchestrator/core/data.hpp"
#include "orchestrator/core/decide/join.hpp"
#include "orchestrator/core/gate.hpp"
#include "orchestrator/core/judge.hpp"

#include <boost/json/object.hpp>

#include <optional>
#include <set>
#include <string>
#include <utility>

namespace baton::orchestrator::core {

class Decider {
public:
    Decider(const Workflow& workflow, Recorder& recorder, Time now, const RunLimits& limits, const Judge& judge,
            const Gate& gate)
        : workflow_(workflow), recorder_(recorder), now_(now), limits_(limits), judge_(judge), gate_(gate) {}

    void on(const RunStarted& event);
    void on(const TaskCompleted& event);
    void on(const TaskFailed& event);
    void on(const TaskLost& event);
    void on(const TaskStarted& event);
    void on(const TaskHeartbeat& event);
    void on(const TaskDeferred& event);
    void on(const QueueLost& event);
    void on(const AlarmRang& event);
    void on(const CancelRequested& event);
    void on(const RunRetried& event);
    void on(const TaskRevived& event);
    void on(const UndoSkipped& event);
    void on(const RunFinished& event);
    void on(const PauseRequested& event);
    void on(const ResumeRequested& event);
    void on(const SkipRequested& event);
    void on(const OutputGiven& event);
    void on(const InputEdited& event);
    void on(const RerunRequested& event);
    void on(const RunMended& event);
    void on(const SlotGiven& event);
    void on(const TasksReleased& event);
    void on(const SignalSent& event);
    void on(const ApprovalDecided& event);
    void on(const EventArrived& event);
    void on(const ResultKnown& event);

    Transition take() { return std::move(made_); }

private:
    // tasks.cpp
    struct Found {
        Place place;
        bool is_current = false;  // with the workers right now
        bool is_accepted = false; // its result is the one that counts already
    };
    std::optional<Found> find(const AttemptRef& ref) const;
    enum class Counting : std::uint8_t { attempt, no_attempt };
    void attempt_failed(const AttemptRef& ref, const Problem& problem, const Document& message, Counting counting);
    void fail_attempt(Place place, bool undo, const Problem& problem, const Document& message,
                      Counting counting = Counting::attempt);
    void take_late_effect(Place place, const TaskCompleted& event);
    void note_start(Place place, bool undo);
    enum class Sending : std::uint8_t {
        anew,  // the next attempt
        again, // the one that is out: its message was lost before anybody began
    };
    bool holds_back(Place place, bool undo);
    void release(Place place, bool undo);
    void dispatch(Place place, bool undo, Sending sending = Sending::anew);
    Document input_of(Place place, bool undo) const;

    // caching.cpp
    void begin_task(Place place);
    Evaluated<std::string> key_of_result(Place place) const;
    void keep_result(Place place, const Document& raw);

    // verifying.cpp
    bool asks(Place place, bool undo = false) const { return !undo && state(place).look == Look::asks; }
    bool is_outcome_unknown(Place place, const Problem& problem, Counting counting) const;
    bool awaits_a_look() const;
    void look_at_effect(Place place);
    void take_look(Place place, const Document& result);
    void look_failed(Place place, const Problem& problem, const Document& message, Counting counting);

    // events.cpp
    void ring(Place place);
    void ring_attempt(Place place, bool undo);
    void hurry();
    std::optional<Place> place_of(const std::string& step);
    void open_closing_step(Place place);

    // steps.cpp
    Turn turn_of(Place place) const;
    void go_on();
    void go_forwards();
    void look_at(Place place);
    void start(Place place);
    void begin(Place place);
    void start_switch(Place place, const SwitchKind& kind);
    void send(ScopeNumber scope, const std::vector<StepIndex>& targets);
    void complete(Place place, const Document& raw, bool by_task);
    void close_as_done(Place place, Document output);
    void close_block(Place place);
    void cancel(Place place);
    void cancel_children(Place place);

    // failing.cpp
    struct Catch {
        bool is_found = false;
        Document output{};
        std::vector<StepIndex> go{};
        std::optional<Problem> broken{}; // the rule's output has no value
    };
    Catch catch_at(Place place, const Problem& problem) const;
    Catch time_out_at(Place place, const Problem& problem) const;
    void give_up(Place place, const Problem& problem, std::string_view reason, const Document& message);
    void die(Place place, const Problem& problem, const Document& error, std::string_view reason,
             const Document& message);
    void undo_dies(Place place, const Problem& problem, const Document& message);
    bool keeps_failures(Place instance) const;
    std::optional<Place> keeper_of(Place place) const;
    void fail_around(Place place, const Problem& problem);

    // repeating.cpp
    void begin_repetition(Place whole);
    void turn(Place whole);
    bool is_decided(Place whole, const ForEach& each);
    void turn_loop(Place whole, const Loop& loop);
    void close_instance(Place instance);
    void close_iteration(Place instance, const Loop& loop);
    void begin_iteration(Place whole);
    void close_repetition(Place whole);

    // waiting.cpp
    void await_signal(Place place, const SignalKind& kind);
    std::optional<Time> until_block_timeout(Place place) const;
    // False: what is waited for is too large to be kept, and the step gave up.
    bool begin_wait(Place place, boost::json::object wanted, std::optional<Time> until);
    void ask_people(Place place, const ApprovalKind& kind);
    void await_event(Place place, const EventKind& kind);
    Evaluated<std::string> signal_wanted(Place place, const SignalKind& kind, std::string_view what) const;
    Evaluated<boost::json::object> question(Place place, const ApprovalKind& kind) const;
    Evaluated<boost::json::object> event_wanted(Place place, const EventKind& kind) const;
    Evaluated<boost::json::object> way_wanted(Place place, const FirstOfKind::Way& way, std::optional<Time>& first) const;
    void emit(Place place, const EmitKind& kind);
    void reply(Place place, const ReplyKind& kind);
    void await_first(Place place, const FirstOfKind& kind);
    void take_kept(Place place);
    void take_signal(Place place, const Signal& signal);
    void ring_wait(Place place);
    std::string why_no_signal(const SignalSent& event) const;
    std::optional<std::string> why_not_asked(Place place, const ApprovalDecided& event) const;

    // ending.cpp
    fact::RunBecame as_it_is(RunStatus status) const;
    void fail_run(Place place, const Problem& problem);
    void complete_run(const std::optional<expression::Template>& output, ScopeNumber scope);
    void time_out_run();
    void close_run(fact::RunBecame end);
    void close_for_good(fact::RunBecame end);
    Document end_as_error() const;
    void begin_anew();
    void cancel_open_steps();
    void cancel_one(Place place);
    enum class InPause : std::uint8_t {
        waits,   // for the end of the pause
        ends_it, // somebody asked for it
    };
    void begin_compensation(Document error, Ending ending, InPause in_pause = InPause::waits);
    void compensate_next();
    void undo(Place place);
    void end_compensation();
    bool was_undone() const;
    // What takes effect late in a run with this end is undone.
    bool undoes(const fact::RunBecame& end) const;
    static fact::RunBecame undoing(fact::RunBecame end);
    void reopen_undo();
    void reopen();
    bool has_lost_race(Place place) const;
    bool has_begun(Place place) const;
    void revive(Place place, bool undo);
    void revive_followers(Place place);
    void revive_stopped(Place block);
    std::string why_not_revived(Place place) const;
    void give_undo_up(Place place);

    // operating.cpp
    bool may_be_done_by_hand(Place place);
    void take_in_hand(Place place);
    void close_by_hand(Place place);
    void open_dead(Place place);
    std::string why_no_other_input(Place place, bool undo, const Document& input) const;
    struct RunsAgain {
        std::set<StepIndex> reset{};
        std::set<StepIndex> opened{}; // blocks of which only a part is
    };
    RunsAgain what_runs_again(StepIndex first) const;
    bool may_run_again(Place place, const std::string& named);
    bool would_be_blocked(Place place) const;
    void settle_letters_of(const RunsAgain& again);
    std::uint32_t rerun_of(Place place) const;

    // holding.cpp
    bool fits(const Document& more, std::size_t copies = 1) const;
    Problem too_large(const Document& more) const;
    Problem too_much_given() const;
    Problem fitting(Problem problem) const;
    void keep_effect(Place place, const Document& result);

    const Run& run() const { return recorder_.run(); }
    const Step& step(Place place) const { return workflow_.steps[place.step]; }
    const StepState& state(Place place) const { return state_of(workflow_, run(), place); }
    const Attempts& attempts(Place place, bool undo) const {
        return undo ? state(place).undo_attempts : state(place).attempts;
    }
    // What is out or has its turn next.
    const TaskCall& call(Place place, bool undo) const { return call_of(step(place), state(place), undo); }
    std::string address(Place place) const { return address_of(workflow_, run(), place); }
    AttemptRef attempt(Place place, bool undo) const {
        return {address(place), undo, attempts(place, undo).number};
    }
    // A failed step ends nothing: the others go on.
    bool goes_on_after_failure() const { return workflow_.on_failure == OnFailure::go_on || run().closing; }
    // An operator lets the run pause.
    bool is_held() const { return run().paused_from.has_value(); }
    bool is_whole(Place place) const { return is_repeated(workflow_, run(), place); }
    bool is_instance(Place place) const {
        return workflow_.bodies[run().scope(place.scope).body].owner == place.step;
    }
    // The repeated step of which the place's scope is an instance.
    Place whole_of(ScopeNumber scope) const {
        const Scope& one = run().scope(scope);
        return {one.parent, workflow_.bodies[one.body].owner};
    }
    // The block around it, and around an instance the step as a whole.
    Place around(Place place) const;
    Reading reading(Place place) const { return {workflow_, run(), place.scope}; }
    Reading reading_of(Place place, bool undo) const {
        Reading names = reading(place);
        if (undo) names.undone = place.step;
        return names;
    }
    void note(FactBody body) { recorder_.note(std::move(body)); }

    const Workflow& workflow_;
    Recorder& recorder_;
    Time now_;
    RunLimits limits_;
    const Judge& judge_;
    const Gate& gate_;
    std::size_t given_ = 0; // to the tasks that began in this transition
    Transition made_;
};

// {"type":…,…,"step":…}: the error of a run says where it came from.
Document error_of_run(const Problem& problem, std::string_view step);

} // namespace baton::orchestrator::core
