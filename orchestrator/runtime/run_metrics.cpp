#include "orchestrator/runtime/run_metrics.hpp"

#include "orchestrator/core/clocks.hpp"
#include "orchestrator/core/fact.hpp"

#include <string_view>
#include <variant>

namespace baton::orchestrator::runtime {

namespace fact = core::fact;

namespace {

// Counts one fact after the other of a run.
class Counting {
public:
    Counting(EngineMetrics& metrics, const CachedRun& cached, Time now)
        : metrics_(metrics), cached_(cached), workflow_(cached.workflow->name), now_(now) {}

    void operator()(const fact::RunStarted&) { metrics_.runs_started.of(workflow_).add(); }
    void operator()(const fact::RunBecame& one) {
        if (!core::is_closed(one.status)) return;
        const auto status = core::word_of(one.status);
        metrics_.runs_closed.of(workflow_, status).add();
        metrics_.run_seconds.of(workflow_, status).note((now_ - cached_.run.started_at).count());
    }
    void operator()(const fact::TaskCompleted& one) {
        attempt_ended(one.ref, "completed");
        if (!one.ref.undo) step_became("done");
    }
    void operator()(const fact::TaskFailed& one) { attempt_ended(one.ref, "failed"); }
    void operator()(const fact::TaskCancelled& one) {
        attempt_ended(one.ref, "cancelled");
        if (!one.ref.undo) step_became("cancelled");
    }
    void operator()(const fact::StepDone&) { step_became("done"); }
    void operator()(const fact::StepSkipped& one) {
        if (!one.undo) step_became("skipped");
    }
    void operator()(const fact::StepBlocked&) { step_became("blocked"); }
    void operator()(const fact::StepCancelled&) { step_became("cancelled"); }
    void operator()(const fact::ErrorCaught&) { step_became("caught"); }
    void operator()(const fact::StepDead& one) {
        if (!one.undo) step_became("dead");
    }
    // Nothing ends with these.
    void operator()(const fact::TaskDispatched&) {}
    void operator()(const fact::TaskStarted&) {}
    void operator()(const fact::TaskDeferred&) {}
    void operator()(const fact::LateResult&) {}
    void operator()(const fact::EffectKept&) {}
    void operator()(const fact::StepStarted&) {}
    void operator()(const fact::StepSent&) {}
    void operator()(const fact::StepRevived&) {}
    void operator()(const fact::ItemsListed&) {}
    void operator()(const fact::ItemStarted&) {}
    void operator()(const fact::ItemClosed&) {}
    void operator()(const fact::UndoSkipped&) {}
    void operator()(const fact::RunFinished&) {}
    void operator()(const fact::CancelRequested&) {}
    void operator()(const fact::RetryRequested&) {}
    void operator()(const fact::PauseRequested&) {}
    void operator()(const fact::ResumeRequested&) {}
    void operator()(const fact::SkipRequested&) {}
    void operator()(const fact::OutputGiven&) {}
    void operator()(const fact::InputEdited&) {}
    void operator()(const fact::RerunRequested&) {}
    void operator()(const fact::StepReset&) {}
    void operator()(const fact::RunMended&) {}
    void operator()(const fact::SlotAwaited&) {}
    void operator()(const fact::SlotGiven&) {}
    void operator()(const fact::TaskHeld&) {}
    void operator()(const fact::TaskReleased&) {}
    void operator()(const fact::ResultFound&) {}
    void operator()(const fact::ResultKept&) {}
    void operator()(const fact::StepVerified& one) { attempt_ended(one.ref, "completed"); }
    void operator()(const fact::RunClosing&) {}
    void operator()(const fact::StepWaits&) {}
    void operator()(const fact::SignalReceived&) {}
    void operator()(const fact::SignalTaken&) {}
    void operator()(const fact::ApprovalVoted&) {}
    void operator()(const fact::ApprovalReminded&) {}
    void operator()(const fact::ParentTold&) {}
    void operator()(const fact::ChildCancelled&) {}
    void operator()(const fact::EventEmitted&) {}
    void operator()(const fact::EventTaken&) {}
    void operator()(const fact::CallerAnswered&) {}

private:
    void step_became(std::string_view outcome) { metrics_.steps.of(workflow_, outcome).add(); }

    void attempt_ended(const core::AttemptRef& ref, std::string_view outcome) {
        const std::string task = task_of(cached_, ref);
        if (task.empty()) return;
        metrics_.attempts.of(task, outcome).add();
        // An instance of a repeated step is gone as soon as nothing of it can be undone.
        const auto place = core::find_place(*cached_.workflow, cached_.run, ref.step);
        if (!place) return;
        const core::StepState& state = core::state_of(*cached_.workflow, cached_.run, *place);
        const core::Attempts& attempts = ref.undo ? state.undo_attempts : state.attempts;
        // In one batch the next attempt may have begun already.
        if (attempts.number != ref.attempt) return;
        if (attempts.started_at) metrics_.queue_seconds.of(task).note((*attempts.started_at - attempts.dispatched_at).count());
        metrics_.task_seconds.of(task, outcome).note((now_ - attempts.started_at.value_or(attempts.dispatched_at)).count());
    }

    EngineMetrics& metrics_;
    const CachedRun& cached_;
    const std::string& workflow_;
    const Time now_;
};

} // namespace

std::string task_of(const CachedRun& cached, const core::AttemptRef& ref) {
    const core::Workflow& workflow = *cached.workflow;
    const auto step = core::find_step(workflow, ref.step);
    if (!step) return {};
    const core::Step& found = workflow.steps[*step];
    if (ref.undo ? !found.compensate : !std::holds_alternative<core::TaskKind>(found.kind)) return {};
    const auto place = core::find_place(workflow, cached.run, ref.step);
    if (!place) return core::route_of(core::call_of(found, ref.undo));
    return core::route_of(core::call_of(found, core::state_of(workflow, cached.run, *place), ref));
}

void count_facts(EngineMetrics& metrics, const CachedRun& cached, Time now) {
    Counting counting(metrics, cached, now);
    for (const core::Fact& one : cached.facts) std::visit(counting, one.body);
}

} // namespace baton::orchestrator::runtime
