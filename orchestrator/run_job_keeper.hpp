// Does what bulk jobs over runs ask for: a thread with a store of its own beside the engine, which
// it asks for one run after the other, as a person would.
//
//   running ──▶ done        the query finds no more
//      │  └───▶ stopped     as many runs refused as were allowed
//      └──────▶ cancelled   by hand
//
// A page of runs is settled, and the job's row says where the next one begins, before it is looked
// for. After a crash the page is asked for again: a run that was changed does not fit the query any
// more, or refuses.
#pragma once

#include "base/clock.hpp"
#include "base/mailbox.hpp"
#include "base/result.hpp"
#include "base/thread.hpp"
#include "orchestrator/runtime/engine.hpp"
#include "orchestrator/runtime/run_job.hpp"
#include "orchestrator/runtime/run_store.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace baton::orchestrator {

class RunJobKeeper {
public:
    struct Stores {
        std::unique_ptr<runtime::RunStore> store;
        std::unique_ptr<runtime::RunQueries> queries;
    };
    using Open = std::function<Outcome<Stores>()>;

    // `engine` and `clock` must outlive it. `open` is called on the keeper's thread, until it
    // succeeds. `node`: of the jobs of several servers on one store, each does those it was asked
    // for.
    RunJobKeeper(std::string node, Open open, runtime::Engine& engine, const Clock& clock);
    ~RunJobKeeper();
    RunJobKeeper(const RunJobKeeper&) = delete;

    // Any thread; the reply comes on the keeper's.
    void start_job(runtime::RunJob job, runtime::Reply<runtime::RunJob> reply);
    void cancel_job(std::uint64_t id, std::string actor, runtime::Reply<runtime::RunJob> reply);

    // Ends behind the run that is being changed. May be called twice.
    void stop();

private:
    struct Wish {
        std::optional<runtime::RunJob> job; // absent: cancel
        std::uint64_t id = 0;
        std::string actor{};
        runtime::Reply<runtime::RunJob> reply;
    };
    struct Running {
        runtime::RunJob job;
        Time next_at{};
    };

    void run();
    bool open();
    void hear(Wish wish);
    Outcome<runtime::RunJob> add(runtime::RunJob job);
    Outcome<runtime::RunJob> cancel(std::uint64_t id, const std::string& actor);
    Outcome<void> turn(Running& running);
    Outcome<void> end(Running& running, runtime::DeadJobState state, std::string note);
    // Nothing: the keeper stops, and nobody knows.
    std::optional<Outcome<void>> change(const runtime::RunJob& job, const std::string& run_id);

    std::string node_;
    Open open_;
    runtime::Engine& engine_;
    const Clock& clock_;
    Stores stores_;
    std::map<std::uint64_t, Running> jobs_; // by id
    Mailbox<Wish> wishes_;
    Mailbox<runtime::RunStore*> opened_; // for who stops a call under way
    Thread thread_;
};

} // namespace baton::orchestrator
