// What people fill in, as JSON Schema, from which a form can be made: the input of a workflow, the
// form of an approval. Pure.
#pragma once

#include "orchestrator/core/workflow.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <string_view>

namespace baton::web {

boost::json::object input_schema(const orchestrator::core::Workflow& workflow);
// Of the approval that a step is, or that is one of the ways of its first_of; null: it asks for
// nothing but a yes.
boost::json::value approval_form(const orchestrator::core::Workflow& workflow,
                                 std::string_view step);

} // namespace baton::web
