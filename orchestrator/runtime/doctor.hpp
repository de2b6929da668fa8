// Does what the store says of a run agree with its history? The history is applied again, page by
// page, and must lead to the document, to the row, to a due time, and to the open dead letters.
// Nothing is changed here; Engine::operate() with a core::RunMended writes anew what differs.
#pragma once

#include "base/result.hpp"
#include "orchestrator/core/run.hpp"
#include "orchestrator/core/workflow.hpp"
#include "orchestrator/runtime/run_store.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace baton::orchestrator::runtime {

// Something that is not as it should be.
struct Finding {
    std::string kind; // "document", "row", "due_time", "dead_letter", "history", "definition"
    std::string run_id;
    std::string what; // a sentence
    bool can_be_mended = false;
};

// A task that was handed out and that no worker has said to have begun.
struct TaskOut {
    std::string task; // route
    std::string run_id;
    std::string step; // with ":undo" of an undo
    std::uint32_t attempt = 0;
    Time since;
};

struct Examined {
    std::vector<Finding> findings;
    std::vector<TaskOut> out;
};

// The workflow of a definition; the failure says why it is not understood.
using WorkflowOf = std::function<Outcome<std::shared_ptr<const core::Workflow>>(const StoredRun&)>;

// The failure is the store's. A run that is not there (any more) has no findings.
Outcome<Examined> examine(RunQueries& queries, const WorkflowOf& workflow_of,
                          const std::string& run_id);

// The workflows of runs by their definitions, read once and compiled.
class Definitions {
public:
    using Compile = std::function<Outcome<std::shared_ptr<core::Workflow>>(
        const std::string& source, const std::string& file_name)>;
    explicit Definitions(Compile compile) : compile_(std::move(compile)) {}
    Outcome<std::shared_ptr<const core::Workflow>> of(RunQueries& queries, const StoredRun& run);

private:
    Compile compile_;
    std::map<std::uint64_t, std::shared_ptr<const core::Workflow>> known_;
};

} // namespace baton::orchestrator::runtime
