// A worker that answers every task at once with what it was given: what remains is the cost of the
// orchestrator, the broker and the worker library.
//   echo_worker BROKER_URL TASK...
#include "workers/worker.hpp"

#include <fmt/format.h>

#include <csignal>
#include <stop_token>

int main(int argc, char** argv) {
    if (argc < 3) {
        fmt::print(stderr, "usage: echo_worker BROKER_URL TASK...\n");
        return 2;
    }
    std::vector<baton::workers::Handler> handlers;
    for (int i = 2; i < argc; ++i)
        handlers.push_back({argv[i], [](const baton::workers::Task& task) -> baton::workers::Answer {
                                return boost::json::value(task.with);
                            }});
    baton::workers::WorkerOptions options;
    options.name = "echo";
    options.broker_url = argv[1];
    options.prefetch = 256;
    options.threads = 2;
    baton::workers::Worker worker(options, std::move(handlers));
    std::stop_source never; // ended by SIGTERM: nothing here is worth an orderly end
    const auto done = worker.run(never.get_token());
    if (!done) fmt::print(stderr, "{}\n", done.error().detail);
    return done ? 0 : 1;
}
