// The sandbox's SMTP submission port: sockets and TLS around SmtpSession.
#pragma once

#include "sandbox/room.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <string>

namespace baton::sandbox {

// Until the acceptor is closed. The PEM texts must be valid: they are made at start.
boost::asio::awaitable<void> serve_smtp(boost::asio::ip::tcp::acceptor& acceptor, Room& room,
                                        std::string certificate_pem, std::string key_pem);

} // namespace baton::sandbox
