// The workflows that ship, run through the step function with answers a worker could give: what is
// called, with what, and how the run ends. No broker, no clock: time stands still.
#include "orchestrator/core/advance.hpp"
#include "orchestrator/core/input.hpp"
#include "orchestrator/definition/catalog.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace baton::orchestrator::definition {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

constexpr Time now = time_from_micros(1'800'000'000'000'000);

core::Document document(std::string_view text) {
    return *core::Document::parse(std::string(text));
}

// A run of a shipped workflow. `answers` are results by task, or by task and step; a task without one
// fails for good.
struct Story {
    Story(std::string_view name, std::string_view input,
          const std::map<std::string, std::string>& answers) {
        const auto path =
            std::filesystem::path(BATON_SOURCE_DIR) / "workflows" / (std::string(name) + ".toml");
        workflow = load_file(path).loaded.workflow;
        const core::CheckedInput checked = core::check_input(workflow->input, document(input));
        EXPECT_THAT(checked.complaints, testing::IsEmpty());
        run = core::new_run(*workflow, "run-1");
        take(core::advance(*workflow, run, core::RunStarted{checked.input}, now));
        while (!dispatched.empty()) {
            const core::fact::TaskDispatched task = dispatched.front();
            dispatched.pop_front();
            const core::AttemptRef ref = task.ref;
            auto answer = answers.find(task.order.route + " " + ref.step);
            if (answer == answers.end()) answer = answers.find(task.order.route);
            if (answer != answers.end()) {
                take(core::advance(*workflow, run, core::TaskCompleted{ref, document(answer->second)},
                                   now));
                continue;
            }
            core::Problem problem;
            problem.type = "broken";
            problem.retryable = false;
            take(core::advance(*workflow, run, core::TaskFailed{ref, problem}, now));
        }
    }

    void take(const core::Transition& transition) {
        for (const core::Fact& fact : transition.facts) {
            const auto* task = std::get_if<core::fact::TaskDispatched>(&fact.body);
            if (task == nullptr) continue;
            dispatched.push_back(*task);
            calls.push_back(task->order.route);
            inputs[task->order.route] = std::string(task->order.with.text());
        }
    }

    std::string_view status() const { return core::word_of(run.status); }
    std::string output() const { return std::string(run.output.text()); }

    std::shared_ptr<const core::Workflow> workflow;
    core::Run run;
    std::deque<core::fact::TaskDispatched> dispatched;
    std::vector<std::string> calls;
    std::map<std::string, std::string> inputs;
};

constexpr std::string_view ada =
    R"({"email": "ada@example.org", "first_name": "Ada", "last_name": "Lovelace"})";

TEST(ShippedWorkflows, ProvisionUserMakesThreeAccounts) {
    const Story story("provision-user", ada,
                      {{"mail.create", R"({"id": 7, "address": "ada@example.org"})"},
                       {"redmine.create_user", R"({"id": 41})"},
                       {"slack.invite", R"({"user_id": "U1"})"}});

    EXPECT_EQ(story.status(), "completed");
    EXPECT_THAT(story.calls, ElementsAre("mail.create", "redmine.create_user", "slack.invite"));
    EXPECT_EQ(story.inputs.at("redmine.create_user"),
              R"({"mail":"ada@example.org","first_name":"Ada","last_name":"Lovelace","groups":[]})");
    EXPECT_EQ(story.output(), R"({"mailbox":7,"redmine":41,"slack":"U1"})");
}

TEST(ShippedWorkflows, ProvisionUserTakesEverythingBackNewestFirst) {
    const Story story("provision-user", ada,
                      {{"mail.create", R"({"id": 7, "address": "ada@example.org", "created": true})"},
                       {"redmine.create_user", R"({"id": 41, "created": true, "unlocked": false, "created_by": "key 1"})"},
                       {"slack.deactivate", "{}"},
                       {"redmine.lock_user", "{}"},
                       {"mail.delete", "{}"}});

    EXPECT_EQ(story.status(), "compensated");
    EXPECT_EQ(story.inputs.at("redmine.lock_user"),
              R"({"mail":"ada@example.org","only_if_created_by":"run-1/account","keep_unknown":false,"leave_groups":[]})");
    EXPECT_THAT(story.calls, ElementsAre("mail.create", "redmine.create_user", "slack.invite",
                                         "slack.deactivate", "redmine.lock_user", "mail.delete"));
    EXPECT_EQ(story.inputs.at("mail.delete"), R"({"address":"ada@example.org","only_if_created_by":"run-1/mailbox"})");
}

// Its last answer may have been lost behind its effect.
TEST(ShippedWorkflows, ProvisionUserTakesBackAlsoWhatNeverSaidThatItHappened) {
    const Story story("provision-user", ada,
                      {{"mail.create", R"({"id": 7, "address": "ada@example.org", "created": true})"},
                       {"redmine.lock_user", "{}"},
                       {"mail.delete", "{}"}});
    const Story nothing("provision-user", ada, {{"mail.delete", "{}"}});

    EXPECT_EQ(story.status(), "compensated");
    EXPECT_THAT(story.calls, ElementsAre("mail.create", "redmine.create_user", "redmine.lock_user", "mail.delete"));
    EXPECT_EQ(story.inputs.at("redmine.lock_user"),
              R"({"mail":"ada@example.org","only_if_created_by":"run-1/account","keep_unknown":true,"leave_groups":[]})");
    EXPECT_EQ(nothing.status(), "compensated");
    EXPECT_THAT(nothing.calls, ElementsAre("mail.create", "mail.delete"));
}

TEST(ShippedWorkflows, ProvisionUserLeavesAVeteransAccountAlone) {
    const Story story("provision-user", ada,
                      {{"mail.create", R"({"id": 7, "address": "ada@example.org", "created": true})"},
                       {"redmine.create_user", R"({"id": 41, "created": false, "unlocked": false, "created_by": null})"},
                       {"slack.deactivate", "{}"},
                       {"mail.delete", "{}"}});

    EXPECT_EQ(story.status(), "compensated");
    EXPECT_THAT(story.calls, testing::Not(Contains("redmine.lock_user")));
}

constexpr std::string_view leaving = R"({"email": "ada@example.org", "manager": "bob@example.org",
                                         "last_day": "2026-01-31T17:00:00Z"})";

