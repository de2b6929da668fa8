// Whether Redmine lets the worker do its work: reachable, its REST API on, the key an administrator's.
// Asks; changes nothing. Blocks. See workers/check.hpp.
#pragma once

#include "workers/finding.hpp"
#include "workers/redmine/redmine.hpp"

namespace baton::workers::redmine {

// The settings are complete.
Findings check(const Settings& settings);

} // namespace baton::workers::redmine
