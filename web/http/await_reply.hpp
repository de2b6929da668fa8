// Waits in a coroutine for an answer that another thread gives by a callback. The callback may be
// called on any thread, once or, if the other side goes away, never (then only the time limit ends
// the wait). The coroutine goes on on its own executor.
// What `start` throws, the coroutine throws: left to itself it would leave the event loop and end the
// thread that all requests share.
#pragma once

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace baton::web {

// `start` receives the function to call with the answer. Nothing: `limit` passed first.
//   auto reply = co_await await_reply<Outcome<Started>>(30s, [&](auto answer) { engine.start_run(.., answer); });
template <typename Answer, typename Start>
boost::asio::awaitable<std::optional<Answer>> await_reply(std::chrono::milliseconds limit, Start start) {
    namespace asio = boost::asio;
    auto initiate = [](auto handler, std::chrono::milliseconds within, Start begin) {
        using Completion = decltype(handler);
        auto executor = asio::get_associated_executor(handler);
        // Shared by the callback and the timer; whoever comes first takes the handler. Both run on
        // the executor, so there is no race between them.
        struct Waiting {
            Waiting(Completion&& taken, const decltype(executor)& on) : handler(std::move(taken)), timer(on), work(on) {}
            void finish(std::exception_ptr failure, std::optional<Answer> answer) {
                if (!handler) return;
                timer.cancel();
                auto complete = std::move(*handler);
                handler.reset();
                work.reset();
                std::move(complete)(failure, std::move(answer));
            }
            std::optional<Completion> handler;
            asio::steady_timer timer;
            asio::executor_work_guard<decltype(executor)> work;
        };
        auto waiting = std::make_shared<Waiting>(std::move(handler), executor);
        waiting->timer.expires_after(within);
        waiting->timer.async_wait([waiting](const boost::system::error_code& error) {
            if (!error) waiting->finish(nullptr, std::nullopt);
        });
        try {
            begin(std::function<void(Answer)>([waiting, executor](Answer answer) {
                asio::post(executor, [waiting, kept = std::move(answer)]() mutable {
                    waiting->finish(nullptr, std::move(kept));
                });
            }));
        } catch (...) {
            asio::post(executor, [waiting, failure = std::current_exception()] {
                waiting->finish(failure, std::nullopt);
            });
        }
    };
    co_return co_await asio::async_initiate<decltype(asio::use_awaitable), void(std::exception_ptr, std::optional<Answer>)>(
        initiate, asio::use_awaitable, limit, std::move(start));
}

} // namespace baton::web
