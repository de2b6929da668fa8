#include "orchestrator/runtime/run_metrics.hpp"

#include "orchestrator/core/fact.hpp"

#include <string_view>

namespace baton::orchestrator::runtime {

namespace {

using core::FactKind;

// How an attempt ended; empty: the fact says something else.
std::string_view outcome_of_attempt(FactKind kind) {
    switch (kind) {
    case FactKind::task_completed: return "completed";
    case FactKind::task_failed: return "failed";
    case FactKind::task_cancelled: return "cancelled";
    case FactKind::run_started:
    case FactKind::run_status:
    case FactKind::task_dispatched:
    case FactKind::task_started:
    case FactKind::task_deferred:
    case FactKind::late_result:
    case FactKind::step_started:
    case FactKind::step_done:
    case FactKind::step_sent:
    case FactKind::step_skipped:
    case FactKind::step_blocked:
    case FactKind::step_cancelled:
    case FactKind::error_caught:
    case FactKind::step_dead:
    case FactKind::step_revived:
    case FactKind::cancel_requested:
    case FactKind::retry_requested:
    case FactKind::undo_skipped:
    case FactKind::run_finished: return {};
    }
    return {};
}

// What became of a step; empty: nothing final.
std::string_view outcome_of_step(FactKind kind) {
    switch (kind) {
    case FactKind::task_completed:
    case FactKind::step_done: return "done";
    case FactKind::step_skipped: return "skipped";
    case FactKind::step_blocked: return "blocked";
    case FactKind::step_cancelled:
    case FactKind::task_cancelled: return "cancelled";
    case FactKind::error_caught: return "caught";
    case FactKind::step_dead: return "dead";
    case FactKind::run_started:
    case FactKind::run_status:
    case FactKind::task_dispatched:
    case FactKind::task_started:
    case FactKind::task_failed:
    case FactKind::task_deferred:
    case FactKind::late_result:
    case FactKind::step_started:
    case FactKind::step_sent:
    case FactKind::step_revived:
    case FactKind::cancel_requested:
    case FactKind::retry_requested:
    case FactKind::undo_skipped:
    case FactKind::run_finished: return {};
    }
    return {};
}

void count_attempt(EngineMetrics& metrics, const CachedRun& cached, const core::Fact& fact, std::string_view outcome, Time now) {
    const std::string task = task_of(*cached.workflow, fact.step, fact.undo);
    if (task.empty()) return;
    metrics.attempts.of(task, outcome).add();
    const core::StepState& state = cached.run.steps[cached.workflow->by_path.find(fact.step)->second];
    const core::Attempts& attempts = fact.undo ? state.undo_attempts : state.attempts;
    // In one batch the next attempt may have begun already.
    if (attempts.number != fact.attempt) return;
    if (attempts.started_at) metrics.queue_seconds.of(task).note((*attempts.started_at - attempts.dispatched_at).count());
    metrics.task_seconds.of(task, outcome).note((now - attempts.started_at.value_or(attempts.dispatched_at)).count());
}

} // namespace

std::string task_of(const core::Workflow& workflow, std::string_view step, bool undo) {
    const auto found = workflow.by_path.find(step);
    if (found == workflow.by_path.end()) return {};
    const core::Step& one = workflow.steps[found->second];
    if (undo) return one.compensate ? core::route_of(one.compensate->call) : std::string{};
    const auto* kind = std::get_if<core::TaskKind>(&one.kind);
    return kind != nullptr ? core::route_of(kind->call) : std::string{};
}

void count_facts(EngineMetrics& metrics, const CachedRun& cached, Time now) {
    const std::string& workflow = cached.workflow->name;
    for (const core::Fact& fact : cached.facts) {
        if (fact.kind == FactKind::run_started) metrics.runs_started.of(workflow).add();
        if (fact.kind == FactKind::run_status && core::is_closed(fact.status)) {
            const auto status = core::word_of(fact.status);
            metrics.runs_closed.of(workflow, status).add();
            metrics.run_seconds.of(workflow, status).note((now - cached.run.started_at).count());
        }
        if (const auto outcome = outcome_of_attempt(fact.kind); !outcome.empty()) count_attempt(metrics, cached, fact, outcome, now);
        if (const auto outcome = outcome_of_step(fact.kind); !outcome.empty() && !fact.undo) metrics.steps.of(workflow, outcome).add();
    }
}

} // namespace baton::orchestrator::runtime
