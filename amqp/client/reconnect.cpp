// Connect, run, pause, again.
#include "amqp/client/reconnect.hpp"

#include "amqp/client/errors.hpp"
#include "base/assert.hpp"
#include "base/log.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <utility>
#include <variant>

namespace baton::amqp::client {

Reconnect::Reconnect(net::asio::any_io_executor executor, ReconnectOptions options)
    : executor_(std::move(executor)),
      options_(std::move(options)),
      stopped_(executor_),
      random_(entropy_seed()) {
    BATON_ASSERT(options_.on_connected, "without on_connected a connection is of no use");
}

net::Awaitable<void> Reconnect::run() {
    co_await net::asio::this_coro::throw_if_cancelled(false);
    while (!is_stopping_) {
        const Outcome<void> ended = co_await try_once();
        is_ready_ = false;
        connection_.reset();
        if (is_stopping_) co_return;
        const Duration pause = next_pause();
        log::warning("amqp", "no connection to the broker",
                     {{"broker", to_text(options_.endpoint)},
                      {"reason", ended.error().detail},
                      {"again_in_ms", pause.count() / 1000}});
        if (co_await stopped_.wait_for(pause) == net::Wakeup::Outcome::cancelled) co_return;
    }
}

net::Awaitable<Outcome<void>> Reconnect::try_once() {
    using namespace net::asio::experimental::awaitable_operators;
    co_await net::asio::this_coro::throw_if_cancelled(false);
    connection_ = std::make_shared<Connection>(executor_, options_.endpoint);
    if (options_.on_blocked) connection_->on_blocked(options_.on_blocked);
    auto first = co_await (connection_->open() || stopped_.wait());
    if (first.index() == 1) co_return Failure{Errc::cancelled, "stopped"};
    if (Outcome<void>& opened = std::get<0>(first); !opened) {
        ++failures_;
        co_return opened.error();
    }
    if (is_stopping_) connection_->close();
    const Failure reason = co_await (connection_->run() && prepare());
    if (options_.on_lost) options_.on_lost(reason);
    co_return reason;
}

net::Awaitable<void> Reconnect::prepare() {
    const Outcome<void> prepared = co_await options_.on_connected(*connection_);
    if (!prepared) {
        ++failures_;
        log::warning("amqp", "could not prepare the connection",
                     {{"broker", to_text(options_.endpoint)}, {"reason", prepared.error().detail}});
        connection_->close();
        co_return;
    }
    if (!connection_->is_open()) co_return;
    failures_ = 0;
    is_ready_ = true;
    log::info("amqp", "connected", {{"broker", to_text(options_.endpoint)}});
}

void Reconnect::stop() {
    if (is_stopping_) return;
    is_stopping_ = true;
    stopped_.set();
    if (connection_ != nullptr) connection_->close();
}

Duration Reconnect::next_pause() {
    Duration pause = options_.pause_min;
    for (std::uint32_t count = 1; count < failures_ && pause < options_.pause_max; ++count)
        pause *= 2;
    pause = std::min(pause, options_.pause_max);
    // Half of it at random: many clients of one broker must not come back in step.
    const auto half = static_cast<std::uint64_t>(pause.count() / 2);
    return pause / 2 + Duration(static_cast<std::int64_t>(random_.below(half + 1)));
}

} // namespace baton::amqp::client
