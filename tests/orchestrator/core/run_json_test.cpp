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
    StepState& step = run.steps[0];
    step.status = StepStatus::backing_off;
    step.sent = true;
    step.attempts.number = 7;
    step.attempts.before_series = 3;
    step.attempts.due = time_from_micros(3);
    step.attempts.deferred = true;
    step.attempts.started_at = time_from_micros(4);
    step.undo = UndoStatus::dead;
    step.undo_attempts.number = 2;
    step.undo_error = Document::parse("[1]").value();
    step.output = Document::parse(R"({"id":7})").value();
    step.effect = Document::parse(R"({"id":8})").value();
    step.closed_order = 2;
    step.passed = true;
    step.happened = true;

    std::string json;
    append_state_json(json, workflow, run);
    core::Run again = new_run(workflow, "r");
    ASSERT_TRUE(read_state_json(json, workflow, again)) << json;

    EXPECT_EQ(again.deadline, run.deadline);
    EXPECT_EQ(again.ending, run.ending);
    EXPECT_EQ(again.closed_steps, 3u);
    EXPECT_EQ(again.error, run.error);
    EXPECT_EQ(again.steps[0].status, StepStatus::backing_off);
    EXPECT_TRUE(again.steps[0].sent);
    EXPECT_EQ(again.steps[0].attempts.number, 7u);
    EXPECT_EQ(again.steps[0].attempts.before_series, 3u);
    EXPECT_EQ(again.steps[0].attempts.due, time_from_micros(3));
    EXPECT_TRUE(again.steps[0].attempts.deferred);
    EXPECT_EQ(again.steps[0].attempts.started_at, time_from_micros(4));
    EXPECT_EQ(again.steps[0].undo, UndoStatus::dead);
    EXPECT_EQ(again.steps[0].undo_attempts.number, 2u);
    EXPECT_EQ(again.steps[0].undo_error, step.undo_error);
    EXPECT_EQ(again.steps[0].output, step.output);
    EXPECT_EQ(again.steps[0].effect, step.effect);
    EXPECT_TRUE(again.steps[0].passed);
    EXPECT_TRUE(again.steps[0].happened);
    EXPECT_EQ(again.steps[0].closed_order, 2u);
}

TEST(RunJson, RefusesWhatDoesNotFit) {
    const Workflow workflow = one_step();
    for (const char* json :
         {"", "[]", "{}", R"({"f":2,"steps":{}})", R"({"f":1})", R"({"f":1,"steps":{"b":{"s":1}}})",
          R"({"f":1,"steps":{"a":{"s":99}}})", R"({"f":1,"steps":{"a":5}})",
          R"({"f":1,"ending":9,"steps":{}})"}) {
        core::Run run = new_run(workflow, "r");
        EXPECT_FALSE(read_state_json(json, workflow, run)) << json;
    }
}

} // namespace
} // namespace baton::orchestrator::core
