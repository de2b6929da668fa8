// What committed facts add to the metrics of runs, steps and tasks. On the engine's thread.
#pragma once

#include "base/clock.hpp"
#include "orchestrator/runtime/engine.hpp"
#include "orchestrator/runtime/run_cache.hpp"

#include <string>

namespace baton::orchestrator::runtime {

// The task of a step, of its undo, or of the look that the attempt was; empty: it has none. The step may be an
// instance that is gone: its task is the same for all of them.
std::string task_of(const CachedRun& cached, const core::AttemptRef& ref);

void count_facts(EngineMetrics& metrics, const CachedRun& cached, Time now);

} // namespace baton::orchestrator::runtime
