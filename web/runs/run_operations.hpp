// What operators ask of a run, as requests say it and as the engine hears it: the
// routes POST /api/runs/{run}/NAME. Pure functions over values.
#pragma once

#include "base/result.hpp"
#include "orchestrator/core/event.hpp"

#include <boost/json/object.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace baton::web {

// A reason stands in the run's row and in its history for ever.
inline constexpr std::size_t reason_bytes_max = 4096;
inline constexpr const char* too_long_a_reason = "'reason' may have 4096 bytes";

struct RunOperation {
    std::string_view name;
    bool has_step = false;
    std::string_view value{}; // the member that holds JSON: "output", "with"
    bool needs_reason = true;
    bool is_message = false; // a signal or an answer: who may give it the run knows
};
std::span<const RunOperation> run_operations();
// Absent: there is none of this name.
const RunOperation* find_operation(std::string_view name);

// Who asks.
struct Asker {
    std::string user{};
    std::vector<std::string> roles{};
    bool may_operate = false;
};

// What the body asks for; the failure says what it lacks or has too much.
Outcome<orchestrator::core::Event>
event_of(const RunOperation& operation, const boost::json::object& body, const Asker& asker = {});

} // namespace baton::web
