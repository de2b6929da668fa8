// A workflow file from a seed: every kind of step the language has, one inside the other, with
// every way to fail, to be caught, to be undone and to be repeated. It is a text, so what a
// simulation finds can be read, shortened and played as a scenario.
#pragma once

#include "base/random.hpp"
#include "orchestrator/core/workflow.hpp"

#include <memory>
#include <string>

namespace baton::test {

struct RandomWorkflow {
    std::string source;
    std::shared_ptr<const orchestrator::core::Workflow> workflow;
};

// What its tasks give: { ok, n, undo, stop, list }. `undo` says whether there is anything to undo,
// `stop` ends a loop. Its input is { n, yes, no, list, none, maybe }; `maybe` need not be there.
RandomWorkflow random_workflow(Random& random);

} // namespace baton::test
