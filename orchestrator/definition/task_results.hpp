// What workers say that their tasks give, as far as the checks of a file use it. Plain values.
#pragma once

#include "orchestrator/expression/value.hpp"

#include <functional>
#include <map>
#include <optional>
#include <string>

namespace baton::orchestrator::definition {

// The members of a result, with their kinds where they are certain.
using ResultFields = std::map<std::string, std::optional<expression::Kind>, std::less<>>;

// By the name a step calls the task by, with its queue. A task that is not here may give anything.
using TaskResults = std::map<std::string, ResultFields, std::less<>>;

} // namespace baton::orchestrator::definition
