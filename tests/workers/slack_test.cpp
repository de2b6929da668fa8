// Slack's tasks against the sandbox and its faults.
#include "support.hpp"

namespace baton::workers::test {
namespace {

namespace json = boost::json;

class SlackTest : public WithSandbox {};

const std::string ada = R"({"email":"ada@example.org","channels":["general"]})";

TEST_F(SlackTest, InvitesAndTellsTheId) {
    const Answer answer = perform("slack.invite", ada);

    ASSERT_TRUE(answer) << answer.error().detail;
    EXPECT_EQ(answer->at("user_id"), "U0SANDBOX00001");
    EXPECT_EQ(state().at("slack_users").at(0).at("channels").at(0), "C0SANDBOX00001");
}

TEST_F(SlackTest, InvitedBeforeIsASuccess) {
    perform("slack.invite", ada);
    const Answer again = perform("slack.invite", ada);

    ASSERT_TRUE(again);
    EXPECT_EQ(again->at("user_id"), "U0SANDBOX00001");
    EXPECT_EQ(count("slack_users"), 1U);
}

TEST_F(SlackTest, MemberBeforeIsAFailureThatNamesTheMember) {
    tell("/sandbox/seed", R"({"slack_users":[{"email":"ada@example.org"}]})");

    const Answer answer = perform("slack.invite", ada);

    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().type, "already_in_team");
    EXPECT_FALSE(answer.error().retryable);
    EXPECT_EQ(json::parse(answer.error().data).at("user_id"), "U0SANDBOX00001");
}

TEST_F(SlackTest, LostAnswerOfAnInvitationIsFoundByLookingAgain) {
    fault(R"({"slack.invite":{"mode":"lost_answer","times":1}})");

    const Answer answer = perform("slack.invite", ada);

    ASSERT_TRUE(answer) << answer.error().detail;
    EXPECT_EQ(count("slack_users"), 1U);
}

TEST_F(SlackTest, UnknownChannelIsPermanent) {
    const Answer answer = perform("slack.invite", R"({"email":"a@b.de","channels":["nowhere"]})");

    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().type, "channel_not_found");
    EXPECT_FALSE(answer.error().retryable);
}

TEST_F(SlackTest, PostsDeactivatesAndMakesChannels) {
    EXPECT_TRUE(perform("slack.post", R"({"channel":"#general","text":"hello"})"));
    EXPECT_EQ(state().at("slack_messages").at(0).at("text"), "hello");

    perform("slack.invite", ada);
    EXPECT_EQ(perform("slack.deactivate", R"({"email":"ada@example.org"})")->at("deactivated"), true);
    EXPECT_EQ(perform("slack.deactivate", R"({"user_id":"U0SANDBOX00001"})")->at("deactivated"), false);
    EXPECT_EQ(perform("slack.deactivate", R"({"email":"bob@example.org"})")->at("deactivated"), false);

    const Answer made = perform("slack.create_channel", R"({"name":"inc-1"})");
    const Answer again = perform("slack.create_channel", R"({"name":"inc-1"})");
    ASSERT_TRUE(again) << again.error().detail;
    EXPECT_EQ(made->at("id"), again->at("id"));
    EXPECT_EQ(again->at("created"), false);
}

TEST_F(SlackTest, NotifyModeAsksAnAdministrator) {
    settings_.slack.mode = slack::Mode::notify;

    ASSERT_TRUE(perform("slack.invite", ada));

    EXPECT_EQ(state().at("slack_messages").at(0).at("channel_name"), "admins");
    EXPECT_EQ(count("slack_users"), 0U);
}

struct Case {
    std::string fault;
    std::string type;
    bool retryable;
};

class SlackFault : public SlackTest, public testing::WithParamInterface<Case> {};

TEST_P(SlackFault, IsClassified) {
    fault(GetParam().fault);

    const Answer answer = perform("slack.invite", ada);

    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().type, GetParam().type) << answer.error().detail;
    EXPECT_EQ(answer.error().retryable, GetParam().retryable);
    EXPECT_EQ(answer.error().detail.find("sandbox-slack-token"), std::string::npos);
    EXPECT_EQ(count("slack_users"), 0U);
}

INSTANTIATE_TEST_SUITE_P(
    Slack, SlackFault,
    testing::Values(Case{R"({"slack.invite":{"error":"fatal_error"}})", "fatal_error", true},
                    Case{R"({"slack.invite":{"error":"internal_error"}})", "internal_error", true},
                    Case{R"({"slack.invite":{"error":"ratelimited"}})", "ratelimited", true},
                    Case{R"({"slack.invite":{"error":"service_unavailable"}})", "service_unavailable", true},
                    Case{R"({"slack.invite":{"error":"team_added_to_org"}})", "team_added_to_org", true},
                    Case{R"({"slack.invite":{"error":"invalid_auth"}})", "invalid_auth", false},
                    Case{R"({"slack.invite":{"error":"missing_scope"}})", "missing_scope", false},
                    Case{R"({"slack.invite":{"error":"user_disabled"}})", "user_disabled", false},
                    Case{R"({"slack.invite":{"error":"word_of_the_future"}})", "word_of_the_future", false},
                    Case{R"({"slack.invite":{"status":429,"retry_after":5}})", "rate_limited", true},
                    Case{R"({"slack.invite":{"status":503}})", "unavailable", true},
                    Case{R"({"slack.invite":{"status":500}})", "unavailable", true},
                    Case{R"({"slack.invite":{"mode":"garbage"}})", "bad_answer", true},
                    Case{R"({"slack.invite":{"mode":"drop"}})", "unavailable", true},
                    Case{R"({"slack.list_channels":{"error":"ratelimited"}})", "ratelimited", true}));

} // namespace
} // namespace baton::workers::test
