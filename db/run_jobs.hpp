// Bulk jobs over runs as rows, for both databases: columns and how one is read. Private to db.
#pragma once

#include "db/run_search.hpp"

#include <string>

namespace baton::db {

// Times are microseconds in both.
inline constexpr const char* run_job_select =
    "select id, key, node, at, actor, action, query, interval, stop_after, state, closed_at, "
    "total, total_is_exact, cursor, done, "
    "refused, note from run_job";
runtime::RunJob read_run_job(const SqlRow& row);

} // namespace baton::db
