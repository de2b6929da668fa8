// The tasks of worker redmine against a real Redmine with a throwaway database, which scripts/real-redmine
// starts. Opt-in:
//   BATON_TEST_REDMINE_URL=http://127.0.0.1:3000 BATON_TEST_REDMINE_KEY=<key of an administrator>
//   BATON_TEST_REDMINE_DB=<its SQLite file>, where a test must prepare what the API does not offer
#include "faulty_proxy.hpp"

#include "base/random.hpp"
#include "broker/broker_service.hpp"
#include "workers/http/http_client.hpp"
#include "workers/key_locks.hpp"
#include "workers/settings.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <future>
#include <thread>
#include <vector>

namespace baton::workers {
namespace {

namespace json = boost::json;

class RealRedmineTest : public ::testing::Test {
protected:
    void SetUp() override {
        const char* url = std::getenv("BATON_TEST_REDMINE_URL");
        const char* key = std::getenv("BATON_TEST_REDMINE_KEY");
        if (!url || !key)
            GTEST_SKIP() << "set BATON_TEST_REDMINE_URL and BATON_TEST_REDMINE_KEY to run it";
        settings_.redmine.url = url;
        settings_.redmine.key = key;
        // Every run has users of its own; logins must not look like numbers or dates.
        name_ = fmt::format("u{:x}", Random(entropy_seed()).below(1ULL << 40));
        folder_ = ::testing::TempDir() + "real_redmine." + name_;
        broker::Options options;
        options.listen = {"127.0.0.1:0"};
        options.data_folder = folder_;
        broker_ = *broker::BrokerService::start(std::move(options));
        broker_url_ = fmt::format("amqp://guest:guest@127.0.0.1:{}", broker_->port());
        settings_.redmine.locks = std::make_shared<KeyLocks>(broker_url_, "real");
    }
    void TearDown() override {
        settings_.redmine.locks.reset();
        broker_.reset();
        std::filesystem::remove_all(folder_);
    }

    // As a workflow would: what may work later is tried again.
    Answer persist(const std::string& task, const json::object& with, const std::string& key = {}) {
        for (int attempt = 0; attempt < 20; ++attempt) {
            Answer answer = perform(task, with, key);
            if (answer || !answer.error().retryable) return answer;
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
        }
        return perform(task, with, key);
    }

    Answer perform(const std::string& task, const json::object& with, const std::string& key = {}) {
        return perform_as(settings_, task, with, key);
    }
    static Answer perform_as(const Settings& settings, const std::string& task, const json::object& with,
                             const std::string& key) {
        const auto handlers = handlers_of("redmine", settings);
        if (!handlers) return permanent("test", handlers.error().detail);
        for (const Handler& handler : *handlers) {
            if (handler.task != task) continue;
            Task one;
            one.request.idempotency_key = key;
            one.with = with;
            return handler.perform(one);
        }
        return permanent("test", "no handler for " + task);
    }
    json::object user(const std::string& login, const std::string& mail) {
        return {{"login", login}, {"mail", mail}, {"groups", json::array{json::string("everyone " + name_)}},
                {"create_groups", true}};
    }
    std::string mail() const { return name_ + "@example.org"; }

    // Whether Redmine lets somebody in.
    bool logs_in(const std::string& login, const std::string& password) const {
        std::string url = settings_.redmine.url;
        url.insert(url.find("//") + 2, login + ":" + password + "@");
        return http::perform({"GET", url + "/users/current.json"}, {}).status == 200;
    }
    // What an administrator would do with his mouse.
    static bool write_to_database(const std::string& sql) {
        const char* file = std::getenv("BATON_TEST_REDMINE_DB");
        return file && std::system(fmt::format("sqlite3 -cmd '.timeout 5000' {} \"{}\"", file, sql).c_str()) == 0;
    }

