// Joins as a table: what the predecessors are, what the join is, what follows.
#include "orchestrator/core/decide/join.hpp"

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

TEST(Join, JoinsAsTheTableSays) {
    struct Row {
        Join join;
        std::uint32_t count;
        StepStatus a, b, c;
        Turn expected;
    };
    const Row rows[] = {
        {Join::all, 0, done, done, done, Turn::start},
        {Join::all, 0, done, dispatched, done, Turn::wait},
        {Join::all, 0, done, skipped, done, Turn::start},
        {Join::all, 0, skipped, skipped, skipped, Turn::skip},
        {Join::all, 0, done, dead, dispatched, Turn::block},
        {Join::all, 0, done, blocked, done, Turn::block},
        {Join::any, 0, done, dispatched, waiting, Turn::start},
        {Join::any, 0, dead, backing_off, waiting, Turn::wait},
        {Join::any, 0, dead, skipped, skipped, Turn::block},
        {Join::any, 0, skipped, skipped, cancelled, Turn::skip},
        {Join::done, 0, dead, skipped, blocked, Turn::start},
        {Join::done, 0, dead, sleeping, done, Turn::wait},
        {Join::done, 0, skipped, skipped, skipped, Turn::skip},
        {Join::count, 2, done, done, running, Turn::start},
        {Join::count, 2, done, dead, running, Turn::wait},
        {Join::count, 2, done, dead, dead, Turn::block},
        {Join::count, 2, skipped, skipped, skipped, Turn::skip},
    };
    int number = 0;
    for (const Row& row : rows) {
        const auto workflow = three_before_one(row.join, row.count);
        core::Run run = new_run(*workflow, "r");
        auto& steps = run.scopes[root_scope].steps;
        steps[0].status = row.a;
        steps[1].status = row.b;
        steps[2].status = row.c;
        derive(*workflow, run);
        EXPECT_EQ(turn_after(workflow->steps[3], steps[3].before), row.expected) << "row " << number;
        ++number;
    }
}

TEST(Join, AStepThatWasPassedOverWinsNoRaceButEndsNoRow) {
    struct Row {
        Join join;
        std::uint32_t count;
        StepStatus b, c; // a was passed over
        Turn expected;
    };
    const Row rows[] = {
        {Join::all, 0, skipped, skipped, Turn::start},
        {Join::done, 0, skipped, dead, Turn::start},
        {Join::any, 0, dispatched, waiting, Turn::wait},
        {Join::any, 0, dead, skipped, Turn::start},
        {Join::count, 2, done, dispatched, Turn::wait},
        {Join::count, 2, done, dead, Turn::start},
        {Join::count, 2, skipped, dead, Turn::block},
    };
    int number = 0;
    for (const Row& row : rows) {
        const auto workflow = three_before_one(row.join, row.count);
        core::Run run = new_run(*workflow, "r");
        auto& steps = run.scopes[root_scope].steps;
        steps[0].status = skipped;
        steps[0].passed = true;
        steps[1].status = row.b;
        steps[2].status = row.c;
        derive(*workflow, run);
        EXPECT_EQ(turn_after(workflow->steps[3], steps[3].before), row.expected) << "row " << number;
        ++number;
    }
}

TEST(Derive, AStepThatRunsOnlyByGoCountsItsSenders) {
    auto workflow = three_before_one(Join::all, 0);
    SwitchKind chooser;
    chooser.cases.push_back({std::nullopt, {2}});
    workflow->steps[1].kind = chooser;
    link(*workflow);
    core::Run run = new_run(*workflow, "r");
    auto& steps = run.scopes[root_scope].steps;

    EXPECT_EQ(steps[2].open_senders, 1u);
    steps[1].status = done;
    derive(*workflow, run);
    EXPECT_EQ(steps[2].open_senders, 0u);
}

TEST(Derive, ABlockCountsItsChildrenAndTheRunItsTopLevel) {
    Workflow workflow;
    workflow.steps.resize(3);
    workflow.steps[0].id = "block";
    workflow.steps[1].id = "child";
    workflow.steps[1].parent = 0;
    workflow.steps[1].kind = TaskKind{};
    workflow.steps[2].id = "other";
    workflow.steps[2].kind = TaskKind{};
    link(workflow);
    core::Run run = new_run(workflow, "r");
    auto& root = run.scopes[root_scope];

    EXPECT_EQ(workflow.steps[1].path, "block.child");
    EXPECT_EQ(root.open_top, 2u);
    EXPECT_EQ(root.steps[0].open_children, 1u);
    root.steps[1].status = done;
    root.steps[2].status = dead;
    derive(workflow, run);
    EXPECT_EQ(root.open_top, 1u);
    EXPECT_EQ(root.steps[0].open_children, 0u);
    EXPECT_EQ(run.dead, (std::set<Place>{{root_scope, 2}}));
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
