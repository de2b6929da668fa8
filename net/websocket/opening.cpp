#include "net/websocket/opening.hpp"

#include "base/base64.hpp"
#include "base/printable.hpp"

#include <fmt/format.h>
#include <openssl/sha.h>

#include <algorithm>
#include <map>
#include <optional>

namespace baton::net::websocket {
namespace {

// The cookies of a browser are most of it.
constexpr std::size_t request_bytes_max = 16 * 1024;
// So long a part of a request is repeated in a complaint.
constexpr std::size_t quoted_bytes_max = 200;

std::string in_small(std::string_view text) {
    std::string out(text);
    for (char& letter : out)
        if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
    return out;
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
        text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
        text.remove_suffix(1);
    return text;
}

std::string quoted(std::string_view text) {
    return fmt::format("'{}'", printable(text.substr(0, quoted_bytes_max)));
}

bool is_letter_of_token(char letter) {
    constexpr std::string_view others = "!#$%&'*+-.^_`|~";
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
           (letter >= '0' && letter <= '9') || others.find(letter) != std::string_view::npos;
}

// "a, b" by its commas; empty ones are left out, as RFC 9110 has it.
std::vector<std::string_view> words_of(std::string_view list) {
    std::vector<std::string_view> words;
    while (!list.empty()) {
        const auto end = std::min(list.find(','), list.size());
        if (const auto word = trimmed(list.substr(0, end)); !word.empty()) words.push_back(word);
        list.remove_prefix(std::min(end + 1, list.size()));
    }
    return words;
}

bool has_word(std::string_view list, std::string_view word) {
    return std::ranges::any_of(words_of(list),
                               [&](std::string_view one) { return in_small(one) == word; });
}

// "name:port", "[v6]:port" → the name, in small letters, without a dot at its end.
std::string name_of(std::string_view host) {
    if (host.starts_with('[')) {
        const auto end = host.find(']');
        return end == std::string_view::npos ? std::string{} : in_small(host.substr(0, end + 1));
    }
    std::string name = in_small(host.substr(0, host.find(':')));
    if (name.ends_with('.')) name.pop_back();
    return name;
}

// "https://name:port" → the name; of "null" and what is no origin nothing.
std::string name_in_origin(std::string_view origin) {
    const auto scheme = origin.find("://");
    return scheme == std::string_view::npos ? std::string{} : name_of(origin.substr(scheme + 3));
}

// An address needs no resolving, so nobody can point it elsewhere. No name ends in digits alone.
bool is_own_name(const std::string& name, const std::vector<std::string>& own_names) {
    const bool is_address =
        name.starts_with('[') || name.find_first_not_of("0123456789.") == std::string::npos;
    return (!name.empty() && is_address) || name == "localhost" || name.ends_with(".localhost") ||
           std::ranges::any_of(own_names, [&](const std::string& own) {
               return own == "*" || in_small(own) == name;
           });
}

struct Request {
    std::string_view method;
    std::string_view path;
    std::string_view version;
    std::multimap<std::string, std::string_view, std::less<>> fields;

