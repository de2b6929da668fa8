// A run as the API shows it: the row, the history, and from the history every step with its attempts
// and times. Pure functions from rows to JSON.
#pragma once

#include "orchestrator/core/run_story.hpp"
#include "orchestrator/runtime/run_store.hpp"

#include <boost/json/value.hpp>

#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace baton::web {

// One line of a list: id, workflow, version, status, started_at, closed_at, error.
boost::json::object run_summary(const orchestrator::runtime::StoredRun& run);

// The summary with the labels and the key the run can be found by, if it was read with them.
boost::json::object found_summary(const orchestrator::runtime::StoredRun& run);

// A run told from its row and its history, which goes by page by page and is not kept: that with input,
// output, steps, requests (what people asked for, with `at`), dead letters, and the first rows of the history;
// `history_next` is the seq behind which the others are, or null.
class RunTeller {
public:
    RunTeller();
    ~RunTeller();
    void add(std::span<const orchestrator::runtime::HistoryRow> rows);
    // `paths` are those of the workflow's steps, in the order of its file; none: the steps come as they came up.
    boost::json::object tell(const orchestrator::runtime::RunDetails& details, std::span<const std::string> paths);

private:
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

boost::json::object step_json(const orchestrator::core::StepStory& step);

// [{"seq", "at", "facts": [...]}], as in orchestrator/core/fact.hpp.
boost::json::array history_json(std::span<const orchestrator::runtime::HistoryRow> rows);

boost::json::object dead_letter_json(const orchestrator::runtime::DeadLetter& letter);
boost::json::object dead_group_json(const orchestrator::runtime::DeadGroup& group);
boost::json::object dead_job_json(const orchestrator::runtime::DeadJob& job);

// JSON text of the store as a value; text that is no JSON becomes a string.
boost::json::value from_text(std::string_view text);

} // namespace baton::web
