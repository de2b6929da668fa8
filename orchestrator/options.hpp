// Limits and defaults of the orchestrator, each with its reason.
#pragma once

#include "base/clock.hpp"
#include "net/pipe.hpp"
#include "orchestrator/core/workflow.hpp"
#include "orchestrator/messaging/notice.hpp"
#include "orchestrator/messaging/request.hpp"
#include "orchestrator/messaging/secrets.hpp"
#include "orchestrator/runtime/run_log.hpp"
#include "orchestrator/runtime/span.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace baton::orchestrator {

struct Options {
    // Where the broker is; also the embedded one is reached over AMQP: one code path.
    std::string broker_url = "amqp://guest:guest@127.0.0.1:5672/";
    // A broker in this process: connections without a socket, on its own thread, where the orchestrator then
    // lives, too. The URL says who logs in. Without `open` there is none.
    struct InsideBroker {
        net::asio::any_io_executor executor;
        std::function<std::unique_ptr<net::PipeEnd>()> open;
    };
    InsideBroker inside_broker{};
    // Partitions spread runs over several orchestrators; the number never changes for one store.
    std::uint16_t partitions = 1;
    // The store is shared with other orchestrators: the partitions are spread over all that live.
    bool is_shared = false;
    // Name of this node among them, of this life of this process alone.
    std::string node = "baton";
    std::string version{}; // of the program, for people
    // Open runs kept in memory; a run takes a few KiB, and one that is not here costs one select.
    std::size_t cached_runs_max = 50'000;
    // What one run may hold; a step that would pass it fails. Far above what workflows hand on, far below
    // what a few hundred such runs could do to the server.
    std::size_t run_bytes_max = std::size_t{16} * 1024 * 1024;
    // So many runs may go back to one start.
    std::uint64_t family_runs_max = 100'000;
    // Memory for runs at hand and for messages the broker has not confirmed.
    std::size_t runs_memory_max = std::size_t{256} * 1024 * 1024;
    // Reports taken from the broker and not yet committed; two full batches, so the next one gathers
    // while one commits.
    std::uint16_t prefetch = 2'000;
    // How long stop() waits for the broker to confirm what is on its way; what is not confirmed then
    // is published again by the next start.
    Duration drain = std::chrono::seconds(2);
    // Where partitions are shared, unless the URL says heartbeat=…: as long as the broker believes in a consumer
    // that hangs, nobody else gets the reports of its partitions. About the lease of a node.
    std::uint16_t heartbeat_seconds = 5;
    // How often the task queues are looked for; see Engine::queue_lost().
    Duration queue_check_interval = std::chrono::seconds(5);
    // Somebody calls queue_emptied() for each queue that loses messages, as the embedded broker does. Else
    // the losses are found out; see messaging.hpp.
    bool is_told_of_losses = false;
    // How long a queue may stay empty that had tasks when it had no worker, until they count as lost.
    Duration unseen_patience = std::chrono::seconds(30);
    // Who decides what is asked over AMQP; empty: the requests stay with the broker.
    OnRequest on_request{};
    // Where `secret.NAME` of workflows is found.
    messaging::SecretSource secrets{};
    // Who keeps the lines that workers say of their runs; see messaging.hpp.
    std::function<void(runtime::RunLogLine line, std::function<void()> done)> keep_line{};
    // What people are told, and how; see messaging/notice.hpp.
    messaging::NoticeOptions notices{};
    // What is done about traces, and who hears of spans; see runtime/run_spans.hpp.
    trace::Policy trace{};
    runtime::SpanSink span{};
    // Hears which workflows are live, whenever that has changed; on the engine's thread.
    std::function<void(std::vector<std::shared_ptr<const core::Workflow>> live)> on_live{};
};

} // namespace baton::orchestrator
