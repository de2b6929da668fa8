// The tasks: look first, act, look again when in doubt.
#include "workers/redmine/redmine.hpp"

#include "base/log.hpp"
#include "workers/redmine/client.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <memory>

namespace baton::workers::redmine {

namespace json = boost::json;

namespace {

constexpr int status_active = 1;
constexpr int status_locked = 3;

contract::Problem refusal(const Written& written) {
    return permanent("invalid_input", "Redmine: " + written.errors, 422);
}

std::string capitalised(std::string_view word) {
    std::string out(word);
    if (!out.empty()) out[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(out[0])));
    return out;
}

struct Name {
    std::string first;
    std::string last;
};

// What Redmine insists on, from what the workflow gave: names as such, a whole name, or the words of
// the mail address ("ada.lovelace@…"); one word alone makes the last name a dash.
Name name_from(Parameters& parameters, const std::string& mail, const std::string& login) {
    Name name{parameters.text("firstname", parameters.text("first_name")),
              parameters.text("lastname", parameters.text("last_name"))};
    std::string whole = parameters.text("name");
    if (whole.empty()) {
        whole = mail.substr(0, mail.find('@'));
        if (whole.empty()) whole = login;
        std::replace_if(
            whole.begin(), whole.end(), [](char c) { return c == '.' || c == '_' || c == '-'; }, ' ');
    }
    const std::size_t space = whole.rfind(' ');
    const std::string first = whole.substr(0, space);
    const std::string last = space == std::string::npos ? "-" : whole.substr(space + 1);
    if (name.first.empty()) name.first = capitalised(first);
    if (name.last.empty()) name.last = last.empty() ? "-" : capitalised(last);
    // Redmine takes 30 characters of a first name and 255 of a last one.
    name.first.resize(std::min<std::size_t>(name.first.size(), 30));
    return name;
}

json::object result_of(const User& user, bool created) {
    return {{"id", user.id}, {"login", user.login}, {"created", created}};
}

// --- users ----------------------------------------------------------------------------------------

// A user that was there before: ours if the mail is the same, then unlocked if need be.
Answer adopt(const Client& client, const User& user, const std::string& mail) {
    if (lower(user.mail) != lower(mail)) {
        contract::Problem problem = permanent(
            "conflict", fmt::format("the login '{}' belongs to {}", user.login, user.mail), 409);
        problem.data = json::serialize(json::object{{"id", user.id}, {"login", user.login}});
        return problem;
    }
    // Lists of users do not tell the status in every version; the user itself does.
    const auto shown = client.get(fmt::format("/users/{}.json", user.id));
    if (!shown) return shown.error();
    const json::value* body = *shown ? (*shown)->if_contains("user") : nullptr;
    const json::value* status =
        body && body->is_object() ? body->get_object().if_contains("status") : nullptr;
    if (status && *status == json::value(status_locked)) {
        const Written unlocked = client.put(fmt::format("/users/{}.json", user.id),
                                            {{"user", json::object{{"status", status_active}}}});
        if (unlocked.problem) return *unlocked.problem;
        if (unlocked.is_refused) return refusal(unlocked);
    }
    return json::value(result_of(user, false));
}

// Redmine checks uniqueness before it writes and has no index behind it. If another process made the
// same login at the same moment, the older one stays and the one we just made goes again.
Answer settle_race(const Client& client, std::int64_t own_id, const std::string& login,
                   const std::string& mail) {
    const User own{own_id, login, mail};
    const auto all = client.all_with_login(login);
    // Not knowing is no reason to fail a task that is done.
    if (!all || all->empty() || all->front().id == own_id) return json::value(result_of(own, true));
    log::warning("redmine", "two users of one login, the newer one is removed",
                 {{"login", login}, {"kept", all->front().id}, {"removed", own_id}});
    const Written removed = client.remove(fmt::format("/users/{}.json", own_id));
    if (removed.problem && removed.problem->status != 404) return *removed.problem;
    return adopt(client, all->front(), mail);
}

// In doubt, the answer is what is there now.
Answer look_again(const Client& client, const std::string& login, const std::string& mail,
                  const contract::Problem& otherwise) {
    const auto found = client.find_by_login(login);
    if (!found || !*found) return otherwise;
    return adopt(client, **found, mail);
}

Answer make_user(const Client& client, const json::object& user, const std::string& login,
                 const std::string& mail) {
    const auto known = client.find_by_login(login);
    if (!known) return known.error();
    if (*known) return adopt(client, **known, mail);
    const Written made = client.post("/users.json", {{"user", user}});
    if (made.is_refused) return look_again(client, login, mail, refusal(made));
    if (made.problem && made.is_ambiguous) return look_again(client, login, mail, *made.problem);
    if (made.problem) return *made.problem;
    const json::value* body = made.body.if_contains("user");
    const json::value* id = body && body->is_object() ? body->get_object().if_contains("id") : nullptr;
    if (!id || !id->is_int64())
        return look_again(client, login, mail,
                          temporary("bad_answer", "Redmine's answer names no id"));
    return settle_race(client, id->get_int64(), login, mail);
}

boost::system::result<std::int64_t, contract::Problem> find_group(const Client& client,
                                                                  const std::string& name) {
    const auto body = client.get("/groups.json");
    if (!body) return body.error();
    const json::value* list = *body ? (*body)->if_contains("groups") : nullptr;
    if (list && list->is_array())
        for (const json::value& item : list->get_array())
            if (item.is_object() && item.get_object().contains("id") &&
                item.get_object().contains("name") && item.at("name").is_string() &&
                lower(item.at("name").get_string()) == lower(name))
                return item.at("id").as_int64();
    return std::int64_t{0};
}

std::optional<contract::Problem> join_group(const Client& client, std::int64_t user,
                                            const std::string& name) {
    auto group = find_group(client, name);
    if (!group) return group.error();
    if (*group == 0) {
        const Written made = client.post("/groups.json", {{"group", json::object{{"name", name}}}});
        group = find_group(client, name);
        if (!group) return group.error();
        if (*group == 0) return made.problem ? *made.problem : refusal(made);
    }
    const Written joined =
        client.post(fmt::format("/groups/{}/users.json", *group), {{"user_id", user}});
    // 422 says that the user is a member already: that it exists was just seen.
    return joined.problem;
}

Answer create_user(const Client& client, const Task& task) {
    Parameters parameters(task.with);
    const std::string login = parameters.required_text("login");
    const std::string mail = parameters.required_text("mail");
    const Name name = name_from(parameters, mail, login);
    const std::string password = parameters.text("password");
    const std::vector<std::string> groups = parameters.texts("groups");
    if (parameters.is_bad()) return parameters.problem();
    json::object user{{"login", login}, {"mail", mail}, {"firstname", name.first}, {"lastname", name.last}};
    if (password.empty()) {
        user["generate_password"] = true;
        user["must_change_passwd"] = true;
    } else {
        user["password"] = password;
    }
    Answer answer = make_user(client, user, login, mail);
    if (!answer) return answer;
    const std::int64_t id = answer->at("id").as_int64();
    for (const std::string& group : groups)
        if (auto problem = join_group(client, id, group)) return *problem;
    return answer;
}

// By id, login or mail; 0 if there is none.
boost::system::result<std::int64_t, contract::Problem> user_named_in(const Client& client,
                                                                     Parameters& parameters) {
    if (const std::int64_t id = parameters.number("id", 0); id != 0) return id;
    const std::string login = parameters.text("login");
    const std::string mail = parameters.text("mail", parameters.text("email"));
    if (login.empty() && mail.empty()) parameters.complain("one of 'id', 'login', 'mail' is needed");
    if (parameters.is_bad()) return parameters.problem();
    const auto found = login.empty() ? client.find_by_mail(mail) : client.find_by_login(login);
    if (!found) return found.error();
    return *found ? (*found)->id : std::int64_t{0};
}

Answer lock_user(const Client& client, const Task& task) {
    Parameters parameters(task.with);
    const auto id = user_named_in(client, parameters);
    if (!id) return id.error();
    const json::object gone{{"id", *id == 0 ? json::value(nullptr) : json::value(*id)},
                            {"locked", false},
                            {"open_issues", 0}};
    // Who is not there cannot log in: for an undo that is as good as locked.
    if (*id == 0) return json::value(gone);
    const Written locked =
        client.put(fmt::format("/users/{}.json", *id), {{"user", json::object{{"status", status_locked}}}});
    if (locked.problem && locked.problem->status == 404) return json::value(gone);
    if (locked.problem) return *locked.problem;
    if (locked.is_refused) return refusal(locked);
    json::object result{{"id", *id}, {"locked", true}};
    const auto issues =
        client.get(fmt::format("/issues.json?assigned_to_id={}&status_id=open&limit=1", *id));
    const json::value* total = issues && *issues ? (*issues)->if_contains("total_count") : nullptr;
    result["open_issues"] = total ? *total : json::value(nullptr);
    return json::value(std::move(result));
}

// --- projects and issues --------------------------------------------------------------------------

Answer create_project(const Client& client, const Task& task) {
    Parameters parameters(task.with);
    const std::string name = parameters.required_text("name");
    const std::string identifier = parameters.required_text("identifier");
    const std::string description = parameters.text("description");
    if (parameters.is_bad()) return parameters.problem();
    const std::string path = fmt::format("/projects/{}.json", http::path_encoded(identifier));
    const auto look = [&](const std::optional<contract::Problem>& otherwise) -> Answer {
        const auto found = client.get(path);
        if (!found) return otherwise ? *otherwise : found.error();
        const json::value* project = *found ? (*found)->if_contains("project") : nullptr;
        if (!project || !project->is_object()) {
            if (otherwise) return *otherwise;
            return json::value(nullptr);
        }
        const json::value* there = project->get_object().if_contains("name");
        if (!there || *there != json::value(name))
            return permanent("conflict",
                             fmt::format("the identifier '{}' belongs to another project", identifier),
                             409);
        return json::value{{"id", project->at("id")}, {"identifier", identifier}, {"created", false}};
    };
    Answer known = look(std::nullopt);
    if (!known || !known->is_null()) return known;
    const Written made = client.post(
        "/projects.json", {{"project", json::object{{"name", name},
                                                    {"identifier", identifier},
                                                    {"description", description}}}});
    if (made.is_refused) return look(refusal(made));
    if (made.problem && made.is_ambiguous) return look(*made.problem);
    if (made.problem) return *made.problem;
    Answer answer = look(temporary("bad_answer", "Redmine made a project and does not show it"));
    if (answer) answer->as_object()["created"] = true;
    return answer;
}

boost::system::result<std::int64_t, contract::Problem> find_role(const Client& client,
                                                                 const std::string& name) {
    const auto body = client.get("/roles.json");
    if (!body) return body.error();
    const json::value* list = *body ? (*body)->if_contains("roles") : nullptr;
    if (list && list->is_array())
        for (const json::value& item : list->get_array())
            if (item.is_object() && item.get_object().contains("name") &&
                item.at("name").is_string() && lower(item.at("name").get_string()) == lower(name))
                return item.at("id").as_int64();
    return permanent("not_found", fmt::format("Redmine has no role '{}'", name), 404);
}

Answer add_member(const Client& client, const Task& task) {
    Parameters parameters(task.with);
    const std::string project = parameters.required_text("project");
    const std::int64_t user = parameters.number("user", 0);
    const std::string role = parameters.text("role", "developer");
    if (user == 0) parameters.complain("'user' must be the id of a user");
    if (parameters.is_bad()) return parameters.problem();
    const auto role_id = find_role(client, role);
    if (!role_id) return role_id.error();
    const std::string path =
        fmt::format("/projects/{}/memberships.json", http::path_encoded(project));
    const auto is_member = [&]() -> boost::system::result<bool, contract::Problem> {
        const auto body = client.get(path + "?limit=100");
        if (!body) return body.error();
        if (!*body)
            return permanent("not_found", fmt::format("Redmine has no project '{}'", project), 404);
        const json::value* list = (*body)->if_contains("memberships");
        if (!list || !list->is_array()) return false;
        for (const json::value& item : list->get_array()) {
            const json::value* who = item.is_object() ? item.get_object().if_contains("user") : nullptr;
            if (who && who->is_object() && who->at("id") == json::value(user)) return true;
        }
        return false;
    };
    const json::object result{{"project", project}, {"user", user}, {"created", false}};
    const auto before = is_member();
    if (!before) return before.error();
    if (*before) return json::value(result);
    const Written made = client.post(
        path, {{"membership", json::object{{"user_id", user}, {"role_ids", json::array{*role_id}}}}});
    if (made.is_refused || made.is_ambiguous) {
        const auto after = is_member();
        if (after && *after) return json::value(result);
        return made.is_refused ? refusal(made) : *made.problem;
    }
    if (made.problem) return *made.problem;
    return json::value{{"project", project}, {"user", user}, {"created", true}};
}

// Issues have no unique field; a line at the end of the description tells ours.
std::string marker_of(const Task& task) {
    const auto identities = task.identities();
    return identities.empty() ? std::string{} : fmt::format("(baton: {})", identities.front());
}

Answer create_issue(const Settings& settings, const Client& client, const Task& task) {
    Parameters parameters(task.with);
    const std::string project = parameters.required_text("project");
    const std::string subject = parameters.required_text("subject");
    std::string description = parameters.text("description");
    if (parameters.is_bad()) return parameters.problem();
    const std::string marker = marker_of(task);
    if (!marker.empty()) description += (description.empty() ? "" : "\n\n") + marker;
    const auto result = [&](const json::value& id, bool created) {
        return json::value{{"id", id},
                           {"url", fmt::format("{}/issues/{}", settings.url, id.as_int64())},
                           {"created", created}};
    };
    const auto look = [&](const std::optional<contract::Problem>& otherwise) -> Answer {
        const json::value none(nullptr);
        if (marker.empty()) return otherwise ? Answer(*otherwise) : Answer(none);
        const auto body =
            client.get(fmt::format("/issues.json?project_id={}&status_id=*&subject={}&limit=100",
                                   http::path_encoded(project), http::path_encoded(subject)));
        if (!body) return otherwise ? *otherwise : body.error();
        const json::value* list = *body ? (*body)->if_contains("issues") : nullptr;
        if (list && list->is_array()) {
            for (const json::value& item : list->get_array()) {
                const json::value* text =
                    item.is_object() ? item.get_object().if_contains("description") : nullptr;
                if (text && text->is_string() && std::string_view(text->get_string()).ends_with(marker))
                    return result(item.at("id"), false);
            }
        }
        return otherwise ? Answer(*otherwise) : Answer(none);
    };
    const Answer known = look(std::nullopt);
    if (!known || !known->is_null()) return known;
    const Written made = client.post("/issues.json", {{"issue", json::object{{"project_id", project},
                                                                             {"subject", subject},
                                                                             {"description", description}}}});
    if (made.is_refused) return refusal(made);
    if (made.problem && made.is_ambiguous) return look(*made.problem);
    if (made.problem) return *made.problem;
    const json::value* issue = made.body.if_contains("issue");
    if (!issue || !issue->is_object() || !issue->get_object().contains("id"))
        return look(temporary("bad_answer", "Redmine's answer names no issue"));
    return result(issue->at("id"), true);
}

Answer comment(const Client& client, const Task& task) {
    Parameters parameters(task.with);
    const std::int64_t issue = parameters.number("issue", 0);
    const std::string text = parameters.required_text("text");
    if (issue == 0) parameters.complain("'issue' must be a number");
    if (parameters.is_bad()) return parameters.problem();
    const Written written = client.put(fmt::format("/issues/{}.json", issue),
                                       {{"issue", json::object{{"notes", text}}}});
    if (written.problem) return *written.problem;
    if (written.is_refused) return refusal(written);
    return json::value{{"issue", issue}};
}

std::string login_key(const json::object& with) {
    const json::value* login = with.if_contains("login");
    return login && login->is_string() ? "redmine login " + lower(login->get_string()) : std::string{};
}

} // namespace

std::vector<Handler> make_handlers(const Settings& settings) {
    const auto client = std::make_shared<const Client>(settings);
    return {
        only_with({"login", "mail", "firstname", "first_name", "lastname", "last_name", "name", "password", "groups"},
                  {"redmine.create_user", [client](const Task& task) { return create_user(*client, task); },
                   login_key}),
        only_with({"id", "login", "mail", "email"},
                  {"redmine.lock_user", [client](const Task& task) { return lock_user(*client, task); },
                   login_key}),
        only_with({"name", "identifier", "description"},
                  {"redmine.create_project",
                   [client](const Task& task) { return create_project(*client, task); }}),
        only_with({"project", "user", "role"},
                  {"redmine.add_member", [client](const Task& task) { return add_member(*client, task); }}),
        only_with({"project", "subject", "description"},
                  {"redmine.create_issue",
                   [client, settings](const Task& task) { return create_issue(settings, *client, task); }}),
        only_with({"issue", "text"},
                  {"redmine.comment", [client](const Task& task) { return comment(*client, task); }}),
    };
}

} // namespace baton::workers::redmine
