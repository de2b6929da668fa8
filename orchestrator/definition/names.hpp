// Resolves the names steps call each other by, in `after`, `go` and `on_timeout`.
#pragma once

#include "orchestrator/definition/complaints.hpp"
#include "orchestrator/definition/draft.hpp"

namespace baton::orchestrator::definition {

// Gives the steps of the draft their indices and moves them into draft.workflow, which is linked
// afterwards (also when there were complaints: what could not be resolved is left out, and
// DraftStep::place_is_unknown says where).
void connect_steps(Draft& draft, Complaints& complaints);

} // namespace baton::orchestrator::definition
