// Redmine's tasks against the sandbox, its faults and its races.
#include "support.hpp"

#include <future>
#include <vector>

namespace baton::workers::test {
namespace {

namespace json = boost::json;

class RedmineTest : public WithSandbox {};

const std::string redmine_ada = R"({"login":"ada","mail":"ada.lovelace@example.org"})";

TEST_F(RedmineTest, CreatesAUserWithNamesFromTheMailAddress) {
    const Answer answer = perform("redmine.create_user", redmine_ada);

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
    const Answer first = perform("redmine.create_user", redmine_ada);
    const Answer second = perform("redmine.create_user", R"({"login":"ADA","mail":"Ada.Lovelace@example.org"})");

    ASSERT_TRUE(second);
    EXPECT_EQ(first->at("id"), second->at("id"));
    EXPECT_EQ(second->at("created"), false);
    EXPECT_EQ(count("redmine_users"), 1U);
}

TEST_F(RedmineTest, LoginOfAnotherPersonIsAConflict) {
    perform("redmine.create_user", redmine_ada);

    const Answer other = perform("redmine.create_user", R"({"login":"ada","mail":"ada.byron@example.org"})");

    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().type, "conflict");
    EXPECT_FALSE(other.error().retryable);
}

TEST_F(RedmineTest, LoginsThatContainEachOtherAreDifferent) {
    perform("redmine.create_user", R"({"login":"adam","mail":"adam@example.org"})");

    EXPECT_EQ(perform("redmine.create_user", redmine_ada)->at("created"), true);
}

TEST_F(RedmineTest, LockedUserIsUnlockedWhenProvisionedAgain) {
    const Answer made = perform("redmine.create_user", redmine_ada);
    const std::string id = std::to_string(made->at("id").as_int64());
    EXPECT_EQ(perform("redmine.lock_user", R"({"id":)" + id + "}")->at("locked"), true);
    EXPECT_EQ(state().at("redmine_users").at(0).at("status"), 3);

    const Answer again = perform("redmine.create_user", redmine_ada);

    EXPECT_EQ(again->at("id"), made->at("id"));
    EXPECT_EQ(state().at("redmine_users").at(0).at("status"), 1);
}

TEST_F(RedmineTest, LockingWorksByMailAndSaysWhenNobodyIsThere) {
    perform("redmine.create_user", redmine_ada);

    EXPECT_EQ(perform("redmine.lock_user", R"({"mail":"ada.lovelace@example.org"})")->at("locked"), true);
    EXPECT_EQ(perform("redmine.lock_user", R"({"login":"ada"})")->at("locked"), true);
    EXPECT_EQ(perform("redmine.lock_user", R"({"mail":"nobody@example.org"})").error().type, "not_found");
    EXPECT_EQ(perform("redmine.lock_user", R"({"id":99})").error().type, "not_found");
    EXPECT_EQ(perform("redmine.lock_user", "{}").error().type, "invalid_input");
}

TEST_F(RedmineTest, GroupsAreMadeAndJoinedOnce) {
    const std::string with = R"({"login":"ada","mail":"ada@example.org","groups":["everyone","dev"],"create_groups":true})";
    ASSERT_TRUE(perform("redmine.create_user", with));
    ASSERT_TRUE(perform("redmine.create_user", with));

    const json::object all = state();
    EXPECT_EQ(all.at("redmine_groups").as_array().size(), 2U);
    EXPECT_EQ(all.at("redmine_groups").at(0).at("users").as_array().size(), 1U);
}

TEST_F(RedmineTest, LostAnswerOfACreateIsFoundByLookingAgain) {
    fault(R"({"redmine.create_user":{"mode":"lost_answer","times":1}})");

    const Answer answer = perform("redmine.create_user", redmine_ada);

    ASSERT_TRUE(answer) << answer.error().detail;
    EXPECT_EQ(count("redmine_users"), 1U);
}

TEST_F(RedmineTest, EightAtOnceMakeOneUserEvenWhereRedmineRaces) {
    fault(R"({"redmine.create_user":{"mode":"race","delay_ms":100}})");

    std::vector<std::future<Answer>> answers;
    for (int i = 0; i < 8; ++i)
        answers.push_back(std::async(std::launch::async, [this] { return perform("redmine.create_user", redmine_ada); }));
    std::vector<json::value> ids;
    for (auto& answer : answers) {
        const Answer one = answer.get();
        ASSERT_TRUE(one) << one.error().detail;
        ids.push_back(one->at("id"));
    }

    EXPECT_EQ(count("redmine_users"), 1U);
    for (const json::value& id : ids) EXPECT_EQ(id, ids.front());
}

struct RedmineCase {
    std::string with;
    std::string fault;
    std::string type;
    bool retryable;
};

class RedmineFault : public RedmineTest, public ::testing::WithParamInterface<RedmineCase> {};

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
    ::testing::Values(RedmineCase{redmine_ada, R"({"redmine.*":{"status":401}})", "unauthorized", true},
                    RedmineCase{redmine_ada, R"({"redmine.create_user":{"status":403}})", "forbidden", false},
                    RedmineCase{redmine_ada, R"({"redmine.create_user":{"status":400}})", "bad_request", false},
                    RedmineCase{redmine_ada, R"({"redmine.create_user":{"status":412}})", "bad_request", false},
                    RedmineCase{redmine_ada, R"({"redmine.create_user":{"status":500}})", "unavailable", true},
                    RedmineCase{redmine_ada, R"({"redmine.create_user":{"status":503}})", "unavailable", true},
                    RedmineCase{redmine_ada, R"({"redmine.find_user":{"status":502}})", "unavailable", true},
                    RedmineCase{redmine_ada, R"({"redmine.create_user":{"status":429,"retry_after":3}})", "rate_limited", true},
                    RedmineCase{redmine_ada, R"({"redmine.create_user":{"mode":"garbage"}})", "bad_answer", true},
                    RedmineCase{redmine_ada, R"({"redmine.find_user":{"mode":"garbage"}})", "bad_answer", true},
                    RedmineCase{redmine_ada, R"({"redmine.create_user":{"mode":"drop"}})", "unavailable", true},
                    RedmineCase{redmine_ada, R"({"redmine.create_user":{"error":"Login is invalid"}})", "invalid_input", false},
                    RedmineCase{R"({"login":"a b","mail":"a@b.de"})", "{}", "invalid_input", false},
                    RedmineCase{R"({"login":"ab","mail":"nonsense"})", "{}", "invalid_input", false},
                    RedmineCase{R"({"login":"ab"})", "{}", "invalid_input", false},
                    RedmineCase{"{}", "{}", "invalid_input", false},
                    RedmineCase{R"({"login":["a"],"mail":{}})", "{}", "invalid_input", false}));

