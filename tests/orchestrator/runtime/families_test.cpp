// How many runs one start may lead to: the count itself, and the engine over the simulated store,
// alone and beside another process.
#include "orchestrator/core/fingerprint.hpp"
#include "orchestrator/runtime/engine.hpp"
#include "orchestrator/runtime/families.hpp"
#include "tests/support/compile.hpp"
#include "tests/support/sim_clock.hpp"
#include "tests/support/sim_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace baton::orchestrator::runtime {
namespace {

using testing::HasSubstr;

TEST(Families, GrowToTheLimitAndNoFurther) {
    Families families(3);
    EXPECT_TRUE(families.is_to_be_counted("a"));
    families.counted("a", 1);
    EXPECT_FALSE(families.is_to_be_counted("a"));
    EXPECT_TRUE(families.take("a"));
    EXPECT_TRUE(families.take("a"));
    EXPECT_FALSE(families.take("a"));
    families.counted("b", 0);
    EXPECT_TRUE(families.take("b"));
}

TEST(Families, AreCountedAgainAfterAThousandMore) {
    Families families(1'000'000);
    families.counted("a", 0);
    for (int i = 0; i < 999; ++i)
        ASSERT_TRUE(families.take("a"));
    EXPECT_FALSE(families.is_to_be_counted("a"));
    ASSERT_TRUE(families.take("a"));
    EXPECT_TRUE(families.is_to_be_counted("a"));
}

// Retention may have made room.
TEST(Families, OneThatIsFullIsCountedAgainToo) {
    Families families(3);
    families.counted("a", 3);
    for (int i = 0; i < 1000; ++i)
        ASSERT_FALSE(families.take("a"));
    ASSERT_TRUE(families.is_to_be_counted("a"));
    families.counted("a", 1);
    EXPECT_TRUE(families.take("a"));
}

TEST(Families, TenThousandOfThemCostNoMoreMemoryThanThat) {
    Families families(2);
    families.counted("first", 1);
    for (int i = 0; i < 10'000; ++i)
        families.counted(std::to_string(i), 0);
    EXPECT_TRUE(families.is_to_be_counted("first"));
}

constexpr auto tree = "workflow = \"tree\"\n[[step]]\nid = \"again\"\nworkflow = \"tree\"\n";

struct FamilyProcess {
    FamilyProcess(test::SimDatabase& database, const Clock& clock, std::vector<Partition> parts)
        : store(database),
          engine(options(std::move(parts)), store, clock, test::compile, {.tell = [this](Told one) {
                     for (const Stranded& refused : one.refused)
                         refusals.push_back(
                             std::get<core::TaskFailed>(refused.report.event).problem);
                 }}) {}
    static EngineOptions options(std::vector<Partition> parts) {
        EngineOptions made;
        made.seed = 1;
        made.partitions = std::move(parts);
        made.partition_count = 2;
        made.family_runs_max = 20;
        return made;
    }
    void work() {
        while (engine.work()) {
        }
    }
    // As a request for the nth attempt of a run's step would come.
    void ask(const std::string& parent, std::uint32_t attempt, const std::string& root) {
        core::RunStarted start{core::Document::of(boost::json::object{})};
        start.workflow = "tree";
        start.parent = core::ParentRef{parent, {"again", false, attempt}, 2, true, root};
        engine.report(
            {{core::child_run_id(parent, start.parent->ref), std::move(start), std::nullopt}});
        work();
    }

    test::SimStore store;
    std::vector<core::Problem> refusals;
    Engine engine;
};

class FamiliesOfRuns : public testing::Test {
protected:
    std::size_t runs() const { return database.runs.size(); }

    test::SimClock clock;
    test::SimDatabase database;
    const std::string root = "0193a5c2-7d41-7000-8000-000000000000",
                      other = "0193a5c2-7d41-7000-8000-000000000001";
};

TEST_F(FamiliesOfRuns, OneMoreThanMayBeFailsTheStepThatAskedForIt) {
    FamilyProcess process(database, clock, {0, 1});
    process.engine.deploy(tree, "tree.toml", {});
    process.work();
    for (std::uint32_t n = 1; n <= 20; ++n)
        process.ask(root, n, "");
    ASSERT_EQ(runs(), 20u);
    EXPECT_TRUE(process.refusals.empty());

    process.ask(other, 1, root); // a grandchild
    EXPECT_EQ(runs(), 20u);
    ASSERT_EQ(process.refusals.size(), 1u);
    EXPECT_EQ(process.refusals.front().type, "baton.too_many_runs");
    EXPECT_FALSE(process.refusals.front().retryable);
    EXPECT_THAT(process.refusals.front().detail, HasSubstr("orchestrator.family_runs_max"));
    EXPECT_THAT(process.refusals.front().detail, HasSubstr("root:" + root));

    process.ask(other, 2, ""); // of another family
    EXPECT_EQ(runs(), 21u);
}

TEST_F(FamiliesOfRuns, WhatIsAskedForTwiceCountsOnce) {
    FamilyProcess process(database, clock, {0, 1});
    process.engine.deploy(tree, "tree.toml", {});
    process.work();
    for (int round = 0; round < 3; ++round)
        for (std::uint32_t n = 1; n <= 20; ++n)
            process.ask(root, n, "");
    EXPECT_EQ(runs(), 20u);
    EXPECT_TRUE(process.refusals.empty());
}

TEST_F(FamiliesOfRuns, AProcessThatComesLaterCountsWhatIsThere) {
    {
        FamilyProcess process(database, clock, {0, 1});
        process.engine.deploy(tree, "tree.toml", {});
        process.work();
        for (std::uint32_t n = 1; n <= 20; ++n)
            process.ask(root, n, "");
    }
    FamilyProcess next(database, clock, {0, 1});
    next.work();
    next.ask(root, 21, "");
    EXPECT_EQ(runs(), 20u);
    EXPECT_EQ(next.refusals.size(), 1u);
}

} // namespace
} // namespace baton::orchestrator::runtime
