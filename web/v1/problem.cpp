#include "web/v1/problem.hpp"

#include "web/http/replies.hpp"

#include <boost/json/object.hpp>

#include <algorithm>
#include <string>
#include <utility>

namespace baton::web {

namespace json = boost::json;

namespace {

// "bad_request" as a title: "Bad request".
std::string title_of(std::string_view word) {
    std::string title(word);
    std::ranges::replace(title, '_', ' ');
    if (!title.empty() && title[0] >= 'a' && title[0] <= 'z')
        title[0] = static_cast<char>(title[0] - 'a' + 'A');
    return title;
}

} // namespace

Response problem_at(unsigned status, std::string_view error, std::string_view reason,
                    json::array errors) {
    return reply(status,
                 json::object{{"error", error}, {"reason", reason}, {"errors", std::move(errors)}});
}

Response as_problem(Response response, std::string_view path) {
    if (response.status < 400 || response.content_type != "application/json") return response;
    const auto body = parse_json(response.body);
    const json::object* said = body ? body->if_object() : nullptr;
    if (said == nullptr || !said->contains("error")) return response;
    const std::string word = text_member(*said, "error");
    json::object problem;
    problem["type"] = "/problems/" + word;
    problem["title"] = title_of(word);
    problem["status"] = response.status;
    problem["detail"] = text_member(*said, "reason");
    problem["instance"] = path;
    if (const auto* errors = said->if_contains("errors")) problem["errors"] = *errors;
    // What an answer says beside that it refuses, such as the run as it is now.
    for (const auto& member : *said)
        if (member.key() != "error" && member.key() != "reason" && member.key() != "errors")
            problem[member.key()] = member.value();
    Response changed = reply(response.status, problem);
    changed.content_type = "application/problem+json";
    changed.headers = std::move(response.headers);
    return changed;
}

} // namespace baton::web
