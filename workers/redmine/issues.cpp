// Issues and comments. They have no unique field; a line at the end of the text tells ours, and is looked
// for before the text is written (again).
#include "workers/redmine/operations.hpp"

#include "workers/attachments.hpp"

#include <openssl/sha.h>

#include <boost/json.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace baton::workers::redmine {

namespace json = boost::json;

namespace {


std::string issue_path(std::int64_t issue) { return fmt::format("/issues/{}.json", issue); }

// One word of letters and digits, which Redmine's search takes as it is; identities may hold anything.
std::string marker_from(const std::string& identity) {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256(reinterpret_cast<const unsigned char*>(identity.data()), identity.size(), digest);
    std::string word = "baton";
    for (int i = 0; i < 10; ++i) word += fmt::format("{:02x}", digest[i]);
    return word;
}

// Of all identities of the task: an operator's rerun has a new key and the same run and step.
std::vector<std::string> markers_of(const Task& task) {
    std::vector<std::string> all;
    for (const std::string& identity : task.identities()) all.push_back(marker_from(identity));
    return all;
}

std::string marked(std::string text, const std::vector<std::string>& markers) {
    if (markers.empty()) return text;
    std::string line = "(";
    for (const std::string& marker : markers) line += (line.size() > 1 ? " " : "") + marker;
    return text + (text.empty() ? "" : "\n\n") + line + ")";
}

bool has_marker(const std::string& text, const std::vector<std::string>& markers) {
    return std::any_of(markers.begin(), markers.end(),
                       [&](const std::string& marker) { return text.find(marker) != std::string::npos; });
}

// --- what an issue is made of ---------------------------------------------------------------------

struct Fields {
    json::object issue;                    // as Redmine takes it
    std::int64_t status = 0;               // that was asked for
};

Reply<json::array> uploaded(const Site& site, Parameters& parameters, const json::object& with) {
    json::array tokens;
    std::vector<Attachment> files = attachments_in(parameters, with);
    if (parameters.is_bad()) return parameters.problem();
    if (auto problem = fetch_contents(files, site.settings.files)) return *problem;
    for (const Attachment& one : files) {
        // An upload that no issue takes is removed by Redmine itself, so a repeated one does no harm.
        const Written sent = site.client.upload(one.name, one.content);
        if (auto problem = sent.failure()) return *problem;
        const json::object* upload = object_of(sent.body, "upload");
        if (!upload) return temporary("bad_answer", "Redmine's answer to an upload has no token");
        json::object token{{"token", text_of(*upload, "token")}, {"filename", one.name}};
        // Redmine guesses by the name what nobody said.
        if (one.type != "application/octet-stream") token["content_type"] = one.type;
        tokens.push_back(std::move(token));
    }
    return tokens;
}

Reply<std::int64_t> assignee_in(const Site& site, Parameters& parameters) {
    const std::string group = parameters.text("assignee_group");
    if (!group.empty()) return site.names.group(group);
    return site.names.user_id(parameters.text("assignee"));
}

// Everything that can be said of an issue, with names resolved; nothing was written when this fails.
Reply<Fields> fields_in(const Site& site, Parameters& parameters, const json::object& with) {
    Fields fields;
    json::object& issue = fields.issue;
    for (const char* name : {"subject", "start_date", "due_date"})
        if (parameters.has(name)) issue[name] = parameters.text(name);
    if (parameters.has("done_ratio")) issue["done_ratio"] = parameters.number("done_ratio", 0);
    if (parameters.has("parent")) issue["parent_issue_id"] = parameters.number("parent", 0);
    if (parameters.has("estimated_hours")) issue["estimated_hours"] = with.at("estimated_hours");
    if (parameters.has("private")) issue["is_private"] = parameters.flag("private", false);
    const json::object custom = parameters.object("custom_fields");
    const std::vector<std::string> watchers = parameters.texts("watchers");
    struct Lookup {
        const char* parameter;
        const char* field;
        Reply<std::int64_t> (Names::*find)(const std::string&) const;
    };
    for (const Lookup& one : {Lookup{"tracker", "tracker_id", &Names::tracker},
                              Lookup{"priority", "priority_id", &Names::priority},
                              Lookup{"status", "status_id", &Names::status}}) {
        const std::string name = parameters.text(one.parameter);
        if (parameters.is_bad()) return parameters.problem();
        if (name.empty()) continue;
        const auto id = (site.names.*one.find)(name);
        if (!id) return id.error();
        issue[one.field] = *id;
        if (std::string_view(one.parameter) == "status") fields.status = *id;
    }
    if (parameters.has("assignee") || parameters.has("assignee_group")) {
        const auto id = assignee_in(site, parameters);
        if (parameters.is_bad()) return parameters.problem();
        if (!id) return id.error();
        issue["assigned_to_id"] = *id;
    }
    if (parameters.is_bad()) return parameters.problem();
    if (!watchers.empty()) {
        json::array ids;
        for (const std::string& who : watchers) {
            const auto id = site.names.user_id(who);
            if (!id) return id.error();
            ids.push_back(*id);
        }
        issue["watcher_user_ids"] = std::move(ids);
    }
    const auto values = site.names.custom_values("issue", custom);
    if (!values) return values.error();
    if (!values->empty()) issue["custom_fields"] = *values;
    const auto tokens = uploaded(site, parameters, with);
    if (!tokens) return tokens.error();
    if (!tokens->empty()) issue["uploads"] = *tokens;
    return fields;
}

// --- looking --------------------------------------------------------------------------------------

// The number of the issue whose description has one of the markers; 0 if there is none. The subject is not
// looked for: Redmine's filters read signs like | in it.
Reply<std::int64_t> issue_with(const Site& site, const std::vector<std::string>& markers) {
    for (const std::string& marker : markers) {
        std::int64_t id = 0;
        auto problem = site.client.each(
            "/issues.json?set_filter=1&sort=id:desc&f[]=status_id&op[status_id]=*&f[]=description&op[description]=~&"
            "v[description][]=" + marker,
            "issues", [&](const json::object& item) {
                if (text_of(item, "description").find(marker) == std::string::npos) return true;
                id = number_of(item, "id");
                return false;
            });
        if (problem) return *problem;
        if (id != 0) return id;
    }
    return std::int64_t{0};
}

// The issue as Redmine shows it, with its comments.
Reply<json::object> shown_issue(const Site& site, std::int64_t issue) {
    const auto body = site.client.get(fmt::format("/issues/{}.json?include=journals,watchers,attachments", issue));
    if (!body) return body.error();
    const json::object* shown = *body ? object_of(**body, "issue") : nullptr;
    if (!shown) return permanent("not_found", fmt::format("Redmine has no issue {}", issue), 404);
    return *shown;
}

bool has_comment(const json::object& shown, const std::vector<std::string>& markers) {
    const json::array* journals = array_of(shown, "journals");
    return journals && std::any_of(journals->begin(), journals->end(), [&](const json::value& one) {
               return one.is_object() && has_marker(text_of(one.get_object(), "notes"), markers);
           });
}

std::int64_t id_in(const json::object& shown, std::string_view field) {
    const json::object* one = object_of(shown, field);
    return one ? number_of(*one, "id") : 0;
}

std::int64_t issue_in(Parameters& parameters) {
    const std::int64_t issue = parameters.number("issue", 0);
    if (issue <= 0) parameters.complain("'issue' must be a number");
    return issue;
}

// Writes changes and a comment, the comment once. What Redmine ignores without a word is found out.
Answer change(const Site& site, const Task& task, std::int64_t issue, Fields fields, const std::string& text,
              bool is_private) {
    const auto markers = text.empty() ? std::vector<std::string>() : markers_of(task);
    const auto claim = Claim::take(site, task, fmt::format("issue {}", issue));
    if (!claim) return claim.error();
    const auto before = shown_issue(site, issue);
    if (!before) return before.error();
    if (!text.empty() && !has_comment(*before, markers)) {
        fields.issue["notes"] = marked(text, markers);
        if (is_private) fields.issue["private_notes"] = true;
    }
    if (fields.issue.empty()) return json::value{{"issue", issue}};
    const Written written = site.client.put(issue_path(issue), {{"issue", fields.issue}});
    const bool is_done = written.is_ambiguous && !markers.empty() && [&] {
        const auto after = shown_issue(site, issue);
        return after && has_comment(*after, markers);
    }();
    if (auto problem = written.failure(); problem && !is_done) return *problem;
    if (fields.status != 0) {
        const auto after = shown_issue(site, issue);
        if (!after) return after.error();
        if (id_in(*after, "status") != fields.status)
            return permanent("not_allowed", fmt::format("Redmine's workflow does not let the key's owner give issue {} "
                                                        "this status", issue), 403);
    }
    return json::value{{"issue", issue}};
}

} // namespace