    Settings settings_;
    std::string name_;
    std::string folder_;
    std::string broker_url_;
    std::unique_ptr<broker::BrokerService> broker_;
};

TEST_F(RealRedmineTest, UserIsMadeOnceLockedAndUnlocked) {
    const json::object wish = user(name_, name_ + ".test@example.org");

    const Answer made = perform("redmine.create_user", wish, "k1");
    ASSERT_TRUE(made) << made.error().detail;
    EXPECT_EQ(made->at("created"), true);
    const Answer again = perform("redmine.create_user", wish, "k1");
    ASSERT_TRUE(again) << again.error().detail;
    EXPECT_EQ(again->at("id"), made->at("id"));
    EXPECT_EQ(again->at("created"), true);
    EXPECT_EQ(perform("redmine.create_user", wish, "k2")->at("created"), false);

    const Answer locked = perform("redmine.lock_user", {{"id", made->at("id")}});
    ASSERT_TRUE(locked) << locked.error().detail;
    EXPECT_EQ(locked->at("locked"), true);
    EXPECT_EQ(locked->at("open_issues"), 0);
    const Answer back = perform("redmine.create_user", wish, "k3");
    ASSERT_TRUE(back) << back.error().detail;
    EXPECT_EQ(back->at("id"), made->at("id"));
    EXPECT_EQ(back->at("unlocked"), true);
    EXPECT_EQ(perform("redmine.lock_user", {{"mail", name_ + ".Test@example.ORG"}})->at("locked"), true);
    EXPECT_EQ(perform("redmine.unlock_user", {{"user", name_}})->at("was_locked"), true);
    EXPECT_EQ(perform("redmine.lock_user", {{"id", 99999999}}).error().type, "not_found");
    EXPECT_EQ(perform("redmine.lock_user", {{"login", "nobody" + name_}}).error().type, "not_found");
    EXPECT_EQ(perform("redmine.lock_user", {{"login", "admin"}, {"allow_admin", true}}).error().type, "protected");
}

TEST_F(RealRedmineTest, AVeteranStillLogsInAfterAnUndo) {
    json::object wish{{"login", name_}, {"mail", mail()}, {"password", "correcthorse"}};
    ASSERT_TRUE(perform("redmine.create_user", wish, "long ago"));
    ASSERT_TRUE(logs_in(name_, "correcthorse"));

    const Answer found = perform("redmine.create_user", {{"login", name_}, {"mail", mail()}}, "now");
    ASSERT_TRUE(found) << found.error().detail;
    EXPECT_EQ(found->at("created"), false);
    const Answer undone = perform("redmine.lock_user", {{"id", found->at("id")}, {"only_if_created_by", "key now"}});
    ASSERT_TRUE(undone) << undone.error().detail;
    EXPECT_EQ(undone->at("locked"), false);
    EXPECT_TRUE(logs_in(name_, "correcthorse"));

    ASSERT_TRUE(perform("redmine.lock_user", {{"id", found->at("id")}, {"only_if_created_by", "key long ago"}}));
    EXPECT_FALSE(logs_in(name_, "correcthorse"));
}

TEST_F(RealRedmineTest, NamesAreCutAsRedmineCounts) {
    json::object wish{{"login", name_}, {"mail", mail()}};
    std::string first;
    std::string last;
    for (int i = 0; i < 31; ++i) first += "\xC3\xA4";
    for (int i = 0; i < 256; ++i) last += "\xE6\xBC\xA2";
    wish["first_name"] = first;
    wish["last_name"] = last;

    const Answer made = perform("redmine.create_user", wish);

    ASSERT_TRUE(made) << made.error().detail;
    const Answer shown = perform("redmine.find_user", {{"user", name_}});
    ASSERT_TRUE(shown) << shown.error().detail;
    EXPECT_EQ(shown->at("firstname").as_string(), first.substr(0, 60));
    // 5.0 takes 30 characters of it, later ones 255.
    const std::string kept(shown->at("lastname").as_string());
    EXPECT_TRUE(kept == last.substr(0, 30 * 3) || kept == last.substr(0, 255 * 3)) << kept;
}

TEST_F(RealRedmineTest, RefusalsAreClassified) {
    ASSERT_TRUE(perform("redmine.create_user", user(name_, mail())));

    const Answer conflict = perform("redmine.create_user", user(name_, "other@example.org"));
    ASSERT_FALSE(conflict);
    EXPECT_EQ(conflict.error().type, "conflict");
    const Answer taken = perform("redmine.create_user", user(name_ + "x", mail()));
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().type, "conflict");
    EXPECT_NE(taken.error().detail.find("'" + name_ + "'"), std::string::npos) << taken.error().detail;
    EXPECT_EQ(perform("redmine.create_user", user("a b", "x@example.org")).error().type, "invalid_input");
    EXPECT_EQ(perform("redmine.create_user", {{"login", name_ + "y"}, {"mail", "y" + mail()}, {"groups", "no " + name_}}).error().type,
              "not_found");
    EXPECT_EQ(perform("redmine.find_user", {{"login", name_ + "y"}}).error().type, "not_found");
    settings_.redmine.key = "wrong";
    const Answer stranger = perform("redmine.create_user", user(name_, mail()));
    ASSERT_FALSE(stranger);
    EXPECT_EQ(stranger.error().type, "unauthorized");
    EXPECT_FALSE(stranger.error().is_attempt);
}

TEST_F(RealRedmineTest, FurtherAddressesAndCustomFieldsCount) {
    if (!std::getenv("BATON_TEST_REDMINE_DB")) GTEST_SKIP() << "BATON_TEST_REDMINE_DB is not set";
    const Answer made = perform("redmine.create_user", user(name_, mail()));
    ASSERT_TRUE(made) << made.error().detail;
    ASSERT_TRUE(write_to_database(fmt::format(
        "INSERT INTO email_addresses(user_id,address,is_default,notify,created_on,updated_on) "
        "VALUES({},'Second.{}',0,1,datetime('now'),datetime('now'))", made->at("id").as_int64(), mail())));
    ASSERT_TRUE(write_to_database(fmt::format(
        "INSERT INTO custom_fields(type,name,field_format,is_required,is_for_all,is_filter,visible,editable,position) "
        "VALUES('UserCustomField','key{}','string',0,0,0,1,1,1)", name_)));

    EXPECT_EQ(perform("redmine.find_user", {{"mail", "second." + mail()}})->at("login"), json::value(name_));
    EXPECT_EQ(perform("redmine.find_user", {{"mail", "econd." + mail()}}).error().type, "not_found");
    EXPECT_EQ(perform("redmine.create_user", user(name_, "second." + mail()))->at("created"), false);
    EXPECT_EQ(perform("redmine.create_user", user(name_ + "z", "SECOND." + mail())).error().type, "conflict");

    settings_.redmine.key_field = "key" + name_;
    const json::object wish{{"login", name_ + "k"}, {"mail", "k" + mail()}};
    ASSERT_EQ(perform("redmine.create_user", wish, "k1")->at("created"), true);
    EXPECT_EQ(perform("redmine.create_user", wish, "k2")->at("created"), false);
    EXPECT_EQ(perform("redmine.create_user", wish, "k1")->at("created"), true);
    EXPECT_EQ(perform("redmine.lock_user", {{"login", name_ + "k"}, {"only_if_created_by", "key k2"}})->at("locked"), false);
    EXPECT_EQ(perform("redmine.lock_user", {{"login", name_ + "k"}, {"only_if_created_by", "key k1"}})->at("locked"), true);
}

// Each with a connection of its own, as processes have.
TEST_F(RealRedmineTest, TwentyAtOnceMakeOneUser) {
    const json::object wish{{"login", name_}, {"mail", mail()}};
    std::vector<Settings> workers(6, settings_);
    for (Settings& one : workers) one.redmine.locks = std::make_shared<KeyLocks>(broker_url_, "one of six");
    std::vector<std::future<Answer>> answers;
    for (std::size_t i = 0; i < 20; ++i)
        answers.push_back(std::async(std::launch::async, [&, i] {
            return perform_as(workers[i % 6], "redmine.create_user", wish, fmt::format("k{}", i));
        }));

    std::vector<json::value> ids;
    int made = 0;
    for (auto& answer : answers) {
        const Answer one = answer.get();
        ASSERT_TRUE(one) << one.error().detail;
        ids.push_back(one->at("id"));
        made += one->at("created").as_bool() ? 1 : 0;
    }
    for (const json::value& id : ids) EXPECT_EQ(id, ids.front());
    EXPECT_EQ(made, 1);
    const Answer later = perform("redmine.find_user", {{"login", name_}});
    ASSERT_TRUE(later) << later.error().detail;
    EXPECT_EQ(later->at("id"), ids.front());
}

// A person as a workflow would provision him, with everything going wrong that may pass.
TEST_F(RealRedmineTest, EverybodyOnceThroughThreeHundredFaults) {
    using test::Misbehaviour;
    using Kind = Misbehaviour::Kind;
    test::FaultyProxy proxy(settings_.redmine.url);
    const std::string project = "p" + name_;
    ASSERT_TRUE(perform("redmine.create_project", {{"name", "P " + name_}, {"identifier", project}}));
    settings_.redmine.url = proxy.url();
    const std::map<std::string, std::string> page{{"Content-Type", "text/html"}};
    const std::vector<Misbehaviour> kinds{
        {.kind = Kind::drop}, {.kind = Kind::half}, {.kind = Kind::noise},
        {.kind = Kind::silence, .pause = std::chrono::milliseconds(100)},
        {.status = 408}, {.status = 500}, {.status = 502}, {.status = 503}, {.status = 504},
        {.status = 200, .headers = page, .body = "<html>log in</html>"},
        // The rest says that nothing was done.
        {.status = 429}, {.status = 425}, {.status = 401}, {.status = 302}};
    constexpr std::size_t doubtful = 10;
    int people = 0;
    const std::vector<std::string> calls{"POST /users.json", "GET /users.json", "GET /users/", "GET /groups", "POST /groups",
                                         "POST /projects/", "GET /projects/", "POST /issues", "GET /issues", "PUT /issues"};
    const std::uint64_t seed = entropy_seed();
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Random random(seed);
    const auto go_through = [&](const std::string& task, const json::object& with, const std::string& key) -> Answer {
        for (int attempt = 0; attempt < 40; ++attempt) {
            if (attempt < 5)
                for (int i = 0; i < 2; ++i) {
                    const std::size_t which = random.below(kinds.size());
                    Misbehaviour fault = kinds[which];
                    fault.call = calls[random.below(calls.size())];
                    fault.is_after = which < doubtful && random.below(2) == 0;
                    proxy.add(fault);
                }
            Answer answer = perform(task, with, key);
            if (answer || !answer.error().retryable) return answer;
        }
        return perform(task, with, key);
    };
    for (; proxy.faults() < 300; ++people) {
        ASSERT_LT(people, 200) << "after only " << proxy.faults() << " faults";
        const std::string login = fmt::format("{}x{}", name_, people);
        const Answer made = go_through("redmine.create_user", user(login, login + "@example.org"), login);
        ASSERT_TRUE(made) << made.error().detail;
        EXPECT_EQ(made->at("created"), true) << login;
        const Answer member = go_through("redmine.add_member", {{"project", project}, {"user", login}}, login);
        ASSERT_TRUE(member) << member.error().detail;
        const Answer issue = go_through("redmine.create_issue", {{"project", project}, {"subject", login}}, login);
        ASSERT_TRUE(issue) << issue.error().detail;
        const Answer said = go_through("redmine.comment", {{"issue", issue->at("id")}, {"text", "hello"}}, login);
        ASSERT_TRUE(said) << said.error().detail;
    }

    settings_.redmine.url = std::getenv("BATON_TEST_REDMINE_URL");
    const auto ask = [&](const std::string& path) {
        return json::parse(http::perform({"GET", settings_.redmine.url + path, {{"X-Redmine-API-Key", settings_.redmine.key}}}, {}).body);
    };
    EXPECT_EQ(ask("/users.json?status=&limit=100&name=" + name_ + "x").at("total_count"), people);
    EXPECT_EQ(ask("/projects/" + project + "/memberships.json?limit=100").at("total_count"), people);
    const json::value issues = ask("/issues.json?limit=100&project_id=" + project);
    EXPECT_EQ(issues.at("total_count"), people);
    for (const json::value& issue : issues.at("issues").as_array()) {
        const json::value whole = ask(fmt::format("/issues/{}.json?include=journals", issue.at("id").as_int64()));
        EXPECT_EQ(whole.at("issue").at("journals").as_array().size(), 1U);
    }
    const Answer one = perform("redmine.find_user", {{"login", name_ + "x7"}});
    EXPECT_EQ(one->at("groups").as_array().size(), 1U);
}

TEST_F(RealRedmineTest, UserIsUpdatedAndMovedBetweenGroups) {
    ASSERT_TRUE(perform("redmine.create_user", user(name_, mail())));

    const Answer updated = perform("redmine.update_user", {{"login", name_}, {"last_name", "Byron"}, {"mail", "new." + mail()}});
    ASSERT_TRUE(updated) << updated.error().detail;
    EXPECT_EQ(updated->at("lastname"), "Byron");
    EXPECT_EQ(updated->at("mail"), json::value("new." + mail()));
    const Answer left = perform("redmine.leave_groups", {{"user", name_}, {"groups", "everyone " + name_}});
    ASSERT_TRUE(left) << left.error().detail;
    EXPECT_EQ(left->at("left").as_array().size(), 1U);
    EXPECT_EQ(perform("redmine.join_groups", {{"user", name_}, {"groups", "everyone " + name_}})->at("joined").as_array().size(), 1U);
    EXPECT_EQ(perform("redmine.join_groups", {{"user", name_}, {"groups", "everyone " + name_}})->at("joined").as_array().size(), 0U);
}

TEST_F(RealRedmineTest, ProjectMemberAndIssueAreMadeOnce) {
    const Answer made = perform("redmine.create_user", user(name_, mail()));
    ASSERT_TRUE(made) << made.error().detail;
    for (const char* key : {"k1", "k1", "k2"}) {
        const bool is_first = std::string_view(key) == "k1";
        const Answer project = perform("redmine.create_project",
                                       {{"name", "P " + name_}, {"identifier", "p" + name_}, {"trackers", json::array{"Bug", "Support"}}}, key);
        ASSERT_TRUE(project) << project.error().detail;
        EXPECT_EQ(project->at("created"), is_first);
        const Answer member = perform("redmine.add_member", {{"project", project->at("id")},
                                                             {"user", made->at("id")},
                                                             {"role", "developer"}}, key);
        ASSERT_TRUE(member) << member.error().detail;
        EXPECT_EQ(member->at("created"), is_first);
    }
    const std::string project = "p" + name_;
    EXPECT_EQ(perform("redmine.set_roles", {{"project", project}, {"user", name_}, {"roles", json::array{"Manager", "Reporter"}}})->at("changed"), true);
    EXPECT_EQ(perform("redmine.set_roles", {{"project", project}, {"user", name_}, {"roles", json::array{"Reporter", "Manager"}}})->at("changed"), false);
    const json::object wish{{"project", project}, {"subject", "[x] y: z & more | \"q\" 'q'"}, {"tracker", "support"},
                            {"priority", "High"}, {"assignee", mail()}, {"watchers", json::array{json::string(name_)}},
                            {"attachments", json::array{json::object{{"name", "a b.txt"}, {"type", "text/plain"}, {"content", "aGVsbG8="}}}}};
    const Answer issue = perform("redmine.create_issue", wish, name_);
    ASSERT_TRUE(issue) << issue.error().detail;
    EXPECT_EQ(perform("redmine.create_issue", wish, name_)->at("id"), issue->at("id"));
    EXPECT_NE(perform("redmine.create_issue", wish, name_ + "2")->at("id"), issue->at("id"));
    for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(perform("redmine.comment", {{"issue", issue->at("id")}, {"text", "hi"}}, name_ + "c"));
        const Answer updated = perform("redmine.update_issue", {{"issue", issue->at("id")}, {"status", "In Progress"}, {"text", "begun"}}, name_ + "u");
        ASSERT_TRUE(updated) << updated.error().detail;
    }
    EXPECT_EQ(perform("redmine.lock_user", {{"user", name_}})->at("open_issues"), 2);
    const Answer closed = perform("redmine.close_issue", {{"issue", issue->at("id")}, {"text", "done"}}, name_ + "x");
    ASSERT_TRUE(closed) << closed.error().detail;
    const Answer shown = perform("redmine.find_issue", {{"issue", issue->at("id")}});
    EXPECT_EQ(shown->at("closed"), true);
    EXPECT_EQ(shown->at("tracker"), "Support");
    EXPECT_EQ(shown->at("priority"), "High");
    const http::Response raw = http::perform({"GET", fmt::format("{}/issues/{}.json?include=journals,watchers,attachments",
                                                                 settings_.redmine.url, issue->at("id").as_int64()),
                                              {{"X-Redmine-API-Key", settings_.redmine.key}}}, {});
    const json::value whole = json::parse(raw.body).at("issue");
    int comments = 0;
    for (const json::value& journal : whole.at("journals").as_array())
        comments += journal.at("notes").as_string().empty() ? 0 : 1;
    EXPECT_EQ(comments, 3);
    EXPECT_EQ(whole.at("attachments").at(0).at("filename"), "a b.txt");
    EXPECT_EQ(whole.at("watchers").as_array().empty(), false);
    EXPECT_EQ(perform("redmine.remove_member", {{"project", project}, {"user", name_}})->at("removed"), true);
    EXPECT_EQ(perform("redmine.remove_member", {{"project", project}, {"user", name_}})->at("removed"), false);

    ASSERT_TRUE(perform("redmine.update_project", {{"project", project}, {"state", "closed"}}));
    EXPECT_EQ(perform("redmine.find_project", {{"project", project}})->at("closed"), true);
    EXPECT_EQ(perform("redmine.comment", {{"issue", issue->at("id")}, {"text", "late"}}, "late").error().type, "forbidden");
    ASSERT_TRUE(perform("redmine.update_project", {{"project", project}, {"state", "archived"}}));
    EXPECT_EQ(perform("redmine.find_project", {{"project", project}}).error().type, "forbidden");
    ASSERT_TRUE(perform("redmine.update_project", {{"project", project}, {"state", "open"}, {"description", "again"}}))
        << "an archived project cannot be described before it is opened";
}

} // namespace
} // namespace baton::workers
