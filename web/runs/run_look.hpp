// One run as people ask for it: by its id or the beginning of one, with its history page by page,
// the steps of its workflow's file and what the engine knows of it. Shared by both dialects. On the
// web's thread.
#pragma once

#include "orchestrator/core/run_story.hpp"
#include "orchestrator/core/workflow.hpp"
#include "web/api.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace baton::web {

// What became of a run.
struct ToldRun {
    orchestrator::runtime::RunDetails details;
    std::vector<orchestrator::core::StepStory> steps;
    std::optional<orchestrator::core::PauseStory> pause;
    std::string awaits;
    std::shared_ptr<const orchestrator::core::Workflow>
        workflow; // null: it is not understood (any more)
};

class RunLooker {
public:
    explicit RunLooker(std::shared_ptr<const ApiParts> parts) : parts_(std::move(parts)) {}

    // The whole id for an id or its unambiguous beginning, or why there is none.
    boost::asio::awaitable<Outcome<std::string>> full_id(std::string given);
    // Why an id or a beginning of one means no run.
    boost::asio::awaitable<Failure> which_run(std::string given);
    // The run's row alone.
    boost::asio::awaitable<Outcome<orchestrator::runtime::StoredRun>> row(std::string given);
    boost::asio::awaitable<Outcome<orchestrator::runtime::RunDetails>> details(std::string given);
    boost::asio::awaitable<Outcome<ToldRun>> tell(std::string given);

    // The history up to the version of the row, which was read before and goes on meanwhile.
    using HearRows = std::function<void(std::span<const orchestrator::runtime::HistoryRow>)>;
    boost::asio::awaitable<Outcome<void>> read_history(const orchestrator::runtime::StoredRun& run,
                                                       HearRows hear);
    // The steps of the run's workflow, in the order of its file.
    boost::asio::awaitable<std::vector<std::string>>
    paths_of(const orchestrator::runtime::StoredRun& run);
    // The run's workflow; null: it is not understood (any more).
    boost::asio::awaitable<std::shared_ptr<const orchestrator::core::Workflow>>
    workflow_of(const orchestrator::runtime::StoredRun& run);
    // Why the run stands still and cannot be read; empty: it can. An engine that waits for its
    // store says nothing, and the run is shown without.
    boost::asio::awaitable<std::string> incident_of(std::string run_id);

private:
    std::shared_ptr<const ApiParts> parts_;
    std::map<std::uint64_t, std::shared_ptr<const orchestrator::core::Workflow>> workflows_; // by definition
};

} // namespace baton::web
