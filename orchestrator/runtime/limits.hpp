// Named limits: how many tasks that name one are handed out at once, and how fast; and which runs
// wait for one. In memory, and pure: it follows from the open runs, and is made anew from them.
// What a run gives back counts when it is durable, what it takes when it is decided, so no moment
// and no crash sees more than may be.
//
// With several servers the store keeps what each partition may have out (limit_shares.hpp). This
// process hands out what all its partitions have together, and asks the store again
//   when something waits that it has no place for     a pause after the last time
//   before a commit, when a partition has more out than the store says
//   now and then while it has a place, for others may wait
#pragma once

#include "base/clock.hpp"
#include "orchestrator/core/gate.hpp"
#include "orchestrator/core/run.hpp"
#include "orchestrator/core/workflow.hpp"
#include "orchestrator/runtime/limit_shares.hpp"
#include "orchestrator/runtime/pauses.hpp"

#include <cstdint>
#include <deque>
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
    struct Held {
        std::uint8_t priority = 0;
        std::uint32_t count = 0;
    };
    std::map<std::string, std::uint32_t> out;
    std::map<std::string, Held> held;
};
LimitedTasks limited_tasks_of(const core::Workflow& workflow, const core::Run& run,
                              const Pauses& pauses);

class Limits {
public:
    // There are other servers: places come from the store alone.
    void share(std::uint16_t partition_count) { partition_count_ = partition_count; }
    bool is_shared() const { return partition_count_ != 0; }
    bool has_any() const { return !places_.empty(); }
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
    // When there will be such a run, or something to ask; nothing: not by time alone.
    std::optional<Time> next_due() const;

    // Shared: what the store is to be asked now. `epochs` of all partitions that are owned.
    std::vector<LimitAsk> asks(Time now, const std::map<Partition, std::uint64_t>& epochs) const;
    // Shared: what it must be asked before anything is written, since a partition has taken more
    // than the store says of it.
    std::vector<LimitAsk> moves(const std::map<Partition, std::uint64_t>& epochs) const;
    void answered(const std::vector<LimitAnswer>& answers, Time now);
    // Whether the store was asked since forget().
    bool has_asked() const { return has_asked_; }

private:
    struct Place {
        core::Limit limit;
        std::uint32_t used = 0;
        Time next_at{}; // of the next task, where there is a rate
        std::map<std::pair<int, std::uint64_t>, std::string> waiting; // by urgency and age
        // Shared:
        std::map<Partition, std::uint32_t> used_in;
        std::map<Partition, std::uint32_t> granted; // by the store's last answer
        std::uint32_t granted_sum = 0;
        std::uint32_t fair = UINT32_MAX;
        std::uint32_t unmet = 0;
        std::uint32_t waiting_tasks = 0;
        std::deque<Time> turns; // of the rate, that are this process's
        bool is_known = false;  // the store has answered
        bool is_urgent = false; // it is to be asked as soon as may be
        Time asked_at{};
        Time ask_at{}; // at the latest, while there is a reason
    };
    struct Wait {
        std::pair<int, std::uint64_t> place;
        std::uint32_t count = 0;
    };
    std::size_t room(const Place& place, Time now) const;
    std::uint32_t most_out(const Place& place) const;
    bool has_reason(const Place& place) const;
    Time next_ask(const Place& place) const;
    LimitAsk ask_of(const std::string& name, const Place& place,
                    const std::map<Partition, std::uint64_t>& epochs) const;
    void use(Place& place, const std::string& run_id, std::int64_t count);
    static void stop_waiting(Place& place, const Wait& wait);

    std::map<std::string, Place, std::less<>> places_;
    std::map<std::string, std::map<std::string, std::uint32_t>> taken_; // by run
    std::map<std::string, std::map<std::string, Wait>> waits_;          // by run
    std::uint64_t asked_ = 0;
    std::uint16_t partition_count_ = 0; // 0: nobody shares
    bool is_counted_ = false;
    bool has_asked_ = false;
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
