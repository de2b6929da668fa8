// Slack's messages, reactions, files and incoming webhooks.
#include "sandbox/slack_parts.hpp"

#include "base/base64.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

namespace baton::sandbox::slack {

namespace {

json::value parsed(const std::string& text) {
    ErrorCode code;
    json::value value = json::parse(text, code);
    return code ? json::value(nullptr) : value;
}

json::object& put_message(Call& call, json::object& record) {
    const std::int64_t number = call.world.next_id(messages);
    record["ts"] = fmt::format("{:010}.{:06}", std::time(nullptr), number % 1'000'000);
    record["id"] = std::to_string(number);
    call.world.put(messages, std::to_string(number), record);
    return record;
}

json::object message_object(const json::object& record, bool with_metadata) {
    json::object shown{{"type", "message"}, {"text", text_of(record, "text")}, {"ts", record.at("ts")}, {"user", own_id}};
    for (const char* name : {"thread_ts", "blocks", "reactions"})
        if (const json::value* value = record.if_contains(name)) shown[name] = *value;
    if (with_metadata)
        if (const json::value* value = record.if_contains("metadata")) shown["metadata"] = *value;
    return shown;
}

const json::object* message_at(const Call& call, const std::string& channel, const std::string& ts) {
    for (const auto& [key, record] : call.world.all(messages))
        if (text_of(record, "channel") == channel && text_of(record, "ts") == ts) return &record;
    return nullptr;
}

// Newest first, in pages.
Reply list_messages(Call& call, bool is_thread) {
    auto arguments = arguments_of(call.request);
    furnish(call);
    if (!find_by(call, channels, "id", arguments["channel"])) return refuse("channel_not_found");
    if (is_thread && !message_at(call, arguments["channel"], arguments["ts"])) return refuse("thread_not_found");
    json::array all;
    for (const auto& [key, record] : call.world.all(messages)) {
        if (text_of(record, "channel") != arguments["channel"]) continue;
        const std::string thread = text_of(record, "thread_ts");
        const bool is_wanted = is_thread ? thread == arguments["ts"] || text_of(record, "ts") == arguments["ts"] : thread.empty();
        if (is_wanted) all.push_back(message_object(record, arguments["include_all_metadata"] == "true"));
    }
    if (!is_thread) std::reverse(all.begin(), all.end());
    const std::size_t limit = arguments["limit"].empty() ? 100 : static_cast<std::size_t>(std::max(1, std::atoi(arguments["limit"].c_str())));
    const std::size_t skip = std::min(all.size(), static_cast<std::size_t>(std::max(0, std::atoi(arguments["cursor"].c_str()))));
    const std::size_t end = std::min(all.size(), skip + limit);
    json::array page;
    for (std::size_t i = skip; i < end; ++i) page.push_back(all[i]);
    json::object body{{"messages", std::move(page)}, {"has_more", end < all.size()}};
    if (!is_thread) {
        body["pin_count"] = 0;
        body["channel_actions_ts"] = nullptr;
        body["channel_actions_count"] = 0;
    }
    if (end < all.size()) body["response_metadata"] = json::object{{"next_cursor", std::to_string(end)}};
    return ok(std::move(body));
}

Reply change_reaction(Call& call, bool is_added) {
    auto arguments = arguments_of(call.request);
    const json::object* message = message_at(call, arguments["channel"], arguments["timestamp"]);
    if (!message) return refuse("message_not_found");
    if (arguments["name"].empty() || arguments["name"].find_first_of(" :") != std::string::npos) return refuse("invalid_name");
    json::object changed = *message;
    json::array kept;
    bool was_there = false;
    if (const json::value* before = changed.if_contains("reactions"))
        for (const json::value& one : before->as_array()) {
            if (one.at("name") == json::value(arguments["name"])) was_there = true;
            else kept.push_back(one);
        }
    if (is_added == was_there) return refuse(is_added ? "already_reacted" : "no_reaction");
    if (is_added) kept.push_back(json::object{{"name", arguments["name"]}, {"users", json::array{own_id}}, {"count", 1}});
    changed["reactions"] = std::move(kept);
    replace(call, messages, std::move(changed));
    return ok();
}

json::object file_object(const json::object& file) {
    return {{"id", file.at("id")},
            {"created", file.at("uploaded_at")},
            {"timestamp", file.at("uploaded_at")},
            {"name", file.at("name")},
            {"title", file.at("title")},
            {"size", file.at("size")},
            {"user", own_id},
            {"channels", json::array{file.at("channel")}}};
}

} // namespace

Reply post(Call& call) {
    auto arguments = arguments_of(call.request);
    furnish(call);
    if (arguments["channel"].empty()) return refuse("channel_not_found");
    if (arguments["text"].empty() && arguments["blocks"].empty()) return refuse("no_text");
    if (arguments["text"].size() > 40'000) return refuse("msg_too_long");
    const json::value blocks = parsed(arguments["blocks"]);
    if (!arguments["blocks"].empty() && !blocks.is_array()) return refuse("invalid_blocks");
    const json::value metadata = parsed(arguments["metadata"]);
    if (!arguments["metadata"].empty() && !metadata.is_object()) return refuse("invalid_metadata_format");
    const json::object* channel = channel_by(call, arguments["channel"]);
    // Kinder than Slack: a channel written to by name appears, so that examples need no set-up. An
    // unknown id is refused as there.
    if (!channel && arguments["channel"].starts_with('#')) channel = &add_channel(call, lower(arguments["channel"].substr(1)));
    if (!channel) return refuse("channel_not_found");
    if (flag_of(*channel, "is_archived")) return refuse("is_archived");
    json::object record{{"channel", channel->at("id")}, {"channel_name", channel->at("name")}, {"text", arguments["text"]}};
    if (!arguments["thread_ts"].empty()) {
        if (!message_at(call, text_of(*channel, "id"), arguments["thread_ts"])) return refuse("thread_not_found");
        record["thread_ts"] = arguments["thread_ts"];
    }
    if (blocks.is_array()) record["blocks"] = blocks;
    if (metadata.is_object()) record["metadata"] = metadata;
    put_message(call, record);
    return ok({{"channel", record["channel"]}, {"ts", record["ts"]}, {"message", message_object(record, true)}});
}

Reply history(Call& call) { return list_messages(call, false); }
Reply replies(Call& call) { return list_messages(call, true); }

Reply update_message(Call& call) {
    auto arguments = arguments_of(call.request);
    const json::object* message = message_at(call, arguments["channel"], arguments["ts"]);
    if (!message) return refuse("message_not_found");
    if (arguments["text"].empty() && arguments["blocks"].empty()) return refuse("no_text");
    json::object changed = *message;
    changed["text"] = arguments["text"];
    if (const json::value blocks = parsed(arguments["blocks"]); blocks.is_array()) changed["blocks"] = blocks;
    replace(call, messages, std::move(changed));
    return ok({{"channel", arguments["channel"]},
               {"ts", arguments["ts"]},
               {"text", arguments["text"]},
               {"message", json::object{{"text", arguments["text"]}}}});
}

Reply delete_message(Call& call) {
    auto arguments = arguments_of(call.request);
    const json::object* message = message_at(call, arguments["channel"], arguments["ts"]);
    if (!message) return refuse("message_not_found");
    call.world.erase(messages, text_of(*message, "id"));
    return ok({{"channel", arguments["channel"]}, {"ts", arguments["ts"]}});
}

Reply react(Call& call) { return change_reaction(call, true); }
Reply unreact(Call& call) { return change_reaction(call, false); }

Reply upload_url(Call& call) {
    auto arguments = arguments_of(call.request);
    const std::int64_t length = std::atoll(arguments["length"].c_str());
    if (arguments["filename"].empty() || length <= 0) return refuse("invalid_arguments");
    json::object record{{"name", arguments["filename"]}, {"title", arguments["filename"]}, {"size", length}, {"channel", ""}, {"uploaded_at", std::time(nullptr)}};
    put_new(call, files, "F", record);
    const std::string url = fmt::format("http://{}/slack/upload/{}", call.request.header("host"), text_of(record, "id"));
    return ok({{"upload_url", url}, {"file_id", record["id"]}});
}

Reply take_upload(Call& call) {
    const json::object* file = find_by(call, files, "id", call.parameters.at(0));
    if (!file) return {.status = 404, .body = "no such upload", .content_type = "text/plain"};
    if (file->at("size") != json::value(call.request.body.size())) return {.status = 400, .body = "another length", .content_type = "text/plain"};
    json::object changed = *file;
    changed["content_base64"] = base64_of(call.request.body);
    replace(call, files, std::move(changed));
    return {.status = 200, .body = "OK", .content_type = "text/plain"};
}

Reply complete_upload(Call& call) {
    auto arguments = arguments_of(call.request);
    furnish(call);
    const json::value list = parsed(arguments["files"]);
    if (!list.is_array() || list.get_array().size() != 1) return refuse("invalid_arguments");
    const json::object& one = list.get_array()[0].as_object();
    const json::object* file = find_by(call, files, "id", text_of(one, "id"));
    if (!file || !file->contains("content_base64")) return refuse("file_not_found");
    const json::object* channel = channel_by(call, arguments["channel_id"]);
    if (!channel) return refuse("channel_not_found");
    if (!text_of(*file, "channel").empty()) return refuse("file_already_completed");
    json::object changed = *file;
    if (!text_of(one, "title").empty()) changed["title"] = text_of(one, "title");
    changed["channel"] = channel->at("id");
    json::object message{{"channel", channel->at("id")}, {"channel_name", channel->at("name")}, {"text", arguments["initial_comment"]}, {"file", changed["id"]}};
    json::object shown{{"id", changed["id"]}, {"title", changed["title"]}};
    replace(call, files, std::move(changed));
    put_message(call, message);
    return ok({{"files", json::array{std::move(shown)}}});
}

Reply list_files(Call& call) {
    auto arguments = arguments_of(call.request);
    json::array all;
    for (const auto& [key, file] : call.world.all(files)) {
        const std::string channel = text_of(file, "channel");
        if (channel.empty() || (!arguments["channel"].empty() && channel != arguments["channel"])) continue;
        all.push_back(file_object(file));
    }
    const std::size_t total = all.size();
    return ok({{"files", std::move(all)}, {"paging", json::object{{"count", 100}, {"total", total}, {"page", 1}, {"pages", 1}}}});
}

Reply take_webhook(Call& call) {
    const auto plain = [](int status, const char* text) { return Reply{.status = status, .body = text, .content_type = "text/plain"}; };
    if (call.parameters.at(0) != "sandbox") return plain(404, "no_service");
    const json::value body = parsed(call.request.body);
    if (!body.is_object()) return plain(400, "invalid_payload");
    if (text_of(body.get_object(), "text").empty() && !body.get_object().contains("blocks")) return plain(400, "no_text");
    furnish(call);
    const json::object* channel = channel_by(call, "general");
    json::object record{{"channel", channel->at("id")}, {"channel_name", "general"}, {"text", text_of(body.get_object(), "text")}};
    put_message(call, record);
    return plain(200, "ok");
}

} // namespace baton::sandbox::slack
