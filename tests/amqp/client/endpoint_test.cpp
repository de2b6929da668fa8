// URLs of brokers: what is understood, what is refused, and that no password shows.
#include "amqp/client/endpoint.hpp"
#include "amqp/client/errors.hpp"

#include <gtest/gtest.h>

#include <string>

namespace baton::amqp::client {
namespace {

TEST(ParseUrl, WithoutDetailsEverythingHasItsDefault) {
    const auto endpoint = parse_url("amqp://");
    ASSERT_TRUE(endpoint);
    EXPECT_EQ(endpoint->hosts, (std::vector<HostPort>{{"127.0.0.1", 5672}}));
    EXPECT_EQ(endpoint->user, "guest");
    EXPECT_EQ(endpoint->password.text, "guest");
    EXPECT_EQ(endpoint->virtual_host, "/");
}

TEST(ParseUrl, UnderstandsAllParts) {
    const auto endpoint = parse_url("amqp://us%65r:p%40ss%2Fword@one:5673,two,[::1]:5674/v%2Fhost"
                                    "?heartbeat=7&connection_timeout=3&frame_max=8192"
                                    "&channel_max=10&name=my%20worker");
    ASSERT_TRUE(endpoint) << endpoint.error().detail;
    EXPECT_EQ(endpoint->user, "user");
    EXPECT_EQ(endpoint->password.text, "p@ss/word");
    EXPECT_EQ(endpoint->hosts,
              (std::vector<HostPort>{{"one", 5673}, {"two", 5672}, {"::1", 5674}}));
    EXPECT_EQ(endpoint->virtual_host, "v/host");
    EXPECT_EQ(endpoint->heartbeat_seconds, 7);
    EXPECT_EQ(endpoint->connection_timeout, std::chrono::seconds(3));
    EXPECT_EQ(endpoint->frame_max, 8192u);
    EXPECT_EQ(endpoint->channel_max, 10);
    EXPECT_EQ(endpoint->connection_name, "my worker");
}

TEST(ParseUrl, AnEmptyPathAndAnEncodedSlashBothMeanTheDefaultVirtualHost) {
    EXPECT_EQ(parse_url("amqp://host/")->virtual_host, "/");
    EXPECT_EQ(parse_url("amqp://host/%2F")->virtual_host, "/");
}

TEST(ParseUrl, AUserWithoutPasswordHasAnEmptyOne) {
    const auto endpoint = parse_url("amqp://user@host");
    ASSERT_TRUE(endpoint);
    EXPECT_EQ(endpoint->password.text, "");
}

TEST(ParseUrl, RefusesNonsenseWithoutTellingThePassword) {
    for (const std::string url :
         {"", "host", "http://u:hunter2@h", "amqp://u:hunter2@h:0",
          "amqp://u:hunter2@h:70000", "amqp://u:hunter2@h:", "amqp://u:hunter2%2@h",
          "amqp://u:hunter2%zz@h", "amqp://u:hunter2@[::1", "amqp://u:hunter2@[::1]x",
          "amqp://u:hunter2@h/%", "amqp://u:hunter2@h?colour=red",
          "amqp://u:hunter2@h?heartbeat=soon", "amqp://u:hunter2@h?frame_max=100",
          "amqp://u:hunter2@h?cacertfile=x", "amqps://u:hunter2@h?verify=perhaps",
          "amqps://u:hunter2@h?certfile=x", "amqps://u:hunter2@h?auth_mechanism=external",
          "amqps://u:hunter2@h?cacertfile="}) {
        const auto endpoint = parse_url(url);
        ASSERT_FALSE(endpoint) << url;
        EXPECT_EQ(endpoint.error().code, Errc::bad_url);
        EXPECT_EQ(endpoint.error().detail.find("hunter2"), std::string::npos)
            << endpoint.error().detail;
    }
}

TEST(ParseUrl, AmqpsAsksForTheServersCertificateUnlessToldOtherwise) {
    const auto usual = parse_url("amqps://u:p@one,two:5673/v?cacertfile=%2Fetc%2Fca.pem");
    ASSERT_TRUE(usual) << usual.error().detail;
    EXPECT_TRUE(usual->has_tls);
    EXPECT_TRUE(usual->tls.verifies_peer);
    EXPECT_EQ(usual->tls.authorities, "/etc/ca.pem");
    EXPECT_EQ(usual->hosts, (std::vector<HostPort>{{"one", 5671}, {"two", 5673}}));
    EXPECT_EQ(to_text(*usual), "amqps://u@one:5671,two:5673/v");

    const auto careless = parse_url("amqps://h?verify=verify_none&server_name_indication=mq.example");
    ASSERT_TRUE(careless);
    EXPECT_FALSE(careless->tls.verifies_peer);
    EXPECT_EQ(careless->server_name, "mq.example");

    const auto external =
        parse_url("amqps://h?certfile=/c.pem&keyfile=/k.pem&auth_mechanism=external");
    ASSERT_TRUE(external);
    EXPECT_TRUE(external->logs_in_by_certificate);
    EXPECT_FALSE(parse_url("amqp://h")->tls.verifies_peer);
}

TEST(EndpointText, ShowsWhereButNotThePassword) {
    EXPECT_EQ(to_text(*parse_url("amqp://u:hunter2@one,two:5673/v")),
              "amqp://u@one:5672,two:5673/v");
    EXPECT_EQ(to_text(Endpoint{}), "amqp://guest@127.0.0.1:5672");
}

} // namespace
} // namespace baton::amqp::client
