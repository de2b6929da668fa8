// Which dead letters a request means: the conditions of its query or its body. Pure functions over
// values.
#pragma once

#include "base/result.hpp"
#include "orchestrator/runtime/run_store.hpp"
#include "web/http/http_server.hpp"

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace baton::web {

// Nothing: a sentence somebody can keep.
std::optional<Failure> fault_in(std::string_view name, std::string_view text,
                                std::size_t bytes_max);

// `value_of` gives the text of a condition by its name, empty where there is none.
Outcome<orchestrator::runtime::DeadLetterFilter>
dead_filter_of(const std::function<std::string(const char*)>& value_of);

// ?state=: open unless said otherwise; nothing: all.
Outcome<std::optional<orchestrator::runtime::DeadLetterState>>
dead_state_of(const Request& request);

} // namespace baton::web
