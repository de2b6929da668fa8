// Sessions of browsers: their store, and what the API does with the cookie.
#include "base/base64.hpp"
#include "web/access/sessions.hpp"
#include "web/access/tokens.hpp"
#include "web/api.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <exception>

namespace baton::web {
namespace {

using testing::HasSubstr;
using testing::Not;

const Time now = time_from_micros(1'800'000'000'000'000);

TEST(Sessions, EndWithTheirTimeAndByHand) {
    Sessions sessions;
    const auto ada = sessions.begin("ada", "mark", now);
    const auto bob = sessions.begin("bob", "mark", now);
    ASSERT_TRUE(ada && bob);
    EXPECT_EQ(ada->size(), 43U);
    EXPECT_NE(*ada, *bob);

    EXPECT_EQ(sessions.find(*ada, now)->user, "ada");
    EXPECT_EQ(sessions.find("nobody's", now), nullptr);
    sessions.end(*bob);
    EXPECT_EQ(sessions.find(*bob, now), nullptr);
    EXPECT_EQ(sessions.find(*ada, now + Sessions::length), nullptr);
}

TEST(Sessions, AreListedOfOneOrOfAllAndEndByTheirNumber) {
    Sessions sessions;
    const auto ada = sessions.begin("ada", "mark", now, "10.0.0.1");
    const auto bob = sessions.begin("bob", "mark", now, "10.0.0.2");
    const auto again = sessions.begin("ada", "mark", now + std::chrono::minutes(1), "10.0.0.3");
    ASSERT_TRUE(ada && bob && again);

    const auto own = sessions.list("ada", now);
    ASSERT_EQ(own.size(), 2U);
    EXPECT_EQ(own[0].address, "10.0.0.1");
    EXPECT_EQ(own[1].address, "10.0.0.3");
    EXPECT_EQ(own[1].began, now + std::chrono::minutes(1));
    EXPECT_EQ(sessions.list("", now).size(), 3U);

    sessions.end_number(own[0].number);
    EXPECT_EQ(sessions.find(*ada, now), nullptr);
    EXPECT_NE(sessions.find(*again, now), nullptr) << "the user's other one goes on";
    EXPECT_EQ(sessions.list("", now + Sessions::length + std::chrono::minutes(2)).size(), 0U);
}

TEST(Tokens, AreShownOnceKeptAsAHashAndEndWithTheirTime) {
    std::vector<StoredToken> kept;
    const auto keep = [&](const std::vector<StoredToken>& all) -> Outcome<void> {
        kept = all;
        return boost::system::in_place_value;
    };
    Tokens tokens({}, keep);
    const Time end = now + std::chrono::hours(24);
    const auto made = tokens.make("deploys", "ada", "deployer", end, now);
    ASSERT_TRUE(made) << made.error().detail;
    EXPECT_TRUE(is_token(made->token));
    std::string misread = made->token;
    misread[10] = misread[10] == 'x' ? 'y' : 'x';
    EXPECT_FALSE(is_token(misread)) << "its checksum says so";
    ASSERT_EQ(kept.size(), 1u);
    EXPECT_EQ(kept[0].hash.find(made->token), std::string::npos);
    EXPECT_NE(kept[0].hash, made->token);

    Tokens later(kept, keep); // the server was started again
    ASSERT_NE(later.find(made->token, now), nullptr);
    EXPECT_EQ(later.find(made->token, now)->user, "ada");
    EXPECT_EQ(kept[0].used_at, now);
    EXPECT_EQ(later.find(misread, now), nullptr);
    EXPECT_EQ(later.find(made->token, end), nullptr);
    EXPECT_TRUE(later.list("ada", end).empty());
    EXPECT_TRUE(later.end(made->stored.id));
    EXPECT_EQ(later.find(made->token, now), nullptr);
    EXPECT_TRUE(kept.empty());

    EXPECT_FALSE(tokens.make("x", "ada", "king", end, now));
    EXPECT_FALSE(tokens.make("x", "ada", "viewer", now, now));
    EXPECT_FALSE(
        tokens.make("x", "ada", "viewer", now + Tokens::length_max + std::chrono::hours(1), now));
}

TEST(Tokens, OneThatCannotBeKeptIsNoneAndOneThatCannotBeEndedGoesOn) {
    bool is_full = true;
    Tokens tokens({}, [&](const std::vector<StoredToken>&) -> Outcome<void> {
        if (is_full)
            return Failure{make_error_code(boost::system::errc::no_space_on_device), "full"};
        return boost::system::in_place_value;
    });
    EXPECT_FALSE(tokens.make("x", "ada", "viewer", now + std::chrono::hours(1), now));
    EXPECT_TRUE(tokens.list("", now).empty());
    is_full = false;
    const auto made = tokens.make("x", "ada", "viewer", now + std::chrono::hours(1), now);
    ASSERT_TRUE(made);
    is_full = true;
    EXPECT_FALSE(tokens.end(made->stored.id));
    EXPECT_NE(tokens.find(made->token, now), nullptr);
}

TEST(Tokens, AreNeverMoreThanTheirOwnerAndNeverMoreThanTheyAre) {
    const Login admin{"ada", {"administrator"}}, viewer{"ada", {"baton-viewer"}};
    EXPECT_TRUE(reaches(*narrowed(admin, "operator"), Level::operating));
    EXPECT_FALSE(reaches(*narrowed(admin, "operator"), Level::deploying));
    EXPECT_FALSE(reaches(*narrowed(admin, "admin"), Level::management))
        << "the broker is not a token's";
    EXPECT_FALSE(narrowed(viewer, "operator")) << "the tag was taken away since";
    EXPECT_TRUE(is_by_token(*narrowed(viewer, "viewer")));
    EXPECT_NE(tag_trouble("baton-token"), "") << "nobody can be given it";
}

TEST(Sessions, EndWhenNobodyUsesThem) {
    Sessions sessions;
    const auto ada = sessions.begin("ada", "mark", now);
    Time at = now;
    for (int i = 0; i < 3; ++i) {
        at += Sessions::idle - std::chrono::seconds(1);
        EXPECT_NE(sessions.find(*ada, at), nullptr) << "each use lets it last";
    }
    EXPECT_EQ(sessions.find(*ada, at + Sessions::idle), nullptr);
    EXPECT_EQ(sessions.find(*ada, at), nullptr) << "it does not come back";

    const auto bob = sessions.begin("bob", "mark", now);
    for (at = now; at < now + Sessions::length; at += std::chrono::minutes(20))
        EXPECT_NE(sessions.find(*bob, at), nullptr);
    EXPECT_EQ(sessions.find(*bob, now + Sessions::length), nullptr) << "however often it is used";
}

TEST(Sessions, WhoBeginsManyEndsTheOwnOldestOnly) {
    Sessions sessions;
    const auto bob = sessions.begin("bob", "mark", now);
    std::vector<std::string> adas;
    for (std::size_t number = 0; number < Sessions::of_one_user_max + 2; ++number)
        adas.push_back(*sessions.begin("ada", "mark", now));

    EXPECT_NE(sessions.find(*bob, now), nullptr);
    EXPECT_EQ(sessions.find(adas[0], now), nullptr);
    EXPECT_EQ(sessions.find(adas[1], now), nullptr);
    EXPECT_NE(sessions.find(adas[2], now), nullptr);
    EXPECT_NE(sessions.find(adas.back(), now), nullptr);
}

TEST(Sessions, AreFoundAmongOtherCookies) {
    EXPECT_EQ(session_in("", false), "");
    EXPECT_EQ(session_in("baton-session=x", false), "x");
    EXPECT_EQ(session_in("a=1; baton-session=x;b=2", false), "x");
    EXPECT_EQ(session_in("not-baton-session=x; baton-sessions=y", false), "");
    EXPECT_EQ(session_in("a=1; __Host-baton-session=x", true), "x");
    EXPECT_EQ(session_in("baton-session=y; __Host-baton-session=x", true), "x");
    EXPECT_EQ(session_in("baton-session=x", true), ""); // anybody of the domain may have set it
    EXPECT_EQ(session_in("__Host-baton-session=x", false), "");
    EXPECT_TRUE(session_cookie("x", true).starts_with("__Host-baton-session=x; Path=/;"));
    EXPECT_THAT(session_cookie("x", true), HasSubstr("HttpOnly; SameSite=Strict; Secure"));
    EXPECT_THAT(session_cookie("x", false), Not(HasSubstr("Secure")));
    EXPECT_THAT(session_cookie("", false), HasSubstr("Max-Age=0;"));
}

struct SessionApi : testing::Test {
    SessionApi() {
        ApiParts parts;
        parts.authenticate = [this](const std::string& user, const std::string& given, bool,
                                    const std::string&) -> std::optional<Login> {
            if (given != password) return std::nullopt;
            return Login{user, tags};
        };
        parts.find_user = [this](const std::string& user, bool) -> std::optional<KnownUser> {
            if (!exists) return std::nullopt;
            return KnownUser{{user, tags}, password};
        };
        parts.broker.baton_version = "9.9";
        api = make_api(std::move(parts));
    }

    Response ask(const std::string& method, const std::string& path, const std::string& cookie = {},
                 const std::string& basic = {}) {
        Request request;
        request.method = method;
        request.path = path;
        request.host = "127.0.0.1:15672";
        if (from_page) request.origin = "http://127.0.0.1:15672";
        request.cookies = cookie;
        if (!basic.empty()) request.authorization = "Basic " + base64_of(basic);
        if (auto refusal = api.admit(request)) return *refusal;
        boost::asio::io_context io;
        Response answer;
        boost::asio::co_spawn(io, api.handler(std::move(request)),
                              [&](const std::exception_ptr& failure, Response response) {
                                  if (failure) std::rethrow_exception(failure);
                                  answer = std::move(response);
                              });
        io.run();
        return answer;
    }
    std::string log_in() {
        const auto answer = ask("POST", "/api/login", {}, "ada:secret");
        EXPECT_EQ(answer.status, 200U) << answer.body;
        const auto cookie = answer.headers.at("Set-Cookie");
        return cookie.substr(0, cookie.find(';'));
    }

    std::string password = "secret";
    std::vector<std::string> tags{"baton-viewer"};
    bool exists = true;
    bool from_page = true;
    Web api;
};

TEST_F(SessionApi, ACookieStandsForThePasswordUntilTheSessionEnds) {
    const auto cookie = log_in();
    EXPECT_EQ(ask("GET", "/api/login", cookie).body, R"({"user":"ada","tags":["baton-viewer"]})");
    EXPECT_EQ(ask("GET", "/api/version", cookie).status, 200U);
    EXPECT_THAT(ask("GET", "/api/version", cookie).body, HasSubstr("9.9"));
    EXPECT_EQ(ask("POST", "/api/runs", cookie).status, 403U) << "not more than the user may";

    EXPECT_EQ(ask("DELETE", "/api/login", cookie).status, 204U);

    EXPECT_EQ(ask("GET", "/api/login", cookie).status, 401U);
    EXPECT_EQ(ask("GET", "/api/login", "baton-session=").status, 401U);
    EXPECT_EQ(ask("GET", "/api/login", "baton-session=guessed").status, 401U);
}

TEST_F(SessionApi, ItBeginsWithAPasswordOnly) {
    EXPECT_EQ(ask("POST", "/api/login", {}, "ada:wrong").status, 401U);
    EXPECT_EQ(ask("POST", "/api/login").status, 401U);
    EXPECT_EQ(ask("POST", "/api/login", log_in()).status, 400U)
        << "a session makes no other that lasts longer";
    tags.clear();
    EXPECT_EQ(ask("POST", "/api/login", {}, "ada:secret").status, 403U);
}

TEST_F(SessionApi, ItEndsWithItsUserAndItsPassword) {
    const auto first = log_in();
    password = "another";
    EXPECT_EQ(ask("GET", "/api/login", first).status, 401U);
    password = "secret";
    EXPECT_EQ(ask("GET", "/api/login", first).status, 401U) << "it does not come back";

    const auto second = log_in();
    tags = {"baton-admin"};
    EXPECT_THAT(ask("GET", "/api/login", second).body, HasSubstr("baton-admin"))
        << "tags are those of now";
    exists = false;
    EXPECT_EQ(ask("GET", "/api/login", second).status, 401U);
}

TEST_F(SessionApi, AChangeSaysWhereItComesFrom) {
    tags = {"administrator"};
    const auto cookie = log_in();
    from_page = false;
    EXPECT_EQ(ask("DELETE", "/api/login", cookie).status, 403U);
    EXPECT_EQ(ask("GET", "/api/login", cookie).status, 200U);
    from_page = true;
    EXPECT_EQ(ask("DELETE", "/api/login", cookie).status, 204U);
}

} // namespace
} // namespace baton::web
