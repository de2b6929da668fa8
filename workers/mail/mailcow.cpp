// mailcow's account calls. A refusal is HTTP 200 with entries of type "danger" or "error", whose msg
// is a word or a list that begins with one.
#include "workers/mail/accounts.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

namespace baton::workers::mail {

namespace json = boost::json;

namespace {

std::optional<contract::Problem> problem_of(const http::Response& response) {
    if (auto common = http::common_problem("mailcow", response)) return common;
    if (response.status == 401)
        return configuration("unauthorized", "mailcow does not accept the API key, or not from this "
                                             "address (401)");
    if (response.status == 403)
        return configuration("unauthorized", "mailcow's API key may only read (403)");
    if (response.status >= 500) {
        contract::Problem problem =
            temporary("unavailable", fmt::format("mailcow: status {}", response.status));
        problem.status = response.status;
        return problem;
    }
    if (response.status != 200)
        return permanent("unexpected", fmt::format("mailcow answered with status {}", response.status),
                         response.status);
    return std::nullopt;
}

std::string first_word(const json::value& message) {
    if (message.is_string()) return std::string(message.get_string());
    if (message.is_array() && !message.get_array().empty() && message.get_array()[0].is_string())
        return std::string(message.get_array()[0].get_string());
    return "unknown";
}

// The first word of a refusal; empty for a success. Nothing if the body is not mailcow's.
std::optional<std::string> refusal_in(const std::string& body) {
    ErrorCode code;
    json::value value = json::parse(body, code);
    if (code) return std::nullopt;
    // One entry comes alone in some versions.
    const json::array entries = value.is_array() ? value.get_array() : json::array{value};
    if (entries.empty()) return std::nullopt;
    for (const json::value& entry : entries) {
        const json::value* type = entry.is_object() ? entry.get_object().if_contains("type") : nullptr;
        const json::value* message = entry.is_object() ? entry.get_object().if_contains("msg") : nullptr;
        if (!type || !message) return std::nullopt;
        if (*type != json::value("success")) return first_word(*message);
    }
    return std::string{};
}

contract::Problem not_mailcow() {
    return temporary("bad_answer", "mailcow's answer is not what its API gives");
}

} // namespace

http::Response Mailcow::send(std::string method, const std::string& path, std::string body) const {
    http::Request request;
    request.method = std::move(method);
    request.url = settings_.mailcow_url + path;
    request.headers = {{"X-API-Key", settings_.mailcow_key}, {"Content-Type", "application/json"}};
    request.body = std::move(body);
    return http::perform(request, settings_.limits);
}

Reply<std::optional<Mailbox>> Mailcow::find(const std::string& address) const {
    const http::Response response =
        send("GET", "/api/v1/get/mailbox/" + http::path_encoded(address), {});
    if (auto problem = problem_of(response)) return *problem;
    ErrorCode code;
    const json::value value = json::parse(response.body, code);
    if (code) return not_mailcow();
    // Nothing there is {} or [].
    if (!value.is_object() || !value.get_object().contains("username")) return std::optional<Mailbox>{};
    const json::object& object = value.get_object();
    Mailbox mailbox;
    mailbox.address = address;
    if (const json::value* name = object.if_contains("name"); name && name->is_string())
        mailbox.name = name->get_string();
    if (const json::value* active = object.if_contains("active"))
        mailbox.is_active = *active == json::value(1) || *active == json::value("1");
    if (const json::value* tags = object.if_contains("tags"); tags && tags->is_array())
        for (const json::value& tag : tags->get_array())
            if (tag.is_string()) mailbox.marks.emplace_back(tag.get_string());
    return std::optional<Mailbox>(std::move(mailbox));
}

Reply<Added> Mailcow::add(const NewMailbox& wish) const {
    const std::string& address = wish.mailbox.address;
    const std::size_t at = address.find('@');
    json::array tags;
    for (const std::string& mark : wish.mailbox.marks) tags.push_back(json::string(mark));
    json::object body{{"local_part", address.substr(0, at)},
                      {"domain", address.substr(at + 1)},
                      {"name", wish.mailbox.name},
                      {"password", wish.password},
                      {"password2", wish.password},
                      {"active", "1"},
                      {"force_pw_update", "1"},
                      {"tags", std::move(tags)}};
    if (wish.quota_mb > 0) body["quota"] = std::to_string(wish.quota_mb);
    const http::Response response = send("POST", "/api/v1/add/mailbox", json::serialize(body));
    if (auto problem = problem_of(response)) return *problem;
    const auto refusal = refusal_in(response.body);
    if (!refusal) return not_mailcow();
    if (refusal->empty()) return Added::created;
    if (*refusal == "object_exists") return Added::existed;
    return permanent(*refusal, fmt::format("mailcow does not add {}: {}", address, *refusal), 422);
}

Reply<bool> Mailcow::remove(const std::string& address) const {
    // mailcow says access_denied for a mailbox that is not there, so look first.
    const auto found = find(address);
    if (!found) return found.error();
    if (!*found) return false;
    const http::Response response =
        send("POST", "/api/v1/delete/mailbox", json::serialize(json::array{json::string(address)}));
    if (auto problem = problem_of(response)) return *problem;
    const auto refusal = refusal_in(response.body);
    if (!refusal) return not_mailcow();
    if (refusal->empty()) return true;
    // Somebody else may have removed it in between.
    const auto still = find(address);
    if (still && !*still) return true;
    return permanent(*refusal, fmt::format("mailcow does not delete {}: {}", address, *refusal));
}

Reply<bool> Mailcow::lock(const std::string& address) const {
    const auto found = find(address);
    if (!found) return found.error();
    if (!*found) return false;
    const json::object body{{"items", json::array{json::string(address)}},
                            {"attr", json::object{{"active", "0"}}}};
    const http::Response response = send("POST", "/api/v1/edit/mailbox", json::serialize(body));
    if (auto problem = problem_of(response)) return *problem;
    const auto refusal = refusal_in(response.body);
    if (!refusal) return not_mailcow();
    if (refusal->empty()) return true;
    return permanent(*refusal, fmt::format("mailcow does not lock {}: {}", address, *refusal));
}

} // namespace baton::workers::mail