Answer find_issue(const Site& site, const Task& task) {
    Parameters parameters(task.with);
    const std::int64_t issue = issue_in(parameters);
    if (parameters.is_bad()) return parameters.problem();
    const auto shown = shown_issue(site, issue);
    if (!shown) return shown.error();
    json::object result{{"id", issue},
                        {"url", fmt::format("{}/issues/{}", site.client.url(), issue)},
                        {"subject", text_of(*shown, "subject")},
                        {"description", text_of(*shown, "description")}};
    for (const char* field : {"project", "tracker", "status", "priority", "author", "assigned_to"}) {
        const json::object* one = object_of(*shown, field);
        result[field] = one ? json::value(text_of(*one, "name")) : json::value(nullptr);
    }
    const json::object* status = object_of(*shown, "status");
    const json::value* closed = status ? status->if_contains("is_closed") : nullptr;
    result["closed"] = closed ? *closed : json::value(nullptr);
    if (const json::array* fields = array_of(*shown, "custom_fields")) result["custom_fields"] = *fields;
    return json::value(std::move(result));
}

Answer create_issue(const Site& site, const Task& task) {
    Parameters parameters(task.with);
    const std::string project = parameters.required_text("project");
    static_cast<void>(parameters.required_text("subject"));
    const std::string description = parameters.text("description");
    const auto markers = markers_of(task);
    const auto result = [&](std::int64_t id) {
        return json::value{{"id", id}, {"url", fmt::format("{}/issues/{}", site.client.url(), id)}, {"created", true}};
    };
    if (parameters.is_bad()) return parameters.problem();
    std::optional<Claim> claim;
    if (!markers.empty()) {
        auto taken = Claim::take(site, task, "new issue " + markers.front());
        if (!taken) return taken.error();
        claim = std::move(*taken);
        const auto known = issue_with(site, markers);
        if (!known) return known.error();
        if (*known != 0) return result(*known);
    }
    auto fields = fields_in(site, parameters, task.with);
    if (!fields) return fields.error();
    fields->issue["project_id"] = project;
    fields->issue["description"] = marked(description, markers);
    const Written made = site.client.post("/issues.json", {{"issue", fields->issue}});
    const json::object* issue = object_of(made.body, "issue");
    if (!made.problem && !made.is_refused && issue) return result(number_of(*issue, "id"));
    if (made.is_refused) return refusal(made);
    const contract::Problem problem =
        made.problem ? *made.problem : temporary("bad_answer", "Redmine's answer names no issue");
    if (made.problem && !made.is_ambiguous) return problem;
    const auto found = issue_with(site, markers);
    return found && *found != 0 ? Answer(result(*found)) : Answer(problem);
}

