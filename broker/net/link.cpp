#include "broker/net/link.hpp"

#include <fmt/format.h>

#include <atomic>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace baton::broker::net {

namespace asio = baton::net::asio;

namespace {

Link::Address address_of(const asio::ip::tcp::endpoint& endpoint) {
    return {endpoint.address().to_string(), endpoint.port()};
}

std::string text_of(const Link::Address& address) {
    return fmt::format("{}:{}", address.host, address.port);
}

} // namespace

Link::Link(Socket socket) : socket_(std::move(socket)) {
    ErrorCode ignored;
    socket_->set_option(asio::ip::tcp::no_delay(true), ignored);
    socket_->set_option(asio::socket_base::keep_alive(true), ignored);
    socket_->non_blocking(true, ignored);
    name_ = fmt::format("{} -> {}", text_of(remote()), text_of(local()));
}

Link::Link(std::unique_ptr<baton::net::PipeEnd> pipe) : pipe_(std::move(pipe)) {
    static std::atomic<std::uint64_t> count{0};
    name_ = fmt::format("inside {} -> {}", count.fetch_add(1) + 1, text_of(local()));
}

asio::any_io_executor Link::executor() {
    return socket_ ? socket_->get_executor() : pipe_->executor();
}

Link::Address Link::remote() const {
    ErrorCode error;
    return socket_ ? address_of(socket_->remote_endpoint(error)) : Address{"127.0.0.1", 0};
}

Link::Address Link::local() const {
    ErrorCode error;
    return socket_ ? address_of(socket_->local_endpoint(error)) : Address{"127.0.0.1", 0};
}

bool Link::is_loopback() const {
    if (pipe_) return true;
    ErrorCode error;
    const auto remote = socket_->remote_endpoint(error);
    if (error) return false;
    const auto address = remote.address();
    if (address.is_v6() && address.to_v6().is_v4_mapped())
        return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).is_loopback();
    return address.is_loopback();
}

std::size_t Link::read_some(std::span<std::byte> space, ErrorCode& error) {
    if (socket_) return socket_->read_some(asio::buffer(space.data(), space.size()), error);
    return pipe_->read_some(space, error);
}

std::size_t Link::write_some(ByteView bytes, ErrorCode& error) {
    if (socket_) return socket_->write_some(asio::buffer(bytes.data(), bytes.size()), error);
    return pipe_->write_some(bytes, error);
}

baton::net::Awaitable<Status> Link::wait(WaitType what) {
    if (socket_) co_return co_await socket_->async_wait(what, baton::net::as_result);
    co_return co_await pipe_->wait(way_of(what));
}

void Link::acknowledge() {
    const int on = 1;
    if (socket_)
        (void)::setsockopt(socket_->native_handle(), IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

void Link::cancel() {
    ErrorCode ignored;
    if (socket_)
        socket_->cancel(ignored);
    else
        pipe_->cancel();
}

void Link::shutdown_send() {
    ErrorCode ignored;
    if (socket_)
        socket_->shutdown(Socket::shutdown_send, ignored);
    else
        pipe_->shutdown_send();
}

void Link::reset_when_closed() {
    ErrorCode ignored;
    if (socket_) socket_->set_option(asio::socket_base::linger(true, 0), ignored);
}

void Link::close() {
    ErrorCode ignored;
    if (socket_)
        socket_->close(ignored);
    else
        pipe_->close();
}

} // namespace baton::broker::net
