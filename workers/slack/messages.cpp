// Messages, reactions, files. Slack would post twice what it is asked twice, so every post carries a mark of its
// task in its metadata, and who does not know whether it was posted looks for the mark first.
#include "workers/slack/claim.hpp"
#include "workers/slack/operations.hpp"

#include "base/base64.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

#include <openssl/sha.h>

#include <algorithm>
#include <ctime>
#include <optional>

namespace baton::workers::slack {

namespace json = boost::json;

namespace {

constexpr const char* event_type = "baton_task";
// What is looked through for a mark: the newest thousand messages.
constexpr int history_pages_max = 5;
constexpr const char* history_page = "200";
constexpr std::size_t file_bytes_max = 7 * 1024 * 1024;
// A file of the same name and size that we uploaded this long ago is another one.
constexpr std::int64_t file_look_back_seconds = 24 * 3600;

std::string hash_of(const std::string& identity) {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256(reinterpret_cast<const unsigned char*>(identity.data()), identity.size(), digest);
    std::string hex;
    for (std::size_t i = 0; i < 12; ++i) hex += fmt::format("{:02x}", digest[i]);
    return hex;
}

std::vector<std::string> marks_of(const Task& task) {
    std::vector<std::string> marks;
    for (const std::string& identity : identities_of(task)) marks.push_back(hash_of(identity));
    return marks;
}

std::string metadata_of(const std::vector<std::string>& marks) {
    json::object payload;
    for (std::size_t i = 0; i < marks.size(); ++i) payload[fmt::format("mark{}", i + 1)] = marks[i];
    return json::serialize(json::object{{"event_type", event_type}, {"event_payload", std::move(payload)}});
}

bool has_mark(const json::object& message, const std::vector<std::string>& marks) {
    const json::object& metadata = object_of(message, "metadata");
    if (text_of(metadata, "event_type") != event_type) return false;
    for (const auto& member : object_of(metadata, "event_payload"))
        if (member.value().is_string() &&
            std::find(marks.begin(), marks.end(), std::string_view(member.value().get_string())) != marks.end())
            return true;
    return false;
}

// --- looking for what was posted -------------------------------------------------------------------

// An id that conversations.history takes; a person is his direct messages.
Reply<Id> readable_channel(const Workspace& workspace, const std::string& channel) {
    if (!is_user_id(channel)) return id_of_channel(workspace, channel);
    const Said said = workspace.client.write("conversations.open", {{"users", channel}});
    if (said.problem) return *said.problem;
    return Id{text_of(object_of(said.body, "channel"), "id")};
}

// Empty `ts`: it is not there.
Reply<Posted> find_marked(const Workspace& workspace, const std::vector<std::string>& marks, const Message& message) {
    const auto channel = readable_channel(workspace, message.channel);
    if (!channel) return channel.error();
    const bool is_thread = !message.thread_ts.empty();
    std::string cursor;
    for (int page = 0; page < history_pages_max; ++page) {
        Fields fields{{"channel", channel->value}, {"limit", history_page}, {"include_all_metadata", "true"}};
        if (is_thread) fields.emplace_back("ts", message.thread_ts);
        if (!cursor.empty()) fields.emplace_back("cursor", cursor);
        const Said said = workspace.client.read(is_thread ? "conversations.replies" : "conversations.history", fields);
        if (said.problem) return *said.problem;
        for (const json::value& item : list_of(said.body, "messages"))
            if (item.is_object() && has_mark(item.get_object(), marks))
                return Posted{channel->value, text_of(item.get_object(), "ts"), {}};
        cursor = cursor_of(said.body);
        if (cursor.empty()) break;
    }
    return Posted{channel->value, {}, {}};
}

Fields fields_of(const Message& message, const std::vector<std::string>& marks) {
    Fields fields{{"channel", message.channel}};
    if (!message.text.empty()) fields.emplace_back("text", message.text);
    if (!message.blocks.empty()) fields.emplace_back("blocks", message.blocks);
    if (!message.thread_ts.empty()) fields.emplace_back("thread_ts", message.thread_ts);
    if (message.is_broadcast) fields.emplace_back("reply_broadcast", "true");
    if (!marks.empty()) fields.emplace_back("metadata", metadata_of(marks));
    return fields;
}

// --- parameters --------------------------------------------------------------------------------------

// A list of blocks, or an object that has one.
std::string blocks_in(Parameters& parameters, const json::object& with) {
    const json::value* blocks = with.if_contains("blocks");
    if (!blocks || blocks->is_null()) return {};
    if (blocks->is_object()) blocks = blocks->get_object().if_contains("blocks");
    if (blocks && blocks->is_array()) return json::serialize(*blocks);
    parameters.complain("'blocks' must be a list of blocks");
    return {};
}

void read_content(Parameters& parameters, const json::object& with, Message& message) {
    message.text = parameters.text("text");
    message.blocks = blocks_in(parameters, with);
    if (message.text.empty() && message.blocks.empty()) parameters.complain("one of 'text', 'blocks' is needed");
}

Message message_in(Parameters& parameters, const json::object& with) {
    Message message;
    read_content(parameters, with, message);
    message.thread_ts = parameters.text("thread_ts");
    message.is_broadcast = parameters.flag("broadcast", false);
    if (message.is_broadcast && message.thread_ts.empty()) parameters.complain("'broadcast' goes with 'thread_ts'");
    return message;
}

Answer answer_of(const Reply<Posted>& posted) {
    if (!posted) return posted.error();
    json::object result{{"channel", posted->channel}, {"ts", posted->ts}};
    if (!posted->warnings.empty()) result["warnings"] = json::value_from(posted->warnings);
    return json::value(std::move(result));
}

struct Place {
    std::string channel;                         // an id
    std::string ts;
};

Reply<Place> place_in(const Workspace& workspace, Parameters& parameters) {
    const std::string channel = parameters.required_text("channel");
    Place place{{}, parameters.required_text("ts")};
    if (parameters.is_bad()) return parameters.problem();
    auto id = id_of_channel(workspace, channel);
    if (!id) return id.error();
    place.channel = std::move(id->value);
    return place;
}

Answer change_reaction(const Workspace& workspace, const Task& task, std::string_view method, const char* said_as, std::string_view so_already) {
    Parameters parameters(task.with);
    std::string emoji = parameters.required_text("emoji");
    std::erase(emoji, ':');
    const auto place = place_in(workspace, parameters);
    if (!place) return place.error();
    const Said said = workspace.client.write(method, {{"channel", place->channel}, {"name", emoji}, {"timestamp", place->ts}});
    if (said.problem && said.error != so_already) return *said.problem;
    return json::value{{"channel", place->channel}, {"ts", place->ts}, {said_as, emoji}};
}

// --- files ---------------------------------------------------------------------------------------------

struct File {
    std::string name;
    std::string title;
    std::string content;
    std::string comment;
    std::string channel;                         // an id
    std::string thread_ts;
};

Answer answer_of_file(const std::string& id, const File& file) { return json::value{{"file", id}, {"channel", file.channel}}; }

// What an earlier attempt uploaded and shared: ours, of the same name and size, of the last day.
Reply<Id> find_uploaded(const Workspace& workspace, const File& file) {
    const auto own = own_ids(workspace);
    if (!own) return own.error();
    const std::string since = std::to_string(std::time(nullptr) - file_look_back_seconds);
    const Said said = workspace.client.read("files.list", {{"channel", file.channel}, {"user", own->front()}, {"ts_from", since}, {"count", "100"}});
    if (said.problem) return *said.problem;
    for (const json::value& item : list_of(said.body, "files")) {
        if (!item.is_object()) continue;
        const json::object& one = item.get_object();
        const json::value* size = one.if_contains("size");
        if (text_of(one, "name") == file.name && text_of(one, "title") == file.title && size && *size == json::value(file.content.size()))
            return Id{text_of(one, "id")};
    }
    return Id{};
}

Answer upload_now(const Workspace& workspace, const File& file) {
    const Said place = workspace.client.read("files.getUploadURLExternal", {{"filename", file.name}, {"length", std::to_string(file.content.size())}});
    if (place.problem) return *place.problem;
    const std::string url = text_of(place.body, "upload_url");
    const std::string id = text_of(place.body, "file_id");
    if (url.empty() || id.empty()) return strange_answer("files.getUploadURLExternal", "upload_url");
    // Bytes that nobody completes are forgotten by Slack.
    if (const Said sent = workspace.client.upload(url, file.content); sent.problem) return *sent.problem;
    const json::array files{json::object{{"id", id}, {"title", file.title}}};
    Fields fields{{"files", json::serialize(files)}, {"channel_id", file.channel}};
    if (!file.comment.empty()) fields.emplace_back("initial_comment", file.comment);
    if (!file.thread_ts.empty()) fields.emplace_back("thread_ts", file.thread_ts);
    const Said said = workspace.client.write("files.completeUploadExternal", fields);
    if (said.may_have_happened) {
        const auto found = find_uploaded(workspace, file);
        if (!found) return counted(said);
        if (!found->value.empty()) return answer_of_file(found->value, file);
    }
    if (said.problem) return *said.problem;
    return answer_of_file(id, file);
}

} // namespace

Reply<Posted> post_once(const Workspace& workspace, const Task& task, const Message& message) {
    const std::vector<std::string> marks = marks_of(task);
    if (task.may_have_begun_before() && !marks.empty()) {
        auto earlier = find_marked(workspace, marks, message);
        if (!earlier) return earlier.error();
        if (!earlier->ts.empty()) return earlier;
    }
    const Said said = workspace.client.write("chat.postMessage", fields_of(message, marks));
    if (said.error == "channel_not_found") {
        forget_channels();
        return permanent("channel_not_found", fmt::format("{}: '{}'", said.problem->detail, message.channel), 404);
    }
    if (said.may_have_happened && !marks.empty()) {
        auto now = find_marked(workspace, marks, message);
        if (!now) return counted(said);
        if (!now->ts.empty()) return now;
    }
    if (said.problem && said.may_have_happened && marks.empty())
        return permanent("unknown_outcome", said.problem->detail + "; it may be posted, and without a run there is nothing to find it by");
    if (said.problem) return *said.problem;
    return Posted{text_of(said.body, "channel"), text_of(said.body, "ts"), said.warnings};
}

Answer post(const Workspace& workspace, const Task& task) {
    Parameters parameters(task.with);
    Message message = message_in(parameters, task.with);
    message.channel = parameters.required_text("channel");
    if (parameters.is_bad()) return parameters.problem();
    return answer_of(post_once(workspace, task, message));
}

Answer direct_message(const Workspace& workspace, const Task& task) {
    Parameters parameters(task.with);
    Message message = message_in(parameters, task.with);
    const std::vector<std::string> people = parameters.texts("users");
    if (people.empty() || people.size() > 8) parameters.complain("'users' must be one to eight addresses or ids");
    if (parameters.is_bad()) return parameters.problem();
    const auto ids = ids_of_people(workspace, people);
    if (!ids) return ids.error();
    std::string list;
    for (const std::string& id : *ids) list += (list.empty() ? "" : ",") + id;
    // Opening what is open gives the same conversation.
    const Said said = workspace.client.write("conversations.open", {{"users", list}});
    if (said.problem) return *said.problem;
    message.channel = text_of(object_of(said.body, "channel"), "id");
    if (message.channel.empty()) return strange_answer("conversations.open", "channel");
    return answer_of(post_once(workspace, task, message));
}

Answer update_message(const Workspace& workspace, const Task& task) {
    Parameters parameters(task.with);
    Message message;
    read_content(parameters, task.with, message);
    const auto place = place_in(workspace, parameters);
    if (!place) return place.error();
    message.channel = place->channel;
    Fields fields = fields_of(message, {});
    fields.emplace_back("ts", place->ts);
    const Said said = workspace.client.write("chat.update", fields);
    if (said.problem) return *said.problem;
    return json::value{{"channel", place->channel}, {"ts", place->ts}};
}

Answer delete_message(const Workspace& workspace, const Task& task) {
    Parameters parameters(task.with);
    const auto place = place_in(workspace, parameters);
    if (!place) return place.error();
    const Fields fields{{"channel", place->channel}, {"ts", place->ts}};
    Said said = workspace.client.write("chat.delete", fields);
    // Deleted by an earlier attempt, most likely.
    const bool was_gone = said.error == "message_not_found" && task.may_have_begun_before();
    if (said.problem && !was_gone) return counted(said);
    return json::value{{"channel", place->channel}, {"ts", place->ts}, {"deleted", true}};
}

Answer react(const Workspace& workspace, const Task& task) {
    return change_reaction(workspace, task, "reactions.add", "emoji", "already_reacted");
}

Answer unreact(const Workspace& workspace, const Task& task) {
    return change_reaction(workspace, task, "reactions.remove", "emoji", "no_reaction");
}

Answer upload(const Workspace& workspace, const Task& task) {
    Parameters parameters(task.with);
    File file;
    file.name = parameters.required_text("filename");
    file.title = parameters.text("title", file.name);
    file.comment = parameters.text("text");
    file.thread_ts = parameters.text("thread_ts");
    const std::string channel = parameters.required_text("channel");
    std::optional<std::string> content;
    const int given = static_cast<int>(parameters.has("content")) + static_cast<int>(parameters.has("content_base64")) +
                      static_cast<int>(parameters.has("content_text")) + static_cast<int>(parameters.has("from"));
    const auto from = file_source_in(parameters, task.with, "from");
    if (given != 1) parameters.complain("give one of 'content_base64', 'content_text' and 'from'");
    else if (parameters.has("from")) content.reset();
    else if (parameters.has("content_text")) content = parameters.text("content_text");
    else content = from_base64(parameters.text(parameters.has("content") ? "content" : "content_base64"));
    if (given == 1 && !content && !parameters.has("from")) parameters.complain("'content_base64' must be base64");
    else if (content && (content->empty() || content->size() > file_bytes_max)) parameters.complain("a file must have 1 byte to 7 MiB");
    if (parameters.is_bad()) return parameters.problem();
    if (from) {
        auto fetched = fetch_file(*from, workspace.settings.files);
        if (!fetched) return fetched.error();
        if (fetched->content.empty()) return permanent("invalid_input", "the file is empty, and Slack takes none that is");
        content = std::move(fetched->content);
    }
    file.content = std::move(*content);
    const auto id = id_of_channel(workspace, channel);
    if (!id) return id.error();
    file.channel = id->value;
    if (task.may_have_begun_before()) {
        const auto found = find_uploaded(workspace, file);
        if (!found) return found.error();
        if (!found->value.empty()) return answer_of_file(found->value, file);
    }
    return upload_now(workspace, file);
}

Answer webhook(const Workspace& workspace, const Task& task) {
    Parameters parameters(task.with);
    Message message;
    read_content(parameters, task.with, message);
    if (parameters.is_bad()) return parameters.problem();
    json::object body;
    if (!message.text.empty()) body["text"] = message.text;
    if (!message.blocks.empty()) body["blocks"] = json::parse(message.blocks);
    const Said said = workspace.client.tell_webhook(body);
    // A webhook has no way to look. "Come back then" is said before anything is done.
    if (said.problem && said.may_have_happened && said.problem->is_attempt)
        return permanent("unknown_outcome", said.problem->detail + "; it may be posted: a webhook cannot be asked");
    if (said.problem) return *said.problem;
    return json::value{{"posted", true}};
}

} // namespace baton::workers::slack
