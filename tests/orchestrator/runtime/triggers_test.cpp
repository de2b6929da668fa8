// What the engine does for triggers: it tells which workflows are live, and starts one run for one
// occasion.
#include "base/rfc3339.hpp"
#include "orchestrator/runtime/engine.hpp"
#include "tests/support/compile.hpp"
#include "tests/support/sim_clock.hpp"
#include "tests/support/sim_store.hpp"

#include <boost/json/object.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace baton::orchestrator::runtime {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

const std::string nightly = R"(
workflow = "nightly"
idempotency = { key = "'all'", window = "1m", on_duplicate = "refuse" }
[input]
n = { type = "integer", default = 1 }
[[on]]
cron = "15 2 * * *"
[[step]]
id = "sync"
task = "t.sync"
with = { at = "${run.scheduled_at}" }
)";

struct TriggersTest : testing::Test {
    test::SimDatabase database;
    test::SimClock clock;
    test::SimStore store{database};
    std::vector<std::vector<std::string>> told;
    std::vector<core::DispatchTask> dispatched;
    std::vector<core::AnswerCaller> answers;
    Engine engine{
        EngineOptions{.seed = 7},
        store,
        clock,
        test::compile,
        {.tell =
             [this](Told one) {
                 for (const auto& command : one.commands)
                     if (const auto* answer = std::get_if<core::AnswerCaller>(&command.command))
                         answers.push_back(*answer);
                 for (const auto& command : one.commands)
                     if (const auto* task = std::get_if<core::DispatchTask>(&command.command))
                         dispatched.push_back(*task);
             },
         .live =
             [this](std::vector<std::shared_ptr<const core::Workflow>> live) {
                 told.emplace_back();
                 for (const auto& workflow : live)
                     told.back().push_back(workflow->name + " " +
                                           std::to_string(workflow->version) + " " +
                                           std::to_string(workflow->triggers.size()));
             }}};

    void work() {
        while (engine.work()) {
        }
    }
    Outcome<Started> start(const std::string& input, const std::string& key, bool is_by_trigger) {
        StartRequest request;
        request.workflow = "nightly";
        request.input = input;
        request.key = key;
        request.is_by_trigger = is_by_trigger;
        request.scheduled_at = from_rfc3339("2026-03-29T01:00:00Z");
        Outcome<Started> answer = Failure{};
        engine.start_run(std::move(request),
                         [&](Outcome<Started> one) { answer = std::move(one); });
        work();
        return answer;
    }
};

TEST_F(TriggersTest, WhichWorkflowsAreLiveIsToldWheneverItChanges) {
    work();
    ASSERT_THAT(told, SizeIs(1));
    EXPECT_THAT(told.back(), IsEmpty());
    engine.deploy(nightly, "nightly.toml", [](const Outcome<Deployed>& one) { ASSERT_TRUE(one); });
    work();
    EXPECT_THAT(told.back(), ElementsAre("nightly 1 1"));
    engine.undeploy("nightly", [](const Outcome<Undeployed>& one) { ASSERT_TRUE(one); });
    work();
    EXPECT_THAT(told.back(), IsEmpty());
}

TEST_F(TriggersTest, OneOccasionIsOneRunWhateverItsInputAndForEver) {
    engine.deploy(nightly, "nightly.toml", [](const Outcome<Deployed>& one) { ASSERT_TRUE(one); });
    const auto first = start(R"({"n":1})", "cron/cron/2026-03-29T01:00:00Z", true);
    ASSERT_TRUE(first) << first.error().detail;
    EXPECT_TRUE(first->is_new);
    ASSERT_THAT(dispatched, SizeIs(1));
    EXPECT_EQ(dispatched.front().with.text(), R"({"at":"2026-03-29T01:00:00Z"})");

    const auto again = start(R"({"n":2})", "cron/cron/2026-03-29T01:00:00Z", true);
    ASSERT_TRUE(again) << again.error().detail;
    EXPECT_FALSE(again->is_new);
    EXPECT_EQ(again->run_id, first->run_id);
    clock.advance(24h); // behind the workflow's own window
    EXPECT_EQ(start(R"({"n":3})", "cron/cron/2026-03-29T01:00:00Z", true)->run_id, first->run_id);
    EXPECT_TRUE(start(R"({"n":1})", "cron/cron/2026-03-30T00:15:00Z", true)->is_new);
    // People and programs are answered as the workflow says.
    ASSERT_TRUE(start("{}", "mine", false));
    EXPECT_EQ(start("{}", "mine", false).error().code, EngineErrc::duplicate);
}

