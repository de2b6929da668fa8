// Each route of Baton's own asks for a tag, and what another web site sends is refused.
#include "base/base64.hpp"
#include "web/access/login.hpp"
#include "web/api.hpp"
#include "web/http/routes.hpp"
#include "web/http/same_site.hpp"
#include "web/runs/run_api.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <map>
#include <vector>

namespace baton::web {
namespace {

const std::map<std::string, Level> own_routes{
    {"GET /api/workflows", Level::viewer},
    {"POST /api/workflows", Level::deploying},
    {"DELETE /api/workflows/{workflow}", Level::deploying},
    {"POST /api/runs", Level::operating},
    {"GET /api/runs", Level::viewer},
    {"GET /api/runs/{run}", Level::viewer},
    {"GET /api/runs/{run}/history", Level::viewer},
    {"POST /api/runs/{run}/cancel", Level::operating},
    {"POST /api/runs/{run}/retry", Level::operating},
    {"GET /api/counts", Level::viewer},
    {"GET /api/metrics", Level::viewer},
    {"GET /api/incidents", Level::viewer},
    {"POST /api/runs/{run}/finish", Level::operating},
    {"POST /api/runs/{run}/skip-undo", Level::operating},
    {"POST /api/runs/{run}/terminate", Level::operating},
    {"POST /api/runs/{run}/pause", Level::operating},
    {"POST /api/runs/{run}/resume", Level::operating},
    {"POST /api/runs/{run}/skip", Level::operating},
    {"POST /api/runs/{run}/set-output", Level::operating},
    {"POST /api/runs/{run}/edit-input", Level::operating},
    {"POST /api/runs/{run}/rerun", Level::operating},
    {"POST /api/runs/{run}/mend", Level::operating},
    {"POST /api/workflows/{workflow}/pause", Level::operating},
    {"POST /api/workflows/{workflow}/resume", Level::operating},
    {"POST /api/tasks/{task}/pause", Level::operating},
    {"POST /api/tasks/{task}/resume", Level::operating},
    {"GET /api/pauses", Level::viewer},
    {"GET /api/orchestrators", Level::viewer},
    {"POST /api/drain", Level::admin},
    {"POST /api/runs/{run}/signal", Level::operating},
    // Whether somebody is asked, the step says.
    {"POST /api/runs/{run}/approve", Level::viewer},
    {"POST /api/runs/{run}/reject", Level::viewer},
    {"GET /api/schedules", Level::viewer},
    {"POST /api/schedules/{schedule}/pause", Level::operating},
    {"POST /api/schedules/{schedule}/resume", Level::operating},
    {"POST /api/schedules/{schedule}/run", Level::operating},
    {"POST /api/schedules/{schedule}/backfill", Level::operating},
    {"GET /api/jobs", Level::viewer},
    {"POST /api/jobs", Level::operating},
    {"GET /api/jobs/{job}", Level::viewer},
    {"POST /api/jobs/{job}/cancel", Level::operating},
    {"GET /api/doctor/runs", Level::operating},
    {"GET /api/doctor/indexes", Level::operating},
    {"GET /api/dead", Level::viewer},
    {"GET /api/dead/{id}", Level::viewer},
    {"POST /api/dead/{id}/redrive", Level::operating},
    {"DELETE /api/dead/{id}", Level::operating},
    {"GET /api/tasks", Level::viewer},
    {"GET /api/tasks/{task}", Level::viewer},
    {"GET /api/workers", Level::viewer},
    {"GET /api/dead/groups", Level::viewer},
    {"GET /api/dead/jobs", Level::viewer},
    {"GET /api/dead/jobs/{job}", Level::viewer},
    {"POST /api/dead/jobs", Level::operating},
    {"POST /api/dead/jobs/{job}/cancel", Level::operating},
    {"POST /api/call", Level::operating},
    {"POST /api/backup", Level::admin},
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
    boost::asio::co_spawn(io, api.handler(std::move(request)),
                          [&](const std::exception_ptr& failure, Response response) {
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
    parts.authenticate = [tags](const std::string& user, const std::string& password, bool,
                                const std::string&) -> std::optional<Login> {
        if (password != "secret") return std::nullopt;
        return Login{user, tags};
    };
    parts.find_user = [tags](const std::string& user, bool) {
        return std::optional(KnownUser{{user, tags}, "mark"});
    };
    parts.audit = [&acts](const Act& act) { acts.push_back(act); };
    return parts;
}

TEST(Roles, EveryRouteOfOursAsksForTheTagThatTheTableSays) {
    Routes routes;
    const auto parts = std::make_shared<const ApiParts>();
    add_run_routes(routes, parts);
    add_dead_routes(routes, parts);
    add_task_routes(routes, parts);
    add_node_routes(routes, parts);
    add_doctor_routes(routes, parts);
    add_pause_routes(routes, parts);
    add_job_routes(routes, parts);
    add_schedule_routes(routes, parts);

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
            EXPECT_EQ(reaches({"ada", {row.tag}}, levels[i]), row.reached[i])
                << row.tag << " " << i;
}

TEST(Roles, WhoMayNotGets403OnEachRouteAndStandsInTheAudit) {
    for (const Row& row : rows)
        for (const auto& [route, level] : own_routes) {
            if (reaches({"ada", {row.tag}}, level)) continue;
            std::vector<Act> acts;
            const auto space = route.find(' ');
            const auto answer =
                answer_of(make_api(parts_for({row.tag}, acts)),
                          request_for(route.substr(0, space), route.substr(space + 1)));
            EXPECT_EQ(answer.status, 403u) << row.tag << " " << route;
            ASSERT_EQ(acts.size(), 1u) << row.tag << " " << route;
            EXPECT_EQ(acts[0].actor, "ada");
            EXPECT_EQ(acts[0].address, "10.0.0.7");
            EXPECT_EQ(acts[0].outcome, 403u);
        }
}

// A page logs in by the body of a request: whose act it was is known at its end only.
TEST(Roles, WhoLogsInByABodyStandsInTheAuditAsHimselfAndWhoFailsAsWhoHeSaid) {
    std::vector<Act> acts;
    const auto api = make_api(parts_for({"baton-operator"}, acts));
    auto request = request_for("POST", "/baton/v1/session");
    request.authorization.clear();
    request.has_body = true;
    request.content_type = "application/json";
    request.body = R"({"user":"ada","password":"wrong"})";
    EXPECT_EQ(answer_of(api, request).status, 401u);
    ASSERT_EQ(acts.size(), 1u);
    EXPECT_EQ(acts[0].actor, "ada");
    EXPECT_EQ(acts[0].role, "");
    EXPECT_EQ(acts[0].outcome, 401u);
    EXPECT_FALSE(acts[0].is_known);
    request.body = R"({"user":"ada","password":"secret"})";
    EXPECT_EQ(answer_of(api, request).status, 200u);
    ASSERT_EQ(acts.size(), 2u);
    EXPECT_EQ(acts[1].actor, "ada");
    EXPECT_EQ(acts[1].role, "baton-operator");
    EXPECT_EQ(acts[1].outcome, 200u);
    EXPECT_TRUE(acts[1].is_known);
}

std::string reason_of(const Response& response) {
    return response.body;
}

TEST(Query, EveryRouteOfOursRefusesWhatItDoesNotRead) {
    std::vector<Act> acts;
    const auto api = make_api(parts_for({"administrator"}, acts));
    for (const auto& [route, level] : own_routes) {
        const auto space = route.find(' ');
        auto request = request_for(route.substr(0, space), route.substr(space + 1));
        request.query["staus"] = "failed";
        const auto answer = answer_of(api, request);
        EXPECT_EQ(answer.status, 400u) << route;
        EXPECT_NE(reason_of(answer).find("unknown parameter 'staus'"), std::string::npos)
            << route << reason_of(answer);
    }
    auto health = request_for("GET", "/api/health");
    health.query["verbose"] = "1";
    EXPECT_EQ(answer_of(api, health).status, 400u);
}

TEST(Query, TheNearestAndAllThatAreKnownAreNamed) {
    std::vector<Act> acts;
    auto request = request_for("GET", "/api/runs");
    request.query["staus"] = "failed";
    const auto said = reason_of(answer_of(make_api(parts_for({"administrator"}, acts)), request));
    EXPECT_NE(said.find("did you mean 'status'?"), std::string::npos) << said;
    EXPECT_NE(said.find("workflow, status, before, limit"), std::string::npos) << said;
}

TEST(Query, ValuesThatMeanNothingAreRefusedByName) {
    std::vector<Act> acts;
    const auto api = make_api(parts_for({"administrator"}, acts));
    struct Case {
        const char* path;
        const char* key;
        const char* value;
    };
    constexpr Case cases[] = {
        {"/api/runs", "limit", "abc"},
        {"/api/runs", "limit", "0"},
        {"/api/runs", "limit", "1001"},
        {"/api/runs", "limit", "-1"},
        {"/api/runs", "limit", ""},
        {"/api/runs", "limit", "5x"},
        {"/api/runs", "before", "7"},
        {"/api/runs", "status", "faild"},
        {"/api/runs", "workflow", ""},
        {"/api/runs/0193a5c2/history", "after", "x"},
        {"/api/runs/0193a5c2/history", "wait", "61"},
        {"/api/runs/0193a5c2/history", "wait", "1.5"},
        {"/api/dead", "limit", "many"},
        {"/api/dead", "before", "last"},
        {"/api/dead", "state", "closed"},
        {"/api/dead", "run", "0193"},
        {"/api/workflows", "name", ""},
    };
    for (const Case& one : cases) {
        auto request = request_for("GET", one.path);
        request.query[one.key] = one.value;
        const auto answer = answer_of(api, request);
        EXPECT_EQ(answer.status, 400u) << one.path << one.key << one.value;
        EXPECT_NE(reason_of(answer).find(std::string("'") + one.key + "'"), std::string::npos)
            << reason_of(answer);
    }
    auto twice = request_for("GET", "/api/runs");
    twice.query["status"] = "failed";
    twice.repeated = "status";
    EXPECT_EQ(answer_of(api, twice).status, 400u);
    auto near = request_for("GET", "/api/runs");
    near.query["status"] = "faild";
    EXPECT_NE(reason_of(answer_of(api, near)).find("did you mean 'failed'?"), std::string::npos);
}

TEST(Roles, ATagThatLooksLikeOursAndIsNoneIsNamed) {
    for (const char* tag : {"baton-viewer", "baton-operator", "baton-deployer", "baton-admin",
                            "administrator", "team-a", "baton"})
        EXPECT_EQ(tag_trouble(tag), "") << tag;
    EXPECT_NE(tag_trouble("baton-opertor").find("did you mean 'baton-operator'?"),
              std::string::npos);
    for (const char* tag : {"baton-", "Baton-Admin", "baton_admin", "baton-everything"})
        EXPECT_NE(
            tag_trouble(tag).find("baton-viewer, baton-operator, baton-deployer, baton-admin"),
            std::string::npos)
            << tag;
}

TEST(Roles, WhoeverHasToWaitIsToldForHowLong) {
    std::vector<Act> acts;
    auto parts = parts_for({"administrator"}, acts);
    parts.login_pause = [](const std::string& user, const std::string&) {
        return std::chrono::milliseconds(user == "ada" ? 6500 : 0);
    };
    const auto api = make_api(std::move(parts));
    auto request = request_for("GET", "/api/runs");
    request.authorization = "Basic " + base64_of("ada:wrong");
    const auto answer = answer_of(api, request);
    EXPECT_EQ(answer.status, 429u);
    EXPECT_EQ(answer.headers.at("Retry-After"), "7");
    EXPECT_NE(reason_of(answer).find("7 s"), std::string::npos);
    request.authorization = "Basic " + base64_of("bob:wrong");
    EXPECT_EQ(answer_of(api, request).status, 401u);
}

TEST(SameSite, AForeignNameReadsNothing) {
    std::vector<Act> acts;
    auto parts = parts_for({"administrator"}, acts);
    parts.own_names = {"baton.example"};
    const auto api = make_api(std::move(parts));
    for (const auto& [route, level] : own_routes) {
        const auto space = route.find(' ');
        auto request = request_for(route.substr(0, space), route.substr(space + 1));
        request.host = "rebound.example:15672";
        EXPECT_EQ(answer_of(api, request).status, 421u) << route;
    }
    auto request = request_for("GET", "/api/queues");
    request.host = "rebound.example:15672";
    EXPECT_EQ(answer_of(api, request).status, 421u) << "RabbitMQ's routes as well";
    request.authorization = "";
    EXPECT_EQ(answer_of(api, request).status, 421u) << "before anybody is asked for a password";
    request.path = "/api/health";
    EXPECT_EQ(answer_of(api, request).status, 200u) << "a balancer's check";
    for (const char* own : {"127.0.0.1:15672", "localhost:15672", "[::1]", "10.1.2.3:15672",
                            "baton.example:15672", "BATON.example"}) {
        request = request_for("GET", "/api/runs");
        request.host = own;
        EXPECT_FALSE(refuses_foreign(request, {"baton.example"})) << own;
    }
    EXPECT_FALSE(refuses_foreign(request_for("GET", "/api/runs"), {}));
    request.host = "anything.example";
    EXPECT_FALSE(refuses_foreign(request, {"*"}));
}

TEST(SameSite, AScriptOfAnotherSiteReadsNothingAndALinkMayBeFollowed) {
    auto request = request_for("GET", "/api/runs");
    request.origin = "http://evil.example";
    EXPECT_EQ(refuses_foreign(request, {})->status, 403u);
    request.origin = "null";
    EXPECT_EQ(refuses_foreign(request, {})->status, 403u);
    request.origin = "";
    request.fetch_site = "cross-site";
    request.fetch_mode = "no-cors";
    EXPECT_EQ(refuses_foreign(request, {})->status, 403u);
    request.fetch_mode = "navigate";
    EXPECT_FALSE(refuses_foreign(request, {}));
    request.fetch_site = "same-origin";
    request.fetch_mode = "cors";
    request.origin = "http://127.0.0.1:15672";
    EXPECT_FALSE(refuses_foreign(request, {}));
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
    for (const char* host :
         {"localhost:15672", "LOCALHOST", "127.0.0.1", "[::1]:15672", "10.1.2.3:80", "localhost."})
        EXPECT_TRUE(is_own_host(host, {})) << host;
    for (const char* host : {"evil.example", "127.0.0.1.evil.example",
                             "localhost.evil.example:15672", "1.2.3.4.nip.io"})
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
