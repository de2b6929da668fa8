// What operators ask of a run beside cancel and retry, as requests say it and as the engine hears it: the
// routes POST /api/runs/{run}/NAME. Pure functions over values.
#pragma once

#include "base/result.hpp"
#include "orchestrator/core/event.hpp"

#include <boost/json/object.hpp>

#include <cstddef>
#include <span>
#include <string_view>

namespace baton::web {

// A reason stands in the run's row and in its history for ever.
inline constexpr std::size_t reason_bytes_max = 4096;
inline constexpr const char* too_long_a_reason = "'reason' may have 4096 bytes";

struct RunOperation {
    std::string_view name;
    bool has_step = false;
    std::string_view value{}; // the member that holds JSON: "output", "with"
    bool needs_reason = true;
};
std::span<const RunOperation> run_operations();

// What the body asks for; the failure says what it lacks or has too much.
Outcome<orchestrator::core::Event> event_of(const RunOperation& operation, const boost::json::object& body);

} // namespace baton::web
