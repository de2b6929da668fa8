// Tests of workflows, tested: what they notice, what they say of it, and what is wrong with a test
// file.
#include "orchestrator/definition/loader.hpp"
#include "orchestrator/rehearsal/coverage.hpp"
#include "orchestrator/rehearsal/rehearsal.hpp"
#include "orchestrator/rehearsal/test_file.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace baton::orchestrator::rehearsal {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::shared_ptr<const core::Workflow> workflow_of(std::string_view source) {
    auto loaded = definition::load(source, "w.toml");
    EXPECT_TRUE(loaded) << definition::render(loaded.diagnostics, source);
    return loaded.workflow;
}

TestCase test_of(std::string_view source, const core::Workflow& workflow) {
    auto file = read_tests(source, "w.test.toml", workflow);
    EXPECT_THAT(file.tests, testing::SizeIs(1)) << definition::render(file.diagnostics, source);
    return file.tests.empty() ? TestCase{} : file.tests.front();
}

std::vector<std::string> outcome(std::string_view workflow_source, std::string_view test_source) {
    const auto workflow = workflow_of(workflow_source);
    const auto test = test_of(test_source, *workflow);
    return differences(test, play(*workflow, test));
}

constexpr std::string_view two_steps = R"(
workflow = "two"
[input]
who = { type = "string", required = true }
[[step]]
id         = "a"
task       = "t.a"
with       = { who = "${input.who}" }
compensate = { task = "t.undo" }
[[step]]
id    = "b"
task  = "t.b"
retry = { max_attempts = 3, initial_interval = "10s", jitter = 0.0 }
catch = [ { error = "known", output = { late = true } } ]
[output]
a = "${a.id}"
)";

std::string case_of(std::string_view mock, std::string_view expect) {
    return fmt::format("[[test]]\nname = 'x'\ninput = {{ who = 'ada' }}\nmock = {}\nexpect = {}\n",
                       mock, expect);
}

TEST(Rehearsal, WhatGoesAsExpectedHasNoDifferences) {
    EXPECT_THAT(
        outcome(two_steps, case_of("{ 't.a' = { id = 7 }, 't.b' = {} }",
                                   "{ status = 'completed', output = { a = 7 }, calls = ['t.a', "
                                   "'t.b'], called = { 't.b' = 1 }, "
                                   "with = { a = { who = 'ada' } }, steps = { b = 'done' } }")),
        IsEmpty());
}

TEST(Rehearsal, EachDifferenceIsASentence) {
    EXPECT_THAT(
        outcome(
            two_steps,
            case_of("{ 't.a' = { id = 7 }, 't.b' = { error = 'bad', retryable = false } }",
                    "{ status = 'completed', output = { a = 8 }, calls = ['t.b'], called = { 't.a' "
                    "= 2 }, "
                    "with = { a = { who = 'bob' } }, steps = { b = 'done' }, error = 'other' }")),
        ElementsAre(HasSubstr("the run is failed, expected completed"),
                    "the error is 'bad', expected 'other'", "output is null, expected {\"a\":8}",
                    "called: t.a, t.b; expected: t.b", "t.a was called 1 times, expected 2",
                    "with of a.who is \"ada\", expected \"bob\"", "step b is dead, expected done"));
}

TEST(Rehearsal, WithoutAStatusTheRunMustEnd) {
    constexpr std::string_view waits =
        "workflow = 'w'\non_failure = 'pause'\n[[step]]\nid = 'a'\ntask = 't'\n";
    EXPECT_THAT(outcome(waits, "[[test]]\nname = 'x'\nmock = { t = { error = 'e', retryable = "
                               "false } }\nexpect = { called = { t = 1 } }\n"),
                ElementsAre(HasSubstr("the run is paused, expected completed")));
    EXPECT_THAT(outcome(waits, "[[test]]\nname = 'x'\nmock = { t = { error = 'e', retryable = "
                               "false } }\nexpect = { status = 'paused' }\n"),
                IsEmpty());
}

