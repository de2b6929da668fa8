// The table of tasks: name, parameters, function.
#include "workers/redmine/redmine.hpp"

#include "workers/redmine/operations.hpp"

#include <memory>

namespace baton::workers::redmine {

namespace json = boost::json;

namespace {

// In this process tasks for one login wait without taking a thread.
std::string login_key(const json::object& with) {
    std::string login = text_of(with, "login");
    if (login.empty()) login = login_from(text_of(with, "mail"));
    return login.empty() ? login : "redmine login " + lower(login);
}

struct Row {
    const char* task;
    Answer (*perform)(const Site& site, const Task& task);
    std::vector<std::string_view> parameters;
};

using Words = std::vector<std::string_view>;

// Who a task is about.
const Words person_words{"user", "id", "login", "mail", "email"};
// What can be said of every issue.
const Words issue_words{"subject",    "description", "tracker",  "status",          "priority",   "assignee", "assignee_group",
                  "watchers",   "parent",      "start_date", "due_date",      "estimated_hours", "done_ratio", "private",
                  "custom_fields", "attachments"};

Words operator+(Words words, const Words& more) {
    words.insert(words.end(), more.begin(), more.end());
    return words;
}

std::vector<Row> rows() {
    return {
        {"redmine.find_user", find_user, person_words},
        {"redmine.create_user", create_user,
         {"login", "mail", "firstname", "first_name", "lastname", "last_name", "name", "password", "generate_password",
          "must_change_passwd", "send_information", "auth_source", "language", "groups", "create_groups",
          "custom_fields"}},
        {"redmine.update_user", update_user,
         {"user", "id", "login", "new_login", "mail", "firstname", "first_name", "lastname", "last_name", "language",
          "password", "generate_password", "must_change_passwd", "send_information", "custom_fields"}},
        {"redmine.lock_user", lock_user, person_words + Words{"only_if_created_by", "allow_admin", "keep_unknown", "leave_groups"}},
        {"redmine.unlock_user", unlock_user, person_words},
        {"redmine.join_groups", join_groups, person_words + Words{"groups", "create_groups"}},
        {"redmine.leave_groups", leave_groups, person_words + Words{"groups"}},
        {"redmine.find_project", find_project, {"project"}},
        {"redmine.create_project", create_project,
         {"name", "identifier", "description", "homepage", "public", "inherit_members", "modules", "parent", "trackers",
          "custom_fields"}},
        {"redmine.update_project", update_project,
         {"project", "name", "description", "homepage", "public", "inherit_members", "modules", "parent", "trackers",
          "custom_fields", "state"}},
        {"redmine.add_member", add_member, {"project", "user", "group", "role", "roles"}},
        {"redmine.set_roles", set_roles, {"project", "user", "group", "role", "roles"}},
        {"redmine.remove_member", remove_member, {"project", "user", "group"}},
        {"redmine.find_issue", find_issue, {"issue"}},
        {"redmine.create_issue", create_issue, issue_words + Words{"project"}},
        {"redmine.update_issue", update_issue, issue_words + Words{"issue", "text", "private_text"}},
        {"redmine.close_issue", close_issue, {"issue", "status", "text"}},
        {"redmine.comment", comment, {"issue", "text", "private"}},
    };
}

} // namespace

std::vector<Handler> make_handlers(const Settings& settings) {
    const auto site = std::make_shared<const Site>(settings);
    std::vector<Handler> handlers;
    for (const Row& row : rows())
        handlers.push_back(only_with(
            row.parameters,
            {row.task, [site, perform = row.perform](const Task& task) { return perform(*site, task); }, login_key,
             "redmine"}));
    return handlers;
}

} // namespace baton::workers::redmine
