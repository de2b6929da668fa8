// Who says whether a task may be handed out now. Live it is the engine, which knows what people let
// pause; what it says is noted as a fact, so the history needs nobody to say it again.
#pragma once

#include "orchestrator/core/workflow.hpp"

#include <string>
#include <string_view>

namespace baton::orchestrator::core {

class Gate {
public:
    virtual ~Gate() = default;
    // Empty: it may go. Else why it is held, for people.
    virtual std::string why_held(const TaskCall& call, std::string_view route) const = 0;
};

// Holds nothing.
const Gate& open_gate();

} // namespace baton::orchestrator::core
