// Errors of /baton/v1 as RFC 9457 has them. Handlers answer with problem() as everywhere; what
// leaves under /baton/v1 is turned into the other form in one place. Pure.
#pragma once

#include "web/http/http_server.hpp"

#include <boost/json/array.hpp>

#include <string_view>

namespace baton::web {

inline constexpr std::string_view v1_prefix = "/baton/v1/";
inline bool is_v1(std::string_view path) {
    return path.starts_with(v1_prefix);
}

// A problem with the places it is about: [{pointer?, line?, column?, message, fix?}].
Response problem_at(unsigned status, std::string_view error, std::string_view reason,
                    boost::json::array errors);

// An error of the form {"error", "reason", "errors"?} as application/problem+json: type (a path),
// title, status, detail, instance, errors. Any other answer stays as it is.
Response as_problem(Response response, std::string_view path);

} // namespace baton::web
