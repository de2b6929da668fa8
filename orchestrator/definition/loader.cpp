// The checks in their order.
#include "orchestrator/definition/loader.hpp"

#include "orchestrator/definition/complaints.hpp"
#include "orchestrator/definition/dead_paths.hpp"
#include "orchestrator/definition/flow.hpp"
#include "orchestrator/definition/names.hpp"
#include "orchestrator/definition/reach.hpp"
#include "orchestrator/definition/toml_document.hpp"
#include "orchestrator/definition/workflow_reader.hpp"

namespace baton::orchestrator::definition {

Loaded load(std::string_view source, std::string_view file, const LoadOptions& options) {
    // An editor's byte order mark is no part of the text; columns count without it.
    if (source.starts_with("\xef\xbb\xbf")) source.remove_prefix(3);
    TomlDocument document = parse_toml(source, file);
    if (!document.diagnostics.empty()) return {nullptr, std::move(document.diagnostics), {}};

    Complaints complaints(source, file);
    Draft draft = read_workflow(document.root, complaints, options.results, options.schema);
    connect_steps(draft, complaints);
    const Flow flow(draft, complaints);
    check_reach(draft, flow, complaints);
    warn_of_dead_paths(draft, complaints);

    Loaded loaded;
    if (!complaints.has_errors()) {
        draft.workflow.definition_id = options.definition_id;
        draft.workflow.version = options.version;
        loaded.workflow = std::make_shared<const core::Workflow>(std::move(draft.workflow));
    }
    loaded.diagnostics = complaints.take();
    loaded.schemas = std::move(draft.schemas.used);
    return loaded;
}

} // namespace baton::orchestrator::definition