TEST(Rehearsal, AListAnswersCallAfterCallAndItsLastGoesOn) {
    const auto calls = [](std::string_view answers) {
        return outcome(two_steps,
                       case_of(fmt::format("{{ 't.a' = {{ id = 1 }}, 't.b' = {} }}", answers),
                               "{ status = 'completed' }"));
    };
    EXPECT_THAT(calls("[ { error = 'e', times = 2 }, {} ]"), IsEmpty());
    EXPECT_THAT(calls("[ { error = 'e', times = 3 }, {} ]"),
                ElementsAre(HasSubstr("the run is failed")));
    EXPECT_THAT(calls("[ { error = 'e' }, { error = 'e', times = 1 } ]"),
                ElementsAre("b called 't.b' more often than its mock answers"));
}

TEST(Rehearsal, TimeIsSimulated) {
    constexpr std::string_view sleepy = "workflow = 'w'\n[[step]]\nid = 'a'\nwait = "
                                        "'30d'\n[[step]]\nid = 'b'\ntask = 't'\ntimeout = '5m'\n";
    EXPECT_THAT(outcome(sleepy, "[[test]]\nname = 'x'\nmock = { t = { result = 1, after = '4m' } "
                                "}\nexpect = { within = '31d' }\n"),
                IsEmpty());
    EXPECT_THAT(
        outcome(sleepy, "[[test]]\nname = 'x'\nmock = { t = 1 }\nexpect = { within = '1d' }\n"),
        ElementsAre("it took 30d, expected at most 1d"));
    // A worker that is silent, or too late.
    EXPECT_THAT(outcome(sleepy, "[[test]]\nname = 'x'\nmock = { t = [ { timeout = true }, { result "
                                "= 1, after = '6m' }, 2 ] }\n"
                                "expect = { status = 'completed', called = { t = 3 } }\n"),
                IsEmpty());
}

TEST(Rehearsal, AnEventOfATriggerMakesTheInput) {
    constexpr std::string_view triggered =
        "workflow = 'w'\n[input]\nn = { type = 'integer', required = true }\n"
        "[[on]]\nname = 'told'\nevent = 'a.*'\nsource = '/s'\nwhen = 'event.data.n > 1'\ninput = { n = '${event.data.n}' }\n"
        "[[on]]\nrpc = 'ask'\n[[step]]\nid = 'a'\ntask = 't'\nwith = { n = '${input.n}' }\n";
    const auto of = [&](std::string_view event, std::string_view expect) {
        return outcome(triggered, fmt::format("[[test]]\nname = 'x'\n{}\nmock = {{ t = 1 }}\nexpect = {}\n", event, expect));
    };
    EXPECT_THAT(of("on = 'told'\nevent = { type = 'a.b', data = { n = 2 } }", "{ with = { a = { n = 2 } } }"), IsEmpty());
    EXPECT_THAT(of("on = 'told'\nevent = { data = { n = 1 } }", "{ started = false }"), IsEmpty());
    EXPECT_THAT(of("on = 'told'\nevent = { type = 'b.b', data = { n = 2 } }", "{ started = false }"), IsEmpty());
    EXPECT_THAT(of("on = 'told'\nevent = { source = '/t', data = { n = 2 } }", "{ started = false }"), IsEmpty());
    EXPECT_THAT(of("on = 'ask'\nevent = { body = { n = 3 } }", "{ with = { a = { n = 3 } } }"), IsEmpty());
    EXPECT_THAT(of("on = 'told'\nevent = { data = { n = 2 } }", "{ started = false }"), ElementsAre("a run is started, expected none"));
    EXPECT_THAT(of("on = 'told'\nevent = { data = { n = 1 } }", "{ status = 'completed' }"),
                ElementsAre("no run is started: it is not meant"));
    EXPECT_THAT(of("on = 'told'\nevent = { data = { m = 1 } }", "{ status = 'completed' }"),
                ElementsAre(HasSubstr("the trigger 'told': when: ")));
    EXPECT_THAT(of("on = 'ask'\nevent = { body = { m = 3 } }", "{ status = 'completed' }"),
                testing::Contains(HasSubstr("the input is refused: input.m")));
}

