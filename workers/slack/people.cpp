// Look first, act, look again when in doubt. Three ways to bring people in and let them go (slack.hpp, Mode).
#include "base/percent.hpp"
#include "workers/slack/claim.hpp"
#include "workers/slack/operations.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace baton::workers::slack {

namespace json = boost::json;

namespace {

constexpr const char* scim_user = "urn:ietf:params:scim:schemas:core:2.0:User";
constexpr const char* scim_patch = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

json::value id_or_null(const std::string& id) { return id.empty() ? json::value(nullptr) : json::value(id); }

Answer invited(const std::string& id, bool by_us) { return json::value{{"user_id", id_or_null(id)}, {"invited", by_us}}; }

contract::Problem is_member(const std::string& id, const std::string& email) {
    auto problem = permanent("already_in_team", fmt::format("{} is a member already", email), 409);
    problem.data = json::serialize(json::object{{"user_id", id_or_null(id)}, {"email", email}});
    return problem;
}

// --- the request to administrators, where no API is ----------------------------------------------

std::optional<contract::Problem> ask_an_administrator(const Workspace& workspace, const Task& task, std::string text) {
    Message message{workspace.settings.notify_channel};
    message.text = std::move(text);
    const auto posted = post_once(workspace, task, message);
    if (!posted) return posted.error();
    return std::nullopt;
}

// --- SCIM ------------------------------------------------------------------------------------------

struct Account {
    std::string id = {};                         // empty: none
    bool is_active = false;
};

// Finds those who are switched off, too.
Reply<Account> account_of(const Workspace& workspace, const std::string& email) {
    std::string quoted;
    for (const char c : email) {
        if (c == '"' || c == '\\') quoted += '\\';
        quoted += c;
    }
    const std::string filter = percent_encoded(fmt::format("email eq \"{}\"", quoted));
    const Said said = workspace.client.scim("GET", "/Users?count=2&filter=" + filter);
    if (said.problem) return *said.problem;
    for (const json::value& item : list_of(said.body, "Resources")) {
        if (!item.is_object()) continue;
        const json::object& user = item.get_object();
        return Account{text_of(user, "id"), flag_of(user, "active")};
    }
    return Account{};
}

json::object resource_of(const std::string& email, const std::string& name) {
    const std::string at = email.substr(0, email.find('@'));
    const std::string whole = name.empty() ? at : name;
    const std::size_t space = whole.rfind(' ');
    json::object names{{"formatted", whole}, {"givenName", whole.substr(0, space)}};
    if (space != std::string::npos) names["familyName"] = whole.substr(space + 1);
    // Slack's names of users: 21 letters at most, lower case.
    return {{"schemas", json::array{scim_user}},
            {"userName", http::lower(at).substr(0, 21)},
            {"name", std::move(names)},
            {"displayName", whole},
            {"emails", json::array{json::object{{"value", email}, {"type", "work"}, {"primary", true}}}},
            {"active", true}};
}

std::optional<contract::Problem> switch_account(const Workspace& workspace, const std::string& id, bool is_active) {
    const json::value patch{
        {"schemas", json::array{scim_patch}},
        {"Operations", json::array{json::object{{"op", "replace"}, {"path", "active"}, {"value", is_active}}}}};
    return workspace.client.scim("PATCH", "/Users/" + percent_encoded(id), patch).problem;
}

// --- invite ----------------------------------------------------------------------------------------

struct Invitation {
    std::string email;
    std::string name;
    std::string team;
    std::vector<std::string> channels;           // ids
};

Answer invite_by_scim(const Workspace& workspace, const Invitation& one, Claim& claim) {
    const bool was_ours = claim.is_ours();
    auto account = account_of(workspace, one.email);
    if (!account) return account.error();
    bool by_us = was_ours && !account->id.empty();
    if (!account->id.empty() && !account->is_active)
        return permanent("user_disabled", fmt::format("{} is deactivated: slack.reactivate brings them back", one.email), 409);
    if (!account->id.empty() && !was_ours) return is_member(account->id, one.email);
    if (account->id.empty()) {
        if (const auto problem = claim.begin()) return *problem;
        const Said said = workspace.client.scim("POST", "/Users", resource_of(one.email, one.name));
        if (said.problem && !said.may_have_happened && said.problem->type != "conflict") {
            if (const auto problem = claim.refused()) return *problem;
            return *said.problem;
        }
        account->id = text_of(said.body, "id");
        if (said.problem || account->id.empty()) {
            const auto found = account_of(workspace, one.email);
            if (!found) return found.error();
            // A conflict about something else: the user's name.
            if (found->id.empty()) return said.problem ? Answer(*said.problem) : Answer(strange_answer("POST /Users", "id"));
            account->id = found->id;
        }
        by_us = true;
    }
    if (const auto problem = claim.done(account->id)) return *problem;
    for (const std::string& channel : one.channels) {
        const auto in = bring_in(workspace, channel, {account->id});
        if (!in) return in.error();
    }
    return invited(account->id, by_us);
}

// An account is made before it is put into channels, so those are looked at first.
std::optional<contract::Problem> check_channels(const Workspace& workspace, const std::vector<std::string>& ids) {
    for (const std::string& id : ids) {
        const auto channel = channel_info(workspace, id);
        if (!channel) return channel.error();
        if (flag_of(*channel, "is_archived")) return permanent("is_archived", fmt::format("the channel {} is archived", id), 409);
    }
    return std::nullopt;
}

// The invitation is out; Slack shows some people only after they have accepted.
Answer invitation_is_out(const Workspace& workspace, const Invitation& one, Claim& claim, bool by_us) {
    const auto person = person_by_email(workspace, one.email);
    const std::string id = person ? person->id : std::string{};
    if (by_us)
        if (const auto problem = claim.done(id)) return *problem;
    return invited(id, by_us);
}

Answer invite_by_call(const Workspace& workspace, const Invitation& one, Claim& claim) {
    const bool was_ours = claim.is_ours();
    const auto person = person_by_email(workspace, one.email);
    if (!person) return person.error();
    if (!person->id.empty() && (person->is_invited || was_ours)) return invited(person->id, was_ours);
    if (!person->id.empty()) return is_member(person->id, one.email);
    if (const auto problem = claim.begin()) return *problem;
    Fields fields{{"team_id", one.team}, {"email", one.email}, {"channel_ids", fmt::format("{}", fmt::join(one.channels, ","))}};
    if (!one.name.empty()) fields.emplace_back("real_name", one.name);
    Said said = workspace.client.write("admin.users.invite", fields, As::administrator);
    bool by_us = was_ours || !said.problem;
    if (said.may_have_happened) {
        const auto now = person_by_email(workspace, one.email);
        if (now && !now->id.empty()) return invitation_is_out(workspace, one, claim, true);
        return *said.problem;
    }
    if (!said.problem || said.error == "already_in_team_invited_user" || said.error == "already_invited") {
        if (!by_us)
            if (const auto problem = claim.refused()) return *problem;
        return invitation_is_out(workspace, one, claim, by_us);
    }
    if (said.error == "already_in_team" && was_ours) return invitation_is_out(workspace, one, claim, true);
    if (const auto problem = claim.refused()) return *problem;
    if (said.error == "already_in_team") return is_member({}, one.email);
    if (said.error == "channel_not_found") forget_channels();
    return *said.problem;
}

// --- whom -------------------------------------------------------------------------------------------

struct Whom {
    std::string email;
    std::string id;
    std::string only;                            // RUN/STEP: only if that invited them
};

Whom whom_in(Parameters& parameters) {
    Whom whom{http::lower(parameters.text("email")), parameters.text("user_id"), parameters.text("only_if_created_by")};
    if (whom.id.empty() == whom.email.empty()) parameters.complain("one of 'email', 'user_id' is needed");
    if (!whom.id.empty() && !is_user_id(whom.id)) parameters.complain(fmt::format("'user_id' must be an id such as U012AB3CD, not '{}'", whom.id));
    if (!whom.only.empty() && whom.email.empty()) parameters.complain("'only_if_created_by' goes with 'email'");
    return whom;
}

std::string name_of(const Whom& whom) { return whom.email.empty() ? whom.id : whom.email; }

// By address Slack finds active members only; SCIM finds all.
Reply<Person> find(const Workspace& workspace, const Whom& whom) {
    if (!whom.id.empty()) return person_by_id(workspace, whom.id);
    auto person = person_by_email(workspace, whom.email);
    if (!person || !person->id.empty()) return person;
    if (workspace.settings.mode != Mode::scim) return person;
    const auto account = account_of(workspace, whom.email);
    if (!account) return account.error();
    if (!account->id.empty()) person = Person{account->id, {}, whom.email, false, !account->is_active};
    return person;
}

std::optional<contract::Problem> refuse_protected(const Workspace& workspace, const Person& person) {
    const auto own = own_ids(workspace);
    if (!own) return own.error();
    if (std::find(own->begin(), own->end(), person.id) != own->end())
        return permanent("protected", fmt::format("{} is the worker's own account in Slack: it is not deactivated", person.id), 409);
    // An address tells less than an id does.
    const auto whole = person_by_id(workspace, person.id);
    if (!whole) return whole.error();
    if (whole->is_primary_owner)
        return permanent("protected", fmt::format("{} is the workspace's primary owner: make somebody else the owner first", person.id), 409);
    return std::nullopt;
}

Answer deactivated(const std::string& id, bool by_us) { return json::value{{"user_id", id_or_null(id)}, {"deactivated", by_us}}; }

Answer kept(const std::string& id) { return json::value{{"user_id", id_or_null(id)}, {"deactivated", false}, {"kept", true}}; }

std::optional<contract::Problem> let_go(const Workspace& workspace, const std::string& id, const std::string& team, bool& was_gone) {
    if (workspace.settings.mode == Mode::scim) return switch_account(workspace, id, false);
    Fields fields{{"user_id", id}};
    add_team(fields, workspace, team);
    const Said said = workspace.client.write("admin.users.remove", fields, As::administrator);
    was_gone = said.error == "user_already_deleted" || said.error == "user_not_found";
    return was_gone ? std::nullopt : said.problem;
}

} // namespace

