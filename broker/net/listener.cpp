#include "broker/net/listener.hpp"

#include "base/log.hpp"

#include <boost/asio/co_spawn.hpp>
#include <fmt/format.h>

#include <exception>
#include <utility>

namespace baton::broker::net {

namespace asio = baton::net::asio;
using baton::net::as_result;
using baton::net::Awaitable;

namespace {

// Many clients may connect at once after a restart.
constexpr int backlog = 1024;

// While there is no room for another connection, it is looked for again after this time.
constexpr auto pause_without_room = std::chrono::milliseconds(50);

Awaitable<> serve(std::unique_ptr<Connection> connection) {
    co_await connection->serve();
}

// A coroutine ends by returning; an exception here is a mistake of ours.
void report(std::exception_ptr stray) {
    if (!stray) return;
    try {
        std::rethrow_exception(stray);
    } catch (const std::exception& error) {
        log::error("broker", "a connection ended by an exception", {{"what", error.what()}});
    }
    std::terminate();
}

} // namespace

Listener::Listener(asio::ip::tcp::acceptor acceptor, const Surroundings& around,
                   Certificates* certificates)
    : acceptor_(std::move(acceptor)), around_(around), certificates_(certificates) {}

Outcome<std::unique_ptr<Listener>> Listener::open(const asio::any_io_executor& executor,
                                                  const Endpoint& endpoint,
                                                  const Surroundings& around,
                                                  Certificates* certificates) {
    asio::ip::tcp::acceptor acceptor(executor);
    ErrorCode error;
    acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.set_option(asio::ip::tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(backlog, error);
    if (error)
        return Failure{error,
                       fmt::format("cannot listen on {}:{}: {}", endpoint.address().to_string(),
                                   endpoint.port(), error.message())};
    return std::unique_ptr<Listener>(new Listener(std::move(acceptor), around, certificates));
}

Listener::Endpoint Listener::endpoint() const {
    ErrorCode error;
    return acceptor_.local_endpoint(error);
}

void Listener::start() {
    asio::co_spawn(acceptor_.get_executor(), accept(), report);
}

void Listener::close() {
    ErrorCode ignored;
    acceptor_.close(ignored);
}

Awaitable<> Listener::accept() {
    while (acceptor_.is_open()) {
        auto socket = co_await acceptor_.async_accept(as_result);
        if (socket) {
            auto tls = certificates_ == nullptr ? nullptr : certificates_->current();
            auto connection =
                std::make_unique<Connection>(std::move(*socket), around_, std::move(tls));
            asio::co_spawn(acceptor_.get_executor(), serve(std::move(connection)), report);
        } else if (acceptor_.is_open() && socket.error() != asio::error::connection_aborted) {
            log::error("broker", "cannot accept a connection; trying again",
                       {{"error", socket.error().message()}});
            co_await baton::net::sleep_for(std::chrono::seconds(1));
        }
        if (acceptor_.is_open() && !around_.connections.has_room()) co_await wait_for_room();
    }
}

// Who comes now waits in the kernel's queue. The descriptors left belong to the journal.
Awaitable<> Listener::wait_for_room() {
    log::warning("broker",
                 "no descriptor is left for another connection; new ones wait until one ends. "
                 "Raise the limit of open files (ulimit -n, LimitNOFILE)",
                 {{"connections", around_.connections.size()}});
    while (acceptor_.is_open() && !around_.connections.has_room())
        co_await baton::net::sleep_for(pause_without_room);
    log::info("broker", "connections are accepted again",
              {{"connections", around_.connections.size()}});
}

} // namespace baton::broker::net
