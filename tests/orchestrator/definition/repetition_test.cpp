// Steps that are repeated: what a good file gives, and what it is warned of. The mistakes lie in broken/.
#include "orchestrator/definition/loader.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace baton::orchestrator::definition {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

constexpr std::string_view head = "workflow = \"x\"\n[input]\nmembers = { type = \"array\", required = true }\n"
                                  "optional = { type = \"array\" }\n";

// What is printed of a file; empty for one that is good.
std::string printed(std::string_view steps, std::string_view top = "") {
    const std::string source = std::string(top) + std::string(head) + std::string(steps);
    return render(load(source, "x.toml").diagnostics, source);
}

std::shared_ptr<const core::Workflow> good_repetition(std::string_view steps) {
    const std::string source = std::string(head) + std::string(steps);
    const Loaded loaded = load(source, "good.toml");
    EXPECT_EQ(render(loaded.diagnostics, source), "");
    return loaded.workflow;
}

const core::Step& step_of(const core::Workflow& workflow, std::string_view path) {
    return workflow.steps[workflow.by_path.find(path)->second];
}

std::vector<std::string> step_ids(const core::Workflow& workflow, const std::vector<core::StepIndex>& indices) {
    std::vector<std::string> all;
    for (const core::StepIndex index : indices)
        all.push_back(workflow.steps[index].id);
    return all;
}

// What the file is warned of, without the place.
std::vector<std::string> warnings(std::string_view steps, std::string_view top = "") {
    const std::string source = std::string(top) + std::string(head) + std::string(steps);
    const Loaded loaded = load(source, "x.toml");
    EXPECT_TRUE(loaded) << render(loaded.diagnostics, source);
    std::vector<std::string> all;
    for (const Diagnostic& one : loaded.diagnostics)
        all.push_back(one.message);
    return all;
}

constexpr std::string_view people = R"(
[[step]]
id       = "people"
for_each = "input.members"
as       = "member"

[[step.do]]
id   = "account"
task = "redmine.create_user"
with = { mail = "${member.mail}", number = "${index}" }

[[step.do]]
id         = "join"
when       = "account.id > 0 && member.active"
task       = "redmine.add_member"
with       = { user = "${account.id}" }
compensate = { task = "redmine.remove_member", with = { user = "${account.id}", mail = "${member.mail}", id = "${join.id}" } }
)";

TEST(Repetition, ATaskForEachItem) {
    const auto workflow = good_repetition(R"x(
[[step]]
id         = "people"
when       = "size(input.members) > 2"
for_each   = "input.members.filter(m, m.active)"
task       = "mail.send"
with       = { to = "${item.mail}", text = "you are number ${index + 1}" }
output     = { id = "${result.id}", mail = "${item.mail}" }
catch      = [ { error = "gone", output = { id = "${error.data.id}", mail = "${item.mail}" } } ]
compensate = { task = "mail.recall", with = { id = "${people.id}", mail = "${item.mail}" } }
idempotency_key = "item.mail"
)x");
    const core::Step& whole = step_of(*workflow, "people");
    ASSERT_TRUE(whole.repetition);
    const auto& each = std::get<core::ForEach>(*whole.repetition);
    EXPECT_EQ(each.items.source(), "input.members.filter(m, m.active)");
    EXPECT_EQ(each.as, "item");
    EXPECT_EQ(each.max_parallel, 10);
    ASSERT_EQ(workflow->bodies.size(), 2);
    EXPECT_THAT(step_ids(*workflow, workflow->bodies[whole.inner].steps), ElementsAre("people"));
}

TEST(Repetition, ABlockForEachItem) {
    const auto workflow = good_repetition(people);
    const core::Step& whole = step_of(*workflow, "people");
    EXPECT_EQ(std::get<core::ForEach>(*whole.repetition).as, "member");
    EXPECT_THAT(step_ids(*workflow, workflow->bodies[whole.inner].steps), ElementsAre("people", "account", "join"));
    EXPECT_THAT(step_ids(*workflow, workflow->bodies[core::root_body].steps), ElementsAre("people"));
}