    // Of several with one name all, with commas, as HTTP means them.
    std::optional<std::string> field(std::string_view name) const {
        std::optional<std::string> all;
        const auto [first, last] = fields.equal_range(name);
        for (auto one = first; one != last; ++one) {
            if (all)
                *all += ", ";
            else
                all.emplace();
            *all += one->second;
        }
        return all;
    }
};

std::string_view next_line(std::string_view& text) {
    const auto end = text.find("\r\n");
    const auto line = text.substr(0, end);
    text.remove_prefix(end + 2);
    return line;
}

// `head` ends in an empty line.
std::optional<Request> request_in(std::string_view head) {
    Request request;
    const auto line = next_line(head);
    const auto first = line.find(' ');
    const auto last = line.rfind(' ');
    if (first == std::string_view::npos || first == last) return std::nullopt;
    request.method = line.substr(0, first);
    request.version = line.substr(last + 1);
    const auto target = line.substr(first + 1, last - first - 1);
    request.path = target.substr(0, target.find('?'));
    if (!target.starts_with('/') || target.find(' ') != std::string_view::npos ||
        !request.version.starts_with("HTTP/"))
        return std::nullopt;
    for (auto field = next_line(head); !field.empty(); field = next_line(head)) {
        const auto colon = field.find(':');
        if (colon == 0 || colon == std::string_view::npos) return std::nullopt;
        const auto name = field.substr(0, colon);
        if (!std::ranges::all_of(name, is_letter_of_token)) return std::nullopt;
        request.fields.emplace(in_small(name), trimmed(field.substr(colon + 1)));
    }
    return request;
}

bool is_key(std::string_view key) {
    const auto bytes = from_base64(key);
    return key.size() == 24 && bytes && bytes->size() == 16;
}

} // namespace

std::string accept_of(std::string_view key) {
    // SHA-1 protects nothing any more; here it only keeps a server that does not know what a
    // WebSocket is from giving the right answer by chance (RFC 6455 section 1.3).
    const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    std::string digest(SHA_DIGEST_LENGTH, '\0');
    SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
    return base64_of(digest);
}

bool Opening::refuse(std::string_view status, std::string complaint, std::string_view headers) {
    const std::string body = complaint + "\n";
    answer_ = fmt::format("HTTP/1.1 {}\r\nServer: Baton\r\nConnection: close\r\nContent-Type: "
                          "text/plain; charset=utf-8\r\n"
                          "Content-Length: {}\r\n{}\r\n{}",
                          status, body.size(), headers, body);
    complaint_ = std::move(complaint);
    return true;
}

bool Opening::take(ByteView bytes) {
    const std::string_view text = as_text(bytes);
    // Another protocol is told at once, not when its time is over.
    const bool is_text = std::ranges::all_of(text, [](char letter) {
        const auto code = static_cast<unsigned char>(letter);
        return (code >= 0x20 && code != 0x7f) || code == '\r' || code == '\n' || code == '\t';
    });
    if (!is_text)
        return refuse("400 Bad Request", "this is no HTTP request; a WebSocket begins with one");
    const std::size_t before = head_.size();
    head_ += text;
    const auto end = head_.find("\r\n\r\n", before < 3 ? 0 : before - 3);
    if (end == std::string::npos && head_.size() <= request_bytes_max) return false;
    if (end == std::string::npos || end > request_bytes_max)
        return refuse("431 Request Header Fields Too Large",
                      "the request has more than 16 KiB of headers");
    if (end + 4 != head_.size())
        return refuse("400 Bad Request", "the client speaks on before it has read the answer");
    const std::string head = std::move(head_);
    head_.clear();
    const auto read = request_in(head);
    if (!read)
        return refuse("400 Bad Request", "this is no HTTP request; a WebSocket begins with one");
    const Request& request = *read;
    const auto value = [&](std::string_view name) {
        return request.field(name).value_or(std::string{});
    };

    if (std::ranges::find(rules_->paths, request.path) == rules_->paths.end())
        return refuse("404 Not Found",
                      fmt::format("there is no WebSocket at {}; it is at {}", quoted(request.path),
                                  fmt::join(rules_->paths, " and ")));
    if (request.method != "GET")
        return refuse("405 Method Not Allowed", "a WebSocket is asked for by GET",
                      "Allow: GET\r\n");
    if (request.version != "HTTP/1.1")
        return refuse("505 HTTP Version Not Supported", "a WebSocket is asked for by HTTP/1.1");
    if (request.fields.contains("transfer-encoding") ||
        value("content-length").find_first_not_of('0') != std::string::npos)
        return refuse("400 Bad Request", "a request for a WebSocket has no body");
    if (!has_word(value("upgrade"), "websocket") || !has_word(value("connection"), "upgrade"))
        return refuse("426 Upgrade Required",
                      "this port speaks WebSocket: 'Connection: Upgrade' and 'Upgrade: websocket' "
                      "are missing",
                      "Upgrade: websocket\r\n");
    if (value("sec-websocket-version") != "13")
        return refuse("426 Upgrade Required", "of WebSocket only version 13 is spoken here",
                      "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
    const std::string key = value("sec-websocket-key");
    if (!is_key(key))
        return refuse("400 Bad Request",
                      "'Sec-WebSocket-Key' is not sixteen bytes in base64, once");
    const std::string host = value("host");
    if (request.fields.count("host") != 1)
        return refuse("400 Bad Request", "'Host' is missing, or there twice");
    if (!is_own_name(name_of(host), rules_->own_names))
        return refuse("421 Misdirected Request",
                      fmt::format("{} is no name of this server; if it is, name it in 'http.names' "
                                  "(BATON_HTTP_NAMES)",
                                  quoted(host)));
    if (const auto origin = request.field("origin")) {
        const bool is_allowed =
            std::ranges::any_of(rules_->origins, [&](const std::string& allowed) {
                return allowed == "*" || in_small(allowed) == in_small(*origin);
            });
        if (!is_allowed && name_in_origin(*origin) != name_of(host))
            return refuse("403 Forbidden",
                          fmt::format("pages of {} may not connect; 'broker.websocket.origins' "
                                      "(BATON_BROKER_WEBSOCKET_ORIGINS) names those that may",
                                      quoted(*origin)));
    }
    const auto offered = request.field("sec-websocket-protocol");
    const auto protocols = words_of(offered ? std::string_view(*offered) : std::string_view());
    if (offered && std::ranges::find(protocols, rules_->protocol) == protocols.end())
        return refuse("400 Bad Request",
                      fmt::format("none of the offered protocols {} is spoken here; '{}' is",
                                  quoted(*offered), rules_->protocol));
    answer_ = fmt::format(
        "HTTP/1.1 101 Switching Protocols\r\nServer: Baton\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n{}\r\n",
        accept_of(key),
        offered ? fmt::format("Sec-WebSocket-Protocol: {}\r\n", rules_->protocol) : std::string{});
    is_accepted_ = true;
    return true;
}

} // namespace baton::net::websocket
