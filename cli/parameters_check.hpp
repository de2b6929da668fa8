// Looks at the parameters that a workflow file gives to tasks: of Baton's own workers, and of any that a server knows.
// Warnings only: the workers that will serve them may be others. Pure.
#pragma once

#include "orchestrator/definition/diagnostic.hpp"
#include "orchestrator/definition/task_results.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace baton::cli {

// JSON Schemas of parameters by task type: what the workers of a server take. Several where they differ.
using OfferedTasks = std::multimap<std::string, boost::json::object, std::less<>>;

// From an answer to GET /api/tasks; what makes no sense is left out.
OfferedTasks offered_tasks(const boost::json::value& answer);

// What the tasks of Baton's own workers give, or of those of the same answer where it says so.
orchestrator::definition::TaskResults known_results(const boost::json::value& answer = {});

// The places in a file that call a task, undos too, by the name it is called by, with its queue.
struct CallPlace {
    std::string route;
    orchestrator::definition::Diagnostic at; // without a message
};
std::vector<CallPlace> calls_in(std::string_view source, std::string_view file);

// In the order of the file. Nothing about a file that is no TOML. What is offered counts instead of what this program
// knows of Baton's own tasks.
std::vector<orchestrator::definition::Diagnostic> parameter_warnings(std::string_view source, std::string_view file,
                                                                     const OfferedTasks& offered = {});

} // namespace baton::cli
