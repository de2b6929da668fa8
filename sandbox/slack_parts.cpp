// Records and answers that all pieces of the Slack stand-in use.
#include "sandbox/slack_parts.hpp"

#include <fmt/format.h>

#include <cctype>

namespace baton::sandbox::slack {

Reply refuse(std::string_view error) {
    return {.status = 200, .body = json::serialize(json::object{{"ok", false}, {"error", error}})};
}

Reply ok(json::object body) {
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

bool flag_of(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    return value && value->is_bool() && value->get_bool();
}

json::array list_of(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    return value && value->is_array() ? value->get_array() : json::array{};
}

const json::object* find_by(const Call& call, std::string_view collection, std::string_view name, std::string_view value) {
    for (const auto& [key, record] : call.world.all(collection))
        if (text_of(record, name) == value) return &record;
    return nullptr;
}

const json::object* member_by_email(const Call& call, std::string_view email) { return find_by(call, members, "email", lower(email)); }
const json::object* member_by_id(const Call& call, std::string_view id) { return find_by(call, members, "id", id); }

const json::object* channel_by(const Call& call, std::string_view wanted) {
    const std::string name = lower(wanted.starts_with('#') ? wanted.substr(1) : wanted);
    const json::object* channel = find_by(call, channels, "id", wanted);
    return channel || name.empty() ? channel : find_by(call, channels, "name", name);
}

void replace(Call& call, std::string_view collection, json::object record) {
    const std::string id = text_of(record, "id");
    for (const auto& [key, old] : call.world.all(collection)) {
        if (text_of(old, "id") != id) continue;
        call.world.put(collection, std::string(key), std::move(record));
        return;
    }
}

void set_state(Call& call, const json::object& member, std::string_view state) {
    json::object changed = member;
    changed["state"] = state;
    replace(call, members, std::move(changed));
}

json::object& put_new(Call& call, std::string_view collection, std::string_view letter, json::object& record) {
    const std::int64_t number = call.world.next_id(collection);
    record["id"] = make_id(letter, number);
    record["created"] = stamp();
    call.world.put(collection, std::to_string(number), record);
    return record;
}

const json::object& add_channel(Call& call, const std::string& name, bool is_private) {
    json::object record{{"name", name}, {"is_private", is_private}, {"is_archived", false}, {"topic", ""}, {"purpose", ""}, {"members", json::array{own_id}}};
    put_new(call, channels, "C", record);
    return *find_by(call, channels, "id", text_of(record, "id"));
}

void join(Call& call, std::string_view channel_id, std::string_view user_id) {
    const json::object* channel = channel_by(call, channel_id);
    if (!channel) return;
    json::object changed = *channel;
    json::array in = list_of(changed, "members");
    in.push_back(json::string(user_id));
    changed["members"] = std::move(in);
    replace(call, channels, std::move(changed));
}

void furnish(Call& call) {
    if (!call.world.all(channels).empty()) return;
    add_channel(call, "general");
    add_channel(call, "random");
}

} // namespace baton::sandbox::slack
