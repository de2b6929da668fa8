// Each route of Baton's own asks for a tag, and what another web site sends is refused.
#include "web/api.hpp"
#include "web/login.hpp"
#include "web/routes.hpp"
#include "web/run_api.hpp"
#include "web/same_site.hpp"

#include "base/base64.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <map>
#include <vector>

namespace baton::web {
namespace {

const std::map<std::string, Level> own_routes{
    {"GET /api/workflows", Level::viewer},          {"POST /api/workflows", Level::deploying},
    {"DELETE /api/workflows/{workflow}", Level::deploying},
    {"POST /api/runs", Level::operating},           {"GET /api/runs", Level::viewer},
    {"GET /api/runs/{run}", Level::viewer},         {"GET /api/runs/{run}/history", Level::viewer},
    {"POST /api/runs/{run}/cancel", Level::operating}, {"POST /api/runs/{run}/retry", Level::operating},
    {"GET /api/counts", Level::viewer},             {"GET /api/metrics", Level::viewer},
    {"GET /api/incidents", Level::viewer},
    {"GET /api/dead", Level::viewer},               {"GET /api/dead/{id}", Level::viewer},
    {"POST /api/dead/{id}/redrive", Level::operating}, {"DELETE /api/dead/{id}", Level::operating},
    {"POST /api/call", Level::operating},            {"POST /api/backup", Level::admin},
};

// Tag → what it reaches of viewer, operating, deploying, admin.
struct Row {
    const char* tag;
    bool reached[4];
};
const Row rows[] = {
    {"", {false, false, false, false}},
    {"management", {false, false, false, false}},
    {"policymaker", {false, false, false, false}},
    {"monitoring", {true, false, false, false}},
    {"baton-viewer", {true, false, false, false}},
    {"baton-operator", {true, true, false, false}},
    {"baton-deployer", {true, false, true, false}},
    {"baton-admin", {true, true, true, true}},
    {"administrator", {true, true, true, true}},
};
constexpr Level levels[] = {Level::viewer, Level::operating, Level::deploying, Level::admin};

Response answer_of(const Web& api, Request request) {
    request.has_body = !request.body.empty();
    if (auto refusal = api.admit(request)) return *refusal;
    boost::asio::io_context io;
    Response answer;
    boost::asio::co_spawn(io, api.handler(std::move(request)), [&](const std::exception_ptr& failure, Response response) {
        if (failure) std::rethrow_exception(failure);
        answer = std::move(response);
    });
    io.run();
    return answer;
}

Request request_for(std::string method, std::string path) {
    Request request;
    request.method = std::move(method);
    request.path = std::move(path);
    request.host = "127.0.0.1:15672";
    request.authorization = "Basic " + base64_of("ada:secret");
    request.remote_address = "10.0.0.7";
    return request;
}

ApiParts parts_for(std::vector<std::string> tags, std::vector<Act>& acts) {
    ApiParts parts;
    parts.authenticate = [tags](const std::string& user, const std::string& password, bool, const std::string&) -> std::optional<Login> {
        if (password != "secret") return std::nullopt;
        return Login{user, tags};
    };
    parts.audit = [&acts](const Act& act) { acts.push_back(act); };
    return parts;
}

TEST(Roles, EveryRouteOfOursAsksForTheTagThatTheTableSays) {
    Routes routes;
    const auto parts = std::make_shared<const ApiParts>();
    add_run_routes(routes, parts);
    add_task_routes(routes, parts);

    for (const auto& route : routes.all()) {
        const auto expected = own_routes.find(route.method + " " + route.pattern);
        ASSERT_NE(expected, own_routes.end()) << route.pattern << " is not in the table";
        EXPECT_EQ(route.level, expected->second) << route.method << " " << route.pattern;
    }
    EXPECT_EQ(routes.all().size(), own_routes.size());
}

TEST(Roles, ATagReachesWhatTheTableSays) {
    for (const Row& row : rows)
        for (std::size_t i = 0; i < 4; ++i)
            EXPECT_EQ(reaches({"ada", {row.tag}}, levels[i]), row.reached[i]) << row.tag << " " << i;
}

TEST(Roles, WhoMayNotGets403OnEachRouteAndStandsInTheAudit) {
    for (const Row& row : rows)
        for (const auto& [route, level] : own_routes) {
            if (reaches({"ada", {row.tag}}, level)) continue;
            std::vector<Act> acts;
            const auto space = route.find(' ');
            const auto answer = answer_of(make_api(parts_for({row.tag}, acts)),
                                          request_for(route.substr(0, space), route.substr(space + 1)));
            EXPECT_EQ(answer.status, 403u) << row.tag << " " << route;
            ASSERT_EQ(acts.size(), 1u) << row.tag << " " << route;
            EXPECT_EQ(acts[0].actor, "ada");
            EXPECT_EQ(acts[0].address, "10.0.0.7");
            EXPECT_EQ(acts[0].outcome, 403u);
        }
}

TEST(SameSite, AFormOfAnotherSiteStartsNothing) {
    std::vector<Act> acts;
    const auto api = make_api(parts_for({"administrator"}, acts));
    auto request = request_for("POST", "/api/runs");
    request.body = R"({"workflow":"a"})";
    request.content_type = "text/plain";
    EXPECT_EQ(answer_of(api, request).status, 415u);
    request.content_type = "";
    EXPECT_EQ(answer_of(api, request).status, 415u);
    request.content_type = "application/json; charset=utf-8";
    request.origin = "http://evil.example";
    EXPECT_EQ(answer_of(api, request).status, 403u);
    request.origin = "null";
    EXPECT_EQ(answer_of(api, request).status, 403u);
    request.origin = "";
    for (const char* site : {"cross-site", "same-site"}) {
        request.fetch_site = site;
        EXPECT_EQ(answer_of(api, request).status, 403u) << site;
    }
    request.fetch_site = "same-origin";
    request.origin = "http://rebound.example:15672";
    request.host = "rebound.example:15672";
    EXPECT_EQ(answer_of(api, request).status, 421u);
    EXPECT_EQ(acts.size(), 7u);
}

TEST(SameSite, OurOwnPageAndProgramsAreLetThrough) {
    auto request = request_for("POST", "/api/runs");
    request.body = "{}";
    request.content_type = "application/json; charset=utf-8";
    EXPECT_FALSE(refuses_foreign(request, {}));
    request.origin = "http://127.0.0.1:15672";
    request.fetch_site = "same-origin";
    EXPECT_FALSE(refuses_foreign(request, {}));
    request.origin = "https://Baton.Example";
    request.host = "baton.example";
    EXPECT_TRUE(refuses_foreign(request, {}));
    EXPECT_FALSE(refuses_foreign(request, {"baton.example"}));
}

TEST(SameSite, AnAddressOrALoopbackNameIsOurs) {
    for (const char* host : {"localhost:15672", "LOCALHOST", "127.0.0.1", "[::1]:15672", "10.1.2.3:80", "localhost."})
        EXPECT_TRUE(is_own_host(host, {})) << host;
    for (const char* host : {"evil.example", "127.0.0.1.evil.example", "localhost.evil.example:15672", "1.2.3.4.nip.io"})
        EXPECT_FALSE(is_own_host(host, {})) << host;
}

TEST(SameSite, ABrowsersScriptIsNotAskedForAPassword) {
    std::vector<Act> acts;
    const auto api = make_api(parts_for({}, acts));
    auto request = request_for("GET", "/api/runs");
    request.authorization = "";
    EXPECT_TRUE(answer_of(api, request).headers.contains("WWW-Authenticate"));
    request.fetch_mode = "cors";
    EXPECT_FALSE(answer_of(api, request).headers.contains("WWW-Authenticate"));
}

} // namespace
} // namespace baton::web
