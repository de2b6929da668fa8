// Changes of runs on their way from the engine to pages that are open. The engine only puts, and
// never waits; while nobody listens it does not even that. Who takes too late finds that some were
// lost. Engine's thread puts, the web's takes.
#pragma once

#include "base/mailbox.hpp"
#include "base/metrics.hpp"
#include "orchestrator/runtime/engine.hpp"

#include <cstdint>
#include <vector>

namespace baton::web {

class ChangeFeed {
public:
    using RunChanged = orchestrator::runtime::RunChanged;
    static constexpr std::int64_t waiting_max = 50'000;

    void put(const std::vector<RunChanged>& changes) {
        if (listeners_.value() == 0) return;
        if (waiting_.value() > waiting_max) {
            lost_.add(1);
            return;
        }
        waiting_.add(static_cast<std::int64_t>(changes.size()));
        mailbox_.put_all(changes);
    }

    // From now on somebody listens, or nobody does.
    void listen(bool listens) { listeners_.set(listens ? 1 : 0); }

    struct Taken {
        std::vector<RunChanged> changes;
        bool has_lost = false;
    };
    Taken take() {
        Taken taken{mailbox_.take_now(), lost_.value() > 0};
        waiting_.add(-static_cast<std::int64_t>(taken.changes.size()));
        if (taken.has_lost) lost_.set(0);
        return taken;
    }

private:
    Mailbox<RunChanged> mailbox_;
    Gauge listeners_;
    Gauge waiting_;
    Gauge lost_;
};

} // namespace baton::web
