// Waits in a coroutine for an answer that another thread gives by a callback. The callback may be
// called on any thread, once; the coroutine goes on on its own executor.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <functional>
#include <memory>
#include <utility>

namespace baton::web {

// `start` receives the function to call with the answer.
//   auto reply = co_await await_reply<StartReply>([&](auto answer) { engine.start(..., answer); });
template <typename Answer, typename Start>
boost::asio::awaitable<Answer> await_reply(Start start) {
    auto initiate = [](auto handler, Start begin) {
        using Handler = decltype(handler);
        // A callback is copyable, a completion handler is not.
        auto shared = std::make_shared<Handler>(std::move(handler));
        auto executor = boost::asio::get_associated_executor(*shared);
        auto work = boost::asio::make_work_guard(executor);
        std::function<void(Answer)> answer = [shared, work, executor](Answer value) mutable {
            boost::asio::post(executor, [shared, kept = std::move(value)]() mutable {
                std::move (*shared)(std::move(kept));
            });
        };
        begin(std::move(answer));
    };
    co_return co_await boost::asio::async_initiate<decltype(boost::asio::use_awaitable), void(Answer)>(
        initiate, boost::asio::use_awaitable, std::move(start));
}

} // namespace baton::web
