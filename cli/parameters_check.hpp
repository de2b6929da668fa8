// Looks at the parameters that a workflow file gives to tasks of Baton's own workers. Warnings only: the
// workers that will serve them may be others. Pure.
#pragma once

#include "orchestrator/definition/diagnostic.hpp"

#include <string_view>
#include <vector>

namespace baton::cli {

// In the order of the file. Nothing about a file that is no TOML.
std::vector<orchestrator::definition::Diagnostic> parameter_warnings(std::string_view source, std::string_view file);

} // namespace baton::cli
