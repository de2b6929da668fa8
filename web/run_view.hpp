// A run as the API shows it: the row, the history, and from the history every step with its attempts
// and times. Pure functions from rows to JSON.
#pragma once

#include "orchestrator/runtime/run_store.hpp"

#include <boost/json/value.hpp>

#include <span>
#include <string>
#include <string_view>

namespace baton::web {

// One line of a list: id, workflow, version, status, started_at, closed_at, error.
boost::json::object run_summary(const orchestrator::runtime::StoredRun& run);

// The summary with input, output, steps, history and dead letters. `paths` are those of the workflow's
// steps, in the order of its file; none: the steps come as they came up.
boost::json::object run_details(const orchestrator::runtime::RunDetails& details, std::span<const std::string> paths);

// [{"seq", "at", "facts": [...]}], as in orchestrator/core/fact.hpp.
boost::json::array history_json(std::span<const orchestrator::runtime::HistoryRow> rows);

// The steps as orchestrator/core/run_story.hpp tells them.
boost::json::array steps_json(std::span<const orchestrator::runtime::HistoryRow> rows, std::span<const std::string> paths,
                              bool is_closed);

boost::json::object dead_letter_json(const orchestrator::runtime::DeadLetter& letter);
boost::json::object dead_group_json(const orchestrator::runtime::DeadGroup& group);
boost::json::object dead_job_json(const orchestrator::runtime::DeadJob& job);

// JSON text of the store as a value; text that is no JSON becomes a string.
boost::json::value from_text(std::string_view text);

} // namespace baton::web
