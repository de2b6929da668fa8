// What operators ask for beside retry, cancel and the ends by hand: a pause, a step that is passed over or
// done by hand, another input, a run that is over and runs again from a step.
#include "orchestrator/core/decide/decider.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace baton::orchestrator::core {

// ---- pause ----

void Decider::on(const PauseRequested& event) {
    const RunStatus status = run().status;
    if (status != RunStatus::running && status != RunStatus::compensating) {
        const bool has_failed = status == RunStatus::paused && !is_held();
        made_.refusal = fmt::format("the run is {}{}", word_of(status), status == RunStatus::queued ? ": nothing of it has begun"
                                                                        : has_failed                ? " already: a step failed"
                                                                                                    : " already");
        return;
    }
    note(fact::PauseRequested{event.reason});
    auto paused = as_it_is(RunStatus::paused);
    paused.from = status;
    note(std::move(paused));
}

void Decider::on(const ResumeRequested& event) {
    if (!is_held()) {
        made_.refusal = run().status == RunStatus::paused
                            ? "the run waits because a step failed: retry tries it again, skip passes it over"
                            : fmt::format("the run is {}; only one that is paused can be resumed", word_of(run().status));
        return;
    }
    note(fact::ResumeRequested{event.reason});
    note(as_it_is(*run().paused_from));
    go_on();
}

// ---- steps by hand ----

void Decider::on(const SkipRequested& event) {
    const auto place = place_of(event.step);
    if (!place || !may_be_done_by_hand(*place)) return;
    note(fact::SkipRequested{address(*place), event.reason});
    take_in_hand(*place);
}

void Decider::on(const OutputGiven& event) {
    const auto place = place_of(event.step);
    if (!place || !may_be_done_by_hand(*place)) return;
    if (!fits(event.output)) {
        made_.refusal = too_large(event.output).detail;
        return;
    }
    note(fact::OutputGiven{address(*place), event.output, event.reason});
    take_in_hand(*place);
}

bool Decider::may_be_done_by_hand(Place place) {
    const StepStatus status = state(place).status;
    const RunStatus of_run = status_beneath(run());
    const bool has_turn = run().closing && run().closing->phase == step(place).phase;
    if (run().closing || step(place).phase != Phase::main) {
        if (status == StepStatus::done || status == StepStatus::skipped)
            made_.refusal = fmt::format("step '{}' is {} already", address(place), word_of(status));
        else if (!has_turn && step(place).phase != Phase::main)
            made_.refusal = fmt::format("'{}' has its turn when the run ends", address(place));
        else if (!has_turn)
            made_.refusal = fmt::format("the run is {} but for its [[{}]] steps", word_of(run().closing->end),
                                        word_of(run().closing->phase));
        return made_.refusal.empty();
    }
    if (is_closed(status) && status != StepStatus::done && status != StepStatus::skipped)
        if (made_.refusal = why_not_revived(place); !made_.refusal.empty()) return false;
    const bool goes_back = of_run == RunStatus::compensating || of_run == RunStatus::compensated ||
                           of_run == RunStatus::cancelled || run().undone > 0;
    const bool has_failed = status == StepStatus::dead || status == StepStatus::blocked;
    if (status == StepStatus::done || status == StepStatus::skipped)
        made_.refusal = fmt::format("step '{}' is {} already", address(place), word_of(status));
    else if (goes_back)
        made_.refusal = fmt::format("the run is {}: none of its steps is done any more", word_of(run().status));
    else if (of_run == RunStatus::completed && !has_failed)
        made_.refusal = fmt::format("the run is completed, and step '{}' was not needed", address(place));
    else if (of_run == RunStatus::running && status == StepStatus::cancelled)
        made_.refusal = fmt::format("step '{}' is cancelled: nobody waits for it any more", address(place));
    return made_.refusal.empty();
}

// At once where its turn has come; else start() finds it marked.
void Decider::take_in_hand(Place place) {
    const std::string where = address(place);
    const StepStatus was = state(place).status;
    const RunStatus of_run = status_beneath(run());
    const bool others_went_on = of_run == RunStatus::running || of_run == RunStatus::completed;
    if (was == StepStatus::dead || (was == StepStatus::blocked && others_went_on)) {
        open_dead(place);
        if (std::erase(made_.revived, where) > 0) made_.dropped.push_back(where); // it is not tried again
    }
    switch (state(place).status) {
    case StepStatus::dispatched:
        note(fact::TaskCancelled{attempt(place, false), route_of(call(place, false))});
        close_by_hand(place);
        break;
    case StepStatus::running:
        cancel_children(place);
        close_by_hand(place);
        break;
    case StepStatus::backing_off:
    case StepStatus::sleeping:
        close_by_hand(place);
        break;
    case StepStatus::waiting:
    case StepStatus::done:
    case StepStatus::dead:
    case StepStatus::cancelled:
    case StepStatus::skipped:
    case StepStatus::blocked:
        break;
    }
    go_on();
}

void Decider::close_by_hand(Place place) {
    if (state(place).by_hand == ByHand::skip) return note(fact::StepSkipped{address(place), false, true});
    const Document given = state(place).given;
    complete(place, given, false);
}

// ---- another input ----

void Decider::on(const InputEdited& event) {
    const auto place = place_of(event.step);
    if (!place) return;
    made_.refusal = why_no_other_input(*place, event.undo, event.input);
    if (made_.refusal.empty())
        note(fact::InputEdited{address(*place), event.undo, event.input, event.reason});
}