TEST_F(RedmineTest, ProjectMemberAndIssueAreMadeOnce) {
    perform("redmine.create_user", redmine_ada);
    for (int i = 0; i < 2; ++i) {
        const Answer project = perform("redmine.create_project", R"({"name":"Ops","identifier":"ops"})");
        ASSERT_TRUE(project) << project.error().detail;
        EXPECT_EQ(project->at("created"), i == 0);
        const Answer member = perform("redmine.add_member", R"({"project":1,"user":5,"role":"Developer"})");
        ASSERT_TRUE(member) << member.error().detail;
        EXPECT_EQ(member->at("created"), i == 0);
        const Answer issue = perform("redmine.create_issue", R"({"project":"ops","subject":"[x] y: z"})", "k1");
        ASSERT_TRUE(issue) << issue.error().detail;
        // It is this task's own, whichever attempt made it.
        EXPECT_EQ(issue->at("created"), true);
    }
    EXPECT_EQ(count("redmine_issues"), 1U);
    ASSERT_TRUE(perform("redmine.create_issue", R"({"project":"ops","subject":"[x] y: z"})", "k2"));
    EXPECT_EQ(count("redmine_issues"), 2U);
    EXPECT_TRUE(perform("redmine.comment", R"({"issue":1,"text":"seen"})"));
    EXPECT_EQ(perform("redmine.create_project", R"({"name":"Other","identifier":"ops"})").error().type, "conflict");
    EXPECT_EQ(perform("redmine.add_member", R"({"project":"no","user":5})").error().type, "not_found");
    EXPECT_EQ(perform("redmine.comment", R"({"issue":77,"text":"seen"})").error().type, "not_found");
}

// --- people ---------------------------------------------------------------------------------------

TEST_F(RedmineTest, NamesArriveCutByCharacters) {
    json::object with{{"login", "ada"}, {"mail", "ada@example.org"}};
    std::string first;
    std::string last;
    for (int i = 0; i < 40; ++i) first += "\xC3\xA4";            // ä, two bytes
    for (int i = 0; i < 300; ++i) last += "\xE6\xBC\xA2";        // 漢, three bytes
    with["first_name"] = first;
    with["last_name"] = last;

    const Answer answer = perform("redmine.create_user", json::serialize(with));

    ASSERT_TRUE(answer) << answer.error().detail;
    const json::value user = state().at("redmine_users").at(0);
    EXPECT_EQ(user.at("firstname").as_string(), first.substr(0, 30 * 2));
    EXPECT_EQ(user.at("lastname").as_string(), last.substr(0, 255 * 3));
}

