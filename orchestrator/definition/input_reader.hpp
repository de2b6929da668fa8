// Reads [input]: what a run must be given, with defaults.
#pragma once

#include "orchestrator/core/workflow.hpp"
#include "orchestrator/definition/values.hpp"

#include <vector>

namespace baton::orchestrator::definition {

// Complains about what is wrong; the fields without mistakes come back.
std::vector<core::SchemaField> read_input(const TomlNode& table, ValueReader& values);

} // namespace baton::orchestrator::definition
