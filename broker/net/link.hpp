// What a connection reads from and writes to: a socket, or a pipe to somebody inside this process.
// On the I/O thread of its connection.
#pragma once

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "net/awaitable.hpp"
#include "net/pipe.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace baton::broker::net {

class Link {
public:
    using Socket = baton::net::asio::ip::tcp::socket;
    using WaitType = Socket::wait_type;

    explicit Link(Socket socket);
    explicit Link(std::unique_ptr<baton::net::PipeEnd> pipe);

    baton::net::asio::any_io_executor executor();
    int native_handle() { return socket_->native_handle(); } // of a socket
    // For people; the one of a pipe is the only one of its kind, too.
    const std::string& name() const { return name_; }
    struct Address {
        std::string host;
        std::uint16_t port = 0;
    };
    Address remote() const;
    Address local() const;
    bool is_loopback() const;

    std::size_t read_some(std::span<std::byte> space, ErrorCode& error);
    std::size_t write_some(ByteView bytes, ErrorCode& error);
    baton::net::Awaitable<Status> wait(WaitType what);
    // `handler(error)`, not from inside.
    template <typename Handler>
    void async_wait(WaitType what, Handler handler) {
        if (socket_) return socket_->async_wait(what, std::move(handler));
        pipe_->async_wait(way_of(what), std::move(handler));
    }
    // `handler(error, bytes)`. Of a pipe nothing is read yet, only there.
    template <typename Handler>
    void async_read_some(std::span<std::byte> space, Handler handler) {
        if (socket_)
            return socket_->async_read_some(baton::net::asio::buffer(space.data(), space.size()),
                                            std::move(handler));
        pipe_->async_wait(
            baton::net::PipeEnd::Way::reading,
            [handler = std::move(handler)](const ErrorCode& error) { handler(error, 0); });
    }

    // The kernel of the other side hears at once that what it sent is here.
    void acknowledge();
    bool has_kernel() const { return socket_.has_value(); }

    void cancel();
    // The other side reads what was written, and then the end.
    void shutdown_send();
    // The other side meets an error with its next write.
    void reset_when_closed();
    void close();

private:
    static baton::net::PipeEnd::Way way_of(WaitType what) {
        return what == Socket::wait_write ? baton::net::PipeEnd::Way::writing
                                          : baton::net::PipeEnd::Way::reading;
    }

    std::optional<Socket> socket_;              // either this
    std::unique_ptr<baton::net::PipeEnd> pipe_; // or this
    std::string name_;
};

} // namespace baton::broker::net
