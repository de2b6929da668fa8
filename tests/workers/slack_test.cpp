// Slack's tasks against the sandbox: what each does, what it refuses, and that doing it twice is doing it once.
#include "faulty_proxy.hpp"
#include "support.hpp"

#include "base/base64.hpp"

#include <gmock/gmock.h>

namespace baton::workers::test {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;
using Kind = Misbehaviour::Kind;

class SlackTest : public WithSandbox {
protected:
    SlackTest() : proxy_(settings_.slack.url) {}

    void seed(const std::string& users) { tell("/sandbox/seed", R"({"slack_users":)" + users + "}"); }
    json::object first(const std::string& collection) { return state().at(collection).at(0).as_object(); }
    json::object channel(const std::string& name) {
        const json::object all = state();
        if (!all.contains("slack_channels")) return {};
        for (const json::value& one : all.at("slack_channels").as_array())
            if (one.at("name") == json::value(name)) return one.as_object();
        return {};
    }
    std::string post_one(const std::string& text) {
        const Answer answer = perform("slack.post", R"({"channel":"#general","text":")" + text + R"("})", "post " + text);
        return answer ? std::string(answer->at("ts").as_string()) : answer.error().detail;
    }
    void through_proxy() { settings_.slack.url = proxy_.url(); }
    std::string type_of(const Answer& answer) { return answer ? "done" : answer.error().type; }

    FaultyProxy proxy_;
};

const std::string slack_ada = R"({"email":"ada@example.org","channels":["general"]})";
const std::string ada_is_there = R"([{"email":"ada@example.org"}])";

// --- people ----------------------------------------------------------------------------------------

TEST_F(SlackTest, InvitesAndTellsTheId) {
    const Answer answer = perform("slack.invite", slack_ada);

    ASSERT_TRUE(answer) << answer.error().detail;
    EXPECT_EQ(answer->at("user_id"), "U0SANDBOX00001");
    EXPECT_EQ(answer->at("invited"), true);
    EXPECT_EQ(first("slack_users").at("channels").at(0), "C0SANDBOX00001");
}

TEST_F(SlackTest, InvitedBeforeIsASuccessThatIsNotOurs) {
    perform("slack.invite", slack_ada, "one");
    const Answer again = perform("slack.invite", R"({"email":"Ada@Example.org"})", "two");

    ASSERT_TRUE(again);
    EXPECT_EQ(again->at("user_id"), "U0SANDBOX00001");
    EXPECT_EQ(again->at("invited"), false);
    EXPECT_EQ(count("slack_users"), 1U);
}

TEST_F(SlackTest, MemberBeforeIsAFailureThatNamesTheMember) {
    for (const auto mode : {slack::Mode::admin_invite, slack::Mode::scim}) {
        settings_.slack.mode = mode;
        tell("/sandbox/seed", R"({"slack_users":[{"email":"ada@example.org"}]})");

        const Answer answer = perform("slack.invite", slack_ada);

        ASSERT_FALSE(answer);
        EXPECT_EQ(answer.error().type, "already_in_team");
        EXPECT_FALSE(answer.error().retryable);
        EXPECT_EQ(json::parse(answer.error().data).at("user_id"), "U0SANDBOX00001");
    }
}

TEST_F(SlackTest, LostAnswerOfAnInvitationIsFoundByLookingAgain) {
    fault(R"({"slack.invite":{"mode":"lost_answer","times":1}})");

    const Answer answer = perform("slack.invite", slack_ada);

    ASSERT_TRUE(answer) << answer.error().detail;
    EXPECT_EQ(answer->at("invited"), true);
    EXPECT_EQ(count("slack_users"), 1U);
}

TEST_F(SlackTest, MistypedChannelsAreRefusedByNameBeforeAnybodyIsInvited) {
    for (const auto mode : {slack::Mode::admin_invite, slack::Mode::scim}) {
        settings_.slack.mode = mode;

        const Answer answer = perform("slack.invite", R"({"email":"a@b.de","channels":["genral","random","nowhere"]})");

        ASSERT_FALSE(answer);
        EXPECT_EQ(answer.error().type, "channel_not_found");
        EXPECT_FALSE(answer.error().retryable);
        EXPECT_THAT(answer.error().detail, HasSubstr("'genral'; did you mean 'general'?"));
        EXPECT_THAT(answer.error().detail, HasSubstr("'nowhere'"));
        EXPECT_EQ(type_of(perform("slack.invite", R"({"email":"a@b.de","channels":["C0NOWHERE99"]})")), "channel_not_found");
        EXPECT_EQ(count("slack_users"), 0U);
    }
}

TEST_F(SlackTest, ScimMakesTheAccountAndPutsItIntoItsChannels) {
    settings_.slack.mode = slack::Mode::scim;

    const Answer answer = perform("slack.invite", R"({"email":"ada@example.org","name":"Ada Lovelace","channels":["general","random"]})");

    ASSERT_TRUE(answer) << answer.error().detail;
    EXPECT_EQ(answer->at("invited"), true);
    EXPECT_EQ(first("slack_users").at("real_name"), "Ada Lovelace");
    EXPECT_EQ(channel("random").at("members").as_array().size(), 2U);
}

TEST_F(SlackTest, LostAnswerOfScimIsFoundByLookingAgain) {
    settings_.slack.mode = slack::Mode::scim;
    fault(R"({"slack.scim_create":{"mode":"lost_answer","times":1}})");

    const Answer answer = perform("slack.invite", slack_ada);

    ASSERT_TRUE(answer) << answer.error().detail;
    EXPECT_EQ(answer->at("invited"), true);
    EXPECT_EQ(count("slack_users"), 1U);
}

TEST_F(SlackTest, NotifyModeAsksAnAdministratorOnce) {
    settings_.slack.mode = slack::Mode::notify;

    const Answer asked = perform("slack.invite", slack_ada, "key");
    attempt_ = 2;
    ASSERT_TRUE(perform("slack.invite", slack_ada, "key"));

    ASSERT_TRUE(asked) << asked.error().detail;
    EXPECT_EQ(asked->at("invited"), false);
    EXPECT_EQ(first("slack_messages").at("channel_name"), "admins");
    EXPECT_EQ(count("slack_messages"), 1U);
    EXPECT_EQ(count("slack_users"), 0U);
}

TEST_F(SlackTest, DeactivatesAndReactivates) {
    for (const auto mode : {slack::Mode::admin_invite, slack::Mode::scim}) {
        settings_.slack.mode = mode;
        tell("/sandbox/seed", R"({"slack_users":[{"email":")" + std::string(mode == slack::Mode::scim ? "bob" : "ada") + R"(@example.org"}]})");
        const std::string id = mode == slack::Mode::scim ? "U0SANDBOX00002" : "U0SANDBOX00001";
        const std::string whom = R"({"user_id":")" + id + R"("})";

        const Answer gone = perform("slack.deactivate", whom, "a");
        const Answer again = perform("slack.deactivate", whom, "b");
        const Answer back = perform("slack.reactivate", whom, "c");

        ASSERT_TRUE(gone) << gone.error().detail;
        EXPECT_EQ(gone->at("deactivated"), true);
        ASSERT_TRUE(again) << again.error().detail;
        EXPECT_EQ(again->at("deactivated"), false);
        ASSERT_TRUE(back) << back.error().detail;
        EXPECT_EQ(perform("slack.find_user", whom)->at("active"), true);
    }
}

TEST_F(SlackTest, ScimFindsWhoIsDeactivatedByAddress) {
    settings_.slack.mode = slack::Mode::scim;
    seed(R"([{"email":"ada@example.org","state":"deactivated"}])");

    EXPECT_EQ(type_of(perform("slack.invite", slack_ada)), "user_disabled");
    EXPECT_EQ(perform("slack.deactivate", R"({"email":"ada@example.org"})")->at("deactivated"), false);
    const Answer back = perform("slack.reactivate", R"({"email":"ada@example.org"})");

    ASSERT_TRUE(back) << back.error().detail;
    EXPECT_EQ(first("slack_users").at("state"), "active");
}

TEST_F(SlackTest, NobodyIsNotFound) {
    for (const char* whom : {R"({"email":"nobody@example.org"})", R"({"user_id":"U0NOBODY999"})"}) {
        const Answer answer = perform("slack.deactivate", whom);

        ASSERT_FALSE(answer) << whom;
        EXPECT_EQ(answer.error().type, "not_found");
        EXPECT_FALSE(answer.error().retryable);
    }
    EXPECT_EQ(type_of(perform("slack.reactivate", R"({"email":"nobody@example.org"})")), "not_found");
    EXPECT_EQ(perform("slack.find_user", R"({"email":"nobody@example.org"})")->at("found"), false);
    EXPECT_EQ(type_of(perform("slack.deactivate", R"({"user_id":"ada"})")), "invalid_input");
    EXPECT_EQ(type_of(perform("slack.deactivate", "{}")), "invalid_input");
}

TEST_F(SlackTest, TheOwnAccountAndThePrimaryOwnerStay) {
    seed(R"([{"email":"boss@example.org","is_primary_owner":true}])");

    for (const auto mode : {slack::Mode::admin_invite, slack::Mode::scim, slack::Mode::notify})
        for (const char* whom : {R"({"email":"boss@example.org"})", R"({"user_id":"U0SANDBOX00000"})", R"({"email":"baton@sandbox.invalid"})"}) {
            settings_.slack.mode = mode;
            const Answer answer = perform("slack.deactivate", whom);
            ASSERT_FALSE(answer) << whom;
            EXPECT_EQ(answer.error().type, "protected");
            EXPECT_FALSE(answer.error().retryable);
        }
    EXPECT_EQ(first("slack_users").at("state"), "active");
}

// --- channels and groups ----------------------------------------------------------------------------

TEST_F(SlackTest, ChannelsAreMadeWithTopicPurposeAndMembers) {
    seed(ada_is_there);
    const std::string with = R"({"name":"#inc-1","topic":"It burns","purpose":"Water","private":true,"members":["ada@example.org"]})";

    const Answer made = perform("slack.create_channel", with, "run-1");
    const Answer other = perform("slack.create_channel", R"({"name":"inc-1","topic":"Mine"})", "run-2");

    ASSERT_TRUE(made) << made.error().detail;
    EXPECT_EQ(made->at("created"), true);
    ASSERT_TRUE(other) << other.error().detail;
    EXPECT_EQ(other->at("created"), false);
    EXPECT_EQ(made->at("id"), other->at("id"));
    const json::object channel = this->channel("inc-1");
    EXPECT_EQ(channel.at("topic"), "It burns");
    EXPECT_EQ(channel.at("purpose"), "Water");
    EXPECT_EQ(channel.at("is_private"), true);
    EXPECT_EQ(channel.at("members"), json::parse(R"(["U0SANDBOX00000","U0SANDBOX00001"])"));
}

TEST_F(SlackTest, AChannelIsNotMadeForMembersWhoAreNotThere) {
    const Answer answer = perform("slack.create_channel", R"({"name":"inc-1","members":["adda@example.org","bob"]})");

    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().type, "user_not_found");
    EXPECT_THAT(answer.error().detail, HasSubstr("'adda@example.org', 'bob'"));
    EXPECT_TRUE(channel("inc-1").empty());
}

TEST_F(SlackTest, ChannelsChangeAndChangingTwiceIsChangingOnce) {
    seed(ada_is_there);
    ASSERT_TRUE(perform("slack.create_channel", R"({"name":"inc-1"})"));
    const std::vector<std::pair<std::string, std::string>> steps = {
        {"slack.add_to_channel", R"({"channel":"#inc-1","users":"ada@example.org"})"},
        {"slack.remove_from_channel", R"({"channel":"inc-1","users":["U0SANDBOX00001"]})"},
        {"slack.set_topic", R"({"channel":"inc-1","topic":"t","purpose":"p"})"},
        {"slack.rename_channel", R"({"channel":"inc-1","name":"inc-2"})"},
        {"slack.archive_channel", R"({"channel":"inc-2"})"},
        {"slack.unarchive_channel", R"({"channel":"inc-2"})"},
    };
    for (const auto& [task, with] : steps)
        for (const int attempt : {1, 2}) {
            attempt_ = attempt;
            const Answer answer = perform(task, with);
            ASSERT_TRUE(answer) << task << ": " << answer.error().detail;
            if (task == "slack.add_to_channel") EXPECT_EQ(answer->at("added"), attempt == 1 ? 1 : 0);
            if (task == "slack.remove_from_channel") EXPECT_EQ(answer->at("removed"), attempt == 1 ? 1 : 0);
            if (task == "slack.archive_channel") EXPECT_EQ(perform("slack.find_channel", with)->at("archived"), true);
        }
    EXPECT_EQ(channel("inc-2").at("topic"), "t");
    EXPECT_EQ(perform("slack.find_channel", R"({"channel":"inc-2"})")->at("archived"), false);
    EXPECT_EQ(perform("slack.find_channel", R"({"channel":"inc-1"})")->at("found"), false);
}

TEST_F(SlackTest, AnArchivedChannelOfThatNameIsSaid) {
    ASSERT_TRUE(perform("slack.create_channel", R"({"name":"inc-1"})"));
    ASSERT_TRUE(perform("slack.archive_channel", R"({"channel":"inc-1"})"));

    EXPECT_EQ(type_of(perform("slack.create_channel", R"({"name":"inc-1"})")), "is_archived");
}

TEST_F(SlackTest, PrivateChannelsNeedAScopeThatPublicOnesDoNot) {
    through_proxy();
    proxy_.add({.call = "GET /conversations.list?limit=200&types=public_channel%2Cprivate_channel", .status = 200,
                .headers = {{"Content-Type", "application/json"}},
                .body = R"({"ok":false,"error":"missing_scope","needed":"groups:read","provided":"channels:read"})", .times = 9});

    const Answer answer = perform("slack.set_topic", R"({"channel":"general","topic":"t"})");

    ASSERT_TRUE(answer) << answer.error().detail;
}

TEST_F(SlackTest, GroupsTakeInAndLetGo) {
    seed(R"([{"email":"ada@example.org"},{"email":"bob@example.org"}])");
    const http::Request make{"POST", settings_.slack.url + "/usergroups.create",
                             {{"Authorization", "Bearer " + settings_.slack.token}, {"Content-Type", "application/x-www-form-urlencoded"}},
                             "name=Operators&handle=ops"};
    ASSERT_EQ(http::perform(make, {}).status, 200);

    EXPECT_EQ(perform("slack.add_to_group", R"({"group":"@ops","users":["ada@example.org","bob@example.org"]})")->at("members"), 2);
    EXPECT_EQ(perform("slack.add_to_group", R"({"group":"Operators","users":"ada@example.org"})")->at("changed"), false);
    EXPECT_EQ(perform("slack.remove_from_group", R"({"group":"ops","users":"U0SANDBOX00001"})")->at("members"), 1);
    EXPECT_EQ(type_of(perform("slack.remove_from_group", R"({"group":"ops","users":"bob@example.org"})")), "last_member");
    EXPECT_EQ(first("slack_groups").at("users"), json::parse(R"(["U0SANDBOX00002"])"));
    const Answer mistyped = perform("slack.add_to_group", R"({"group":"opps","users":"ada@example.org"})");
    ASSERT_FALSE(mistyped);
    EXPECT_EQ(mistyped.error().type, "no_such_subteam");
    EXPECT_THAT(mistyped.error().detail, HasSubstr("did you mean 'ops'?"));
}

// --- messages ---------------------------------------------------------------------------------------

TEST_F(SlackTest, PostsWithBlocksAndInThreads) {
    const std::string ts = post_one("hello");
    const Answer reply = perform("slack.post", R"({"channel":"#general","thread_ts":")" + ts + R"(","blocks":[{"type":"divider"}]})", "k");

    ASSERT_TRUE(reply) << reply.error().detail;
    const json::array messages = state().at("slack_messages").as_array();
    ASSERT_EQ(messages.size(), 2U);
    EXPECT_EQ(messages[1].at("thread_ts"), json::value(ts));
    EXPECT_EQ(messages[1].at("blocks").at(0).at("type"), "divider");
    EXPECT_EQ(type_of(perform("slack.post", R"({"channel":"#general"})")), "invalid_input");
    EXPECT_EQ(type_of(perform("slack.post", R"({"channel":"#general","blocks":"x"})")), "invalid_input");
}

TEST_F(SlackTest, MessagesAreChangedMarkedAndDeleted) {
    const std::string place = R"({"channel":"general","ts":")" + post_one("hello") + '"';

    for (const int attempt : {1, 2}) {
        attempt_ = attempt;
        EXPECT_EQ(type_of(perform("slack.update_message", place + R"(,"text":"bye"})")), "done");
        EXPECT_EQ(type_of(perform("slack.react", place + R"(,"emoji":":tada:"})")), "done");
    }
    EXPECT_EQ(first("slack_messages").at("text"), "bye");
    EXPECT_EQ(first("slack_messages").at("reactions").at(0).at("name"), "tada");
    for (const int attempt : {1, 2}) {
        attempt_ = attempt;
        EXPECT_EQ(type_of(perform("slack.unreact", place + R"(,"emoji":"tada"})")), "done");
    }
    for (const int attempt : {1, 2}) {
        attempt_ = attempt;
        EXPECT_EQ(type_of(perform("slack.delete_message", place + "}")), "done");
    }
    EXPECT_EQ(count("slack_messages"), 0U);
    attempt_ = 1;
    EXPECT_EQ(type_of(perform("slack.delete_message", place + "}")), "message_not_found");
}

TEST_F(SlackTest, DirectMessagesGoToPeople) {
    seed(ada_is_there);

    const Answer one = perform("slack.direct_message", R"({"users":"ada@example.org","text":"psst"})", "a");
    const Answer two = perform("slack.direct_message", R"({"users":["U0SANDBOX00001"],"text":"again"})", "b");

    ASSERT_TRUE(one) << one.error().detail;
    ASSERT_TRUE(two) << two.error().detail;
    EXPECT_EQ(one->at("channel"), two->at("channel"));
    EXPECT_TRUE(std::string(one->at("channel").as_string()).starts_with("D"));
    EXPECT_EQ(type_of(perform("slack.direct_message", R"({"users":"bob@example.org","text":"psst"})")), "user_not_found");
}

TEST_F(SlackTest, APostWhoseAnswerIsLostIsThereOnce) {
    through_proxy();
    // In the same attempt, wherever the answer got lost.
    proxy_.add({.call = "POST /chat.postMessage", .kind = Kind::drop, .is_after = true});
    const std::string ts = post_one("one");
    EXPECT_EQ(count("slack_messages"), 1U);
    EXPECT_EQ(first("slack_messages").at("ts"), json::value(ts));

    // In the next attempt, when nobody could look.
    proxy_.add({.call = "POST /chat.postMessage", .kind = Kind::half});
    proxy_.add({.call = "GET /conversations.history", .status = 503});
    EXPECT_THAT(post_one("two"), HasSubstr("Slack"));
    attempt_ = 2;
    post_one("two");
    EXPECT_EQ(count("slack_messages"), 2U);

    // What is in doubt is an attempt, also if the answer was "come back then": the next one must know.
    proxy_.add({.call = "POST /chat.postMessage", .is_after = true, .status = 503, .headers = {{"Retry-After", "1"}}});
    proxy_.add({.call = "GET /conversations.history", .status = 503, .headers = {{"Retry-After", "1"}}});
    attempt_ = 1;
    const Answer doubt = perform("slack.post", R"({"channel":"#general","text":"three"})", "three");
    ASSERT_FALSE(doubt);
    EXPECT_TRUE(doubt.error().is_attempt);
    attempt_ = 2;
    EXPECT_TRUE(perform("slack.post", R"({"channel":"#general","text":"three"})", "three"));
    EXPECT_EQ(count("slack_messages"), 3U);

    // In a thread.
    proxy_.add({.call = "POST /chat.postMessage", .kind = Kind::drop, .is_after = true});
    attempt_ = 1;
    EXPECT_TRUE(perform("slack.post", R"({"channel":"#general","text":"re","thread_ts":")" + ts + R"("})", "re"));
    EXPECT_EQ(count("slack_messages"), 4U);
}

TEST_F(SlackTest, APostThatDidNotHappenIsPostedByTheNextAttempt) {
    through_proxy();
    proxy_.add({.call = "POST /chat.postMessage", .kind = Kind::drop, .times = 1});

    const Answer lost = perform("slack.post", R"({"channel":"#general","text":"one"})", "key");
    attempt_ = 2;
    const Answer again = perform("slack.post", R"({"channel":"#general","text":"one"})", "key");

    ASSERT_FALSE(lost);
    EXPECT_TRUE(lost.error().retryable);
    ASSERT_TRUE(again) << again.error().detail;
    EXPECT_EQ(count("slack_messages"), 1U);
}

TEST_F(SlackTest, AnotherTasksPostIsNotTakenForOnesOwn) {
    attempt_ = 2;
    perform("slack.post", R"({"channel":"#general","text":"same"})", "one");
    perform("slack.post", R"({"channel":"#general","text":"same"})", "two");

    EXPECT_EQ(count("slack_messages"), 2U);
}

TEST_F(SlackTest, WithoutARunALostPostIsSaidToBeUnknown) {
    through_proxy();
    proxy_.add({.call = "POST /chat.postMessage", .kind = Kind::drop, .is_after = true});

    const Answer answer = perform("slack.post", R"({"channel":"#general","text":"one"})");

    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().type, "unknown_outcome");
    EXPECT_FALSE(answer.error().retryable);
}

TEST_F(SlackTest, LookingForAPostNeedsAScopeAndSaysSo) {
    through_proxy();
    attempt_ = 2;
    proxy_.add({.call = "GET /conversations.history", .status = 200, .headers = {{"Content-Type", "application/json"}},
                .body = R"({"ok":false,"error":"missing_scope","needed":"channels:history","provided":"chat:write"})"});

    const Answer answer = perform("slack.post", R"({"channel":"#general","text":"one"})", "key");

    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().type, "missing_scope");
    EXPECT_FALSE(answer.error().is_attempt);
    EXPECT_THAT(answer.error().detail, HasSubstr("channels:history"));
    EXPECT_THAT(answer.error().detail, HasSubstr("chat:write"));
    EXPECT_EQ(count("slack_messages"), 0U);
}

TEST_F(SlackTest, FilesAreSharedOnce) {
    through_proxy();
    const std::string with = R"({"channel":"general","filename":"report.txt","title":"Report","content":")" + base64_of("a\0b") + R"("})";
    proxy_.add({.call = "POST /files.completeUploadExternal", .kind = Kind::drop, .is_after = true});

    const Answer one = perform("slack.upload", with, "key");
    attempt_ = 2;
    const Answer again = perform("slack.upload", with, "key");

    ASSERT_TRUE(one) << one.error().detail;
    ASSERT_TRUE(again) << again.error().detail;
    EXPECT_EQ(one->at("file"), again->at("file"));
    EXPECT_EQ(count("slack_messages"), 1U);
    EXPECT_EQ(first("slack_files").at("content_base64"), json::value(base64_of("a\0b")));
    ASSERT_TRUE(perform("slack.upload", R"({"channel":"general","filename":"a.txt","content_text":"Grüße"})", "other"));
    EXPECT_EQ(state().at("slack_files").at(1).at("content_base64"), json::value(base64_of("Grüße")));
    settings_.http_call.targets["documents"] = {.name = "documents", .url = sandbox_.url() + "/sandbox"};
    ASSERT_TRUE(perform("slack.upload", R"({"channel":"general","filename":"faults.json","from":{"target":"documents","path":"faults"}})", "third"));
    EXPECT_EQ(state().at("slack_files").at(2).at("content_base64"), json::value(base64_of("{}")));
    EXPECT_EQ(type_of(perform("slack.upload", R"({"channel":"general","filename":"x","from":{"target":"documents","path":"none"}})")), "file_not_found");
    for (const char* wrong : {R"("from":"documents")", R"("from":{"target":"documents","path":"faults"},"content_text":"a")", R"("content":"%")", R"("content_base64":"")", R"("title":"none")", R"("content_text":"a","content":"YQ==")"})
        EXPECT_EQ(type_of(perform("slack.upload", std::string(R"({"channel":"general","filename":"x",)") + wrong + "}")), "invalid_input") << wrong;
}

TEST_F(SlackTest, WebhooksPostAndSayWhatTheyCannotKnow) {
    EXPECT_EQ(type_of(perform("slack.webhook", R"({"text":"hello"})")), "done");
    EXPECT_EQ(count("slack_messages"), 1U);

    fault(R"({"slack.webhook":{"mode":"lost_answer","times":1}})");
    EXPECT_EQ(type_of(perform("slack.webhook", R"({"text":"hello"})")), "unknown_outcome");
    settings_.slack.webhook_url += "x";
    const Answer gone = perform("slack.webhook", R"({"text":"hello"})");
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().type, "webhook");
    EXPECT_FALSE(gone.error().is_attempt);
    settings_.slack.webhook_url.clear();
    EXPECT_EQ(type_of(perform("slack.webhook", R"({"text":"hello"})")), "test");
}

TEST_F(SlackTest, WarningsComeWithTheResult) {
    through_proxy();
    proxy_.add({.call = "POST /chat.postMessage", .status = 200, .headers = {{"Content-Type", "application/json"}},
                .body = R"({"ok":true,"channel":"C0SANDBOX00001","ts":"1700000000.000001","warning":"superfluous_charset",)"
                        R"("response_metadata":{"warnings":["superfluous_charset"]}})"});

    const Answer answer = perform("slack.post", R"({"channel":"#general","text":"one"})", "key");

    ASSERT_TRUE(answer) << answer.error().detail;
    EXPECT_EQ(answer->at("warnings").at(0), "superfluous_charset");
}

TEST_F(SlackTest, PeopleAreManagedWithTheAdministratorsToken) {
    settings_.slack.admin_token = settings_.slack.token;
    settings_.slack.token = "wrong";

    // The app's own token is asked first: who is there?
    EXPECT_EQ(type_of(perform("slack.invite", slack_ada)), "invalid_auth");
    settings_.slack.token = settings_.slack.admin_token;
    settings_.slack.admin_token = "wrong";
    EXPECT_EQ(type_of(perform("slack.invite", slack_ada)), "invalid_auth");
    EXPECT_EQ(count("slack_users"), 0U);
}

TEST_F(SlackTest, TheTeamGoesWithEveryCallThatAnOrganisationsTokenNeedsItFor) {
    through_proxy();
    perform("slack.find_channel", R"({"channel":"nowhere"})");
    perform("slack.invite", R"({"email":"ada@example.org","channels":["random"],"team_id":"T0OTHER99"})");

    EXPECT_THAT(proxy_.asked(), ::testing::Contains(HasSubstr("team_id=T0SANDBOX")));
    EXPECT_THAT(proxy_.asked(), ::testing::Contains(HasSubstr("team_id=T0OTHER99")));
    EXPECT_EQ(count("slack_users"), 0U);
}

} // namespace
} // namespace baton::workers::test
