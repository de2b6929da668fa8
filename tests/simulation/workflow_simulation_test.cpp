// Random workflows by seed.
//
// BATON_WORKFLOW_SEEDS=FIRST-LAST plays those seeds; of a single one the history is printed.
#include "tests/simulation/workflow_world.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

namespace baton::test {
namespace {

struct Seeds {
    std::uint64_t first = 1;
    std::uint64_t last = 0;
};
Seeds chosen(Seeds usual) {
    const char* text = std::getenv("BATON_WORKFLOW_SEEDS");
    if (text == nullptr) return usual;
    char* end = nullptr;
    Seeds asked;
    asked.first = asked.last = std::strtoull(text, &end, 10);
    if (*end == '-') asked.last = std::strtoull(end + 1, nullptr, 10);
    return asked;
}

void expect_promises(Seeds usual) {
    const Seeds seeds = chosen(usual);
    int broken = 0;
    for (std::uint64_t seed = seeds.first; seed <= seeds.last && broken < 20; ++seed) {
        const WorkflowLife life = live(seed, {});
        if (seeds.first == seeds.last) fmt::print("{}\n{}", life.source, life.story);
        if (!life.complaint.empty() && ++broken > 0)
            ADD_FAILURE() << "seed " << seed << ": " << life.complaint << "\n" << life.source;
        std::fflush(stdout);
    }
}

// In four parts, so that several cores help.
TEST(WorkflowSimulation, RandomWorkflowsKeepTheirPromises) {
    expect_promises({1, 300});
}
TEST(WorkflowSimulation, MoreRandomWorkflowsKeepTheirPromises) {
    if (std::getenv("BATON_WORKFLOW_SEEDS") == nullptr) expect_promises({301, 600});
}

// A checker that finds nothing proves nothing.

int broken_of(WorkflowClimate climate, std::uint64_t seeds) {
    int broken = 0;
    for (std::uint64_t seed = 1; seed <= seeds && broken == 0; ++seed)
        broken += !live(seed, climate).complaint.empty();
    return broken;
}

TEST(WorkflowSimulation, WithoutReadingTheHistoryBackPromisesBreak) {
    EXPECT_GT(broken_of({.read_back = false}, 200), 0);
}

TEST(WorkflowSimulation, WithoutTheFencePromisesBreak) {
    EXPECT_GT(broken_of({.fence = false}, 300), 0);
}

} // namespace
} // namespace baton::test
