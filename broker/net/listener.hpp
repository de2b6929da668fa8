// Accepts connections on one address and deals them out to the I/O threads. Belongs to the thread
// its executor runs on.
#pragma once

#include "broker/net/certificates.hpp"
#include "broker/net/connection.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <vector>

namespace baton::broker::net {

class Listener {
public:
    using Endpoint = baton::net::asio::ip::tcp::endpoint;

    // What connections have around them, one for each I/O thread; not empty.
    using Threads = std::vector<const Surroundings*>;

    // What is spoken, and below it; nothing: AMQP over plain TCP. With both the WebSocket is inside TLS.
    struct Speech {
        Certificates* certificates = nullptr;
        const baton::net::websocket::OpeningRules* web_socket = nullptr;
        bool is_mqtt = false;
    };

    // Binds and listens; port 0 takes a free one. The failure names the address. What `speech` names and
    // what is around must outlive the listener and its connections.
    static Outcome<std::unique_ptr<Listener>>
    open(const baton::net::asio::any_io_executor& executor, const Endpoint& endpoint,
         Threads threads, Speech speech);

    // Where it really listens.
    Endpoint endpoint() const;

    // Accepts until close(); each connection gets a coroutine of its own on the I/O thread that has
    // the fewest.
    void start();
    void close();

private:
    Listener(baton::net::asio::ip::tcp::acceptor acceptor, Threads threads, Speech speech);

    baton::net::Awaitable<> accept();
    baton::net::Awaitable<> wait_for_room();
    const Surroundings& least_busy() const;
    std::size_t connections() const;
    bool has_room() const;

    baton::net::asio::ip::tcp::acceptor acceptor_;
    const Threads threads_;
    const Speech speech_;
    std::optional<std::chrono::steady_clock::time_point> said_full_; // in the log
};

// A connection without a listener: the client's end of a pipe, for somebody inside this process who lives on
// the I/O thread of `around`. On that thread. It logs in like everybody.
std::unique_ptr<baton::net::PipeEnd> connect_inside(const Surroundings& around);

} // namespace baton::broker::net
