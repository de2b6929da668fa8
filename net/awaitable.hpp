// Coroutines and errors as values. `co_await socket.async_read_some(space, as_result)` gives
// Result<std::size_t> instead of throwing; an operation that yields nothing but an error gives
// Status.
//
// A coroutine that was cancelled (the losing side of `||`) throws at its next co_await. Loops under
// `||` must return instead, so they either stop after the first error they see or begin with
//   co_await asio::this_coro::throw_if_cancelled(false);
#pragma once

#include "base/result.hpp"

#include <boost/asio/associator.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <utility>

namespace baton::net {

namespace asio = boost::asio;

template <typename T = void>
using Awaitable = asio::awaitable<T>;

// For co_spawn: a coroutine of ours never throws; if one does, going on would hide a bug.
inline void stop_program(const std::exception_ptr& stray) {
    if (stray) std::rethrow_exception(stray);
}

// A cancellation reaches only the operation a coroutine waits in at that moment. A loop whose
// operation had just completed never hears of it, so before it waits again it asks:
//   if (was_cancelled(co_await asio::this_coro::cancellation_state)) co_return;
// Wakeup, Broadcast and sleep_for ask by themselves.
inline bool was_cancelled(const asio::cancellation_state& state) {
    return state.cancelled() != asio::cancellation_type::none;
}

struct AsResult {};
// Completion token for operations that complete with (error_code) or (error_code, value).
inline constexpr AsResult as_result{};

// Turns (error_code, value) into one Result for the coroutine behind `Handler`.
template <typename Handler, typename T>
struct ResultHandler {
    Handler handler;

    void operator()(ErrorCode error)
        requires std::is_void_v<T>
    {
        if (error)
            std::move(handler)(Result<T>(error));
        else
            std::move(handler)(Result<T>());
    }
    template <typename Value>
    void operator()(ErrorCode error, Value&& value) {
        if (error)
            std::move(handler)(Result<T>(error));
        else
            std::move(handler)(Result<T>(std::forward<Value>(value)));
    }
};

template <typename... Values>
struct ResultOf;
template <>
struct ResultOf<> {
    using Type = void;
};
template <typename Value>
struct ResultOf<Value> {
    using Type = std::decay_t<Value>;
};

} // namespace baton::net

template <typename... Values>
class boost::asio::async_result<baton::net::AsResult, void(boost::system::error_code, Values...)> {
    using Value = typename baton::net::ResultOf<Values...>::Type;

    template <typename Initiation>
    struct Start {
        Initiation initiation;
        template <typename Handler, typename... Args>
        void operator()(Handler&& handler, Args&&... args) {
            std::move(initiation)(
                baton::net::ResultHandler<std::decay_t<Handler>, Value>{
                    std::forward<Handler>(handler)},
                std::forward<Args>(args)...);
        }
    };

public:
    template <typename Initiation, typename... Args>
    static auto initiate(Initiation&& initiation, baton::net::AsResult, Args&&... args) {
        return async_initiate<const use_awaitable_t<>, void(baton::Result<Value>)>(
            Start<std::decay_t<Initiation>>{std::forward<Initiation>(initiation)}, use_awaitable,
            std::forward<Args>(args)...);
    }
};

// Executor, allocator and cancellation slot are those of the coroutine.
template <template <typename, typename> class Associator, typename Handler, typename T,
          typename Default>
struct boost::asio::associator<Associator, baton::net::ResultHandler<Handler, T>, Default>
    : Associator<Handler, Default> {
    static typename Associator<Handler, Default>::type
    get(const baton::net::ResultHandler<Handler, T>& wrapped) noexcept {
        return Associator<Handler, Default>::get(wrapped.handler);
    }
    static typename Associator<Handler, Default>::type
    get(const baton::net::ResultHandler<Handler, T>& wrapped, const Default& fallback) noexcept {
        return Associator<Handler, Default>::get(wrapped.handler, fallback);
    }
};
