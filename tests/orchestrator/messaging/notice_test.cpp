// Which ends of runs are told to people, and by which run.
#include "orchestrator/messaging/notice.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::orchestrator::messaging {
namespace {

using core::RunStatus;

const NoticeOptions options{.failures = {"notice-mail", R"({"to":"ops@example.org"})"},
                            .approvals = {"ask-mail", R"({"from":"b"})"},
                            .page_url = "https://b.example"};
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
    some.failures.only = {"billing", "prov*"};

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

core::AnnounceApproval question(std::string workflow = "access") {
    core::AnnounceApproval approval;
    approval.run_id = "run-1";
    approval.workflow = std::move(workflow);
    approval.workflow_version = 4;
    approval.step = "asked";
    approval.asked = core::Document::parse(
                         R"({"title":"May it?","by":["ada@example.org","role:lead"],"quorum":2})")
                         .value();
    return approval;
}

TEST(Notice, AQuestionNamesThePeopleAndWhereTheyAnswer) {
    const auto request = notice_of(options, question(), place);

    ASSERT_TRUE(request);
    EXPECT_EQ(request->workflow, "ask-mail");
    EXPECT_EQ(
        request->input,
        R"({"from":"b","notice":{"run":"run-1","workflow":"access","version":4,"step":"asked","is_reminder":false,"until":"",)"
        R"("url":"https://b.example/approvals","by":["ada@example.org","role:lead"],"title":"May it?","quorum":2}})");
    EXPECT_TRUE(request->is_by_trigger);
    EXPECT_EQ(notice_of(options, question(), {3, 17, 5})->key, request->key);
    EXPECT_NE(notice_of(options, question(), {3, 18, 2})->key, request->key);
    // Two that are asked in one transition share its place.
    auto other = question();
    other.step = std::string(2000, 'x');
    const std::string key = notice_of(options, other, place)->key;
    EXPECT_NE(key, request->key);
    EXPECT_LT(key.size(), 255U);
}

TEST(Notice, AQuestionIsToldWhereItIsMeantAndGoesNotRound) {
    EXPECT_FALSE(notice_of({}, question(), place));
    EXPECT_FALSE(notice_of({.failures = options.failures}, question(), place));
    EXPECT_FALSE(notice_of(options, question("ask-mail"), place));
    NoticeOptions some = options;
    some.approvals.only = {"bill*"};
    EXPECT_FALSE(notice_of(some, question(), place));
    EXPECT_TRUE(notice_of(some, question("billing"), place));
    auto anybody = question();
    anybody.asked = core::Document::parse(R"({"title":"May it?"})").value();
    EXPECT_THAT(notice_of(options, anybody, place)->input, ::testing::HasSubstr(R"("by":[])"));
}

} // namespace
} // namespace baton::orchestrator::messaging
