// mailcow's account calls. A refusal is HTTP 200 with entries of type "danger" or "error", whose msg
// is a word or a list that begins with one.
#include "base/percent.hpp"
#include "workers/mail/accounts.hpp"

#include "workers/mail/address.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace baton::workers::mail {

namespace json = boost::json;

namespace {

std::optional<contract::Problem> mailcow_problem(const http::Response& response) {
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

std::string text_in(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    if (!value) return {};
    if (value->is_string()) return std::string(value->get_string());
    return value->is_int64() ? std::to_string(value->get_int64()) : std::string{};
}

std::vector<std::string> words_in(std::string_view text, std::string_view between) {
    std::vector<std::string> words;
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find_first_of(between, begin), text.size());
        if (end > begin) words.push_back(lower(text.substr(begin, end - begin)));
        begin = end + 1;
    }
    return words;
}

// An alias has no tags: its marks are words of the comment that only administrators see.
struct NumberedAlias {
    std::string id;
    Alias alias;
};

NumberedAlias alias_of(const json::object& object) {
    return {text_in(object, "id"), Alias{lower(text_in(object, "address")), words_in(text_in(object, "goto"), ", "),
                                         text_in(object, "active") == "1", words_in(text_in(object, "private_comment"), " ,")}};
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
    const http::Response response = send("GET", "/api/v1/get/mailbox/" + percent_encoded(address), {});
    if (auto problem = mailcow_problem(response)) return *problem;
    ErrorCode code;
    const json::value value = json::parse(response.body, code);
    if (code) return not_mailcow();
    // Nothing there is {} or [].
    if (!value.is_object() || !value.get_object().contains("username")) return std::optional<Mailbox>{};
    const json::object& object = value.get_object();
    Mailbox mailbox;
    mailbox.address = address;
    mailbox.name = text_in(object, "name");
    if (object.contains("active")) mailbox.is_active = text_in(object, "active") == "1";
    // In bytes here, in megabytes where it is set.
    if (const json::value* quota = object.if_contains("quota"); quota && quota->is_int64()) mailbox.quota_mb = quota->get_int64() / (1024 * 1024);
    if (const json::value* tags = object.if_contains("tags"); tags && tags->is_array())
        for (const json::value& tag : tags->get_array())
            if (tag.is_string()) mailbox.marks.emplace_back(tag.get_string());
    return std::optional<Mailbox>(std::move(mailbox));
}

namespace {

Reply<std::optional<NumberedAlias>> alias_in(const http::Response& response, const std::string& address) {
    if (auto problem = mailcow_problem(response)) return *problem;
    ErrorCode code;
    const json::value value = json::parse(response.body, code);
    // No alias at all is {}.
    if (code || (!value.is_array() && !value.is_object())) return not_mailcow();
    if (value.is_object()) return std::optional<NumberedAlias>{};
    for (const json::value& item : value.get_array()) {
        if (!item.is_object()) return not_mailcow();
        NumberedAlias one = alias_of(item.get_object());
        if (one.alias.address == address) return std::optional<NumberedAlias>(std::move(one));
    }
    return std::optional<NumberedAlias>{};
}

} // namespace

// Ours, among those of its owner. mailcow runs one filter of a kind: another one that is active would be
// switched off by ours.
Reply<std::optional<Forwarding>> Mailcow::find_forwarding(const std::string& address, bool will_change) const {
    const http::Response response = send("GET", "/api/v1/get/filters/" + percent_encoded(address), {});
    if (auto problem = mailcow_problem(response)) return *problem;
    ErrorCode code;
    const json::value value = json::parse(response.body, code);
    // No filter at all is {}.
    if (code || (!value.is_array() && !value.is_object())) return not_mailcow();
    std::optional<Forwarding> found;
    bool is_taken = false;
    for (const json::value& item : value.is_array() ? value.get_array() : json::array{}) {
        if (!item.is_object()) return not_mailcow();
        const json::object& filter = item.get_object();
        const bool is_ours = text_in(filter, "script_desc") == forwarding_description;
        if (!is_ours) {
            is_taken = is_taken || (text_in(filter, "active") == "1" && text_in(filter, "filter_type") == "prefilter");
            continue;
        }
        found = forwarding_in(text_in(filter, "script_data"));
        found->id = text_in(filter, "id");
    }
    if (is_taken && will_change && !found)
        return permanent("conflict", fmt::format("the owner of {} has an active pre-filter, which passing mail on would switch off", address), 409);
    return found;
}

std::optional<contract::Problem> Mailcow::put_forwarding(const std::string& address, const Forwarding& forwarding) const {
    const std::string what = fmt::format("pass on the mail of {}", address);
    const json::array items{json::string(forwarding.id)};
    if (forwarding.targets.empty())
        return forwarding.id.empty() ? std::nullopt : write("/api/v1/delete/filter", json::serialize(items), what);
    json::object filter{{"script_data", script_of(forwarding)}, {"active", "1"}, {"filter_type", "prefilter"},
                        {"script_desc", forwarding_description}};
    if (!forwarding.id.empty())
        return write("/api/v1/edit/filter", json::serialize(json::object{{"items", items}, {"attr", std::move(filter)}}), what);
    filter["username"] = address;
    return write("/api/v1/add/filter", json::serialize(filter), what);
}

