// The tasks of worker redmine against a real Redmine with a throwaway database. Opt-in:
//   BATON_TEST_REDMINE_URL=http://127.0.0.1:3000 BATON_TEST_REDMINE_KEY=<key of an administrator>
#include "base/random.hpp"
#include "workers/settings.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <future>
#include <thread>
#include <vector>

namespace baton::workers {
namespace {

namespace json = boost::json;

class RealRedmineTest : public testing::Test {
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
    }

    // As a workflow would: what may work later is tried again.
    Answer persist(const std::string& task, const json::object& with) {
        for (int attempt = 0; attempt < 20; ++attempt) {
            Answer answer = perform(task, with);
            if (answer || !answer.error().retryable) return answer;
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
        }
        return perform(task, with);
    }

    Answer perform(const std::string& task, const json::object& with, const std::string& key = {}) {
        const auto handlers = handlers_of("redmine", settings_);
        if (!handlers) return permanent("test", handlers.error().detail);
        for (const Handler& handler : *handlers) {
            if (handler.task != task) continue;
            Task one;
            one.request.idempotency_key = key;
            one.with = with;
            return handler.perform(one);
        }
        return permanent("test", "no handler");
    }
    json::object user(const std::string& login, const std::string& mail) {
        return {{"login", login}, {"mail", mail}, {"groups", json::array{"everyone " + name_}}};
    }

    Settings settings_;
    std::string name_;
};

TEST_F(RealRedmineTest, UserIsMadeOnceLockedAndUnlocked) {
    const json::object wish = user(name_, name_ + ".test@example.org");

    const Answer made = perform("redmine.create_user", wish);
    ASSERT_TRUE(made) << made.error().detail;
    EXPECT_EQ(made->at("created"), true);
    const Answer again = perform("redmine.create_user", wish);
    ASSERT_TRUE(again) << again.error().detail;
    EXPECT_EQ(again->at("id"), made->at("id"));
    EXPECT_EQ(again->at("created"), false);

    const Answer locked = perform("redmine.lock_user", {{"id", made->at("id")}});
    ASSERT_TRUE(locked) << locked.error().detail;
    EXPECT_EQ(locked->at("locked"), true);
    EXPECT_EQ(locked->at("open_issues"), 0);
    const Answer back = perform("redmine.create_user", wish);
    ASSERT_TRUE(back) << back.error().detail;
    EXPECT_EQ(back->at("id"), made->at("id"));
    EXPECT_EQ(perform("redmine.lock_user", {{"mail", name_ + ".test@example.org"}})->at("locked"), true);
    EXPECT_EQ(perform("redmine.lock_user", {{"id", 99999999}})->at("locked"), false);
}

TEST_F(RealRedmineTest, RefusalsAreClassified) {
    ASSERT_TRUE(perform("redmine.create_user", user(name_, name_ + "@example.org")));

    const Answer conflict = perform("redmine.create_user", user(name_, "other@example.org"));
    ASSERT_FALSE(conflict);
    EXPECT_EQ(conflict.error().type, "conflict");
    const Answer taken = perform("redmine.create_user", user(name_ + "x", name_ + "@example.org"));
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().type, "invalid_input");
    EXPECT_NE(taken.error().detail.find("Email has already been taken"), std::string::npos);
    EXPECT_EQ(perform("redmine.create_user", user("a b", "x@example.org")).error().type, "invalid_input");
    settings_.redmine.key = "wrong";
    EXPECT_EQ(perform("redmine.create_user", user(name_, name_ + "@example.org")).error().type,
              "unauthorized");
}

TEST_F(RealRedmineTest, EightAtOnceMakeOneUser) {
    const json::object wish{{"login", name_}, {"mail", name_ + "@example.org"}};
    std::vector<std::future<Answer>> answers;
    for (int i = 0; i < 8; ++i)
        answers.push_back(
            std::async(std::launch::async, [&] { return persist("redmine.create_user", wish); }));

    std::vector<json::value> ids;
    for (auto& answer : answers) {
        const Answer one = answer.get();
        ASSERT_TRUE(one) << one.error().detail;
        ids.push_back(one->at("id"));
    }
    for (const json::value& id : ids) EXPECT_EQ(id, ids.front());
    // Whoever lost a race has removed what he made.
    const Answer later = perform("redmine.create_user", wish);
    ASSERT_TRUE(later) << later.error().detail;
    EXPECT_EQ(later->at("id"), ids.front());
}

TEST_F(RealRedmineTest, ProjectMemberAndIssueAreMadeOnce) {
    const Answer made = perform("redmine.create_user", user(name_, name_ + "@example.org"));
    ASSERT_TRUE(made) << made.error().detail;
    for (int i = 0; i < 2; ++i) {
        const Answer project =
            perform("redmine.create_project", {{"name", "P " + name_}, {"identifier", "p" + name_}});
        ASSERT_TRUE(project) << project.error().detail;
        EXPECT_EQ(project->at("created"), i == 0);
        const Answer member = perform("redmine.add_member", {{"project", project->at("id")},
                                                             {"user", made->at("id")},
                                                             {"role", "developer"}});
        ASSERT_TRUE(member) << member.error().detail;
        EXPECT_EQ(member->at("created"), i == 0);
        const Answer issue = perform("redmine.create_issue",
                                     {{"project", "p" + name_}, {"subject", "[x] y: z & more"}}, name_);
        ASSERT_TRUE(issue) << issue.error().detail;
        EXPECT_EQ(issue->at("created"), i == 0);
        if (i == 0) EXPECT_TRUE(perform("redmine.comment", {{"issue", issue->at("id")}, {"text", "hi"}}));
    }
}

} // namespace
} // namespace baton::workers
