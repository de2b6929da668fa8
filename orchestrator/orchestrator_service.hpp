// The orchestrator as one piece: engine, definitions and messaging put together, started and stopped
// in order. Owned by the server; knows nothing of the broker but its URL. All functions may be called
// from any thread.
//
//   OrchestratorService service(options, store, clock);
//   BATON_TRY(service.start());                 // returns at once; connects in the background
//   service.engine().start_run(...);
//   service.stop();
#pragma once

#include "base/clock.hpp"
#include "base/result.hpp"
#include "orchestrator/options.hpp"
#include "orchestrator/runtime/engine.hpp"
#include "orchestrator/runtime/run_store.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace baton::orchestrator {

// What a worker answered to a call without a workflow.
struct CallAnswer {
    bool completed = false;
    std::string body; // JSON: the result, or the problem
};

// Who serves a task at this moment.
struct TaskLook {
    bool has_queue = false;
    std::uint64_t waiting = 0;
    std::uint64_t consumers = 0;
    std::string held; // a sentence, if its target lets no worker try
};

// A workflow from its file; the failure is the printed report.
Outcome<std::shared_ptr<core::Workflow>> compile_definition(const std::string& source, const std::string& file_name);

// A task that a worker announced.
struct OfferedTask {
    std::string task;
    std::string queue;
    std::string held;                              // a sentence, if its target lets no worker try
    std::shared_ptr<const std::string> parameters; // JSON Schemas; null: not said
    std::shared_ptr<const std::string> result;
};

// A worker's process, as it described itself.
struct WorkerLook {
    std::string worker;                            // "mail@host:4711"
    std::string version;
    std::string host;
    std::uint32_t concurrency = 0;                 // 0: not said
    Time first_heard;
    Time last_heard;
    std::vector<OfferedTask> tasks;
};

class OrchestratorService {
public:
    // `store` is used by the engine's thread alone from start() to stop(). `store` and `clock` must
    // outlive the service.
    // `neighbours`: another session of the same store, if that is shared; used by a thread of its own.
    OrchestratorService(Options options, runtime::RunStore& store, const Clock& clock,
                        runtime::RunStore* neighbours = nullptr);
    ~OrchestratorService();
    OrchestratorService(const OrchestratorService&) = delete;

    // Fails only for a broker URL that makes no sense. A store or a broker that cannot be reached is
    // tried again until it can.
    Outcome<void> start();
    // Stops taking reports, finishes the batch at hand, gives the broker `Options::drain` to confirm
    // what was published, joins. May be called twice.
    void stop();

    runtime::Engine& engine();

    // From now on this node wants no partition, and gives back what it has; or wants its share again.
    // Requests are answered all the while, by the owners.
    Outcome<void> drain(bool drains);
    bool is_draining() const;
    // Another server with a broker of its own works on the database, and this one takes no runs.
    bool is_second() const;

    // Asks a worker for `task` and gives its answer. Failures: no queue or nobody answered within
    // `limit`, or the broker is away. `reply` is called once, on a thread of the service.
    void call(std::string task, std::string with, Duration limit, trace::Given trace,
              std::function<void(Outcome<CallAnswer>)> reply);

    // What keeps tasks from their workers, one sentence each: a queue that cannot be declared, or one where
    // tasks have waited for longer than `patience` and nobody takes them. On a thread of the service.
    void ask_queues(Duration patience, std::function<void(std::vector<std::string>)> reply);

    // The queue of one task as it is now, and what keeps its workers from trying. On a thread of the
    // service; fails while the broker is away.
    void look_at_task(std::string task, std::function<void(Outcome<TaskLook>)> reply);

    // Who announced himself and is believed to be there. On a thread of the service.
    void ask_workers(std::function<void(std::vector<WorkerLook>)> reply);

    // A queue was deleted or purged and lost what waited in it. If it is one of tasks, what nobody has
    // begun is sent again. For a broker that tells; others are asked every few seconds. Any thread,
    // between start() and stop().
    void queue_emptied(std::string_view queue);

    // Whether the connection to the broker is up and consuming.
    bool is_connected() const;
    // How long the broker has owed an answer; zero: it does not.
    Duration broker_silence() const;

private:
    void give_everything_back();
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

} // namespace baton::orchestrator
