// Reads [[on]]: what starts runs by itself.
#pragma once

#include "orchestrator/definition/draft.hpp"
#include "orchestrator/definition/expression_reader.hpp"
#include "orchestrator/definition/values.hpp"

namespace baton::orchestrator::definition {

// `list` is the list of tables; [input] is in the draft already, since what a trigger gives is
// checked against it.
void read_triggers(const TomlNode& list, Draft& draft, ValueReader& values,
                   ExpressionReader& expressions);

} // namespace baton::orchestrator::definition
