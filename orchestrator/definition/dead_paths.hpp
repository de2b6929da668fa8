// What a file says and what will never happen: steps behind a condition that cannot hold, cases of
// a switch that nobody reaches. And undos that miss an effect. Warnings only: the file does what it
// says.
#pragma once

#include "orchestrator/definition/complaints.hpp"
#include "orchestrator/definition/draft.hpp"

namespace baton::orchestrator::definition {

// Conditions are decided where they read nothing, or only inputs of few possible values: booleans
// and those with an enum. Each cause is said once, with the steps that never run because of it.
// Needs the steps linked.
void warn_of_dead_paths(const Draft& draft, Complaints& complaints);

} // namespace baton::orchestrator::definition
