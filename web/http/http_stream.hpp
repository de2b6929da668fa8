// A connection of the HTTP server, with TLS or without, as one stream of the kind Beast reads and writes.
// Time limits are those of the socket below, so they hold for a handshake as well. One io_context; must stay
// where it is while something is under way.
#pragma once

#include "base/result.hpp"
#include "net/tls.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/tcp_stream.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

namespace baton::web {

class HttpStream {
public:
    using executor_type = boost::beast::tcp_stream::executor_type;

    // `tls`: nothing for plain HTTP; it stays alive with the stream.
    HttpStream(boost::asio::ip::tcp::socket socket, std::shared_ptr<const net::TlsContext> tls)
        : plain_(std::move(socket)), context_(std::move(tls)) {
        if (context_) tls_.emplace(plain_, context_->make_native());
    }
    HttpStream(const HttpStream&) = delete;
    HttpStream& operator=(const HttpStream&) = delete;

    executor_type get_executor() { return plain_.get_executor(); }
    boost::asio::ip::tcp::socket& socket() { return plain_.socket(); }
    bool has_tls() const { return tls_.has_value(); }
    void expires_after(std::chrono::seconds limit) { plain_.expires_after(limit); }
    void expires_never() { plain_.expires_never(); }
    void close() { plain_.close(); }

    // Before anything else; at once where there is no TLS.
    boost::asio::awaitable<ErrorCode> shake_hands() {
        ErrorCode error;
        if (tls_)
            co_await tls_->async_handshake(boost::asio::ssl::stream_base::server,
                                           boost::asio::redirect_error(boost::asio::use_awaitable, error));
        co_return error;
    }

    template <typename Buffers, typename Token>
    auto async_read_some(const Buffers& buffers, Token&& token) {
        return boost::asio::async_initiate<Token, void(ErrorCode, std::size_t)>(
            [this](auto handler, Buffers into) {
                if (tls_)
                    tls_->async_read_some(into, std::move(handler));
                else
                    plain_.async_read_some(into, std::move(handler));
            },
            token, buffers);
    }

    template <typename Buffers, typename Token>
    auto async_write_some(const Buffers& buffers, Token&& token) {
        return boost::asio::async_initiate<Token, void(ErrorCode, std::size_t)>(
            [this](auto handler, Buffers from) {
                if (tls_)
                    tls_->async_write_some(from, std::move(handler));
                else
                    plain_.async_write_some(from, std::move(handler));
            },
            token, buffers);
    }

private:
    boost::beast::tcp_stream plain_;
    std::shared_ptr<const net::TlsContext> context_;
    std::optional<boost::asio::ssl::stream<boost::beast::tcp_stream&>> tls_;
};

} // namespace baton::web
