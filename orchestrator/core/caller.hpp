// Who began a run by a call and waits for its answer.
#pragma once

#include "base/clock.hpp"
#include "orchestrator/core/run.hpp"

#include <optional>

namespace baton::orchestrator::core {

// When the caller is told that there is no answer yet; nothing: nobody waits, or without a limit.
std::optional<Time> answer_due(const Run& run);

} // namespace baton::orchestrator::core
