// co_await within(5s, operation): the one timeout tool. The operation is cancelled when the time is
// over and the answer is the error timed_out. If both happen in the same turn of the event loop the
// operation's value may be lost, so it must not be something that can only be had once.
#pragma once

#include "base/clock.hpp"
#include "base/result.hpp"
#include "net/awaitable.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include <utility>
#include <variant>

namespace baton::net {

inline ErrorCode timed_out() {
    return boost::system::errc::make_error_code(boost::system::errc::timed_out);
}

template <typename T>
Awaitable<Result<T>> within(Duration limit, Awaitable<Result<T>> operation) {
    using namespace asio::experimental::awaitable_operators;
    asio::steady_timer timer(co_await asio::this_coro::executor, limit);
    auto first = co_await (std::move(operation) || timer.async_wait(as_result));
    if (first.index() == 0) co_return std::move(std::get<0>(first));
    // A timer that ended with an error was cancelled from outside, together with the operation.
    if (const Status& expired = std::get<1>(first); !expired) co_return expired.error();
    co_return timed_out();
}

template <typename T>
Awaitable<Outcome<T>> within(Duration limit, Awaitable<Outcome<T>> operation) {
    using namespace asio::experimental::awaitable_operators;
    asio::steady_timer timer(co_await asio::this_coro::executor, limit);
    auto first = co_await (std::move(operation) || timer.async_wait(as_result));
    if (first.index() == 0) co_return std::move(std::get<0>(first));
    if (const Status& expired = std::get<1>(first); !expired)
        co_return Failure{expired.error(), "cancelled"};
    co_return Failure{timed_out(), "no answer in time"};
}

} // namespace baton::net
