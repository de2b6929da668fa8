// What follows from a step that does not happen.
#include "orchestrator/definition/absence.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::orchestrator::definition {

using core::no_step;
using core::StepIndex;

namespace {

// Adds steps until none follows any more. `follows` is asked about a step that is not in yet.
template <typename Follows>
void close_over(std::vector<bool>& steps, const core::Workflow& workflow, Follows follows) {
    for (bool changed = true; changed;) {
        changed = false;
        for (StepIndex i = 0; i < steps.size(); ++i) {
            const StepIndex parent = workflow.steps[i].parent;
            if (steps[i] || !((parent != no_step && steps[parent]) || follows(workflow.steps[i]))) continue;
            steps[i] = changed = true;
        }
    }
}

bool is_caught_without_output(const core::Step& step) {
    return step.on_timeout.then != core::OnTimeout::Then::fail ||
           std::any_of(step.catches.begin(), step.catches.end(), [](const core::CatchRule& rule) {
               return rule.then != core::CatchRule::Then::output;
           });
}

bool may_have_no_iteration(const core::Step& step) {
    const auto* loop = step.repetition ? std::get_if<core::Loop>(&*step.repetition) : nullptr;
    return loop != nullptr && loop->test == core::Loop::Test::before;
}

bool can_fail(const core::Step& step) {
    return std::holds_alternative<core::TaskKind>(step.kind) || std::holds_alternative<core::DoKind>(step.kind) ||
           std::holds_alternative<core::ParallelKind>(step.kind);
}

} // namespace

std::string Absence::why(StepIndex read, StepIndex reader, bool of_instance) const {
    if (reader != no_step && workflow_.steps[read].phase != workflow_.steps[reader].phase)
        return workflow_.steps[read].phase == core::Phase::on_error ? "it runs only when the run fails"
                                                                    : "the run may have ended before it";
    for (StepIndex at = read; at != no_step; at = workflow_.steps[at].parent) {
        if (reader != no_step && is_inside(reader, at)) break; // who is inside runs with it
        if (auto reason = why_of(at, reader, of_instance || at != read); !reason.empty()) return reason;
    }
    // A loop tests after an iteration whose failure it caught as well.
    const bool is_tested = reader != no_step && read != reader && is_inside(read, reader);
    if (is_tested && is_caught_without_output(workflow_.steps[reader]))
        return fmt::format("a failure of '{}' may be caught without an output", workflow_.steps[reader].path);
    return {};
}

std::string Absence::of_iteration(StepIndex loop) const {
    return is_caught_without_output(workflow_.steps[loop]) ? "its failure may be caught without an output" : "";
}

bool Absence::follows_a_failure(StepIndex reader, StepIndex failed) const {
    for (StepIndex target = 0; target < workflow_.steps.size(); ++target) {
        const core::Step& step = workflow_.steps[target];
        if (step.senders.size() != 1 || step.senders.front() != failed) continue;
        if (std::holds_alternative<core::SwitchKind>(workflow_.steps[failed].kind)) continue;
        if (skipped_with(target)[reader]) return true;
    }
    return false;
}

std::string Absence::why_of(StepIndex read, StepIndex reader, bool of_instance) const {
    const core::Step& step = workflow_.steps[read];
    const auto runs_without = [&](const Steps& gone) { return reader == no_step || !gone[reader]; };
    if (step.when && !shares_condition(read, reader)) return "its `when` may be false";
    if (step.only_by_go && runs_without(skipped_with(read))) return "it runs only if a go leads to it";
    // A repeated step has counts whatever became of its instances.
    if (is_caught_without_output(step) && (of_instance || !step.repetition))
        return "its failure may be caught without an output";
    if (of_instance && may_have_no_iteration(step)) return "its `while` may be false at once";
    const bool goes_on =
        workflow_.on_failure == core::OnFailure::go_on || step.phase != core::Phase::main;
    const bool is_tested = reader != no_step && is_inside(read, reader); // not after a failure
    if (goes_on && can_fail(step) && !is_tested && runs_without(blocked_with(read)))
        return "it may fail, and the run goes on";
    return {};
}

bool Absence::is_inside(StepIndex step, StepIndex block) const {
    for (StepIndex at = step; at != no_step; at = workflow_.steps[at].parent)
        if (at == block) return true;
    return false;
}

// The reader is passed over whenever the other one is.
bool Absence::shares_condition(StepIndex read, StepIndex reader) const {
    for (StepIndex at = reader; at != no_step; at = workflow_.steps[at].parent)
        if (workflow_.steps[at].when && workflow_.steps[at].when->source() == workflow_.steps[read].when->source()) return true;
    return false;
}

Absence::Steps Absence::skipped_with(StepIndex step) const {
    Steps skipped(workflow_.steps.size());
    skipped[step] = true;
    close_over(skipped, workflow_, [&](const core::Step& one) {
        const auto is_skipped = [&](StepIndex other) { return bool{skipped[other]}; };
        const auto& waits_for = one.only_by_go ? one.senders : one.predecessors;
        return !waits_for.empty() && std::all_of(waits_for.begin(), waits_for.end(), is_skipped);
    });
    return skipped;
}

Absence::Steps Absence::blocked_with(StepIndex step) const {
    Steps blocked(workflow_.steps.size());
    // A block fails with what fails in it, unless it catches.
    for (StepIndex at = step; at != no_step; at = workflow_.steps[at].parent) {
        blocked[at] = true;
        const StepIndex block = workflow_.steps[at].parent;
        if (block != no_step && !workflow_.steps[block].catches.empty()) break;
    }
    close_over(blocked, workflow_, [&](const core::Step& one) {
        const auto is_blocked = [&](StepIndex other) { return bool{blocked[other]}; };
        const auto& all = one.predecessors;
        // Who was to send it does not run.
        if (one.only_by_go && std::all_of(one.senders.begin(), one.senders.end(), is_blocked)) return true;
        if (one.join == core::Join::all) return std::any_of(all.begin(), all.end(), is_blocked);
        if (one.join == core::Join::done) return false;
        return !all.empty() && std::all_of(all.begin(), all.end(), is_blocked);
    });
    return blocked;
}

} // namespace baton::orchestrator::definition