TEST(Rehearsal, MocksAreFoundByStepThenTaskThenStar) {
    constexpr std::string_view each = "workflow = 'w'\n[[step]]\nid = 'e'\nfor_each = '[1, 2, "
                                      "3]'\ntask = 't'\nwith = { n = '${item}' }\n"
                                      "[output]\nall = '${e.results}'\n";
    EXPECT_THAT(outcome(each, "[[test]]\nname = 'x'\nmock = { t = 'no', e = [10, 20, 30] }\nexpect "
                              "= { output = { all = [10, 20, 30] } }\n"),
                IsEmpty());
    EXPECT_THAT(outcome(each, "[[test]]\nname = 'x'\nmock = { '*' = 5 }\nexpect = { output = { all "
                              "= [5, 5, 5] }, with = { e = { n = 1 } } }\n"),
                IsEmpty());
    EXPECT_THAT(outcome(each, "[[test]]\nname = 'x'\nmock = { t = 'no', 'e[1]' = 20 }\nexpect "
                              "= { output = { all = ['no', 20, 'no'] } }\n"),
                IsEmpty());
    EXPECT_THAT(outcome(each, "[[test]]\nname = 'x'\nexpect = { status = 'completed' }\n"),
                ElementsAre(HasSubstr("called 't' and there is no mock for it"),
                            HasSubstr("no mock"), HasSubstr("no mock")));
}

TEST(Rehearsal, AMockOfAnItemNeedsARepeatedStep) {
    const auto workflow = workflow_of(two_steps);
    const auto file = read_tests(
        "[[test]]\nname = 'x'\nmock = { 'a[1]' = 1 }\nexpect = { steps = { 'b[0]' = 'done' } }\n",
        "w.test.toml", *workflow);
    ASSERT_THAT(file.diagnostics, testing::SizeIs(2));
    EXPECT_THAT(file.diagnostics[0].message, HasSubstr("no task and no step 'a[1]'"));
    EXPECT_EQ(file.diagnostics[1].message, "no step 'b[0]'");
}

TEST(Rehearsal, WhatPeopleDoMeanwhile) {
    constexpr std::string_view slow = "'t.b' = { result = {}, after = '30s' }";
    const auto acted = [&](std::string_view act, std::string_view expect) {
        return outcome(
            two_steps,
            case_of(fmt::format("{{ 't.a' = {{ id = 1 }}, {}, 't.undo' = {{}} }}", slow), expect) +
                fmt::format("act = {}\n", act));
    };
    EXPECT_THAT(acted("[ { after = '10s', cancel = 'no' } ]", "{ status = 'cancelled' }"),
                IsEmpty());
    EXPECT_THAT(acted("[ { after = '10s', pause = 'p' } ]", "{ status = 'paused' }"), IsEmpty());
    EXPECT_THAT(acted("[ { after = '10s', pause = 'p' }, { after = '2h', resume = '' } ]",
                      "{ status = 'completed' }"),
                IsEmpty());
    EXPECT_THAT(acted("[ { after = '0s', skip = 'b' } ]", "{ steps = { b = 'skipped' } }"),
                IsEmpty());
    EXPECT_THAT(acted("[ { after = '10m', retry = '' } ]", "{ status = 'completed' }"),
                ElementsAre(HasSubstr("after 10m the run refused: the run is completed")));
}

