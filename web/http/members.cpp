#include "web/http/members.hpp"

#include "base/json_text.hpp"
#include "base/suggest.hpp"
#include "web/http/replies.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace baton::web {

Outcome<void> check_members(const boost::json::object& body, std::initializer_list<std::string_view> texts,
                            std::initializer_list<std::string_view> others) {
    const auto bad = [](std::string detail) {
        return Failure{make_error_code(boost::system::errc::invalid_argument), std::move(detail)};
    };
    std::vector<std::string_view> known(texts);
    known.insert(known.end(), others);
    for (const auto& member : body) {
        const std::string_view name = member.key();
        if (std::find(known.begin(), known.end(), name) == known.end()) {
            const auto hint = did_you_mean(name, known);
            return bad(fmt::format("unknown member '{}'{}", name,
                                   known.empty()  ? "; there are none"
                                   : hint.empty() ? fmt::format("; known are {}", fmt::join(known, ", "))
                                                  : hint));
        }
        const bool is_text = std::find(texts.begin(), texts.end(), name) != texts.end();
        if (is_text && !member.value().is_string()) return bad(fmt::format("'{}' must be text", name));
    }
    return boost::system::in_place_value;
}

std::optional<Response> take_key(Request& request, std::string_view member) {
    if (request.idempotency_key.empty()) return std::nullopt;
    auto body = body_of(request);
    if (!body) return problem(400, "bad_request", body.error().detail);
    if (body->contains(member))
        return problem(
            400, "bad_request",
            fmt::format("either the header Idempotency-Key or '{}', which is the same", member));
    (*body)[member] = request.idempotency_key;
    request.body = write_json(*body);
    return std::nullopt;
}

} // namespace baton::web
