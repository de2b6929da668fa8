// Keeps this node among the others that share the store: announces it, looks around several times a
// second, and tells the engine which partitions are its own. One thread with a session of the store
// for itself, so that a long commit of the engine is no silence. Whatever it gets wrong costs time
// and nothing else: what is written is decided by the fence.
//
//   look     announce, see who lives (spread.hpp), hand the assignment to the engine
//   drain    announce that this node wants nothing; the engine gives back what it has
//   stop     ends without a word; withdraw() says good-bye
#pragma once

#include "base/clock.hpp"
#include "base/mailbox.hpp"
#include "base/metrics.hpp"
#include "base/thread.hpp"
#include "orchestrator/runtime/engine.hpp"
#include "orchestrator/runtime/run_store.hpp"
#include "orchestrator/runtime/spread.hpp"

#include <functional>
#include <string>

namespace baton::orchestrator::runtime {

struct OwnershipOptions {
    std::string node;    // of this life of this process; no other one ever has it
    std::string version; // of the program, for people
    bool has_broker = false; // inside this process
    // A dead node is seen by the next look; three of them leave time to take over within a second.
    Duration look_interval = std::chrono::milliseconds(200);
    // A node that hangs is given up after this; longer than a machine under load may stand still.
    Duration lease = std::chrono::seconds(5);
    // Rows that are written for nothing but being there: rarely, and several times in a lease.
    Duration renew_interval = std::chrono::seconds(1);
};

class Ownership {
public:
    // `store` is this object's alone from start() to stop(). All must outlive it.
    Ownership(OwnershipOptions options, RunStore& store, const Clock& clock, Engine& engine);
    ~Ownership();
    Ownership(const Ownership&) = delete;

    void start();
    // Any thread. `drains`: from now on this node wants no partition; or wants its share again.
    // `done` is called on the thread here when the others can see it.
    void drain(bool drains, std::function<void(Outcome<void>)> done = {});
    bool is_draining() const { return draining_.value() != 0; }
    // Ends the thread. May be called twice.
    void stop();
    // Any thread: the end of the thread is near; a store that does not answer is not waited for.
    void hurry();
    bool is_away() const { return away_.value() != 0; }
    // Another node with a broker of its own came first: the two would send tasks to different workers.
    bool is_second() const { return second_.value() != 0; }
    // After stop(): the others need not wait for the lease.
    void withdraw();

    // One look without the thread, for tests.
    Outcome<void> look();

private:
    struct Wish {
        bool drains = false;
        std::function<void(Outcome<void>)> done;
    };
    void run();

    OwnershipOptions options_;
    RunStore& store_;
    const Clock& clock_;
    Engine& engine_;
    Neighbours neighbours_;
    bool drains_ = false;
    Time renewed_{};
    std::string live_definitions_;
    Gauge draining_;
    Gauge second_;
    Gauge away_; // the store does not answer; said once
    Mailbox<Wish> wishes_;
    Thread thread_;
};

} // namespace baton::orchestrator::runtime
