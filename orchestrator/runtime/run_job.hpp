// Many runs that a query finds, changed one after the other by the server: a row of the store, so
// that it goes on after a crash of the server or of who asked. Pure functions; run_job_keeper.hpp
// does the work.
#pragma once

#include "orchestrator/runtime/run_store.hpp"

#include <boost/json/object.hpp>

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace baton::orchestrator::runtime {

// What a job may do to a run, and the members its request may have beside `reason`.
std::span<const std::string_view> run_job_actions();

// {"action":…, "reason":…, "status"?, "now"?, "step"?}: checked; the failure says what it lacks or
// has too much.
Outcome<void> check_run_action(const boost::json::object& action);

// Runs a second when nobody says how many.
inline constexpr Duration run_job_interval = std::chrono::milliseconds(100);
// More at the same time would only wait for each other.
inline constexpr std::size_t running_run_jobs_max = 20;

// What a job's query finds: nothing that started after it was asked for, however often it is read
// again.
Outcome<RunSearch> search_of(const RunJob& job);

} // namespace baton::orchestrator::runtime