TEST_F(RedmineTest, LoginsAreMadeFromAddresses) {
    const auto login_of = [&](const std::string& mail) {
        const Answer answer = perform("redmine.create_user", json::serialize(json::object{{"mail", mail}}));
        return answer ? json::serialize(answer->at("login")) : answer.error().type;
    };
    EXPECT_EQ(login_of("Ada.Lovelace+news@example.org"), R"("ada.lovelace")");
    EXPECT_EQ(login_of("o'brien@example.org"), R"("obrien")");
    EXPECT_EQ(login_of("obrien@example.com"), "conflict");
    EXPECT_EQ(login_of("+@example.org"), "invalid_input");
    EXPECT_EQ(login_of(std::string(64, 'x') + "@example.org"), "\"" + std::string(60, 'x') + "\"");
}

TEST_F(RedmineTest, APasswordThatRedmineMakesUpIsMailed) {
    perform("redmine.create_user", redmine_ada);
    perform("redmine.create_user", R"({"login":"bob","mail":"bob@example.org","password":"long enough"})");
    perform("redmine.create_user", R"({"login":"eve","mail":"eve@example.org","send_information":false})");

    const json::object all = state();
    EXPECT_TRUE(all.at("redmine_users").at(0).as_object().contains("was_informed"));
    EXPECT_FALSE(all.at("redmine_users").at(1).as_object().contains("was_informed"));
    EXPECT_FALSE(all.at("redmine_users").at(2).as_object().contains("was_informed"));
}

TEST_F(RedmineTest, FurtherAddressesAreTheSamePerson) {
    tell("/sandbox/seed", R"({"redmine_users":[
        {"login":"ada","mail":"ada@example.org","firstname":"A","lastname":"L","further_mails":["Lovelace@Example.org"]},
        {"login":"x","mail":"xlovelace@example.org","firstname":"X","lastname":"Y"}]})");

    EXPECT_EQ(perform("redmine.find_user", R"({"mail":"lovelace@example.ORG"})")->at("login"), "ada");
    EXPECT_EQ(perform("redmine.find_user", R"({"mail":"XLovelace@example.org"})")->at("login"), "x");
    // Only a part of an address that somebody has.
    EXPECT_EQ(perform("redmine.find_user", R"({"mail":"ovelace@example.org"})").error().type, "not_found");
    EXPECT_EQ(perform("redmine.find_user", R"({"mail":"@example.org"})").error().type, "not_found");
    EXPECT_EQ(perform("redmine.create_user", R"({"login":"ada","mail":"lovelace@example.org"})")->at("created"), false);
    const Answer taken = perform("redmine.create_user", R"({"login":"lovelace","mail":"lovelace@example.org"})");
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().type, "conflict");
    EXPECT_NE(taken.error().detail.find("'ada'"), std::string::npos);
    EXPECT_EQ(perform("redmine.lock_user", R"({"mail":"lovelace@example.org"})")->at("locked"), true);
    EXPECT_EQ(count("redmine_users"), 2U);
}

TEST_F(RedmineTest, AdministratorsAndTheOwnAccountAreNotLocked) {
    tell("/sandbox/seed", R"({"redmine_users":[{"login":"root","mail":"root@example.org","firstname":"R","lastname":"T","admin":true}]})");

    EXPECT_EQ(perform("redmine.lock_user", R"({"login":"root"})").error().type, "protected");
    EXPECT_EQ(perform("redmine.lock_user", R"({"id":1})").error().type, "protected");
    EXPECT_EQ(perform("redmine.lock_user", R"({"id":1,"allow_admin":true})").error().type, "protected");
    EXPECT_EQ(perform("redmine.lock_user", R"({"login":"root","allow_admin":true})")->at("locked"), true);
}

TEST_F(RedmineTest, AnUnknownGroupIsRefusedBeforeAnythingIsMade) {
    tell("/sandbox/seed", R"({"redmine_groups":[{"name":"Everyone"}]})");

    const Answer answer = perform("redmine.create_user", R"({"login":"ada","mail":"ada@example.org","groups":["everyone","develpers"]})");

    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().type, "not_found");
    EXPECT_NE(answer.error().detail.find("develpers"), std::string::npos);
    EXPECT_EQ(answer.error().detail.find("veryone"), std::string::npos);
    EXPECT_EQ(count("redmine_users"), 0U);
}

