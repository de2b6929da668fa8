// The tasks by their names, with the parameters each takes.
#include "workers/slack/slack.hpp"

#include "workers/slack/operations.hpp"
#include "workers/slack/refusal.hpp"

namespace baton::workers::slack {

namespace {

using Operation = Answer (*)(const Workspace& workspace, const Task& task);

std::string person_key(const boost::json::object& with) {
    const std::string email = text_of(with, "email");
    return email.empty() ? std::string{} : "slack " + http::lower(email);
}

std::string group_key(const boost::json::object& with) { return "slack group " + text_of(with, "group"); }

// A right that one task lacks is no reason for the others to wait.
std::vector<std::string> words_about_rights() {
    std::vector<std::string> words;
    for (const Word& one : known_words())
        if (one.meaning == Meaning::right) words.emplace_back(one.word);
    return words;
}

} // namespace

std::vector<Handler> make_handlers(const Settings& settings) {
    const auto workspace = std::make_shared<const Workspace>(settings);
    std::vector<Handler> all;
    const auto add = [&](const char* task, Operation operation, std::vector<std::string_view> names,
                         std::function<std::string(const boost::json::object&)> key = {}) {
        Handler handler;
        handler.task = task;
        handler.perform = [workspace, operation](const Task& one) { return operation(*workspace, one); };
        handler.key = std::move(key);
        handler.own_troubles = words_about_rights();
        all.push_back(only_with(std::move(names), std::move(handler)));
    };
    // First in this list: the one whose queue others wait for.
    add("slack.invite", invite, {"email", "name", "channels", "team_id"}, person_key);
    add("slack.deactivate", deactivate, {"email", "user_id", "team_id", "only_if_created_by"}, person_key);
    add("slack.reactivate", reactivate, {"email", "user_id", "team_id"}, person_key);
    add("slack.find_user", find_user, {"email", "user_id"});
    add("slack.create_channel", create_channel, {"name", "topic", "purpose", "private", "members", "team_id"});
    add("slack.find_channel", find_channel, {"channel"});
    add("slack.set_topic", set_topic, {"channel", "topic", "purpose"});
    add("slack.rename_channel", rename_channel, {"channel", "name"});
    add("slack.archive_channel", archive_channel, {"channel"});
    add("slack.unarchive_channel", unarchive_channel, {"channel"});
    add("slack.add_to_channel", add_to_channel, {"channel", "users"});
    add("slack.remove_from_channel", remove_from_channel, {"channel", "users"});
    add("slack.add_to_group", add_to_group, {"group", "users", "team_id"}, group_key);
    add("slack.remove_from_group", remove_from_group, {"group", "users", "team_id"}, group_key);
    add("slack.post", post, {"channel", "text", "blocks", "thread_ts", "broadcast"});
    add("slack.direct_message", direct_message, {"users", "text", "blocks", "thread_ts", "broadcast"});
    add("slack.update_message", update_message, {"channel", "ts", "text", "blocks"});
    add("slack.delete_message", delete_message, {"channel", "ts"});
    add("slack.react", react, {"channel", "ts", "emoji"});
    add("slack.unreact", unreact, {"channel", "ts", "emoji"});
    add("slack.upload", upload, {"channel", "filename", "content_base64", "content", "content_text", "from", "title", "text", "thread_ts"});
    if (!settings.webhook_url.empty()) {
        add("slack.webhook", webhook, {"text", "blocks"});
        // An address of its own: when it is wrong, the others go on.
        all.back().target = "slack.webhook";
    }
    return all;
}

} // namespace baton::workers::slack
