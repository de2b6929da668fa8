// What the body of a request may hold. A member nobody reads was meant to do something, so it is
// refused by name instead of dropped. Pure functions over values.
#pragma once

#include "base/result.hpp"
#include "web/http/http_server.hpp"

#include <boost/json/object.hpp>

#include <initializer_list>
#include <optional>
#include <string_view>

namespace baton::web {

// The members that are text when they are there, and those of any kind. The failure says which one
// is unknown (and what was probably meant) or is no text.
Outcome<void> check_members(const boost::json::object& body, std::initializer_list<std::string_view> texts,
                            std::initializer_list<std::string_view> others = {});

// Idempotency-Key as the member of the body that makes the request harmless to repeat. Nothing: it
// is, or there is no such header.
std::optional<Response> take_key(Request& request, std::string_view member);

} // namespace baton::web
