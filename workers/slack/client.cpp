// Requests, and what came back.
#include "workers/slack/client.hpp"

#include "base/log.hpp"
#include "base/printable.hpp"
#include "workers/slack/refusal.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace baton::workers::slack {

namespace json = boost::json;

namespace {

constexpr const char* form_type = "application/x-www-form-urlencoded";
constexpr const char* json_type = "application/json; charset=utf-8";
constexpr const char* scim_type = "application/scim+json";

// Before Slack's own words: nobody answered, or somebody who is not its API.
std::optional<contract::Problem> problem_of_http(const http::Response& response) {
    if (auto problem = http::common_problem("Slack", response)) return problem;
    if (response.status >= 500) {
        auto problem = temporary("unavailable", fmt::format("Slack: status {}", response.status), response.retry_after);
        problem.status = response.status;
        return problem;
    }
    return std::nullopt;
}

contract::Problem problem_of_stranger(const http::Response& response) {
    const int status = response.status;
    const std::string said = fmt::format("Slack answered {} without a word", status);
    if (status == 401 || status == 403 || status == 407)
        return configuration("unauthorized", said + ": the token is not taken, or something in front of Slack asks for a log-in");
    if (status == 404) return configuration("not_the_api", said + ": is BATON_SLACK_URL the API's?");
    return http::not_the_api("Slack", response);
}

std::vector<std::string> warnings_in(const json::object& body) {
    std::vector<std::string> warnings;
    for (const json::value& one : list_of(object_of(body, "response_metadata"), "warnings"))
        if (one.is_string()) warnings.emplace_back(one.get_string());
    if (const std::string one = text_of(body, "warning"); warnings.empty() && !one.empty()) warnings.push_back(one);
    return warnings;
}

Said understood(const http::Response& response, std::string_view method) {
    Said said;
    said.status = response.status;
    said.may_have_happened = response.may_have_happened;
    said.problem = problem_of_http(response);
    if (said.problem) return said;
    ErrorCode code;
    const json::value value = json::parse(response.body, code);
    if (code || !value.is_object() || !value.get_object().contains("ok")) {
        said.problem = problem_of_stranger(response);
        // A page for people is not from behind the API: nobody there has heard of the call.
        said.may_have_happened = response.status < 300 && said.problem->is_attempt;
        return said;
    }
    said.body = value.get_object();
    if (flag_of(said.body, "ok")) {
        said.warnings = warnings_in(said.body);
        return said;
    }
    said.error = text_of(said.body, "error");
    if (said.error.empty()) said.error = "unknown_error";
    said.problem = problem_of(method, said.error, said.body, response.retry_after);
    said.may_have_happened = meaning_of(said.error) == Meaning::again;
    return said;
}

// SCIM says it by status, with a text for people.
Said understood_scim(const http::Response& response, const std::string& what) {
    Said said;
    said.status = response.status;
    said.may_have_happened = response.may_have_happened;
    said.problem = problem_of_http(response);
    if (said.problem) return said;
    ErrorCode code;
    const json::value value = json::parse(response.body, code);
    const bool is_object = !code && value.is_object();
    if (is_object) said.body = value.get_object();
    if (response.status >= 200 && response.status < 300) {
        if (is_object || response.status == 204) return said;
        said.problem = problem_of_stranger(response);
        said.may_have_happened = true;
        return said;
    }
    if (!is_object) {
        said.problem = problem_of_stranger(response);
        return said;
    }
    std::string text = text_of(said.body, "detail");
    if (text.empty()) text = text_of(object_of(said.body, "Errors"), "description");
    const std::string detail = fmt::format("Slack's SCIM refuses {} ({}): {}", what, response.status, text);
    if (response.status == 401 || response.status == 403)
        said.problem = configuration("unauthorized", detail + "; the administrator's token needs the scope admin");
    else if (response.status == 404)
        said.problem = permanent("not_found", detail, 404);
    else if (response.status == 409)
        said.problem = permanent("conflict", detail, 409);
    else
        said.problem = permanent("refused", detail, response.status);
    return said;
}

} // namespace

