#include "web/replies.hpp"

#include "base/json_text.hpp"

#include <boost/json/value.hpp>
#include <algorithm>
#include <cstdint>

namespace baton::web {

namespace json = boost::json;

namespace {

Failure bad_text(const std::string& detail) {
    return Failure{make_error_code(boost::system::errc::invalid_argument), detail};
}

// How many bytes the UTF-8 sequence at the start of `text` has; 0 if it is none.
std::size_t sequence_length(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
    const std::uint8_t first = byte(0);
    if (first < 0x80) return 1;
    const std::size_t length = first >= 0xF0 && first <= 0xF4   ? 4
                               : first >= 0xE0 && first <= 0xEF ? 3
                               : first >= 0xC2 && first <= 0xDF ? 2
                                                                : 0;
    if (length == 0 || text.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((byte(i) & 0xC0) != 0x80) return 0;
    const bool is_overlong = (first == 0xE0 && byte(1) < 0xA0) || (first == 0xF0 && byte(1) < 0x90);
    const bool is_outside = (first == 0xED && byte(1) > 0x9F) || (first == 0xF4 && byte(1) > 0x8F);
    return is_overlong || is_outside ? 0 : length;
}

} // namespace

Response reply(unsigned status, const json::value& body) {
    return {.status = status, .body = write_json(body), .content_type = "application/json", .headers = {}};
}

Response done(unsigned status) {
    return {.status = status, .body = {}, .content_type = "application/json", .headers = {}};
}

Response problem(unsigned status, std::string_view error, std::string_view reason) {
    json::object body;
    body["error"] = error;
    body["reason"] = as_utf8(reason);
    return reply(status, body);
}

Outcome<json::value> parse_json(std::string_view text) {
    // The request is wrapped around values that may be as deep as any from outside.
    constexpr JsonRules rules{json_from_outside.depth_max + 8, true};
    auto value = read_json(text, rules);
    if (!value) return bad_text("not JSON that can be used: " + value.error().detail);
    return value;
}

Outcome<json::object> body_of(const Request& request) {
    if (request.body.empty()) return json::object{};
    auto value = parse_json(request.body);
    if (!value) return bad_text("the body is " + value.error().detail);
    if (!value->is_object()) return bad_text("the body must be a JSON object");
    return std::move(value->as_object());
}

std::string text_member(const json::object& object, std::string_view key) {
    const auto* found = object.if_contains(key);
    if (found == nullptr || !found->is_string()) return {};
    return std::string(found->as_string());
}

std::string parameter(const Request& request, const std::string& key) {
    const auto found = request.query.find(key);
    return found == request.query.end() ? std::string{} : found->second;
}

std::string as_utf8(std::string_view text) {
    std::string clean;
    clean.reserve(text.size());
    while (!text.empty()) {
        const std::size_t length = sequence_length(text);
        clean += length == 0 ? std::string_view("\xEF\xBF\xBD") : text.substr(0, length);
        text.remove_prefix(std::max<std::size_t>(length, 1));
    }
    return clean;
}

} // namespace baton::web
