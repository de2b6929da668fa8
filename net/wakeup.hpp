// A flag that one coroutine waits for. set() and wait() belong to the thread of the executor; from
// other threads, post a call of set(). A set() before the wait is not lost, several count once.
#pragma once

#include "base/clock.hpp"
#include "net/awaitable.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

namespace baton::net {

class Wakeup {
public:
    explicit Wakeup(const asio::any_io_executor& executor) : timer_(executor) {}

    void set() {
        if (is_set_) return;
        is_set_ = true;
        timer_.cancel();
    }
    bool is_set() const { return is_set_; }
    void reset() { is_set_ = false; }

    enum class Outcome { set, timed_out, cancelled };

    // Until set; resets it. `cancelled` when the waiting coroutine was cancelled. Only one
    // coroutine at a time may wait.
    Awaitable<Outcome> wait();
    // The same, at most for `limit`.
    Awaitable<Outcome> wait_for(Duration limit);

private:
    Awaitable<Outcome> wait_until(asio::steady_timer::time_point limit);

    asio::steady_timer timer_;
    bool is_set_ = false;
};

// The same for any number of waiting coroutines, which all go on together. Has no memory: a wake
// without anybody waiting does nothing, so the condition is to be checked before each wait.
class Broadcast {
public:
    explicit Broadcast(const asio::any_io_executor& executor)
        : timer_(executor, asio::steady_timer::time_point::max()) {}

    void wake_all() {
        ++round_;
        timer_.cancel();
    }
    // False when the waiting coroutine was cancelled.
    Awaitable<bool> wait();

private:
    asio::steady_timer timer_;
    std::uint64_t round_ = 0;
};

// Suspends the calling coroutine; false when it was cancelled before the time was over.
Awaitable<bool> sleep_for(Duration time);

} // namespace baton::net
