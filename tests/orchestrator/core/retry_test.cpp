// The retry policy as a table.
#include "orchestrator/core/decide/retry.hpp"

#include <gtest/gtest.h>

namespace baton::orchestrator::core {
namespace {

using namespace std::chrono_literals;

const Time now = time_from_micros(1'000'000'000'000);

RetryPolicy policy(Duration first, std::uint32_t percent, Duration cap) {
    RetryPolicy made;
    made.initial_interval = first;
    made.backoff_percent = percent;
    made.max_interval = cap;
    made.jitter_percent = 0;
    return made;
}

TEST(Retry, PausesGrowUpToTheCap) {
    struct Row {
        RetryPolicy policy;
        std::uint32_t failures;
        Duration pause;
    };
    const Row rows[] = {
        {policy(2s, 200, 5min), 1, 2s},
        {policy(2s, 200, 5min), 2, 4s},
        {policy(2s, 200, 5min), 8, 256s},
        {policy(2s, 200, 5min), 9, 5min},
        {policy(2s, 200, 5min), 4'000'000'000u, 5min},
        {policy(1s, 150, 1min), 2, 1500ms},
        {policy(1s, 150, 1min), 3, 2250ms},
        {policy(3s, 100, 1min), 50, 3s},
        {policy(0s, 200, 1min), 5, 0s},
        {policy(10s, 200, 5s), 1, 5s},
        {policy(8s, 50, 1min), 3, 2s},
        {policy(1h * 24 * 365 * 100, 1'000'000, Duration::max()), 3, Duration::max()},
    };
    for (const Row& row : rows)
        EXPECT_EQ(pause_after(row.policy, row.failures), row.pause)
            << row.policy.initial_interval.count() << " after " << row.failures;
}

TEST(Retry, JitterStaysWithinItsReachAndIsTheSameForTheSameSeed) {
    bool differs = false;
    for (std::uint64_t seed = 0; seed < 1000; ++seed) {
        const Duration pause = with_jitter(10s, 20, seed);
        EXPECT_GE(pause, 8s);
        EXPECT_LE(pause, 12s);
        EXPECT_EQ(pause, with_jitter(10s, 20, seed));
        differs |= pause != 10s;
    }
    EXPECT_TRUE(differs);
    EXPECT_EQ(with_jitter(10s, 0, 7), 10s);
    EXPECT_EQ(with_jitter(0s, 100, 7), 0s);
}

TEST(Retry, PatienceEnds) {
    TaskCall call;
    call.retry = policy(1s, 200, 1min);
    call.retry.max_attempts = 3;
    Attempts attempts;
    attempts.series_at = now;
    const Problem problem;

    attempts.number = 2;
    EXPECT_EQ(next_attempt(call, attempts, problem, 0, now), now + 2s);
    attempts.number = 3;
    EXPECT_FALSE(next_attempt(call, attempts, problem, 0, now));
    // An operator began a new series after attempt 3.
    attempts.number = 4;
    attempts.before_series = 3;
    EXPECT_EQ(next_attempt(call, attempts, problem, 0, now), now + 1s);
}

TEST(Retry, SomeErrorsAreFinal) {
    TaskCall call;
    call.retry.non_retryable = {{"already_in_team"}, {"http.4*"}, {"auth.*"}};
    Attempts attempts;
    attempts.number = 1;
    const auto is_retried = [&](const std::string& type, bool retryable) {
        Problem problem;
        problem.type = type;
        problem.retryable = retryable;
        return next_attempt(call, attempts, problem, 0, now).has_value();
    };
    EXPECT_TRUE(is_retried("http.503", true));
    EXPECT_FALSE(is_retried("http.503", false));
    EXPECT_FALSE(is_retried("http.404", true));
    EXPECT_FALSE(is_retried("already_in_team", true));
    EXPECT_TRUE(is_retried("already_in_team2", true));
    EXPECT_FALSE(is_retried("auth", true));
    EXPECT_FALSE(is_retried("auth.expired", true));
    EXPECT_TRUE(is_retried("authority", true));
}

TEST(Retry, WaitsAsLongAsTheWorkerAsksButNotPastTheStepsEnd) {
    TaskCall call;
    call.retry = policy(1s, 200, 1min);
    call.timeouts.schedule_to_close = 2min;
    Attempts attempts;
    attempts.number = 1;
    attempts.series_at = now;
    Problem problem;

    problem.retry_after = 90s;
    EXPECT_EQ(next_attempt(call, attempts, problem, 0, now), now + 90s);
    problem.retry_after = 10min;
    EXPECT_FALSE(next_attempt(call, attempts, problem, 0, now));
    problem.retry_after = 1ms;
    EXPECT_EQ(next_attempt(call, attempts, problem, 0, now), now + 1s);
}

TEST(Retry, WhatATargetLetsNobodyTryIsTriedAgainWithinAnHour) {
    TaskCall call;
    call.retry = policy(1s, 200, 1min);
    Attempts attempts;
    attempts.number = 1;
    attempts.series_at = now;
    Problem problem;
    problem.is_attempt = false;

    problem.retry_after = 20min;
    EXPECT_EQ(next_attempt(call, attempts, problem, 0, now), now + 20min);
    problem.retry_after = 24h * 365;
    EXPECT_EQ(next_attempt(call, attempts, problem, 0, now), now + 1h);
    // One that was tried uses up an attempt, so that one waits as long as it is told.
    problem.is_attempt = true;
    EXPECT_EQ(next_attempt(call, attempts, problem, 0, now), now + 24h * 365);
}

} // namespace
} // namespace baton::orchestrator::core