TEST(Rehearsal, SignalsAndApprovals) {
    constexpr std::string_view asks = R"(
workflow = "asks"
[[step]]
id = "ready"
signal = "ready"
[[step]]
id = "asked"
approval = { title = "Go?", by = ["ada", "role:it"], quorum = 2 }
[output]
n = "${ready.data.n}"
by = "${asked.by}"
)";
    const auto acted = [&](std::string_view acts, std::string_view expect) {
        return outcome(asks,
                       fmt::format("[[test]]\nname = 'x'\nact = {}\nexpect = {}\n", acts, expect));
    };
    constexpr std::string_view ready = "{ after = '1h', signal = 'ready', data = { n = 3 } }";
    EXPECT_THAT(
        acted(fmt::format("[ {}, {{ after = '2h', approve = 'asked', by = 'ada' }}, "
                          "{{ after = '3h', approve = 'asked', by = 'bob', roles = ['it'] }} ]",
                          ready),
              "{ status = 'completed', output = { n = 3, by = 'bob' } }"),
        IsEmpty());
    EXPECT_THAT(
        acted(
            fmt::format("[ {}, {{ after = '2h', reject = 'asked', by = 'ada', comment = 'no' }} ]",
                        ready),
            "{ status = 'completed', output = { by = 'ada' } }"),
        IsEmpty());
    EXPECT_THAT(
        acted(fmt::format("[ {}, {{ after = '2h', approve = 'asked', by = 'eve' }} ]", ready),
              "{ status = 'running' }"),
        ElementsAre(HasSubstr("refused: ")));
    EXPECT_THAT(
        acted("[]", "{ status = 'completed' }"),
        ElementsAre(HasSubstr("the run is running, expected completed; ready is sleeping")));
}

TEST(Rehearsal, EventsComeEarlyOrLateAndOnlyThoseThatAreMeant) {
    constexpr std::string_view asks = R"(
workflow = "asks"
[[step]]
id = "wait"
wait = "1h"
[[step]]
id = "paid"
event = { type = "paid", match = { "data.id" = 7 } }
[[step]]
id = "sent"
event = { type = "sent", match = { subject = "7" } }
[output]
by = "${paid.data.by}"
at = "${sent.time}"
)";
    const auto acted = [&](std::string_view acts, std::string_view expect) {
        return outcome(asks,
                       fmt::format("[[test]]\nname = 'x'\nact = {}\nexpect = {}\n", acts, expect));
    };
    constexpr std::string_view paid = "{ after = '1m', event = 'paid', data = { id = 8 } }, "
                                      "{ after = '2m', event = 'paid', data = { id = 7, by = 'ada' } }";
    EXPECT_THAT(acted(fmt::format("[ {}, {{ after = '2h', event = 'sent', subject = '7' }} ]", paid),
                      "{ status = 'completed', output = { by = 'ada' } }"),
                IsEmpty());
    EXPECT_THAT(acted(fmt::format("[ {}, {{ after = '3m', event = 'sent', subject = '7' }} ]", paid),
                      "{ status = 'completed' }"),
                IsEmpty());
    EXPECT_THAT(acted(fmt::format("[ {}, {{ after = '2h', event = 'sent', subject = '8' }} ]", paid),
                      "{ status = 'completed' }"),
                ElementsAre(HasSubstr("the run is running, expected completed; sent is sleeping")));
}

TEST(Rehearsal, AnInputThatIsRefusedIsSaid) {
    const auto workflow = workflow_of(two_steps);
    const auto test =
        test_of("[[test]]\nname = 'x'\nexpect = { status = 'completed' }\n", *workflow);
    EXPECT_THAT(differences(test, play(*workflow, test)),
                ElementsAre(HasSubstr("the input is refused: input.who")));
}

TEST(Rehearsal, ALoopWithoutAnEndEnds) {
    constexpr std::string_view loop = "workflow = 'w'\n[[step]]\nid = 'l'\nwhile = "
                                      "'true'\nmax_iterations = 1000000\ntask = 't'\n";
    const auto workflow = workflow_of(loop);
    const auto test = test_of(
        "[[test]]\nname = 'x'\nmock = { t = 1 }\nexpect = { status = 'completed' }\n", *workflow);
    EXPECT_THAT(differences(test, play(*workflow, test, core::evaluating_judge(), {}, 1000)),
                ElementsAre("the run does not end within 1000 events"));
}

