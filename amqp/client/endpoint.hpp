// Where a broker is and how to log in, from a URL:
//
//   amqp://user:password@host:5672,other:5673/vhost?heartbeat=30&connection_timeout=5&name=worker
//   amqps://user:password@host:5671/vhost?cacertfile=/etc/ca.pem
//
// Everything is optional but amqp://. Percent-encoding works in user, password, vhost and query;
// without a path the virtual host is "/". Several hosts are tried in turn. heartbeat and
// connection_timeout are seconds; also frame_max and channel_max. TLS by the words of RabbitMQ's
// clients: cacertfile (without it the system's authorities are trusted), certfile and keyfile,
// verify=verify_peer|verify_none, server_name_indication, auth_mechanism=plain|external. A plain
// value; the password is never printed.
#pragma once

#include "amqp/methods.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"
#include "net/pipe.hpp"
#include "net/tls.hpp"

#include <cstdint>
#include <functional>
#include <memory>
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
    // amqps://. Unless told otherwise the server must show a certificate that is trusted and made
    // for `server_name`, or for the host's name where that is empty.
    bool has_tls = false;
    net::TlsOptions tls{};
    std::string server_name{};
    // SASL EXTERNAL: the certificate says who we are.
    bool logs_in_by_certificate = false;
    // A broker in this process: gives the client's end of a new pipe to it, or null when it takes nobody any
    // more. Then the host is a name for people, and the connection belongs to the thread of the pipe.
    std::function<std::unique_ptr<net::PipeEnd>()> open_inside{};
    // For one host: TCP, TLS and handshake together.
    Duration connection_timeout = std::chrono::seconds(10);
};

// Error: bad_url with a sentence that does not contain the password.
Outcome<Endpoint> parse_url(std::string_view url);

// "amqp://user@host:5672,other:5673/vhost", for logs.
std::string to_text(const Endpoint& endpoint);

} // namespace baton::amqp::client