TEST_F(RedmineTest, UserIsUpdatedUnlockedAndMovedBetweenGroups) {
    tell("/sandbox/seed", R"({"redmine_groups":[{"name":"Dev"},{"name":"Ops"}],
                              "redmine_custom_fields":[{"name":"Cost centre","customized_type":"user"}]})");
    ASSERT_TRUE(perform("redmine.create_user", R"({"login":"ada","mail":"ada@example.org","groups":["dev"]})"));

    const Answer updated = perform("redmine.update_user", R"({"login":"ada","last_name":"Byron","mail":"ab@example.org","custom_fields":{"cost centre":"42"}})");
    ASSERT_TRUE(updated) << updated.error().detail;
    EXPECT_EQ(updated->at("lastname"), "Byron");
    EXPECT_EQ(updated->at("mail"), "ab@example.org");
    EXPECT_EQ(updated->at("custom_fields").at(0).at("value"), "42");
    EXPECT_EQ(perform("redmine.update_user", R"({"login":"ada","custom_fields":{"cost":"42"}})").error().type, "not_found");
    EXPECT_EQ(perform("redmine.join_groups", R"({"user":"ada","groups":["Ops","Dev"]})")->at("joined"), json::array{json::value("Ops")});
    EXPECT_EQ(perform("redmine.leave_groups", R"({"user":"ab@example.org","groups":["dev"]})")->at("left"), json::array{json::value("Dev")});
    EXPECT_EQ(perform("redmine.leave_groups", R"({"user":"ada","groups":["dev"]})")->at("left"), json::array());
    EXPECT_EQ(perform("redmine.find_user", R"({"user":"ada"})")->at("groups"), json::array{json::value("Ops")});
    ASSERT_TRUE(perform("redmine.lock_user", R"({"user":"ada"})"));
    EXPECT_EQ(perform("redmine.unlock_user", R"({"user":"ada"})")->at("was_locked"), true);
    EXPECT_EQ(perform("redmine.unlock_user", R"({"user":"ada"})")->at("was_locked"), false);
    EXPECT_EQ(perform("redmine.unlock_user", R"({"user":"bob"})").error().type, "not_found");
}

TEST_F(RedmineTest, TheSitesFieldKeepsWhoMadeAUser) {
    tell("/sandbox/seed", R"({"redmine_custom_fields":[{"name":"baton_key","customized_type":"user"}]})");
    settings_.redmine.key_field = "baton_key";

    ASSERT_EQ(perform("redmine.create_user", redmine_ada, "run-1")->at("created"), true);
    EXPECT_EQ(perform("redmine.create_user", redmine_ada, "run-2")->at("created"), false);
    EXPECT_EQ(perform("redmine.create_user", redmine_ada, "run-1")->at("created"), true);
    EXPECT_EQ(perform("redmine.lock_user", R"({"login":"ada","only_if_created_by":"key run-2"})")->at("locked"), false);
    EXPECT_EQ(perform("redmine.lock_user", R"({"login":"ada","only_if_created_by":"key run-1"})")->at("locked"), true);
    settings_.redmine.key_field = "nonsense";
    EXPECT_EQ(perform("redmine.create_user", redmine_ada, "run-1").error().type, "configuration");
}

// --- members and issues ---------------------------------------------------------------------------

TEST_F(RedmineTest, MembersBeyondAHundredAreFound) {
    ASSERT_TRUE(perform("redmine.create_project", R"({"name":"Ops","identifier":"ops"})"));
    for (int i = 0; i < 120; ++i) {
        const std::string login = "u" + std::to_string(i);
        ASSERT_TRUE(perform("redmine.create_user", R"({"login":")" + login + R"(","mail":")" + login + R"(@example.org"})"));
        ASSERT_TRUE(perform("redmine.add_member", R"({"project":"ops","user":")" + login + "\"}"));
    }

    EXPECT_EQ(perform("redmine.add_member", R"({"project":"ops","user":"u119"})")->at("created"), false);
    const Answer changed = perform("redmine.set_roles", R"({"project":"ops","user":"u119","roles":["Manager"]})");
    ASSERT_TRUE(changed) << changed.error().detail;
    EXPECT_EQ(changed->at("changed"), true);
    EXPECT_EQ(state().at("redmine_memberships").at(119).at("role_ids"), json::array{json::value(3)});
    EXPECT_EQ(perform("redmine.add_member", R"({"project":"ops","user":"u119","roles":["Reporter"]})")->at("changed"), true);
    EXPECT_EQ(state().at("redmine_memberships").at(119).at("role_ids"), json::parse("[3,5]"));
    EXPECT_EQ(perform("redmine.remove_member", R"({"project":"ops","user":"u119"})")->at("removed"), true);
    EXPECT_EQ(perform("redmine.remove_member", R"({"project":"ops","user":"u119"})")->at("removed"), false);
    EXPECT_EQ(count("redmine_memberships"), 119U);
}

