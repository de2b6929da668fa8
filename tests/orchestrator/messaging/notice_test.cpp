// Which ends of runs are told to people, and by which run.
#include "orchestrator/messaging/notice.hpp"

#include <gtest/gtest.h>

namespace baton::orchestrator::messaging {
namespace {

using core::RunStatus;

const NoticeOptions options{"notice-mail", R"({"to":"ops@example.org"})"};
const runtime::OutboxPlace place{3, 17, 2};

core::AnnounceRun announced(RunStatus status, std::string workflow = "provision") {
    core::AnnounceRun run;
    run.run_id = "run-1";
    run.workflow = std::move(workflow);
    run.workflow_version = 4;
    run.status = status;
    run.error =
        core::Document::parse(R"({"type":"forbidden","detail":"no","step":"user"})").value();
    return run;
}

TEST(Notice, SaysWhichRunAndWhy) {
    const auto request = notice_of(options, announced(RunStatus::failed), place);

    ASSERT_TRUE(request);
    EXPECT_EQ(request->workflow, "notice-mail");
    EXPECT_EQ(
        request->input,
        R"({"to":"ops@example.org","notice":{"run":"run-1","workflow":"provision","version":4,"status":"failed",)"
        R"("type":"forbidden","title":"","detail":"no","step":"user"}})");
    EXPECT_TRUE(request->is_by_trigger) << "its key holds for ever";
}

TEST(Notice, IsOfEveryEndThatPeopleMustHearOf) {
    for (const auto status :
         {RunStatus::failed, RunStatus::timed_out, RunStatus::compensated, RunStatus::paused})
        EXPECT_TRUE(notice_of(options, announced(status), place)) << core::word_of(status);
    for (const auto status :
         {RunStatus::completed, RunStatus::cancelled, RunStatus::compensating, RunStatus::queued})
        EXPECT_FALSE(notice_of(options, announced(status), place)) << core::word_of(status);
    auto by_hand = announced(RunStatus::paused);
    by_hand.is_by_hand = true;
    EXPECT_FALSE(notice_of(options, by_hand, place));
    EXPECT_FALSE(notice_of({}, announced(RunStatus::failed), place));
}

TEST(Notice, ItsOwnFailureGoesNotRound) {
    EXPECT_FALSE(notice_of(options, announced(RunStatus::failed, "notice-mail"), place));
}

TEST(Notice, IsOfTheWorkflowsThatWereNamed) {
    NoticeOptions some = options;
    some.only = {"billing", "prov*"};

    EXPECT_TRUE(notice_of(some, announced(RunStatus::failed), place));
    EXPECT_TRUE(notice_of(some, announced(RunStatus::failed, "billing"), place));
    EXPECT_FALSE(notice_of(some, announced(RunStatus::failed, "billing-2"), place));
}

TEST(Notice, OneFailureHasOneKeyAndTheNextAnother) {
    const std::string key = notice_of(options, announced(RunStatus::failed), place)->key;

    EXPECT_EQ(notice_of(options, announced(RunStatus::failed), {3, 17, 5})->key, key)
        << "after another server took it over";
    EXPECT_NE(notice_of(options, announced(RunStatus::failed), {3, 18, 2})->key, key);
}

} // namespace
} // namespace baton::orchestrator::messaging
