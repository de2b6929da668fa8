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

Awaitable<> serve(Connection::Socket socket, Surroundings around) {
    Connection connection(std::move(socket), around);
    co_await connection.serve();
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

Listener::Listener(asio::ip::tcp::acceptor acceptor, const Surroundings& around)
    : acceptor_(std::move(acceptor)), around_(around) {}

Outcome<std::unique_ptr<Listener>> Listener::open(const asio::any_io_executor& executor,
                                                  const Endpoint& endpoint,
                                                  const Surroundings& around) {
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
    return std::unique_ptr<Listener>(new Listener(std::move(acceptor), around));
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
            asio::co_spawn(acceptor_.get_executor(), serve(std::move(*socket), around_), report);
            continue;
        }
        if (!acceptor_.is_open()) co_return;
        // Out of descriptors, most likely: those who wait keep waiting until one is free.
        log::error("broker", "cannot accept a connection", {{"error", socket.error().message()}});
        co_await baton::net::sleep_for(std::chrono::milliseconds(100));
    }
}

} // namespace baton::broker::net
