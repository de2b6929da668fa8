// N threads with one io_context each. What lives on one of them needs no locks and no strand. Owned
// by the assembly that starts the services; stopped and joined by stop(), at the latest when
// destroyed.
#pragma once

#include "base/clock.hpp"
#include "base/thread.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace baton::net {

class IoThreads {
public:
    // Threads run at once, named "<name>-0", "<name>-1", …; count is at least 1. A thread may look for
    // more during `spins` before it sleeps, as long as that pays (spin_policy.hpp).
    IoThreads(std::string name, std::size_t count, Duration spins = Duration::zero());
    ~IoThreads();
    IoThreads(const IoThreads&) = delete;
    IoThreads& operator=(const IoThreads&) = delete;

    std::size_t size() const { return contexts_.size(); }
    boost::asio::io_context& context(std::size_t index) { return *contexts_[index]; }

    // Lets every thread finish what it has: returns once no context has work left. Services must
    // have been asked to stop before.
    void drain();
    // Ends the threads after what they do at this moment. May be called twice.
    void stop();

private:
    using WorkGuard = boost::asio::executor_work_guard<boost::asio::io_context::executor_type>;

    std::vector<std::unique_ptr<boost::asio::io_context>> contexts_;
    std::vector<WorkGuard> guards_;
    std::vector<Thread> threads_;
};

} // namespace baton::net
