// The tasks, the calls and the table of Slack's error words.
#include "workers/slack/slack.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <memory>
#include <optional>

namespace baton::workers::slack {

namespace json = boost::json;

namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

// Slack is briefly unable, and says so.
constexpr std::array temporary_words = {"ratelimited",     "rate_limited",
                                        "fatal_error",     "internal_error",
                                        "service_unavailable", "request_timeout",
                                        "team_added_to_org"};
// The token or its rights are wrong: an operator must look.
constexpr std::array configuration_words = {"not_authed",   "invalid_auth",     "token_revoked",
                                            "token_expired", "account_inactive", "missing_scope",
                                            "not_allowed_token_type", "no_permission",
                                            "not_an_admin", "feature_not_enabled"};
// Pages of conversations.list; a workspace with more channels names them by id.
constexpr int channel_pages_max = 20;

template <typename Words>
bool is_one_of(const Words& words, std::string_view word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

std::string text_of(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    return value && value->is_string() ? std::string(value->get_string()) : std::string{};
}

// An answer of Slack: its body if ok, its word if not.
struct Said {
    json::object body;
    std::string error;                           // empty: ok
    std::optional<contract::Problem> problem;    // no answer at all, or the word as a problem
    bool may_have_happened = false;
};

contract::Problem problem_for(const std::string& word, const json::object& body,
                              std::optional<Duration> retry_after, std::string_view method) {
    const std::string detail = fmt::format("Slack refuses {}: {}", method, word);
    if (is_one_of(temporary_words, word)) return temporary(word, detail, retry_after);
    if (is_one_of(configuration_words, word)) {
        const std::string needed = text_of(body, "needed");
        return configuration(word, needed.empty() ? detail : detail + ", needs " + needed);
    }
    return permanent(word, detail);
}

class Client {
public:
    explicit Client(const Settings& settings) : settings_(settings) {}

    const Settings& settings() const { return settings_; }

    Said call(std::string_view method, const Fields& fields) const {
        http::Request request;
        request.method = "POST";
        request.url = fmt::format("{}/{}", settings_.url, method);
        request.headers = {{"Authorization", "Bearer " + settings_.token},
                           {"Content-Type", "application/x-www-form-urlencoded"}};
        request.body = http::form_encoded(fields);
        return read(http::perform(request, settings_.limits), method);
    }

    // users.lookupByEmail and conversations.list are documented as GET.
    Said look(std::string_view method, const Fields& fields) const {
        http::Request request;
        request.url = fmt::format("{}/{}?{}", settings_.url, method, http::form_encoded(fields));
        request.headers = {{"Authorization", "Bearer " + settings_.token}};
        return read(http::perform(request, settings_.limits), method);
    }

private:
    static Said read(const http::Response& response, std::string_view method) {
        Said said;
        said.may_have_happened = response.may_have_happened || response.status >= 500;
        said.problem = http::common_problem("Slack", response);
        if (said.problem) return said;
        if (response.status >= 500) {
            said.problem = temporary("unavailable", fmt::format("Slack: status {}", response.status),
                                     response.retry_after);
            said.problem->status = response.status;
            return said;
        }
        ErrorCode code;
        const json::value value = json::parse(response.body, code);
        if (code || !value.is_object() || !value.get_object().contains("ok")) {
            said.problem = temporary("bad_answer", fmt::format("Slack's answer to {} (status {}) is not "
                                                               "what its API gives",
                                                               method, response.status));
            said.may_have_happened = true;
            return said;
        }
        said.body = value.get_object();
        if (said.body["ok"] == json::value(true)) return said;
        said.error = text_of(said.body, "error");
        if (said.error.empty()) said.error = "unknown_error";
        said.problem = problem_for(said.error, said.body, response.retry_after, method);
        return said;
    }

    Settings settings_;
};

struct Member {
    std::string id;                              // empty: there is none
    bool is_invited = false;
};

// Nobody of that address is no problem.
boost::system::result<Member, contract::Problem> look_up(const Client& client, const std::string& email) {
    const Said said = client.look("users.lookupByEmail", {{"email", email}});
    if (said.error == "users_not_found") return Member{};
    if (said.problem) return *said.problem;
    const json::value* user = said.body.if_contains("user");
    if (!user || !user->is_object())
        return temporary("bad_answer", "Slack's answer to users.lookupByEmail has no user");
    const json::value* invited = user->get_object().if_contains("is_invited_user");
    return Member{text_of(user->get_object(), "id"), invited && *invited == json::value(true)};
}

bool looks_like_id(std::string_view name) {
    return name.size() >= 9 && (name[0] == 'C' || name[0] == 'G') &&
           std::all_of(name.begin(), name.end(), [](unsigned char c) {
               return std::isupper(c) != 0 || std::isdigit(c) != 0;
           });
}

// Channel ids by URL and name. Slack allows twenty lists of channels a minute, so each thread of the
// pool keeps what it has seen; a channel that is gone makes it look again.
std::map<std::string, std::string>& known_channels() {
    thread_local std::map<std::string, std::string> known;
    return known;
}

// "C012,C345"
struct ChannelIds {
    std::string list;
};

// Invitations take ids only; people write names.
boost::system::result<ChannelIds, contract::Problem> channel_ids(const Client& client,
                                                                 std::vector<std::string> names) {
    const std::string place = client.settings().url + " ";
    for (std::string& name : names) {
        if (name.starts_with('#')) name.erase(0, 1);
        const auto known = known_channels().find(place + name);
        if (known != known_channels().end()) name = known->second;
    }
    std::string cursor;
    for (int page = 0; page < channel_pages_max; ++page) {
        if (std::all_of(names.begin(), names.end(), looks_like_id)) break;
        Fields fields{{"limit", "200"}, {"exclude_archived", "true"}};
        if (!cursor.empty()) fields.emplace_back("cursor", cursor);
        const Said said = client.look("conversations.list", fields);
        if (said.problem) return *said.problem;
        const json::value* list = said.body.if_contains("channels");
        if (!list || !list->is_array())
            return temporary("bad_answer", "Slack's answer to conversations.list has no channels");
        for (const json::value& item : list->get_array()) {
            if (!item.is_object()) continue;
            const std::string name = text_of(item.get_object(), "name");
            const std::string id = text_of(item.get_object(), "id");
            if (std::find(names.begin(), names.end(), name) == names.end()) continue;
            known_channels()[place + name] = id;
            std::replace(names.begin(), names.end(), name, id);
        }
        const json::value* more = said.body.if_contains("response_metadata");
        cursor = more && more->is_object() ? text_of(more->get_object(), "next_cursor") : "";
        if (cursor.empty()) break;
    }
    ChannelIds ids;
    for (const std::string& name : names) {
        if (!looks_like_id(name))
            return permanent("channel_not_found", fmt::format("Slack has no channel '{}'", name), 404);
        ids.list += (ids.list.empty() ? "" : ",") + name;
    }
    return ids;
}

Answer invited(const Client& client, const std::string& email) {
    const auto member = look_up(client, email);
    // The invitation is out; an unknown id is no reason to fail. Slack shows some people only after
    // they have accepted.
    json::object result{{"user_id", nullptr}, {"invited", true}};
    if (member && !member->id.empty()) result["user_id"] = member->id;
    return json::value(std::move(result));
}

Answer already_there(const Client& client, const std::string& email, contract::Problem problem) {
    const auto member = look_up(client, email);
    if (!member) return member.error();
    problem.status = 409;
    problem.data = json::serialize(
        json::object{{"user_id", member->id.empty() ? json::value(nullptr) : json::value(member->id)},
                     {"email", email}});
    return problem;
}

Answer ask_an_administrator(const Client& client, const std::string& email) {
    const Said said = client.call(
        "chat.postMessage", {{"channel", client.settings().notify_channel},
                             {"text", fmt::format("Please invite {} to this workspace.", email)}});
    if (said.problem) return *said.problem;
    return json::value{{"user_id", nullptr}, {"invited", false}};
}

Answer invite(const Client& client, const Task& task) {
    Parameters parameters(task.with);
    const std::string email = parameters.required_text("email");
    const std::string name = parameters.text("name");
    std::vector<std::string> channels = parameters.texts("channels");
    if (parameters.is_bad()) return parameters.problem();
    if (client.settings().mode == Mode::notify) return ask_an_administrator(client, email);
    if (channels.empty()) channels = client.settings().channels;
    const auto ids = channel_ids(client, std::move(channels));
    if (!ids) return ids.error();
    Fields fields{{"team_id", client.settings().team}, {"email", email}, {"channel_ids", ids->list}};
    if (!name.empty()) fields.emplace_back("real_name", name);
    const Said said = client.call("admin.users.invite", fields);
    if (!said.problem || said.error == "already_in_team_invited_user" || said.error == "already_invited")
        return invited(client, email);
    if (said.error == "already_in_team") return already_there(client, email, *said.problem);
    if (said.error == "channel_not_found") known_channels().clear();
    if (said.may_have_happened) {
        const auto member = look_up(client, email);
        if (member && member->is_invited)
            return json::value{{"user_id", member->id}, {"invited", true}};
    }
    return *said.problem;
}

Answer post(const Client& client, const Task& task) {
    Parameters parameters(task.with);
    const std::string channel = parameters.required_text("channel");
    const std::string text = parameters.required_text("text");
    if (parameters.is_bad()) return parameters.problem();
    const Said said = client.call("chat.postMessage", {{"channel", channel}, {"text", text}});
    if (said.problem) return *said.problem;
    return json::value{{"channel", text_of(said.body, "channel")}, {"ts", text_of(said.body, "ts")}};
}

Answer deactivate(const Client& client, const Task& task) {
    Parameters parameters(task.with);
    std::string id = parameters.text("user_id");
    const std::string email = parameters.text("email");
    if (id.empty() && email.empty()) parameters.complain("one of 'user_id', 'email' is needed");
    if (parameters.is_bad()) return parameters.problem();
    if (id.empty()) {
        const auto member = look_up(client, email);
        if (!member) return member.error();
        if (member->id.empty()) return json::value{{"user_id", nullptr}, {"deactivated", false}};
        id = member->id;
    }
    const Said said =
        client.call("admin.users.remove", {{"team_id", client.settings().team}, {"user_id", id}});
    const bool was_gone = said.error == "user_already_deleted" || said.error == "user_not_found";
    if (said.problem && !was_gone) return *said.problem;
    return json::value{{"user_id", id}, {"deactivated", !was_gone}};
}

Answer create_channel(const Client& client, const Task& task) {
    Parameters parameters(task.with);
    std::string name = parameters.required_text("name");
    if (parameters.is_bad()) return parameters.problem();
    const Said said = client.call("conversations.create", {{"name", name}});
    const auto known = [&]() -> Answer {
        const auto id = channel_ids(client, {name});
        if (!id) return id.error();
        return json::value{{"id", id->list}, {"name", name}, {"created", false}};
    };
    if (said.error == "name_taken") return known();
    if (said.problem && said.may_have_happened) {
        Answer found = known();
        return found ? found : Answer(*said.problem);
    }
    if (said.problem) return *said.problem;
    const json::value* channel = said.body.if_contains("channel");
    if (!channel || !channel->is_object()) return known();
    return json::value{{"id", text_of(channel->get_object(), "id")}, {"name", name}, {"created", true}};
}

std::string email_key(const json::object& with) {
    const json::value* email = with.if_contains("email");
    return email && email->is_string() ? "slack " + std::string(email->get_string()) : std::string{};
}

} // namespace

std::vector<Handler> make_handlers(const Settings& settings) {
    const auto client = std::make_shared<const Client>(settings);
    return {
        only_with({"email", "name", "channels"},
                  {"slack.invite", [client](const Task& task) { return invite(*client, task); }, email_key}),
        only_with({"channel", "text"},
                  {"slack.post", [client](const Task& task) { return post(*client, task); }}),
        only_with({"user_id", "email"},
                  {"slack.deactivate", [client](const Task& task) { return deactivate(*client, task); },
                   email_key}),
        only_with({"name"}, {"slack.create_channel",
                             [client](const Task& task) { return create_channel(*client, task); }}),
    };
}

} // namespace baton::workers::slack
