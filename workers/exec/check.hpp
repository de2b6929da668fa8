// Whether the programs of worker exec can be started under their limits. None of them is run.
// Asks; changes nothing. Blocks. See workers/check.hpp.
#pragma once

#include "workers/finding.hpp"
#include "workers/exec/exec.hpp"

namespace baton::workers::exec {

// The settings are complete.
Findings check(const Settings& settings);

} // namespace baton::workers::exec
