// Whether a waiting step may start now, never will, or must wait on. The whole meaning of `after`,
// `join` and `go` is here.
#pragma once

#include "orchestrator/core/run.hpp"
#include "orchestrator/core/workflow.hpp"

namespace baton::orchestrator::core {

enum class Readiness {
    wait,
    start,
    skip,  // nobody sent it, or all its predecessors were skipped
    block, // a predecessor it needs failed
};

// For a step that is `waiting`.
Readiness readiness(const Workflow& workflow, const Run& run, StepIndex index);

} // namespace baton::orchestrator::core
