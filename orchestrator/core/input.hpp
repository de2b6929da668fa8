// Checks the input of a run against the workflow's [input] and fills in defaults.
#pragma once

#include "orchestrator/core/document.hpp"
#include "orchestrator/core/workflow.hpp"

#include <span>
#include <string>
#include <vector>

namespace baton::orchestrator::core {

struct CheckedInput {
    Document input;                      // with defaults; meaningless when there are complaints
    std::vector<std::string> complaints; // all of them: "input.email: required", for people
};

// `input` null counts as {}.
CheckedInput check_input(std::span<const SchemaField> fields, const Document& input);

// Complaints about one value; `where` names it in them: "input.groups".
void check_value(const Schema& schema, const boost::json::value& value, const std::string& where,
                 std::vector<std::string>& complaints);

} // namespace baton::orchestrator::core
