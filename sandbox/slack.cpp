// Slack's Web API calls for inviting, looking up, posting and channels. As there, nearly every
// refusal is HTTP 200 with {"ok":false,"error":…}; the token travels as a bearer.
#include "sandbox/target.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

#include <array>
#include <cctype>
#include <ctime>

namespace baton::sandbox {

namespace json = boost::json;

namespace {

constexpr std::string_view members = "slack_users";
constexpr std::string_view channels = "slack_channels";
constexpr std::string_view messages = "slack_messages";

Reply refuse(std::string_view error) {
    return {.status = 200, .body = json::serialize(json::object{{"ok", false}, {"error", error}})};
}

Reply ok(json::object body = {}) {
    json::object all{{"ok", true}};
    for (auto& pair : body) all[pair.key()] = std::move(pair.value());
    return {.status = 200, .body = json::serialize(all)};
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return out;
}

// Arguments from the query, a form body or a JSON body, as Slack takes them.
std::map<std::string, std::string> arguments_of(const Request& request) {
    auto arguments = request.query;
    if (request.header("content-type").find("application/json") != std::string_view::npos) {
        ErrorCode code;
        const json::value body = json::parse(request.body, code);
        if (!code && body.is_object()) {
            for (const auto& pair : body.get_object())
                arguments[std::string(pair.key())] = pair.value().is_string()
                                                         ? std::string(pair.value().get_string())
                                                         : json::serialize(pair.value());
        }
        return arguments;
    }
    for (auto& [key, value] : parse_form(request.body)) arguments[key] = std::move(value);
    return arguments;
}

std::string text_of(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    return value && value->is_string() ? std::string(value->get_string()) : std::string{};
}

// Slack's ids: a letter and upper-case base 36; here the number is readable.
std::string make_id(std::string_view letter, std::int64_t number) {
    return fmt::format("{}0SANDBOX{:05}", letter, number);
}

bool is_mail(std::string_view text) {
    const std::size_t at = text.find('@');
    return at != std::string_view::npos && at > 0 && text.find('.', at) != std::string_view::npos &&
           text.find_first_of(" \t\r\n,;") == std::string_view::npos;
}

const json::object* member_by_email(const Call& call, std::string_view email) {
    for (const auto& [key, member] : call.world.all(members))
        if (text_of(member, "email") == lower(email)) return &member;
    return nullptr;
}

const json::object* channel_by(const Call& call, std::string_view wanted) {
    const std::string name = lower(wanted.starts_with('#') ? wanted.substr(1) : wanted);
    for (const auto& [key, channel] : call.world.all(channels))
        if (text_of(channel, "id") == wanted || text_of(channel, "name") == name) return &channel;
    return nullptr;
}

const json::object& add_channel(Call& call, const std::string& name) {
    const std::int64_t number = call.world.next_id(channels);
    call.world.put(channels, std::to_string(number),
                   {{"id", make_id("C", number)}, {"name", name}, {"created", stamp()}});
    return *call.world.find(channels, std::to_string(number));
}

// A fresh workspace has these two, like every real one.
void furnish(Call& call) {
    if (!call.world.all(channels).empty()) return;
    add_channel(call, "general");
    add_channel(call, "random");
}

Reply invite(Call& call) {
    auto arguments = arguments_of(call.request);
    for (const char* needed : {"team_id", "email", "channel_ids"})
        if (arguments[needed].empty()) return refuse("invalid_arguments");
    if (arguments["team_id"] != call.options.slack_team) return refuse("team_not_found");
    const std::string email = lower(arguments["email"]);
    if (!is_mail(email)) return refuse("invalid_email");
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
                    {"channels", std::move(wanted)},
                    {"created", stamp()}});
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

Reply look_up(Call& call) {
    auto arguments = arguments_of(call.request);
    const json::object* member = member_by_email(call, arguments["email"]);
    if (!member || text_of(*member, "state") == "deactivated") return refuse("users_not_found");
    return ok({{"user", user_object(call, *member)}});
}

Reply remove(Call& call) {
    auto arguments = arguments_of(call.request);
    if (arguments["team_id"] != call.options.slack_team) return refuse("team_not_found");
    for (const auto& [key, member] : call.world.all(members)) {
        if (text_of(member, "id") != arguments["user_id"]) continue;
        if (text_of(member, "state") == "deactivated") return refuse("user_already_deleted");
        json::object changed = member;
        changed["state"] = "deactivated";
        call.world.put(members, std::string(key), std::move(changed));
        return ok();
    }
    return refuse("user_not_found");
}

Reply post(Call& call) {
    auto arguments = arguments_of(call.request);
    furnish(call);
    if (arguments["channel"].empty()) return refuse("channel_not_found");
    if (arguments["text"].empty() && arguments["blocks"].empty()) return refuse("no_text");
    if (arguments["text"].size() > 40'000) return refuse("msg_too_long");
    const json::object* channel = channel_by(call, arguments["channel"]);
    // Kinder than Slack: a channel written to by name appears, so that examples need no set-up. An
    // unknown id is refused as there.
    if (!channel && arguments["channel"].starts_with('#'))
        channel = &add_channel(call, lower(arguments["channel"].substr(1)));
    if (!channel) return refuse("channel_not_found");
    const std::int64_t number = call.world.next_id(messages);
    const std::string ts = fmt::format("{:010}.{:06}", std::time(nullptr), number % 1'000'000);
    json::object record{{"channel", channel->at("id")},
                        {"channel_name", channel->at("name")},
                        {"text", arguments["text"]},
                        {"ts", ts}};
    call.world.put(messages, std::to_string(number), record);
    return ok({{"channel", record["channel"]},
               {"ts", ts},
               {"message", json::object{{"type", "message"}, {"text", arguments["text"]}, {"ts", ts}}}});
}

json::object channel_object(const json::object& channel) {
    const std::string name = text_of(channel, "name");
    return {{"id", channel.at("id")},
            {"name", name},
            {"name_normalized", name},
            {"is_channel", true},
            {"is_group", false},
            {"is_im", false},
            {"is_mpim", false},
            {"is_private", false},
            {"is_archived", false},
            {"is_general", name == "general"},
            {"is_shared", false},
            {"is_org_shared", false},
            {"is_member", true},
            {"created", 1'700'000'000},
            {"creator", "U0SANDBOX00000"},
            {"unlinked", 0},
            {"num_members", 1},
            {"topic", json::object{{"value", ""}, {"creator", ""}, {"last_set", 0}}},
            {"purpose", json::object{{"value", ""}, {"creator", ""}, {"last_set", 0}}}};
}

Reply list_channels(Call& call) {
    furnish(call);
    auto arguments = arguments_of(call.request);
    const std::size_t limit =
        arguments["limit"].empty() ? 100 : static_cast<std::size_t>(std::max(1, std::atoi(arguments["limit"].c_str())));
    std::size_t skip = static_cast<std::size_t>(std::max(0, std::atoi(arguments["cursor"].c_str())));
    json::array page;
    std::size_t seen = 0;
    for (const auto& [key, channel] : call.world.all(channels))
        if (seen++ >= skip && page.size() < limit) page.push_back(channel_object(channel));
    const std::string next = skip + page.size() < seen ? std::to_string(skip + page.size()) : "";
    return ok({{"channels", page}, {"response_metadata", json::object{{"next_cursor", next}}}});
}

Reply create_channel(Call& call) {
    furnish(call);
    auto arguments = arguments_of(call.request);
    const std::string& name = arguments["name"];
    if (name.empty()) return refuse("invalid_name_required");
    for (const char c : name)
        if (std::islower(static_cast<unsigned char>(c)) == 0 &&
            std::isdigit(static_cast<unsigned char>(c)) == 0 && c != '-' && c != '_')
            return refuse("invalid_name_specials");
    if (channel_by(call, name)) return refuse("name_taken");
    return ok({{"channel", channel_object(add_channel(call, name))}});
}

Reply who_am_i(Call& call) {
    return ok({{"url", "https://sandbox.slack.com/"},
               {"team", "Baton sandbox"},
               {"user", "baton"},
               {"team_id", call.options.slack_team},
               {"user_id", "U0SANDBOX00000"}});
}

std::optional<Reply> refuse_stranger(const Call& call) {
    const std::string_view header = call.request.header("authorization");
    if (header.empty()) return refuse("not_authed");
    if (header == "Bearer " + call.options.slack_token) return std::nullopt;
    return refuse("invalid_auth");
}

Reply unknown_route() { return refuse("unknown_method"); }

constexpr std::array routes = {
    Route{"POST", "/api/admin.users.invite", "slack.invite", invite},
    Route{"GET", "/api/users.lookupByEmail", "slack.lookup", look_up},
    Route{"POST", "/api/users.lookupByEmail", "slack.lookup", look_up},
    Route{"POST", "/api/admin.users.remove", "slack.remove", remove},
    Route{"POST", "/api/chat.postMessage", "slack.post", post},
    Route{"GET", "/api/conversations.list", "slack.list_channels", list_channels},
    Route{"POST", "/api/conversations.list", "slack.list_channels", list_channels},
    Route{"POST", "/api/conversations.create", "slack.create_channel", create_channel},
    Route{"GET", "/api/auth.test", "slack.auth", who_am_i},
    Route{"POST", "/api/auth.test", "slack.auth", who_am_i},
};

} // namespace

const Target& slack_target() {
    static const Target target{"/slack", routes, refuse_stranger, refuse, unknown_route};
    return target;
}

} // namespace baton::sandbox