TEST(ShippedWorkflows, OffboardUserHandsOverWhatIsOpen) {
    const Story story("offboard-user", leaving,
                      {{"mail.lock", R"({"id": "ada@example.org", "locked": true})"},
                       {"redmine.lock_user", R"({"id": 41, "locked": true, "open_issues": 3})"},
                       {"slack.deactivate", R"({"user_id": "U1", "deactivated": true})"},
                       {"redmine.create_issue", R"({"id": 9})"},
                       {"mail.send", "{}"}});

    EXPECT_EQ(story.status(), "completed");
    EXPECT_THAT(story.calls,
                UnorderedElementsAre("mail.lock", "redmine.lock_user", "slack.deactivate",
                                     "redmine.create_issue", "mail.send"));
    EXPECT_THAT(story.inputs.at("redmine.create_issue"), HasSubstr("take over 3 issues"));
}

TEST(ShippedWorkflows, OffboardUserReportsWhatFailed) {
    const Story story("offboard-user", leaving,
                      {{"mail.lock", R"({"id": "ada@example.org", "locked": true})"},
                       {"redmine.lock_user", R"({"id": 41, "locked": true, "open_issues": 0})"},
                       {"mail.send", "{}"}});

    EXPECT_THAT(story.calls, Contains("mail.send"));
    EXPECT_THAT(story.calls, testing::Not(Contains("redmine.create_issue")));
    EXPECT_THAT(story.inputs.at("mail.send"), HasSubstr("lock.slack"));
}

constexpr std::string_view whales = R"({"team": "Blue Whales", "members": [
    {"email": "ada@x.org", "first_name": "Ada", "last_name": "L", "role": "Manager"},
    {"email": "bob@x.org", "first_name": "Bob", "last_name": "M"}]})";

