// Joins.
#include "orchestrator/core/ready.hpp"

#include "base/assert.hpp"

#include <algorithm>

namespace baton::orchestrator::core {
namespace {

struct Tally {
    std::uint32_t open = 0;
    std::uint32_t done = 0;
    std::uint32_t passed = 0;  // passed over by their own `when`: an optional step ends no row
    std::uint32_t skipped = 0; // also cancelled: somebody decided that it is not needed
    std::uint32_t failed = 0;
};

Tally tally(const Run& run, const std::vector<StepIndex>& predecessors) {
    Tally tally;
    for (const StepIndex index : predecessors) {
        const StepState& state = run.steps[index];
        switch (state.status) {
        case StepStatus::waiting:
        case StepStatus::dispatched:
        case StepStatus::backing_off:
        case StepStatus::running:
        case StepStatus::sleeping:
            ++tally.open;
            break;
        case StepStatus::done:
            ++tally.done;
            break;
        case StepStatus::skipped:
            ++(state.passed ? tally.passed : tally.skipped);
            break;
        case StepStatus::cancelled:
            ++tally.skipped;
            break;
        case StepStatus::dead:
        case StepStatus::blocked:
            ++tally.failed;
            break;
        }
    }
    return tally;
}

// Nobody can make the step start any more: because all were skipped, or because one failed.
Readiness never(const Tally& tally) {
    return tally.failed == 0 && tally.done == 0 ? Readiness::skip : Readiness::block;
}

// At least `needed` of them are done. A step that was passed over wins no race against one that still
// runs; it counts when nobody else is left.
Readiness race(const Tally& tally, std::uint32_t needed) {
    if (tally.done >= needed) return Readiness::start;
    if (tally.done + tally.passed + tally.open < needed) return never(tally);
    return tally.open > 0 ? Readiness::wait : Readiness::start;
}

Readiness join(const Step& step, const Tally& tally) {
    const bool only_skipped = tally.open == 0 && tally.done == 0 && tally.passed == 0 && tally.failed == 0;
    switch (step.join) {
    case Join::all:
        if (tally.failed > 0) return Readiness::block;
        if (tally.open > 0) return Readiness::wait;
        return only_skipped ? Readiness::skip : Readiness::start;
    case Join::any:
        return race(tally, 1);
    case Join::done:
        if (tally.open > 0) return Readiness::wait;
        return only_skipped ? Readiness::skip : Readiness::start;
    case Join::count:
        return race(tally, step.join_count);
    }
    BATON_UNREACHABLE("a join is one of four");
}

} // namespace

Readiness readiness(const Workflow& workflow, const Run& run, StepIndex index) {
    const Step& step = workflow.steps[index];
    if (step.parent != no_step && run.steps[step.parent].status != StepStatus::running)
        return Readiness::wait;
    if (step.only_by_go && !run.steps[index].sent) {
        const bool may_come =
            std::any_of(step.senders.begin(), step.senders.end(),
                        [&](StepIndex sender) { return !is_closed(run.steps[sender].status); });
        return may_come ? Readiness::wait : Readiness::skip;
    }
    if (step.predecessors.empty()) return Readiness::start;
    return join(step, tally(run, step.predecessors));
}

} // namespace baton::orchestrator::core
