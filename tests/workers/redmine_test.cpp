// Redmine's tasks against the sandbox, its faults and its races.
#include "support.hpp"

#include <future>
#include <vector>

namespace baton::workers::test {
namespace {

namespace json = boost::json;

class RedmineTest : public WithSandbox {};

const std::string ada = R"({"login":"ada","mail":"ada.lovelace@example.org"})";

TEST_F(RedmineTest, CreatesAUserWithNamesFromTheMailAddress) {
    const Answer answer = perform("redmine.create_user", ada);

    ASSERT_TRUE(answer) << answer.error().detail;
    EXPECT_EQ(answer->at("login"), "ada");
    EXPECT_TRUE(answer->at("id").is_int64());
    const json::value user = state().at("redmine_users").at(0);
    EXPECT_EQ(user.at("firstname"), "Ada");
    EXPECT_EQ(user.at("lastname"), "Lovelace");
    EXPECT_FALSE(json::serialize(*answer).find("api_key") != std::string::npos);
}

TEST_F(RedmineTest, OneWordNamesGetADash) {
    perform("redmine.create_user", R"({"login":"cher","mail":"cher@example.org"})");

    EXPECT_EQ(state().at("redmine_users").at(0).at("firstname"), "Cher");
    EXPECT_EQ(state().at("redmine_users").at(0).at("lastname"), "-");
}

TEST_F(RedmineTest, TheSameUserTwiceIsOneUser) {
    const Answer first = perform("redmine.create_user", ada);
    const Answer second = perform("redmine.create_user", R"({"login":"ADA","mail":"Ada.Lovelace@example.org"})");

    ASSERT_TRUE(second);
    EXPECT_EQ(first->at("id"), second->at("id"));
    EXPECT_EQ(second->at("created"), false);
    EXPECT_EQ(count("redmine_users"), 1U);
}

TEST_F(RedmineTest, LoginOfAnotherPersonIsAConflict) {
    perform("redmine.create_user", ada);

    const Answer other = perform("redmine.create_user", R"({"login":"ada","mail":"ada.byron@example.org"})");

    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().type, "conflict");
    EXPECT_FALSE(other.error().retryable);
}

TEST_F(RedmineTest, LoginsThatContainEachOtherAreDifferent) {
    perform("redmine.create_user", R"({"login":"adam","mail":"adam@example.org"})");

    EXPECT_EQ(perform("redmine.create_user", ada)->at("created"), true);
}

TEST_F(RedmineTest, LockedUserIsUnlockedWhenProvisionedAgain) {
    const Answer made = perform("redmine.create_user", ada);
    const std::string id = std::to_string(made->at("id").as_int64());
    EXPECT_EQ(perform("redmine.lock_user", R"({"id":)" + id + "}")->at("locked"), true);
    EXPECT_EQ(state().at("redmine_users").at(0).at("status"), 3);

    const Answer again = perform("redmine.create_user", ada);

    EXPECT_EQ(again->at("id"), made->at("id"));
    EXPECT_EQ(state().at("redmine_users").at(0).at("status"), 1);
}

TEST_F(RedmineTest, LockingWorksByMailAndForNobody) {
    perform("redmine.create_user", ada);

    EXPECT_EQ(perform("redmine.lock_user", R"({"mail":"ada.lovelace@example.org"})")->at("locked"), true);
    EXPECT_EQ(perform("redmine.lock_user", R"({"login":"ada"})")->at("locked"), true);
    EXPECT_EQ(perform("redmine.lock_user", R"({"mail":"nobody@example.org"})")->at("locked"), false);
    EXPECT_EQ(perform("redmine.lock_user", R"({"id":99})")->at("locked"), false);
    EXPECT_EQ(perform("redmine.lock_user", "{}").error().type, "invalid_input");
}

TEST_F(RedmineTest, GroupsAreMadeAndJoinedOnce) {
    const std::string with = R"({"login":"ada","mail":"ada@example.org","groups":["everyone","dev"]})";
    ASSERT_TRUE(perform("redmine.create_user", with));
    ASSERT_TRUE(perform("redmine.create_user", with));

    const json::object all = state();
    EXPECT_EQ(all.at("redmine_groups").as_array().size(), 2U);
    EXPECT_EQ(all.at("redmine_groups").at(0).at("users").as_array().size(), 1U);
}

TEST_F(RedmineTest, LostAnswerOfACreateIsFoundByLookingAgain) {
    fault(R"({"redmine.create_user":{"mode":"lost_answer","times":1}})");

    const Answer answer = perform("redmine.create_user", ada);

    ASSERT_TRUE(answer) << answer.error().detail;
    EXPECT_EQ(count("redmine_users"), 1U);
}

TEST_F(RedmineTest, EightAtOnceMakeOneUserEvenWhereRedmineRaces) {
    fault(R"({"redmine.create_user":{"mode":"race","delay_ms":100}})");

    std::vector<std::future<Answer>> answers;
    for (int i = 0; i < 8; ++i)
        answers.push_back(std::async(std::launch::async, [this] { return perform("redmine.create_user", ada); }));
    std::vector<json::value> ids;
    for (auto& answer : answers) {
        const Answer one = answer.get();
        ASSERT_TRUE(one) << one.error().detail;
        ids.push_back(one->at("id"));
    }

    EXPECT_EQ(count("redmine_users"), 1U);
    for (const json::value& id : ids) EXPECT_EQ(id, ids.front());
}

struct Case {
    std::string with;
    std::string fault;
    std::string type;
    bool retryable;
};

class RedmineFault : public RedmineTest, public testing::WithParamInterface<Case> {};

TEST_P(RedmineFault, IsClassified) {
    fault(GetParam().fault);

    const Answer answer = perform("redmine.create_user", GetParam().with);

    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().type, GetParam().type) << answer.error().detail;
    EXPECT_EQ(answer.error().retryable, GetParam().retryable);
    EXPECT_FALSE(answer.error().detail.empty());
    EXPECT_EQ(count("redmine_users"), 0U);
}

