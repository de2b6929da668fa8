// Slack's SCIM 2.0: users made, found and switched on and off. The same people as the Web API's.
#include "sandbox/slack_parts.hpp"

#include <fmt/format.h>

namespace baton::sandbox::slack {

namespace {

constexpr const char* scim_type = "application/scim+json; charset=utf-8";

Reply scim(int status, const json::value& body) { return {.status = status, .body = json::serialize(body), .content_type = scim_type}; }

json::object resource(const json::object& member) {
    const std::string email = text_of(member, "email");
    return {{"schemas", json::array{"urn:ietf:params:scim:schemas:core:2.0:User"}},
            {"id", member.at("id")},
            {"userName", email.substr(0, email.find('@'))},
            {"displayName", text_of(member, "real_name")},
            {"emails", json::array{json::object{{"value", email}, {"primary", true}}}},
            {"active", text_of(member, "state") != "deactivated"}};
}

} // namespace

Reply scim_refusal(int status, std::string_view detail) {
    return scim(status, json::object{{"schemas", json::array{"urn:ietf:params:scim:api:messages:2.0:Error"}},
                                     {"status", std::to_string(status)},
                                     {"detail", detail}});
}

// Knows one filter: email eq "…".
Reply scim_find(Call& call) {
    constexpr std::string_view known = "email eq \"";
    auto query = call.request.query;
    const std::string& filter = query["filter"];
    if (!filter.starts_with(known) || !filter.ends_with('"')) return scim_refusal(400, "invalid_filter");
    json::array found;
    if (const json::object* member = member_by_email(call, std::string_view(filter).substr(known.size(), filter.size() - known.size() - 1)))
        found.push_back(resource(*member));
    const std::size_t total = found.size();
    return scim(200, json::object{{"schemas", json::array{"urn:ietf:params:scim:api:messages:2.0:ListResponse"}},
                                  {"totalResults", total},
                                  {"itemsPerPage", total},
                                  {"startIndex", 1},
                                  {"Resources", std::move(found)}});
}

Reply scim_create(Call& call) {
    ErrorCode code;
    const json::value body = json::parse(call.request.body, code);
    if (code || !body.is_object()) return scim_refusal(400, "invalid_json");
    const json::object& user = body.get_object();
    const json::value* emails = user.if_contains("emails");
    if (text_of(user, "userName").empty() || !emails || !emails->is_array() || emails->get_array().empty())
        return scim_refusal(400, "userName and emails are required");
    const std::string email = lower(text_of(emails->get_array()[0].as_object(), "value"));
    if (member_by_email(call, email)) return scim_refusal(409, "email_taken");
    json::object record{{"email", email}, {"real_name", text_of(user, "displayName")}, {"state", "active"}, {"channels", json::array{}}};
    put_new(call, members, "U", record);
    return scim(201, resource(record));
}

Reply scim_change(Call& call) {
    const json::object* member = member_by_id(call, call.parameters.at(0));
    if (!member) return scim_refusal(404, "user_not_found");
    ErrorCode code;
    const json::value body = json::parse(call.request.body, code);
    const json::value* operations = !code && body.is_object() ? body.get_object().if_contains("Operations") : nullptr;
    if (!operations || !operations->is_array()) return scim_refusal(400, "Operations are required");
    for (const json::value& operation : operations->get_array()) {
        const json::object& one = operation.as_object();
        const json::value* value = one.if_contains("value");
        if (text_of(one, "path") != "active" || !value || !value->is_bool()) return scim_refusal(400, "only active can be changed here");
        set_state(call, *member, value->get_bool() ? "active" : "deactivated");
    }
    return scim(200, resource(*member_by_id(call, call.parameters.at(0))));
}

} // namespace baton::sandbox::slack
