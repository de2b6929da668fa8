// The stand-ins behave as the systems they stand for, asked by curl.
#include "web.hpp"

#include <boost/json.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>

namespace baton::sandbox::test {
namespace {

namespace json = boost::json;

class SandboxTest : public testing::Test {
protected:
    void SetUp() override { begin({}); }

    void begin(Options options) {
        sandbox_.reset();
        auto started = Sandbox::start(std::move(options));
        ASSERT_TRUE(started) << started.error().detail;
        sandbox_.emplace(std::move(*started));
    }

    Answer mailcow(std::string method, std::string path, std::string body = {}) {
        return ask({std::move(method), sandbox_->mailcow_url() + path,
                    {"X-API-Key: sandbox-mailcow-key", "Content-Type: application/json"}, std::move(body)});
    }
    Answer redmine(std::string method, std::string path, std::string body = {}) {
        return ask({std::move(method), sandbox_->redmine_url() + path,
                    {"X-Redmine-API-Key: sandbox-redmine-key", "Content-Type: application/json"},
                    std::move(body)});
    }
    Answer slack(std::string method, std::string path, std::string form = {}) {
        return ask({std::move(method), sandbox_->slack_url() + path,
                    {"Authorization: Bearer sandbox-slack-token"}, std::move(form)});
    }
    Answer faults(std::string body) { return ask({"POST", sandbox_->url() + "/sandbox/faults", {}, std::move(body)}); }
    json::object state() {
        return json::parse(ask({"GET", sandbox_->url() + "/sandbox/state"}).body).as_object();
    }

