// When a failed attempt is tried again, or that it is not.
#pragma once

#include "base/clock.hpp"
#include "orchestrator/core/event.hpp"
#include "orchestrator/core/run.hpp"
#include "orchestrator/core/workflow.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace baton::orchestrator::core {

// The policy for an error, and how many failures of this series it counts, with the one at hand if that counts.
struct CountedPolicy {
    const RetryPolicy& policy;
    std::uint32_t failures = 0;
};
CountedPolicy policy_for(const TaskCall& call, const Attempts& attempts, std::string_view error_type);

// So many attempts there can be at most, as far as it can be said before any failed.
std::uint32_t attempts_at_most(const TaskCall& call);

// The pause after the `failed_attempts`th failure of a series, without jitter: initial_interval
// times backoff for each earlier failure, at most max_interval.
Duration pause_after(const RetryPolicy& policy, std::uint32_t failed_attempts);

// `pause` moved by up to jitter_percent in both directions; the same seed gives the same pause.
Duration with_jitter(Duration pause, std::uint32_t jitter_percent, std::uint64_t seed);

// Seed of the jitter: a mix of the run, the step and the attempt.
std::uint64_t jitter_seed(std::string_view run_id, ScopeNumber scope, StepIndex step, std::uint32_t attempt);

// The time of the next attempt, or nothing when patience is over: the policy's attempts are used
// up, the error is not retryable, or schedule_to_close would pass before it. What was no attempt
// is bounded by schedule_to_close alone.
std::optional<Time> next_attempt(const TaskCall& call, const Attempts& attempts,
                                 const Problem& problem, std::uint64_t seed, Time now);

// Whether the problem may be retried at all under this policy.
bool is_retryable(const RetryPolicy& policy, const Problem& problem);

} // namespace baton::orchestrator::core
