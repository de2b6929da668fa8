// How a run ends: completed, failed, timed out, cancelled, undone; and how it is opened again.
#include "orchestrator/core/decide/decider.hpp"

#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

namespace baton::orchestrator::core {

Document error_of_run(const Problem& problem, std::string_view step) {
    boost::json::object error = to_document(problem).json().as_object();
    if (!step.empty()) error["step"] = step;
    return Document::of(std::move(error));
}

fact::RunBecame Decider::as_it_is(RunStatus status) const {
    return {status, run().output, run().error, run().cause, run().ending, run().by_hand};
}

// A step died. `place.step` is no_step when the run itself failed, for example its output.
void Decider::fail_run(Place place, const Problem& problem) {
    if (run().status != RunStatus::running && run().status != RunStatus::paused) return;
    if (run().closing) return; // it keeps its end
    const bool has_step = place.step != no_step;
    const Document error = error_of_run(problem, has_step ? address(place) : "");
    const auto fail = [&] {
        auto end = as_it_is(RunStatus::failed);
        end.error = error;
        end.ending = Ending::failure;
        if (is_held()) end.from = RunStatus::running;
        close_run(std::move(end));
    };
    switch (workflow_.on_failure) {
    case OnFailure::fail:
        cancel_open_steps();
        fail();
        break;
    case OnFailure::compensate:
        begin_compensation(error, Ending::failure);
        break;
    case OnFailure::pause:
        if (!has_step) {
            // There is no step an operator could revive; it is the workflow that is wrong.
            cancel_open_steps();
            fail();
        } else if (run().status == RunStatus::running || is_held()) {
            auto paused = as_it_is(RunStatus::paused);
            paused.error = error;
            paused.ending = Ending::failure;
            note(std::move(paused));
        }
        break;
    case OnFailure::go_on:
        if (!has_step) fail(); // else the others go on
        break;
    }
}

void Decider::complete_run(const std::optional<expression::Template>& output, ScopeNumber scope) {
    Document result;
    const Place itself{root_scope, no_step};
    if (output) {
        const auto filled = judge_.fill(*output, reading({scope, no_step}), "output");
        if (!filled) return fail_run(itself, filled.error());
        if (!fits(*filled)) return fail_run(itself, too_large(*filled));
        result = *filled;
    }
    cancel_open_steps();
    auto end = as_it_is(RunStatus::completed);
    end.output = std::move(result);
    close_run(std::move(end));
}

void Decider::time_out_run() {
    Problem problem;
    problem.type = timeout_type;
    problem.title = "the run took too long";
    problem.detail = "the timeout of the workflow has passed";
    if (workflow_.on_failure == OnFailure::compensate)
        return begin_compensation(to_document(problem), Ending::timeout);
    cancel_open_steps();
    auto end = as_it_is(RunStatus::timed_out);
    end.error = to_document(problem);
    end.ending = Ending::timeout;
    close_run(std::move(end));
}

// The end of a run that did not complete, as who waits for it hears it.
Document Decider::end_as_error() const {
    boost::json::object error;
    if (const auto* own = run().error.json().if_object()) error = *own;
    boost::json::object data{{"run", run().id}, {"status", word_of(run().status)}};
    for (const char* member : {"step", "data"})
        if (const auto* value = error.if_contains(member)) data[member] = *value;
    error.erase("step");
    if (!error.contains("type")) error["type"] = cancelled_type;
    error["title"] = fmt::format("the run of workflow '{}' {}", workflow_.name,
                                 run().status == RunStatus::cancelled ? "was cancelled" : "failed");
    error["data"] = std::move(data);
    return Document::of(std::move(error));
}

// Who waits for the run hears of its end; again, when it is opened and ends again.
void Decider::close_for_good(fact::RunBecame end) {
    note(std::move(end));
    if (!run().caller.is_null()) {
        fact::CallerAnswered answered{{}, run().caller, run().output, {}};
        if (run().status != RunStatus::completed) {
            answered.output = {};
            answered.error = end_as_error();
        }
        note(std::move(answered));
    }
    if (!run().parent || run().parent->is_detached) return;
    fact::ParentTold told{*run().parent, run().output, {}};
    if (run().status != RunStatus::completed) {
        told.output = {};
        told.error = end_as_error();
    }
    note(std::move(told));
}

// The steps that run before it closes have their turn once: when they are closed this is asked again.
void Decider::close_run(fact::RunBecame end) {
    if (end.status == RunStatus::completed) end.error = {};
    const bool is_bad = end.status == RunStatus::failed || end.status == RunStatus::timed_out ||
                        end.status == RunStatus::compensated;
    if (is_bad && open_steps_of(run(), Phase::on_error) > 0 && phase_of(run()) != Phase::at_end)
        return note(fact::RunClosing{Phase::on_error, std::move(end)});
    if (open_steps_of(run(), Phase::at_end) > 0) return note(fact::RunClosing{Phase::at_end, std::move(end)});
    end.from.reset();
    // What took effect meanwhile, late, is undone before it is over.
    if (undoes(end) && !run().to_undo.empty()) return note(undoing(std::move(end)));
    close_for_good(std::move(end));
}

void Decider::cancel_one(Place place) {
    if (state(place).status == StepStatus::dispatched)
        note(fact::TaskCancelled{attempt(place, false), route_of(call(place, false))});
    else
        note(fact::StepCancelled{address(place)});
}

// Steps that wait for their turn stay as they are: they were not reached.
void Decider::cancel_open_steps() {
    for (const Place place : std::set(run().begun))
        cancel_one(place);
}

// From here on nothing new is started. A task that can be undone and is with a worker just now is
// awaited, because its effect may come after us: undone too early it would be left behind.
void Decider::begin_compensation(Document error, Ending ending, InPause in_pause) {
    const bool waits = is_held() && in_pause == InPause::waits;
    auto undone = as_it_is(waits ? RunStatus::paused : RunStatus::compensating);
    if (waits) undone.from = RunStatus::compensating;
    undone.error = std::move(error);
    undone.ending = ending;
    note(std::move(undone));
    for (const Place place : std::set(run().begun)) {
        const bool is_out = state(place).status == StepStatus::dispatched || asks(place);
        const bool is_awaited = is_out && step(place).compensate;
        if (!is_awaited) cancel_one(place);
    }
}

// One undo after the other, newest first.
void Decider::compensate_next() {
    while (run().status == RunStatus::compensating) {
        if (run().with_workers > 0 || awaits_a_look()) return;
        if (!run().undoing.empty()) return;
        if (run().to_undo.empty())
            end_compensation();
        else
            undo(run().to_undo.rbegin()->second);
    }
}

void Decider::undo(Place place) {
    if (const auto& when = step(place).compensate->when) {
        const auto wanted = judge_.holds(*when, reading_of(place, true), "compensate.when");
        if (!wanted) return undo_dies(place, wanted.error(), {});
        if (!*wanted) return note(fact::StepSkipped{address(place), true});
    }
    dispatch(place, true);
}

// Every undo that failed is named; what went wrong first stays in `cause`.
void Decider::end_compensation() {
    std::string undos;
    boost::json::object failed;
    for (const Place place : run().undo_dead) {
        const Document error = state(place).undo_error;
        const auto& problem = error.json().as_object();
        const auto* type = problem.if_contains("type");
        const auto* detail = problem.if_contains("detail");
        const std::string where = address(place);
        if (undos.empty()) {
            failed = problem;
            failed["step"] = where;
        }
        const auto* reason = detail != nullptr && detail->is_string() ? detail : type;
        undos += fmt::format("{}'{}'{}", undos.empty() ? "" : "; ", where,
                             reason != nullptr && reason->is_string()
                                 ? ": " + std::string(reason->get_string())
                                 : std::string());
    }
    if (undos.empty())
        return close_run(
            as_it_is(run().ending == Ending::cancel ? RunStatus::cancelled : RunStatus::compensated));
    failed["title"] = "compensation failed: needs an operator";
    failed["detail"] = "compensation failed, an operator is needed: undo of " + undos;
    auto end = as_it_is(RunStatus::failed);
    if (!end.error.is_null()) failed["cause"] = end.error.json();
    end.cause = std::exchange(end.error, Document::of(std::move(failed)));
    close_run(std::move(end));
}

// Whether the run was undone when it ended, so that what takes effect afterwards is undone too.
bool Decider::was_undone() const {
    return is_closed(run().status) && undoes(as_it_is(run().status));
}

bool Decider::undoes(const fact::RunBecame& end) const {
    if (end.by_hand) return false;
    return end.status == RunStatus::compensated || end.ending == Ending::cancel ||
           (end.status == RunStatus::failed && workflow_.on_failure == OnFailure::compensate);
}

// With the first cause as the run's error.
fact::RunBecame Decider::undoing(fact::RunBecame end) {
    end.status = RunStatus::compensating;
    if (!end.cause.is_null()) end.error = std::exchange(end.cause, {});
    return end;
}

void Decider::reopen_undo() {
    note(undoing(as_it_is(run().status)));
}

// An operator tries again: everything that failed or was cancelled by the failure goes back to
// where it can start, with a new series of attempts.
void Decider::reopen() {
    const std::set<Place> dead_undos = run().undo_dead;
    for (const Place place : dead_undos)
        revive(place, true);
    auto again = as_it_is(dead_undos.empty() ? RunStatus::running : RunStatus::compensating);
    again.by_hand = false;
    if (!dead_undos.empty()) {
        again.error = std::exchange(again.cause, {});
        return note(std::move(again));
    }
    revive_stopped({root_scope, no_step});
    again.error = {};
    again.ending = Ending::none;
    again.output = {};
    note(std::move(again));
    begin_anew();
}

// All that failed, or did not get its turn by that: in an instance, or in the run.
void Decider::revive_stopped(Place block) {
    std::vector<Place> stopped;
    for (const auto& [number, scope] : run().scopes)
        for (const StepIndex index : workflow_.bodies[scope.body].steps) {
            const Place place{number, index};
            if (step(place).phase != Phase::main) continue;
            bool is_inside = block.scope == root_scope;
            for (ScopeNumber at = number; at != root_scope && !is_inside; at = run().scope(at).parent)
                is_inside = at == block.scope;
            if (!is_inside) continue;
            const StepStatus status = state(place).status;
            if (status != StepStatus::dead && status != StepStatus::cancelled && status != StepStatus::blocked)
                continue;
            // What a block that is done left behind is not wanted any more, however deep it lies; nor is what
            // lost a race.
            bool is_over = has_lost_race(place);
            for (Place outer = around(place); outer.step != no_step && !is_over; outer = around(outer))
                is_over = state(outer).status == StepStatus::done || has_lost_race(outer);
            if (!is_over) stopped.push_back(place);
        }
    for (const Place place : stopped)
        revive(place, false);
}

// The run goes forwards again, so it will end again: what runs at its end has not happened yet.
void Decider::begin_anew() {
    std::vector<Place> over;
    for (const StepIndex index : workflow_.bodies[root_body].steps)
        if (const Place place{root_scope, index};
            step(place).phase != Phase::main && state(place).status != StepStatus::waiting)
            over.push_back(place);
    if (over.empty()) return;
    for (const Place dead : run().dead) {
        const bool has_letter = std::holds_alternative<TaskKind>(step(dead).kind) && !is_whole(dead);
        if (has_letter && step(dead).phase != Phase::main) made_.revived.push_back(address(dead));
    }
    const std::uint32_t number = run().reruns + 1;
    for (const Place place : over)
        note(fact::StepReset{address(place), number, false});
}

// Somebody went on without it, and what had not come so far was cancelled.
bool Decider::has_lost_race(Place place) const {
    const StepStatus status = state(place).status;
    if ((status != StepStatus::cancelled && status != StepStatus::dead) || is_instance(place)) return false;
    const auto& followers = step(place).followers;
    return std::any_of(followers.begin(), followers.end(), [&](StepIndex index) {
        const Step& follower = workflow_.steps[index];
        const bool is_race = follower.join == Join::any || follower.join == Join::count;
        return is_race && follower.cancel_rest && has_begun({place.scope, index});
    });
}

bool Decider::has_begun(Place place) const {
    const StepState& one = state(place);
    switch (one.status) {
    case StepStatus::dispatched:
    case StepStatus::backing_off:
    case StepStatus::running:
    case StepStatus::sleeping:
    case StepStatus::done:
        return true;
    case StepStatus::dead:
    case StepStatus::cancelled:
        // It may not have come so far: its `when` had no value, or nobody waited for it any more.
        return one.attempts.has_begun() || (is_whole(place) && instances_of(run(), place) != nullptr) ||
               std::any_of(step(place).children.begin(), step(place).children.end(), [&](StepIndex child) {
                   return !is_whole(place) && state({place.scope, child}).status != StepStatus::waiting;
               });
    case StepStatus::waiting:
    case StepStatus::skipped:
    case StepStatus::blocked:
        return false;
    }
    return false;
}

void Decider::revive(Place place, bool undo) {
    const std::string where = address(place);
    if (undo)
        made_.revived.push_back(where + ":undo");
    else if (state(place).status == StepStatus::dead && std::holds_alternative<TaskKind>(step(place).kind) &&
             !is_whole(place))
        made_.revived.push_back(where);
    note(fact::StepRevived{where, undo});
}

// In a run that goes on: the blocks around a step that is tried again are open again, and who could not
// begin because of it may.
void Decider::revive_followers(Place place) {
    std::vector<Place> opened{place};
    for (Place block = around(place); block.step != no_step; block = around(block)) {
        if (!is_closed(state(block).status)) continue;
        revive(block, false);
        opened.push_back(block);
    }
    while (!opened.empty()) {
        const Place one = opened.back();
        opened.pop_back();
        const auto open = [&](StepIndex index) {
            const Place other{one.scope, index};
            if (state(other).status != StepStatus::blocked) return;
            revive(other, false);
            opened.push_back(other);
        };
        if (!is_instance(one))
            for (const StepIndex follower : step(one).followers)
                open(follower);
        if (!is_whole(one))
            for (const StepIndex child : step(one).children)
                open(child);
    }
}

// Nobody waits for it any more.
void Decider::give_undo_up(Place place) {
    const UndoStatus undo = state(place).undo;
    if (undo == UndoStatus::dead) made_.dropped.push_back(address(place) + ":undo");
    if (undo == UndoStatus::dispatched)
        note(fact::TaskCancelled{attempt(place, true), route_of(call(place, true))});
    else
        note(fact::StepSkipped{address(place), true});
}

} // namespace baton::orchestrator::core