Answer invite(const Workspace& workspace, const Task& task) {
    Parameters parameters(task.with);
    Invitation one;
    one.email = http::lower(parameters.required_text("email"));
    one.name = parameters.text("name");
    one.team = parameters.text("team_id", workspace.settings.team);
    ChannelNames names{parameters.texts("channels"), one.team};
    if (!one.email.empty() && one.email.find('@') == std::string::npos) parameters.complain(fmt::format("'email' is no address: '{}'", one.email));
    if (parameters.is_bad()) return parameters.problem();
    if (workspace.settings.mode == Mode::notify) {
        const auto problem = ask_an_administrator(workspace, task, fmt::format("Please invite {} to this workspace.", one.email));
        if (problem) return *problem;
        return invited({}, false);
    }
    if (names.names.empty()) names.names = workspace.settings.channels;
    auto channels = ids_of_channels(workspace, names);
    if (!channels) return channels.error();
    one.channels = std::move(*channels);
    if (workspace.settings.mode == Mode::scim)
        if (const auto problem = check_channels(workspace, one.channels)) return *problem;
    auto claim = Claim::take(workspace.settings, task, "person " + one.email);
    if (!claim) return claim.error();
    return workspace.settings.mode == Mode::scim ? invite_by_scim(workspace, one, *claim) : invite_by_call(workspace, one, *claim);
}

