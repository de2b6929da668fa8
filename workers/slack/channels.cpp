// Channels and user groups. What Slack says is so already is a success; names are unique, so a channel is
// made once.
#include "workers/slack/claim.hpp"
#include "workers/slack/operations.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace baton::workers::slack {

namespace json = boost::json;

namespace {

// Words of a refusal that say: it is as you want it.
bool is_so_already(const Said& said, std::initializer_list<std::string_view> words) {
    return std::find(words.begin(), words.end(), said.error) != words.end();
}

// A write that may be repeated: done, or a problem.
std::optional<contract::Problem> change(const Workspace& workspace, std::string_view method, const Fields& fields,
                                        std::initializer_list<std::string_view> so_already) {
    const Said said = workspace.client.write(method, fields);
    if (said.error == "channel_not_found" || said.error == "is_archived") forget_channels();
    if (is_so_already(said, so_already)) return std::nullopt;
    return said.problem;
}

std::string channel_in(Parameters& parameters) { return parameters.required_text("channel"); }

std::string plain_name(std::string name) {
    if (name.starts_with('#')) name.erase(0, 1);
    return name;
}

struct Texts {
    std::string topic;
    std::string purpose;
};

std::optional<contract::Problem> set_texts(const Workspace& workspace, const std::string& id, const Texts& texts) {
    if (!texts.topic.empty())
        if (auto problem = change(workspace, "conversations.setTopic", {{"channel", id}, {"topic", texts.topic}}, {})) return problem;
    if (!texts.purpose.empty())
        if (auto problem = change(workspace, "conversations.setPurpose", {{"channel", id}, {"purpose", texts.purpose}}, {})) return problem;
    return std::nullopt;
}

struct Made {
    std::string id;
    bool by_us = false;
};

// Archived channels keep their names, so they are found too, and said to be archived.
Reply<Made> found_channel(const Workspace& workspace, const ChannelNames& wanted, const Claim& claim, bool was_ours) {
    forget_channels();
    const auto ids = ids_of_channels(workspace, wanted);
    if (!ids && ids.error().type == "channel_not_found")
        return permanent("name_taken", fmt::format("the name '{}' is taken by a channel that this worker does not see", wanted.names.front()), 409);
    if (!ids) return ids.error();
    const auto channel = channel_info(workspace, ids->front());
    if (!channel) return channel.error();
    if (flag_of(*channel, "is_archived"))
        return permanent("is_archived", fmt::format("'{}' is an archived channel: slack.unarchive_channel opens it", wanted.names.front()), 409);
    return Made{ids->front(), was_ours && claim.is_ours(ids->front())};
}

Reply<Made> make_channel(const Workspace& workspace, const Task& task, const ChannelNames& wanted, bool is_private) {
    auto claim = Claim::take(workspace.settings, task, "channel " + wanted.names.front());
    if (!claim) return claim.error();
    const bool was_ours = claim->is_ours();
    if (!was_ours)
        if (const auto problem = claim->begin()) return *problem;
    Fields fields{{"name", wanted.names.front()}, {"is_private", is_private ? "true" : "false"}};
    add_team(fields, workspace, wanted.team);
    const Said said = workspace.client.write("conversations.create", fields);
    const std::string id = text_of(object_of(said.body, "channel"), "id");
    if (!said.problem && !id.empty()) {
        if (const auto problem = claim->done(id)) return *problem;
        return Made{id, true};
    }
    if (said.error == "name_taken" || !said.problem) {
        if (!was_ours && said.problem)
            if (const auto problem = claim->refused()) return *problem;
        return found_channel(workspace, wanted, *claim, was_ours || !said.problem);
    }
    if (!said.may_have_happened) {
        if (!was_ours)
            if (const auto problem = claim->refused()) return *problem;
        return *said.problem;
    }
    auto found = found_channel(workspace, wanted, *claim, true);
    if (!found) return *said.problem;
    return found;
}

Reply<std::int64_t> take_out(const Workspace& workspace, const std::string& channel, const std::vector<std::string>& ids) {
    std::int64_t count = 0;
    for (const std::string& id : ids) {
        const Said said = workspace.client.write("conversations.kick", {{"channel", channel}, {"user", id}});
        if (said.problem && said.error != "not_in_channel") return *said.problem;
        count += said.problem ? 0 : 1;
    }
    return count;
}

// --- user groups ------------------------------------------------------------------------------------

using Change = void (*)(std::vector<std::string>& members, const std::vector<std::string>& people);

void with_people(std::vector<std::string>& members, const std::vector<std::string>& people) {
    for (const std::string& one : people)
        if (std::find(members.begin(), members.end(), one) == members.end()) members.push_back(one);
}

void without_people(std::vector<std::string>& members, const std::vector<std::string>& people) {
    std::erase_if(members, [&](const std::string& one) { return std::find(people.begin(), people.end(), one) != people.end(); });
}

// Slack replaces the whole list, so nobody else may do so between our look and our write.
Answer change_group(const Workspace& workspace, const Task& task, Change edit) {
    Parameters parameters(task.with);
    const std::string group = parameters.required_text("group");
    const std::vector<std::string> people = parameters.texts("users");
    const std::string team = parameters.text("team_id");
    if (people.empty()) parameters.complain("'users' is missing");
    if (parameters.is_bad()) return parameters.problem();
    const auto id = id_of_group(workspace, group, team);
    if (!id) return id.error();
    const auto ids = ids_of_people(workspace, people);
    if (!ids) return ids.error();
    const auto claim = Claim::take(workspace.settings, task, "group " + id->value);
    if (!claim) return claim.error();
    Fields fields{{"usergroup", id->value}};
    add_team(fields, workspace, team);
    const Said said = workspace.client.read("usergroups.users.list", fields);
    if (said.problem) return *said.problem;
    std::vector<std::string> before;
    for (const json::value& one : list_of(said.body, "users"))
        if (one.is_string()) before.emplace_back(one.get_string());
    std::vector<std::string> after = before;
    edit(after, *ids);
    if (after.empty() && !before.empty())
        return permanent("last_member", fmt::format("the user group {} would have no member, which Slack does not take", id->value), 409);
    if (after != before) {
        fields.emplace_back("users", fmt::format("{}", fmt::join(after, ",")));
        const Said changed = workspace.client.write("usergroups.users.update", fields);
        if (changed.problem) return *changed.problem;
    }
    return json::value{{"group", id->value}, {"members", after.size()}, {"changed", after != before}};
}

Answer change_people(const Workspace& workspace, const Task& task, const char* counted,
                     Reply<std::int64_t> (*perform)(const Workspace&, const std::string&, const std::vector<std::string>&)) {
    Parameters parameters(task.with);
    const std::string channel = channel_in(parameters);
    const std::vector<std::string> people = parameters.texts("users");
    if (people.empty()) parameters.complain("'users' is missing");
    if (parameters.is_bad()) return parameters.problem();
    const auto id = id_of_channel(workspace, channel);
    if (!id) return id.error();
    const auto ids = ids_of_people(workspace, people);
    if (!ids) return ids.error();
    const auto count = perform(workspace, id->value, *ids);
    if (!count) return count.error();
    return json::value{{"channel", id->value}, {counted, *count}, {"users", json::value_from(*ids)}};
}

Answer change_state(const Workspace& workspace, const Task& task, std::string_view method, const char* said,
                    std::initializer_list<std::string_view> so_already) {
    Parameters parameters(task.with);
    const std::string channel = channel_in(parameters);
    if (parameters.is_bad()) return parameters.problem();
    const auto id = id_of_channel(workspace, channel, true);
    if (!id) return id.error();
    if (const auto problem = change(workspace, method, {{"channel", id->value}}, so_already)) return *problem;
    return json::value{{"channel", id->value}, {said, true}};
}

} // namespace

