// The opening of a WebSocket (RFC 6455 §4.2), the server's side, sans-io: the bytes of one HTTP
// request in, the answer out. A client says nothing more before it has read the answer (§4.1), so
// bytes behind the request are refused like any other mistake.
//
// A browser lets any page ask, and says where the page comes from. It is let in when that is a name
// of this server, on whatever port, or one that was allowed; programs that are no browsers say
// nothing and are not hindered. The name that the request asks for must be one of ours, too: a page
// whose own name was pointed at our address would otherwise be of our origin.
#pragma once

#include "base/bytes.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace baton::net::websocket {

struct OpeningRules {
    std::vector<std::string> paths;
    // What is spoken inside. A client that offers none has chosen by the path.
    std::string protocol;
    // Whose pages may come beside our own: "https://shop.example"; "*" is any.
    std::vector<std::string> origins;
    // Names of this server beside those of loopback and addresses; "*" is any.
    std::vector<std::string> own_names;
};

class Opening {
public:
    // `rules` must outlive it.
    explicit Opening(const OpeningRules& rules) : rules_(&rules) {}

    // True: the request is complete, or wrong already; answer() is to be written.
    bool take(ByteView bytes);
    bool is_accepted() const { return is_accepted_; }
    // A whole HTTP answer; behind one that does not accept, the connection ends.
    const std::string& answer() const { return answer_; }
    // For the log; empty when accepted.
    const std::string& complaint() const { return complaint_; }

private:
    bool refuse(std::string_view status, std::string complaint, std::string_view headers = {});

    const OpeningRules* rules_;
    std::string head_;
    bool is_accepted_ = false;
    std::string answer_;
    std::string complaint_;
};

// Sec-WebSocket-Accept for a Sec-WebSocket-Key.
std::string accept_of(std::string_view key);

} // namespace baton::net::websocket
