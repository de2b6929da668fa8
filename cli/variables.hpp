// The variables BATON_*: whether somebody reads those that are set. A mistyped one would otherwise be
// a setting that silently is not there.
#pragma once

#include "server/config.hpp"

#include <map>
#include <string>

namespace baton::cli {

// By name, those that no part of Baton reads, each with what was probably meant: "did you mean
// 'BATON_DATA'?", or where to look. Those that Kubernetes and Docker set for a service or a container
// named baton are left out, and those of Baton's own tests.
std::map<std::string, std::string> unknown_variables(const server::Environment& environment);

} // namespace baton::cli
