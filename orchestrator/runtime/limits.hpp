// Named limits: how many tasks that name one are handed out at once, and how fast; and which runs
// wait for one. In memory, and pure: it follows from the open runs, and is made anew from them.
// What a run gives back counts when it is durable, what it takes when it is decided, so no moment
// and no crash sees more than may be.
#pragma once

#include "base/clock.hpp"
#include "orchestrator/core/gate.hpp"
#include "orchestrator/core/run.hpp"
#include "orchestrator/core/workflow.hpp"
#include "orchestrator/runtime/pauses.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace baton::orchestrator::runtime {

// What a run has handed out by limit, and for which it has something held that no pause holds, with
// the highest priority of that.
struct LimitedTasks {
    std::map<std::string, std::uint32_t> out;
    std::map<std::string, std::uint8_t> held;
};
LimitedTasks limited_tasks_of(const core::Workflow& workflow, const core::Run& run,
                              const Pauses& pauses);

class Limits {
public:
    // Nobody knows what is out until all open runs were counted: nothing is handed out so long.
    void forget(Time now);
    void counted() { is_counted_ = true; }
    bool is_counted() const { return is_counted_; }
    // What each of these workflows says.
    void define(const std::vector<const core::Workflow*>& workflows);

    // Takes a place for a task of the run. Empty: it has one; else why not.
    std::string take(const std::string& limit, const std::string& run_id, Time now);
    // What the run has out, durably, and what waits.
    void note(const std::string& run_id, const LimitedTasks& tasks);
    // The run is over, or never was.
    void leave(const std::string& run_id);
    // Runs that may try now, the most urgent and then the oldest first. They are noted again when
    // they still wait.
    std::vector<std::string> due(Time now);
    // When there will be such a run; nothing: not by time alone.
    std::optional<Time> next_due() const;

private:
    struct Place {
        core::Limit limit;
        std::uint32_t used = 0;
        Time next_at{}; // of the next task, where there is a rate
        std::map<std::pair<int, std::uint64_t>, std::string> waiting; // by urgency and age
    };
    std::size_t room(const Place& place, Time now) const;

    std::map<std::string, Place, std::less<>> places_;
    std::map<std::string, std::map<std::string, std::uint32_t>> taken_;                 // by run
    std::map<std::string, std::map<std::string, std::pair<int, std::uint64_t>>> waits_; // by run
    std::uint64_t asked_ = 0;
    bool is_counted_ = false;
};

// What is let pause and what is limited, as the core asks it of one run.
class HandOutGate final : public core::Gate {
public:
    HandOutGate(const Pauses& pauses, Limits& limits, const core::Workflow& workflow,
                const core::Run& run, Time now)
        : pauses_(pauses, workflow.name), limits_(limits), run_(run), now_(now) {}
    std::string why_held(const core::TaskCall& call, std::string_view route) const override;

private:
    PauseGate pauses_;
    Limits& limits_;
    const core::Run& run_;
    Time now_;
};

} // namespace baton::orchestrator::runtime
