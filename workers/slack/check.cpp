// auth.test says whose token it is; the header x-oauth-scopes of its answer what it may do.
#include "workers/slack/check.hpp"

#include "workers/slack/client.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace baton::workers::slack {

namespace json = boost::json;

namespace {

// One of the scopes is enough.
struct Need {
    std::vector<std::string_view> scopes;
    std::string_view what_for;
};

// Without these the worker does nothing that is worth starting it for.
const std::vector<Need>& musts() {
    static const std::vector<Need> all{{{"chat:write", "chat:write:bot", "chat:write:user"}, "posts"},
                                       {{"users:read.email"}, "finding people by address"}};
    return all;
}

// Without these some tasks fail. README.md has them by task.
const std::vector<Need>& wishes() {
    static const std::vector<Need> all{{{"channels:read"}, "names of channels"},
                                       {{"channels:manage", "channels:write"}, "changing channels"},
                                       {{"channels:history"}, "finding what was posted"},
                                       {{"im:write"}, "slack.direct_message"},
                                       {{"reactions:write"}, "slack.react"},
                                       {{"files:write"}, "slack.upload"},
                                       {{"usergroups:write"}, "user groups"}};
    return all;
}

// What brings people in and lets them go.
std::vector<Need> needs_of(Mode mode) {
    if (mode == Mode::admin_invite) return {{{"admin.users:write"}, "invitations (BATON_SLACK_MODE=admin_invite)"}};
    if (mode == Mode::scim) return {{{"admin"}, "accounts (BATON_SLACK_MODE=scim)"}};
    return {};
}

std::vector<std::string_view> words_in(std::string_view list) {
    std::vector<std::string_view> words;
    while (!list.empty()) {
        std::string_view word = list.substr(0, list.find(','));
        list.remove_prefix(std::min(list.size(), word.size() + 1));
        while (word.starts_with(' ')) word.remove_prefix(1);
        while (word.ends_with(' ')) word.remove_suffix(1);
        if (!word.empty()) words.push_back(word);
    }
    return words;
}

std::string absent_of(const std::vector<Need>& needs, const std::vector<std::string_view>& scopes) {
    std::string out;
    for (const Need& need : needs) {
        const bool is_there = std::any_of(need.scopes.begin(), need.scopes.end(), [&](std::string_view scope) {
            return std::find(scopes.begin(), scopes.end(), scope) != scopes.end();
        });
        if (!is_there) out += fmt::format("{}{} (for {})", out.empty() ? "" : ", ", need.scopes.front(), need.what_for);
    }
    return out;
}

Finding check_scopes(const std::string& variable, const std::string& header, const std::vector<Need>& needs,
                     const std::vector<Need>& wished_for) {
    const std::string what = "scopes of " + variable;
    const auto scopes = words_in(header);
    if (scopes.empty()) return well(what, "not told by what answers; a missing one shows with the first task");
    const std::string absent = absent_of(needs, scopes);
    if (!absent.empty())
        return missing(what, "the token lacks " + absent,
                       "api.slack.com/apps → OAuth & Permissions → Scopes, then install the app again and set the new token");
    const std::string wished = absent_of(wished_for, scopes);
    return well(what, wished.empty() ? "all that are needed" : "enough; tasks that need these will fail: " + wished);
}

Finding check_team(const Settings& settings, const json::object& said) {
    const std::string what = "Slack's workspace";
    const std::string team = text_of(said, "team_id");
    const bool is_other = !settings.team.empty() && team.starts_with('T') && team != settings.team;
    if (is_other)
        return missing(what, fmt::format("the token is for {} ('{}'), BATON_SLACK_TEAM says {}", team, text_of(said, "team"), settings.team),
                       "take a token of that workspace, or set BATON_SLACK_TEAM to " + team);
    return well(what, fmt::format("'{}' ({})", text_of(said, "team"), team));
}

// Whose a token is, or why it is none.
struct Owner {
    json::object said;
    std::string scopes;
    Findings trouble;
};

Owner ask(const Settings& settings, const std::string& variable, const std::string& token) {
    http::Request request;
    request.method = "POST";
    request.url = settings.url + "/auth.test";
    request.headers = {{"Authorization", "Bearer " + token}, {"Content-Type", "application/x-www-form-urlencoded"}};
    request.wanted_header = "x-oauth-scopes";
    const http::Response response = http::perform(request, settings.limits);
    Owner owner;
    if (const auto problem = http::common_problem("Slack", response)) {
        owner.trouble = {missing("Slack", problem->detail, "is BATON_SLACK_URL right, and Slack reachable from here?")};
        return owner;
    }
    ErrorCode code;
    const json::value value = json::parse(response.body, code);
    if (code || !value.is_object() || !value.get_object().contains("ok")) {
        owner.trouble = {missing("Slack", fmt::format("what answers at {} is no Slack (status {})", settings.url, response.status),
                                 "set BATON_SLACK_URL to https://slack.com/api, or leave it out")};
        return owner;
    }
    owner.said = value.get_object();
    owner.scopes = response.wanted_header;
    if (owner.said.at("ok") != json::value(true))
        owner.trouble = {missing(variable, "Slack says " + text_of(owner.said, "error"), "set a token that is valid, for example as the file " + variable + "_FILE names")};
    return owner;
}

} // namespace

Findings check(const Settings& settings) {
    const std::string variable = "BATON_SLACK_TOKEN";
    const Owner owner = ask(settings, variable, settings.token);
    if (!owner.trouble.empty()) return owner.trouble;
    std::vector<Need> needs = musts();
    const std::vector<Need> bringing = needs_of(settings.mode);
    const bool is_one_token = settings.admin_token.empty() || settings.admin_token == settings.token;
    if (is_one_token) needs.insert(needs.end(), bringing.begin(), bringing.end());
    Findings findings{well(variable, fmt::format("the token of '{}'", text_of(owner.said, "user"))), check_team(settings, owner.said),
                      check_scopes(variable, owner.scopes, needs, wishes())};
    if (is_one_token) return findings;
    const std::string other = "BATON_SLACK_ADMIN_TOKEN";
    const Owner admin = ask(settings, other, settings.admin_token);
    if (!admin.trouble.empty())
        findings.push_back(admin.trouble.front());
    else
        findings.push_back(check_scopes(other, admin.scopes, bringing, {}));
    return findings;
}

} // namespace baton::workers::slack
