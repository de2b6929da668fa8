// Reads [input]: what a run must be given, with defaults.
#pragma once

#include "orchestrator/core/workflow.hpp"
#include "orchestrator/definition/schema_reader.hpp"
#include "orchestrator/definition/values.hpp"

#include <vector>

namespace baton::orchestrator::definition {

// Complains about what is wrong; the fields without mistakes come back.
std::vector<core::SchemaField> read_input(const TomlNode& table, ValueReader& values,
                                          SchemaTexts& schemas);

// The fields of a form in a text of its own, which `name` names.
std::vector<core::SchemaField> read_form_file(const TomlNode& name, ValueReader& values,
                                              SchemaTexts& schemas);

} // namespace baton::orchestrator::definition
