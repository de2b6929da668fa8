// Starting and ending the I/O threads.
#include "net/io_threads.hpp"

#include "net/spin_policy.hpp"

#include <algorithm>
#include <chrono>
#include <sched.h>
#include <utility>

namespace baton::net {
namespace {

// True when it did something.
bool spin(boost::asio::io_context& context, Duration limit) {
    const auto until = std::chrono::steady_clock::now() + limit;
    do {
        if (context.poll_one() != 0) return true;
        // Whoever has something for us may wait for this very processor.
        ::sched_yield();
    } while (!context.stopped() && std::chrono::steady_clock::now() < until);
    return false;
}

// Ends when run() would.
void run_spinning(boost::asio::io_context& context, Duration limit) {
    SpinPolicy policy;
    while (!context.stopped()) {
        context.poll(); // until a look finds nothing; another one right behind it would not either
        if (context.stopped()) return;
        if (policy.should_spin()) {
            if (spin(context, limit)) {
                policy.found_something();
                continue;
            }
            policy.found_nothing();
        }
        context.run_one();
    }
}

} // namespace

IoThreads::IoThreads(std::string name, std::size_t count, Duration spins) {
    const std::size_t wanted = std::max<std::size_t>(count, 1);
    for (std::size_t index = 0; index < wanted; ++index) {
        // Hint 1: only one thread runs this context.
        contexts_.push_back(std::make_unique<boost::asio::io_context>(1));
        guards_.push_back(boost::asio::make_work_guard(*contexts_.back()));
    }
    for (std::size_t index = 0; index < wanted; ++index)
        threads_.emplace_back(name + "-" + std::to_string(index),
                              [context = contexts_[index].get(), spins] {
                                  if (spins > Duration::zero())
                                      run_spinning(*context, spins);
                                  else
                                      context->run();
                              });
}

IoThreads::~IoThreads() {
    stop();
}

void IoThreads::drain() {
    guards_.clear();
    for (Thread& thread : threads_)
        thread.join();
}

void IoThreads::stop() {
    for (auto& context : contexts_)
        context->stop();
    drain();
}

} // namespace baton::net