Answer update_issue(const Site& site, const Task& task) {
    Parameters parameters(task.with);
    const std::int64_t issue = issue_in(parameters);
    const std::string text = parameters.text("text");
    const bool is_private = parameters.flag("private_text", false);
    auto fields = fields_in(site, parameters, task.with);
    if (!fields) return fields.error();
    if (parameters.has("description")) fields->issue["description"] = parameters.text("description");
    if (parameters.is_bad()) return parameters.problem();
    if (fields->issue.empty() && text.empty()) return permanent("invalid_input", "nothing is to be changed", 422);
    // Watchers of an issue that is there are added one by one.
    const json::array watchers = fields->issue.contains("watcher_user_ids")
                                     ? fields->issue["watcher_user_ids"].as_array() : json::array{};
    fields->issue.erase("watcher_user_ids");
    for (const json::value& who : watchers) {
        const Written added = site.client.post(fmt::format("/issues/{}/watchers.json", issue), {{"user_id", who}});
        if (auto problem = added.failure()) return *problem;
    }
    return change(site, task, issue, std::move(*fields), text, is_private);
}

Answer close_issue(const Site& site, const Task& task) {
    Parameters parameters(task.with);
    const std::int64_t issue = issue_in(parameters);
    const std::string name = parameters.text("status");
    const std::string text = parameters.text("text");
    if (parameters.is_bad()) return parameters.problem();
    const auto status = name.empty() ? site.names.closed_status() : site.names.status(name);
    if (!status) return status.error();
    return change(site, task, issue, {{{"status_id", *status}}, *status}, text, false);
}

Answer comment(const Site& site, const Task& task) {
    Parameters parameters(task.with);
    const std::int64_t issue = issue_in(parameters);
    const std::string text = parameters.required_text("text");
    const bool is_private = parameters.flag("private", false);
    if (parameters.is_bad()) return parameters.problem();
    return change(site, task, issue, {}, text, is_private);
}

} // namespace baton::workers::redmine
