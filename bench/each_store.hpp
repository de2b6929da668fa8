// What the bench programs of the stores have in common: on which databases they measure.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace baton {

// Measures on each of these databases; on none, on a new SQLite file and on a PostgreSQL server of
// its own whose disk is real. The exit code: 0 where all went well.
int on_each_store(std::vector<std::string> urls,
                  const std::function<bool(const std::string& url)>& measure);

} // namespace baton
