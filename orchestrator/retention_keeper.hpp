// Removes runs when their time is over: a thread with a store of its own, beside the engine. Each removal is small
// (what it holds up is about removal_time) and is followed by a pause three times as long, so that whoever commits
// meanwhile waits for one of them at most. Which workflow keeps its runs how long is read from the deployed files,
// every sweep anew; nothing is removed of a workflow that says nothing, unless Options::otherwise does.
#pragma once

#include "base/clock.hpp"
#include "base/mailbox.hpp"
#include "base/result.hpp"
#include "base/thread.hpp"
#include "orchestrator/runtime/run_store.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace baton::orchestrator {

class RetentionKeeper {
public:
    struct Options {
        std::optional<Duration> otherwise; // of workflows that say nothing; absent: for ever
        Duration pause = std::chrono::minutes(1); // between two sweeps
        Duration removal_time = std::chrono::milliseconds(5);
    };
    using Open = std::function<Outcome<std::unique_ptr<runtime::RunStore>>()>;

    // `clock` must outlive it. `open` is called on the keeper's thread, until it succeeds.
    RetentionKeeper(Options options, Open open, const Clock& clock);
    ~RetentionKeeper();
    RetentionKeeper(const RetentionKeeper&) = delete;

    // Ends within one removal. May be called twice.
    void stop();

private:
    void run();
    void sweep();
    std::optional<Duration> kept_for(const runtime::StoredDefinition& definition);
    // False: to be stopped, or the store failed.
    bool remove(const std::string& workflow, Time ended_before);
    bool wait(Duration pause);

    Options options_;
    Open open_;
    const Clock& clock_;
    std::unique_ptr<runtime::RunStore> store_;
    std::map<std::uint64_t, std::optional<Duration>> read_; // by definition
    std::size_t batch_;
    Mailbox<int> stop_;
    Mailbox<runtime::RunStore*> opened_; // for who stops a call under way
    Thread thread_;
};

} // namespace baton::orchestrator
