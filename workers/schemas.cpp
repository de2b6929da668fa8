// The tables. A parameter is needed if the task fails as invalid_input without it, whatever else is given.
#include "workers/schemas.hpp"

#include "base/suggest.hpp"
#include "workers/settings.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
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

std::vector<std::string_view> texts_in(const json::value* list) {
    std::vector<std::string_view> texts;
    if (list && list->is_array())
        for (const json::value& one : list->get_array())
            if (one.is_string()) texts.emplace_back(one.get_string());
    return texts;
}

const json::object* member(const json::object& schema, std::string_view name) {
    const json::value* found = schema.if_contains(name);
    return found ? found->if_object() : nullptr;
}

// Reads the schemas that are made above, not any.
class Reading {
public:
    Reading(const TaskSchema& schema, const std::vector<std::string>& names)
        : task_(schema.task), given_(names), there_(names.begin(), names.end()) {}

    std::vector<Complaint> complaints;

    void read(const json::object& schema) {
        if (const json::value* closed = schema.if_contains("additionalProperties"); closed && *closed == json::value(false)) {
            Words known;
            for (const auto& property : schema.at("properties").as_object()) known.emplace_back(property.key());
            only(known);
        }
        if (const json::object* names = member(schema, "propertyNames")) only(texts_in(names->if_contains("enum")));
        for (const std::string_view name : texts_in(schema.if_contains("required"))) one_of({name});
        if (const json::value* all = schema.if_contains("allOf"); all && all->is_array())
            for (const json::value& choice : all->get_array()) one_of(names_of(choice.as_object()));
        const json::object* condition = member(schema, "if");
        const json::object* otherwise = member(schema, "else");
        if (condition && otherwise && !has_any(texts_in(condition->if_contains("required")))) read(*otherwise);
    }

private:
    static Words names_of(const json::object& choice) {
        Words names;
        for (const json::value& one : choice.at("anyOf").as_array())
            for (const std::string_view name : texts_in(one.as_object().if_contains("required"))) names.push_back(name);
        return names;
    }

    bool has_any(const Words& names) const {
        return std::any_of(names.begin(), names.end(), [&](std::string_view name) { return there_.contains(name); });
    }

    void only(const Words& known) {
        for (const std::string& name : given_) {
            if (std::find(known.begin(), known.end(), name) != known.end()) continue;
            const auto near = suggest(name, known);
            complaints.push_back({name, fmt::format("{} has no parameter '{}'", task_, name),
                                  near ? fmt::format("did you mean '{}'?", *near) : fmt::format("it takes {}", fmt::join(known, ", "))});
        }
    }

    void one_of(const Words& names) {
        if (has_any(names)) return;
        complaints.push_back({{}, names.size() == 1 ? fmt::format("{} needs the parameter '{}'", task_, names.front())
                                                    : fmt::format("{} needs one of the parameters {}", task_, fmt::join(names, ", ")), {}});
    }

    std::string_view task_;
    const std::vector<std::string>& given_;
    std::set<std::string, std::less<>> there_;
};

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

} // namespace

void describe(std::vector<Handler>& handlers) {
    for (Handler& handler : handlers) {
        if (handler.task == "mail.send") handler.parameters = letter_schema();
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

std::vector<Complaint> complaints_about(std::string_view task, const std::vector<std::string>& names) {
    for (const TaskSchema& schema : task_schemas()) {
        if (schema.task != task) continue;
        Reading reading(schema, names);
        reading.read(schema.parameters);
        return std::move(reading.complaints);
    }
    return {};
}

} // namespace baton::workers
