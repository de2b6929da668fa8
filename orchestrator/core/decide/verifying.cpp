// Did it take effect? Of an attempt that fell silent nobody knows; where its step says who can find
// out, that one is asked before the step is tried again, given up or left out of an undo.
#include "orchestrator/core/decide/decider.hpp"
#include "orchestrator/core/decide/retry.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace baton::orchestrator::core {

namespace {

// How workers say it of a call that they may have made.
constexpr std::string_view unknown_to_worker = "unknown_outcome";

std::string said_of(const Problem& problem) {
    return problem.detail.empty() ? problem.type
                                  : fmt::format("{}: {}", problem.type, problem.detail);
}

} // namespace

// What nobody began took no effect.
bool Decider::is_outcome_unknown(Place place, const Problem& problem, Counting counting) const {
    if (!step(place).verify || counting == Counting::no_attempt) return false;
    return problem.type == timeout_type || problem.type == poison_type ||
           problem.type == unknown_to_worker;
}

// An undo does not pass what may have to be undone.
bool Decider::awaits_a_look() const {
    return std::any_of(run().begun.begin(), run().begun.end(),
                       [this](Place place) { return asks(place); });
}

// In a pause of the run, or where too much would begin at once, it has its turn later.
void Decider::look_at_effect(Place place) {
    const bool goes_on =
        run().status == RunStatus::running || run().status == RunStatus::compensating;
    if (goes_on && given_ <= limits_.text_bytes / 2) dispatch(place, false);
}

void Decider::take_look(Place place, const Document& result) {
    const Verification& verify = *step(place).verify;
    Reading with_result = reading(place);
    with_result.result = &result;
    const auto is_done = judge_.holds(verify.done, with_result, "verify.done");
    if (!is_done) return look_failed(place, is_done.error(), {}, Counting::attempt);
    fact::StepVerified told{attempt(place, false), attempts(place, false).worker, *is_done, result};
    if (*is_done) {
        Document raw = result;
        if (verify.output) {
            const auto filled = judge_.fill(*verify.output, with_result, "verify.output");
            if (!filled) return look_failed(place, filled.error(), {}, Counting::attempt);
            raw = *filled;
        }
        note(std::move(told));
        return complete(place, raw, true);
    }
    // It goes on as if the attempt had said itself that it failed.
    const Attempts& made = attempts(place, false);
    const TaskCall& called = call_of(step(place), false);
    const Document error = state(place).error;
    const Problem problem = problem_of(error);
    const bool draining = status_beneath(run()) == RunStatus::compensating;
    if (!draining && error.is_null()) // an operator begins it anew
        told.retry_at = now_;
    else if (!draining)
        told.retry_at =
            next_attempt(called, made, problem,
                         jitter_seed(run().id, place.scope, place.step, made.number), now_);
    const bool is_over = !told.retry_at;
    note(std::move(told));
    if (!is_over) return;
    if (draining) return note(fact::StepCancelled{address(place)});
    const bool patient =
        is_retryable(policy_for(called, attempts(place, false), problem.type).policy, problem);
    give_up(place, problem, patient ? "exhausted" : "not_retryable", {});
}

// It is asked again as its own policy says, and then nobody can tell.
void Decider::look_failed(Place place, const Problem& problem, const Document& message,
                          Counting counting) {
    const TaskCall& called = call(place, false);
    Attempts counted = attempts(place, false);
    const std::uint32_t failures =
        state(place).look_failures + (counting == Counting::attempt ? 1 : 0);
    counted.before_series = counted.number - std::min(counted.number, failures);
    counted.failures.assign(called.retry_rules.size() + 1, failures);
    const auto next =
        next_attempt(called, counted, problem,
                     jitter_seed(run().id, place.scope, place.step, counted.number), now_);
    note(fact::TaskFailed{attempt(place, false), counted.worker, to_document(problem), next,
                          counting == Counting::no_attempt});
    if (next) return;
    Problem unknown;
    unknown.type = outcome_type;
    unknown.title = "nobody knows whether it took effect";
    unknown.detail =
        fmt::format("{}; {} could not tell ({})", said_of(problem_of(state(place).error)),
                    route_of(called), said_of(problem));
    unknown.retryable = false;
    give_up(place, fitting(std::move(unknown)), "exhausted", message);
}

} // namespace baton::orchestrator::core
