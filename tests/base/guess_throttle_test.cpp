#include "base/guess_throttle.hpp"

#include <gtest/gtest.h>

namespace baton {
namespace {

using namespace std::chrono_literals;

TEST(GuessThrottle, PausesDoubleAfterFiveFailuresUpToAMinute) {
    GuessThrottle throttle;
    Time now{1000s};
    for (int i = 0; i < 5; ++i) {
        EXPECT_TRUE(throttle.may_try("ada", "10.0.0.1", now));
        throttle.failed("ada", "10.0.0.1", now);
    }
    for (const Duration pause : {1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s}) {
        EXPECT_FALSE(throttle.may_try("ada", "10.0.0.1", now + pause - 1ms));
        EXPECT_EQ(throttle.pause_left("ada", "10.0.0.1", now), pause);
        EXPECT_EQ(throttle.pause_left("bob", "10.0.0.1", now), 0s);
        now += pause;
        EXPECT_EQ(throttle.pause_left("ada", "10.0.0.1", now), 0s);
        EXPECT_TRUE(throttle.may_try("ada", "10.0.0.1", now));
        throttle.failed("ada", "10.0.0.1", now);
    }
}

TEST(GuessThrottle, NobodyElseIsHeldUpAndASuccessClears) {
    GuessThrottle throttle;
    const Time now{1000s};
    for (int i = 0; i < 6; ++i)
        throttle.failed("ada", "10.0.0.1", now);
    EXPECT_FALSE(throttle.may_try("ada", "10.0.0.1", now));
    EXPECT_TRUE(throttle.may_try("ada", "10.0.0.2", now));
    EXPECT_TRUE(throttle.may_try("grace", "10.0.0.1", now));
    EXPECT_TRUE(throttle.may_try("ada", "10.0.0.1", now + 11min)) << "forgotten";

    throttle.failed("ada", "10.0.0.2", now);
    throttle.succeeded("ada", "10.0.0.2");
    EXPECT_EQ(throttle.failed("ada", "10.0.0.2", now), 1U);
}

TEST(GuessThrottle, ManyNamesTakeABoundedPlace) {
    GuessThrottle throttle;
    for (std::size_t i = 0; i < GuessThrottle::entries_max + 50; ++i)
        throttle.failed(std::to_string(i), "10.0.0.1", Time{1000s} + std::chrono::milliseconds(i));
    EXPECT_LE(throttle.entries(), GuessThrottle::entries_max);
}

} // namespace
} // namespace baton
