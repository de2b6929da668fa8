// Accepts connections on one address. Belongs to the I/O thread its executor runs on.
#pragma once

#include "broker/net/certificates.hpp"
#include "broker/net/connection.hpp"

#include <boost/asio/ip/tcp.hpp>

namespace baton::broker::net {

class Listener {
public:
    using Endpoint = baton::net::asio::ip::tcp::endpoint;

    // Binds and listens; port 0 takes a free one. The failure names the address. `certificates`:
    // null for a plain listener. It and `around` must outlive the listener and its connections.
    static Outcome<std::unique_ptr<Listener>>
    open(const baton::net::asio::any_io_executor& executor, const Endpoint& endpoint,
         const Surroundings& around, Certificates* certificates);

    // Where it really listens.
    Endpoint endpoint() const;

    // Accepts until close(); each connection gets a coroutine of its own on the same executor.
    void start();
    void close();

private:
    Listener(baton::net::asio::ip::tcp::acceptor acceptor, const Surroundings& around,
             Certificates* certificates);

    baton::net::Awaitable<> accept();
    baton::net::Awaitable<> wait_for_room();

    baton::net::asio::ip::tcp::acceptor acceptor_;
    const Surroundings& around_;
    Certificates* const certificates_;
};

} // namespace baton::broker::net