    std::optional<Sandbox> sandbox_;
};

const std::string add_ada =
    R"({"local_part":"ada","domain":"example.org","name":"Ada","password":"x1234567","password2":"x1234567"})";
const std::string user_ada =
    R"({"user":{"login":"ada","firstname":"Ada","lastname":"L","mail":"ada@example.org","generate_password":true}})";
const std::string invite_ada = "team_id=T0SANDBOX&email=ada%40example.org&channel_ids=C0SANDBOX00001";

TEST_F(SandboxTest, SaysWhatItIs) {
    EXPECT_NE(ask({"GET", sandbox_->url() + "/"}).body.find("stand-in"), std::string::npos);
    EXPECT_NE(state().at("label").as_string().find("stand-in"), std::string::npos);
}

TEST_F(SandboxTest, MailboxIsAddedOnceAndFound) {
    const Answer first = mailcow("POST", "/api/v1/add/mailbox", add_ada);
    const Answer second = mailcow("POST", "/api/v1/add/mailbox", add_ada);

    EXPECT_EQ(first.status, 200);
    EXPECT_NE(first.body.find(R"("type":"success")"), std::string::npos);
    EXPECT_EQ(second.status, 200);
    EXPECT_NE(second.body.find("object_exists"), std::string::npos);
    EXPECT_NE(mailcow("GET", "/api/v1/get/mailbox/ada@example.org").body.find(R"("name":"Ada")"),
              std::string::npos);
    EXPECT_EQ(mailcow("GET", "/api/v1/get/mailbox/bob@example.org").body, "{}");
}

TEST_F(SandboxTest, MailboxPasswordsAreNotKept) {
    mailcow("POST", "/api/v1/add/mailbox", add_ada);

    EXPECT_EQ(json::serialize(state()).find("x1234567"), std::string::npos);
}

TEST_F(SandboxTest, MailcowRefusesAsMailcowDoes) {
    const std::string url = sandbox_->mailcow_url() + "/api/v1/add/mailbox";

    EXPECT_EQ(ask({"POST", url, {"X-API-Key: wrong"}, add_ada}).status, 401);
    EXPECT_EQ(mailcow("POST", "/api/v1/add/mailbox", "{").status, 400);
    EXPECT_NE(mailcow("POST", "/api/v1/delete/mailbox", R"(["nobody@example.org"])").body.find("access_denied"),
              std::string::npos);
}

TEST_F(SandboxTest, RedmineUserIsMadeFoundLockedAndDeleted) {
    const Answer made = redmine("POST", "/users.json", user_ada);

    ASSERT_EQ(made.status, 201);
    const auto id = json::parse(made.body).at("user").at("id").as_int64();
    const std::string path = "/users/" + std::to_string(id) + ".json";
    EXPECT_NE(made.head.find("Location: "), std::string::npos);
    EXPECT_EQ(json::parse(redmine("GET", "/users.json?name=ad").body).at("total_count"), 1);
    const Answer locked = redmine("PUT", path, R"({"user":{"status":3}})");
    EXPECT_EQ(locked.status, 204);
    EXPECT_EQ(locked.body, "");
    EXPECT_EQ(json::parse(redmine("GET", "/users.json?name=ada").body).at("total_count"), 0);
    EXPECT_EQ(json::parse(redmine("GET", "/users.json?name=ada&status=").body).at("total_count"), 1);
    EXPECT_EQ(json::parse(redmine("GET", "/users.json?name=ada&status=3").body).at("total_count"), 1);
    EXPECT_EQ(json::parse(redmine("GET", "/users.json?name=ada&status=*").body).at("total_count"), 0);
    EXPECT_EQ(redmine("DELETE", path).status, 204);
    EXPECT_EQ(redmine("DELETE", path).status, 404);
}

TEST_F(SandboxTest, RedmineRefusesAsRedmineDoes) {
    redmine("POST", "/users.json", user_ada);

    const Answer taken = redmine("POST", "/users.json", user_ada);
    EXPECT_EQ(taken.status, 422);
    EXPECT_EQ(taken.body, R"({"errors":["Email has already been taken","Login has already been taken"]})");
    EXPECT_EQ(redmine("POST", "/users.json", "{").status, 400);
    EXPECT_EQ(redmine("POST", "/users.json", "{}").status, 500);
    EXPECT_EQ(redmine("GET", "/users/77.json").status, 404);
    EXPECT_EQ(redmine("GET", "/users/77.json").body, "");
    EXPECT_NE(redmine("POST", "/users.json", R"({"user":{"login":"b"}})").body.find("Email cannot be blank"),
              std::string::npos);
    const Answer stranger = ask({"GET", sandbox_->redmine_url() + "/users.json"});
    EXPECT_EQ(stranger.status, 401);
    EXPECT_EQ(stranger.body, "");
    EXPECT_NE(stranger.head.find("WWW-Authenticate"), std::string::npos);
}

TEST_F(SandboxTest, RedmineRaceMakesTwoUsersOfOneLogin) {
    faults(R"({"redmine.create_user":{"mode":"race","delay_ms":200}})");

    auto first = std::async(std::launch::async, [&] { return redmine("POST", "/users.json", user_ada); });
    auto second = std::async(std::launch::async, [&] { return redmine("POST", "/users.json", user_ada); });

    EXPECT_EQ(first.get().status, 201);
    EXPECT_EQ(second.get().status, 201);
    EXPECT_EQ(state().at("redmine_users").as_array().size(), 2U);
}

TEST_F(SandboxTest, SlackInvitesOnceAndFindsTheMember) {
    EXPECT_EQ(slack("POST", "/admin.users.invite", invite_ada).body, R"({"ok":true})");

    EXPECT_EQ(slack("POST", "/admin.users.invite", invite_ada).body,
              R"({"ok":false,"error":"already_in_team_invited_user"})");
    const json::value found = json::parse(slack("GET", "/users.lookupByEmail?email=ada%40example.org").body);
    EXPECT_EQ(found.at("user").at("id"), "U0SANDBOX00001");
    EXPECT_EQ(slack("GET", "/users.lookupByEmail?email=bob%40example.org").body,
              R"({"ok":false,"error":"users_not_found"})");
}

TEST_F(SandboxTest, SlackKnowsMembersThatWereThereBefore) {
    ask({"POST", sandbox_->url() + "/sandbox/seed", {}, R"({"slack_users":[{"email":"ada@example.org"}]})"});

    EXPECT_EQ(slack("POST", "/admin.users.invite", invite_ada).body,
              R"({"ok":false,"error":"already_in_team"})");
}

TEST_F(SandboxTest, SlackRefusesWithStatus200) {
    const std::string url = sandbox_->slack_url() + "/auth.test";

    EXPECT_EQ(ask({"POST", url}).body, R"({"ok":false,"error":"not_authed"})");
    EXPECT_EQ(ask({"POST", url, {"Authorization: Bearer x"}}).body, R"({"ok":false,"error":"invalid_auth"})");
    EXPECT_EQ(slack("POST", "/admin.users.invite", "team_id=T1&email=a%40b.c&channel_ids=C1").body,
              R"({"ok":false,"error":"team_not_found"})");
    EXPECT_EQ(slack("POST", "/nothing.at.all").body, R"({"ok":false,"error":"unknown_method"})");
    EXPECT_EQ(slack("POST", "/nothing.at.all").status, 200);
}

const std::string ada = "U0SANDBOX00001";

TEST_F(SandboxTest, SlackKeepsWhatAChannelIsTold) {
    const auto call = [&](const std::string& path, const std::string& form) { return slack("POST", path, form).body; };
    const json::value made = json::parse(call("/conversations.create", "name=inc-1&is_private=true"));
    const std::string id(made.at("channel").at("id").as_string());
    slack("POST", "/admin.users.invite", invite_ada);

    EXPECT_EQ(call("/conversations.create", "name=inc-1"), R"({"ok":false,"error":"name_taken"})");
    call("/conversations.setTopic", "channel=" + id + "&topic=It+burns");
    EXPECT_EQ(json::parse(call("/conversations.invite", "channel=" + id + "&users=" + ada)).at("ok"), true);
    EXPECT_EQ(call("/conversations.invite", "channel=" + id + "&users=" + ada), R"({"ok":false,"error":"already_in_channel"})");
    EXPECT_EQ(call("/conversations.invite", "channel=" + id + "&users=U0NOBODY999"), R"({"ok":false,"error":"user_not_found"})");
    const json::value info = json::parse(slack("GET", "/conversations.info?channel=" + id).body).at("channel");
    EXPECT_EQ(info.at("topic").at("value"), "It burns");
    EXPECT_EQ(info.at("num_members"), 2);
    EXPECT_EQ(call("/conversations.kick", "channel=" + id + "&user=" + ada), R"({"ok":true})");
    EXPECT_EQ(call("/conversations.kick", "channel=" + id + "&user=" + ada), R"({"ok":false,"error":"not_in_channel"})");
    EXPECT_EQ(call("/conversations.archive", "channel=" + id), R"({"ok":true})");
    EXPECT_EQ(call("/conversations.archive", "channel=" + id), R"({"ok":false,"error":"already_archived"})");
    EXPECT_EQ(call("/chat.postMessage", "channel=" + id + "&text=x"), R"({"ok":false,"error":"is_archived"})");
    EXPECT_EQ(slack("GET", "/conversations.list?types=public_channel,private_channel&exclude_archived=true").body.find("inc-1"), std::string::npos);
    EXPECT_EQ(slack("GET", "/conversations.list").body.find("inc-1"), std::string::npos);
    EXPECT_NE(slack("GET", "/conversations.list?types=public_channel,private_channel").body.find("inc-1"), std::string::npos);
}

TEST_F(SandboxTest, SlackShowsMetadataToThoseWhoAskAndKeepsThreadsApart) {
    const std::string metadata = "%7B%22event_type%22%3A%22t%22%2C%22event_payload%22%3A%7B%22mark%22%3A%22m1%22%7D%7D";
    const json::value first = json::parse(slack("POST", "/chat.postMessage", "channel=%23general&text=hello&metadata=" + metadata).body);
    const std::string place = "channel=" + std::string(first.at("channel").as_string()) + "&ts=" + std::string(first.at("ts").as_string());
    slack("POST", "/chat.postMessage", "channel=%23general&text=re&thread_ts=" + std::string(first.at("ts").as_string()));

    const json::array plain = json::parse(slack("GET", "/conversations.history?" + place).body).at("messages").as_array();
    const json::array whole = json::parse(slack("GET", "/conversations.history?include_all_metadata=true&" + place).body).at("messages").as_array();
    const json::array thread = json::parse(slack("GET", "/conversations.replies?" + place).body).at("messages").as_array();

    ASSERT_EQ(plain.size(), 1U);
    EXPECT_FALSE(plain[0].as_object().contains("metadata"));
    EXPECT_EQ(whole.at(0).at("metadata").at("event_payload").at("mark"), "m1");
    EXPECT_EQ(thread.size(), 2U);
    EXPECT_EQ(json::parse(slack("POST", "/chat.delete", place).body).at("ok"), true);
    EXPECT_EQ(slack("POST", "/chat.delete", place).body, R"({"ok":false,"error":"message_not_found"})");
}

TEST_F(SandboxTest, SlacksScimSpeaksByStatus) {
    const std::string users = sandbox_->url() + "/slack/scim/v2/Users";
    const std::vector<std::string> headers{"Authorization: Bearer sandbox-slack-token", "Content-Type: application/scim+json"};
    const std::string resource = R"({"userName":"ada","emails":[{"value":"ada@example.org"}],"displayName":"Ada"})";
    const std::string off = R"({"Operations":[{"op":"replace","path":"active","value":false}]})";

    EXPECT_EQ(ask({"POST", users, {}, resource}).status, 401);
    EXPECT_EQ(ask({"POST", users, headers, resource}).status, 201);
    EXPECT_EQ(ask({"POST", users, headers, resource}).status, 409);
    EXPECT_EQ(ask({"PATCH", users + "/" + ada, headers, off}).status, 200);
    EXPECT_EQ(ask({"PATCH", users + "/U0NOBODY999", headers, off}).status, 404);
    const json::value found = json::parse(ask({"GET", users + "?filter=email%20eq%20%22ada%40example.org%22", headers}).body);
    EXPECT_EQ(found.at("totalResults"), 1);
    EXPECT_EQ(found.at("Resources").at(0).at("active"), false);
    EXPECT_EQ(slack("GET", "/users.lookupByEmail?email=ada%40example.org").body, R"({"ok":false,"error":"users_not_found"})");
}

TEST_F(SandboxTest, SlackListsChannelsInPages) {
    const json::value first = json::parse(slack("GET", "/conversations.list?limit=1").body);
    const std::string cursor(first.at("response_metadata").at("next_cursor").as_string());
    const json::value second = json::parse(slack("GET", "/conversations.list?limit=1&cursor=" + cursor).body);

    EXPECT_EQ(first.at("channels").at(0).at("name"), "general");
    EXPECT_EQ(second.at("channels").at(0).at("name"), "random");
    EXPECT_EQ(second.at("response_metadata").at("next_cursor"), "");
}

TEST_F(SandboxTest, FaultFailsAsOftenAsItSays) {
    faults(R"({"slack.invite":{"error":"fatal_error","times":2}})");

    for (int i = 0; i < 2; ++i)
        EXPECT_EQ(slack("POST", "/admin.users.invite", invite_ada).body, R"({"ok":false,"error":"fatal_error"})");
    EXPECT_EQ(slack("POST", "/admin.users.invite", invite_ada).body, R"({"ok":true})");
}

TEST_F(SandboxTest, FaultCanBeAStatusWithRetryAfter) {
    faults(R"({"redmine.*":{"status":503,"retry_after":2,"times":null}})");

    const Answer answer = redmine("GET", "/users.json");

    EXPECT_EQ(answer.status, 503);
    EXPECT_NE(answer.head.find("Retry-After: 2"), std::string::npos);
    faults(R"({"redmine.*":null})");
    EXPECT_EQ(redmine("GET", "/users.json").status, 200);
}

TEST_F(SandboxTest, LostAnswerHappenedAndDroppedCallDidNot) {
    faults(R"({"mail.create":{"mode":"lost_answer","times":1}})");
    EXPECT_EQ(mailcow("POST", "/api/v1/add/mailbox", add_ada).status, 0);
    EXPECT_EQ(state().at("mailboxes").as_array().size(), 1U);

    faults(R"({"redmine.create_user":{"mode":"drop"}})");
    EXPECT_EQ(redmine("POST", "/users.json", user_ada).status, 0);
    EXPECT_FALSE(state().contains("redmine_users"));
}

TEST_F(SandboxTest, AFaultOfACallThatDoesNotExistNamesTheRightOnes) {
    const Answer near = faults(R"({"slack.invit":{"error":"fatal_error"}})");
    EXPECT_EQ(near.status, 400);
    EXPECT_NE(near.body.find("did you mean 'slack.invite'?"), std::string::npos) << near.body;
    EXPECT_NE(near.body.find("slack.create_channel"), std::string::npos) << near.body;

    const Answer foreign = faults(R"({"jira.create":{"error":"x"}})");
    EXPECT_EQ(foreign.status, 400);
    EXPECT_NE(foreign.body.find("mail.*, redmine.*, slack.*"), std::string::npos) << foreign.body;

    EXPECT_EQ(faults(R"({"slak.*":null})").status, 400);
    EXPECT_EQ(faults(R"({"*":{"delay_ms":1},"mail.connect":{"status":421}})").status, 200);
}

class BadFault : public SandboxTest, public testing::WithParamInterface<const char*> {};

TEST_P(BadFault, IsRefusedWithASentence) {
    const Answer answer = faults(GetParam());

    EXPECT_EQ(answer.status, 400);
    EXPECT_GT(answer.body.size(), 20U);
}

INSTANTIATE_TEST_SUITE_P(Sandbox, BadFault,
                         testing::Values("", "[]", R"({"slack.post":1})", R"({"slack.post":{"mode":"explode"}})",
                                         R"({"slack.post":{"status":7}})", R"({"slack.post":{"times":0}})",
                                         R"({"slack.post":{"tiems":1}})", R"({"slack.post":{"error":5}})"));

TEST_F(SandboxTest, MemorySurvivesARestart) {
    const std::string path = testing::TempDir() + "sandbox_memory.jsonl";
    std::filesystem::remove(path);
    begin({.state_file = path});
    mailcow("POST", "/api/v1/add/mailbox", add_ada);
    redmine("POST", "/users.json", user_ada);
    mailcow("POST", "/api/v1/delete/mailbox", R"(["ada@example.org"])");

    begin({.state_file = path});

    EXPECT_FALSE(state().contains("mailboxes") && !state().at("mailboxes").as_array().empty());
    EXPECT_EQ(state().at("redmine_users").as_array().size(), 1U);
    redmine("POST", "/users.json", R"({"user":{"login":"b","firstname":"B","lastname":"B","mail":"b@example.org","generate_password":true}})");
    EXPECT_EQ(state().at("redmine_users").at(1).at("id"), 6);
}

TEST_F(SandboxTest, TornLastLineIsForgottenAndForeignFilesAreRefused) {
    const std::string path = testing::TempDir() + "sandbox_torn.jsonl";
    std::ofstream(path) << R"({"c":"mailboxes","k":"a@b","v":{"username":"a@b"}})" << "\n" << R"({"c":"mail)";
    begin({.state_file = path});
    EXPECT_EQ(state().at("mailboxes").as_array().size(), 1U);

    std::ofstream(path) << "some notes of mine\n";
    const auto refused = Sandbox::start({.state_file = path});
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().detail.find("not a sandbox's file"), std::string::npos);
}

TEST_F(SandboxTest, GarbageIsRefusedPolitely) {
    const std::string garbage("\x01\x02garbage\xff\r\n\r\n");

    EXPECT_NE(talk(sandbox_->http_port(), garbage).find("400 Bad Request"), std::string::npos);
    EXPECT_EQ(state().at("label").as_string().empty(), false);
    EXPECT_EQ(ask({"GET", sandbox_->url() + "/%%%/..//?a=%zz&&=b"}).status, 404);
    EXPECT_EQ(redmine("POST", "/users.json", std::string(2 << 20, 'x')).status, 413);
}

TEST_F(SandboxTest, TakenPortIsSaidInASentence) {
    const auto second = Sandbox::start({.http_port = sandbox_->http_port()});

    ASSERT_FALSE(second);
    EXPECT_NE(second.error().detail.find("cannot listen for HTTP"), std::string::npos);
}

} // namespace
} // namespace baton::sandbox::test
