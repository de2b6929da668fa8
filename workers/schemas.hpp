// What Baton's own tasks take and give, as JSON Schemas (draft 7): for announcements, and for looking at
// workflow files without a server. Names come from the handlers themselves; what is needed and what comes
// back, and types, stand in the tables here. Pure.
#pragma once

#include "workers/handler.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace baton::workers {

// Adds what is needed and what comes back to handlers of Baton's own tasks; others stay as they are.
void describe(std::vector<Handler>& handlers);

struct TaskSchema {
    std::string task;
    boost::json::object parameters;
    boost::json::object result;
};

// All tasks of mail, redmine, slack and http, whatever is configured. Those of exec are in a file of the
// operator's.
const std::vector<TaskSchema>& task_schemas();

// Null: a task type that is not Baton's own.
const TaskSchema* task_schema(std::string_view task);

} // namespace baton::workers
