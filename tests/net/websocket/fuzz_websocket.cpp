// Fuzz target: the server's side of a WebSocket without sockets: any bytes, cut into reads of any
// size, to the opening or to the frames; and the same bytes in one piece give the same payload and
// the same end.
#include "net/websocket/opening.hpp"
#include "net/websocket/session.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

using namespace baton;
using namespace baton::net::websocket;

struct Taken {
    std::string payload;
    bool has_ended = false;
    std::string complaint;
    bool operator==(const Taken&) const = default;
};

Taken take(std::string_view sent, std::size_t piece) {
    Session session({.frame_bytes_max = 300, .message_bytes_max = 1000, .takes_text = true});
    Taken taken;
    for (std::size_t at = 0; at < sent.size(); at += piece) {
        std::string some(sent.substr(at, piece));
        const std::size_t got =
            session.take({reinterpret_cast<std::byte*>(some.data()), some.size()});
        if (got > some.size()) std::abort();
        taken.payload += some.substr(0, got);
        std::vector<std::byte> said;
        session.pay(said);
        if (session.owes() || said.size() > 3 * 127) std::abort();
    }
    taken.has_ended = session.has_ended();
    taken.complaint = session.complaint();
    return taken;
}

std::string answer_to(std::string_view sent, std::size_t piece) {
    static const OpeningRules rules{
        .paths = {"/ws"}, .protocol = "amqp", .origins = {"http://a"}, .own_names = {"b"}};
    Opening opening(rules);
    for (std::size_t at = 0; at < sent.size(); at += piece) {
        if (!opening.take(as_bytes(sent.substr(at, piece)))) continue;
        if (opening.is_accepted() != opening.complaint().empty() ||
            !opening.answer().starts_with("HTTP/1.1 "))
            std::abort();
        // No line of a request begins a line of the answer.
        if (opening.is_accepted() &&
            opening.answer().find("\r\n\r\n") + 4 != opening.answer().size())
            std::abort();
        return opening.answer();
    }
    return {};
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view sent(reinterpret_cast<const char*>(data) + 1, size - 1);
    const std::size_t piece = 1U + data[0] / 2U;
    if (data[0] % 2 == 0) {
        const Taken whole = take(sent, sent.size() + 1);
        Taken pieces = take(sent, piece);
        // Of a piece that breaks off being text nothing is handed out, of those before it all.
        if (whole.complaint.find("not UTF-8") != std::string::npos &&
            pieces.payload.starts_with(whole.payload))
            pieces.payload = whole.payload;
        if (pieces != whole) std::abort();
    } else {
        (void)answer_to(sent, piece);
        (void)answer_to(sent, sent.size() + 1);
    }
    return 0;
}
