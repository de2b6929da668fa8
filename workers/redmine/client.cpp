// Requests, and Redmine's way to say no: statuses with empty bodies, 422 with translated texts, 500
// for anything, which may or may not have happened.
#include "workers/redmine/client.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace baton::workers::redmine {

namespace json = boost::json;

namespace {

constexpr std::size_t page_size = 100;
// A name that matches more users than this is no login anybody has.
constexpr std::size_t pages_max = 50;

std::optional<json::object> parse_object(const std::string& text) {
    ErrorCode code;
    json::value value = json::parse(text, code);
    if (code || !value.is_object()) return std::nullopt;
    return std::move(value.get_object());
}

std::string text_of(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    return value && value->is_string() ? std::string(value->get_string()) : std::string{};
}

std::int64_t number_of(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    return value && value->is_int64() ? value->get_int64() : 0;
}

std::string joined_errors(const json::object& body) {
    const json::value* errors = body.if_contains("errors");
    std::string text;
    if (!errors || !errors->is_array()) return text;
    for (const json::value& error : errors->get_array()) {
        if (!error.is_string()) continue;
        if (!text.empty()) text += "; ";
        text += error.get_string();
    }
    return text;
}

} // namespace


http::Response Client::send(std::string method, const std::string& path, std::string body) const {
    http::Request request;
    request.method = std::move(method);
    request.url = settings_.url + path;
    request.headers = {{"X-Redmine-API-Key", settings_.key},
                       // Otherwise error texts come in the language of the key's owner.
                       {"Accept-Language", "en"}};
    if (!body.empty()) request.headers.emplace_back("Content-Type", "application/json");
    request.body = std::move(body);
    return http::perform(request, settings_.limits);
}

std::optional<contract::Problem> Client::problem_of(const http::Response& response) const {
    if (auto common = http::common_problem("Redmine", response)) return common;
    const int status = response.status;
    if (status >= 200 && status < 300) return std::nullopt;
    if (status == 401)
        return configuration("unauthorized", "Redmine does not accept the API key (401)");
    if (status == 403)
        return configuration("unauthorized",
                             "Redmine forbids it (403): is the REST API on, and the key an "
                             "administrator's?");
    if (status == 404) return permanent("not_found", "Redmine does not know it (404)", 404);
    if (status == 400 || status == 412)
        return permanent("bad_request", fmt::format("Redmine cannot read the request ({})", status),
                         status);
    if (status >= 500) {
        contract::Problem problem = temporary("unavailable", fmt::format("Redmine: status {}", status),
                                              response.retry_after);
        problem.status = status;
        return problem;
    }
    return permanent("unexpected", fmt::format("Redmine answered with status {}", status), status);
}

Reply<std::optional<json::object>> Client::get(const std::string& path) const {
    const http::Response response = send("GET", path, {});
    if (response.trouble == http::Trouble::none && response.status == 404)
        return std::optional<json::object>();
    if (auto problem = problem_of(response)) return *problem;
    auto body = parse_object(response.body);
    if (!body) return temporary("bad_answer", "Redmine answered with something that is no JSON object");
    return body;
}

Written Client::write(std::string method, const std::string& path, const json::object& body) const {
    const http::Response response =
        send(std::move(method), path, body.empty() ? std::string{} : json::serialize(body));
    Written written;
    written.status = response.status;
    written.body = parse_object(response.body).value_or(json::object{});
    if (response.trouble == http::Trouble::none && response.status == 422) {
        written.is_refused = true;
        written.errors = joined_errors(written.body);
        return written;
    }
    written.problem = problem_of(response);
    written.is_ambiguous = written.problem && (response.may_have_happened || response.status >= 500);
    return written;
}

Written Client::post(const std::string& path, const json::object& body) const {
    Written written = write("POST", path, body);
    // Somebody else answered in Redmine's place, or the answer was cut: look before trying again.
    const bool wants_body = written.status != 204;
    if (!written.problem && !written.is_refused && wants_body && written.body.empty()) {
        written.problem = temporary("bad_answer", "Redmine's answer to a create is not JSON");
        written.is_ambiguous = true;
    }
    return written;
}

Written Client::put(const std::string& path, const json::object& body) const {
    return write("PUT", path, body);
}

Written Client::remove(const std::string& path) const { return write("DELETE", path, {}); }

Reply<std::vector<User>> Client::users_named(std::string_view text) const {
    std::vector<User> users;
    for (std::size_t page = 0; page < pages_max; ++page) {
        // An empty status means all of them; without it locked users stay hidden.
        auto body = get(fmt::format("/users.json?status=&name={}&limit={}&offset={}",
                                    http::path_encoded(text), page_size, page * page_size));
        if (!body) return std::move(body).error();
        const json::value* list = *body ? (*body)->if_contains("users") : nullptr;
        if (!list || !list->is_array())
            return temporary("bad_answer", "Redmine's list of users has no users in it");
        for (const json::value& item : list->get_array()) {
            if (!item.is_object()) continue;
            const json::object& user = item.get_object();
            users.push_back({number_of(user, "id"), text_of(user, "login"), text_of(user, "mail")});
        }
        if (list->get_array().size() < page_size) break;
    }
    std::sort(users.begin(), users.end(), [](const User& a, const User& b) { return a.id < b.id; });
    return users;
}

Reply<std::vector<User>> Client::all_with_login(std::string_view login) const {
    auto users = users_named(login);
    if (users)
        std::erase_if(*users, [&](const User& user) { return lower(user.login) != lower(login); });
    return users;
}

Reply<std::optional<User>> Client::find_by_login(std::string_view login) const {
    auto users = all_with_login(login);
    if (!users) return std::move(users).error();
    return users->empty() ? std::optional<User>{} : users->front();
}

Reply<std::optional<User>> Client::find_by_mail(std::string_view mail) const {
    auto users = users_named(mail);
    if (!users) return std::move(users).error();
    for (const User& user : *users)
        if (lower(user.mail) == lower(mail)) return std::optional<User>(user);
    return std::optional<User>{};
}

} // namespace baton::workers::redmine