TEST_F(RedmineTest, IssuesHaveAllThatPeoplePutIntoThem) {
    tell("/sandbox/seed", R"({"redmine_custom_fields":[{"name":"Severity","customized_type":"issue"}]})");
    settings_.http_call.targets["documents"] = {.name = "documents", .url = sandbox_.url() + "/sandbox"};
    perform("redmine.create_user", redmine_ada);
    perform("redmine.create_project", R"({"name":"Ops","identifier":"ops"})");

    const Answer made = perform("redmine.create_issue", R"({"project":"ops","subject":"a|b","tracker":"support","priority":"high",
        "assignee":"ada.lovelace@example.org","watchers":["ada"],"custom_fields":{"severity":"1"},"due_date":"2027-01-31",
        "attachments":[{"name":"a.txt","type":"text/plain","content":"aGVsbG8="},{"from":{"target":"documents","path":"state"}}]})", "k1");
    ASSERT_TRUE(made) << made.error().detail;
    json::value issue = state().at("redmine_issues").at(0);
    EXPECT_EQ(issue.at("tracker_id"), 3);
    EXPECT_EQ(issue.at("priority_id"), 3);
    EXPECT_EQ(issue.at("assigned_to_id"), 5);
    EXPECT_EQ(issue.at("watchers"), json::array{json::value(5)});
    EXPECT_EQ(issue.at("custom_fields").at(0).at("value"), "1");
    EXPECT_EQ(issue.at("attachments").at(0).at("filename"), "a.txt");
    EXPECT_EQ(issue.at("attachments").at(1).at("filename"), "state");
    EXPECT_EQ(issue.at("due_date"), "2027-01-31");

    ASSERT_TRUE(perform("redmine.update_issue", R"({"issue":1,"subject":"c","status":"in progress","text":"begun"})", "k2"));
    ASSERT_TRUE(perform("redmine.update_issue", R"({"issue":1,"subject":"c","status":"in progress","text":"begun"})", "k2"));
    issue = state().at("redmine_issues").at(0);
    EXPECT_EQ(issue.at("subject"), "c");
    EXPECT_EQ(issue.at("status_id"), 2);
    EXPECT_EQ(issue.at("notes").as_array().size(), 1U);
    ASSERT_TRUE(perform("redmine.close_issue", R"({"issue":1,"text":"done"})", "k3"));
    EXPECT_EQ(perform("redmine.find_issue", R"({"issue":1})")->at("closed"), true);
    for (const char* wrong : {R"("tracker":"bugs")", R"("priority":"very")", R"("assignee":"nobody")", R"("status":"odd")",
                              R"("custom_fields":{"sev":1})"}) {
        const Answer refused = perform("redmine.create_issue", std::string(R"({"project":"ops","subject":"s",)") + wrong + "}");
        ASSERT_FALSE(refused) << wrong;
        EXPECT_EQ(refused.error().type, "not_found") << wrong;
    }
    EXPECT_EQ(perform("redmine.create_issue", R"({"project":"ops","subject":"s","attachments":[{"name":"a","content":"%"}]})").error().type, "invalid_input");
    EXPECT_EQ(count("redmine_issues"), 1U);
}

TEST_F(RedmineTest, SubjectsMayHoldAnySigns) {
    perform("redmine.create_project", R"({"name":"Ops","identifier":"ops"})");
    int number = 0;
    for (const std::string& subject : {std::string("a | b"), std::string("\"quotes\" and 'quotes'"), std::string("100% _ \\ &f[]=x"),
                                       std::string(255, 'x')}) {
        const std::string with = json::serialize(json::object{{"project", "ops"}, {"subject", subject}});
        fault(R"({"redmine.create_issue":{"mode":"lost_answer","times":1}})");
        const std::string key = "k" + std::to_string(++number);
        const Answer first = perform("redmine.create_issue", with, key);
        ASSERT_TRUE(first) << first.error().detail;
        EXPECT_EQ(perform("redmine.create_issue", with, key)->at("id"), first->at("id"));
        EXPECT_EQ(count("redmine_issues"), static_cast<std::size_t>(number));
    }
}

} // namespace
} // namespace baton::workers::test
