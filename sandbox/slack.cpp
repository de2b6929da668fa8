// Slack's people: inviting, looking up, letting go; and the table of all calls. As there, nearly every refusal is
// HTTP 200 with {"ok":false,"error":…}; the token travels as a bearer. SCIM is in slack_scim.cpp.
#include "sandbox/slack_parts.hpp"

#include <fmt/format.h>

#include <array>

namespace baton::sandbox {

using namespace slack;

namespace {

bool is_slack_mail(std::string_view text) {
    const std::size_t at = text.find('@');
    return at != std::string_view::npos && at > 0 && text.find('.', at) != std::string_view::npos &&
           text.find_first_of(" \t\r\n,;") == std::string_view::npos;
}

Reply invite(Call& call) {
    auto arguments = arguments_of(call.request);
    for (const char* needed : {"team_id", "email", "channel_ids"})
        if (arguments[needed].empty()) return refuse("invalid_arguments");
    if (arguments["team_id"] != call.options.slack_team) return refuse("team_not_found");
    const std::string email = lower(arguments["email"]);
    if (!is_slack_mail(email)) return refuse("invalid_email");
    furnish(call);
    std::string_view list = arguments["channel_ids"];
    json::array wanted;
    while (!list.empty()) {
        const std::string_view id = list.substr(0, list.find(','));
        const json::object* channel = channel_by(call, id);
        if (!channel || text_of(*channel, "id") != id) return refuse("channel_not_found");
        wanted.push_back(json::string(id));
        list.remove_prefix(std::min(list.size(), id.size() + 1));
    }
    if (const json::object* member = member_by_email(call, email)) {
        const std::string state = text_of(*member, "state");
        if (state == "deactivated") return refuse("user_disabled");
        return refuse(state == "invited" ? "already_in_team_invited_user" : "already_in_team");
    }
    const std::int64_t number = call.world.next_id(members);
    call.world.put(members, std::to_string(number),
                   {{"id", make_id("U", number)},
                    {"email", email},
                    {"real_name", arguments["real_name"]},
                    {"state", "invited"},
                    {"channels", wanted},
                    {"created", stamp()}});
    for (const json::value& id : wanted) join(call, id.get_string(), make_id("U", number));
    return ok();
}

json::object user_object(const Call& call, const json::object& member) {
    const std::string email = text_of(member, "email");
    const std::string name = email.substr(0, email.find('@'));
    const std::string real = text_of(member, "real_name").empty() ? name : text_of(member, "real_name");
    const std::string state = text_of(member, "state");
    return {{"id", member.at("id")},
            {"team_id", call.options.slack_team},
            {"name", name},
            {"real_name", real},
            {"deleted", state == "deactivated"},
            {"is_invited_user", state == "invited"},
            {"is_primary_owner", member.contains("is_primary_owner") && member.at("is_primary_owner") == json::value(true)},
            {"is_bot", false},
            {"is_app_user", false},
            {"updated", 1'700'000'000},
            {"profile", json::object{{"email", email},
                                     {"real_name", real},
                                     {"real_name_normalized", real},
                                     {"display_name", name},
                                     {"display_name_normalized", name},
                                     {"avatar_hash", "sandbox"},
                                     {"title", ""},
                                     {"phone", ""},
                                     {"skype", ""},
                                     {"status_text", ""},
                                     {"status_emoji", ""},
                                     {"fields", json::object{}}}}};
}

// The app itself is somebody, too.
json::object own_user(const Call& call) {
    return user_object(call, {{"id", own_id}, {"email", "baton@sandbox.invalid"}, {"real_name", "Baton"}, {"state", "active"}});
}

Reply look_up(Call& call) {
    auto arguments = arguments_of(call.request);
    if (lower(arguments["email"]) == "baton@sandbox.invalid") return ok({{"user", own_user(call)}});
    const json::object* member = member_by_email(call, arguments["email"]);
    if (!member || text_of(*member, "state") == "deactivated") return refuse("users_not_found");
    return ok({{"user", user_object(call, *member)}});
}

Reply user_info(Call& call) {
    auto arguments = arguments_of(call.request);
    if (arguments["user"] == own_id) return ok({{"user", own_user(call)}});
    const json::object* member = member_by_id(call, arguments["user"]);
    if (!member) return refuse("user_not_found");
    return ok({{"user", user_object(call, *member)}});
}

Reply remove(Call& call) {
    auto arguments = arguments_of(call.request);
    if (arguments["team_id"] != call.options.slack_team) return refuse("team_not_found");
    const json::object* member = member_by_id(call, arguments["user_id"]);
    if (!member) return refuse("user_not_found");
    if (text_of(*member, "state") == "deactivated") return refuse("user_already_deleted");
    set_state(call, *member, "deactivated");
    return ok();
}

Reply assign(Call& call) {
    auto arguments = arguments_of(call.request);
    if (arguments["team_id"] != call.options.slack_team) return refuse("team_not_found");
    const json::object* member = member_by_id(call, arguments["user_id"]);
    if (!member) return refuse("user_not_found");
    if (text_of(*member, "state") != "deactivated") return refuse("user_already_team_member");
    set_state(call, *member, "active");
    return ok();
}

Reply auth_test(Call& call) {
    return ok({{"url", "https://sandbox.slack.com/"},
               {"team", "Baton sandbox"},
               {"user", "baton"},
               {"team_id", call.options.slack_team},
               {"user_id", own_id}});
}

std::optional<Reply> refuse_slack_stranger(const Call& call) {
    const std::string_view path = call.request.path;
    // Their addresses are the secret.
    if (path.starts_with("/slack/upload/") || path.starts_with("/slack/hooks/")) return std::nullopt;
    const std::string_view header = call.request.header("authorization");
    if (header == "Bearer " + call.options.slack_token) return std::nullopt;
    if (path.starts_with("/slack/scim/")) return scim_refusal(401, "invalid_authentication");
    return refuse(header.empty() ? "not_authed" : "invalid_auth");
}

Reply unknown_slack_route() { return refuse("unknown_method"); }

constexpr std::array slack_routes = {
    Route{"POST", "/api/admin.users.invite", "slack.invite", invite},
    Route{"GET", "/api/users.lookupByEmail", "slack.lookup", look_up},
    Route{"POST", "/api/users.lookupByEmail", "slack.lookup", look_up},
    Route{"GET", "/api/users.info", "slack.user_info", user_info},
    Route{"POST", "/api/admin.users.remove", "slack.remove", remove},
    Route{"POST", "/api/admin.users.assign", "slack.assign", assign},
    Route{"GET", "/api/auth.test", "slack.auth", auth_test},
    Route{"POST", "/api/auth.test", "slack.auth", auth_test},
    Route{"GET", "/api/conversations.list", "slack.list_channels", list_channels},
    Route{"POST", "/api/conversations.list", "slack.list_channels", list_channels},
    Route{"GET", "/api/conversations.info", "slack.channel_info", channel_info},
    Route{"POST", "/api/conversations.create", "slack.create_channel", create_channel},
    Route{"POST", "/api/conversations.invite", "slack.channel_invite", channel_invite},
    Route{"POST", "/api/conversations.kick", "slack.channel_kick", channel_kick},
    Route{"POST", "/api/conversations.archive", "slack.archive", archive},
    Route{"POST", "/api/conversations.unarchive", "slack.unarchive", unarchive},
    Route{"POST", "/api/conversations.rename", "slack.rename", rename},
    Route{"POST", "/api/conversations.setTopic", "slack.set_topic", set_topic},
    Route{"POST", "/api/conversations.setPurpose", "slack.set_purpose", set_purpose},
    Route{"POST", "/api/conversations.open", "slack.open_direct", open_direct},
    Route{"GET", "/api/conversations.history", "slack.history", history},
    Route{"GET", "/api/conversations.replies", "slack.replies", replies},
    Route{"POST", "/api/chat.postMessage", "slack.post", post},
    Route{"POST", "/api/chat.update", "slack.update_message", update_message},
    Route{"POST", "/api/chat.delete", "slack.delete_message", delete_message},
    Route{"POST", "/api/reactions.add", "slack.react", react},
    Route{"POST", "/api/reactions.remove", "slack.unreact", unreact},
    Route{"POST", "/api/usergroups.create", "slack.create_group", create_group},
    Route{"GET", "/api/usergroups.list", "slack.list_groups", list_groups},
    Route{"GET", "/api/usergroups.users.list", "slack.list_group_users", list_group_users},
    Route{"POST", "/api/usergroups.users.update", "slack.update_group_users", update_group_users},
    Route{"GET", "/api/files.getUploadURLExternal", "slack.upload_url", upload_url},
    Route{"POST", "/api/files.completeUploadExternal", "slack.complete_upload", complete_upload},
    Route{"GET", "/api/files.list", "slack.list_files", list_files},
    Route{"POST", "/upload/{}", "slack.upload", take_upload},
    Route{"POST", "/hooks/{}", "slack.webhook", take_webhook},
    Route{"GET", "/scim/v2/Users", "slack.scim_find", scim_find},
    Route{"POST", "/scim/v2/Users", "slack.scim_create", scim_create},
    Route{"PATCH", "/scim/v2/Users/{}", "slack.scim_change", scim_change},
};

} // namespace

const Target& slack_target() {
    static const Target target{"/slack", slack_routes, refuse_slack_stranger, refuse, unknown_slack_route};
    return target;
}

} // namespace baton::sandbox