TEST(Crashes, AWorkflowThatKeepsItsPromisesHolds) {
    const auto workflow = workflow_of(two_steps);
    const auto test = test_of(case_of("{ 't.a' = { id = 7 }, 't.b' = [ { error = 'e' }, {} ] }",
                                      "{ status = 'completed', calls = ['t.a', 't.b x2'] }"),
                              *workflow);
    const Crashes crashes = crash_everywhere(*workflow, test);
    EXPECT_FALSE(crashes.broken) << crashes.broken->differences.front();
    EXPECT_GE(crashes.played, 6U);
}

TEST(Crashes, AWorkerThatIsNotIdempotentIsNamedWithTheShortestStory) {
    const auto workflow = workflow_of(two_steps);
    const auto test =
        test_of(case_of("{ 't.a' = { id = 7 }, 't.b' = { result = {}, idempotent = false } }",
                        "{ status = 'completed' }"),
                *workflow);
    EXPECT_THAT(differences(test, play(*workflow, test)), IsEmpty());
    const Crashes crashes = crash_everywhere(*workflow, test);
    ASSERT_TRUE(crashes.broken);
    EXPECT_THAT(crashes.broken->differences,
                ElementsAre(HasSubstr("'t.b' was handed to a worker twice with the key")));
    // Nothing happens after the second effect.
    EXPECT_THAT(crashes.broken->events,
                ElementsAre(HasSubstr("the run starts"), HasSubstr("a is done"),
                            "the server dies and starts again"));
}

// The server need not die: who did it and said nothing is asked again.
TEST(Crashes, AWorkerThatWasSilentMayHaveHadItsEffect) {
    const auto again = [](std::string_view answers) {
        return outcome(two_steps,
                       case_of(fmt::format("{{ 't.a' = {{ id = 7 }}, 't.b' = {} }}", answers),
                               "{ status = 'completed' }"));
    };
    EXPECT_THAT(
        again("[ { timeout = true, idempotent = false }, { result = {}, idempotent = false } ]"),
        ElementsAre(HasSubstr("'t.b' was handed to a worker twice with the key")));
    EXPECT_THAT(again("[ { result = {}, after = '5m', idempotent = false }, { result = {}, "
                      "idempotent = false } ]"),
                ElementsAre(HasSubstr("twice")));
    EXPECT_THAT(again("[ { timeout = true }, {} ]"), IsEmpty());
    EXPECT_THAT(
        again("[ { error = 'e', idempotent = false }, { result = {}, idempotent = false } ]"),
        IsEmpty());
}

TEST(Crashes, AnUndoAndAnItemAreAskedAsWell) {
    const auto undone =
        workflow_of("workflow = 'w'\non_failure = 'compensate'\n"
                    "[[step]]\nid = 'a'\ntask = 't.a'\ncompensate = { task = 't.undo' }\n"
                    "[[step]]\nid = 'b'\ntask = 't.b'\n");
    const auto undo = test_of(
        "[[test]]\nname = 'x'\nexpect = { status = 'compensated' }\n[test.mock]\n't.a' = {}\n"
        "'t.b' = { error = 'e', retryable = false }\n't.undo' = { result = {}, idempotent = false "
        "}\n",
        *undone);
    const Crashes of_undo = crash_everywhere(*undone, undo);
    ASSERT_TRUE(of_undo.broken);
    EXPECT_THAT(of_undo.broken->differences,
                ElementsAre(HasSubstr("'t.undo' was handed to a worker twice")));

    const auto each =
        workflow_of("workflow = 'w'\n[[step]]\nid = 'e'\nfor_each = '[1, 2, 3]'\ntask = 't'\n");
    const auto item =
        test_of("[[test]]\nname = 'x'\nexpect = { status = 'completed' }\n[test.mock]\nt = {}\n"
                "'e[1]' = { result = {}, idempotent = false }\n",
                *each);
    const Crashes of_item = crash_everywhere(*each, item);
    ASSERT_TRUE(of_item.broken);
    EXPECT_THAT(of_item.broken->differences, ElementsAre(HasSubstr("/e[1]")));
}

