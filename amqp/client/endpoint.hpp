// Where a broker is and how to log in, from a URL:
//
//   amqp://user:password@host:5672,other:5673/vhost?heartbeat=30&connection_timeout=5&name=worker
//
// Everything is optional but amqp://. Percent-encoding works in user, password, vhost and query;
// without a path the virtual host is "/". Several hosts are tried in turn. heartbeat and
// connection_timeout are seconds; also frame_max and channel_max. A plain value; the password is
// never printed.
#pragma once

#include "amqp/methods.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace baton::amqp::client {

struct HostPort {
    std::string host = "127.0.0.1";
    std::uint16_t port = 5672;
    bool operator==(const HostPort&) const = default;
};

struct Endpoint {
    std::vector<HostPort> hosts{HostPort{}};
    std::string user = "guest";
    SecretString password{"guest"};
    std::string virtual_host = "/";
    // Shown by the broker's tools.
    std::string connection_name{};
    // The most we accept; the server may ask for less. 0 means no heartbeats.
    std::uint16_t heartbeat_seconds = 30;
    std::uint32_t frame_max = 131072;
    std::uint16_t channel_max = 2047;
    // For one host: TCP and handshake together.
    Duration connection_timeout = std::chrono::seconds(10);
};

// Error: bad_url with a sentence that does not contain the password.
Outcome<Endpoint> parse_url(std::string_view url);

// "amqp://user@host:5672,other:5673/vhost", for logs.
std::string to_text(const Endpoint& endpoint);

} // namespace baton::amqp::client
