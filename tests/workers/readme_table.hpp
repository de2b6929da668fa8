// Tables of a worker's README that come out of tests: what every answer of a target means. BATON_UPDATE_TABLES=1 writes them
// anew.
#pragma once

#include "workers/handler.hpp"

#include <map>
#include <string>

namespace baton::workers::test {

// "`rate_limited`, no attempt, waits as told": as all the READMEs say it.
std::string in_words(const contract::Problem& problem);

// A Content-Type, as FaultyProxy wants it.
std::map<std::string, std::string> of_type(std::string type);

// The lines of workers/WORKER/README.md between "<!-- NAME: … -->" and "<!-- end of NAME -->" are `table`, or become it.
void expect_table(const std::string& worker, const std::string& name, const std::string& table);

} // namespace baton::workers::test
