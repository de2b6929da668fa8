// Joins as a table: what the predecessors are, what the join is, what follows.
#include "orchestrator/core/ready.hpp"

#include <gtest/gtest.h>

namespace baton::orchestrator::core {
namespace {

using enum StepStatus;

std::shared_ptr<Workflow> three_before_one(Join join, std::uint32_t count) {
    auto workflow = std::make_shared<Workflow>();
    for (const char* id : {"a", "b", "c", "joined"}) {
        Step step;
        step.id = id;
        step.kind = TaskKind{};
        step.after = std::vector<StepIndex>{};
        workflow->steps.push_back(step);
    }
    workflow->steps[3].after = {0, 1, 2};
    workflow->steps[3].join = join;
    workflow->steps[3].join_count = count;
    link(*workflow);
    return workflow;
}

TEST(Ready, JoinsAsTheTableSays) {
    struct Row {
        Join join;
        std::uint32_t count;
        StepStatus a, b, c;
        Readiness expected;
    };
    const Row rows[] = {
        {Join::all, 0, done, done, done, Readiness::start},
        {Join::all, 0, done, dispatched, done, Readiness::wait},
        {Join::all, 0, done, skipped, done, Readiness::start},
        {Join::all, 0, skipped, skipped, skipped, Readiness::skip},
        {Join::all, 0, done, dead, dispatched, Readiness::block},
        {Join::all, 0, done, blocked, done, Readiness::block},
        {Join::any, 0, done, dispatched, waiting, Readiness::start},
        {Join::any, 0, dead, backing_off, waiting, Readiness::wait},
        {Join::any, 0, dead, skipped, skipped, Readiness::block},
        {Join::any, 0, skipped, skipped, cancelled, Readiness::skip},
        {Join::done, 0, dead, skipped, blocked, Readiness::start},
        {Join::done, 0, dead, sleeping, done, Readiness::wait},
        {Join::done, 0, skipped, skipped, skipped, Readiness::skip},
        {Join::count, 2, done, done, running, Readiness::start},
        {Join::count, 2, done, dead, running, Readiness::wait},
        {Join::count, 2, done, dead, dead, Readiness::block},
        {Join::count, 2, skipped, skipped, skipped, Readiness::skip},
    };
    int number = 0;
    for (const Row& row : rows) {
        const auto workflow = three_before_one(row.join, row.count);
        core::Run run = new_run(*workflow, "r");
        run.steps[0].status = row.a;
        run.steps[1].status = row.b;
        run.steps[2].status = row.c;
        EXPECT_EQ(readiness(*workflow, run, 3), row.expected) << "row " << number;
        ++number;
    }
}

TEST(Ready, AStepThatWasPassedOverWinsNoRaceButEndsNoRow) {
    struct Row {
        Join join;
        std::uint32_t count;
        StepStatus b, c; // a was passed over
        Readiness expected;
    };
    const Row rows[] = {
        {Join::all, 0, skipped, skipped, Readiness::start},
        {Join::done, 0, skipped, dead, Readiness::start},
        {Join::any, 0, dispatched, waiting, Readiness::wait},
        {Join::any, 0, dead, skipped, Readiness::start},
        {Join::count, 2, done, dispatched, Readiness::wait},
        {Join::count, 2, done, dead, Readiness::start},
        {Join::count, 2, skipped, dead, Readiness::block},
    };
    int number = 0;
    for (const Row& row : rows) {
        const auto workflow = three_before_one(row.join, row.count);
        core::Run run = new_run(*workflow, "r");
        run.steps[0].status = skipped;
        run.steps[0].passed = true;
        run.steps[1].status = row.b;
        run.steps[2].status = row.c;
        EXPECT_EQ(readiness(*workflow, run, 3), row.expected) << "row " << number;
        ++number;
    }
}

TEST(Ready, AStepThatRunsOnlyByGoWaitsForItsSenders) {
    auto workflow = three_before_one(Join::all, 0);
    SwitchKind chooser;
    chooser.cases.push_back({std::nullopt, {2}});
    workflow->steps[1].kind = chooser;
    link(*workflow);
    core::Run run = new_run(*workflow, "r");

    EXPECT_EQ(readiness(*workflow, run, 2), Readiness::wait);
    run.steps[1].status = done;
    EXPECT_EQ(readiness(*workflow, run, 2), Readiness::skip);
    run.steps[2].sent = true;
    EXPECT_EQ(readiness(*workflow, run, 2), Readiness::start);
}

TEST(Ready, ChildrenWaitForTheirBlock) {
    Workflow workflow;
    workflow.steps.resize(2);
    workflow.steps[0].id = "block";
    workflow.steps[1].id = "child";
    workflow.steps[1].parent = 0;
    workflow.steps[1].kind = TaskKind{};
    link(workflow);
    core::Run run = new_run(workflow, "r");

    EXPECT_EQ(workflow.steps[1].path, "block.child");
    EXPECT_EQ(readiness(workflow, run, 1), Readiness::wait);
    run.steps[0].status = running;
    EXPECT_EQ(readiness(workflow, run, 1), Readiness::start);
}

TEST(Link, TheStepAfterTheBranchesFollowsAllOfThem) {
    Workflow workflow;
    workflow.steps.resize(5);
    for (std::size_t i = 0; i < 5; ++i) {
        workflow.steps[i].id = std::string(1, static_cast<char>('a' + i));
        workflow.steps[i].kind = TaskKind{};
    }
    SwitchKind chooser;
    chooser.cases.push_back({std::nullopt, {2, 3}});
    workflow.steps[1].kind = chooser;

    link(workflow);

    EXPECT_TRUE(workflow.steps[2].only_by_go);
    EXPECT_EQ(workflow.steps[2].predecessors, (std::vector<StepIndex>{}));
    EXPECT_EQ(workflow.steps[4].predecessors, (std::vector<StepIndex>{1, 2, 3}));
    EXPECT_EQ(workflow.steps[1].predecessors, (std::vector<StepIndex>{0}));
}

} // namespace
} // namespace baton::orchestrator::core