const std::string incident = R"(
workflow = "incident"
[input]
summary = { type = "string", required = true }
[[on]]
rpc = "incident.open"
timeout = "5s"
[[step]]
id = "ticket"
task = "t.ticket"
[[step]]
id = "answer"
reply = { summary = "${input.summary}" }
)";

struct CallsTest : TriggersTest {
    CallsTest() {
        engine.deploy(incident, "incident.toml",
                      [](const Outcome<Deployed>& one) { ASSERT_TRUE(one); });
        work();
    }
    Outcome<Started> call(const std::string& key, Duration limit = 5s) {
        StartRequest request;
        request.workflow = "incident";
        request.input = R"({"summary":"down"})";
        request.key = key;
        request.is_by_trigger = true;
        request.caller =
            core::Document::of(boost::json::object{{"reply_to", "amq.gen-1"},
                                                   {"correlation_id", "c1"},
                                                   {"answer_by", micros_of(clock.now() + limit)}});
        Outcome<Started> answer = Failure{};
        engine.start_run(std::move(request),
                         [&](Outcome<Started> one) { answer = std::move(one); });
        work();
        return answer;
    }
    void complete(std::size_t task, const std::string& run_id) {
        engine.report(
            {{run_id,
              core::TaskCompleted{dispatched[task].ref, core::Document::parse("{}").value()},
              {}}});
        work();
    }
};

TEST_F(CallsTest, WhoIsAnsweredInTimeHearsNothingMore) {
    const auto first = call("k1");
    ASSERT_TRUE(first) << first.error().detail;
    complete(0, first->run_id);
    ASSERT_THAT(answers, SizeIs(1));
    EXPECT_EQ(answers[0].output.text(), R"({"summary":"down"})");
    clock.advance(1h);
    work();
    EXPECT_THAT(answers, SizeIs(1));
}

TEST_F(CallsTest, WhoIsNotAnsweredInTimeIsToldSoAndTheRunGoesOn) {
    const auto first = call("k1");
    ASSERT_TRUE(first);
    clock.advance(4s);
    work();
    EXPECT_THAT(answers, IsEmpty());
    clock.advance(2s);
    work();
    ASSERT_THAT(answers, SizeIs(1));
    EXPECT_THAT(std::string(answers[0].error.text()),
                testing::HasSubstr(R"("type":"baton.no_answer_in_time")"));
    complete(0, first->run_id);
    EXPECT_THAT(answers, SizeIs(1)); // the first answer counts
}

// Its clock is of who waits, not of the run.
TEST_F(CallsTest, WhoWaitsForAPausedRunIsToldInTime) {
    const auto first = call("k1");
    ASSERT_TRUE(first);
    engine.operate(first->run_id, core::PauseRequested{"wait"}, {}, {}, "ada");
    work();
    clock.advance(6s);
    work();
    EXPECT_THAT(answers, SizeIs(1));
}

TEST_F(CallsTest, ANameIsOneWorkflows) {
    std::string other = incident;
    other.replace(other.find("\"incident\""), 10, "\"second\"");
    std::string why;
    engine.deploy(other, "second.toml",
                  [&](const Outcome<Deployed>& one) { why = one ? "" : one.error().detail; });
    work();
    EXPECT_EQ(why, "second.toml: line 5: the rpc 'incident.open' is answered by the workflow "
                   "'incident' already; undeploy that "
                   "one, or give this one another name");
    engine.deploy(incident + "\n", "incident.toml",
                  [](const Outcome<Deployed>& one) { EXPECT_TRUE(one); });
    engine.undeploy("incident", [](const Outcome<Undeployed>& one) { EXPECT_TRUE(one); });
    engine.deploy(other, "second.toml", [](const Outcome<Deployed>& one) { EXPECT_TRUE(one); });
    work();
    EXPECT_EQ(told.back(), std::vector<std::string>{"second 1 1"});
}

} // namespace
} // namespace baton::orchestrator::runtime
