// Lists are read page by page, and what was seen is remembered for a while: Slack allows some twenty lists a minute.
#include "workers/slack/workspace.hpp"

#include "base/suggest.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <map>

namespace baton::workers::slack {

namespace json = boost::json;

namespace {

// Pages of 200; a workspace with more channels names them by id.
constexpr int channel_pages_max = 50;
// A name may be given to another channel.
constexpr auto channels_remembered_for = std::chrono::minutes(5);

bool is_id(std::string_view text, std::string_view letters) {
    return text.size() >= 9 && letters.find(text[0]) != std::string_view::npos &&
           std::all_of(text.begin(), text.end(),
                       [](unsigned char c) { return std::isupper(c) != 0 || std::isdigit(c) != 0; });
}

Person person_of(const json::object& user) {
    const json::object& profile = object_of(user, "profile");
    Person person;
    person.id = text_of(user, "id");
    person.name = text_of(user, "real_name").empty() ? text_of(profile, "real_name") : text_of(user, "real_name");
    person.email = text_of(profile, "email");
    person.is_invited = flag_of(user, "is_invited_user");
    person.is_deleted = flag_of(user, "deleted");
    person.is_primary_owner = flag_of(user, "is_primary_owner");
    person.is_bot = flag_of(user, "is_bot");
    return person;
}

Reply<Person> person_in(const Said& said, std::string_view method) {
    if (said.error == "users_not_found" || said.error == "user_not_found" || said.error == "user_not_visible") return Person{};
    if (said.problem) return *said.problem;
    Person person = person_of(object_of(said.body, "user"));
    if (person.id.empty()) return strange_answer(method, "user");
    return person;
}

// Channel ids by URL, team and name: each thread of the pool keeps what it has seen.
struct Seen {
    std::string id;
    std::chrono::steady_clock::time_point at;
};
using KnownChannels = std::map<std::string, Seen, std::less<>>;
KnownChannels& known_channels() {
    thread_local KnownChannels known;
    return known;
}

std::string place_of(const Workspace& workspace, const std::string& team) {
    return fmt::format("{} {} ", workspace.settings.url, team.empty() ? workspace.settings.team : team);
}

std::string without_hash(std::string name) {
    if (name.starts_with('#')) name.erase(0, 1);
    return name;
}

// Puts what one list of channels says into `known`; true when all wanted are there.
class ChannelSearch {
public:
    ChannelSearch(const Workspace& workspace, const ChannelNames& wanted) : workspace_(workspace), wanted_(wanted) {
        for (const std::string& name : wanted.names) names_.push_back(without_hash(name));
        place_ = place_of(workspace, wanted.team);
        const auto oldest = std::chrono::steady_clock::now() - channels_remembered_for;
        std::erase_if(known_channels(), [&](const auto& known) { return known.second.at < oldest; });
    }

    std::optional<contract::Problem> run() {
        if (is_done()) return std::nullopt;
        // Private ones are seen with one more scope; whoever has not granted it has none that we may see.
        auto problem = list("public_channel,private_channel");
        if (problem && problem->type == "missing_scope" && problem->data.find("groups:read") != std::string::npos)
            problem = list("public_channel");
        return problem;
    }

    Reply<std::vector<std::string>> ids() const {
        std::vector<std::string> ids;
        std::vector<std::string> missing;
        for (const std::string& name : names_) {
            ids.push_back(id_of(name));
            if (!ids.back().empty()) continue;
            const std::vector<std::string_view> near(seen_.begin(), seen_.end());
            missing.push_back(fmt::format("'{}'{}", name, did_you_mean(name, near)));
        }
        if (missing.empty()) return ids;
        return permanent("channel_not_found", fmt::format("Slack has no channel {} that this worker sees", fmt::join(missing, ", ")), 404);
    }

private:
    std::string id_of(const std::string& name) const {
        if (is_channel_id(name)) return name;
        const auto found = known_channels().find(place_ + name);
        return found == known_channels().end() ? std::string{} : found->second.id;
    }
    bool is_done() const {
        return std::none_of(names_.begin(), names_.end(), [&](const std::string& name) { return id_of(name).empty(); });
    }

    std::optional<contract::Problem> list(const char* types) {
        std::string cursor;
        for (int page = 0; page < channel_pages_max; ++page) {
            Fields fields{{"limit", "200"}, {"types", types}, {"exclude_archived", wanted_.also_archived ? "false" : "true"}};
            if (!cursor.empty()) fields.emplace_back("cursor", cursor);
            add_team(fields, workspace_, wanted_.team);
            const Said said = workspace_.client.read("conversations.list", fields);
            if (said.problem) return said.problem;
            if (!said.body.contains("channels")) return strange_answer("conversations.list", "channels");
            for (const json::value& item : list_of(said.body, "channels")) {
                if (!item.is_object()) continue;
                const std::string name = text_of(item.get_object(), "name");
                seen_.push_back(name);
                if (std::find(names_.begin(), names_.end(), name) != names_.end())
                    known_channels()[place_ + name] = {text_of(item.get_object(), "id"), std::chrono::steady_clock::now()};
            }
            cursor = cursor_of(said.body);
            if (cursor.empty() || is_done()) break;
        }
        return std::nullopt;
    }