TEST(Repetition, ALoopThatTestsAfterwards) {
    const auto workflow = good_repetition(R"x(
[[step]]
id             = "pages"
until          = "fetch.last_page || index > 9"
max_iterations = 500
every          = "10s"

[[step.do]]
id   = "fetch"
task = "hr.page"
with = { after = "${default(pages.fetch.next, '')}", page = "${index}" }
)x");
    const auto& loop = std::get<core::Loop>(*step_of(*workflow, "pages").repetition);
    EXPECT_EQ(loop.test, core::Loop::Test::after);
    EXPECT_EQ(loop.condition.source(), "fetch.last_page || index > 9");
    EXPECT_EQ(loop.max_iterations, 500);
    EXPECT_EQ(loop.every, Duration(10s));
}

TEST(Repetition, ALoopThatTestsBefore) {
    const auto workflow = good_repetition(R"(
[[step]]
id    = "poll"
while = "index == 0 || !poll.ready"
task  = "report.state"
)");
    const auto& loop = std::get<core::Loop>(*step_of(*workflow, "poll").repetition);
    EXPECT_EQ(loop.test, core::Loop::Test::before);
    EXPECT_EQ(loop.max_iterations, 1000);
    EXPECT_EQ(loop.every, std::nullopt);
}

TEST(Repetition, WhatFollowsReadsTheWhole) {
    good_repetition(std::string(people) + R"(
[[step]]
id   = "report"
task = "mail.send"
with = { text = "${people.succeeded} of ${people.total}, ${people.failed} not", first = "${people.results[0].account.id}", all = "${people}" }

[[step]]
id    = "pages"
until = "fetch.last_page"

[[step.do]]
id   = "fetch"
task = "hr.page"

[[step]]
id   = "end_report"
task = "mail.send"
with = { text = "${pages.iterations + people.total} and ${pages.last.fetch.count}" }

[output]
people = "${people.results}"
pages  = "${pages.last}"
)");
}

TEST(Repetition, InsideOneAnotherEachHasItsItem) {
    const auto workflow = good_repetition(R"(
[[step]]
id       = "teams"
for_each = "input.members"
as       = "team"

[[step.parallel]]
id       = "people"
for_each = "team.people"
as       = "person"
max_parallel = 3

[[step.parallel.do]]
id    = "tries"
until = "tries.done"
task  = "mail.send"
with  = { to = "${person}", team = "${team.name}", number = "${index}" }

[[step.parallel.do]]
id   = "count"
task = "team.count"
with = { tries = "${tries.iterations}", last = "${tries.last.done}" }

[[step.parallel]]
id    = "after_people"
after = ["people"]
task  = "team.close"
with  = { people = "${people.total}" }
)");
    EXPECT_EQ(workflow->bodies.size(), 4);
    EXPECT_EQ(step_of(*workflow, "teams.people.count").path, "teams.people.count");
}

TEST(Repetition, SiblingsMayCallTheirItemsAlike) {
    good_repetition("[[step]]\nid = \"a\"\nfor_each = \"input.members\"\ntask = \"t.a\"\n"
         "[[step]]\nid = \"b\"\nfor_each = \"input.members\"\ntask = \"t.b\"\n");
}

TEST(Repetition, AWholeMayBeSentForAndWaitsForWhatItLikes) {
    const auto workflow = good_repetition(R"(
[[step]]
id     = "route"
switch = [ { when = "size(input.members) > 3", go = "people" }, { go = "few" } ]

[[step]]
id       = "people"
for_each = "input.members"
task     = "mail.send"

[[step]]
id   = "few"
task = "mail.send"

[[step]]
id          = "report"
after       = ["people", "few"]
join        = "any"
cancel_rest = true
task        = "mail.send"
)");
    EXPECT_TRUE(step_of(*workflow, "people").only_by_go);
}

TEST(Repetition, GoStaysInsideAnInstance) {
    good_repetition(R"(
[[step]]
id       = "people"
for_each = "input.members"

[[step.do]]
id     = "route"
switch = [ { when = "item.vip", go = "call" }, { go = "write" } ]

[[step.do]]
id    = "call"
task  = "phone.call"
catch = [ { error = "*", go = "write" } ]

[[step.do]]
id   = "write"
task = "mail.send"
)");
}

