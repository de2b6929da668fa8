// Decide, note, apply.
#include "orchestrator/core/advance.hpp"

#include "orchestrator/core/decide/decider.hpp"

namespace baton::orchestrator::core {

Transition advance(const Workflow& workflow, Run& run, const Event& event, Time now, const RunLimits& limits,
                   const Judge& judge) {
    Recorder recorder(workflow, run, now);
    Decider decider(workflow, recorder, now, limits, judge);
    std::visit([&](const auto& one) { decider.on(one); }, event);
    Transition made = decider.take();
    made.facts = recorder.take();
    for (const Fact& fact : made.facts)
        made.bytes += bytes_of(fact);
    return made;
}

} // namespace baton::orchestrator::core
