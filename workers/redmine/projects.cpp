// Projects and who works in them with which roles.
#include "base/percent.hpp"
#include "workers/redmine/operations.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace baton::workers::redmine {

namespace json = boost::json;

namespace {

std::string project_path(std::string_view project, std::string_view rest = "") {
    return fmt::format("/projects/{}{}.json", percent_encoded(project), rest);
}

contract::Problem no_project(std::string_view project) {
    return permanent("not_found", fmt::format("Redmine has no project '{}'", project), 404);
}

// The project as Redmine shows it; nothing if there is none.
Reply<std::optional<json::object>> find(const Site& site, std::string_view project) {
    const auto body = site.client.get(project_path(project));
    if (!body) return body.error();
    const json::object* shown = *body ? object_of(**body, "project") : nullptr;
    return shown ? std::optional<json::object>(*shown) : std::nullopt;
}

// What can be said of a project beside its name and identifier.
Reply<json::object> attributes(const Site& site, Parameters& parameters) {
    json::object all;
    if (parameters.has("description")) all["description"] = parameters.text("description");
    if (parameters.has("homepage")) all["homepage"] = parameters.text("homepage");
    if (parameters.has("public")) all["is_public"] = parameters.flag("public", true);
    if (parameters.has("inherit_members")) all["inherit_members"] = parameters.flag("inherit_members", false);
    if (parameters.has("modules")) {
        json::array modules;
        for (const std::string& module : parameters.texts("modules")) modules.push_back(json::string(module));
        all["enabled_module_names"] = std::move(modules);
    }
    const std::string parent = parameters.text("parent");
    const std::vector<std::string> trackers = parameters.texts("trackers");
    const json::object custom = parameters.object("custom_fields");
    if (parameters.is_bad()) return parameters.problem();
    if (!parent.empty()) {
        const auto found = find(site, parent);
        if (!found) return found.error();
        if (!*found) return no_project(parent);
        all["parent_id"] = number_of(**found, "id");
    }
    if (!trackers.empty()) {
        json::array ids;
        for (const std::string& name : trackers) {
            const auto id = site.names.tracker(name);
            if (!id) return id.error();
            ids.push_back(*id);
        }
        all["tracker_ids"] = std::move(ids);
    }
    const auto values = site.names.custom_values("project", custom);
    if (!values) return values.error();
    if (!values->empty()) all["custom_fields"] = *values;
    return all;
}

} // namespace

Answer find_project(const Site& site, const Task& task) {
    Parameters parameters(task.with);
    const std::string project = parameters.required_text("project");
    if (parameters.is_bad()) return parameters.problem();
    const auto found = find(site, project);
    if (!found) return found.error();
    if (!*found) return no_project(project);
    return json::value{{"id", number_of(**found, "id")},
                       {"identifier", text_of(**found, "identifier")},
                       {"name", text_of(**found, "name")},
                       {"description", text_of(**found, "description")},
                       {"closed", number_of(**found, "status") == 5}};
}

Answer create_project(const Site& site, const Task& task) {
    Parameters parameters(task.with);
    const std::string name = parameters.required_text("name");
    const std::string identifier = parameters.required_text("identifier");
    if (parameters.is_bad()) return parameters.problem();
    const auto more = attributes(site, parameters);
    if (!more) return more.error();
    auto claim = Claim::take(site, task, "project " + identifier);
    if (!claim) return claim.error();
    const auto look = [&](const std::optional<contract::Problem>& otherwise) -> Answer {
        const auto found = find(site, identifier);
        if (!found) return otherwise ? *otherwise : found.error();
        if (!*found) return otherwise ? Answer(*otherwise) : Answer(json::value(nullptr));
        if (text_of(**found, "name") != name)
            return permanent("conflict", fmt::format("the identifier '{}' belongs to another project, '{}'", identifier,
                                                     text_of(**found, "name")), 409);
        const std::int64_t id = number_of(**found, "id");
        return json::value{{"id", id}, {"identifier", identifier}, {"created", claim->is_ours(id)}};
    };
    const Answer known = look(std::nullopt);
    if (!known || !known->is_null()) return known;
    json::object project = *more;
    project["name"] = name;
    project["identifier"] = identifier;
    if (auto problem = claim->begin()) return *problem;
    const Written made = site.client.post("/projects.json", {{"project", project}});
    if (made.is_refused || (made.problem && !made.is_ambiguous)) {
        if (auto problem = claim->refused()) return *problem;
        return made.is_refused ? look(refusal(made)) : Answer(*made.problem);
    }
    const json::object* shown = object_of(made.body, "project");
    if (!shown) return look(made.problem ? *made.problem : temporary("bad_answer", "Redmine's answer names no project"));
    if (auto problem = claim->made(number_of(*shown, "id"))) return *problem;
    return json::value{{"id", number_of(*shown, "id")}, {"identifier", identifier}, {"created", true}};
}

