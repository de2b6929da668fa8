// Requests, and Redmine's way to say no: statuses with empty bodies, 422 with translated texts, 500
// for anything, which may or may not have happened.
#include "workers/redmine/client.hpp"

#include "base/percent.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace baton::workers::redmine {

namespace json = boost::json;

namespace {

constexpr std::size_t page_size = 100;
// A list longer than this is not what anybody meant.
constexpr std::size_t pages_max = 1000;

std::optional<json::object> parse_object(const std::string& text) {
    ErrorCode code;
    json::value value = json::parse(text, code);
    if (code || !value.is_object()) return std::nullopt;
    return std::move(value.get_object());
}

std::vector<std::string> errors_in(const json::object& body) {
    std::vector<std::string> texts;
    if (const json::array* errors = array_of(body, "errors"))
        for (const json::value& error : *errors)
            if (error.is_string()) texts.emplace_back(error.get_string());
    return texts;
}

bool is_good(int status) { return status >= 200 && status < 300; }

// Redmine refuses API calls without a body, or with an object of JSON; a page comes from somebody else, or
// is Redmine's for a call that it does not have.
bool is_a_page(const http::Response& response) {
    return lower(response.content_type).starts_with("text/html") &&
           response.body.find_first_not_of(" \r\n\t") != std::string::npos;
}

// What only administrators may call at all.
bool is_for_administrators(std::string_view path) {
    return path.starts_with("/users") || path.starts_with("/groups") || path.starts_with("/custom_fields");
}

} // namespace

std::string text_of(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    return value && value->is_string() ? std::string(value->get_string()) : std::string{};
}

std::int64_t number_of(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    return value && value->is_int64() ? value->get_int64() : 0;
}

const json::object* object_of(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    return value ? value->if_object() : nullptr;
}

const json::array* array_of(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    return value ? value->if_array() : nullptr;
}

contract::Problem refusal(const Written& written) {
    return permanent("invalid_input", fmt::format("Redmine: {}", fmt::join(written.errors, "; ")), 422);
}

std::optional<contract::Problem> Written::failure() const {
    if (is_refused) return refusal(*this);
    return problem;
}

http::Response Client::send(std::string method, const std::string& path, std::string body,
                            std::string_view content_type) const {
    http::Request request;
    request.method = std::move(method);
    request.url = settings_.url + path;
    request.headers = {{"X-Redmine-API-Key", settings_.key},
                       // Otherwise error texts come in the language of the key's owner.
                       {"Accept-Language", "en"}};
    if (!body.empty()) request.headers.emplace_back("Content-Type", std::string(content_type));
    request.body = std::move(body);
    return http::perform(request, settings_.limits);
}

std::optional<contract::Problem> Client::problem_of(const http::Response& response, const std::string& method,
                                                    const std::string& path) const {
    if (auto common = http::common_problem("Redmine", response)) return common;
    const int status = response.status;
    if (is_good(status)) return std::nullopt;
    if (status == 401)
        return configuration("unauthorized", "Redmine does not accept the API key (401): is it still valid, and its "
                                             "owner not locked?");
    if (status == 403) return forbidden(method, path);
    const std::string call = fmt::format("{} {}", method, path.substr(0, path.find('?')));
    if (status == 404 && is_a_page(response))
        return configuration("not_the_api", fmt::format("no Redmine answers at {} ({} gives a page with 404): is the "
                                                        "URL right?", settings_.url, call));
    if (status == 404) return permanent("not_found", fmt::format("Redmine does not know it (404): {}", call), 404);
    if (status >= 500) {
        contract::Problem problem = temporary("unavailable", fmt::format("Redmine: status {} to {}", status, call),
                                              response.retry_after);
        problem.status = status;
        return problem;
    }
    if (status == 413)
        return permanent("too_large", fmt::format("Redmine or what is in front of it does not take so much (413): {}",
                                                  call), status);
    return permanent("bad_request", fmt::format("Redmine does not take the request ({}): {}", status, call), status);
}