Reply<std::int64_t> bring_in(const Workspace& workspace, const std::string& channel, const std::vector<std::string>& user_ids) {
    std::int64_t count = 0;
    for (const std::string& id : user_ids) {
        // One by one: of several, Slack would take none if one is in it already.
        const Said said = workspace.client.write("conversations.invite", {{"channel", channel}, {"users", id}});
        if (said.problem && said.error != "already_in_channel") return *said.problem;
        count += said.problem ? 0 : 1;
    }
    return count;
}

Answer create_channel(const Workspace& workspace, const Task& task) {
    Parameters parameters(task.with);
    const std::string name = plain_name(parameters.required_text("name"));
    const Texts texts{parameters.text("topic"), parameters.text("purpose")};
    const bool is_private = parameters.flag("private", false);
    const std::vector<std::string> people = parameters.texts("members");
    const ChannelNames wanted{{name}, parameters.text("team_id"), true};
    if (parameters.is_bad()) return parameters.problem();
    const auto members = ids_of_people(workspace, people);
    if (!members) return members.error();
    const auto made = make_channel(workspace, task, wanted, is_private);
    if (!made) return made.error();
    // Somebody else's channel keeps its topic.
    if (made->by_us)
        if (const auto problem = set_texts(workspace, made->id, texts)) return *problem;
    const auto joined = bring_in(workspace, made->id, *members);
    if (!joined) return joined.error();
    return json::value{{"id", made->id}, {"name", name}, {"created", made->by_us}};
}

