// Good files: what a workflow has after loading.
#include "orchestrator/definition/catalog.hpp"
#include "orchestrator/definition/loader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <string_view>

namespace baton::orchestrator::definition {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

const std::filesystem::path workflows = std::filesystem::path(BATON_SOURCE_DIR) / "workflows";

std::shared_ptr<const core::Workflow> good(std::string_view steps) {
    const std::string source = "workflow = \"x\"\n" + std::string(steps);
    const Loaded loaded = load(source, "good.toml");
    EXPECT_EQ(render(loaded.diagnostics, source), "");
    return loaded.workflow;
}

const core::Step& step(const core::Workflow& workflow, std::string_view path) {
    return workflow.steps[workflow.by_path.find(path)->second];
}

std::vector<std::string> ids(const core::Workflow& workflow,
                             const std::vector<core::StepIndex>& indices) {
    std::vector<std::string> all;
    for (const core::StepIndex index : indices)
        all.push_back(workflow.steps[index].id);
    return all;
}

TEST(Loader, ReadsTheWorkflowThatProvisionsAUser) {
    const WorkflowFile file = load_file(workflows / "provision-user.toml");
    ASSERT_EQ(render(file.loaded.diagnostics, file.source), "");
    const core::Workflow& workflow = *file.loaded.workflow;

    EXPECT_EQ(workflow.name, "provision-user");
    EXPECT_EQ(workflow.timeout, Duration(1h));
    EXPECT_EQ(workflow.on_failure, core::OnFailure::compensate);
    EXPECT_EQ(workflow.idempotency->window, Duration(720h));
    ASSERT_EQ(workflow.input.size(), 5);
    EXPECT_EQ(workflow.input[4].fallback->text(), "[]");
    EXPECT_THAT(ids(workflow, workflow.top_level), ElementsAre("mailbox", "account", "invite"));
    EXPECT_THAT(ids(workflow, step(workflow, "invite").predecessors), ElementsAre("account"));
    EXPECT_THAT(workflow.task_types,
                ElementsAre("mail.create", "mail.delete", "redmine.create_user",
                            "redmine.lock_user", "slack.deactivate", "slack.invite"));

    const auto& invite = std::get<core::TaskKind>(step(workflow, "invite").kind).call;
    EXPECT_EQ(invite.retry.max_attempts, 8);
    EXPECT_EQ(invite.retry.initial_interval, Duration(2s)); // from [defaults]
    EXPECT_EQ(invite.retry.max_interval, Duration(5min));
    EXPECT_EQ(invite.timeouts.start_to_close, Duration(30s));
    EXPECT_TRUE(invite.retry.non_retryable.front().matches("already_in_team"));
    EXPECT_EQ(step(workflow, "invite").catches.front().then, core::CatchRule::Then::output);
    EXPECT_EQ(step(workflow, "mailbox").compensate->call.task, "mail.delete");
}

TEST(Loader, EveryShippedWorkflowPassesTheChecker) {
    const auto files = load_folder(workflows);

    EXPECT_GE(files.size(), 6);
    for (const WorkflowFile& file : files)
        EXPECT_EQ(render(file.loaded.diagnostics, file.source), "") << file.path;
}

TEST(Loader, ReadsEveryKindOfStep) {
    const auto workflow = good(R"(
[[step]]
id  = "names"
set = { login = "ada", size = 3 }

[[step]]
id     = "route"
switch = [ { when = "names.size > 2", go = ["pause", "both"] }, { go = "over" } ]

[[step]]
id   = "pause"
wait = "1m30s"

[[step]]
id = "both"

[[step.parallel]]
id = "left"

[[step.parallel.do]]
id   = "one"
task = "t.one"

[[step.parallel.do]]
id   = "two"
task = "t.two"
with = { x = "${one.x}" }

[[step.parallel]]
id         = "right"
wait_until = "run.started_at"

[[step]]
id  = "over"
end = { output = { why = "small" } }

[[step]]
id   = "merge"
fail = { error = "not_allowed", message = "size ${names.size}, ${default(both.left.two.y, 0)}" }
)");

    EXPECT_THAT(ids(*workflow, workflow->top_level),
                ElementsAre("names", "route", "pause", "both", "over", "merge"));
    EXPECT_TRUE(step(*workflow, "pause").only_by_go);
    EXPECT_THAT(ids(*workflow, step(*workflow, "merge").predecessors),
                ElementsAre("route", "pause", "both", "over"));
    EXPECT_EQ(step(*workflow, "both.left.two").path, "both.left.two");
    EXPECT_THAT(ids(*workflow, step(*workflow, "both.left.two").predecessors), ElementsAre("one"));
    EXPECT_THAT(step(*workflow, "both.right").predecessors, IsEmpty());
    EXPECT_EQ(std::get<core::WaitKind>(step(*workflow, "pause").kind).duration, Duration(90s));
    EXPECT_EQ(std::get<core::FailKind>(step(*workflow, "merge").kind).type, "not_allowed");
    EXPECT_TRUE(std::get<core::EndKind>(step(*workflow, "over").kind).output);
}

TEST(Loader, ReadsEveryModifierOfATask) {
    const auto workflow = good(R"(
priority = 7
on_cancel = "compensate"
labels = { team = "platform" }

[input]
email = { type = "string", required = true }

[vars]
domain = "example.org"

[defaults]
priority = 2

[defaults.retries.patient]
max_attempts     = 20
initial_interval = "10s"

[[step]]
id   = "first"
task = "t.first"

[[step]]
id              = "second"
task            = "t.second"
queue           = "eu"
after           = ["first"]
join            = "done"
cancel_rest     = true
when            = "input.email != vars.domain"
retry           = "patient"
timeout         = { schedule_to_start = "1d", heartbeat = "1m", schedule_to_close = "2d" }
on_timeout      = "late"
priority        = 9
idempotency_key = "input.email + '/second'"
output          = { id = "${result.id}" }
catch           = [ { error = "http.*", continue = true }, { error = "*", go = "late" } ]
compensate      = { task = "t.undo", on = "attempted", with = { id = "${default(second.id, '')}" } }

[[step]]
id   = "late"
task = "t.late"
)");

    EXPECT_EQ(workflow->priority, 7);
    EXPECT_EQ(workflow->on_cancel, core::OnCancel::compensate);
    EXPECT_EQ(workflow->labels.at("team").evaluate({})->as_string(), "platform");
    const core::Step& second = step(*workflow, "second");
    EXPECT_EQ(second.join, core::Join::done);
    EXPECT_TRUE(second.cancel_rest);
    EXPECT_TRUE(second.when);
    EXPECT_TRUE(second.output);
    EXPECT_EQ(second.catches.size(), 2);
    EXPECT_EQ(second.compensate->on, core::Compensation::On::attempted);
    EXPECT_EQ(second.on_timeout.then, core::OnTimeout::Then::go);
    EXPECT_EQ(workflow->steps[second.on_timeout.go].id, "late");
    const auto& call = std::get<core::TaskKind>(second.kind).call;
    EXPECT_EQ(call.queue, "eu");
    EXPECT_EQ(call.priority, 9);
    EXPECT_EQ(call.retry.max_attempts, 20);
    EXPECT_EQ(call.timeouts.start_to_close, Duration(1min)); // the language's own
    EXPECT_EQ(call.timeouts.schedule_to_start, Duration(24h));
    EXPECT_TRUE(call.idempotency_key);
    EXPECT_EQ(std::get<core::TaskKind>(step(*workflow, "first").kind).call.priority, 2);
}

TEST(Loader, StepsMayWaitForStepsInsideBlocks) {
    const auto workflow = good(R"(
[[step]]
id = "lock"

[[step.parallel]]
id   = "mail"
task = "mail.lock"

[[step.parallel]]
id   = "redmine"
task = "redmine.lock_user"

[[step]]
id    = "hand_over"
task  = "redmine.reassign"
after = ["lock.redmine"]
when  = "lock.redmine.open_issues > 0"
)");

    EXPECT_EQ(workflow->steps[step(*workflow, "hand_over").predecessors.front()].path,
              "lock.redmine");
}

TEST(Loader, AFailureThatWhenPassesOverGuardsWhatFollows) {
    const Loaded loaded = load("workflow = \"x\"\n[input]\nbad = { type = \"boolean\", default = false }\n"
                               "[[step]]\nid = \"guard\"\nwhen = \"input.bad\"\nfail = \"refused\"\n"
                               "[[step]]\nid = \"work\"\ntask = \"t\"\n",
                               "x.toml");
    EXPECT_TRUE(loaded);
    EXPECT_TRUE(loaded.diagnostics.empty());
}

TEST(Loader, AByteOrderMarkAndWindowsLineEndsAreFine) {
    const Loaded loaded = load(
        "\xef\xbb\xbfworkflow = \"x\"\r\n[[step]]\r\nid = \"a\"\r\ntask = \"t.a\"\r\n", "x.toml");

    EXPECT_TRUE(loaded);
}

TEST(Loader, AByteOrderMarkShiftsNoColumn) {
    const std::string source = "\xef\xbb\xbfworkfow = \"x\"\n";

    EXPECT_EQ(render(load(source, "x.toml").diagnostics, source),
              "x.toml:1:1: error: unknown key 'workfow'; did you mean 'workflow'?\n"
              "    1 | workfow = \"x\"\n"
              "      | ^\n");
}

TEST(Loader, MistakesHaveColoursOnTerminals) {
    const std::string source = "workflow = \"x\"\nstep = 3\n";
    const std::string printed = render(load(source, "x.toml").diagnostics, source, true);

    EXPECT_THAT(printed, testing::HasSubstr("\x1b[1;31merror:\x1b[0m"));
}

} // namespace
} // namespace baton::orchestrator::definition
