// From the text of a workflow file to a workflow that can run, or to everything that is wrong with
// it. No I/O and no state: the same text gives the same answer anywhere, on any thread.
#pragma once

#include "orchestrator/core/workflow.hpp"
#include "orchestrator/definition/diagnostic.hpp"
#include "orchestrator/definition/schema_reader.hpp"
#include "orchestrator/definition/task_results.hpp"

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace baton::orchestrator::definition {

struct Loaded {
    // Null if there are errors.
    std::shared_ptr<const core::Workflow> workflow;
    // In the order of printing; warnings may stand beside a workflow. See render().
    std::vector<Diagnostic> diagnostics;
    // What it took from LoadOptions::schema, by name.
    std::map<std::string, std::string, std::less<>> schemas{};

    explicit operator bool() const { return workflow != nullptr; }
};

struct LoadOptions {
    // What the store knows about the definition; 0 before it is deployed.
    std::uint64_t definition_id = 0;
    std::uint32_t version = 0;
    // What tasks are known to give, by the names they are called by; else their results may be anything. Outlives the call.
    const TaskResults* results = nullptr;
    // The text of a file beside the workflow, for schemas that it names; null: there are none but those of its [schemas].
    SchemaTexts::Find schema;
};

// `file` is the name diagnostics begin with.
Loaded load(std::string_view source, std::string_view file, const LoadOptions& options = {});

} // namespace baton::orchestrator::definition
