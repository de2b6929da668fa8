// A client without manners: writes whatever bytes a test wants and reads what comes. Blocking, with
// a limit on every wait.
#pragma once

#include "amqp/frame_reader.hpp"
#include "amqp/method_codec.hpp"

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <optional>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <variant>

namespace baton::test {

class RawClient {
public:
    explicit RawClient(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address),
                  0);
        reader_.set_frame_max(0);
    }
    RawClient(const RawClient&) = delete;
    RawClient& operator=(const RawClient&) = delete;
    ~RawClient() { ::close(socket_); }

    // False when the other side has closed.
    bool send(std::string_view bytes) {
        while (!bytes.empty()) {
            const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent <= 0) return false;
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
        return true;
    }
    template <typename Method>
    bool say(std::uint16_t channel, const Method& method) {
        amqp::Buffer out;
        EXPECT_TRUE(amqp::append_method(out, channel, amqp::Method(method)));
        return send(out.text());
    }
    void end_sending() { ::shutdown(socket_, SHUT_WR); }

    // Everything until the other side closes; a failure after ten seconds.
    std::string read_to_end() {
        std::string all;
        std::byte piece[4096];
        while (wait()) {
            const ssize_t got = ::recv(socket_, piece, sizeof piece, 0);
            if (got <= 0) return all;
            all.append(reinterpret_cast<const char*>(piece), static_cast<std::size_t>(got));
        }
        ADD_FAILURE() << "the connection stays open";
        return all;
    }

    // The next frame; nothing when the connection ended.
    std::optional<amqp::Frame> next_frame() {
        for (;;) {
            const auto frame = reader_.next();
            if (frame && *frame) return **frame;
            const auto space = reader_.writable();
            if (!wait()) return std::nullopt;
            const ssize_t got = ::recv(socket_, space.data(), space.size(), 0);
            if (got <= 0) return std::nullopt;
            reader_.written(static_cast<std::size_t>(got));
        }
    }
    // The next method, which must be of this kind.
    template <typename Method>
    Method hear() {
        for (;;) {
            const auto frame = next_frame();
            if (!frame) {
                ADD_FAILURE() << "connection ended instead of " << Method::name;
                return {};
            }
            if (frame->type == amqp::FrameType::heartbeat) continue;
            auto method = amqp::decode_method(frame->payload);
            EXPECT_TRUE(method && std::holds_alternative<Method>(*method))
                << (method ? amqp::to_text(*method) : "?") << " instead of " << Method::name;
            if (!method || !std::holds_alternative<Method>(*method)) return {};
            return std::get<Method>(*method);
        }
    }

    void log_in(std::uint16_t heartbeat = 0, const std::string& user = "guest") {
        send(amqp::protocol_header);
        hear<amqp::ConnectionStart>();
        say(0, amqp::ConnectionStartOk{.client_properties = {},
                                       .mechanism = "PLAIN",
                                       .response = {std::string("\0", 1) + user + std::string("\0", 1) + user},
                                       .locale = "en_US"});
        const auto tune = hear<amqp::ConnectionTune>();
        say(0, amqp::ConnectionTuneOk{tune.channel_max, tune.frame_max, heartbeat});
        say(0, amqp::ConnectionOpen{"/"});
        hear<amqp::ConnectionOpenOk>();
    }
    void open_channel(std::uint16_t channel) {
        say(channel, amqp::ChannelOpen{});
        hear<amqp::ChannelOpenOk>();
    }

private:
    bool wait() {
        pollfd waiting{socket_, POLLIN, 0};
        return ::poll(&waiting, 1, 10'000) == 1;
    }

    int socket_;
    amqp::FrameReader reader_;
};

} // namespace baton::test
