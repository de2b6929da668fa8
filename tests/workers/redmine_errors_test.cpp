// What every answer means: each row of the table in workers/redmine/README.md is made to happen, when the
// worker looks and when it writes, before and after Redmine has done it. The table there is what came out;
// BATON_UPDATE_TABLES=1 writes it anew.
#include "faulty_proxy.hpp"
#include "readme_table.hpp"
#include "support.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>


namespace baton::workers::test {
namespace {

namespace json = boost::json;
using Kind = Misbehaviour::Kind;

struct RedmineRow {
    std::string what;
    Misbehaviour fault;
    bool can_follow_the_effect = false;
    bool is_everywhere = false;             // also when the worker asks who it is
};

std::vector<RedmineRow> redmine_rows() {
    const std::string page = "<html><body>a page</body></html>";
    return {
        {"401", {.status = 401}},
        {"403 to everything", {.status = 403}, false, true},
        {"403 to this call only", {.status = 403}},
        {"404 without a body", {.status = 404}},
        {"404 with a page", {.status = 404, .headers = of_type("text/html"), .body = page}},
        {"400, 406, 412, 415", {.status = 400}},
        {"413", {.status = 413}},
        {"422 with texts", {.status = 422, .headers = of_type("application/json"), .body = R"({"errors":["Login is invalid"]})"}},
        {"429", {.status = 429}},
        {"429 with `Retry-After`", {.status = 429, .headers = {{"Retry-After", "7"}}}},
        {"503 with `Retry-After`", {.status = 503, .headers = {{"Retry-After", "7"}}}, true},
        {"3xx", {.status = 302, .headers = {{"Location", "https://elsewhere.example/"}}}, true},
        {"2xx with a page (a log-in)", {.status = 200, .headers = of_type("text/html"), .body = page}, true},
        {"2xx with anything else that is no JSON", {.status = 200, .headers = of_type("application/json"), .body = "{\"us"}, true},
        {"408", {.status = 408}, true},
        {"425", {.status = 425}},
        {"500", {.status = 500, .headers = of_type("application/json"), .body = R"({"status":500,"error":"Internal Server Error"})"}, true},
        {"502", {.status = 502}, true},
        {"503", {.status = 503}, true},
        {"504", {.status = 504}, true},
        {"no HTTP", {.kind = Kind::noise}, true},
        {"the connection ends without an answer", {.kind = Kind::drop, .times = 2}, true},
        {"the answer ends in its middle", {.kind = Kind::half}, true},
        {"no answer in time", {.kind = Kind::silence}, true},
    };
}

// As the README says it.
std::string redmine_words(const Answer& answer) {
    if (answer) return answer->at("created").as_bool() ? "done" : "found";
    return test::in_words(answer.error());
}

class RedmineErrorsTest : public WithSandbox {
protected:
    RedmineErrorsTest() : proxy_(settings_.redmine.url) {
        settings_.redmine.url = proxy_.url();
        settings_.redmine.limits.total = std::chrono::milliseconds(400);
    }

    // Makes one user with the fault in the way of `call`.
    Answer create(const RedmineRow& row, const std::string& call, bool is_after, const std::string& login) {
        proxy_.heal();
        Misbehaviour fault = row.fault;
        fault.call = call;
        fault.is_after = is_after;
        proxy_.add(fault);
        if (row.is_everywhere) proxy_.add({.call = "GET /users/current", .status = row.fault.status});
        Answer answer = perform("redmine.create_user",
                                fmt::format(R"({{"login":"{0}","mail":"{0}@example.org"}})", login));
        proxy_.heal();
        return answer;
    }
    std::size_t users_named(const std::string& login) {
        std::size_t found = 0;
        const json::object all = state();
        for (const json::value& user : all.at("redmine_users").as_array())
            found += user.at("login") == json::value(login) ? 1 : 0;
        return found;
    }

    FaultyProxy proxy_;
};

TEST_F(RedmineErrorsTest, EveryAnswerMeansWhatTheReadmeSays) {
    tell("/sandbox/seed", R"({"redmine_users":[{"login":"zed","mail":"zed@example.org"}]})");
    std::string table = "| Redmine, or what is in front of it, answers | while looking | to a write | to a write that it has done |\n"
                        "|---|---|---|---|\n";
    int number = 0;
    for (const RedmineRow& row : redmine_rows()) {
        SCOPED_TRACE(row.what);
        const std::string login = fmt::format("u{}", ++number);
        const Answer looking = create(row, "GET /users.json", false, login);
        EXPECT_FALSE(looking);
        EXPECT_EQ(users_named(login), 0U);
        const Answer writing = create(row, "POST /users.json", false, login);
        // A cut answer is one that Redmine gave.
        const bool was_done = row.fault.kind == Kind::half;
        EXPECT_EQ(users_named(login), was_done ? 1U : 0U);
        EXPECT_EQ(writing.has_value(), was_done);
        std::string after = "–";
        if (row.can_follow_the_effect) {
            const std::string other = login + "x";
            const Answer done = create(row, "POST /users.json", true, other);
            after = redmine_words(done);
            EXPECT_EQ(users_named(other), 1U);
            perform("redmine.create_user", fmt::format(R"({{"login":"{0}","mail":"{0}@example.org"}})", other));
            EXPECT_EQ(users_named(other), 1U);
        }
        // Whatever it was, it passes.
        const Answer healed = perform("redmine.create_user", fmt::format(R"({{"login":"{0}","mail":"{0}@example.org"}})", login));
        EXPECT_TRUE(healed) << healed.error().detail;
        EXPECT_EQ(users_named(login), 1U);
        table += fmt::format("| {} | {} | {} | {} |\n", row.what, redmine_words(looking), redmine_words(writing), after);
    }
    expect_table("redmine", "answers", table);
}

TEST_F(RedmineErrorsTest, AKeyThatIsNoAdministratorsIsTheWorkersFault) {
    proxy_.add({.call = "POST /users.json", .status = 403});
    proxy_.add({.call = "GET /users/current", .status = 200, .headers = of_type("application/json"),
                .body = R"({"user":{"id":9,"login":"bob","admin":false}})"});

    const Answer answer = perform("redmine.create_user", R"({"login":"ada","mail":"ada@example.org"})");

    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().type, "unauthorized");
    EXPECT_FALSE(answer.error().is_attempt);
    EXPECT_NE(answer.error().detail.find("'bob'"), std::string::npos);
}

TEST_F(RedmineErrorsTest, AnArchivedProjectIsTheRequestsFault) {
    ASSERT_TRUE(perform("redmine.create_project", R"({"name":"Old","identifier":"old"})"));
    ASSERT_TRUE(perform("redmine.update_project", R"({"project":"old","state":"archived"})"));

    const Answer answer = perform("redmine.find_project", R"({"project":"old"})");

    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().type, "forbidden");
    EXPECT_FALSE(answer.error().retryable);
    ASSERT_TRUE(perform("redmine.update_project", R"({"project":"old","state":"open"})"));
    EXPECT_TRUE(perform("redmine.find_project", R"({"project":"old"})"));
}

} // namespace
} // namespace baton::workers::test
