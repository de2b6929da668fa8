// Stored states: read back as they were, refused when they do not fit. (The scenarios check every
// state of every story on top.)
#include "orchestrator/core/run_json.hpp"

#include <gtest/gtest.h>

namespace baton::orchestrator::core {
namespace {

Workflow one_step() {
    Workflow workflow;
    workflow.steps.resize(1);
    workflow.steps[0].id = "a";
    workflow.steps[0].kind = TaskKind{};
    link(workflow);
    return workflow;
}

TEST(RunJson, KeepsEverythingThatIsNotMemory) {
    const Workflow workflow = one_step();
    core::Run run = new_run(workflow, "r");
    run.deadline = time_from_micros(5'000'000);
    run.ending = Ending::timeout;
    run.closed_steps = 3;
    run.error = Document::parse(R"({"type":"x"})").value();
    StepState& step = run.scopes[root_scope].steps[0];
    step.status = StepStatus::backing_off;
    step.sent = true;
    step.attempts.number = 7;
    step.attempts.before_series = 3;
    step.attempts.due = time_from_micros(3);
    step.attempts.deferred = true;
    step.attempts.started_at = time_from_micros(4);
    step.attempts.start_is_noted = true;
    step.undo = UndoStatus::dead;
    step.undo_attempts.number = 2;
    step.undo_error = Document::parse("[1]").value();
    step.output = Document::parse(R"({"id":7})").value();
    step.effect = Document::parse(R"({"id":8})").value();
    step.closed_order = 2;
    step.passed = true;
    step.happened = true;
    step.look = Look::asks;
    step.look_failures = 2;
    step.looks = {4, 6};

    std::string json;
    append_state_json(json, workflow, run, 9);
    core::Run again = new_run(workflow, "r");
    ASSERT_TRUE(read_state_json(json, workflow, again)) << json;

    EXPECT_EQ(again.version, 9u);
    EXPECT_EQ(again.status, run.status);
    EXPECT_EQ(again.deadline, run.deadline);
    EXPECT_EQ(again.ending, run.ending);
    EXPECT_EQ(again.closed_steps, 3u);
    EXPECT_EQ(again.error, run.error);
    EXPECT_EQ(again.root().steps[0].status, StepStatus::backing_off);
    EXPECT_TRUE(again.root().steps[0].sent);
    EXPECT_EQ(again.root().steps[0].look, Look::asks);
    EXPECT_EQ(again.root().steps[0].look_failures, 2u);
    EXPECT_EQ(again.root().steps[0].looks, (std::vector<std::uint32_t>{4, 6}));
    EXPECT_EQ(again.root().steps[0].attempts.number, 7u);
    EXPECT_EQ(again.root().steps[0].attempts.before_series, 3u);
    EXPECT_EQ(again.root().steps[0].attempts.due, time_from_micros(3));
    EXPECT_TRUE(again.root().steps[0].attempts.deferred);
    EXPECT_EQ(again.root().steps[0].attempts.started_at, time_from_micros(4));
    EXPECT_EQ(again.root().steps[0].undo, UndoStatus::dead);
    EXPECT_EQ(again.root().steps[0].undo_attempts.number, 2u);
    EXPECT_EQ(again.root().steps[0].undo_error, step.undo_error);
    EXPECT_EQ(again.root().steps[0].output, step.output);
    EXPECT_EQ(again.root().steps[0].effect, step.effect);
    EXPECT_TRUE(again.root().steps[0].passed);
    EXPECT_TRUE(again.root().steps[0].happened);
    EXPECT_EQ(again.root().steps[0].closed_order, 2u);
}

TEST(RunJson, ReadsWhatEarlierVersionsWrote) {
    const Workflow workflow = one_step();
    core::Run run = new_run(workflow, "r");
    run.version = 4;
    run.status = RunStatus::running;
    ASSERT_TRUE(read_state_json(R"({"f":1,"closed_steps":0,"steps":{"a":{"s":1,"a":[1,0,5,5,0,0,6]}}})", workflow, run));

    EXPECT_EQ(run.version, 4u);
    EXPECT_EQ(run.status, RunStatus::running);
    EXPECT_EQ(run.root().steps[0].attempts.started_at, time_from_micros(6));
    EXPECT_EQ(run.with_workers, 1u);
}

TEST(RunJson, ANewStateLeavesTheRunAsItBegins) {
    const Workflow workflow = one_step();
    std::string json;
    append_new_state_json(json);
    core::Run run = new_run(workflow, "r");
    run.version = 3;
    run.status = RunStatus::failed;
    run.input = Document::parse(R"({"x":1})").value();
    ASSERT_TRUE(read_state_json(json, workflow, run));

    EXPECT_EQ(run.version, 0u);
    EXPECT_EQ(run.status, RunStatus::queued);
    EXPECT_EQ(run.input.text(), R"({"x":1})");
}

TEST(RunJson, RefusesWhatDoesNotFit) {
    const Workflow workflow = one_step();
    for (const char* json :
         {"", "[]", "{}", R"({"f":3,"v":1,"s":2,"steps":{}})", R"({"f":2,"v":1,"s":2})",
          R"({"f":2,"v":1,"s":99,"steps":{}})", R"({"f":2,"v":1,"s":2,"steps":{},"scopes":[{"n":1,"of":"a","i":0,"steps":{}}]})",
          R"({"f":1})", R"({"f":1,"steps":{"b":{"s":1}}})",
          R"({"f":1,"steps":{"a":{"s":99}}})", R"({"f":1,"steps":{"a":5}})",
          R"({"f":1,"ending":9,"steps":{}})"}) {
        core::Run run = new_run(workflow, "r");
        EXPECT_FALSE(read_state_json(json, workflow, run)) << json;
    }
}

} // namespace
} // namespace baton::orchestrator::core
