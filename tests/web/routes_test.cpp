#include "web/http/routes.hpp"

#include <gtest/gtest.h>

namespace baton::web {
namespace {

RouteHandler answering(unsigned status) {
    return [status](Request, Parameters) -> boost::asio::awaitable<Response> {
        co_return Response{.status = status, .body = {}, .content_type = {}, .headers = {}};
    };
}

} // namespace

TEST(Routes, FindTheFunctionOfAPathAndDecodeItsParameters) {
    Routes routes;
    routes.add("GET", "/api/runs/{run}", Level::viewer, answering(200));
    routes.add("POST", "/api/runs/{run}/cancel", Level::viewer, answering(200));

    const auto found = routes.find("POST", "/api/runs/a%2Fb/cancel");

    ASSERT_NE(found.handler, nullptr);
    EXPECT_EQ(found.parameters.at("run"), "a/b");
}

TEST(Routes, TellAWrongMethodFromAWrongPath) {
    Routes routes;
    routes.add("GET", "/api/runs", Level::viewer, answering(200));

    EXPECT_TRUE(routes.find("DELETE", "/api/runs").path_exists);
    EXPECT_EQ(routes.find("DELETE", "/api/runs").handler, nullptr);
    EXPECT_FALSE(routes.find("GET", "/api/nothing").path_exists);
}

TEST(Routes, RefuseBrokenPercentEncoding) {
    Routes routes;
    routes.add("GET", "/api/runs/{run}", Level::viewer, answering(200));

    EXPECT_EQ(routes.find("GET", "/api/runs/%zz").handler, nullptr);
}

TEST(Routes, AnswerHeadWhereTheyAnswerGetAndTellTheMethodsOfAPath) {
    Routes routes;
    routes.add("GET", "/api/queues/{queue}", Level::viewer, answering(200));
    routes.add("DELETE", "/api/queues/{queue}", Level::viewer, answering(204));
    routes.add("POST", "/api/call", Level::viewer, answering(200));

    EXPECT_EQ(routes.find("HEAD", "/api/queues/a").handler, routes.find("GET", "/api/queues/a").handler);
    EXPECT_EQ(routes.find("HEAD", "/api/call").handler, nullptr);
    EXPECT_EQ(routes.methods_of("/api/queues/a"), "GET, HEAD, DELETE, OPTIONS");
    EXPECT_EQ(routes.methods_of("/api/call"), "POST, OPTIONS");
    EXPECT_EQ(routes.methods_of("/api/nothing"), "");
}

} // namespace baton::web
