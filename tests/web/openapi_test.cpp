// The server's routes under /baton/v1 are those of web/openapi.yaml, with the same roles, and
// refuse who may not.
#include "web/access/doorkeeper.hpp"
#include "web/access/session_api.hpp"
#include "web/api.hpp"
#include "web/health_api.hpp"
#include "web/http/routes.hpp"
#include "web/runs/run_api.hpp"
#include "web/v1/change_feed.hpp"
#include "web/v1/openapi.hpp"
#include "web/v1/problem.hpp"
#include "web/v1/v1_api.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <sstream>
#include <string>

namespace baton::web {
namespace {

// The file's paths, methods and roles; of YAML this reads what that file uses: two blanks before a
// path, four before a method, six before its members.
std::map<std::string, std::string> described() {
    std::map<std::string, std::string> roles;
    std::istringstream text(openapi_yaml());
    std::string path, method;
    for (std::string line; std::getline(text, line);) {
        if (line.starts_with("components:")) break;
        if (line.starts_with("  /")) path = line.substr(2, line.size() - 3);
        if (line.starts_with("    ") && line[4] != ' ' && line.ends_with(":"))
            method = line.substr(4, line.size() - 5);
        constexpr std::string_view role = "      x-baton-role: ";
        if (!line.starts_with(role)) continue;
        std::string upper = method;
        for (char& c : upper)
            c = static_cast<char>(c - 'a' + 'A');
        roles[upper + " " + path] = line.substr(role.size());
    }
    return roles;
}

std::string role_of(Level level) {
    switch (level) {
    case Level::viewer:
        return "viewer";
    case Level::operating:
        return "operator";
    case Level::deploying:
        return "deployer";
    case Level::admin:
        return "admin";
    case Level::anybody:
        return "anybody";
    case Level::open:
        return "open";
    case Level::management:
    case Level::policymaker:
    case Level::monitoring:
    case Level::administrator:
        break;
    }
    return "the broker's";
}

std::map<std::string, std::string> served() {
    ChangeFeed changes;
    ApiParts made;
    made.changes = &changes;
    const auto parts = std::make_shared<const ApiParts>(std::move(made));
    const auto health = std::make_shared<HealthApi>(parts);
    Routes routes;
    add_run_routes(routes, parts);
    add_dead_routes(routes, parts);
    add_task_routes(routes, parts);
    add_pause_routes(routes, parts);
    add_job_routes(routes, parts);
    add_schedule_routes(routes, parts);
    add_v1_routes(routes, parts, health);
    add_session_routes(routes, std::make_shared<Doorkeeper>(parts));
    add_health_routes(routes, health, parts);
    std::map<std::string, std::string> roles;
    for (const auto& route : routes.all())
        if (is_v1(route.pattern)) roles[route.method + " " + route.pattern] = role_of(route.level);
    return roles;
}

TEST(OpenApi, DescribesTheRoutesThatAreServedAndTheirRolesAndNoOthers) {
    const auto told = described(), there = served();
    for (const auto& [route, role] : there) {
        ASSERT_TRUE(told.contains(route)) << route << " is not in web/openapi.yaml";
        EXPECT_EQ(told.at(route), role) << route;
    }
    for (const auto& [route, role] : told)
        EXPECT_TRUE(there.contains(route)) << route << " is in web/openapi.yaml, and nowhere else";
    EXPECT_GT(told.size(), 60u);
}

TEST(OpenApi, EveryHandlerIsThere) {
    ApiParts made;
    const auto parts = std::make_shared<const ApiParts>(std::move(made));
    Routes routes;
    add_run_routes(routes, parts);
    add_dead_routes(routes, parts);
    add_task_routes(routes, parts);
    add_pause_routes(routes, parts);
    add_job_routes(routes, parts);
    add_schedule_routes(routes, parts);
    add_v1_routes(routes, parts, std::make_shared<HealthApi>(parts));
    for (const auto& route : routes.all())
        EXPECT_TRUE(routes.handler_of(route.method, route.pattern))
            << route.method << " " << route.pattern;
}

TEST(OpenApi, WhoMayNotGetsAProblemAndStandsInTheAudit) {
    for (const auto& [route, role] : served()) {
        if (role == "open") continue;
        std::vector<Act> acts;
        ApiParts parts;
        parts.authenticate = [](const std::string& user, const std::string&, bool,
                                const std::string&) { return std::optional(Login{user, {}}); };
        parts.audit = [&acts](const Act& act) { acts.push_back(act); };
        ChangeFeed changes;
        parts.changes = &changes;
        const auto api = make_api(std::move(parts));
        Request request;
        const auto space = route.find(' ');
        request.method = route.substr(0, space);
        request.path = route.substr(space + 1);
        request.host = "127.0.0.1";
        request.authorization = "Basic YWRhOnNlY3JldA==";
        request.request_id = "r-1";
        const auto refusal = api.admit(request);
        ASSERT_TRUE(refusal) << route;
        EXPECT_EQ(refusal->status, 403u) << route;
        EXPECT_EQ(refusal->content_type, "application/problem+json") << route;
        EXPECT_EQ(refusal->headers.at("X-Request-Id"), "r-1");
        ASSERT_EQ(acts.size(), 1u) << route;
        EXPECT_EQ(acts[0].actor, "ada");
        EXPECT_EQ(acts[0].outcome, 403u);
    }
}

} // namespace
} // namespace baton::web
