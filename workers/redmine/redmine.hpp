// Redmine: users, groups, projects, memberships and issues by its REST API. README.md has the operations,
// the rights they need and what every answer of Redmine means for a task.
//
// Redmine keeps no login unique when requests race, and it translates its error texts. So every create
// looks first, decides by looking again, and tasks for one thing run one after another, in all processes
// that share a broker (claim.hpp).
#pragma once

#include "workers/attachments.hpp"
#include "workers/handler.hpp"
#include "workers/http/http_client.hpp"
#include "workers/key_locks.hpp"

#include <memory>
#include <string>
#include <vector>

namespace baton::workers::redmine {

struct Settings {
    std::string url;                 // "https://redmine.example.org", a path below it is fine
    std::string key;                 // API key of an administrator
    std::string key_field;           // name of a custom field of users that keeps who made them; may be empty
    http::Limits limits = {};
    FetchFile files = {};            // attachments that are somewhere else; empty: none are
    // Null: only this process looks and makes.
    std::shared_ptr<KeyLocks> locks = nullptr;
};

// The settings are complete; handlers keep a copy.
std::vector<Handler> make_handlers(const Settings& settings);

} // namespace baton::workers::redmine
