// A run as the engine drives it, without engine, store and broker: the only place of the bench
// programs that knows the core's functions, so that a new core needs changes here alone.
#pragma once

#include "orchestrator/core/advance.hpp"
#include "orchestrator/core/workflow.hpp"
#include "orchestrator/runtime/run_store.hpp"

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace baton::bench {

// What one transition cost: processor time of deciding it and writing it down as text, and how much
// text that is: what is added to the history, and the document of the run's state when the engine
// would write it.
struct Cost {
    double micros = 0;
    std::size_t bytes = 0;
};

class DrivenRun {
public:
    // Ends the program with the reason when the workflow does not load.
    explicit DrivenRun(const std::string& workflow);

    // Of tasks that are with workers, the oldest one completes.
    Cost complete_next();
    std::size_t open_tasks() const { return tasks_.size(); }
    bool is_over() const;
    // Processor time of showing the run's steps to people, from its stored history.
    double view_micros() const;

private:
    Cost take(const orchestrator::core::Event& event);

    std::shared_ptr<const orchestrator::core::Workflow> workflow_;
    orchestrator::core::Run run_;
    Time now_{std::chrono::hours(24 * 365 * 50)};
    std::deque<orchestrator::core::AttemptRef> tasks_;
    std::vector<orchestrator::runtime::HistoryRow> history_;
    std::size_t history_bytes_ = 0; // since the document was written last
    std::size_t document_bytes_ = 0;
};

// Workflows of n tasks.
std::string parallel_tasks(std::size_t count);
std::string chained_tasks(std::size_t count);

// The sizes of the command line, or 10, 100, and 999, since a workflow has at most 1,000 steps.
std::vector<std::size_t> sizes_from(int argc, char** argv);

} // namespace baton::bench
