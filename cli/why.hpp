// What the server says of why a run is where it is, and who serves a task, as people read it. Pure.
#pragma once

#include <boost/json/value.hpp>

#include <string>

namespace baton::cli {

// One of the reasons that GET /baton/v1/runs/ID/why gives, as a line for people.
std::string line_of(const boost::json::value& reason);

// Who serves a task just now, as a sentence for people who wait for it; empty: somebody does.
std::string trouble_of_task(const boost::json::value& task);

} // namespace baton::cli