INSTANTIATE_TEST_SUITE_P(
    Redmine, RedmineFault,
    testing::Values(Case{ada, R"({"redmine.*":{"status":401}})", "unauthorized", true},
                    Case{ada, R"({"redmine.create_user":{"status":403}})", "unauthorized", true},
                    Case{ada, R"({"redmine.create_user":{"status":400}})", "bad_request", false},
                    Case{ada, R"({"redmine.create_user":{"status":412}})", "bad_request", false},
                    Case{ada, R"({"redmine.create_user":{"status":500}})", "unavailable", true},
                    Case{ada, R"({"redmine.create_user":{"status":503}})", "unavailable", true},
                    Case{ada, R"({"redmine.find_user":{"status":502}})", "unavailable", true},
                    Case{ada, R"({"redmine.create_user":{"status":429,"retry_after":3}})", "rate_limited", true},
                    Case{ada, R"({"redmine.create_user":{"mode":"garbage"}})", "bad_answer", true},
                    Case{ada, R"({"redmine.find_user":{"mode":"garbage"}})", "bad_answer", true},
                    Case{ada, R"({"redmine.create_user":{"mode":"drop"}})", "unavailable", true},
                    Case{ada, R"({"redmine.create_user":{"error":"Login is invalid"}})", "invalid_input", false},
                    Case{R"({"login":"a b","mail":"a@b.de"})", "{}", "invalid_input", false},
                    Case{R"({"login":"ab","mail":"nonsense"})", "{}", "invalid_input", false},
                    Case{R"({"login":"ab"})", "{}", "invalid_input", false},
                    Case{R"({"login":["a"],"mail":{}})", "{}", "invalid_input", false}));

TEST_F(RedmineTest, ProjectMemberAndIssueAreMadeOnce) {
    perform("redmine.create_user", ada);
    for (int i = 0; i < 2; ++i) {
        const Answer project = perform("redmine.create_project", R"({"name":"Ops","identifier":"ops"})");
        ASSERT_TRUE(project) << project.error().detail;
        EXPECT_EQ(project->at("created"), i == 0);
        const Answer member = perform("redmine.add_member", R"({"project":1,"user":5,"role":"Developer"})");
        ASSERT_TRUE(member) << member.error().detail;
        EXPECT_EQ(member->at("created"), i == 0);
        const Answer issue = perform("redmine.create_issue", R"({"project":"ops","subject":"[x] y: z"})", "k1");
        ASSERT_TRUE(issue) << issue.error().detail;
        EXPECT_EQ(issue->at("created"), i == 0);
    }
    EXPECT_EQ(count("redmine_issues"), 1U);
    ASSERT_TRUE(perform("redmine.create_issue", R"({"project":"ops","subject":"[x] y: z"})", "k2"));
    EXPECT_EQ(count("redmine_issues"), 2U);
    EXPECT_TRUE(perform("redmine.comment", R"({"issue":1,"text":"seen"})"));
    EXPECT_EQ(perform("redmine.create_project", R"({"name":"Other","identifier":"ops"})").error().type, "conflict");
    EXPECT_EQ(perform("redmine.add_member", R"({"project":"no","user":5})").error().type, "not_found");
    EXPECT_EQ(perform("redmine.comment", R"({"issue":77,"text":"seen"})").error().type, "not_found");
}

} // namespace
} // namespace baton::workers::test
