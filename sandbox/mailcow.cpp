// The account calls of mailcow's HTTP API. As there, a refusal comes as HTTP 200 with a list whose
// entries have the type "danger"; only a missing key, a key that may only read, and a body that is
// not JSON have statuses of their own.
#include "sandbox/target.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

#include <array>
#include <cctype>
#include <cstdlib>

namespace baton::sandbox {

namespace json = boost::json;

namespace {

constexpr std::string_view mailboxes = "mailboxes";
constexpr std::string_view aliases = "mail_aliases";
constexpr std::string_view filters = "mail_filters";

Reply answer(std::string_view type, std::string_view verb, json::array message) {
    json::object entry{{"type", type}, {"log", json::array{"mailbox", verb, "mailbox"}}};
    if (message.size() == 1)
        entry["msg"] = message[0];
    else
        entry["msg"] = std::move(message);
    return {.status = 200, .body = json::serialize(json::array{std::move(entry)})};
}

Reply bad_body() {
    return {.status = 400,
            .body = R"({"type":"error","msg":"Request body doesn't contain valid json!"})"};
}

std::string lower_case(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return out;
}

std::string mailcow_text(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    if (!value) return {};
    if (value->is_string()) return std::string(value->get_string());
    if (value->is_int64()) return std::to_string(value->get_int64());
    if (value->is_bool()) return value->get_bool() ? "1" : "0";
    return {};
}

bool is_word(std::string_view text) {
    if (text.empty() || text.size() > 253) return false;
    for (const char c : text)
        if (std::isalnum(static_cast<unsigned char>(c)) == 0 && std::string_view("._-+").find(c) ==
                                                                    std::string_view::npos)
            return false;
    return true;
}

bool is_alias(Call& call, const std::string& address) {
    for (const auto& [id, alias] : call.world.all(aliases))
        if (mailcow_text(alias, "address") == address) return true;
    return false;
}

Reply add_mailbox(Call& call) {
    ErrorCode code;
    const json::value body = json::parse(call.request.body, code);
    if (code || !body.is_object()) return bad_body();
    const json::object& wish = body.get_object();
    const std::string local = lower_case(mailcow_text(wish, "local_part"));
    const std::string domain = lower_case(mailcow_text(wish, "domain"));
    const std::string address = local + "@" + domain;
    if (!is_word(local) || !is_word(domain)) return answer("danger", "add", {"mailbox_invalid"});
    if (domain.ends_with(".invalid")) return answer("danger", "add", {"domain_not_found", domain});
    if (mailcow_text(wish, "password").empty()) return answer("danger", "add", {"password_empty"});
    if (mailcow_text(wish, "password") != mailcow_text(wish, "password2"))
        return answer("danger", "add", {"password_mismatch"});
    if (call.world.find(mailboxes, address)) return answer("danger", "add", {"object_exists", address});
    if (is_alias(call, address)) return answer("danger", "add", {"is_alias", address});
    json::object record{{"username", address},
                        {"local_part", local},
                        {"domain", domain},
                        {"name", mailcow_text(wish, "name")},
                        {"active", mailcow_text(wish, "active") == "0" ? 0 : 1},
                        {"quota", std::strtoll(mailcow_text(wish, "quota").c_str(), nullptr, 10) * 1024 * 1024},
                        {"created", stamp()}};
    const json::value* tags = wish.if_contains("tags");
    record["tags"] = tags && tags->is_array() ? *tags : json::array{};
    call.world.put(mailboxes, address, std::move(record));
    return answer("success", "add", {"mailbox_added", address});
}

Reply get_mailbox(Call& call) {
    const json::object* found = call.world.find(mailboxes, lower_case(call.parameters[0]));
    return {.status = 200, .body = found ? json::serialize(*found) : "{}"};
}

Reply get_all(Call& call) {
    json::array list;
    for (const auto& [address, record] : call.world.all(mailboxes)) list.push_back(record);
    return {.status = 200, .body = json::serialize(list)};
}

Reply delete_mailbox(Call& call) {
    ErrorCode code;
    const json::value body = json::parse(call.request.body, code);
    if (code || !body.is_array()) return bad_body();
    json::array answers;
    for (const json::value& item : body.get_array()) {
        const std::string address = item.is_string() ? lower_case(std::string(item.get_string())) : "";
        const bool erased = call.world.erase(mailboxes, address);
        std::vector<std::string> gone;
        for (const auto& [id, record] : call.world.all(filters))
            if (mailcow_text(record, "username") == address) gone.push_back(id);
        for (const std::string& id : gone) call.world.erase(filters, id);
        answers.push_back(erased ? json::object{{"type", "success"},
                                                {"msg", json::array{"mailbox_removed", address}}}
                                 : json::object{{"type", "danger"}, {"msg", "access_denied"}});
    }
    return {.status = 200, .body = json::serialize(answers)};
}

Reply edit_mailbox(Call& call) {
    ErrorCode code;
    const json::value body = json::parse(call.request.body, code);
    if (code || !body.is_object()) return bad_body();
    const json::value* items = body.get_object().if_contains("items");
    const json::value* wishes = body.get_object().if_contains("attr");
    if (!items || !items->is_array() || !wishes || !wishes->is_object()) return bad_body();
    json::array answers;
    for (const json::value& item : items->get_array()) {
        const std::string address = item.is_string() ? lower_case(std::string(item.get_string())) : "";
        const json::object* found = call.world.find(mailboxes, address);
        if (!found) {
            answers.push_back(json::object{{"type", "danger"}, {"msg", "access_denied"}});
            continue;
        }
        json::object record = *found;
        for (const auto& wish : wishes->get_object()) {
            if (wish.key() == "active")
                record["active"] = mailcow_text(wishes->get_object(), "active") == "2" ? 2 : mailcow_text(wishes->get_object(), "active") == "0" ? 0 : 1;
            if (wish.key() == "name" || wish.key() == "tags") record[wish.key()] = wish.value();
            // Said in megabytes, told in bytes.
            if (wish.key() == "quota")
                record["quota"] = std::strtoll(mailcow_text(wishes->get_object(), "quota").c_str(), nullptr, 10) * 1024 * 1024;
        }
        call.world.put(mailboxes, address, std::move(record));
        answers.push_back(
            json::object{{"type", "success"}, {"msg", json::array{"mailbox_modified", address}}});
    }
    return {.status = 200, .body = json::serialize(answers)};
}

Reply add_alias(Call& call) {
    ErrorCode code;
    const json::value body = json::parse(call.request.body, code);
    if (code || !body.is_object()) return bad_body();
    const json::object& wish = body.get_object();
    const std::string address = lower_case(mailcow_text(wish, "address"));
    if (address.find('@') == std::string::npos) return answer("danger", "add", {"alias_invalid", address});
    if (is_alias(call, address) || call.world.find(mailboxes, address))
        return answer("danger", "add", {"is_alias_or_mailbox", address});
    const std::int64_t id = call.world.next_id(aliases);
    call.world.put(aliases, std::to_string(id),
                   {{"id", id},
                    {"address", address},
                    {"goto", mailcow_text(wish, "goto")},
                    {"active", mailcow_text(wish, "active") == "0" ? 0 : 1},
                    {"private_comment", mailcow_text(wish, "private_comment")}});
    return answer("success", "add", {"alias_added", address});
}

Reply get_aliases(Call& call) {
    json::array list;
    for (const auto& [id, record] : call.world.all(aliases)) list.push_back(record);
    return {.status = 200, .body = list.empty() ? "{}" : json::serialize(list)};
}

Reply edit_alias(Call& call) {
    ErrorCode code;
    const json::value body = json::parse(call.request.body, code);
    const json::value* items = !code && body.is_object() ? body.get_object().if_contains("items") : nullptr;
    const json::value* wishes = items ? body.get_object().if_contains("attr") : nullptr;
    if (!items || !items->is_array() || !wishes || !wishes->is_object()) return bad_body();
    for (const json::value& item : items->get_array()) {
        const std::string id = item.is_string() ? std::string(item.get_string()) : json::serialize(item);
        const json::object* found = call.world.find(aliases, id);
        if (!found) return answer("danger", "edit", {"alias_invalid", json::string(id)});
        json::object record = *found;
        for (const auto& wish : wishes->get_object())
            if (wish.key() == "goto" || wish.key() == "private_comment") record[wish.key()] = wish.value();
        call.world.put(aliases, id, std::move(record));
    }
    return answer("success", "edit", {"alias_modified", "all"});
}

Reply delete_alias(Call& call) {
    ErrorCode code;
    const json::value body = json::parse(call.request.body, code);
    if (code || !body.is_array()) return bad_body();
    for (const json::value& item : body.get_array())
        if (!call.world.erase(aliases, item.is_string() ? std::string(item.get_string()) : json::serialize(item)))
            return answer("danger", "delete", {"access_denied"});
    return answer("success", "delete", {"alias_removed", "all"});
}

// One filter of a kind runs: an active one switches the others off.
void switch_off_others(Call& call, const std::string& id) {
    const json::object mine = *call.world.find(filters, id);
    if (mailcow_text(mine, "active") != "1") return;
    std::vector<std::pair<std::string, json::object>> others;
    for (const auto& [other, record] : call.world.all(filters))
        if (other != id && mailcow_text(record, "username") == mailcow_text(mine, "username") && mailcow_text(record, "filter_type") == mailcow_text(mine, "filter_type"))
            others.emplace_back(other, record);
    for (auto& [other, record] : others) {
        record["active"] = 0;
        call.world.put(filters, other, std::move(record));
    }
}

// What a real Sieve would not read: a filter must be a script with something in it.
bool is_script(const std::string& text) { return text.find(';') != std::string::npos; }

Reply add_filter(Call& call) {
    ErrorCode code;
    const json::value body = json::parse(call.request.body, code);
    if (code || !body.is_object()) return bad_body();
    const json::object& wish = body.get_object();
    const std::string address = lower_case(mailcow_text(wish, "username"));
    if (!call.world.find(mailboxes, address)) return answer("danger", "add", {"access_denied"});
    const std::string kind = mailcow_text(wish, "filter_type");
    if (kind != "prefilter" && kind != "postfilter") return answer("danger", "add", {"filter_type"});
    if (mailcow_text(wish, "script_desc").empty()) return answer("danger", "add", {"value_missing"});
    if (!is_script(mailcow_text(wish, "script_data"))) return answer("danger", "add", {"sieve_error", "no script"});
    const std::int64_t id = call.world.next_id(filters);
    call.world.put(filters, std::to_string(id),
                   {{"id", id},
                    {"username", address},
                    {"active", mailcow_text(wish, "active") == "0" ? 0 : 1},
                    {"filter_type", kind},
                    {"script_desc", mailcow_text(wish, "script_desc")},
                    {"script_data", mailcow_text(wish, "script_data")}});
    switch_off_others(call, std::to_string(id));
    return answer("success", "add", {"mailbox_modified", address});
}

Reply get_filters(Call& call) {
    json::array list;
    for (const auto& [id, record] : call.world.all(filters))
        if (mailcow_text(record, "username") == lower_case(call.parameters[0])) list.push_back(record);
    return {.status = 200, .body = list.empty() ? "{}" : json::serialize(list)};
}

Reply edit_filter(Call& call) {
    ErrorCode code;
    const json::value body = json::parse(call.request.body, code);
    const json::value* items = !code && body.is_object() ? body.get_object().if_contains("items") : nullptr;
    const json::value* wishes = items ? body.get_object().if_contains("attr") : nullptr;
    if (!items || !items->is_array() || !wishes || !wishes->is_object()) return bad_body();
    for (const json::value& item : items->get_array()) {
        const std::string id = item.is_string() ? std::string(item.get_string()) : json::serialize(item);
        const json::object* found = call.world.find(filters, id);
        if (!found) return answer("danger", "edit", {"access_denied"});
        json::object record = *found;
        for (const char* name : {"script_data", "script_desc", "filter_type"})
            if (const json::value* value = wishes->get_object().if_contains(name)) record[name] = *value;
        if (wishes->get_object().contains("active")) record["active"] = mailcow_text(wishes->get_object(), "active") == "0" ? 0 : 1;
        if (!is_script(mailcow_text(record, "script_data"))) return answer("danger", "edit", {"sieve_error", "no script"});
        call.world.put(filters, id, std::move(record));
        switch_off_others(call, id);
    }
    return answer("success", "edit", {"mailbox_modified", "all"});
}

Reply delete_filter(Call& call) {
    ErrorCode code;
    const json::value body = json::parse(call.request.body, code);
    if (code || !body.is_array()) return bad_body();
    for (const json::value& item : body.get_array())
        if (!call.world.erase(filters, item.is_string() ? std::string(item.get_string()) : json::serialize(item)))
            return answer("danger", "delete", {"access_denied"});
    return answer("success", "delete", {"delete_filter", "all"});
}

std::optional<Reply> refuse_mailcow_stranger(const Call& call) {
    if (call.request.header("x-api-key") == call.options.mailcow_key) return std::nullopt;
    return Reply{.status = 401, .body = R"({"type":"error","msg":"authentication failed"})"};
}

Reply mailcow_refusal(std::string_view error) { return answer("danger", "add", {json::string(error)}); }

Reply unknown_mailcow_route() {
    return {.status = 404, .body = R"({"type":"error","msg":"route not found"})"};
}

constexpr std::array mailcow_routes = {
    Route{"POST", "/api/v1/add/mailbox", "mail.create", add_mailbox},
    Route{"GET", "/api/v1/get/mailbox/all", "mail.list", get_all},
    Route{"GET", "/api/v1/get/mailbox/{}", "mail.get", get_mailbox},
    Route{"POST", "/api/v1/delete/mailbox", "mail.delete", delete_mailbox},
    Route{"POST", "/api/v1/edit/mailbox", "mail.lock", edit_mailbox},
    Route{"POST", "/api/v1/add/alias", "mail.add_alias", add_alias},
    Route{"GET", "/api/v1/get/alias/all", "mail.list_aliases", get_aliases},
    Route{"POST", "/api/v1/edit/alias", "mail.edit_alias", edit_alias},
    Route{"POST", "/api/v1/delete/alias", "mail.delete_alias", delete_alias},
    Route{"POST", "/api/v1/add/filter", "mail.add_filter", add_filter},
    Route{"GET", "/api/v1/get/filters/{}", "mail.list_filters", get_filters},
    Route{"POST", "/api/v1/edit/filter", "mail.edit_filter", edit_filter},
    Route{"POST", "/api/v1/delete/filter", "mail.delete_filter", delete_filter},
};

} // namespace

const Target& mailcow_target() {
    static const Target target{"/mailcow", mailcow_routes, refuse_mailcow_stranger, mailcow_refusal, unknown_mailcow_route};
    return target;
}

} // namespace baton::sandbox
