// SHA-1 (FIPS 180-4). It protects nothing any more; RFC 6455 has it only so that a server which
// does not know what a WebSocket is cannot give the right answer by chance.
#pragma once

#include <string>
#include <string_view>

namespace baton::net::websocket {

// Twenty bytes.
std::string sha1_of(std::string_view text);

} // namespace baton::net::websocket
