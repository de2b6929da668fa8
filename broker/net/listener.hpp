// Accepts connections on one address. Belongs to the I/O thread its executor runs on.
#pragma once

#include "broker/net/connection.hpp"

#include <boost/asio/ip/tcp.hpp>

namespace baton::broker::net {

class Listener {
public:
    using Endpoint = baton::net::asio::ip::tcp::endpoint;

    // Binds and listens; port 0 takes a free one. The failure names the address.
    static Outcome<std::unique_ptr<Listener>>
    open(const baton::net::asio::any_io_executor& executor, const Endpoint& endpoint,
         const Surroundings& around);

    // Where it really listens.
    Endpoint endpoint() const;

    // Accepts until close(); each connection gets a coroutine of its own on the same executor.
    void start();
    void close();

private:
    Listener(baton::net::asio::ip::tcp::acceptor acceptor, const Surroundings& around);

    baton::net::Awaitable<> accept();

    baton::net::asio::ip::tcp::acceptor acceptor_;
    Surroundings around_;
};

} // namespace baton::broker::net
