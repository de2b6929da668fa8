// Whose turn it is; beginning and ending of steps.
#include "base/assert.hpp"
#include "base/overloaded.hpp"
#include "orchestrator/core/decide/decider.hpp"
#include "orchestrator/core/decide/join.hpp"

#include <string>
#include <utility>

namespace baton::orchestrator::core {

Place Decider::around(Place place) const {
    const Place block = block_of(workflow_, run(), place);
    if (block.step != no_step || place.scope == root_scope) return block;
    return whole_of(place.scope);
}

// Begins everything whose turn has come, closes what is complete, until nothing changes any more.
void Decider::go_on() {
    do {
        go_forwards();
        if (run().status == RunStatus::compensating) compensate_next();
    } while (run().status == RunStatus::running && !run().marked.empty()); // undone, it closes
}

void Decider::go_forwards() {
    Place from{};
    while (run().status == RunStatus::running) {
        if (const auto place = recorder_.next_marked(from)) {
            from = *place;
            look_at(*place);
            continue;
        }
        if (open_steps_of(run(), phase_of(run())) > 0) break;
        if (run().closing)
            close_run(as_it_is(run().closing->end));
        else
            complete_run(workflow_.output, root_scope);
    }
}

Turn Decider::turn_of(Place place) const {
    const StepState& one = state(place);
    const Place block = block_of(workflow_, run(), place);
    if (block.step != no_step && state(block).status != StepStatus::running) return Turn::wait;
    // An instance whose step was cancelled before its turn came stays as it is.
    if (is_instance(place))
        return state(whole_of(place.scope)).status == StepStatus::running ? Turn::start
                                                                          : Turn::wait;
    if (block.step == no_step && step(place).phase != phase_of(run())) return Turn::wait;
    if (step(place).only_by_go && !one.sent) return one.open_senders > 0 ? Turn::wait : Turn::skip;
    return turn_after(step(place), one.before);
}

void Decider::look_at(Place place) {
    // An instance that was over is gone.
    if (run().find(place.scope) == nullptr) return;
    const StepState& one = state(place);
    if (one.status == StepStatus::waiting) {
        const Turn turn = turn_of(place);
        if (turn != Turn::wait && one.by_hand != ByHand::none) return close_by_hand(place);
        switch (turn) {
        case Turn::wait:
            return;
        case Turn::start:
            return start(place);
        case Turn::skip:
            return note(fact::StepSkipped{address(place)});
        case Turn::block:
            return note(fact::StepBlocked{address(place)});
        }
    }
    if (one.status == StepStatus::running) {
        if (is_whole(place)) return turn(place);
        if (!one.wait.is_null()) return;
        if (one.open_children == 0) return close_block(place);
        return;
    }
    if (is_closed(one.status) && is_instance(place)) close_instance(place);
}

// Whether and when it begins is said of the step as a whole.
void Decider::start(Place place) {
    if (is_instance(place)) return begin(place);
    const Step& one = step(place);
    if (one.when) {
        const auto wanted = judge_.holds(*one.when, reading(place), "when");
        if (!wanted) return give_up(place, wanted.error(), "not_retryable", {});
        if (!*wanted) return note(fact::StepSkipped{address(place), false, true});
    }
    if (one.cancel_rest)
        for (const StepIndex rest : one.predecessors)
            cancel({place.scope, rest});
    if (one.repetition) return begin_repetition(place);
    begin(place);
}

void Decider::begin(Place place) {
    std::visit(Overloaded{
                   [&](const TaskKind&) { begin_task(place); },
                   [&](const DoKind&) { note(fact::StepStarted{address(place)}); },
                   [&](const ParallelKind&) { note(fact::StepStarted{address(place)}); },
                   [&](const SwitchKind& kind) { start_switch(place, kind); },
                   [&](const SetKind& kind) {
                       const auto values = judge_.fill_table(kind.values, reading(place), "set");
                       if (!values) return give_up(place, values.error(), "not_retryable", {});
                       complete(place, *values, false);
                   },
                   [&](const WaitKind& kind) {
                       note(fact::StepStarted{address(place), now_ + kind.duration});
                   },
                   [&](const WaitUntilKind& kind) {
                       const auto time = judge_.moment(kind.time, reading(place), "wait_until");
                       if (!time) return give_up(place, time.error(), "not_retryable", {});
                       note(fact::StepStarted{address(place), *time});
                       if (*time <= now_) complete(place, {}, false);
                   },
                   [&](const EndKind& kind) {
                       close_as_done(place, {});
                       complete_run(kind.output, place.scope);
                   },
                   [&](const FailKind& kind) {
                       Problem problem;
                       problem.type = kind.type;
                       problem.retryable = false;
                       if (kind.detail) {
                           const auto detail = judge_.fill(*kind.detail, reading(place), "fail");
                           if (!detail) return give_up(place, detail.error(), "not_retryable", {});
                           const auto& json = detail->json();
                           problem.detail = json.is_string() ? std::string{json.get_string()}
                                                             : std::string{detail->text()};
                       }
                       give_up(place, problem, "failed", {});
                   },
                   [&](const SignalKind& kind) { await_signal(place, kind); },
                   [&](const ApprovalKind& kind) { ask_people(place, kind); },
                   [&](const FirstOfKind& kind) { await_first(place, kind); },
                   [&](const EmitKind& kind) { emit(place, kind); },
                   [&](const EventKind& kind) { await_event(place, kind); },
                   [&](const ReplyKind& kind) { reply(place, kind); },
               },
               step(place).kind);
}

void Decider::start_switch(Place place, const SwitchKind& kind) {
    for (const SwitchCase& one : kind.cases) {
        if (one.when) {
            const auto hit = judge_.holds(*one.when, reading(place), "switch");
            if (!hit) return give_up(place, hit.error(), "not_retryable", {});
            if (!*hit) continue;
        }
        send(place.scope, one.go);
        break;
    }
    complete(place, {}, false);
}

void Decider::send(ScopeNumber scope, const std::vector<StepIndex>& targets) {
    for (const StepIndex target : targets)
        if (const Place there{scope, target}; !state(there).sent)
            note(fact::StepSent{address(there)});
}

// The step has a raw result: reshape it if the step says so, and close.
void Decider::complete(Place place, const Document& raw, bool by_task) {
    Document output = raw;
    if (step(place).output && !is_whole(place)) {
        Reading with_result = reading(place);
        with_result.result = &raw;
        const auto shaped = judge_.fill(*step(place).output, with_result, "output");
        if (!shaped) {
            if (by_task) {
                // What the worker gave must not be lost with the broken expression.
                note(fact::LateResult{attempt(place, false), raw});
                keep_effect(place, raw);
            }
            return give_up(place, shaped.error(), "not_retryable", {});
        }
        output = *shaped;
    }
    if (!fits(output)) {
        const Problem problem = too_large(output);
        if (by_task) keep_effect(place, output);
        return give_up(place, problem, "not_retryable", {});
    }
    if (!by_task) return close_as_done(place, std::move(output));
    fact::TaskCompleted done{
        attempt(place, false), state(place).attempts.worker, std::move(output), {}};
    if (step(place).output) done.result = raw;
    note(std::move(done));
    keep_result(place, raw);
}

void Decider::close_as_done(Place place, Document output) {
    note(fact::StepDone{address(place), std::move(output), state(place).by_hand == ByHand::output});
}

void Decider::close_block(Place block) {
    for (const StepIndex child : step(block).children) {
        const StepState& one = state({block.scope, child});
        if (one.status != StepStatus::dead && one.status != StepStatus::blocked) continue;
        // Only with on_failure = "continue": the child has its dead letter already.
        return note(fact::StepDead{address(block), false, 0, {}, one.error, "child"});
    }
    complete(block, block_output(workflow_, run(), block), false);
}

void Decider::cancel(Place place) {
    if (is_closed(state(place).status)) return;
    cancel_one(place);
    cancel_children(place);
}

void Decider::cancel_children(Place place) {
    if (!is_whole(place)) {
        for (const StepIndex child : step(place).children)
            cancel({place.scope, child});
        return;
    }
    const Instances* instances = instances_of(run(), place);
    if (instances == nullptr) return;
    for (const auto& [index, scope] : std::map(instances->scopes))
        cancel({scope, place.step});
}

} // namespace baton::orchestrator::core
