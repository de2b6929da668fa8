// The tasks, one function each; redmine.cpp has the table of them.
#pragma once

#include "workers/redmine/claim.hpp"

namespace baton::workers::redmine {

// users.cpp
Answer find_user(const Site& site, const Task& task);
Answer create_user(const Site& site, const Task& task);
Answer update_user(const Site& site, const Task& task);
Answer lock_user(const Site& site, const Task& task);
Answer unlock_user(const Site& site, const Task& task);
Answer join_groups(const Site& site, const Task& task);
Answer leave_groups(const Site& site, const Task& task);

// projects.cpp
Answer find_project(const Site& site, const Task& task);
Answer create_project(const Site& site, const Task& task);
Answer update_project(const Site& site, const Task& task);
Answer add_member(const Site& site, const Task& task);
Answer set_roles(const Site& site, const Task& task);
Answer remove_member(const Site& site, const Task& task);

// issues.cpp
Answer find_issue(const Site& site, const Task& task);
Answer create_issue(const Site& site, const Task& task);
Answer update_issue(const Site& site, const Task& task);
Answer close_issue(const Site& site, const Task& task);
Answer comment(const Site& site, const Task& task);

} // namespace baton::workers::redmine
