// A steady timer that never expires is Asio's cheapest event.
#include "net/wakeup.hpp"

#include <boost/asio/this_coro.hpp>

namespace baton::net {

Awaitable<Wakeup::Outcome> Wakeup::wait() {
    return wait_until(asio::steady_timer::time_point::max());
}

Awaitable<Wakeup::Outcome> Wakeup::wait_for(Duration limit) {
    return wait_until(std::chrono::steady_clock::now() + limit);
}

Awaitable<Wakeup::Outcome> Wakeup::wait_until(asio::steady_timer::time_point limit) {
    if (!is_set_) {
        if (was_cancelled(co_await asio::this_coro::cancellation_state))
            co_return Outcome::cancelled;
        timer_.expires_at(limit);
        const Status expired = co_await timer_.async_wait(as_result);
        if (expired && !is_set_) co_return Outcome::timed_out;
    }
    if (!is_set_) co_return Outcome::cancelled;
    is_set_ = false;
    co_return Outcome::set;
}

Awaitable<bool> Broadcast::wait() {
    if (was_cancelled(co_await asio::this_coro::cancellation_state)) co_return false;
    const std::uint64_t round = round_;
    co_await timer_.async_wait(as_result);
    co_return round != round_;
}

Awaitable<bool> sleep_for(Duration time) {
    if (was_cancelled(co_await asio::this_coro::cancellation_state)) co_return false;
    asio::steady_timer timer(co_await asio::this_coro::executor, time);
    const Status expired = co_await timer.async_wait(as_result);
    co_return expired.has_value();
}

} // namespace baton::net
