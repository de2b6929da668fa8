// Joins: whether a step's turn has come, by what became of those it waits for.
#pragma once

#include "orchestrator/core/run.hpp"
#include "orchestrator/core/workflow.hpp"

namespace baton::orchestrator::core {

enum class Turn : std::uint8_t {
    wait,
    start,
    skip,  // nobody needs it: all before it were skipped
    block, // never: one before it failed
};

Turn turn_after(const Step& step, const Tally& before);

} // namespace baton::orchestrator::core