Answer find_channel(const Workspace& workspace, const Task& task) {
    Parameters parameters(task.with);
    const std::string channel = channel_in(parameters);
    if (parameters.is_bad()) return parameters.problem();
    const auto id = id_of_channel(workspace, channel, true);
    if (!id && id.error().type == "channel_not_found") return json::value{{"found", false}, {"id", nullptr}};
    if (!id) return id.error();
    const auto info = channel_info(workspace, id->value);
    if (!info && info.error().type == "channel_not_found") return json::value{{"found", false}, {"id", nullptr}};
    if (!info) return info.error();
    return json::value{{"found", true},
                       {"id", id->value},
                       {"name", text_of(*info, "name")},
                       {"topic", text_of(object_of(*info, "topic"), "value")},
                       {"purpose", text_of(object_of(*info, "purpose"), "value")},
                       {"private", flag_of(*info, "is_private")},
                       {"archived", flag_of(*info, "is_archived")}};
}

Answer set_topic(const Workspace& workspace, const Task& task) {
    Parameters parameters(task.with);
    const std::string channel = channel_in(parameters);
    const Texts texts{parameters.text("topic"), parameters.text("purpose")};
    if (texts.topic.empty() && texts.purpose.empty()) parameters.complain("one of 'topic', 'purpose' is needed");
    if (parameters.is_bad()) return parameters.problem();
    const auto id = id_of_channel(workspace, channel);
    if (!id) return id.error();
    if (const auto problem = set_texts(workspace, id->value, texts)) return *problem;
    return json::value{{"channel", id->value}};
}

Answer rename_channel(const Workspace& workspace, const Task& task) {
    Parameters parameters(task.with);
    const std::string channel = channel_in(parameters);
    const std::string name = plain_name(parameters.required_text("name"));
    if (parameters.is_bad()) return parameters.problem();
    auto id = id_of_channel(workspace, channel);
    // Renamed by an earlier attempt: the old name is gone, the new one is there.
    if (!id && id.error().type == "channel_not_found" && task.may_have_begun_before()) id = id_of_channel(workspace, name);
    if (!id) return id.error();
    const Said said = workspace.client.write("conversations.rename", {{"channel", id->value}, {"name", name}});
    forget_channels();
    if (said.error == "name_taken") {
        const auto info = channel_info(workspace, id->value);
        if (!info || text_of(*info, "name") != name) return *said.problem;
    } else if (said.problem) {
        return counted(said);
    }
    return json::value{{"channel", id->value}, {"name", name}};
}

Answer archive_channel(const Workspace& workspace, const Task& task) {
    return change_state(workspace, task, "conversations.archive", "archived", {"already_archived"});
}

Answer unarchive_channel(const Workspace& workspace, const Task& task) {
    return change_state(workspace, task, "conversations.unarchive", "unarchived", {"not_archived"});
}

Answer add_to_channel(const Workspace& workspace, const Task& task) { return change_people(workspace, task, "added", bring_in); }
Answer remove_from_channel(const Workspace& workspace, const Task& task) { return change_people(workspace, task, "removed", take_out); }

Answer add_to_group(const Workspace& workspace, const Task& task) { return change_group(workspace, task, with_people); }
Answer remove_from_group(const Workspace& workspace, const Task& task) { return change_group(workspace, task, without_people); }

} // namespace baton::workers::slack
