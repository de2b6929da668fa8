// Requests for runs of other runs: whose they are, and what nobody else can make.
#include "orchestrator/core/fingerprint.hpp"
#include "orchestrator/messaging/run_request.hpp"

#include <gtest/gtest.h>

#include <string>

namespace baton::orchestrator::messaging {
namespace {

const std::string parent = "0193a5c2-7d41-7000-8000-000000000000";

core::DispatchTask dispatch() {
    core::DispatchTask task;
    task.route = "workflow:provision";
    task.with = core::Document::parse(R"({"name":"ada"})").value();
    task.run_id = parent;
    task.ref = {"people[3].user", false, 2};
    task.depth = 3;
    return task;
}

TEST(RunRequest, SaysWhichRunIsToBeginAndForWhom) {
    const trace::Given trace{"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "vendor=1"};
    const auto made = run_request_of(dispatch(), 1, "secret", trace);

    const auto read = decode_run_request(made.properties, std::string{made.body.text()}, "secret");

    ASSERT_TRUE(read);
    EXPECT_EQ(read->run_id, core::child_run_id(parent, {"people[3].user", false, 2}));
    const auto& start = std::get<core::RunStarted>(read->event);
    EXPECT_EQ(start.workflow, "provision");
    EXPECT_EQ(start.input.text(), R"({"name":"ada"})");
    EXPECT_EQ(start.trace, trace);
    EXPECT_EQ(start.parent, (core::ParentRef{parent, {"people[3].user", false, 2}, 3, false}));
}

TEST(RunRequest, SaysWhereTheFamilyBegins) {
    core::DispatchTask task = dispatch();
    task.root = "0193a5c2-7d41-7000-8000-00000000000f";
    const auto made = run_request_of(task, 1, "secret");
    const auto read = decode_run_request(made.properties, std::string{made.body.text()}, "secret");
    ASSERT_TRUE(read);
    EXPECT_EQ(core::root_of(*std::get<core::RunStarted>(read->event).parent), task.root);
}

TEST(RunRequest, EachAttemptIsARunOfItsOwnAndSortsBesideItsParent) {
    const std::string one = core::child_run_id(parent, {"user", false, 1});

    EXPECT_EQ(one, core::child_run_id(parent, {"user", false, 1}));
    EXPECT_NE(one, core::child_run_id(parent, {"user", false, 2}));
    EXPECT_NE(one, core::child_run_id(parent, {"user", true, 1}));
    EXPECT_EQ(one.size(), 36u);
    EXPECT_EQ(one.substr(0, 15), "0193a5c2-7d41-8");
}

TEST(RunRequest, NobodyElseCanMakeOrChangeOne) {
    const auto made = run_request_of(dispatch(), 1, "secret");
    const std::string body{made.body.text()};
    auto cancel = made.properties;
    cancel.type = "run.cancel";

    EXPECT_FALSE(decode_run_request(made.properties, body, "another"));
    EXPECT_FALSE(
        decode_run_request(made.properties, R"({"workflow":"other","depth":3})", "secret"));
    EXPECT_FALSE(decode_run_request(cancel, "{}", "secret"));
}

TEST(RunRequest, ACancelNamesTheSameRun) {
    core::CancelTask cancel{parent, {"people[3].user", false, 2}, "workflow:provision", {}};
    const auto made = run_request_of(cancel, 1, "secret");

    const auto read = decode_run_request(made.properties, std::string{made.body.text()}, "secret");

    ASSERT_TRUE(read);
    EXPECT_EQ(read->run_id, core::child_run_id(parent, {"people[3].user", false, 2}));
    EXPECT_TRUE(std::holds_alternative<core::CancelRequested>(read->event));
}

} // namespace
} // namespace baton::orchestrator::messaging
