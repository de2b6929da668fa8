// The client against a broker that says what the test wants: blocked connections, methods that have
// no place, broken frames, and silence at every step of the opening.
#include "amqp/client/connection.hpp"
#include "amqp/client/errors.hpp"
#include "amqp/frame.hpp"
#include "amqp/frame_reader.hpp"
#include "net/within.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <gtest/gtest.h>

#include <exception>
#include <functional>
#include <string>
#include <vector>

namespace baton::amqp::client {
namespace {

namespace asio = net::asio;
using asio::ip::tcp;
using net::Awaitable;
using namespace asio::experimental::awaitable_operators;
using namespace std::chrono_literals;
using namespace std::string_literals;

// One accepted connection, seen from the broker's side.
class Broker {
public:
    explicit Broker(asio::io_context& context)
        : acceptor_(context, {asio::ip::address_v4::loopback(), 0}), socket_(context) {}

    std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

    Awaitable<void> accept() { socket_ = *co_await acceptor_.async_accept(net::as_result); }
    Awaitable<void> read_header() {
        std::string header(8, '\0');
        std::size_t count = 0;
        while (count < header.size()) {
            const auto read = co_await socket_.async_read_some(
                asio::buffer(header.data() + count, header.size() - count), net::as_result);
            if (!read) co_return;
            count += *read;
        }
        EXPECT_EQ(header, protocol_header);
    }
    Awaitable<void> send(ChannelNumber channel, Method method) {
        Buffer out;
        EXPECT_TRUE(append_method(out, channel, method));
        co_await send_bytes(std::string(out.text()));
    }
    Awaitable<void> send_bytes(std::string bytes) {
        static_cast<void>(co_await asio::async_write(socket_, asio::buffer(bytes), net::as_result));
    }
    // The next method that is not a heartbeat; its name and channel are "" and 0 at the end.
    Awaitable<std::pair<ChannelNumber, Method>> read() {
        while (true) {
            const auto frame = reader_.next();
            if (frame && *frame && (*frame)->type == FrameType::method)
                co_return std::pair((*frame)->channel, *decode_method((*frame)->payload));
            if (frame && *frame) continue;
            const auto space = reader_.writable();
            const auto count = co_await socket_.async_read_some(
                asio::buffer(space.data(), space.size()), net::as_result);
            if (!count) co_return std::pair(ChannelNumber{0}, Method(ConnectionUnblocked{}));
            reader_.written(*count);
        }
    }
    Awaitable<void> open() {
        co_await accept();
        co_await read_header();
        ConnectionStart start;
        start.mechanisms.text = "PLAIN";
        co_await send(0, start);
        co_await read();
        co_await send(0, ConnectionTune{100, 8192, 0});
        co_await read();
        co_await read();
        co_await send(0, ConnectionOpenOk{});
    }
    void hang_up() { socket_.close(); }

private:
    tcp::acceptor acceptor_;
    tcp::socket socket_;
    FrameReader reader_;
};

class ScriptedBroker : public testing::Test {
protected:
    Endpoint endpoint() const {
        Endpoint endpoint;
        endpoint.hosts = {{"127.0.0.1", broker_.port()}};
        endpoint.connection_timeout = 200ms;
        endpoint.heartbeat_seconds = 0;
        return endpoint;
    }
    void run(Awaitable<void> story) {
        bool has_ended = false;
        asio::co_spawn(context_, std::move(story), [&](std::exception_ptr error) {
            has_ended = true;
            context_.stop();
            if (error) std::rethrow_exception(error);
        });
        context_.run_for(30s);
        EXPECT_TRUE(has_ended);
    }

