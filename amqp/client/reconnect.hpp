// Keeps a connection alive: connects, lets the user declare and consume, runs until the connection
// ends, waits a little longer each time (with jitter, 0.2 s to 10 s) and begins anew. Owned by a
// service, which spawns run() once; thread: the executor.
//
//   client::Reconnect link(executor, {
//       .endpoint = endpoint,
//       .on_connected = [this](client::Connection& connection) { return prepare(connection); },
//       .on_lost = [this](const Failure& reason) { forget_channels(); }});
//
// on_connected is a function that returns a coroutine (a member function's), not itself a coroutine
// with captures. It opens channels, declares, makes publishers, consumes; the connection is running
// meanwhile. If it gives a Failure the connection is closed and tried again later.
#pragma once

#include "amqp/client/connection.hpp"
#include "amqp/client/endpoint.hpp"
#include "base/clock.hpp"
#include "base/random.hpp"
#include "base/result.hpp"
#include "net/awaitable.hpp"
#include "net/wakeup.hpp"

#include <functional>
#include <memory>

namespace baton::amqp::client {

struct ReconnectOptions {
    Endpoint endpoint{};
    // Required.
    std::function<net::Awaitable<Outcome<void>>(Connection&)> on_connected{};
    // After a connection ended, before the pause; not called for attempts that never connected.
    std::function<void(const Failure&)> on_lost{};
    Connection::OnBlocked on_blocked{};
    Duration pause_min = std::chrono::milliseconds(200);
    Duration pause_max = std::chrono::seconds(10);
};

class Reconnect {
public:
    Reconnect(net::asio::any_io_executor executor, ReconnectOptions options);

    // Until stop(). To be called once; logs connects, losses and failed attempts.
    net::Awaitable<void> run();

    // Closes the connection politely; run() returns soon after. May be called twice, and before
    // run(). Same thread as run().
    void stop();

    // The present connection once on_connected has succeeded, else null. Valid until on_lost
    // returns.
    Connection* connection() const { return is_ready_ ? connection_.get() : nullptr; }

private:
    net::Awaitable<Outcome<void>> try_once();
    net::Awaitable<void> prepare();
    Duration next_pause();

    net::asio::any_io_executor executor_;
    ReconnectOptions options_;
    std::shared_ptr<Connection> connection_;
    net::Wakeup stopped_;
    Random random_;
    std::uint32_t failures_ = 0;
    bool is_ready_ = false;
    bool is_stopping_ = false;
};

} // namespace baton::amqp::client
