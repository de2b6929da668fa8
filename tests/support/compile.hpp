// Compiles definitions as the server does, for engines in tests.
#pragma once

#include "orchestrator/core/workflow.hpp"
#include "orchestrator/definition/loader.hpp"
#include "orchestrator/runtime/engine.hpp"

#include <memory>
#include <string>

namespace baton::test {

inline Outcome<std::shared_ptr<orchestrator::core::Workflow>> compile(const std::string& source, const std::string& file) {
    const auto loaded = orchestrator::definition::load(source, file);
    if (!loaded)
        return Failure{make_error_code(orchestrator::runtime::EngineErrc::bad_definition),
                       orchestrator::definition::render(loaded.diagnostics, source)};
    return std::make_shared<orchestrator::core::Workflow>(*loaded.workflow);
}

} // namespace baton::test
