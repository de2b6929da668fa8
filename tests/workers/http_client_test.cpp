// One HTTP call between a caller and a target that misbehaves: what is sent how often, and what the caller
// is told about it.
#include "faulty_proxy.hpp"
#include "support.hpp"

#include "workers/http/http_client.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <ctime>

namespace baton::workers::http {
namespace {

using test::FaultyProxy;
using test::Misbehaviour;
using Kind = Misbehaviour::Kind;

class HttpClientTest : public test::WithSandbox {
protected:
    HttpClientTest() : proxy_(settings_.redmine.url) { limits_.total = std::chrono::milliseconds(300); }

    Response ask(const std::string& method, const std::string& path, const std::string& body = {}) {
        return http::perform({method, proxy_.url() + path,
                        {{"X-Redmine-API-Key", settings_.redmine.key}, {"Content-Type", "application/json"}},
                        body},
                       limits_);
    }
    Response make_group(const std::string& name) {
        return ask("POST", "/groups.json", R"({"group":{"name":")" + name + "\"}}");
    }
    std::size_t asked(const std::string& call) {
        const auto all = proxy_.asked();
        return static_cast<std::size_t>(
            std::count_if(all.begin(), all.end(), [&](const std::string& one) { return one.starts_with(call); }));
    }

    FaultyProxy proxy_;
    Limits limits_;
};

TEST_F(HttpClientTest, AWriteIsSentOnceThoughItsConnectionBreaks) {
    for (const bool is_after : {false, true}) {
        proxy_.heal();
        ASSERT_EQ(ask("GET", "/groups.json").status, 200);   // leaves a connection that could be used again
        const std::size_t before = asked("POST /groups");
        proxy_.add({.call = "POST /groups", .kind = Kind::drop, .is_after = is_after});

        const Response response = make_group(is_after ? "after" : "before");

        EXPECT_EQ(response.trouble, Trouble::broken);
        EXPECT_TRUE(response.may_have_happened);
        EXPECT_EQ(asked("POST /groups"), before + 1);
    }
    EXPECT_EQ(count("redmine_groups"), 1U);
}

TEST_F(HttpClientTest, ALateAnswerIsNobodysAnswer) {
    ASSERT_EQ(ask("GET", "/groups.json").status, 200);
    proxy_.add({.call = "GET /users.json", .kind = Kind::late, .pause = std::chrono::milliseconds(500)});

    EXPECT_EQ(ask("GET", "/users.json?name=ada").trouble, Trouble::timed_out);

    EXPECT_NE(ask("GET", "/groups.json").body.find("groups"), std::string::npos);
}

TEST_F(HttpClientTest, KnowsWhenARequestMayHaveHadItsEffect) {
    struct Row {
        Misbehaviour fault;
        bool may_have_happened;
    };
    const std::vector<Row> rows{
        {{.kind = Kind::drop}, true},
        {{.kind = Kind::half}, true},
        {{.kind = Kind::silence}, true},
        {{.kind = Kind::noise}, true},
        {{.status = 408}, true},
        {{.is_after = true, .status = 500}, true},
        {{.status = 502}, true},
        {{.status = 504}, true},
        {{.status = 429}, false},
        {{.status = 422}, false},
        {{.status = 302}, false},
    };
    for (Row row : rows) {
        row.fault.call = "POST /groups";
        proxy_.heal();
        proxy_.add(row.fault);
        EXPECT_EQ(make_group("x").may_have_happened, row.may_have_happened)
            << row.fault.status << ' ' << static_cast<int>(row.fault.kind);
    }
    const Response refused = http::perform({"POST", "http://127.0.0.1:1/", {}, "x"}, limits_);
    EXPECT_EQ(refused.trouble, Trouble::unreachable);
    EXPECT_FALSE(refused.may_have_happened);
}

TEST_F(HttpClientTest, RetryAfterIsSecondsOrADate) {
    const auto after = [&](const std::string& value) {
        proxy_.heal();
        proxy_.add({.call = "GET", .status = 429, .headers = {{"Retry-After", value}}});
        return ask("GET", "/users.json").retry_after;
    };
    const auto date = [](std::chrono::seconds from_now, const char* form) {
        const std::time_t then = std::time(nullptr) + from_now.count();
        char text[64];
        std::strftime(text, sizeof text, form, std::gmtime(&then));
        return std::string(text);
    };
    EXPECT_EQ(after("3"), std::chrono::seconds(3));
    for (const char* form : {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"}) {
        const auto wait = after(date(std::chrono::seconds(90), form));
        ASSERT_TRUE(wait) << form;
        EXPECT_GT(*wait, std::chrono::seconds(85)) << form;
        EXPECT_LE(*wait, std::chrono::seconds(90)) << form;
    }
    EXPECT_EQ(after(date(std::chrono::hours(-1), "%a, %d %b %Y %H:%M:%S GMT")), std::nullopt);
    EXPECT_EQ(after("soon"), std::nullopt);
    EXPECT_EQ(after("99999999"), std::chrono::hours(24));
}

TEST_F(HttpClientTest, ARedirectIsAConfigurationThatSaysWhereItPoints) {
    proxy_.add({.call = "POST /groups", .status = 302, .headers = {{"Location", "https://elsewhere.example/groups.json"}}});

    const auto problem = common_problem("Redmine", make_group("x"));

    ASSERT_TRUE(problem);
    EXPECT_EQ(problem->type, "redirected");
    EXPECT_FALSE(problem->is_attempt);
    EXPECT_NE(problem->detail.find("https://elsewhere.example/groups.json"), std::string::npos);
}

TEST_F(HttpClientTest, WhatIsNoJsonIsQuoted) {
    proxy_.add({.call = "GET", .status = 200, .headers = {{"Content-Type", "text/plain"}}, .body = "\x01whoops, a very long "
                "explanation that nobody will ever want to read to its end"});
    const contract::Problem garbage = not_the_api("Redmine", ask("GET", "/users.json"));
    EXPECT_EQ(garbage.type, "bad_answer");
    EXPECT_TRUE(garbage.is_attempt);
    EXPECT_NE(garbage.detail.find("whoops, a very"), std::string::npos) << garbage.detail;
    EXPECT_NE(garbage.detail.find("text/plain"), std::string::npos);
    EXPECT_EQ(garbage.detail.find("to its end"), std::string::npos);

    proxy_.heal();
    proxy_.add({.call = "GET", .status = 200, .headers = {{"Content-Type", "text/html; charset=utf-8"}},
                .body = "<html><form action=/login>"});
    const contract::Problem page = not_the_api("Redmine", ask("GET", "/users.json"));
    EXPECT_EQ(page.type, "not_the_api");
    EXPECT_FALSE(page.is_attempt);
    EXPECT_NE(page.detail.find("<form action=/login>"), std::string::npos);
}

} // namespace
} // namespace baton::workers::http
