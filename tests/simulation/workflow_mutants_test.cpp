// A checker that finds nothing proves nothing: the same worlds over a core in which one thing is
// wrong. The patched files are made by CMakeLists.txt, each with a question where a mistake can be.
#include "tests/simulation/workflow_world.hpp"

#include <gtest/gtest.h>

#include <string_view>

namespace baton::test {

std::string_view mutant;

bool is_mutant(std::string_view name) {
    return name == mutant;
}

namespace {

class WorkflowMutants : public testing::TestWithParam<const char*> {};

TEST_P(WorkflowMutants, AreFound) {
    constexpr std::uint64_t seeds = 1500;
    mutant = GetParam();
    std::uint64_t seed = 1;
    while (seed <= seeds && live(seed, {}).complaint.empty())
        ++seed;
    mutant = {};
    EXPECT_LE(seed, seeds) << "nobody noticed in " << seeds << " seeds";
    EXPECT_EQ(live(seed, {}).complaint, "") << "without the mistake, too";
}

INSTANTIATE_TEST_SUITE_P(All, WorkflowMutants,
                         testing::Values("counter_of_followers", "until_of_another_instance",
                                         "retry_at_forgotten", "never_draining", "started_twice"),
                         [](const auto& one) { return std::string{one.param}; });

} // namespace
} // namespace baton::test