    const Workspace& workspace_;
    const ChannelNames& wanted_;
    std::vector<std::string> names_;
    std::vector<std::string> seen_;
    std::string place_;
};

Reply<Id> id_of_token(const Workspace& workspace, As as) {
    // A token's user does not change.
    thread_local std::map<std::string, std::string, std::less<>> known;
    const Settings& settings = workspace.settings;
    const std::string key = settings.url + ' ' + (as == As::app ? settings.token : settings.admin_token);
    if (const auto found = known.find(key); found != known.end()) return Id{found->second};
    const Said said = workspace.client.read("auth.test", {}, as);
    if (said.problem) return *said.problem;
    const std::string id = text_of(said.body, "user_id");
    if (id.empty()) return strange_answer("auth.test", "user_id");
    known[key] = id;
    return Id{id};
}

} // namespace

Reply<Person> person_by_email(const Workspace& workspace, const std::string& email) {
    return person_in(workspace.client.read("users.lookupByEmail", {{"email", email}}), "users.lookupByEmail");
}

Reply<Person> person_by_id(const Workspace& workspace, const std::string& id) {
    return person_in(workspace.client.read("users.info", {{"user", id}}), "users.info");
}

Reply<std::vector<std::string>> ids_of_people(const Workspace& workspace, const std::vector<std::string>& people) {
    std::vector<std::string> ids;
    std::vector<std::string> missing;
    for (const std::string& one : people) {
        if (is_user_id(one)) {
            ids.push_back(one);
            continue;
        }
        const auto person = one.find('@') == std::string::npos ? Reply<Person>(Person{}) : person_by_email(workspace, one);
        if (!person) return person.error();
        if (person->id.empty()) missing.push_back(fmt::format("'{}'", one));
        ids.push_back(person->id);
    }
    if (missing.empty()) return ids;
    return permanent("user_not_found", fmt::format("Slack has no active member {}: addresses or ids (U…) are needed", fmt::join(missing, ", ")), 404);
}

Reply<std::vector<std::string>> ids_of_channels(const Workspace& workspace, const ChannelNames& wanted) {
    ChannelSearch search(workspace, wanted);
    if (const auto problem = search.run()) return *problem;
    return search.ids();
}

Reply<Id> id_of_channel(const Workspace& workspace, const std::string& channel, bool also_archived) {
    const ChannelNames one{{channel}, {}, also_archived};
    const auto ids = ids_of_channels(workspace, one);
    if (!ids) return ids.error();
    return Id{ids->front()};
}

Reply<json::object> channel_info(const Workspace& workspace, const std::string& id) {
    const Said said = workspace.client.read("conversations.info", {{"channel", id}});
    if (said.problem) return *said.problem;
    return object_of(said.body, "channel");
}

void forget_channels() { known_channels().clear(); }

Reply<Id> id_of_group(const Workspace& workspace, const std::string& group, const std::string& team) {
    if (is_id(group, "S")) return Id{group};
    const std::string wanted = group.starts_with('@') ? group.substr(1) : group;
    Fields fields;
    add_team(fields, workspace, team);
    const Said said = workspace.client.read("usergroups.list", fields);
    if (said.problem) return *said.problem;
    std::vector<std::string> handles;
    for (const json::value& item : list_of(said.body, "usergroups")) {
        if (!item.is_object()) continue;
        handles.push_back(text_of(item.get_object(), "handle"));
        if (handles.back() == wanted || text_of(item.get_object(), "name") == group) return Id{text_of(item.get_object(), "id")};
    }
    const std::vector<std::string_view> near(handles.begin(), handles.end());
    return permanent("no_such_subteam", fmt::format("Slack has no user group '{}'{}", group, did_you_mean(wanted, near)), 404);
}

Reply<std::vector<std::string>> own_ids(const Workspace& workspace) {
    std::vector<std::string> ids;
    for (const As as : {As::app, As::administrator}) {
        if (as == As::administrator && workspace.settings.admin_token.empty()) continue;
        auto id = id_of_token(workspace, as);
        if (!id) return id.error();
        ids.push_back(std::move(id->value));
    }
    return ids;
}

bool is_user_id(std::string_view text) { return is_id(text, "UW"); }
bool is_channel_id(std::string_view text) { return is_id(text, "CGD"); }

void add_team(Fields& fields, const Workspace& workspace, const std::string& team) {
    const std::string& id = team.empty() ? workspace.settings.team : team;
    if (!id.empty()) fields.emplace_back("team_id", id);
}

contract::Problem strange_answer(std::string_view method, std::string_view what) {
    return temporary("bad_answer", fmt::format("Slack's answer to {} has no {}", method, what));
}

} // namespace baton::workers::slack