TEST(Repetition, AResultOfAnItemIsKeptOnlyWhereItIsRead) {
    const auto counts = good_repetition(std::string(people) + "[output]\nn = \"${people.total}\"\n");
    const auto results = good_repetition(std::string(people) + "[output]\nn = \"${people.results}\"\n");
    EXPECT_FALSE(step_of(*counts, "people").results_are_read);
    EXPECT_TRUE(step_of(*results, "people").results_are_read);
}

TEST(Repetition, TheExamplesOfTheDocsAreGood) {
    std::ifstream file(std::string(BATON_SOURCE_DIR) + "/docs/workflows.md");
    std::string text{std::istreambuf_iterator<char>(file), {}};
    const std::size_t begin = text.find("### Repeating a step\n");
    const std::size_t end = text.find("## What a step goes through\n");
    ASSERT_LT(begin, end);
    text = text.substr(begin, end - begin);
    int examples = 0;
    constexpr std::string_view fence = "```toml\n";
    for (std::size_t at = text.find(fence); at != std::string::npos; at = text.find(fence, at), ++examples) {
        at += fence.size();
        good_repetition(text.substr(at, text.find("```\n", at) - at));
    }
    EXPECT_GE(examples, 3);
}

// Warnings

TEST(Repetition, WarnsOfAnIterationThatWasNotThere) {
    const auto in_loop = [](std::string_view with) {
        return warnings(fmt::format("[[step]]\nid = \"pages\"\nuntil = \"fetch.over\"\n[[step.do]]\nid = \"fetch\"\ntask = \"t.a\"\n"
                                    "with = {{ x = \"${{{}}}\" }}\n", with));
    };
    EXPECT_THAT(in_loop("pages.fetch.next"),
                ElementsAre("'pages' may have no result: the first iteration has none before it"));
    EXPECT_THAT(in_loop("default(pages.fetch.next, 1)"), ElementsAre());
    EXPECT_THAT(in_loop("index == 0 ? 1 : pages.fetch.next"), ElementsAre()) << "it knows which is the first";
    EXPECT_THAT(warnings("[[step]]\nid = \"poll\"\nwhile = \"!poll.ready\"\ntask = \"t.a\"\n"),
                ElementsAre("'poll' may have no result: the first iteration has none before it"));
    EXPECT_THAT(warnings("[[step]]\nid = \"poll\"\nuntil = \"poll.ready\"\ntask = \"t.a\"\n"), ElementsAre());
}

TEST(Repetition, WarnsOfAnIterationThatMayHaveGivenNothing) {
    const auto poll = [](std::string_view keys, std::string_view until) {
        return warnings(fmt::format("[[step]]\nid = \"poll\"\nuntil = \"{}\"\ntask = \"t.a\"\n{}", until, keys));
    };
    constexpr std::string_view forgiving = "catch = [ { error = \"*\", continue = true } ]\n";
    EXPECT_THAT(poll(forgiving, "poll.ready"),
                ElementsAre("'poll' may have no result: its failure may be caught without an output"));
    EXPECT_THAT(poll(forgiving, "default(poll.ready, false)"), ElementsAre());
    EXPECT_THAT(poll("", "poll.ready"), ElementsAre());
    const auto block = [](std::string_view keys, std::string_view child) {
        return warnings(fmt::format("[[step]]\nid = \"pages\"\nuntil = \"fetch.over\"\n{}[[step.do]]\nid = \"fetch\"\ntask = \"t.a\"\n{}",
                                    keys, child));
    };
    EXPECT_THAT(block("", ""), ElementsAre());
    EXPECT_THAT(block(forgiving, ""),
                ElementsAre("'pages.fetch' may have no result: a failure of 'pages' may be caught without an output"));
    EXPECT_THAT(block("", "when = \"index > 0\"\n"), ElementsAre("'pages.fetch' may have no result: its `when` may be false"));
}