    asio::io_context context_{1};
    Broker broker_{context_};
};

// Opens and runs; keeps the reason of the end.
Awaitable<void> live(Connection& connection, Failure& reason) {
    const auto opened = co_await connection.open();
    if (!opened) {
        reason = opened.error();
        co_return;
    }
    reason = co_await connection.run();
}

Awaitable<void> block_and_unblock(Broker& broker) {
    co_await broker.open();
    co_await broker.send(0, ConnectionBlocked{"low on memory"});
    co_await broker.send(0, ConnectionUnblocked{});
    co_await broker.send(0, ConnectionClose{320, "CONNECTION_FORCED - shutdown"});
    const auto [channel, answer] = co_await broker.read();
    EXPECT_TRUE(std::holds_alternative<ConnectionCloseOk>(answer));
}

Awaitable<void> both(Awaitable<void> one, Awaitable<void> other) {
    co_await (std::move(one) && std::move(other));
}

TEST_F(ScriptedBroker, BlocksAndUnblocksAndClosesWithAReason) {
    Connection connection(context_.get_executor(), endpoint());
    std::vector<std::string> heard;
    connection.on_blocked([&heard](bool is_blocked, std::string_view reason) {
        heard.push_back((is_blocked ? "blocked " : "unblocked ") + std::string(reason));
    });
    Failure reason;

    run(both(live(connection, reason), block_and_unblock(broker_)));

    EXPECT_EQ(heard, (std::vector<std::string>{"blocked low on memory", "unblocked "}));
    EXPECT_EQ(reason.code, ReplyCode::connection_forced);
    EXPECT_EQ(reason.detail, "CONNECTION_FORCED - shutdown");
    EXPECT_FALSE(connection.is_open());
}

Awaitable<void> send_nonsense(Broker& broker, std::string bytes, ReplyCode expected) {
    co_await broker.open();
    co_await broker.send_bytes(std::move(bytes));
    const auto [channel, answer] = co_await broker.read();
    const auto* close = std::get_if<ConnectionClose>(&answer);
    EXPECT_NE(close, nullptr) << name_of(answer);
    if (close != nullptr) EXPECT_EQ(close->reply_code, static_cast<std::uint16_t>(expected));
}

std::string frame(FrameType type, ChannelNumber channel, std::string_view payload) {
    Buffer out;
    append_frame(out, type, channel, as_bytes(payload));
    return std::string(out.text());
}

TEST_F(ScriptedBroker, NonsenseEndsTheConnectionWithTheRightCode) {
    struct Case {
        std::string bytes;
        ErrorCode reason;
        ReplyCode reply;
    };
    const std::vector<Case> cases{
        {"garbage garbage", amqp::Errc::unknown_frame_type, ReplyCode::frame_error},
        {"\x01\0\0\0\0\0\x04\0\x0A\0\x3D!"s, amqp::Errc::bad_frame_end, ReplyCode::frame_error},
        {"\x01\0\0\0\x01\0\0"s, amqp::Errc::frame_too_large, ReplyCode::frame_error},
        {frame(FrameType::method, 0, "\0"s), amqp::Errc::truncated, ReplyCode::syntax_error},
        {frame(FrameType::method, 0, "\0\x0A\0\x63"s), amqp::Errc::unknown_method,
         ReplyCode::not_implemented},
        {frame(FrameType::method, 0, "\0\x3C\0\x0B"s), amqp::Errc::unexpected_method,
         ReplyCode::command_invalid},
        {frame(FrameType::body, 0, "x"), amqp::Errc::unexpected_frame, ReplyCode::unexpected_frame},
        {frame(FrameType::method, 9, "\0\x3C\0\x0B"s), amqp::Errc::unexpected_frame,
         ReplyCode::unexpected_frame},
    };
    for (const Case& one : cases) {
        context_.restart();
        Broker broker(context_);
        Endpoint place = endpoint();
        place.hosts[0].port = broker.port();
        Connection connection(context_.get_executor(), place);
        Failure reason;
        run(both(live(connection, reason), send_nonsense(broker, one.bytes, one.reply)));
        EXPECT_EQ(reason.code, one.reason) << reason.detail;
    }
}

// On channel 1, which the client opens.
Awaitable<void> send_on_channel(Broker& broker, std::string bytes) {
    co_await broker.open();
    co_await broker.read();
    co_await broker.send(1, ChannelOpenOk{});
    co_await broker.send_bytes(std::move(bytes));
    while (true) {
        const auto [channel, answer] = co_await broker.read();
        if (std::holds_alternative<ConnectionClose>(answer)) break;
        if (std::holds_alternative<ConnectionUnblocked>(answer)) break;
    }
    broker.hang_up();
}

Awaitable<void> open_channel_and_wait(Connection& connection, Failure& reason) {
    const auto channel = co_await connection.open_channel();
    EXPECT_TRUE(channel);
    if (!channel) co_return;
    const QueueDeclare declare{.queue = "q"};
    const auto declared = co_await (*channel)->call(declare);
    EXPECT_FALSE(declared);
    if (!declared) reason = declared.error();
}

Awaitable<void> live_with_channel(Connection& connection, Failure& reason) {
    const auto opened = co_await connection.open();
    EXPECT_TRUE(opened);
    if (!opened) co_return;
    Failure call;
    reason = co_await (connection.run() && open_channel_and_wait(connection, call));
    EXPECT_EQ(call.code, reason.code) << "who waits for an answer hears the same reason";
}

TEST_F(ScriptedBroker, NonsenseOnAChannelEndsTheConnectionAndTheCallsUnderWay) {
    const std::string deliver_header = "\0\x3C\0\0\0\0\0\0\0\0\0\x02\0\0"s;
    Buffer deliver;
    ASSERT_TRUE(append_method(deliver, 1, BasicDeliver{"t", 1, false, "", "q"}));
    const std::string method(deliver.text());
    struct Case {
        std::string bytes;
        ErrorCode reason;
    };
    const std::vector<Case> cases{
        {frame(FrameType::body, 1, "x"), amqp::Errc::unexpected_frame},
        {frame(FrameType::header, 1, deliver_header), amqp::Errc::unexpected_frame},
        {method + method, amqp::Errc::unexpected_frame},
        {method + frame(FrameType::body, 1, "x"), amqp::Errc::unexpected_frame},
        {method + frame(FrameType::header, 1, deliver_header) +
             frame(FrameType::body, 1, "too long"),
         amqp::Errc::unexpected_frame},
        {method + frame(FrameType::header, 1, "\0\x3C\0\x01\0\0\0\0\0\0\0\x02\0\0"s),
         amqp::Errc::bad_content_header},
        {method + frame(FrameType::header, 1, "\0\x3C\0\0\0\0\0\0\0\0\0\x02\0\x01"s),
         amqp::Errc::bad_property_flags},
        {frame(FrameType::method, 1, "\0\x32\0\x15"s), amqp::Errc::unexpected_method},
        {frame(FrameType::method, 1, "\0\x14\0\x29"s), amqp::Errc::unexpected_method},
    };
    for (const Case& one : cases) {
        context_.restart();
        Broker broker(context_);
        Endpoint place = endpoint();
        place.hosts[0].port = broker.port();
        Connection connection(context_.get_executor(), place);
        Failure reason;
        run(both(live_with_channel(connection, reason), send_on_channel(broker, one.bytes)));
        EXPECT_EQ(reason.code, one.reason) << reason.detail;
    }
}

// Goes `steps` steps of the opening, then says nothing more or hangs up.
Awaitable<void> stop_after(Broker& broker, int steps, bool hang_up) {
    co_await broker.accept();
    co_await broker.read_header();
    ConnectionStart start;
    start.mechanisms.text = "PLAIN";
    if (steps > 0) {
        co_await broker.send(0, start);
        co_await broker.read();
    }
    if (steps > 1) {
        co_await broker.send(0, ConnectionTune{100, 8192, 0});
        co_await broker.read();
        co_await broker.read();
    }
    if (hang_up) broker.hang_up();
}

TEST_F(ScriptedBroker, SilenceAtAnyStepOfTheOpeningIsUnreachable) {
    for (int steps = 0; steps < 3; ++steps) {
        context_.restart();
        Broker broker(context_);
        Endpoint place = endpoint();
        place.hosts[0].port = broker.port();
        Connection connection(context_.get_executor(), place);
        Failure reason;
        run(both(live(connection, reason), stop_after(broker, steps, false)));
        EXPECT_EQ(reason.code, Errc::unreachable) << reason.detail;
    }
}

TEST_F(ScriptedBroker, HangingUpAtAnyStepOfTheOpeningIsReported) {
    const std::vector<ErrorCode> expected{Errc::handshake_failed, ReplyCode::access_refused,
                                          Errc::connection_lost};
    for (int steps = 0; steps < 3; ++steps) {
        context_.restart();
        Broker broker(context_);
        Endpoint place = endpoint();
        place.hosts[0].port = broker.port();
        Connection connection(context_.get_executor(), place);
        Failure reason;
        run(both(live(connection, reason), stop_after(broker, steps, true)));
        EXPECT_EQ(reason.code, expected[static_cast<std::size_t>(steps)]) << reason.detail;
    }
}

Awaitable<void> close_at_the_same_time(Broker& broker, Connection& connection) {
    co_await broker.open();
    while (!connection.is_open())
        co_await net::sleep_for(1ms);
    connection.close();
    connection.close();
    const auto [channel, close] = co_await broker.read();
    EXPECT_TRUE(std::holds_alternative<ConnectionClose>(close));
    // Still sending is allowed to a broker that has not read the close yet.
    co_await broker.send(0, ConnectionClose{320, "CONNECTION_FORCED - at the same time"});
}

TEST_F(ScriptedBroker, ClosingFromBothSidesAtOnceEndsWell) {
    Connection connection(context_.get_executor(), endpoint());
    Failure reason;
    run(both(live(connection, reason), close_at_the_same_time(broker_, connection)));
    EXPECT_EQ(reason.code, Errc::closed_by_us) << reason.detail;
}

} // namespace
} // namespace baton::amqp::client
