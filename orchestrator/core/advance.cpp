// Decide, note, apply.
#include "orchestrator/core/advance.hpp"

#include "orchestrator/core/decide/decider.hpp"

namespace baton::orchestrator::core {

namespace {

class OpenGate final : public Gate {
public:
    std::string why_held(const TaskCall&, std::string_view) const override { return {}; }
};

} // namespace

const Gate& open_gate() {
    static const OpenGate gate;
    return gate;
}

Transition advance(const Workflow& workflow, Run& run, const Event& event, Time now, const RunLimits& limits,
                   const Judge& judge, const Gate& gate) {
    Recorder recorder(workflow, run, now);
    Decider decider(workflow, recorder, now, limits, judge, gate);
    std::visit([&](const auto& one) { decider.on(one); }, event);
    Transition made = decider.take();
    made.facts = recorder.take();
    for (const Fact& fact : made.facts)
        made.bytes += bytes_of(fact);
    return made;
}

} // namespace baton::orchestrator::core
