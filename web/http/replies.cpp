#include "web/http/replies.hpp"

#include "base/json_text.hpp"
#include "base/utf8.hpp"

#include <boost/json/value.hpp>
#include <utility>

namespace baton::web {

namespace json = boost::json;

namespace {

Failure bad_text(const std::string& detail) {
    return Failure{make_error_code(boost::system::errc::invalid_argument), detail};
}

} // namespace

// Names of queues and rows of older versions may hold any bytes; what goes out is JSON all the same.
Response reply(unsigned status, const json::value& body) {
    std::string text = write_json(body);
    if (!is_utf8(text)) text = as_utf8(text);
    return {.status = status, .body = std::move(text), .content_type = "application/json", .headers = {}};
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

} // namespace baton::web
