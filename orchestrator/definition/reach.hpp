// Checks that every name an expression reads exists, may be read where it stands, and has a value
// by then.
#pragma once

#include "orchestrator/definition/complaints.hpp"
#include "orchestrator/definition/draft.hpp"
#include "orchestrator/definition/flow.hpp"

namespace baton::orchestrator::definition {

void check_reach(const Draft& draft, const Flow& flow, Complaints& complaints);

} // namespace baton::orchestrator::definition