TEST(Crashes, AnOrderThatMattersIsFound) {
    // The first of two that is done decides, and the test is blind to that.
    constexpr std::string_view race = R"(
workflow = "race"
[[step]]
id = "a"
task = "t.a"
after = []
[[step]]
id = "b"
task = "t.b"
after = []
[[step]]
id = "first"
after = ["a", "b"]
join = "any"
set = { won = "${has(a.x) ? 'a' : 'b'}" }
[output]
won = "${first.won}"
)";
    const auto workflow = workflow_of(race);
    const auto test = test_of("[[test]]\nname = 'x'\nmock = { 't.a' = { x = 1 }, 't.b' = { x = 1 } "
                              "}\nexpect = { output = { won = 'a' } }\n",
                              *workflow);
    const Crashes crashes = crash_everywhere(*workflow, test);
    ASSERT_TRUE(crashes.broken);
    EXPECT_THAT(crashes.broken->how, HasSubstr("overtaken"));
}

std::vector<std::string> untaken(const Coverage& coverage) {
    std::vector<std::string> out;
    for (const auto& branch : coverage.branches())
        if (!branch.is_taken) out.push_back(branch.what);
    return out;
}

TEST(CoverageTest, EveryBranchIsTriedOrNamed) {
    constexpr std::string_view source = R"(
workflow = "w"
[input]
kind = { type = "string", default = "" }
[[step]]
id = "a"
task = "t.a"
when = "input.kind != 'none'"
compensate = { task = "t.undo" }
on_timeout = "continue"
catch = [ { error = "x", continue = true }, { error = "*", output = {} } ]
[[step]]
id = "s"
switch = [ { when = "input.kind == 'one'", go = "one" }, { go = "other" } ]
[[step]]
id = "one"
set = { x = 1 }
[[step]]
id = "other"
set = { x = 2 }
)";
    const auto workflow = workflow_of(source);
    Coverage coverage(*workflow);
    const auto add = [&](std::string_view kind, std::string_view answer) {
        const auto test =
            test_of(fmt::format("[[test]]\nname = 'x'\ninput = {{ kind = '{}' }}\nmock = {{ 't.a' "
                                "= {} }}\nexpect = {{ status = 'completed' }}\n",
                                kind, answer),
                    *workflow);
        const Played played = play(*workflow, test, coverage.judge());
        EXPECT_THAT(differences(test, played), IsEmpty());
        coverage.add(played);
    };
    EXPECT_THAT(untaken(coverage), testing::SizeIs(11));
    add("one", "{}");
    EXPECT_THAT(untaken(coverage),
                ElementsAre("a: when is false", "a: catch x", "a: catch *", "a: on_timeout",
                            "a: is undone", "s: no case", "other: runs"));
    add("none", "{}");
    add("", "{ error = 'x', retryable = false }");
    add("", "{ error = 'y', retryable = false }");
    EXPECT_THAT(untaken(coverage), ElementsAre("a: on_timeout", "a: is undone"));
}

// One file each, and all that is said of it.
struct Wrong {
    std::string_view source;
    std::vector<std::string_view> said;
};
class WrongTestFile : public testing::TestWithParam<Wrong> {};

TEST_P(WrongTestFile, SaysWhatIsWrongAndWhere) {
    const auto workflow = workflow_of(two_steps);
    const auto file = read_tests(GetParam().source, "w.test.toml", *workflow);
    EXPECT_THAT(file.tests, IsEmpty());
    std::vector<std::string> said;
    for (const auto& one : file.diagnostics)
        said.push_back(fmt::format("{}:{}: {}{}{}", one.line, one.column, one.message,
                                   one.hint.empty() ? "" : "; ", one.hint));
    EXPECT_THAT(said, testing::ElementsAreArray(GetParam().said));
}

