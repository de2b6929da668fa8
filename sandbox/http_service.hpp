// The sandbox's HTTP side: Beast in front, the three targets and the sandbox's own pages behind.
#pragma once

#include "sandbox/room.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace baton::sandbox {

// Until the acceptor is closed. The room must outlive every connection.
boost::asio::awaitable<void> serve_http(boost::asio::ip::tcp::acceptor& acceptor, Room& room);

} // namespace baton::sandbox
