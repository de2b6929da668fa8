// A host's addresses. Asio's own resolver joins its thread at the end, and the system's search for a name takes as long as it
// takes: while a name server is silent, a program could not stop. Here nobody waits for that thread.
#pragma once

#include "base/result.hpp"
#include "net/awaitable.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace baton::net {

// In the system's order. A cancellation ends it at once.
Awaitable<Outcome<std::vector<asio::ip::tcp::endpoint>>> resolve(std::string host, std::uint16_t port);

} // namespace baton::net
