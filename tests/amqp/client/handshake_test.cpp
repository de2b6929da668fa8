// The client's handshake, method by method, and every step failing once.
#include "amqp/client/errors.hpp"
#include "amqp/client/handshake.hpp"
#include "amqp/frame_reader.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

namespace baton::amqp::client {
namespace {

using namespace std::string_literals;

Endpoint endpoint() {
    Endpoint endpoint;
    endpoint.user = "user";
    endpoint.password.text = "secret";
    endpoint.virtual_host = "v";
    endpoint.heartbeat_seconds = 30;
    return endpoint;
}

ConnectionStart start_of_server() {
    ConnectionStart start;
    start.server_properties = {{"product", "Test"}};
    start.mechanisms.text = "AMQPLAIN PLAIN";
    start.locales.text = "en_US";
    return start;
}

// The methods in `out`, which is emptied.
std::vector<Method> written(Buffer& out) {
    FrameReader reader;
    const auto space = reader.writable();
    std::memcpy(space.data(), out.data(), out.size());
    reader.written(out.size());
    out.clear();
    std::vector<Method> methods;
    while (true) {
        const auto frame = reader.next();
        if (!frame || !*frame) return methods;
        methods.push_back(*decode_method((*frame)->payload));
    }
}

TEST(Handshake, GoesFromHeaderToOpenOk) {
    Handshake handshake(endpoint());
    Buffer out;

    handshake.start(out);
    EXPECT_EQ(out.text(), protocol_header);
    out.clear();

    EXPECT_EQ(*handshake.take(start_of_server(), out), Handshake::Progress::going_on);
    auto methods = written(out);
    ASSERT_EQ(methods.size(), 1u);
    const auto& start_ok = std::get<ConnectionStartOk>(methods[0]);
    EXPECT_EQ(start_ok.mechanism, "PLAIN");
    EXPECT_EQ(start_ok.response.text, "\0user\0secret"s);
    const auto* capabilities = start_ok.client_properties.find("capabilities")->get<FieldTable>();
    EXPECT_EQ(capabilities->flag("authentication_failure_close"), true);
    EXPECT_EQ(capabilities->flag("consumer_cancel_notify"), true);
    EXPECT_EQ(capabilities->flag("connection.blocked"), true);

    EXPECT_EQ(*handshake.take(ConnectionTune{100, 8192, 60}, out), Handshake::Progress::going_on);
    methods = written(out);
    ASSERT_EQ(methods.size(), 2u);
    EXPECT_EQ(std::get<ConnectionTuneOk>(methods[0]), (ConnectionTuneOk{100, 8192, 30}));
    EXPECT_EQ(std::get<ConnectionOpen>(methods[1]), (ConnectionOpen{"v"}));

    EXPECT_EQ(*handshake.take(ConnectionOpenOk{}, out), Handshake::Progress::done);
    EXPECT_EQ(handshake.frame_max(), 8192u);
    EXPECT_EQ(handshake.channel_max(), 100);
    EXPECT_EQ(handshake.heartbeat_seconds(), 30);
    EXPECT_EQ(handshake.server_properties().text("product"), "Test");
}

TEST(Handshake, ZeroOfTheServerLeavesTheLimitToUs) {
    Handshake handshake(endpoint());
    Buffer out;
    ASSERT_TRUE(handshake.take(start_of_server(), out));
    ASSERT_TRUE(handshake.take(ConnectionTune{0, 0, 0}, out));
    EXPECT_EQ(handshake.frame_max(), endpoint().frame_max);
    EXPECT_EQ(handshake.channel_max(), endpoint().channel_max);
    EXPECT_EQ(handshake.heartbeat_seconds(), 30);
}

TEST(Handshake, ZeroHeartbeatOfOursMeansNone) {
    Endpoint calm = endpoint();
    calm.heartbeat_seconds = 0;
    Handshake handshake(calm);
    Buffer out;
    ASSERT_TRUE(handshake.take(start_of_server(), out));
    ASSERT_TRUE(handshake.take(ConnectionTune{0, 0, 60}, out));
    EXPECT_EQ(handshake.heartbeat_seconds(), 0);
}

TEST(Handshake, AtEveryStepTheServerMayCloseAndGetsCloseOk) {
    const std::vector<Method> story{start_of_server(), ConnectionTune{0, 4096, 60}};
    for (std::size_t steps = 0; steps <= story.size(); ++steps) {
        Handshake handshake(endpoint());
        Buffer out;
        for (std::size_t step = 0; step < steps; ++step)
            ASSERT_TRUE(handshake.take(story[step], out));
        out.clear();

        const auto refused = handshake.take(ConnectionClose{403, "ACCESS_REFUSED - no"}, out);

        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, ReplyCode::access_refused);
        EXPECT_EQ(refused.error().detail, "ACCESS_REFUSED - no");
        EXPECT_EQ(written(out), std::vector<Method>{ConnectionCloseOk{}});
    }
}

TEST(Handshake, AtEveryStepTheSocketMayEnd) {
    const ErrorCode reset = boost::system::errc::make_error_code(boost::system::errc::broken_pipe);
    Handshake handshake(endpoint());
    Buffer out;
    EXPECT_EQ(handshake.when_lost(reset).code, Errc::handshake_failed);
    ASSERT_TRUE(handshake.take(start_of_server(), out));
    EXPECT_EQ(handshake.when_lost(reset).code, ReplyCode::access_refused);
    ASSERT_TRUE(handshake.take(ConnectionTune{0, 4096, 60}, out));
    EXPECT_EQ(handshake.when_lost(reset).code, Errc::connection_lost);
}

TEST(Handshake, AnyMethodAtTheWrongTimeIsRefused) {
    Buffer out;
    EXPECT_FALSE(Handshake(endpoint()).take(ConnectionTune{}, out));
    EXPECT_FALSE(Handshake(endpoint()).take(ConnectionOpenOk{}, out));
    EXPECT_FALSE(Handshake(endpoint()).take(BasicAck{}, out));
    Handshake twice(endpoint());
    ASSERT_TRUE(twice.take(start_of_server(), out));
    EXPECT_FALSE(twice.take(start_of_server(), out));
}

TEST(Handshake, AServerWithoutPlainLoginIsRefused) {
    ConnectionStart start = start_of_server();
    start.mechanisms.text = "EXTERNAL XPLAIN";
    Buffer out;
    const auto refused = Handshake(endpoint()).take(start, out);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::handshake_failed);
}

} // namespace
} // namespace baton::amqp::client
