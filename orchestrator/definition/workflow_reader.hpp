// Reads the top level of a workflow file into a draft and hands the rest to the other readers.
#pragma once

#include "orchestrator/definition/complaints.hpp"
#include "orchestrator/definition/draft.hpp"

namespace baton::orchestrator::definition {

// `root` and `results` must outlive the draft; `results` may be null.
Draft read_workflow(const TomlNode& root, Complaints& complaints, const TaskResults* results,
                    const SchemaTexts::Find& schema);

} // namespace baton::orchestrator::definition