Reply<Added> Mailcow::add_forward(const std::string& address, const std::string& target, bool keeps_copy, const Only& marks) const {
    const auto found = find_forwarding(address, true);
    if (!found) return found.error();
    const Forwarding before = found->value_or(Forwarding{});
    Forwarding after = before;
    const bool is_there = std::ranges::find(before.targets, target) != before.targets.end();
    const auto known = before.marks.find(target);
    const bool is_own = is_there && !marks.empty() && known != before.marks.end() && may_touch(marks, known->second);
    if (!is_there) {
        after.targets.push_back(target);
        after.marks[target] = marks;
    }
    after.keeps_copy = keeps_copy;
    if (!is_there || after.keeps_copy != before.keeps_copy)
        if (auto problem = put_forwarding(address, after)) return *problem;
    return !is_there || is_own ? Added::created : Added::existed;
}

Reply<Changed> Mailcow::remove_forward(const std::string& address, const std::string& target, const Only& only) const {
    const auto found = find_forwarding(address, false);
    if (!found) return found.error();
    if (!*found) return Changed::absent;
    Forwarding after = **found;
    if (!target.empty() && std::ranges::find(after.targets, target) == after.targets.end()) return Changed::absent;
    const auto marks = after.marks.find(target);
    if (!may_touch(only, marks == after.marks.end() ? std::vector<std::string>{} : marks->second)) return Changed::foreign;
    std::erase_if(after.targets, [&](const std::string& one) { return target.empty() || one == target; });
    if (auto problem = put_forwarding(address, after)) return *problem;
    return Changed::done;
}

Reply<std::optional<Alias>> Mailcow::find_alias(const std::string& address) const {
    const auto forwarding = find_forwarding(address, false);
    if (!forwarding) return forwarding.error();
    if (*forwarding && !(*forwarding)->targets.empty()) {
        Alias alias{address, (*forwarding)->targets, true, {}};
        if ((*forwarding)->keeps_copy) alias.targets.insert(alias.targets.begin(), address);
        return std::optional<Alias>(std::move(alias));
    }
    auto found = alias_in(send("GET", "/api/v1/get/alias/all", {}), address);
    if (!found) return found.error();
    if (!*found) return std::optional<Alias>{};
    return std::optional<Alias>(std::move((*found)->alias));
}

Reply<Added> Mailcow::add(const NewMailbox& wish) const {
    const std::string& address = wish.mailbox.address;
    json::array tags;
    for (const std::string& mark : wish.mailbox.marks) tags.push_back(json::string(mark));
    json::object body{{"local_part", local_part(address)},
                      {"domain", domain_of(address)},
                      {"name", wish.mailbox.name},
                      {"password", wish.password},
                      {"password2", wish.password},
                      {"active", "1"},
                      {"force_pw_update", "1"},
                      {"tags", std::move(tags)}};
    if (wish.mailbox.quota_mb > 0) body["quota"] = std::to_string(wish.mailbox.quota_mb);
    const http::Response response = send("POST", "/api/v1/add/mailbox", json::serialize(body));
    if (auto problem = mailcow_problem(response)) return *problem;
    const auto refusal = refusal_in(response.body);
    if (!refusal) return not_mailcow();
    if (refusal->empty()) return Added::created;
    if (*refusal == "object_exists") return Added::existed;
    if (*refusal == "is_alias" || *refusal == "is_spam_alias")
        return permanent("conflict", fmt::format("{} is an alias", address), 409);
    return permanent(*refusal, fmt::format("mailcow does not add {}: {}", address, *refusal), 422);
}

// A call that changes something; `what` is for people: "delete ada@example.org".
std::optional<contract::Problem> Mailcow::write(const std::string& path, const std::string& body, std::string_view what) const {
    const http::Response response = send("POST", path, body);
    if (auto problem = mailcow_problem(response)) return problem;
    const auto refusal = refusal_in(response.body);
    if (!refusal) return not_mailcow();
    if (refusal->empty()) return std::nullopt;
    return permanent(*refusal, fmt::format("mailcow does not {}: {}", what, *refusal), 422);
}

Reply<Changed> Mailcow::remove(const std::string& address, const Only& only) const {
    // mailcow says access_denied for a mailbox that is not there, so look first.
    const auto found = find(address);
    if (!found) return found.error();
    if (!*found) return Changed::absent;
    if (!may_touch(only, (*found)->marks)) return Changed::foreign;
    auto problem = write("/api/v1/delete/mailbox", json::serialize(json::array{json::string(address)}), "delete " + address);
    if (!problem) return Changed::done;
    // Somebody else may have removed it in between.
    if (problem->retryable) return *problem;
    const auto still = find(address);
    return still && !*still ? Reply<Changed>(Changed::absent) : *problem;
}