// Empty: it can be given another one.
std::string Decider::why_no_other_input(Place place, bool undo, const Document& input) const {
    const bool has_task = undo ? step(place).compensate.has_value() : std::holds_alternative<TaskKind>(step(place).kind);
    const std::string what = fmt::format("{}step '{}'", undo ? "the undo of " : "", address(place));
    if (!has_task || is_whole(place)) return what + " has no task of its own, and so no input";
    if (!input.json().is_object()) return "the input of a task must be an object";
    const StepState& one = state(place);
    const bool is_out = undo ? one.undo == UndoStatus::dispatched : one.status == StepStatus::dispatched;
    const bool is_over = undo ? one.undo == UndoStatus::done || one.undo == UndoStatus::skipped
                              : one.status == StepStatus::done || one.status == StepStatus::skipped;
    if (is_out) return what + " is with a worker, which has its input already";
    if (is_over) return fmt::format("{} is {} already", what, undo ? word_of(one.undo) : word_of(one.status));
    if (!fits(input)) return too_large(input).detail;
    return {};
}

// ---- mending ----

void Decider::on(const RunMended& event) {
    note(fact::RunMended{event.what});
    if (!event.routes.empty() && !is_closed(run().status)) on(QueueLost{event.routes, {}});
    made_.ignored = false;
}

// ---- rerun ----

void Decider::on(const RerunRequested& event) {
    const auto place = place_of(event.step);
    if (!place || !may_run_again(*place, event.step)) return;
    note(fact::RerunRequested{address(*place), event.reason});
    const RunsAgain again = what_runs_again(place->step);
    if (run().status == RunStatus::completed) {
        settle_letters_of(again);
        note(fact::RunBecame{RunStatus::running});
    } else {
        reopen();
    }
    for (const StepIndex block : again.opened)
        if (const Place there{root_scope, block}; is_closed(state(there).status)) revive(there, false);
    const std::uint32_t number = run().reruns + 1;
    for (const StepIndex index : again.reset) {
        const Place there{root_scope, index};
        const auto& senders = step(there).senders;
        const bool is_sent_again = index != place->step && std::any_of(senders.begin(), senders.end(), [&](StepIndex one) {
                                       return again.reset.contains(one);
                                   });
        note(fact::StepReset{address(there), number, state(there).sent && !is_sent_again});
    }
    begin_anew();
    go_on();
}

bool Decider::may_run_again(Place place, const std::string& named) {
    const RunStatus status = run().status;
    const bool has_stopped = is_closed(status) || (status == RunStatus::paused && !is_held());
    if (!has_stopped)
        made_.refusal = fmt::format("the run is {}; only one that has ended, or that waits because a step failed, "
                                    "can run again from a step",
                                    word_of(status));
    else if (status == RunStatus::compensated || run().undone > 0)
        made_.refusal = "what the run did was undone, or a part of it; start a new one";
    else if (step(place).phase != Phase::main)
        made_.refusal = fmt::format("'{}' runs when the run ends, each time it does", named);
    else if (place.scope != root_scope)
        made_.refusal = fmt::format("'{}' belongs to a repeated step, which runs again as a whole: name that one", named);
    else if (status == RunStatus::completed && would_be_blocked(place))
        made_.refusal = fmt::format("a step before '{}' failed, and it could not begin: let that one run again", named);
    return made_.refusal.empty();
}

// Of a run that is completed nothing else is tried again.
bool Decider::would_be_blocked(Place place) const {
    for (Place at = place; at.step != no_step; at = around(at))
        if (turn_after(step(at), state(at).before) == Turn::block) return true;
    return false;
}

// The step, what is in it, and whatever could read what it gave. A block around it goes on with the rest it
// has, and gives something else then.
Decider::RunsAgain Decider::what_runs_again(StepIndex first) const {
    RunsAgain again;
    std::vector<StepIndex> found{first};
    const auto find_all = [&found](const std::vector<StepIndex>& some) {
        found.insert(found.end(), some.begin(), some.end());
    };
    while (!found.empty()) {
        const StepIndex index = found.back();
        found.pop_back();
        if (!again.reset.insert(index).second) continue;
        const Step& one = workflow_.steps[index];
        if (!one.repetition) find_all(one.children); // else they are gone with its instances
        find_all(one.followers);
        find_all(one.targets);
        for (StepIndex block = one.parent; block != no_step; block = workflow_.steps[block].parent) {
            if (again.reset.contains(block) || !again.opened.insert(block).second) break;
            find_all(workflow_.steps[block].followers);
            find_all(workflow_.steps[block].targets);
        }
    }
    std::erase_if(again.opened, [&](StepIndex block) { return again.reset.contains(block); });
    return again;
}

// With on_failure = "continue" a completed run has dead letters.
void Decider::settle_letters_of(const RunsAgain& again) {
    for (const Place dead : run().dead) {
        Place at = dead;
        while (at.scope != root_scope)
            at = whole_of(at.scope);
        const bool has_letter = std::holds_alternative<TaskKind>(step(dead).kind) && !is_whole(dead);
        if (has_letter && again.reset.contains(at.step)) made_.revived.push_back(address(dead));
    }
}

std::uint32_t Decider::rerun_of(Place place) const {
    std::uint32_t last = 0;
    for (Place at = place; at.step != no_step; at = around(at))
        last = std::max(last, state(at).rerun);
    return last;
}

} // namespace baton::orchestrator::core
