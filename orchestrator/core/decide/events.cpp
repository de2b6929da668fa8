// What each event means, in the order: is it about something current, what follows from it, go on. Reports
// of workers are in tasks.cpp.
#include "orchestrator/core/caller.hpp"
#include "orchestrator/core/decide/decider.hpp"

#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <set>
#include <utility>

namespace baton::orchestrator::core {
namespace {

Problem timeout_problem(const Silence& silence) {
    Problem problem;
    problem.type = timeout_type;
    problem.title = "no answer in time";
    problem.detail = fmt::format("{} has passed", silence.limit);
    return problem;
}

bool work_begun(const Attempts& out) { return out.started_at || out.deferred; }

// The attempt's own: waiting for a worker has another end than waiting for its answer.
Problem silence_problem(const Silence& silence, const TaskCall& called, const Attempts& out) {
    Problem problem = timeout_problem(silence);
    const auto& wait = called.timeouts.schedule_to_start;
    if (work_begun(out) || !wait || silence.due != out.dispatched_at + *wait) return problem;
    problem.type = expired_type;
    problem.title = "no worker began in time";
    return problem;
}

// Why an undo cannot be skipped; empty: it can.
std::string_view not_to_be_skipped(UndoStatus undo) {
    switch (undo) {
    case UndoStatus::dispatched:
    case UndoStatus::backing_off:
    case UndoStatus::dead:
        return {};
    case UndoStatus::none:
        return "has not begun";
    case UndoStatus::done:
        return "is done already";
    case UndoStatus::skipped:
        return "is skipped already";
    }
    return {};
}

std::string no_such_step(const Workflow& workflow, const std::string& address) {
    if (find_step(workflow, address)) return fmt::format("the run has no '{}' (any more)", address);
    return fmt::format("the workflow has no step '{}'", address);
}

// What a caller is told who has waited long enough.
Document no_answer(const std::string& run_id) {
    constexpr int gateway_timeout = 504;
    Problem problem;
    problem.type = "baton.no_answer_in_time";
    problem.title = "the run goes on and has not answered in time";
    problem.status = gateway_timeout;
    problem.data = Document::of(boost::json::object{{"run", run_id}});
    return to_document(problem);
}

} // namespace

void Decider::on(const RunStarted& event) {
    if (run().status != RunStatus::queued || run().version != 0) {
        made_.ignored = true; // started already, and waits for its slot perhaps; the start came twice
        return;
    }
    note(fact::RunStarted{event.input, event.parent, event.caller, event.scheduled_at, event.trace});
    if (event.parent && event.parent->is_detached)
        note(fact::ParentTold{*event.parent, Document::of(boost::json::object{{"run", run().id}}), {}});
    if (!event.awaited_slot.empty()) return note(fact::SlotAwaited{event.awaited_slot});
    note(as_it_is(RunStatus::running));
    go_on();
}

void Decider::on(const SlotGiven&) {
    if (run().status != RunStatus::queued) {
        made_.ignored = true; // it was given one already, or was ended
        return;
    }
    note(fact::SlotGiven{});
    note(as_it_is(RunStatus::running));
    go_on();
}

void Decider::on(const AlarmRang&) {
    if (is_closed(run().status)) return;
    // It goes on, and its answer comes to nobody.
    if (const auto due = answer_due(run()); due && *due <= now_)
        note(fact::CallerAnswered{{}, run().caller, {}, no_answer(run().id)});
    if (run().status != RunStatus::paused && run().deadline && *run().deadline <= now_) {
        time_out_run();
        return go_on();
    }
    std::set<Place> due;
    for (const auto* clocks : {&run().clocks, &run().forward_clocks})
        for (auto clock = clocks->begin(); clock != clocks->end() && clock->first <= now_; ++clock)
            due.insert(clock->second);
    for (const Place place : due)
        if (!is_closed(run().status)) ring(place);
    // Nothing may have been due: then nothing is noted and nothing is stored.
    if (recorder_.has_noted()) go_on();
}

void Decider::ring_attempt(Place place, bool undo) {
    const TaskCall& called = call(place, undo);
    const Attempts& out = attempts(place, undo);
    const auto silence = silence_of(called, out);
    const bool is_too_late = silence && silence->due <= now_;
    if (is_too_late && called.is_workflow) note(fact::ChildCancelled{attempt(place, undo), route_of(called)});
    if (is_too_late)
        return fail_attempt(place, undo, silence_problem(*silence, called, out), {},
                            work_begun(out) || called.is_workflow ? Counting::attempt : Counting::no_attempt);
    if (const auto due = note_start_at(called, out); due && *due <= now_) note_start(place, undo);
}

void Decider::ring(Place place) {
    const bool may_start = run().status == RunStatus::running;
    const auto is_due = [this](Time due) { return due != Time{} && due <= now_; };
    switch (state(place).status) {
    case StepStatus::dispatched:
        ring_attempt(place, false);
        break;
    case StepStatus::backing_off:
        // What would be too much at once has its turn in the next transition. A run that is undone still asks.
        if ((may_start || (run().status == RunStatus::compensating && asks(place))) && state(place).attempts.due <= now_ && given_ <= limits_.text_bytes / 2)
            dispatch(place, false);
        break;
    case StepStatus::sleeping:
        if (!may_start || state(place).due > now_) break;
        if (is_whole(place))
            begin_iteration(place);
        else
            complete(place, {}, false);
        break;
    case StepStatus::running:
        if (may_start && !state(place).wait.is_null()) {
            ring_wait(place);
        } else if (may_start && is_due(state(place).due)) {
            const Time due = state(place).due;
            cancel_children(place);
            give_up(place, timeout_problem({due, "the block's timeout"}), "timeout", {});
        }
        break;
    case StepStatus::waiting:
    case StepStatus::done:
    case StepStatus::dead:
    case StepStatus::cancelled:
    case StepStatus::skipped:
    case StepStatus::blocked:
        break;
    }
    switch (state(place).undo) {
    case UndoStatus::dispatched:
        ring_attempt(place, true);
        break;
    case UndoStatus::backing_off:
        if (run().status == RunStatus::compensating && state(place).undo_attempts.due <= now_) dispatch(place, true);
        break;
    case UndoStatus::none:
    case UndoStatus::done:
    case UndoStatus::dead:
    case UndoStatus::skipped:
        break;
    }
}

void Decider::on(const CancelRequested& event) {
    if (is_closed(run().status)) {
        made_.refusal = fmt::format("the run is {} already", word_of(run().status));
        return;
    }
    if (status_beneath(run()) == RunStatus::compensating) {
        made_.refusal = is_held() ? "the run is being compensated already, and paused; resume lets it go on"
                                  : "the run is being compensated already";
        return;
    }
    if (run().closing) {
        made_.refusal = fmt::format("the run is {} but for its [[{}]] steps; terminate ends it at once",
                                    word_of(run().closing->end), word_of(run().closing->phase));
        return;
    }
    note(fact::CancelRequested{event.reason});
    Problem problem;
    problem.type = cancelled_type;
    problem.title = "cancelled";
    problem.detail = event.reason;
    if (run().status == RunStatus::queued) { // it has not begun, so nothing of it ends or is undone
        auto end = as_it_is(RunStatus::cancelled);
        end.error = to_document(problem);
        return close_for_good(std::move(end));
    }
    switch (workflow_.on_cancel) {
    case OnCancel::stop: {
        cancel_open_steps();
        auto end = as_it_is(RunStatus::cancelled);
        end.error = to_document(problem);
        close_run(std::move(end));
        break;
    }
    case OnCancel::compensate:
        begin_compensation(to_document(problem), Ending::cancel, InPause::ends_it);
        break;
    }
    go_on();
}

void Decider::on(const RunRetried& event) {
    const bool goes_on =
        run().status == RunStatus::running || run().status == RunStatus::compensating;
    if (event.now && goes_on) return hurry();
    if (is_held()) {
        made_.refusal = "the run is paused by hand; resume lets it go on";
        return;
    }
    const bool may_be_retried = run().status == RunStatus::failed || run().status == RunStatus::timed_out ||
                                run().status == RunStatus::paused;
    if (event.now && may_be_retried) {
        made_.refusal = fmt::format("the run is {}: no step of it waits for its next attempt; retry without "
                                    "--now begins what failed again",
                                    word_of(run().status));
        return;
    }
    // Going on forwards would end it as completed with a part of it undone.
    if (run().by_hand && run().undone > 0) {
        made_.refusal = "the run was finished by hand while it was undone; start a new one";
        return;
    }
    if (!may_be_retried) {
        made_.refusal = fmt::format("the run is {}; only a failed, timed out or paused run can be "
                                    "retried",
                                    word_of(run().status));
        return;
    }
    note(fact::RetryRequested{});
    reopen();
    go_on();
}

void Decider::hurry() {
    bool is_noted = false;
    const auto send_now = [&](Place place, bool undo) {
        if (!std::exchange(is_noted, true)) note(fact::RetryRequested{});
        dispatch(place, undo);
    };
    for (const Place place : std::set(run().begun)) {
        const bool may_start = run().status == RunStatus::running; // a broken `with` ends it in between
        const bool has_room = given_ <= limits_.text_bytes / 2; // else its pause goes on
        const bool waits = state(place).status == StepStatus::backing_off && !state(place).attempts.held;
        if (may_start && has_room && waits) send_now(place, false);
    }
    for (const Place place : std::set(run().undoing))
        if (state(place).undo == UndoStatus::backing_off && !state(place).undo_attempts.held) send_now(place, true);
    if (!is_noted) {
        made_.refusal = "no step of the run waits for its next attempt";
        return;
    }
    go_on();
}

std::optional<Place> Decider::place_of(const std::string& step) {
    const auto found = find_place(workflow_, run(), step);
    if (!found) made_.refusal = no_such_step(workflow_, step);
    return found;
}

void Decider::on(const TaskRevived& event) {
    const auto found = place_of(event.step);
    if (!found) return;
    const Place place = *found;
    const bool is_dead = event.undo ? state(place).undo == UndoStatus::dead
                                    : state(place).status == StepStatus::dead;
    if (!is_dead) {
        made_.refusal = fmt::format("step '{}' is not dead any more", event.step);
        return;
    }
    if (!event.input.is_null()) {
        made_.refusal = why_no_other_input(place, event.undo, event.input);
        if (!made_.refusal.empty()) return;
    }
    if (!event.undo) made_.refusal = why_not_revived(place);
    if (!made_.refusal.empty()) return;
    if (step(place).phase != Phase::main) {
        if (!event.input.is_null()) note(fact::InputEdited{address(place), false, event.input, event.reason});
        return open_closing_step(place);
    }
    const RunStatus status = status_beneath(run()); // what a pause keeps begins behind it
    const bool may_be_tried =
        status == RunStatus::compensating ? event.undo
                                          : status != RunStatus::queued && status != RunStatus::cancelled &&
                                                status != RunStatus::compensated;
    if (!may_be_tried) {
        made_.refusal = fmt::format("the run is {}: the step cannot be tried again in it; "
                                    "start a new run, or drop the dead letter",
                                    word_of(status));
        return;
    }
    if (!event.input.is_null()) note(fact::InputEdited{address(place), event.undo, event.input, event.reason});
    if (!event.undo) {
        open_dead(place);
    } else {
        revive(place, true);
        if (status != RunStatus::compensating) reopen_undo();
    }
    go_on();
}

// Empty: what died there may be tried again, as far as its place says.
std::string Decider::why_not_revived(Place place) const {
    const Phase phase = step(place).phase;
    if (run().closing && run().closing->phase != phase)
        return fmt::format("the run is {} but for its [[{}]] steps; when it has ended, '{}' can be tried again",
                           word_of(run().closing->end), word_of(run().closing->phase), address(place));
    if (phase != Phase::main && !run().closing && !is_closed(run().status))
        return fmt::format("'{}' has its turn when the run ends", address(place));
    for (Place at = place; at.step != no_step; at = around(at))
        if (has_lost_race(at))
            return fmt::format("'{}' lost a race, and the run went on without it; start a new run, or drop the dead letter",
                               address(at));
    for (Place block = around(place); block.step != no_step; block = around(block))
        if (state(block).status == StepStatus::done)
            return fmt::format("'{}' is done without it; start a new run, or drop the dead letter", address(block));
    return {};
}

// The run keeps its end, and closes again when the step is closed.
void Decider::open_closing_step(Place place) {
    if (!run().closing) note(fact::RunClosing{step(place).phase, as_it_is(run().status)});
    revive(place, false);
    revive_followers(place);
    go_on();
}

// What died is tried again, with all that failed by it.
void Decider::open_dead(Place place) {
    switch (status_beneath(run())) {
    case RunStatus::failed:
    case RunStatus::timed_out:
    case RunStatus::paused:
        return reopen();
    case RunStatus::running:
    case RunStatus::completed:
        // on_failure = "continue": the others went on; this one and whoever waits for it follow.
        if (run().status == RunStatus::completed) {
            auto again = as_it_is(RunStatus::running);
            again.output = {};
            again.by_hand = false;
            note(std::move(again));
            begin_anew();
        }
        if (const auto item = keeper_of(place); item && !goes_on_after_failure() && is_closed(state(*item).status))
            return revive_stopped(*item); // with its failure the item ended
        revive(place, false);
        return revive_followers(place);
    case RunStatus::compensating:
    case RunStatus::queued:
    case RunStatus::cancelled:
    case RunStatus::compensated:
        return;
    }
}

void Decider::on(const UndoSkipped& event) {
    const auto found = place_of(event.step);
    if (!found) return;
    const Place place = *found;
    if (const auto why = not_to_be_skipped(state(place).undo); !why.empty()) {
        made_.refusal = fmt::format("the undo of step '{}' {}", event.step, why);
        return;
    }
    const bool is_out = state(place).undo == UndoStatus::dispatched;
    if (state(place).undo == UndoStatus::dead) made_.dropped.push_back(address(place) + ":undo");
    note(fact::UndoSkipped{address(place), event.reason});
    if (is_out) note(fact::TaskCancelled{attempt(place, true), route_of(call(place, true))});
    // Nothing may be left that failed; then the run has another end.
    if (is_closed(run().status)) reopen_undo();
    go_on();
}

void Decider::on(const RunFinished& event) {
    const bool may_be_open =
        !is_closed(run().status) || run().status == RunStatus::failed || run().status == RunStatus::timed_out;
    if (!may_be_open || !is_closed(event.status) || event.status == RunStatus::timed_out) {
        made_.refusal =
            may_be_open ? fmt::format("a run cannot be finished as {}", word_of(event.status))
                        : fmt::format("the run is {} already", word_of(run().status));
        return;
    }
    note(fact::RunFinished{event.reason});
    cancel_open_steps();
    for (const Place place : run().dead)
        made_.dropped.push_back(address(place));
    std::set<Place> undos = run().undoing;
    undos.insert(run().undo_dead.begin(), run().undo_dead.end());
    for (const Place place : undos)
        give_undo_up(place);
    auto end = as_it_is(event.status);
    if (!end.cause.is_null()) end.error = std::exchange(end.cause, {});
    if (end.error.is_null()) {
        Problem problem;
        problem.type = finished_type;
        problem.title = "finished by hand";
        problem.detail = event.reason;
        end.error = to_document(problem);
    }
    end.ending = event.status == RunStatus::failed ? Ending::failure : Ending::none;
    end.by_hand = true;
    if (end.status == RunStatus::completed) end.error = {};
    close_for_good(std::move(end)); // nothing of it runs any more, also no [[finally]]
}

} // namespace baton::orchestrator::core
