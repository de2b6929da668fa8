// What every part of the API needs to read a request and to write an answer. Free functions over
// values; nothing is kept.
#pragma once

#include "base/result.hpp"
#include "web/http/http_server.hpp"

#include <boost/json/fwd.hpp>
#include <boost/json/object.hpp>

#include <charconv>
#include <optional>
#include <string>
#include <string_view>

namespace baton::web {

Response reply(unsigned status, const boost::json::value& body);
// 201 or 204, which say it all.
Response done(unsigned status);
// {"error": word, "reason": sentence}
Response problem(unsigned status, std::string_view error, std::string_view reason);

// The body as an object, or what is wrong with it. An empty body is an empty object.
Outcome<boost::json::object> body_of(const Request& request);
// Parses JSON; the failure says line, column and why.
Outcome<boost::json::value> parse_json(std::string_view text);

// Empty when it is absent or no text.
std::string text_member(const boost::json::object& object, std::string_view key);
// A query parameter; empty when absent.
std::string parameter(const Request& request, const std::string& key);

template <typename Number>
std::optional<Number> number_from(std::string_view text) {
    Number number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

} // namespace baton::web
