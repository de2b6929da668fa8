// One transition while it is being made; private to this folder. advance.cpp has the events,
// steps.cpp what happens to steps, size.cpp how much a run may hold, ending.cpp how a run ends, is undone
// and is opened again.
//
// Two rules keep it simple. Handlers change the steps an event speaks of and then call go_on(), the
// only place that starts anything new. And whatever changes the run leaves a fact.
#pragma once

#include "orchestrator/core/advance.hpp"
#include "orchestrator/core/data.hpp"

namespace baton::orchestrator::core {

class Advancing {
public:
    Advancing(const Workflow& workflow, Run& run, Time now, const RunLimits& limits)
        : workflow_(workflow), run_(run), now_(now), limits_(limits) {}

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

    Transition take() { return std::move(made_); }

private:
    // advance.cpp
    struct Found {
        StepIndex index = no_step;
        bool is_current = false;  // with the workers right now
        bool is_accepted = false; // its result is the one that counts already
    };
    std::optional<Found> find(const AttemptRef& ref);
    void not_counted(const AttemptRef& ref);
    void attempt_failed(const AttemptRef& ref, const Problem& problem, const Document& message);
    void ring_step(StepIndex index);
    void hurry();
    void ring_attempt(StepIndex index, bool undo);
    void note_start(StepIndex index, bool undo);

    // steps.cpp
    void go_on();
    bool look_at(StepIndex index);
    void start(StepIndex index);
    void start_switch(StepIndex index, const SwitchKind& kind);
    void send(const std::vector<StepIndex>& targets);
    enum class Sending : std::uint8_t {
        anew,  // the next attempt
        again, // the one that is out: its message was lost before anybody began
    };
    void dispatch(StepIndex index, bool undo, Sending sending = Sending::anew);
    void complete(StepIndex index, const Document& raw, bool by_task);
    void close_as_done(StepIndex index, Document output);
    void close_without_result(StepIndex index, StepStatus status);
    void close_descendants(StepIndex block, StepStatus status);
    void close_block(StepIndex block);
    void cancel(StepIndex index);
    void fail_attempt(StepIndex index, bool undo, const Problem& problem, const Document& message);
    void give_up(StepIndex index, const Problem& problem, std::string_view reason,
                 const Document& message);
    bool caught(StepIndex index, const Problem& problem);
    void die(StepIndex index, const Problem& problem, std::string_view reason,
             const Document& message);
    void undo_dies(StepIndex index, const Problem& problem, const Document& message);

    // ending.cpp
    void fail_run(StepIndex index, const Problem& problem);
    void complete_run(const std::optional<expression::Template>& output);
    void time_out_run();
    void close_run(RunStatus status);
    void cancel_open_steps();
    void begin_compensation(Ending ending);
    void compensate_next();
    void undo(StepIndex index);
    bool must_be_undone(StepIndex index) const;
    void end_compensation();
    bool was_undone() const;
    void reopen_undo();
    void take_late_effect(StepIndex index, const TaskCompleted& event);
    void reopen();
    void revive(StepIndex index, bool undo);
    void give_undo_up(StepIndex index);

    // size.cpp
    bool fits(const Document& more, std::size_t copies = 1);
    bool take(const Document& more);
    Problem too_large(const Document& more);
    Problem too_much_given() const;
    Problem fitting(Problem problem);
    void keep_effect(StepIndex index, const Document& result);

    // The call a step makes, or its undo's.
    const TaskCall& call_of(StepIndex index, bool undo) const;
    Document input_of(StepIndex index, bool undo) const;
    Attempts& attempts_of(StepIndex index, bool undo);
    Fact& note(FactKind kind, StepIndex index, bool undo = false);
    Fact& note(FactKind kind);
    Scope scope() const { return {workflow_, run_}; }
    Scope scope_of(StepIndex index, bool undo) const {
        Scope scope{workflow_, run_};
        if (undo) scope.undone = index;
        return scope;
    }
    const Step& step(StepIndex index) const { return workflow_.steps[index]; }
    StepState& state(StepIndex index) { return run_.steps[index]; }
    void set_deadline() {
        run_.deadline = workflow_.timeout ? std::optional{now_ + *workflow_.timeout} : std::nullopt;
    }

    const Workflow& workflow_;
    Run& run_;
    Time now_;
    RunLimits limits_;
    std::optional<std::size_t> held_; // bytes of text the run holds; counted when somebody asks
    std::size_t given_ = 0;           // to the tasks that began in this transition
    Transition made_;
};

// When the attempt that is with the workers has failed by silence; nothing: never. And why.
struct Silence {
    Time due;
    const char* limit; // "start_to_close", ...
};
std::optional<Silence> silence_of(const TaskCall& call, const Attempts& attempts);

// That a worker began is kept in memory, since most tasks are done in a moment; one that takes longer
// than this is noted in the history, so that its clock survives a restart of this program.
inline constexpr Duration note_start_after = std::chrono::seconds(5);
// When that must be noted; nothing: not at all, or it was.
std::optional<Time> note_start_at(const TaskCall& call, const Attempts& attempts);

// {"type":…,…,"step":…}: the error of a run says where it came from.
Document error_of_run(const Problem& problem, std::string_view step);

} // namespace baton::orchestrator::core
