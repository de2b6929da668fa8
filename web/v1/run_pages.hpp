// A run as pages draw it: the graph of its workflow with what became of each step, and a time line.
// Pure functions over values.
#pragma once

#include "base/clock.hpp"
#include "orchestrator/core/run_story.hpp"
#include "orchestrator/core/workflow.hpp"

#include <boost/json/object.hpp>

#include <optional>
#include <span>

namespace baton::web {

// {title, width, height, nodes: [...], edges: [...]}
boost::json::object graph_json(const orchestrator::core::Workflow& workflow);
// The same with each node's `status`; of a repeated step also how many instances are in which.
boost::json::object graph_json(const orchestrator::core::Workflow& workflow,
                               std::span<const orchestrator::core::StepStory> steps);

// {from, to, now, rows: [{step, undo, task, status, segments: [{kind, attempt?, from, to,
// outcome?}]}]}; kinds: queued, running, backing_off, waiting.
boost::json::object timeline_json(Time from, std::optional<Time> to, Time now,
                                  std::span<const orchestrator::core::StepStory> steps);

} // namespace baton::web
