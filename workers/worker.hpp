// A worker: consumes the queues of its task types, lets handlers perform on a few threads, publishes
// the report, waits for the broker's confirm, then acks the task. The order makes it safe to be killed
// at any moment: the broker gives the task again, and handlers are idempotent.
//
//   delivery → decode → (turn of its key) → free thread → handler → report → confirm → ack
//
// Tasks that ask for heartbeats are acked as soon as they start, after a confirmed `started` report,
// and reported alive while the handler works. Reports survive a lost connection; tasks that were not
// acked come again.
//
// run() blocks the calling thread, which becomes the only one that touches the connection; handlers
// run on threads of the pool.
#pragma once

#include "base/clock.hpp"
#include "base/result.hpp"
#include "workers/handler.hpp"

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

namespace baton::workers {

struct WorkerOptions {
    std::string name = "worker";               // for logs, reports and the broker's tools
    std::string broker_url;                    // amqp://user:password@host:port/vhost
    std::string queue = {};                    // consume mail.create.eu instead of mail.create: "eu"
    std::uint16_t prefetch = 8;                // tasks held per type
    std::size_t threads = 4;                   // handlers that run at once
    // How long running handlers may go on after a stop; what has not begun is given back at once.
    Duration stop_grace = std::chrono::seconds(30);
};

class Worker {
public:
    Worker(WorkerOptions options, std::vector<Handler> handlers);
    ~Worker();
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    // Until the token is stopped; keeps reconnecting meanwhile. Fails at once if the URL makes no
    // sense. To be called once.
    Outcome<void> run(std::stop_token stop);

private:
    class Service;
    std::unique_ptr<Service> service_;
};

} // namespace baton::workers
