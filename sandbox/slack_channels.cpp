// Slack's channels, direct conversations and user groups.
#include "sandbox/slack_parts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace baton::sandbox::slack {

namespace {

constexpr std::int64_t long_ago = 1'700'000'000;

std::vector<std::string> split(std::string_view list) {
    std::vector<std::string> items;
    while (!list.empty()) {
        const std::string_view item = list.substr(0, list.find(','));
        list.remove_prefix(std::min(list.size(), item.size() + 1));
        if (!item.empty()) items.emplace_back(item);
    }
    return items;
}

bool is_member(const json::object& channel, std::string_view user) {
    const json::array all = list_of(channel, "members");
    return std::find(all.begin(), all.end(), json::value(user)) != all.end();
}

json::object texts(const json::object& channel, std::string_view name) {
    return {{"value", text_of(channel, name)}, {"creator", text_of(channel, name).empty() ? "" : own_id}, {"last_set", 0}};
}

json::object channel_object(const json::object& channel) {
    const std::string name = text_of(channel, "name");
    const bool is_private = flag_of(channel, "is_private");
    return {{"id", channel.at("id")},
            {"name", name},
            {"name_normalized", name},
            {"is_channel", true},
            {"is_group", false},
            {"is_im", false},
            {"is_mpim", false},
            {"is_private", is_private},
            {"is_archived", flag_of(channel, "is_archived")},
            {"is_general", name == "general"},
            {"is_shared", false},
            {"is_org_shared", false},
            {"is_member", true},
            {"created", long_ago},
            {"creator", own_id},
            {"unlinked", 0},
            {"num_members", list_of(channel, "members").size()},
            {"topic", texts(channel, "topic")},
            {"purpose", texts(channel, "purpose")}};
}

bool is_name(std::string_view name) {
    return std::all_of(name.begin(), name.end(), [](unsigned char c) {
        return std::islower(c) != 0 || std::isdigit(c) != 0 || c == '-' || c == '_';
    });
}

std::string_view complaint_about(std::string_view name) {
    if (name.empty()) return "invalid_name_required";
    if (name.size() > 80) return "invalid_name_maxlength";
    return is_name(name) ? "" : "invalid_name_specials";
}

// The channel of the argument `channel`, by id as these calls want it; else the refusal.
const json::object* wanted_channel(Call& call, std::map<std::string, std::string>& arguments) {
    furnish(call);
    return arguments["channel"].empty() ? nullptr : find_by(call, channels, "id", arguments["channel"]);
}

Reply set_text(Call& call, const char* name) {
    auto arguments = arguments_of(call.request);
    const json::object* channel = wanted_channel(call, arguments);
    if (!channel) return refuse("channel_not_found");
    if (flag_of(*channel, "is_archived")) return refuse("is_archived");
    if (arguments[name].size() > 250) return refuse("too_long");
    json::object changed = *channel;
    changed[name] = arguments[name];
    json::object shown = channel_object(changed);
    replace(call, channels, std::move(changed));
    return ok({{"channel", std::move(shown)}});
}

Reply set_archived(Call& call, bool is_archived) {
    auto arguments = arguments_of(call.request);
    const json::object* channel = wanted_channel(call, arguments);
    if (!channel) return refuse("channel_not_found");
    if (flag_of(*channel, "is_archived") == is_archived) return refuse(is_archived ? "already_archived" : "not_archived");
    if (text_of(*channel, "name") == "general") return refuse("cant_archive_general");
    json::object changed = *channel;
    changed["is_archived"] = is_archived;
    replace(call, channels, std::move(changed));
    return ok();
}

json::object group_object(const Call& call, const json::object& group) {
    return {{"id", group.at("id")},
            {"team_id", call.options.slack_team},
            {"is_usergroup", true},
            {"is_subteam", true},
            {"name", group.at("name")},
            {"description", ""},
            {"handle", group.at("handle")},
            {"is_external", false},
            {"date_create", long_ago},
            {"date_update", long_ago},
            {"date_delete", 0},
            {"auto_type", nullptr},
            {"auto_provision", false},
            {"enterprise_subteam_id", ""},
            {"created_by", own_id},
            {"updated_by", own_id},
            {"deleted_by", nullptr},
            {"prefs", json::object{{"channels", json::array{}}, {"groups", json::array{}}}},
            {"users", group.at("users")},
            {"user_count", group.at("users").as_array().size()}};
}

} // namespace

Reply list_channels(Call& call) {
    furnish(call);
    auto arguments = arguments_of(call.request);
    const std::size_t limit =
        arguments["limit"].empty() ? 100 : static_cast<std::size_t>(std::max(1, std::atoi(arguments["limit"].c_str())));
    const std::size_t skip = static_cast<std::size_t>(std::max(0, std::atoi(arguments["cursor"].c_str())));
    const bool with_private = arguments["types"].find("private_channel") != std::string::npos;
    json::array page;
    std::size_t seen = 0;
    for (const auto& [key, channel] : call.world.all(channels)) {
        if (flag_of(channel, "is_im") || (flag_of(channel, "is_private") && !with_private)) continue;
        if (flag_of(channel, "is_archived") && arguments["exclude_archived"] == "true") continue;
        if (seen++ >= skip && page.size() < limit) page.push_back(channel_object(channel));
    }
    const std::string next = skip + page.size() < seen ? std::to_string(skip + page.size()) : "";
    return ok({{"channels", page}, {"response_metadata", json::object{{"next_cursor", next}}}});
}

