// Lets at most N coroutines through at once, first come first served. One thread: the executor's.
#pragma once

#include "net/wakeup.hpp"

#include <deque>
#include <memory>

namespace baton::workers {

class Turnstile {
public:
    Turnstile(net::asio::any_io_executor executor, std::size_t places)
        : executor_(std::move(executor)), free_(places) {}

    // Comes back when there is a place; leave() must follow.
    net::Awaitable<void> enter() {
        if (free_ > 0) {
            --free_;
            co_return;
        }
        const auto ticket = std::make_shared<net::Wakeup>(executor_);
        waiting_.push_back(ticket);
        co_await ticket->wait();
    }

    // The place passes to the next in line, if there is one.
    void leave() {
        if (waiting_.empty()) {
            ++free_;
            return;
        }
        waiting_.front()->set();
        waiting_.pop_front();
    }

    bool is_idle(std::size_t places) const { return free_ == places && waiting_.empty(); }

private:
    net::asio::any_io_executor executor_;
    std::size_t free_;
    std::deque<std::shared_ptr<net::Wakeup>> waiting_;
};

} // namespace baton::workers
