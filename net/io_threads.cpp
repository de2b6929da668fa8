// Starting and ending the I/O threads.
#include "net/io_threads.hpp"

#include <algorithm>
#include <utility>

namespace baton::net {

IoThreads::IoThreads(std::string name, std::size_t count) {
    const std::size_t wanted = std::max<std::size_t>(count, 1);
    for (std::size_t index = 0; index < wanted; ++index) {
        // Hint 1: only one thread runs this context.
        contexts_.push_back(std::make_unique<boost::asio::io_context>(1));
        guards_.push_back(boost::asio::make_work_guard(*contexts_.back()));
    }
    for (std::size_t index = 0; index < wanted; ++index)
        threads_.emplace_back(name + "-" + std::to_string(index),
                              [context = contexts_[index].get()] { context->run(); });
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
