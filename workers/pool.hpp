// A few threads for work that blocks. One owner hands out jobs, one at a time per thread; who is
// free is the owner's knowledge, so the threads share nothing with each other.
#pragma once

#include "base/mailbox.hpp"
#include "base/thread.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace baton::workers {

class Pool {
public:
    Pool(const std::string& name, std::size_t count);
    // Finishes what has begun, then joins.
    ~Pool();

    // The owner's thread. There must be a free thread; `job` must not throw. done() must be called
    // by the owner afterwards.
    std::size_t start(std::function<void()> job);
    void done(std::size_t thread) { free_.push_back(thread); }

private:
    struct Seat {
        Mailbox<std::function<void()>> mailbox;
        Thread thread;
    };
    std::vector<std::unique_ptr<Seat>> seats_;
    std::vector<std::size_t> free_;
};

} // namespace baton::workers
