// Reads the top level of a workflow file into a draft and hands the rest to the other readers.
#pragma once

#include "orchestrator/definition/complaints.hpp"
#include "orchestrator/definition/draft.hpp"

namespace baton::orchestrator::definition {

// `root` must outlive the draft.
Draft read_workflow(const TomlNode& root, Complaints& complaints);

} // namespace baton::orchestrator::definition
