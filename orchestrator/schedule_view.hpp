// A schedule as people see it, in JSON.
#pragma once

#include "base/clock.hpp"
#include "orchestrator/core/workflow.hpp"
#include "orchestrator/schedule/schedule.hpp"

#include <boost/json/object.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace baton::orchestrator {

// Who starts its runs, in their histories.
std::string schedule_actor(std::string_view workflow, std::string_view trigger);
// "2026-03-29T03:00:00+02:00"
std::string local_text(Time time, const std::string& zone);
// `next`: so many starts ahead.
boost::json::object schedule_view(const core::Workflow& workflow, const schedule::Rule& rule,
                                  const schedule::Memory& memory, Time now, std::uint32_t next);
std::string serialized(const boost::json::object& object);

} // namespace baton::orchestrator
