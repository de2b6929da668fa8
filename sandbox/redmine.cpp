// Redmine's REST calls for users, groups, projects, memberships, issues and their lists, with the statuses
// and bodies Redmine 5.0 gives: refusals of 400, 401, 403 and 404 come without a body, conflicts and
// invalid fields as 422 with texts, and a body without the expected key ends in a 500.
#include "base/utf8.hpp"
#include "sandbox/target.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace baton::sandbox {

namespace json = boost::json;

namespace {

constexpr std::string_view users = "redmine_users";
constexpr std::string_view redmine_groups = "redmine_groups";
constexpr std::string_view projects = "redmine_projects";
constexpr std::string_view memberships = "redmine_memberships";
constexpr std::string_view issues = "redmine_issues";
constexpr std::string_view fields = "redmine_custom_fields";
constexpr std::string_view uploads = "redmine_uploads";

Reply empty(int status) { return {.status = status, .body = "", .content_type = "text/html"}; }

Reply created(std::string_view path, std::int64_t id, const json::object& body) {
    return {.status = 201,
            .body = json::serialize(body),
            .headers = {{"Location", fmt::format("/redmine/{}/{}", path, id)}}};
}

Reply ok_body(const json::object& body) { return {.status = 200, .body = json::serialize(body)}; }

Reply invalid(const json::array& errors) {
    return {.status = 422, .body = json::serialize(json::object{{"errors", errors}})};
}

Reply internal_error() {
    return {.status = 500, .body = R"({"status":500,"error":"Internal Server Error"})"};
}

std::string lower_ascii(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return out;
}

std::string redmine_text(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    if (!value) return {};
    if (value->is_string()) return std::string(value->get_string());
    if (value->is_int64()) return std::to_string(value->get_int64());
    return {};
}

std::int64_t number_of(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    if (!value) return 0;
    if (value->is_int64()) return value->get_int64();
    if (value->is_string()) return std::atoll(std::string(value->get_string()).c_str());
    return 0;
}

bool says_true(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    return value && ((value->is_bool() && value->get_bool()) || redmine_text(object, key) == "1");
}

// The body's object below `key`; a reply if there is none.
std::optional<Reply> read_body(const Call& call, std::string_view key, json::object& into) {
    ErrorCode code;
    const json::value body = json::parse(call.request.body, code);
    if (code || !body.is_object()) return empty(400);
    const json::value* inner = body.get_object().if_contains(key);
    if (!inner || !inner->is_object()) return internal_error();
    into = inner->get_object();
    return std::nullopt;
}

bool is_mail(std::string_view text) {
    const std::size_t at = text.find('@');
    return at != std::string_view::npos && at > 0 && at + 1 < text.size() &&
           text.find('@', at + 1) == std::string_view::npos &&
           text.find_first_of(" \t\r\n,;") == std::string_view::npos &&
           text.find('.', at) != std::string_view::npos;
}

std::size_t characters_in(std::string_view text) {
    std::size_t count = 0;
    for (; !text.empty(); ++count) text.remove_prefix(std::max<std::size_t>(utf8_length(text), 1));
    return count;
}

// By one of the addresses: the first, or one of "further_mails".
bool has_mail(const json::object& user, std::string_view mail) {
    if (lower_ascii(redmine_text(user, "mail")) == lower_ascii(mail)) return true;
    const json::value* further = user.if_contains("further_mails");
    if (!further || !further->is_array()) return false;
    for (const json::value& one : further->get_array())
        if (one.is_string() && lower_ascii(one.get_string()) == lower_ascii(mail)) return true;
    return false;
}

// Names of fields are the site's; the values come by number.
json::array custom_values(const Call& call, const json::object& wish) {
    json::array values;
    const json::value* wished = wish.if_contains("custom_fields");
    if (!wished || !wished->is_array()) return values;
    for (const json::value& one : wished->get_array()) {
        if (!one.is_object()) continue;
        const json::object* field = call.world.find(fields, std::to_string(number_of(one.get_object(), "id")));
        if (!field) continue;
        const json::value* value = one.get_object().if_contains("value");
        values.push_back(json::object{{"id", field->at("id")}, {"name", field->at("name")},
                                      {"value", value ? *value : json::value(nullptr)}});
    }
    return values;
}

// One page of a list, as `limit` and `offset` say.
Reply page_of(const Call& call, std::string_view name, const json::array& all) {
    const auto number = [&](const char* key, std::size_t otherwise) {
        const auto found = call.request.query.find(key);
        return found == call.request.query.end()
                   ? otherwise
                   : static_cast<std::size_t>(std::max(0, std::atoi(found->second.c_str())));
    };
    const std::size_t limit = std::clamp<std::size_t>(number("limit", 25), 1, 100);
    const std::size_t offset = number("offset", 0);
    json::array page;
    for (std::size_t i = offset; i < all.size() && page.size() < limit; ++i) page.push_back(all[i]);
    json::object body{{"total_count", all.size()}, {"offset", offset}, {"limit", limit}};
    body[name] = std::move(page);
    return ok_body(body);
}

json::array problems_of(const Call& call, const json::object& user, std::int64_t own_id) {
    json::array errors;
    const std::string login = redmine_text(user, "login");
    const std::string mail = redmine_text(user, "mail");
    bool login_taken = false;
    bool mail_taken = false;
    if (call.checks_uniqueness) {
        for (const auto& [key, other] : call.world.all(users)) {
            if (number_of(other, "id") == own_id) continue;
            login_taken = login_taken || lower_ascii(redmine_text(other, "login")) == lower_ascii(login);
            mail_taken = mail_taken || has_mail(other, mail);
        }
    }
    if (mail.empty())
        errors.push_back("Email cannot be blank");
    else if (!is_mail(mail))
        errors.push_back("Email is invalid");
    else if (mail_taken)
        errors.push_back("Email has already been taken");
    if (login.empty())
        errors.push_back("Login cannot be blank");
    else if (login.find_first_of(" \t,;:/\\\"'<>") != std::string::npos)
        errors.push_back("Login is invalid");
    else if (login_taken)
        errors.push_back("Login has already been taken");
    if (redmine_text(user, "firstname").empty()) errors.push_back("First name cannot be blank");
    if (redmine_text(user, "lastname").empty()) errors.push_back("Last name cannot be blank");
    if (characters_in(redmine_text(user, "firstname")) > 30)
        errors.push_back("First name is too long (maximum is 30 characters)");
    if (characters_in(redmine_text(user, "lastname")) > 255)
        errors.push_back("Last name is too long (maximum is 255 characters)");
    return errors;
}

Reply create_user(Call& call) {
    json::object wish;
    if (auto refused = read_body(call, "user", wish)) return *refused;
    json::array errors = problems_of(call, wish, 0);
    const bool has_password = says_true(wish, "generate_password") || number_of(wish, "auth_source_id") != 0;
    if (!has_password && redmine_text(wish, "password").size() < 8)
        errors.push_back("Password is too short (minimum is 8 characters)");
    if (!errors.empty()) return invalid(errors);
    if (call.is_rehearsal) return Reply{.status = 0, .body = ""};
    // 1 to 4 belong to the administrator and the built-in principals of a fresh Redmine.
    const std::int64_t id = 4 + call.world.next_id(users);
    json::object record{{"id", id},
                        {"login", redmine_text(wish, "login")},
                        {"admin", false},
                        {"firstname", redmine_text(wish, "firstname")},
                        {"lastname", redmine_text(wish, "lastname")},
                        {"mail", redmine_text(wish, "mail")},
                        {"status", 1},
                        {"created_on", stamp()}};
    if (json::array values = custom_values(call, wish); !values.empty()) record["custom_fields"] = std::move(values);
    // Whether Redmine would have mailed the login and the password; beside the user, as in the real call.
    ErrorCode code;
    const json::value whole = json::parse(call.request.body, code);
    if (!code && says_true(whole.as_object(), "send_information")) record["was_informed"] = true;
    call.world.put(users, std::to_string(id - 4), record);
    // As in Redmine, the answer holds a key of the new user: workers must not log it.
    record["api_key"] = fmt::format("sandbox-api-key-of-user-{}", id);
    return created("users", id, {{"user", record}});
}

const json::object* user_by_id(Call& call, const std::string& id) {
    const std::int64_t number = std::atoll(id.c_str());
    static const json::object administrator{{"id", 1},           {"login", "admin"}, {"admin", true},
                                            {"firstname", "Redmine"}, {"lastname", "Admin"},
                                            {"mail", "admin@example.net"}, {"status", 1}};
    if (number == 1) return &administrator;
    return number > 4 ? call.world.find(users, std::to_string(number - 4)) : nullptr;
}

Reply list_users(Call& call) {
    const auto& query = call.request.query;
    const auto value = [&query](const char* key) {
        const auto found = query.find(key);
        return found == query.end() ? std::optional<std::string>{} : found->second;
    };
    const std::string name = lower_ascii(value("name").value_or(""));
    const std::optional<std::string> status = value("status");
    const std::size_t limit = std::min<std::size_t>(
        100, static_cast<std::size_t>(std::max(1, std::atoi(value("limit").value_or("25").c_str()))));
    const std::size_t offset =
        static_cast<std::size_t>(std::max(0, std::atoi(value("offset").value_or("0").c_str())));
    json::array page;
    std::size_t total = 0;
    for (const auto& [key, user] : call.world.all(users)) {
        const std::int64_t state = number_of(user, "status");
        // Absent: active users only; empty: all; anything else: that number, and "*" is none.
        if (!status && state != 1) continue;
        if (status && !status->empty() && std::to_string(state) != *status) continue;
        bool matches = name.empty();
        for (const char* field : {"login", "firstname", "lastname", "mail"})
            matches = matches || lower_ascii(redmine_text(user, field)).find(name) != std::string::npos;
        if (const json::value* further = user.if_contains("further_mails"); further && further->is_array())
            for (const json::value& one : further->get_array())
                matches = matches || (one.is_string() && lower_ascii(one.get_string()).find(name) != std::string::npos);
        if (!matches) continue;
        if (total >= offset && page.size() < limit) {
            // As in Redmine 5.0, only the user itself tells its status.
            json::object shown = user;
            shown.erase("status");
            shown.erase("further_mails");
            page.push_back(std::move(shown));
        }
        ++total;
    }
    return ok_body({{"users", page}, {"total_count", total}, {"offset", offset}, {"limit", limit}});
}

Reply show_user(Call& call) {
    if (call.parameters[0] == "current")
        return ok_body({{"user", json::object{{"id", 1}, {"login", "admin"}, {"admin", true}}}});
    const json::object* user = user_by_id(call, call.parameters[0]);
    if (!user) return empty(404);
    json::object shown = *user;
    shown.erase("further_mails");
    json::array in;
    for (const auto& [key, group] : call.world.all(redmine_groups))
        for (const json::value& member : group.at("users").as_array())
            if (member == shown["id"])
                in.push_back(json::object{{"id", group.at("id")}, {"name", group.at("name")}});
    const auto include = call.request.query.find("include");
    if (include != call.request.query.end() && include->second.find("groups") != std::string::npos)
        shown["groups"] = std::move(in);
    return ok_body({{"user", shown}});
}

Reply update_user(Call& call) {
    const json::object* found = user_by_id(call, call.parameters[0]);
    if (!found || number_of(*found, "id") == 1) return empty(404);
    json::object wish;
    if (auto refused = read_body(call, "user", wish)) return *refused;
    json::object record = *found;
    if (json::array values = custom_values(call, wish); !values.empty()) record["custom_fields"] = std::move(values);
    for (const char* field : {"login", "firstname", "lastname", "mail"})
        if (wish.contains(field)) record[field] = redmine_text(wish, field);
    if (wish.contains("status")) record["status"] = number_of(wish, "status");
    const json::array errors = problems_of(call, record, number_of(record, "id"));
    if (!errors.empty()) return invalid(errors);
    const std::string key = std::to_string(number_of(record, "id") - 4);
    call.world.put(users, key, std::move(record));
    return empty(204);
}

Reply delete_user(Call& call) {
    const json::object* found = user_by_id(call, call.parameters[0]);
    if (!found) return empty(404);
    call.world.erase(users, std::to_string(number_of(*found, "id") - 4));
    return empty(204);
}

Reply list_redmine_groups(Call& call) {
    json::array list;
    for (const auto& [key, group] : call.world.all(redmine_groups))
        list.push_back(json::object{{"id", group.at("id")}, {"name", group.at("name")}});
    return ok_body({{"groups", list}});
}

Reply create_redmine_group(Call& call) {
    json::object wish;
    if (auto refused = read_body(call, "group", wish)) return *refused;
    const std::string name = redmine_text(wish, "name");
    if (name.empty()) return invalid({"Name cannot be blank"});
    for (const auto& [key, group] : call.world.all(redmine_groups))
        if (lower_ascii(redmine_text(group, "name")) == lower_ascii(name)) return invalid({"Name has already been taken"});
    const std::int64_t id = call.world.next_id(redmine_groups);
    const json::object record{{"id", id}, {"name", name}, {"users", json::array{}}};
    call.world.put(redmine_groups, std::to_string(id), record);
    return created("groups", id, {{"group", json::object{{"id", id}, {"name", name}}}});
}

Reply add_to_group(Call& call) {
    const json::object* found = call.world.find(redmine_groups, call.parameters[0]);
    if (!found) return empty(404);
    ErrorCode code;
    const json::value body = json::parse(call.request.body, code);
    if (code || !body.is_object()) return empty(400);
    const std::int64_t id = number_of(body.get_object(), "user_id");
    json::object group = *found;
    json::array& members = group["users"].as_array();
    const bool is_member = std::find(members.begin(), members.end(), json::value(id)) != members.end();
    if (is_member || !user_by_id(call, std::to_string(id))) return invalid({"User is invalid"});
    members.push_back(id);
    call.world.put(redmine_groups, call.parameters[0], std::move(group));
    return empty(204);
}

Reply remove_from_group(Call& call) {
    const json::object* found = call.world.find(redmine_groups, call.parameters[0]);
    if (!found) return empty(404);
    json::object group = *found;
    json::array& members = group["users"].as_array();
    const auto at = std::find(members.begin(), members.end(), json::value(std::atoll(call.parameters[1].c_str())));
    if (at == members.end()) return empty(404);
    members.erase(at);
    call.world.put(redmine_groups, call.parameters[0], std::move(group));
    return empty(204);
}

Reply list_fields(Call& call) {
    json::array list;
    for (const auto& [key, field] : call.world.all(fields)) list.push_back(field);
    return ok_body({{"custom_fields", list}});
}

// By number or identifier, as Redmine takes both.
const json::object* project_by(Call& call, const std::string& name) {
    if (const json::object* found = call.world.find(projects, name)) return found;
    for (const auto& [key, project] : call.world.all(projects))
        if (redmine_text(project, "identifier") == name) return &project;
    return nullptr;
}

Reply create_project(Call& call) {
    json::object wish;
    if (auto refused = read_body(call, "project", wish)) return *refused;
    const std::string name = redmine_text(wish, "name");
    const std::string identifier = redmine_text(wish, "identifier");
    json::array errors;
    if (name.empty()) errors.push_back("Name cannot be blank");
    if (identifier.empty()) {
        errors.push_back("Identifier cannot be blank");
    } else if (identifier.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_") !=
                   std::string::npos ||
               std::isalpha(static_cast<unsigned char>(identifier[0])) == 0) {
        errors.push_back("Identifier is invalid");
    } else if (project_by(call, identifier)) {
        errors.push_back("Identifier has already been taken");
    }
    if (!errors.empty()) return invalid(errors);
    const std::int64_t id = call.world.next_id(projects);
    const json::object record{{"id", id},       {"name", name},  {"identifier", identifier},
                              {"status", 1},    {"description", redmine_text(wish, "description")},
                              {"created_on", stamp()}};
    call.world.put(projects, std::to_string(id), record);
    return created("projects", id, {{"project", record}});
}

constexpr std::int64_t project_closed = 5;
constexpr std::int64_t project_archived = 9;

Reply show_project(Call& call) {
    const json::object* project = project_by(call, call.parameters[0]);
    if (!project) return empty(404);
    if (number_of(*project, "status") == project_archived) return empty(403);
    return ok_body({{"project", *project}});
}

Reply list_projects(Call& call) {
    json::array list;
    for (const auto& [key, project] : call.world.all(projects)) list.push_back(project);
    return page_of(call, "projects", list);
}

Reply update_project(Call& call) {
    const json::object* found = project_by(call, call.parameters[0]);
    if (!found) return empty(404);
    json::object wish;
    if (auto refused = read_body(call, "project", wish)) return *refused;
    json::object record = *found;
    for (const auto& [name, value] : wish) record[name] = value;
    call.world.put(projects, std::to_string(number_of(record, "id")), record);
    return empty(204);
}

Reply set_project_state(Call& call, std::int64_t status) {
    const json::object* found = project_by(call, call.parameters[0]);
    if (!found) return empty(404);
    json::object record = *found;
    record["status"] = status;
    call.world.put(projects, std::to_string(number_of(record, "id")), record);
    return empty(204);
}
Reply reopen_project(Call& call) { return set_project_state(call, 1); }
Reply close_project(Call& call) { return set_project_state(call, project_closed); }
Reply archive_project(Call& call) { return set_project_state(call, project_archived); }

Reply list_roles(Call&) {
    return ok_body({{"roles", json::array{json::object{{"id", 3}, {"name", "Manager"}},
                                     json::object{{"id", 4}, {"name", "Developer"}},
                                     json::object{{"id", 5}, {"name", "Reporter"}}}}});
}

Reply add_member(Call& call) {
    const json::object* project = project_by(call, call.parameters[0]);
    if (!project) return empty(404);
    json::object wish;
    if (auto refused = read_body(call, "membership", wish)) return *refused;
    const std::int64_t user = number_of(wish, "user_id");
    const json::value* roles = wish.if_contains("role_ids");
    if (!user_by_id(call, std::to_string(user))) return invalid({"Principal cannot be blank"});
    if (!roles || !roles->is_array() || roles->get_array().empty())
        return invalid({"Role cannot be empty"});
    for (const auto& [key, member] : call.world.all(memberships))
        if (member.at("project_id") == project->at("id") && number_of(member, "user_id") == user)
            return invalid({"User has already been taken"});
    const std::int64_t id = call.world.next_id(memberships);
    const json::object record{{"id", id}, {"project_id", project->at("id")}, {"user_id", user},
                              {"role_ids", *roles}};
    call.world.put(memberships, std::to_string(id), record);
    return created("memberships", id, {{"membership", json::object{{"id", id}}}});
}

Reply list_members(Call& call) {
    const json::object* project = project_by(call, call.parameters[0]);
    if (!project) return empty(404);
    json::array list;
    for (const auto& [key, member] : call.world.all(memberships)) {
        if (member.at("project_id") != project->at("id")) continue;
        json::array roles;
        for (const json::value& role : member.at("role_ids").as_array())
            roles.push_back(json::object{{"id", role}});
        list.push_back(json::object{{"id", member.at("id")},
                                    {"user", json::object{{"id", member.at("user_id")}}},
                                    {"roles", roles}});
    }
    return page_of(call, "memberships", list);
}

Reply update_member(Call& call) {
    const json::object* found = call.world.find(memberships, call.parameters[0]);
    if (!found) return empty(404);
    json::object wish;
    if (auto refused = read_body(call, "membership", wish)) return *refused;
    const json::value* roles = wish.if_contains("role_ids");
    if (!roles || !roles->is_array() || roles->get_array().empty()) return invalid({"Role cannot be empty"});
    json::object record = *found;
    record["role_ids"] = *roles;
    call.world.put(memberships, call.parameters[0], std::move(record));
    return empty(204);
}

Reply remove_member(Call& call) { return empty(call.world.erase(memberships, call.parameters[0]) ? 204 : 404); }

// --- issues ---------------------------------------------------------------------------------------

json::array named(std::initializer_list<const char*> names) {
    json::array list;
    for (const char* name : names) list.push_back(json::object{{"id", list.size() + 1}, {"name", name}});
    return list;
}

Reply list_trackers(Call&) { return ok_body({{"trackers", named({"Bug", "Feature", "Support"})}}); }

Reply list_priorities(Call&) {
    return ok_body({{"issue_priorities", named({"Low", "Normal", "High", "Urgent", "Immediate"})}});
}

json::array all_statuses() {
    json::array list = named({"New", "In Progress", "Resolved", "Feedback", "Closed", "Rejected"});
    for (json::value& one : list) one.as_object()["is_closed"] = one.at("id").to_number<int>() >= 5;
    return list;
}

Reply list_statuses(Call&) { return ok_body({{"issue_statuses", all_statuses()}}); }

// Watchers and files are kept with the issue; a file must have been uploaded.
std::optional<Reply> apply(Call& call, const json::object& wish, json::object& record) {
    for (const char* field : {"subject", "description", "start_date", "due_date"})
        if (wish.contains(field)) record[field] = redmine_text(wish, field);
    for (const char* field : {"assigned_to_id", "tracker_id", "priority_id", "status_id", "parent_issue_id"})
        if (wish.contains(field)) record[field] = number_of(wish, field);
    if (redmine_text(record, "subject").empty()) return invalid({"Subject cannot be blank"});
    if (redmine_text(record, "subject").size() > 255) return invalid({"Subject is too long (maximum is 255 characters)"});
    const std::int64_t assignee = number_of(record, "assigned_to_id");
    if (assignee != 0 && !user_by_id(call, std::to_string(assignee))) return invalid({"Assignee is invalid"});
    if (json::array values = custom_values(call, wish); !values.empty()) record["custom_fields"] = std::move(values);
    if (wish.contains("watcher_user_ids")) record["watchers"] = wish.at("watcher_user_ids");
    if (const json::value* files = wish.if_contains("uploads"); files && files->is_array()) {
        json::array kept = record.contains("attachments") ? record["attachments"].as_array() : json::array{};
        for (const json::value& file : files->get_array()) {
            if (!call.world.find(uploads, redmine_text(file.as_object(), "token"))) return invalid({"File is invalid"});
            kept.push_back(json::object{{"filename", file.at("filename")}});
        }
        record["attachments"] = std::move(kept);
    }
    return std::nullopt;
}

Reply create_issue(Call& call) {
    json::object wish;
    if (auto refused = read_body(call, "issue", wish)) return *refused;
    const json::object* project = project_by(call, redmine_text(wish, "project_id"));
    if (!project || number_of(*project, "status") != 1) return invalid({"Project cannot be blank"});
    json::object record{{"project", json::object{{"id", project->at("id")}, {"name", project->at("name")}}},
                        {"description", ""},
                        {"assigned_to_id", 0},
                        {"status_id", 1},
                        {"created_on", stamp()}};
    if (auto refused = apply(call, wish, record)) return *refused;
    const std::int64_t id = call.world.next_id(issues);
    record["id"] = id;
    call.world.put(issues, std::to_string(id), record);
    return created("issues", id, {{"issue", record}});
}

json::object shown_issue(const json::object& issue) {
    json::object shown = issue;
    const auto status = static_cast<std::size_t>(number_of(issue, "status_id"));
    const json::array statuses = all_statuses();
    if (status >= 1 && status <= statuses.size()) shown["status"] = statuses[status - 1];
    json::array journals;
    if (const json::value* notes = issue.if_contains("notes"))
        for (const json::value& note : notes->as_array()) journals.push_back(json::object{{"notes", note}});
    shown["journals"] = std::move(journals);
    return shown;
}

Reply show_issue(Call& call) {
    const json::object* found = call.world.find(issues, call.parameters[0]);
    return found ? ok_body({{"issue", shown_issue(*found)}}) : empty(404);
}

Reply list_issues(Call& call) {
    const auto value = [&](const char* key) {
        const auto found = call.request.query.find(key);
        return found == call.request.query.end() ? std::optional<std::string>() : found->second;
    };
    const auto subject = value("subject");
    const auto project = value("project_id");
    const auto assignee = value("assigned_to_id");
    const auto description = value("v[description][]");
    json::array list;
    for (const auto& [key, issue] : call.world.all(issues)) {
        if (subject && redmine_text(issue, "subject") != *subject) continue;
        if (assignee && redmine_text(issue, "assigned_to_id") != *assignee) continue;
        if (description && lower_ascii(redmine_text(issue, "description")).find(lower_ascii(*description)) == std::string::npos) continue;
        if (value("status_id") == "open" && number_of(issue, "status_id") >= 5) continue;
        if (project) {
            const json::object* wanted = project_by(call, *project);
            if (!wanted || issue.at("project").as_object().at("id") != wanted->at("id")) continue;
        }
        list.push_back(shown_issue(issue));
    }
    return page_of(call, "issues", list);
}

Reply update_issue(Call& call) {
    const json::object* found = call.world.find(issues, call.parameters[0]);
    if (!found) return empty(404);
    json::object wish;
    if (auto refused = read_body(call, "issue", wish)) return *refused;
    json::object record = *found;
    if (auto refused = apply(call, wish, record)) return *refused;
    if (wish.contains("notes")) {
        json::array notes = record.contains("notes") ? record["notes"].as_array() : json::array{};
        notes.push_back(wish["notes"]);
        record["notes"] = std::move(notes);
    }
    call.world.put(issues, call.parameters[0], std::move(record));
    return empty(204);
}

Reply add_watcher(Call& call) {
    const json::object* found = call.world.find(issues, call.parameters[0]);
    if (!found) return empty(404);
    ErrorCode code;
    const json::value body = json::parse(call.request.body, code);
    if (code || !body.is_object()) return empty(400);
    json::object record = *found;
    json::array watchers = record.contains("watchers") ? record["watchers"].as_array() : json::array{};
    const json::value who(number_of(body.get_object(), "user_id"));
    if (std::find(watchers.begin(), watchers.end(), who) == watchers.end()) watchers.push_back(who);
    record["watchers"] = std::move(watchers);
    call.world.put(issues, call.parameters[0], std::move(record));
    return empty(204);
}

Reply upload(Call& call) {
    const std::int64_t id = call.world.next_id(uploads);
    const std::string token = fmt::format("{}.sandbox", id);
    call.world.put(uploads, token, {{"id", id}, {"bytes", call.request.body.size()}});
    return {.status = 201,
            .body = json::serialize(json::object{{"upload", json::object{{"id", id}, {"token", token}}}})};
}

std::optional<Reply> refuse_redmine_stranger(const Call& call) {
    if (call.request.header("x-redmine-api-key") == call.options.redmine_key) return std::nullopt;
    Reply reply = empty(401);
    reply.headers["WWW-Authenticate"] = "Basic realm=\"Redmine API\"";
    return reply;
}

Reply redmine_refusal(std::string_view error) { return invalid({json::string(error)}); }

Reply unknown_redmine_route() {
    return {.status = 404,
            .body = "<!DOCTYPE html><html><body><h1>Page not found</h1></body></html>",
            .content_type = "text/html"};
}

Reply who_am_i(Call&) {
    return ok_body({{"user", json::object{{"id", 1}, {"login", "admin"}, {"admin", true}}}});
}

constexpr std::array redmine_routes = {
    Route{"POST", "/users.json", "redmine.create_user", create_user},
    Route{"GET", "/users/current.json", "redmine.who_am_i", who_am_i},
    Route{"GET", "/users.json", "redmine.find_user", list_users},
    Route{"GET", "/users/{}.json", "redmine.show_user", show_user},
    Route{"PUT", "/users/{}.json", "redmine.update_user", update_user},
    Route{"DELETE", "/users/{}.json", "redmine.delete_user", delete_user},
    Route{"GET", "/groups.json", "redmine.list_groups", list_redmine_groups},
    Route{"POST", "/groups.json", "redmine.create_group", create_redmine_group},
    Route{"POST", "/groups/{}/users.json", "redmine.add_to_group", add_to_group},
    Route{"DELETE", "/groups/{}/users/{}.json", "redmine.remove_from_group", remove_from_group},
    Route{"GET", "/custom_fields.json", "redmine.list_fields", list_fields},
    Route{"POST", "/projects.json", "redmine.create_project", create_project},
    Route{"GET", "/projects.json", "redmine.list_projects", list_projects},
    Route{"GET", "/projects/{}.json", "redmine.show_project", show_project},
    Route{"POST", "/projects/{}/memberships.json", "redmine.add_member", add_member},
    Route{"GET", "/projects/{}/memberships.json", "redmine.list_members", list_members},
    Route{"PUT", "/projects/{}.json", "redmine.update_project", update_project},
    Route{"PUT", "/projects/{}/close.json", "redmine.close_project", close_project},
    Route{"PUT", "/projects/{}/reopen.json", "redmine.reopen_project", reopen_project},
    Route{"PUT", "/projects/{}/archive.json", "redmine.archive_project", archive_project},
    Route{"PUT", "/projects/{}/unarchive.json", "redmine.unarchive_project", reopen_project},
    Route{"PUT", "/memberships/{}.json", "redmine.update_member", update_member},
    Route{"DELETE", "/memberships/{}.json", "redmine.remove_member", remove_member},
    Route{"GET", "/roles.json", "redmine.list_roles", list_roles},
    Route{"POST", "/issues.json", "redmine.create_issue", create_issue},
    Route{"GET", "/issues.json", "redmine.find_issue", list_issues},
    Route{"GET", "/issues/{}.json", "redmine.show_issue", show_issue},
    Route{"PUT", "/issues/{}.json", "redmine.update_issue", update_issue},
    Route{"POST", "/issues/{}/watchers.json", "redmine.add_watcher", add_watcher},
    Route{"GET", "/trackers.json", "redmine.list_trackers", list_trackers},
    Route{"GET", "/issue_statuses.json", "redmine.list_statuses", list_statuses},
    Route{"GET", "/enumerations/issue_priorities.json", "redmine.list_priorities", list_priorities},
    Route{"POST", "/uploads.json", "redmine.upload", upload},
};

} // namespace

const Target& redmine_target() {
    static const Target target{"/redmine", redmine_routes, refuse_redmine_stranger, redmine_refusal, unknown_redmine_route};
    return target;
}

} // namespace baton::sandbox
