#include "broker/net/listener.hpp"

#include "base/log.hpp"
#include "broker/net/mqtt_client.hpp"

#include <boost/asio/co_spawn.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <optional>
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
constexpr auto pause_after_failure = std::chrono::milliseconds(200);
constexpr auto pause_of_log = std::chrono::minutes(1);

// On the connection's own thread from its first line to its last.
Awaitable<> serve(Link link, const Surroundings& around, ByteStream::Layers layers) {
    Connection connection(std::move(link), around, std::move(layers));
    co_await connection.serve();
}

Awaitable<> serve_mqtt(Link link, const Surroundings& around, ByteStream::Layers layers) {
    MqttClient client(std::move(link), around, std::move(layers));
    co_await client.serve();
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

Listener::Listener(asio::ip::tcp::acceptor acceptor, Threads threads, Speech speech)
    : acceptor_(std::move(acceptor)), threads_(std::move(threads)), speech_(speech) {}

Outcome<std::unique_ptr<Listener>> Listener::open(const asio::any_io_executor& executor,
                                                  const Endpoint& endpoint, Threads threads,
                                                  Speech speech) {
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
    return std::unique_ptr<Listener>(
        new Listener(std::move(acceptor), std::move(threads), speech));
}

std::unique_ptr<baton::net::PipeEnd> connect_inside(const Surroundings& around) {
    const auto& executor = around.connections.executor();
    auto [ours, theirs] = baton::net::PipeEnd::make_pair(executor);
    around.connections.expect();
    asio::co_spawn(executor, serve(Link(std::move(ours)), around, {}), report);
    return std::move(theirs);
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
    std::optional<std::chrono::steady_clock::time_point> logged;
    while (acceptor_.is_open()) {
        const Surroundings& around = least_busy();
        const auto& executor = around.connections.executor();
        auto socket = co_await acceptor_.async_accept(executor, as_result);
        // The broker stops, and those that are not logged in have been dropped already.
        if (!acceptor_.is_open()) break;
        if (socket) {
            ByteStream::Layers layers;
            if (speech_.certificates != nullptr) layers.tls = speech_.certificates->current();
            layers.web_socket = speech_.web_socket;
            around.connections.expect();
            Link link(std::move(*socket));
            if (speech_.is_mqtt)
                asio::co_spawn(executor, serve_mqtt(std::move(link), around, std::move(layers)), report);
            else
                asio::co_spawn(executor, serve(std::move(link), around, std::move(layers)), report);
        } else if (socket.error() != asio::error::connection_aborted) {
            // Most often no descriptor is free: trying again at once would only burn a processor.
            const auto now = std::chrono::steady_clock::now();
            if (!logged || now - *logged >= pause_of_log) {
                log::warning("broker", "cannot accept a connection; trying again",
                             {{"error", socket.error().message()}});
                logged = now;
            }
            co_await baton::net::sleep_for(pause_after_failure);
        }
        if (!has_room()) co_await wait_for_room();
    }
}

// Who comes now waits in the kernel's queue. The descriptors left belong to the journal.
// A server at its limit is full and has room again all the time; a line a minute says that.
Awaitable<> Listener::wait_for_room() {
    const auto now = std::chrono::steady_clock::now();
    const bool says = !said_full_ || now - *said_full_ >= pause_of_log;
    if (says) {
        log::warning("broker",
                     "no descriptor is left for another connection; new ones wait until one ends. "
                     "Raise the limit of open files (ulimit -n, LimitNOFILE)",
                     {{"connections", connections()}});
        said_full_ = now;
    }
    while (acceptor_.is_open() && !has_room())
        co_await baton::net::sleep_for(pause_without_room);
    if (says) log::info("broker", "connections are accepted again", {{"connections", connections()}});
}

const Surroundings& Listener::least_busy() const {
    return **std::ranges::min_element(
        threads_, {}, [](const Surroundings* around) { return around->connections.size(); });
}

std::size_t Listener::connections() const {
    std::size_t sum = 0;
    for (const Surroundings* around : threads_)
        sum += around->connections.size();
    return sum;
}

bool Listener::has_room() const {
    const std::size_t most = threads_.front()->options.connections_max;
    return most == 0 || connections() < most;
}

} // namespace baton::broker::net
