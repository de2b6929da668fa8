// What the engine does for triggers: it tells which workflows are live, and starts one run for one
// occasion.
#include "base/rfc3339.hpp"
#include "orchestrator/runtime/engine.hpp"
#include "tests/support/compile.hpp"
#include "tests/support/sim_clock.hpp"
#include "tests/support/sim_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
    Engine engine{EngineOptions{.seed = 7},
                  store,
                  clock,
                  test::compile,
                  {.tell =
                       [this](Told one) {
                           for (const auto& command : one.commands)
                               if (const auto* task =
                                       std::get_if<core::DispatchTask>(&command.command))
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

} // namespace
} // namespace baton::orchestrator::runtime
