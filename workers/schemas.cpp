// The tables. A parameter is needed if the task fails as invalid_input without it, whatever else is given.
#include "workers/schemas.hpp"

#include "workers/settings.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <map>
#include <set>

namespace baton::workers {

namespace json = boost::json;

namespace {

using Words = std::vector<std::string_view>;

struct Row {
    std::vector<Words> needs;         // one of each
    Words results;
};

const Words mailbox{"address", "id"};
const Words person{"user", "id", "login", "mail", "email"};

// docs/workers.md has the same for people.
const std::map<std::string_view, Row>& rows() {
    static const std::map<std::string_view, Row> all{
        {"mail.create", {{mailbox}, {"id", "address", "created", "active", "password_sent", "doubtful"}}},
        {"mail.find", {{mailbox}, {"found", "kind", "id", "name", "active", "quota_mb", "targets"}}},
        {"mail.delete", {{mailbox}, {"id", "deleted", "kept"}}},
        {"mail.lock", {{mailbox}, {"id", "locked", "kept"}}},
        {"mail.unlock", {{mailbox}, {"id", "unlocked"}}},
        {"mail.archive", {{mailbox}, {"id", "archived"}}},
        {"mail.set_quota", {{mailbox, {"quota_mb"}}, {"id", "quota_mb"}}},
        {"mail.set_password", {{mailbox, {"send_to", "password"}}, {"id", "password_set", "password_sent", "doubtful"}}},
        {"mail.add_alias", {{{"alias"}, {"to"}}, {"alias", "to", "created"}}},
        {"mail.remove_alias", {{{"alias"}}, {"alias", "to", "removed", "kept"}}},
        {"mail.add_forward", {{mailbox, {"to"}}, {"address", "to", "created"}}},
        {"mail.remove_forward", {{mailbox}, {"address", "to", "removed", "kept"}}},
        {"mail.send", {{{"to"}}, {"message_id", "doubtful", "refused"}}},
        {"redmine.find_user", {{person}, {"id", "login", "mail", "firstname", "lastname", "admin", "locked", "groups", "custom_fields"}}},
        {"redmine.create_user", {{{"mail"}}, {"id", "login", "created", "unlocked", "created_by", "joined_groups"}}},
        {"redmine.lock_user", {{person}, {"id", "locked", "open_issues", "kept"}}},
        {"redmine.unlock_user", {{person}, {"id", "login", "unlocked", "was_locked"}}},
        {"redmine.join_groups", {{person, {"groups"}}, {"id", "joined"}}},
        {"redmine.leave_groups", {{person, {"groups"}}, {"id", "left"}}},
        {"redmine.find_project", {{{"project"}}, {"id", "identifier", "name", "description", "closed"}}},
        {"redmine.create_project", {{{"name"}}, {"id", "identifier", "created"}}},
        {"redmine.update_project", {{{"project"}}, {"project", "updated"}}},
        {"redmine.add_member", {{{"project"}, {"user", "group"}}, {"project", "user", "group", "created", "changed"}}},
        {"redmine.set_roles", {{{"project"}, {"user", "group"}}, {"project", "user", "group", "created", "changed"}}},
        {"redmine.remove_member", {{{"project"}, {"user", "group"}}, {"project", "user", "group", "removed"}}},
        {"redmine.find_issue", {{{"issue"}}, {}}},
        {"redmine.create_issue", {{{"project"}, {"subject"}}, {"id", "url", "created"}}},
        {"redmine.update_issue", {{{"issue"}}, {"issue"}}},
        {"redmine.close_issue", {{{"issue"}}, {"issue"}}},
        {"redmine.comment", {{{"issue"}}, {"issue"}}},
        {"slack.invite", {{{"email"}}, {"user_id", "invited"}}},
        {"slack.post", {{{"channel"}}, {"channel", "ts"}}},
        {"slack.deactivate", {{{"email", "user_id"}}, {"user_id", "deactivated"}}},
        {"slack.create_channel", {{{"name"}}, {"id", "name", "created"}}},
        {"http.call", {{{"target"}}, {"status", "body", "text", "items"}}},
    };
    return all;
}

json::array as_array(const Words& words) {
    json::array out;
    for (const std::string_view word : words) out.emplace_back(word);
    return out;
}

json::object with_needs(json::object schema, const std::vector<Words>& needs) {
    json::array required;
    json::array choices;
    for (const Words& one : needs) {
        if (one.size() == 1) {
            required.emplace_back(one.front());
            continue;
        }
        json::array any;
        for (const std::string_view name : one) any.push_back(json::object{{"required", json::array{json::string(name)}}});
        choices.push_back(json::object{{"anyOf", std::move(any)}});
    }
    if (!required.empty()) schema["required"] = std::move(required);
    if (!choices.empty()) schema["allOf"] = std::move(choices);
    return schema;
}

// Results may grow.
json::object result_schema(const Words& names) {
    json::object schema = schema_of(names);
    schema.erase("additionalProperties");
    return schema;
}

// How the tasks read a parameter of that name; any other is a text, or a whole number that becomes one.
json::object type_of(std::string_view task, std::string_view name) {
    static const std::set<std::string_view> flags{
        "adopt",  "allow_admin",        "broadcast", "create_groups", "generate_password", "inherit_members",
        "keep_copy", "keep_unknown", "must_change_passwd", "private",   "public",        "send_information"};
    static const std::set<std::string_view> lists{"channels", "groups", "leave_groups", "members", "modules", "roles", "trackers", "users", "watchers"};
    static const std::set<std::string_view> recipients{"to", "cc", "bcc", "reply_to"};
    static const std::set<std::string_view> tables{"custom_fields", "query", "headers", "form", "pages", "invitation"};
    static const json::object texts{{"type", {"string", "array"}}, {"items", {{"type", {"string", "integer"}}}}};
    if (flags.contains(name)) return {{"type", "boolean"}};
    if (lists.contains(name) || (task == "mail.send" && recipients.contains(name))) return texts;
    if (tables.contains(name)) return {{"type", "object"}};
    if (name == "attachments")
        return {{"type", "array"},
                {"items", {{"type", "object"}, {"anyOf", {json::object{{"required", {"name"}}}, json::object{{"required", {"from"}}}}}}}};
    if (task == "slack.upload" && name == "from") return {{"type", "object"}};
    if (name == "blocks") return {{"type", {"array", "object", "string"}}};
    if (name == "expect") return {{"type", {"array", "integer"}}};
    if (name == "estimated_hours") return {{"type", {"number", "string"}}};
    if (name == "body") return {}; // any JSON
    json::object text{{"type", {"string", "integer"}}};
    if (task == "redmine.update_project" && name == "state") text = {{"enum", {"open", "closed", "archived"}}};
    return text;
}

json::object with_types(std::string_view task, json::object schema) {
    for (auto& property : schema.at("properties").as_object())
        if (property.value() == json::value(json::object{})) property.value() = type_of(task, property.key());
    return schema;
}

// The fields of a template are parameters, too, and only the worker knows them.
json::object letter_schema() {
    static const Words names{"to",   "cc",       "bcc",  "reply_to",    "subject",   "text",
                             "html", "template", "from", "attachments", "invitation"};
    json::object schema = schema_of(names);
    schema.erase("additionalProperties");
    schema["if"] = json::object{{"required", json::array{"template"}}};
    schema["else"] = json::object{{"required", json::array{"subject"}}, {"propertyNames", json::object{{"enum", as_array(names)}}}};
    return schema;
}

std::vector<TaskSchema> make_all() {
    Settings settings;
    settings.mail.database_url = settings.mail.smtp_url = "any";
    settings.mail.from = "any@example.org";
    settings.redmine.url = settings.redmine.key = "any";
    settings.slack.token = settings.slack.team = settings.slack.webhook_url = "any";
    settings.http_call.targets["any"] = {};
    std::vector<TaskSchema> all;
    for (const char* worker : {"mail", "redmine", "slack", "http"}) {
        auto handlers = handlers_of(worker, settings);
        if (!handlers) continue;
        describe(*handlers);
        for (Handler& handler : *handlers)
            all.push_back({std::move(handler.task), std::move(handler.parameters), std::move(handler.result)});
    }
    return all;
}

// A program's task may have any name but these.
bool is_ours(std::string_view task) {
    return task.starts_with("mail.") || task.starts_with("redmine.") || task.starts_with("slack.") || task == "http.call";
}

} // namespace

void describe(std::vector<Handler>& handlers) {
    for (Handler& handler : handlers) {
        if (handler.task == "mail.send") handler.parameters = letter_schema();
        if (is_ours(handler.task) && handler.parameters.contains("properties"))
            handler.parameters = with_types(handler.task, std::move(handler.parameters));
        const auto row = rows().find(handler.task);
        if (row == rows().end()) continue;
        handler.parameters = with_needs(std::move(handler.parameters), row->second.needs);
        if (!row->second.results.empty()) handler.result = result_schema(row->second.results);
    }
}

const std::vector<TaskSchema>& task_schemas() {
    static const std::vector<TaskSchema> all = make_all();
    return all;
}

const TaskSchema* task_schema(std::string_view task) {
    const auto& all = task_schemas();
    const auto found = std::find_if(all.begin(), all.end(), [&](const TaskSchema& one) { return one.task == task; });
    return found == all.end() ? nullptr : &*found;
}

} // namespace baton::workers