namespace {

std::optional<contract::Problem> move_to(const Site& site, const std::string& project, std::string_view state) {
    // What is archived can neither be opened nor closed before it is taken out again.
    if (state != "archived")
        if (auto problem = site.client.put(project_path(project, "/unarchive"), {}).failure()) return problem;
    const std::string_view step = state == "open" ? "/reopen" : state == "closed" ? "/close" : "/archive";
    return site.client.put(project_path(project, step), {}).failure();
}

} // namespace

// What is asked for twice is the same: no look-up before.
Answer update_project(const Site& site, const Task& task) {
    Parameters parameters(task.with);
    const std::string project = parameters.required_text("project");
    const std::string state = parameters.text("state");
    const std::set<std::string_view> states{"", "open", "closed", "archived"};
    if (!states.contains(state)) parameters.complain("'state' must be open, closed or archived");
    auto changes = attributes(site, parameters);
    if (!changes) return changes.error();
    if (parameters.has("name")) (*changes)["name"] = parameters.text("name");
    // An archived project takes nothing, so opening comes before the changes and archiving after them.
    if (state == "open")
        if (auto problem = move_to(site, project, state)) return *problem;
    if (!changes->empty()) {
        const Written written = site.client.put(project_path(project), {{"project", *changes}});
        if (auto problem = written.failure()) return *problem;
    }
    if (state == "closed" || state == "archived")
        if (auto problem = move_to(site, project, state)) return *problem;
    return json::value{{"project", project}, {"updated", true}};
}

// --- members --------------------------------------------------------------------------------------