TEST(ShippedWorkflows, OnboardTeamBringsInEveryMember) {
    const Story story("onboard-team", whales,
                      {{"redmine.create_project", R"({"id": 5, "identifier": "blue-whales"})"},
                       {"slack.create_channel", R"({"id": "C1", "name": "team-blue-whales"})"},
                       {"mail.create", R"({"id": 7, "address": "ada@x.org"})"},
                       {"redmine.create_user", R"({"id": 41})"},
                       {"slack.invite", R"({"user_id": "U1"})"},
                       {"redmine.add_member", "{}"},
                       {"slack.post", "{}"}});

    EXPECT_EQ(story.status(), "completed");
    EXPECT_THAT(story.inputs.at("redmine.create_project"), HasSubstr("blue-whales"));
    EXPECT_EQ(std::count(story.calls.begin(), story.calls.end(), "redmine.add_member"), 2);
    EXPECT_EQ(story.inputs.at("redmine.add_member"), R"({"project":5,"user":41,"role":"Developer"})"); // the last
    EXPECT_EQ(story.inputs.at("slack.post"),
              R"({"channel":"#team-blue-whales","text":"2 of 2 of Blue Whales are in. Welcome!"})");
    EXPECT_EQ(story.output(), R"({"project":5,"channel":"team-blue-whales","members":2,"failed":[]})");
}

TEST(ShippedWorkflows, OnboardTeamDoesNotStopForOneWhoFails) {
    const Story story("onboard-team", whales,
                      {{"redmine.create_project", R"({"id": 5, "identifier": "blue-whales"})"},
                       {"slack.create_channel", R"({"id": "C1", "name": "team-blue-whales"})"},
                       {"mail.create", R"({"id": 7, "address": "ada@x.org"})"},
                       {"redmine.create_user", R"({"id": 41})"},
                       {"slack.invite people[1].invite", R"({"user_id": "U1"})"},
                       {"redmine.add_member", "{}"},
                       {"slack.post", "{}"}});

    EXPECT_EQ(story.status(), "completed");
    EXPECT_THAT(story.inputs.at("slack.post"), HasSubstr("1 of 2"));
    EXPECT_EQ(story.output(), R"({"project":5,"channel":"team-blue-whales","members":1,"failed":["people[0].invite"]})");
}

TEST(ShippedWorkflows, AccessRequestGrantsRedmineAtOnce) {
    const Story story("access-request",
                      R"({"who": "ada@x.org", "system": "redmine", "reason": "new here"})",
                      {{"redmine.create_user", R"({"id": 41})"},
                       {"redmine.add_member", "{}"},
                       {"mail.send", "{}"}});

    EXPECT_EQ(story.status(), "completed");
    EXPECT_THAT(story.inputs.at("mail.send"), HasSubstr("It is granted."));
    EXPECT_EQ(story.output(), R"({"granted":true,"ticket":null})");
}

TEST(ShippedWorkflows, AccessRequestAsksForEverythingElse) {
    const Story story(
        "access-request", R"({"who": "ada@x.org", "system": "vpn", "reason": "on the road"})",
        {{"redmine.create_issue", R"({"id": 9, "url": "http://r/9"})"}, {"mail.send", "{}"}});

    EXPECT_EQ(story.status(), "completed");
    EXPECT_THAT(story.calls, ElementsAre("redmine.create_issue", "mail.send"));
    EXPECT_THAT(story.inputs.at("mail.send"), HasSubstr("http://r/9"));
    EXPECT_EQ(story.output(), R"({"granted":false,"ticket":9})");
}

constexpr std::string_view person = R"("person_id": "p1", "email": "ada@x.org", "first_name": "A",
                                       "last_name": "L", "updated_at": "2026-01-01")";

TEST(ShippedWorkflows, NightlySyncFollowsTheState) {
    const Story active("nightly-sync", "{" + std::string(person) + "}",
                       {{"redmine.create_user", R"({"id": 41})"}});
    const Story left("nightly-sync", "{" + std::string(person) + R"(, "state": "left"})",
                     {{"redmine.lock_user", R"({"id": 42})"}});

    EXPECT_EQ(active.output(), R"({"user":41,"active":true})");
    EXPECT_THAT(active.calls, ElementsAre("redmine.create_user"));
    EXPECT_EQ(left.output(), R"({"user":42,"active":false})");
    EXPECT_THAT(left.calls, ElementsAre("redmine.lock_user"));
}

TEST(ShippedWorkflows, IncidentCallsAsManyAsTheSeverityAsksFor) {
    const std::map<std::string, std::string> answers = {
        {"redmine.create_issue", R"({"id": 9, "url": "http://r/9"})"},
        {"slack.create_channel", R"({"id": "C1", "name": "inc-9"})"},
        {"slack.post", "{}"},
        {"redmine.comment", "{}"}};
    const auto input = [](std::string_view severity) {
        return R"({"service": "mail", "summary": "no mail", "severity": ")" +
               std::string(severity) + "\"}";
    };

    const Story critical("incident", input("critical"), answers);
    const Story major("incident", input("major"), answers);
    const Story minor("incident", input("minor"), answers);

    EXPECT_THAT(critical.calls,
                UnorderedElementsAre("slack.post", "slack.create_channel", "redmine.create_issue", "slack.post"));
    EXPECT_THAT(major.calls, UnorderedElementsAre("redmine.create_issue", "slack.create_channel"));
    EXPECT_THAT(minor.calls, ElementsAre("redmine.create_issue", "redmine.comment"));
    for (const Story* story : {&critical, &major, &minor})
        EXPECT_EQ(story->status(), "completed");
    EXPECT_EQ(minor.output(), R"({"ticket":9,"url":"http://r/9","channel":null})");
}

TEST(ShippedWorkflows, IncidentPagesPeopleThoughRedmineIsDown) {
    const Story story("incident", R"({"service": "redmine", "summary": "no tickets", "severity": "critical"})",
                      {{"slack.create_channel", R"({"id": "C1", "name": "inc-9"})"}, {"slack.post", "{}"}});

    EXPECT_THAT(story.calls, Contains("slack.post"));
    EXPECT_EQ(story.inputs.at("slack.post"), R"({"channel":"#oncall","text":"redmine is down: no tickets"})");
    EXPECT_EQ(story.output(), R"({"ticket":null,"url":null,"channel":"inc-9"})");
}

} // namespace
} // namespace baton::orchestrator::definition