TEST(Repetition, WarnsOfALastIterationThatMayNotHaveBeen) {
    const auto report = [](std::string_view loop, std::string_view read) {
        return warnings(fmt::format("[[step]]\nid = \"poll\"\n{}\ntask = \"t.a\"\n[[step]]\nid = \"r\"\ntask = \"t.r\"\n"
                                    "with = {{ x = \"${{{}}}\" }}\n", loop, read));
    };
    EXPECT_THAT(report("while = \"index < 3\"", "poll.last.x"),
                ElementsAre("'poll' may have no result: its `while` may be false at once"));
    EXPECT_THAT(report("while = \"index < 3\"", "poll.iterations"), ElementsAre());
    EXPECT_THAT(report("until = \"index > 3\"", "poll.last.x"), ElementsAre());
    EXPECT_THAT(report("until = \"index > 3\"\ncatch = [ { error = \"*\", continue = true } ]", "poll.last.x"),
                ElementsAre("'poll' may have no result: its failure may be caught without an output"));
    EXPECT_THAT(report("until = \"index > 3\"\ncatch = [ { error = \"*\", continue = true } ]", "poll.iterations"), ElementsAre());
}

TEST(Repetition, CountsAreThereWhateverWasCaught) {
    const std::string each = "[[step]]\nid = \"people\"\nfor_each = \"input.members\"\ntask = \"t.a\"\n";
    const std::string report = "[[step]]\nid = \"r\"\ntask = \"t.r\"\nwith = { x = \"${people.failed}\" }\n";
    EXPECT_THAT(warnings(each + "catch = [ { error = \"*\", continue = true } ]\n" + report), ElementsAre());
    EXPECT_THAT(warnings(each + "when = \"size(input.members) > 1\"\n" + report),
                ElementsAre("'people' may have no result: its `when` may be false"));
    EXPECT_THAT(warnings(each + report + "join = \"done\"\n", "on_failure = \"continue\"\n"),
                ElementsAre("'people' may have no result: it may fail, and the run goes on"));
}

TEST(Repetition, InsideAnInstanceStepsAreThereAsInAnyBlock) {
    const auto inside = [](std::string_view first) {
        return warnings(fmt::format("[[step]]\nid = \"people\"\nfor_each = \"input.members\"\n[[step.do]]\nid = \"a\"\ntask = \"t.a\"\n{}"
                                    "[[step.do]]\nid = \"b\"\ntask = \"t.b\"\nwith = {{ x = \"${{a.x}}\" }}\n", first));
    };
    EXPECT_THAT(inside(""), ElementsAre());
    EXPECT_THAT(inside("when = \"item.active\"\n"), ElementsAre("'people.a' may have no result: its `when` may be false"));
}

TEST(Repetition, WarnsOfAListThatMayNotBeGiven) {
    EXPECT_THAT(warnings("[[step]]\nid = \"people\"\nfor_each = \"input.optional\"\ntask = \"t.a\"\n"),
                ElementsAre("input 'optional' may not be given"));
}

TEST(Repetition, ABrokenListGivesOneComplaint) {
    const std::string complaint = printed("[[step]]\nid = \"people\"\nfor_each = \"input.memberz\"\nas = \"member\"\n"
                                          "task = \"t.a\"\nwith = { x = \"${member.y}\", n = \"${index}\" }\n"
                                          "[[step]]\nid = \"r\"\ntask = \"t.r\"\nwith = { x = \"${people.total}\" }\n");
    EXPECT_THAT(complaint, testing::HasSubstr("no input 'memberz'; did you mean 'members'?"));
    EXPECT_EQ(std::count(complaint.begin(), complaint.end(), '\n'), 3);
    const std::string broken = printed("[[step]]\nid = \"people\"\nfor_each = \"input.members +\"\nas = \"member\"\n"
                                       "task = \"t.a\"\nwith = { x = \"${member.y}\", n = \"${index}\" }\n"
                                       "[[step]]\nid = \"r\"\ntask = \"t.r\"\nwith = { x = \"${people.total}\" }\n");
    EXPECT_EQ(std::count(broken.begin(), broken.end(), '\n'), 3) << broken;
}

TEST(Repetition, ItemsHaveTheTypesOfTheInput) {
    constexpr std::string_view typed = "[input.team]\ntype = \"array\"\nrequired = true\n"
                                       "items = { type = \"object\", properties = { age = \"integer\", tags = { type = \"array\", items = \"string\" } } }\n";
    EXPECT_EQ(printed(std::string(typed) + "[[step]]\nid = \"p\"\nfor_each = \"input.team\"\ntask = \"t.a\"\n"
                                           "with = { x = \"${item.age + index}\", y = \"${item.tags.map(t, t.upper())}\" }\n"),
              "");
}

} // namespace
} // namespace baton::orchestrator::definition
