// The retry policy, in integers and percent only, so that every machine gets the same times.
#include "orchestrator/core/decide/retry.hpp"

#include "base/random.hpp"

#include <algorithm>

namespace baton::orchestrator::core {

namespace {
// A target that did not let the worker try, and said nothing of when it will.
constexpr Duration pause_of_refused = std::chrono::seconds(30);
constexpr Duration pause_of_refused_max = std::chrono::hours(1);
} // namespace

CountedPolicy policy_for(const TaskCall& call, const Attempts& attempts,
                         std::string_view error_type) {
    if (call.retry_rules.empty()) return {call.retry, attempts.of_series()};
    const std::size_t rule = rule_of(call, error_type);
    return {rule < call.retry_rules.size() ? call.retry_rules[rule].policy : call.retry,
            rule < attempts.failures.size() ? attempts.failures[rule] : 0};
}

std::uint32_t attempts_at_most(const TaskCall& call) {
    std::uint32_t most = call.retry.max_attempts;
    for (const RetryRule& rule : call.retry_rules)
        most += rule.policy.max_attempts - 1;
    return most;
}

Duration pause_after(const RetryPolicy& policy, std::uint32_t failed_attempts) {
    const std::int64_t cap = std::max<std::int64_t>(policy.max_interval.count(), 0);
    std::int64_t pause = std::clamp<std::int64_t>(policy.initial_interval.count(), 0, cap);
    for (std::uint32_t i = 1; i < failed_attempts && pause < cap && pause > 0; ++i) {
        // 128 bits: an interval of years times a large factor must not wrap around.
        const __int128 next = static_cast<__int128>(pause) * policy.backoff_percent / 100;
        if (next <= pause && policy.backoff_percent <= 100) {
            pause = static_cast<std::int64_t>(next);
            if (policy.backoff_percent == 100) break;
            continue;
        }
        pause = next > cap ? cap : static_cast<std::int64_t>(next);
    }
    return Duration{pause};
}

Duration with_jitter(Duration pause, std::uint32_t jitter_percent, std::uint64_t seed) {
    const std::int64_t reach = static_cast<std::int64_t>(static_cast<__int128>(pause.count()) *
                                                         std::min(jitter_percent, 100u) / 100);
    if (reach <= 0) return pause;
    Random random(seed);
    const auto moved = random.below(static_cast<std::uint64_t>(2 * reach + 1));
    return Duration{pause.count() - reach + static_cast<std::int64_t>(moved)};
}

std::uint64_t jitter_seed(std::string_view run_id, ScopeNumber scope, StepIndex step,
                          std::uint32_t attempt) {
    std::uint64_t hash = 0xcbf29ce484222325ULL; // FNV-1a
    for (const char c : run_id) {
        hash ^= static_cast<unsigned char>(c);
        hash *= 0x100000001b3ULL;
    }
    return hash ^ (static_cast<std::uint64_t>(scope) * 0x9e3779b97f4a7c15ULL) ^
           (static_cast<std::uint64_t>(step) << 32) ^ attempt;
}

bool is_retryable(const RetryPolicy& policy, const Problem& problem) {
    if (!problem.retryable) return false;
    return std::none_of(policy.non_retryable.begin(), policy.non_retryable.end(),
                        [&](const ErrorPattern& one) { return one.matches(problem.type); });
}

std::optional<Time> next_attempt(const TaskCall& call, const Attempts& attempts,
                                 const Problem& problem, std::uint64_t seed, Time now) {
    Duration pause = pause_of_refused;
    if (problem.is_attempt) {
        const auto [policy, failures] = policy_for(call, attempts, problem.type);
        if (!is_retryable(policy, problem)) return std::nullopt;
        if (failures >= policy.max_attempts) return std::nullopt;
        pause = with_jitter(pause_after(policy, failures), policy.jitter_percent, seed);
        // The worker knows when its target is ready again; earlier makes no sense.
        if (problem.retry_after) pause = std::max(pause, *problem.retry_after);
    } else if (problem.retry_after) {
        // It holds back all tasks of the type, and nobody could hurry it; asking once more costs no
        // attempt. A year is what a target means that says a date in seconds.
        pause = std::min(*problem.retry_after, pause_of_refused_max);
    }
    const Time due = now + pause;
    if (call.timeouts.schedule_to_close &&
        due >= attempts.series_at + *call.timeouts.schedule_to_close)
        return std::nullopt;
    return due;
}

} // namespace baton::orchestrator::core
