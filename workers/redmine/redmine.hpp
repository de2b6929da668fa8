// Redmine: users, groups, projects, memberships and issues by its REST API.
//
//   redmine.create_user     {login, mail, firstname?, lastname?, name?, groups?} → {id, login, created}
//   redmine.lock_user       {id | login | mail}                       → {id, locked, open_issues}
//   redmine.create_project  {name, identifier, description?}          → {id, identifier, created}
//   redmine.add_member      {project, user, role}                     → {project, user, created}
//   redmine.create_issue    {project, subject, description?}          → {id, url, created}
//   redmine.comment         {issue, text}                             → {issue}
//
// Redmine keeps no login unique when requests race, and it translates its error texts. So every create
// looks first, decides by looking again, and tasks for one login run one after another.
#pragma once

#include "workers/handler.hpp"
#include "workers/http/http_client.hpp"

#include <string>
#include <vector>

namespace baton::workers::redmine {

struct Settings {
    std::string url;                 // "https://redmine.example.org", a path below it is fine
    std::string key;                 // API key of an administrator
    http::Limits limits = {};
};

// The settings are complete; handlers keep a copy.
std::vector<Handler> make_handlers(const Settings& settings);

} // namespace baton::workers::redmine
