// What people who watch the server must hear of runs: that one failed, is undone, or waits for them.
// Steps that are tried again and runs that complete are no news; `baton show` has them.
#include "base/log.hpp"
#include "orchestrator/core/fact.hpp"
#include "orchestrator/runtime/engine_body.hpp"
#include "orchestrator/runtime/run_metrics.hpp"

namespace baton::orchestrator::runtime {

namespace {

void log_status(const CachedRun& cached, const core::fact::RunBecame& fact) {
    const std::string& run = cached.run.id;
    const std::string& workflow = cached.workflow->name;
    const std::string why = line_of(fact.error.is_null() ? cached.run.error : fact.error);
    switch (fact.status) {
    case core::RunStatus::failed:
        log::warning("run", "failed", {{"run", run}, {"workflow", workflow}, {"error", why}});
        return;
    case core::RunStatus::timed_out:
        log::warning("run", "timed out", {{"run", run}, {"workflow", workflow}, {"error", why}});
        return;
    case core::RunStatus::compensating:
        log::warning("run", "is being undone", {{"run", run}, {"workflow", workflow}, {"error", why}});
        return;
    case core::RunStatus::compensated:
        log::info("run", "is undone", {{"run", run}, {"workflow", workflow}});
        return;
    case core::RunStatus::cancelled:
        log::info("run", "is cancelled", {{"run", run}, {"workflow", workflow}, {"error", why}});
        return;
    case core::RunStatus::paused:
        if (fact.from) {
            log::info("run", "is paused by hand; baton resume lets it go on", {{"run", run}, {"workflow", workflow}});
            return;
        }
        log::error("run", "an operator is needed: the run is paused until `baton retry`, `baton dead redrive` or `baton cancel`",
                   {{"run", run}, {"workflow", workflow}, {"error", why}});
        return;
    case core::RunStatus::queued:
    case core::RunStatus::running:
    case core::RunStatus::completed:
        return;
    }
}

} // namespace

void log_facts(const CachedRun& cached) {
    // A run that stops for a step says it by its status.
    const bool goes_on = cached.run.status == core::RunStatus::running || cached.run.status == core::RunStatus::completed;
    for (const core::Fact& fact : cached.facts) {
        if (const auto* became = std::get_if<core::fact::RunBecame>(&fact.body)) log_status(cached, *became);
        const auto* dead = std::get_if<core::fact::StepDead>(&fact.body);
        if (dead == nullptr || dead->task.empty()) continue;
        if (dead->undo)
            log::error("run", "an operator is needed: what a step did cannot be undone; see `baton dead list`",
                       {{"run", cached.run.id}, {"workflow", cached.workflow->name}, {"step", dead->step},
                        {"task", dead->task}, {"error", line_of(dead->error)}});
        else if (goes_on)
            log::warning("run", "a step gave up, the run goes on",
                         {{"run", cached.run.id}, {"workflow", cached.workflow->name}, {"step", dead->step},
                          {"task", dead->task}, {"error", line_of(dead->error)}});
    }
}

namespace {

void hold(HeldTasks& held, const HeldTask& one, std::vector<HeldTask>& news) {
    if (!held.hold(one)) return;
    const auto pause = std::chrono::duration_cast<std::chrono::seconds>(one.until - one.since);
    log::warning("run", "no worker can try these tasks for a while: their target does not let it",
                 {{"task", one.task}, {"seconds", pause.count()}, {"reason", one.reason}, {"worker", one.worker}});
    news.push_back(one);
}

} // namespace

void learn_held(const CachedRun& cached, Time now, HeldTasks& held, std::vector<HeldTask>& news) {
    for (const core::Fact& fact : cached.facts) {
        if (const auto* failure = std::get_if<core::fact::TaskFailed>(&fact.body)) {
            const std::string task = task_of(cached, failure->ref);
            if (task.empty()) continue;
            if (core::was_not_tried(failure->error) && failure->retry_at)
                hold(held, {task, line_of(failure->error), failure->worker, now, *failure->retry_at}, news);
            else
                held.release(task);
        } else if (const auto* success = std::get_if<core::fact::TaskCompleted>(&fact.body)) {
            if (const std::string task = task_of(cached, success->ref); !task.empty()) held.release(task);
        } else if (const auto* look = std::get_if<core::fact::StepVerified>(&fact.body)) {
            if (const std::string task = task_of(cached, look->ref); !task.empty()) held.release(task);
        }
    }
}

} // namespace baton::orchestrator::runtime