// 403 comes without a word. Whether it is the key or this one object is found out by asking who we are.
contract::Problem Client::forbidden(const std::string& method, const std::string& path) const {
    const std::string whoami = "/users/current.json";
    const http::Response response = send("GET", whoami, {}, {});
    if (response.trouble != http::Trouble::none || (response.status != 403 && !is_good(response.status)))
        if (auto problem = problem_of(response, "GET", whoami)) return *problem;
    if (response.status == 403)
        return configuration("unauthorized", "Redmine forbids everything (403): is its REST API switched on, and has "
                                             "the key's owner no password to change?");
    const auto body = parse_object(response.body);
    const json::object* user = body ? object_of(*body, "user") : nullptr;
    if (!user) return http::not_the_api("Redmine", response);
    const json::value* admin = user->if_contains("admin");
    const bool is_admin = admin && admin->is_bool() && admin->get_bool();
    if (!is_admin && is_for_administrators(path))
        return configuration("unauthorized", fmt::format("Redmine forbids it (403): the API key is that of '{}', who "
                                                         "is no administrator", text_of(*user, "login")));
    return permanent("forbidden",
                     fmt::format("Redmine does not allow this to '{}' (403): {} {}; is the project closed or archived, "
                                 "or a right missing there?",
                                 text_of(*user, "login"), method, path.substr(0, path.find('?'))),
                     403);
}

Reply<std::optional<json::object>> Client::get(const std::string& path) const {
    const http::Response response = send("GET", path, {}, {});
    if (auto problem = problem_of(response, "GET", path)) {
        if (problem->type == "not_found") return std::optional<json::object>();
        return *problem;
    }
    auto body = parse_object(response.body);
    if (!body) return http::not_the_api("Redmine", response);
    return body;
}

Reply<bool> Client::each_if_there(const std::string& path, std::string_view list, const Take& take) const {
    const char joint = path.find('?') == std::string::npos ? '?' : '&';
    for (std::size_t page = 0; page < pages_max; ++page) {
        const auto body = get(fmt::format("{}{}limit={}&offset={}", path, joint, page_size, page * page_size));
        if (!body) return body.error();
        if (!*body) return false;
        const json::array* items = array_of(**body, list);
        if (!items)
            return temporary("bad_answer", fmt::format("Redmine's answer to {} has no '{}'", path, list));
        for (const json::value& item : *items)
            if (item.is_object() && !take(item.get_object())) return true;
        // Some lists have no pages, and come whole whatever one asks for.
        if (items->size() != page_size || !(*body)->contains("total_count")) return true;
    }
    return true;
}

std::optional<contract::Problem> Client::each(const std::string& path, std::string_view list, const Take& take) const {
    const auto listed = each_if_there(path, list, take);
    if (!listed) return listed.error();
    if (*listed) return std::nullopt;
    return configuration("not_the_api", fmt::format("no Redmine answers at {} ({} gives 404): is the URL right?",
                                                    settings_.url, path.substr(0, path.find('?'))));
}

Written Client::write(std::string method, const std::string& path, std::string body,
                      std::string_view content_type) const {
    const http::Response response = send(method, path, std::move(body), content_type);
    Written written;
    written.status = response.status;
    const auto answer = parse_object(response.body);
    written.body = answer.value_or(json::object{});
    if (response.trouble == http::Trouble::none && response.status == 422 && answer) {
        written.is_refused = true;
        written.errors = errors_in(written.body);
        return written;
    }
    written.problem = problem_of(response, method, path);
    written.is_ambiguous = written.problem && response.may_have_happened;
    // Redmine may still be at it, and what a look finds missing now may be there in a moment.
    const bool is_under_way = response.trouble == http::Trouble::timed_out || response.status == 408 || response.status == 504;
    if (written.is_ambiguous && is_under_way && !written.problem->retry_after)
        written.problem->retry_after = settings_.limits.total;
    // Somebody else answered in Redmine's place, or the answer was cut: look before trying again.
    const bool has_text = response.body.find_first_not_of(" \r\n\t") != std::string::npos;
    const bool wants_body = method == "POST" && response.status == 201;
    if (!written.problem && !answer && (has_text || wants_body)) {
        written.problem = http::not_the_api("Redmine", response);
        written.is_ambiguous = true;
    }
    return written;
}

Written Client::post(const std::string& path, const json::object& body) const {
    return write("POST", path, json::serialize(body));
}

Written Client::put(const std::string& path, const json::object& body) const {
    return write("PUT", path, body.empty() ? std::string{} : json::serialize(body));
}

Written Client::remove(const std::string& path) const { return write("DELETE", path, {}); }

Written Client::upload(const std::string& name, const std::string& content) const {
    return write("POST", "/uploads.json?filename=" + percent_encoded(name), content, "application/octet-stream");
}

} // namespace baton::workers::redmine