namespace {

struct Membership {
    std::int64_t id = 0;                   // 0: none
    std::set<std::int64_t> roles;          // not those that come from a group or a parent
    bool is_inherited = false;
};

struct Principal {
    std::int64_t id = 0;
    std::string kind;                      // "user" or "group"
};

// All roles of a membership by name or number: 'role', 'roles'.
Reply<std::set<std::int64_t>> roles_in(const Site& site, Parameters& parameters, std::string_view otherwise) {
    std::vector<std::string> names = parameters.texts("roles");
    if (parameters.has("role")) names.push_back(parameters.text("role"));
    if (names.empty() && !otherwise.empty()) names.emplace_back(otherwise);
    if (names.empty()) parameters.complain("'roles' is missing");
    if (parameters.is_bad()) return parameters.problem();
    std::set<std::int64_t> ids;
    for (const std::string& name : names) {
        const auto id = site.names.role(name);
        if (!id) return id.error();
        ids.insert(*id);
    }
    return ids;
}

// Looks for nobody before all parameters are known to be good.
Reply<Principal> principal_in(const Site& site, Parameters& parameters) {
    const std::string user = parameters.text("user");
    const std::string group = parameters.text("group");
    if (user.empty() == group.empty()) parameters.complain("either 'user' (number, login or mail address) or 'group' is needed");
    if (parameters.is_bad()) return parameters.problem();
    const auto id = group.empty() ? site.names.user_id(user) : site.names.group(group);
    if (!id) return id.error();
    return Principal{*id, group.empty() ? "user" : "group"};
}

Reply<Membership> membership_of(const Site& site, const std::string& project, const Principal& who) {
    Membership found;
    const auto listed = site.client.each_if_there(project_path(project, "/memberships"), "memberships", [&](const json::object& item) {
        const json::object* member = object_of(item, who.kind);
        if (!member || number_of(*member, "id") != who.id) return true;
        found.id = number_of(item, "id");
        if (const json::array* roles = array_of(item, "roles"))
            for (const json::value& role : *roles) {
                if (!role.is_object()) continue;
                if (role.get_object().contains("inherited"))
                    found.is_inherited = true;
                else
                    found.roles.insert(number_of(role.get_object(), "id"));
            }
        return false;
    });
    if (!listed) return listed.error();
    if (!*listed) return no_project(project);
    return found;
}

json::array as_array(const std::set<std::int64_t>& ids) {
    json::array list;
    for (const std::int64_t id : ids) list.push_back(id);
    return list;
}

json::object result_of(const std::string& project, const Principal& who) {
    json::object result{{"project", project}};
    result[who.kind] = who.id;
    return result;
}

std::optional<contract::Problem> give_roles(const Site& site, std::int64_t membership, const std::set<std::int64_t>& roles) {
    return site.client
        .put(fmt::format("/memberships/{}.json", membership), {{"membership", json::object{{"role_ids", as_array(roles)}}}})
        .failure();
}

// `adds`: roles that are there stay.
Answer put_member(const Site& site, const Task& task, std::string_view otherwise, bool adds) {
    Parameters parameters(task.with);
    const std::string project = parameters.required_text("project");
    const auto who = principal_in(site, parameters);
    if (!who) return who.error();
    const auto roles = roles_in(site, parameters, otherwise);
    if (!roles) return roles.error();
    auto claim = Claim::take(site, task, fmt::format("member {} {}", lower(project), who->id));
    if (!claim) return claim.error();
    json::object result = result_of(project, *who);
    const auto answer = [&](bool created, bool changed) {
        result["created"] = created;
        result["changed"] = changed;
        return json::value(result);
    };
    const auto adjust = [&](const Membership& there) -> Answer {
        std::set<std::int64_t> wanted = *roles;
        if (adds) wanted.insert(there.roles.begin(), there.roles.end());
        const bool is_ours = claim->is_ours(there.id);
        if (wanted == there.roles) return answer(is_ours, false);
        if (auto problem = give_roles(site, there.id, wanted)) return *problem;
        return answer(is_ours, true);
    };
    const auto before = membership_of(site, project, *who);
    if (!before) return before.error();
    if (before->id != 0) return adjust(*before);
    if (auto problem = claim->begin()) return *problem;
    const Written made = site.client.post(
        project_path(project, "/memberships"),
        {{"membership", json::object{{"user_id", who->id}, {"role_ids", as_array(*roles)}}}});
    if (made.is_refused || (made.problem && !made.is_ambiguous))
        if (auto problem = claim->refused()) return *problem;
    if (made.is_refused || made.is_ambiguous) {
        const auto after = membership_of(site, project, *who);
        if (after && after->id != 0) return adjust(*after);
    }
    if (auto problem = made.failure()) return *problem;
    const json::object* shown = object_of(made.body, "membership");
    if (auto problem = claim->made(shown ? number_of(*shown, "id") : 0)) return *problem;
    return answer(true, true);
}

} // namespace

Answer add_member(const Site& site, const Task& task) { return put_member(site, task, "Developer", true); }

Answer set_roles(const Site& site, const Task& task) { return put_member(site, task, "", false); }

Answer remove_member(const Site& site, const Task& task) {
    Parameters parameters(task.with);
    const std::string project = parameters.required_text("project");
    const auto who = principal_in(site, parameters);
    if (!who) return who.error();
    const auto there = membership_of(site, project, *who);
    if (!there) return there.error();
    json::object result = result_of(project, *who);
    result["removed"] = there->id != 0;
    if (there->id == 0) return json::value(std::move(result));
    // Redmine does not remove what a group or the parent project gives.
    if (there->is_inherited && there->roles.empty())
        return permanent("inherited", fmt::format("the membership in '{}' comes from a group or from the parent project; "
                                                  "it ends there", project), 422);
    const Written removed = site.client.remove(fmt::format("/memberships/{}.json", there->id));
    if (removed.is_refused) return refusal(removed);
    if (removed.problem && removed.problem->type != "not_found") return *removed.problem;
    return json::value(std::move(result));
}

} // namespace baton::workers::redmine