contract::Problem counted(const Said& said) {
    contract::Problem problem = *said.problem;
    if (said.may_have_happened) problem.is_attempt = true;
    return problem;
}

namespace {

const std::string& token_of(const Settings& settings, As as) {
    return as == As::administrator && !settings.admin_token.empty() ? settings.admin_token : settings.token;
}

} // namespace

Said Client::write(std::string_view method, const Fields& fields, As as) const {
    http::Request request;
    request.method = "POST";
    request.url = fmt::format("{}/{}", settings_.url, method);
    request.headers = {{"Authorization", "Bearer " + token_of(settings_, as)}, {"Content-Type", form_type}};
    request.body = http::form_encoded(fields);
    Said said = understood(http::perform(request, settings_.limits), method);
    if (!said.warnings.empty())
        log::warning("slack", "done, with a warning", {{"call", std::string(method)}, {"warnings", printable(fmt::format("{}", fmt::join(said.warnings, ", ")))}});
    return said;
}

Said Client::read(std::string_view method, const Fields& fields, As as) const {
    http::Request request;
    request.url = fmt::format("{}/{}", settings_.url, method);
    if (!fields.empty()) request.url += '?' + http::form_encoded(fields);
    request.headers = {{"Authorization", "Bearer " + token_of(settings_, as)}};
    return understood(http::perform(request, settings_.limits), method);
}

Said Client::scim(const std::string& verb, const std::string& path, const json::value& resource) const {
    http::Request request;
    request.method = verb;
    request.url = settings_.scim_url + path;
    request.headers = {{"Authorization", "Bearer " + token_of(settings_, As::administrator)}, {"Accept", scim_type}};
    if (!resource.is_null()) {
        request.headers.emplace_back("Content-Type", scim_type);
        request.body = json::serialize(resource);
    }
    return understood_scim(http::perform(request, settings_.limits), fmt::format("{} {}", verb, path.substr(0, path.find('?'))));
}

Said Client::upload(const std::string& url, const std::string& content) const {
    const http::Request request{"POST", url, {{"Content-Type", "application/octet-stream"}}, content};
    const http::Response response = http::perform(request, settings_.limits);
    Said said;
    said.status = response.status;
    said.problem = problem_of_http(response);
    if (!said.problem && response.status != 200)
        said.problem = temporary("upload", fmt::format("Slack did not take the file's bytes: status {}", response.status));
    return said;
}

Said Client::tell_webhook(const json::object& message) const {
    const http::Request request{"POST", settings_.webhook_url, {{"Content-Type", json_type}}, json::serialize(message)};
    const http::Response response = http::perform(request, settings_.limits);
    Said said;
    said.status = response.status;
    said.may_have_happened = response.may_have_happened;
    said.problem = problem_of_http(response);
    if (said.problem || response.status == 200) return said;
    // A webhook says its word as plain text, with 400, 403, 404 or 410.
    const std::string word = printable(std::string_view(response.body).substr(0, 60));
    const std::string detail = fmt::format("Slack's webhook refuses ({}): {}", response.status, word);
    if (response.status == 403 || response.status == 404 || response.status == 410)
        said.problem = configuration("webhook", detail + "; is BATON_SLACK_WEBHOOK_URL still valid?");
    else
        said.problem = permanent(word.empty() || word.find(' ') != std::string::npos ? "refused" : word, detail, response.status);
    return said;
}

std::string text_of(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    return value && value->is_string() ? std::string(value->get_string()) : std::string{};
}

bool flag_of(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    return value && value->is_bool() && value->get_bool();
}

const json::object& object_of(const json::object& object, std::string_view key) {
    static const json::object none;
    const json::value* value = object.if_contains(key);
    return value && value->is_object() ? value->get_object() : none;
}

const json::array& list_of(const json::object& object, std::string_view key) {
    static const json::array none;
    const json::value* value = object.if_contains(key);
    return value && value->is_array() ? value->get_array() : none;
}

std::string cursor_of(const json::object& body) { return text_of(object_of(body, "response_metadata"), "next_cursor"); }

} // namespace baton::workers::slack
