// Keeps the lines that workers say of their runs: a thread with a store of its own, beside the
// engine, which nothing of them comes near. It opens the store with the first line. What a batch
// brings is one transaction, and a line is settled with the broker behind it: what a killed server
// had not kept comes again. Lines are no ground to hold up reports, which come through the same
// window: of a flood, lines are settled as they come, and when more wait than may, further ones are
// dropped and counted.
#pragma once

#include "base/clock.hpp"
#include "base/mailbox.hpp"
#include "base/metrics.hpp"
#include "base/result.hpp"
#include "base/thread.hpp"
#include "orchestrator/runtime/run_store.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

namespace baton::orchestrator {

class RunLogKeeper {
public:
    struct Options {
        runtime::RunLogLimits limits{};
        std::size_t unsettled_max = 100;  // lines; behind so many a line is settled at once
        std::size_t waiting_max = 10'000; // lines
        std::size_t batch_max = 500;      // lines of a transaction
        Duration gather = std::chrono::milliseconds(50); // a batch waits so long for others
        Duration retry_pause = std::chrono::seconds(1);  // while the store is away
    };
    struct Counters {
        Counter& kept;
        Counter& dropped;
    };
    using Open = std::function<Outcome<std::unique_ptr<runtime::RunStore>>()>;

    // The counters must outlive it. `open` is called on the keeper's thread.
    RunLogKeeper(Options options, Open open, Counters counters);
    ~RunLogKeeper();
    RunLogKeeper(const RunLogKeeper&) = delete;

    // Any thread. `done` is called on the keeper's thread or on this one, when the line is kept or
    // never will be; not at all for what waits at the end.
    void add(runtime::RunLogLine line, std::function<void()> done);
    // May be called twice.
    void stop();

private:
    struct Item {
        runtime::RunLogLine line;
        std::function<void()> done;
    };
    void run();
    bool is_open();
    bool keep(std::vector<Item>& items);

    Options options_;
    Open open_;
    Counters counters_;
    Gauge waiting_;
    Mailbox<Item> items_;
    Mailbox<int> stop_;
    Mailbox<runtime::RunStore*> opened_;       // for who stops a call under way
    std::unique_ptr<runtime::RunStore> store_; // on the thread
    bool is_failing_ = false;                  // said once
    Thread thread_;
};

} // namespace baton::orchestrator