Reply<Changed> Mailcow::edit(const std::string& address, std::string_view attributes, const Only& only) const {
    const auto found = find(address);
    if (!found) return found.error();
    if (!*found) return Changed::absent;
    if (!may_touch(only, (*found)->marks)) return Changed::foreign;
    const std::string body = fmt::format(R"({{"items":[{}],"attr":{}}})", json::serialize(json::string(address)), attributes);
    if (auto problem = write("/api/v1/edit/mailbox", body, "change " + address)) return *problem;
    return Changed::done;
}

Reply<Changed> Mailcow::set_active(const std::string& address, bool is_active, const Only& only) const {
    if (is_active) {
        auto forwarding = find_forwarding(address, false);
        if (!forwarding) return forwarding.error();
        if (*forwarding && (*forwarding)->is_archived) {
            (*forwarding)->targets.clear();
            if (auto problem = put_forwarding(address, **forwarding)) return *problem;
        }
    }
    return edit(address, json::serialize(json::object{{"active", is_active ? "1" : "0"}}), only);
}

Reply<Changed> Mailcow::archive(const std::string& address, const std::string& forward_to) const {
    if (forward_to.empty()) return set_active(address, false, {});
    const auto mailbox = find(address);
    if (!mailbox) return mailbox.error();
    if (!*mailbox) return Changed::absent;
    const auto found = find_forwarding(address, true);
    if (!found) return found.error();
    const Forwarding forwarding{found->value_or(Forwarding{}).id, {forward_to}, false, true, {}};
    if (auto problem = put_forwarding(address, forwarding)) return *problem;
    // Nobody logs in, and mail is still taken.
    return edit(address, R"({"active":"2"})", {});
}

Reply<Changed> Mailcow::set_quota(const std::string& address, std::int64_t quota_mb) const {
    return edit(address, json::serialize(json::object{{"quota", std::to_string(quota_mb)}}), {});
}

Reply<Changed> Mailcow::set_password(const std::string& address, const std::string& password) const {
    return edit(address, json::serialize(json::object{{"password", password}, {"password2", password}}), {});
}

Reply<Changed> Mailcow::add_mark(const std::string& address, const std::string& mark) const {
    const auto found = find(address);
    if (!found) return found.error();
    if (!*found) return Changed::absent;
    json::array tags;
    for (const std::string& one : (*found)->marks) tags.push_back(json::string(one));
    tags.push_back(json::string(mark));
    return edit(address, json::serialize(json::object{{"tags", std::move(tags)}}), {});
}

Reply<Added> Mailcow::add_target(const std::string& address, const std::string& target, bool keeps_copy, const Only& marks) const {
    const auto mailbox = find(address);
    if (!mailbox) return mailbox.error();
    if (*mailbox) return add_forward(address, target, keeps_copy, marks);
    const auto found = alias_in(send("GET", "/api/v1/get/alias/all", {}), address);
    if (!found) return found.error();
    const std::string what = fmt::format("pass on the mail of {}", address);
    if (!*found) {
        const json::object body{{"address", address}, {"goto", target}, {"active", "1"}, {"private_comment", fmt::format("{}", fmt::join(marks, " "))}};
        if (auto problem = write("/api/v1/add/alias", json::serialize(body), what)) return *problem;
        return Added::created;
    }
    const Alias& alias = (*found)->alias;
    if (alias.goes_to(target)) return !marks.empty() && may_touch(marks, alias.marks) ? Added::created : Added::existed;
    std::vector<std::string> comment = alias.marks;
    comment.insert(comment.end(), marks.begin(), marks.end());
    const json::object attributes{{"goto", fmt::format("{},{}", fmt::join(alias.targets, ","), target)},
                                  {"private_comment", fmt::format("{}", fmt::join(comment, " "))}};
    const json::object body{{"items", json::array{json::string((*found)->id)}}, {"attr", attributes}};
    if (auto problem = write("/api/v1/edit/alias", json::serialize(body), what)) return *problem;
    return Added::created;
}

Reply<Changed> Mailcow::remove_target(const std::string& address, const std::string& target, const Only& only) const {
    const auto mailbox = find(address);
    if (!mailbox) return mailbox.error();
    if (*mailbox) return remove_forward(address, target, only);
    const auto found = alias_in(send("GET", "/api/v1/get/alias/all", {}), address);
    if (!found) return found.error();
    if (!*found || (!target.empty() && !(*found)->alias.goes_to(target))) return Changed::absent;
    const Alias& alias = (*found)->alias;
    if (!may_touch(only, alias.marks)) return Changed::foreign;
    std::vector<std::string> rest = alias.targets;
    std::erase_if(rest, [&](const std::string& one) { return target.empty() || one == target; });
    const json::array items{json::string((*found)->id)};
    const std::string what = fmt::format("end passing on the mail of {}", address);
    const auto problem =
        rest.empty() ? write("/api/v1/delete/alias", json::serialize(items), what)
                     : write("/api/v1/edit/alias",
                             json::serialize(json::object{{"items", items}, {"attr", json::object{{"goto", fmt::format("{}", fmt::join(rest, ","))}}}}), what);
    if (problem) return *problem;
    return Changed::done;
}

} // namespace baton::workers::mail