Reply channel_info(Call& call) {
    auto arguments = arguments_of(call.request);
    const json::object* channel = wanted_channel(call, arguments);
    return channel ? ok({{"channel", channel_object(*channel)}}) : refuse("channel_not_found");
}

Reply create_channel(Call& call) {
    furnish(call);
    auto arguments = arguments_of(call.request);
    const std::string& name = arguments["name"];
    if (const std::string_view complaint = complaint_about(name); !complaint.empty()) return refuse(complaint);
    if (channel_by(call, name)) return refuse("name_taken");
    return ok({{"channel", channel_object(add_channel(call, name, arguments["is_private"] == "true"))}});
}

Reply channel_invite(Call& call) {
    auto arguments = arguments_of(call.request);
    const json::object* channel = wanted_channel(call, arguments);
    if (!channel) return refuse("channel_not_found");
    if (flag_of(*channel, "is_archived")) return refuse("is_archived");
    const std::string id = text_of(*channel, "id");
    const auto users = split(arguments["users"]);
    if (users.empty()) return refuse("no_user");
    for (const std::string& user : users) {
        if (user == own_id) return refuse("cant_invite_self");
        const json::object* member = member_by_id(call, user);
        if (!member || text_of(*member, "state") == "deactivated") return refuse("user_not_found");
        if (is_member(*channel, user)) return refuse("already_in_channel");
    }
    for (const std::string& user : users) join(call, id, user);
    return ok({{"channel", channel_object(*find_by(call, channels, "id", id))}});
}

Reply channel_kick(Call& call) {
    auto arguments = arguments_of(call.request);
    const json::object* channel = wanted_channel(call, arguments);
    if (!channel) return refuse("channel_not_found");
    if (arguments["user"] == own_id) return refuse("cant_kick_self");
    if (text_of(*channel, "name") == "general") return refuse("cant_kick_from_general");
    if (!member_by_id(call, arguments["user"])) return refuse("user_not_found");
    if (!is_member(*channel, arguments["user"])) return refuse("not_in_channel");
    json::object changed = *channel;
    json::array left;
    for (const json::value& one : list_of(*channel, "members"))
        if (one != json::value(arguments["user"])) left.push_back(one);
    changed["members"] = std::move(left);
    replace(call, channels, std::move(changed));
    return ok();
}

Reply archive(Call& call) { return set_archived(call, true); }
Reply unarchive(Call& call) { return set_archived(call, false); }
Reply set_topic(Call& call) { return set_text(call, "topic"); }
Reply set_purpose(Call& call) { return set_text(call, "purpose"); }

Reply rename(Call& call) {
    auto arguments = arguments_of(call.request);
    const json::object* channel = wanted_channel(call, arguments);
    if (!channel) return refuse("channel_not_found");
    const std::string& name = arguments["name"];
    if (const std::string_view complaint = complaint_about(name); !complaint.empty()) return refuse(complaint);
    if (channel_by(call, name)) return refuse("name_taken");
    json::object changed = *channel;
    changed["name"] = name;
    json::object shown = channel_object(changed);
    replace(call, channels, std::move(changed));
    return ok({{"channel", std::move(shown)}});
}

// The same people have one conversation, however often it is opened.
Reply open_direct(Call& call) {
    auto users = split(arguments_of(call.request)["users"]);
    if (users.empty()) return refuse("users_list_not_supplied");
    std::sort(users.begin(), users.end());
    json::array all;
    std::string name = "direct";
    for (const std::string& user : users) {
        if (!member_by_id(call, user)) return refuse("user_not_found");
        all.emplace_back(user);
        name += ' ' + user;
    }
    const json::object* there = find_by(call, channels, "name", name);
    json::object record;
    if (!there) {
        furnish(call);
        record = {{"name", name}, {"is_im", true}, {"is_private", true}, {"is_archived", false}, {"members", std::move(all)}};
        put_new(call, channels, "D", record);
    }
    return ok({{"channel", json::object{{"id", there ? there->at("id") : record.at("id")}}}});
}

Reply create_group(Call& call) {
    auto arguments = arguments_of(call.request);
    if (arguments["name"].empty()) return refuse("invalid_name");
    const std::string handle = arguments["handle"].empty() ? lower(arguments["name"]) : arguments["handle"];
    if (find_by(call, groups, "handle", handle)) return refuse("handle_already_exists");
    json::object record{{"name", arguments["name"]}, {"handle", handle}, {"users", json::array{}}};
    put_new(call, groups, "S", record);
    return ok({{"usergroup", group_object(call, record)}});
}

Reply list_groups(Call& call) {
    json::array all;
    for (const auto& [key, group] : call.world.all(groups)) all.push_back(group_object(call, group));
    return ok({{"usergroups", std::move(all)}});
}

Reply list_group_users(Call& call) {
    const json::object* group = find_by(call, groups, "id", arguments_of(call.request)["usergroup"]);
    return group ? ok({{"users", group->at("users")}}) : refuse("no_such_subteam");
}

Reply update_group_users(Call& call) {
    auto arguments = arguments_of(call.request);
    const json::object* group = find_by(call, groups, "id", arguments["usergroup"]);
    if (!group) return refuse("no_such_subteam");
    json::array users;
    for (const std::string& user : split(arguments["users"])) {
        if (!member_by_id(call, user)) return refuse("invalid_users");
        users.emplace_back(user);
    }
    if (users.empty()) return refuse("no_users_provided");
    json::object changed = *group;
    changed["users"] = std::move(users);
    json::object shown = group_object(call, changed);
    replace(call, groups, std::move(changed));
    return ok({{"usergroup", std::move(shown)}});
}

} // namespace baton::sandbox::slack
