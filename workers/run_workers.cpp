// One thread per worker, so that a slow target holds up its own tasks only.
#include "workers/run_workers.hpp"

#include "amqp/client/endpoint.hpp"
#include "base/log.hpp"
#include "base/thread.hpp"
#include "workers/key_locks.hpp"
#include "workers/schemas.hpp"
#include "workers/worker.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>

namespace baton::workers {

Outcome<void> run_workers(const std::vector<std::string>& names, const Settings& settings,
                          const std::string& broker_url, std::stop_token stop) {
    if (names.empty())
        return Failure{make_error_code(boost::system::errc::invalid_argument),
                       fmt::format("name at least one worker: {}", fmt::join(worker_names(), ", "))};
    const auto endpoint = amqp::client::parse_url(broker_url);
    if (!endpoint) return endpoint.error();
    std::vector<std::unique_ptr<Worker>> workers;
    for (const std::string& name : names) {
        Settings own = settings;
        // A connection that nobody uses would be one for nothing.
        if (name == "redmine") own.redmine.locks = std::make_shared<KeyLocks>(broker_url, name);
        if (name == "slack") own.slack.locks = std::make_shared<KeyLocks>(broker_url, name);
        BATON_ASSIGN(auto handlers, handlers_of(name, own));
        describe(handlers);
        WorkerOptions options;
        options.name = name;
        options.broker_url = broker_url;
        options.queue = settings.queue;
        options.prefetch = settings.prefetch;
        options.threads = settings.threads;
        options.stop_grace = settings.stop_grace;
        workers.push_back(std::make_unique<Worker>(std::move(options), std::move(handlers)));
    }
    std::vector<Thread> threads;
    for (std::size_t i = 0; i < workers.size(); ++i)
        threads.emplace_back("worker-" + names[i], [worker = workers[i].get(), stop] {
            if (const auto ended = worker->run(stop); !ended)
                log::error("worker", "ended", {{"reason", ended.error().detail}});
        });
    for (Thread& thread : threads) thread.join();
    return {};
}

} // namespace baton::workers