Answer deactivate(const Workspace& workspace, const Task& task) {
    Parameters parameters(task.with);
    const Whom whom = whom_in(parameters);
    const std::string team = parameters.text("team_id");
    if (parameters.is_bad()) return parameters.problem();
    if (!whom.only.empty()) {
        const auto made = Claim::take(workspace.settings, task, "person " + whom.email);
        if (!made) return made.error();
        if (!made->is_by(whom.only)) return kept(whom.id);
    }
    auto claim = Claim::take(workspace.settings, task, "leaving " + name_of(whom));
    if (!claim) return claim.error();
    const bool was_ours = claim->is_ours();
    const auto person = find(workspace, whom);
    if (!person) return person.error();
    // Gone by an earlier attempt, or an undo of what somebody took away already.
    if (person->id.empty() && (was_ours || !whom.only.empty())) return deactivated(claim->id(), was_ours);
    if (person->id.empty()) return permanent("not_found", fmt::format("Slack has no active member {}", name_of(whom)), 404);
    if (person->is_deleted) return deactivated(person->id, was_ours);
    if (const auto problem = refuse_protected(workspace, *person)) return *problem;
    if (workspace.settings.mode == Mode::notify) {
        const auto problem = ask_an_administrator(workspace, task, fmt::format("Please deactivate {} in this workspace.", name_of(whom)));
        if (problem) return *problem;
        return deactivated(person->id, false);
    }
    if (const auto problem = claim->done(person->id)) return *problem;
    bool was_gone = false;
    if (const auto problem = let_go(workspace, person->id, team, was_gone)) return *problem;
    return deactivated(person->id, !was_gone || was_ours);
}

Answer reactivate(const Workspace& workspace, const Task& task) {
    Parameters parameters(task.with);
    const Whom whom = whom_in(parameters);
    const std::string team = parameters.text("team_id");
    if (parameters.is_bad()) return parameters.problem();
    if (workspace.settings.mode == Mode::notify) {
        const auto problem = ask_an_administrator(workspace, task, fmt::format("Please reactivate {} in this workspace.", name_of(whom)));
        if (problem) return *problem;
        return json::value{{"user_id", id_or_null(whom.id)}, {"reactivated", false}};
    }
    const auto person = find(workspace, whom);
    if (!person) return person.error();
    const std::string id = person->id.empty() ? whom.id : person->id;
    if (id.empty())
        return permanent("not_found", fmt::format("Slack has nobody {}{}", name_of(whom), workspace.settings.mode == Mode::admin_invite ? ": somebody who was removed is found by 'user_id' only" : ""), 404);
    const auto done = [&] { return json::value{{"user_id", id}, {"reactivated", true}}; };
    if (workspace.settings.mode == Mode::scim) {
        if (const auto problem = switch_account(workspace, id, true)) return *problem;
        return done();
    }
    Fields fields{{"user_id", id}};
    add_team(fields, workspace, team);
    const Said said = workspace.client.write("admin.users.assign", fields, As::administrator);
    if (said.problem && said.error != "user_already_team_member") return *said.problem;
    return done();
}

Answer find_user(const Workspace& workspace, const Task& task) {
    Parameters parameters(task.with);
    const Whom whom = whom_in(parameters);
    if (parameters.is_bad()) return parameters.problem();
    const auto person = find(workspace, whom);
    if (!person) return person.error();
    if (person->id.empty()) return json::value{{"found", false}, {"user_id", nullptr}};
    return json::value{{"found", true},          {"user_id", person->id},
                       {"name", person->name},   {"email", person->email},
                       {"active", !person->is_deleted}, {"invited", person->is_invited}};
}

} // namespace baton::workers::slack
