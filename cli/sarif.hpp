// What `baton check` finds, as SARIF 2.1.0: the format in which code hosts take findings and show
// them at the lines of a change. Pure.
#pragma once

#include "orchestrator/definition/diagnostic.hpp"

#include <boost/json/object.hpp>

#include <string_view>
#include <vector>

namespace baton::cli {

// `version` is that of this program. Files are named as they were given.
boost::json::object as_sarif(const std::vector<orchestrator::definition::Diagnostic>& diagnostics,
                             std::string_view version);

} // namespace baton::cli
