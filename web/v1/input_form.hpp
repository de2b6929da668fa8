// The input of a workflow as JSON Schema, from which a form can be made. Pure.
#pragma once

#include "orchestrator/core/workflow.hpp"

#include <boost/json/object.hpp>

namespace baton::web {

boost::json::object input_schema(const orchestrator::core::Workflow& workflow);

} // namespace baton::web