INSTANTIATE_TEST_SUITE_P(
    All, WrongTestFile,
    testing::Values(
        Wrong{"[[test]\n",
              {"1:8: this is not TOML: expected ']', saw '\\n' (while reading: table header)"}},
        Wrong{"[[tests]]\nname = 'x'\n", {"1:3: unknown key 'tests'; did you mean 'test'?"}},
        Wrong{"[[test]]\nexpect = { status = 'completed' }\n",
              {"1:1: a test needs a name; as in name = \"happy path\""}},
        Wrong{"[[test]]\nname = 'x'\n",
              {"1:1: test 'x' expects nothing; say expect = { status = \"completed\" }"}},
        Wrong{"[[test]]\nname = 'x'\nexpect = {}\n",
              {"3:10: this expects nothing; say expect = { status = \"completed\" }"}},
        Wrong{"[[test]]\nname = 'x'\nexpect = { status = 'done' }\n[[test]]\nname = 'x'\nexpect = "
              "{ status = 'failed' }\n",
              {"3:21: status must be \"completed\", \"failed\", \"cancelled\", \"timed_out\", "
               "\"compensated\", \"paused\", \"running\" or "
               "\"compensating\", not \"done\"",
               "5:8: there are two tests 'x'"}},
        Wrong{"[[test]]\nname = 'x'\nmock = { 't.c' = {} }\nexpect = { status = 'failed' }\n",
              {"3:10: workflow 'two' has no task and no step 't.c'; did you mean 't.a'?"}},
        Wrong{"[[test]]\nname = 'x'\nmock = { 't.a' = { error = 'e', retriable = true } }\nexpect "
              "= { status = 'failed' }\n",
              {"3:33: unknown key 'retriable'; did you mean 'retryable'?"}},
        Wrong{"[[test]]\nname = 'x'\nmock = { 't.a' = [] }\nexpect = { status = 'failed' }\n",
              {"3:18: a list of answers must not be empty; to answer with a list say { result = [] "
               "}"}},
        Wrong{"[[test]]\nname = 'x'\nact = [ { after = '1m' } ]\nexpect = { status = 'failed' }\n",
              {"3:9: an act is one of cancel, pause, resume, retry, skip, signal, event, approve "
               "or reject; as in { after = "
               "\"5m\", cancel = \"not needed\" }"}},
        Wrong{"[[test]]\nname = 'x'\nact = [ { after = '1m', skip = 'c' } ]\nexpect = { status = "
              "'failed' }\n",
              {"3:32: no step 'c'"}},
        Wrong{"[[test]]\nname = 'x'\nact = [ { after = '1m', pause = 'p', output = 1 } ]\nexpect = "
              "{ status = 'failed' }\n",
              {"3:38: output says nothing of pause; it goes with skip"}},
        Wrong{"[[test]]\nname = 'x'\nexpect = { calls = ['t.a x2', 't.d x3'] }\n",
              {"3:31: workflow 'two' has no task 't.d'; did you mean 't.a'?"}},
        Wrong{"[[test]]\nname = 'x'\nexpect = { steps = { b = 'ok' } }\n",
              {"3:26: a step is never 'ok'; it is waiting, dispatched, deferred, backing_off, "
               "running, sleeping, done, failed, dead, cancelled, "
               "skipped or blocked"}},
        Wrong{"[[test]]\nname = 'x'\nevent = { data = 1 }\nexpect = { status = 'failed' }\n",
              {"3:1: workflow 'two' has no [[on]]; give the test an input"}},
        Wrong{"[[test]]\nname = 'x'\non = 'a'\nexpect = { status = 'failed' }\n",
              {"3:1: the test does not say what happens there; event = { data = { email = \"ada@x.org\" } }"}},
        Wrong{"[[test]]\nname = 'x'\nstarts_at = 2026-03-29\nexpect = { status = 'failed' }\n",
              {"3:13: starts_at must be a time with its offset; as in 2026-03-29T00:59:00Z"}}));

} // namespace
} // namespace baton::orchestrator::rehearsal
