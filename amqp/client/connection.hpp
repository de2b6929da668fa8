// One connection to a broker. open() connects and logs in, run() reads, writes and keeps the
// heartbeat until the end and returns the reason; everything else needs run() to be running.
// Usually a Reconnect owns it; alone it is used like this:
//
//   Connection connection(executor, endpoint);
//   if (auto opened = co_await connection.open(); !opened) ...
//   co_await (connection.run() && work(connection));      // work() calls connection.close() at its
//   end
//
// Thread: one executor that runs on one thread; nothing here is locked. The object must live until
// run() has returned.
#pragma once

#include "amqp/buffer.hpp"
#include "amqp/client/channel.hpp"
#include "amqp/client/endpoint.hpp"
#include "amqp/frame_reader.hpp"
#include "base/result.hpp"
#include "net/awaitable.hpp"
#include "net/wakeup.hpp"

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace baton::amqp::client {

class Connection {
public:
    // The broker stops (true) or goes on (false) taking publishes; the reason is its own text.
    using OnBlocked = std::function<void(bool is_blocked, std::string_view reason)>;

    Connection(net::asio::any_io_executor executor, Endpoint endpoint);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    // Tries the hosts in turn, each within the connection timeout. The Failure of the last host:
    // unreachable, access_refused (wrong password), not_allowed (virtual host), handshake_failed, …
    net::Awaitable<Outcome<void>> open();

    // Until the connection ends. The reason: closed_by_us after close(); the broker's reply code
    // and text; connection_lost; heartbeat_missed; a code of amqp::Errc when the broker sent
    // nonsense.
    net::Awaitable<Failure> run();

    // Says goodbye; run() returns when the broker has answered, after five seconds at the latest.
    // May be called twice; does nothing before open() has succeeded.
    void close(ReplyCode code = ReplyCode::success, std::string_view text = "bye");

    net::Awaitable<Outcome<std::shared_ptr<Channel>>> open_channel();

    void on_blocked(OnBlocked callback) { on_blocked_ = std::move(callback); }
    bool is_blocked() const { return is_blocked_; }

    bool is_open() const { return is_open_; }
    const FieldTable& server_properties() const { return server_properties_; }
    // The host that answered.
    const HostPort& host() const { return host_; }
    std::uint32_t frame_max() const { return frame_max_; }
    std::uint16_t heartbeat_seconds() const { return heartbeat_seconds_; }
    // Bytes that wait to be written to the socket.
    std::size_t backlog_bytes() const { return out_.size() + writing_.size(); }
    const net::asio::any_io_executor& executor() const { return executor_; }

private:
    friend class Channel;
    friend class Publisher;
    // The socket; not in this header, so that users compile quickly.
    struct Stream;
    using SteadyTime = std::chrono::steady_clock::time_point;

    net::Awaitable<Outcome<void>> open_at(HostPort place);
    net::Awaitable<Outcome<void>> connect(HostPort place);
    net::Awaitable<Outcome<void>> shake_tls_hands(HostPort place);
    net::Awaitable<Outcome<void>> shake_hands();
    net::Awaitable<Failure> read_frames();
    net::Awaitable<Failure> write_frames();
    net::Awaitable<Failure> watch_time();
    net::Awaitable<Status> flush();
    net::Awaitable<void> write_last_words();

    // The reason to end, or nothing.
    std::optional<Failure> take_all_frames();
    std::optional<Failure> take(const Frame& frame);
    std::optional<Failure> take_own(const Frame& frame);
    void end(const Failure& reason);
    std::optional<ChannelNumber> free_number() const;

    // To be called after something was appended to out_.
    void wake_writer() { unwritten_.set(); }

    net::asio::any_io_executor executor_;
    Endpoint endpoint_;
    std::unique_ptr<Stream> stream_;
    FrameReader reader_;
    Buffer out_;
    Buffer writing_;
    net::Wakeup unwritten_;
    net::Wakeup time_changed_;
    SteadyTime last_sent_;
    SteadyTime last_received_;
    std::optional<SteadyTime> close_deadline_;
    std::map<ChannelNumber, std::shared_ptr<Channel>> channels_;
    FieldTable server_properties_;
    HostPort host_;
    std::uint32_t frame_max_ = 0;
    std::uint16_t channel_max_ = 0;
    std::uint16_t heartbeat_seconds_ = 0;
    OnBlocked on_blocked_;
    bool is_blocked_ = false;
    bool is_open_ = false;
};

} // namespace baton::amqp::client
