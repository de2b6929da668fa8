// What AMQP travels in, as one stream of bytes that does not block: a Link alone, or TLS over it,
// or a WebSocket over either. Without layers each call is one test more than the Link's own; with a
// WebSocket what was read is unmasked where it stands, and what is written goes out as it is behind
// a head.
//
// What is there when somebody writes becomes one binary message, so a message holds whole frames of
// AMQP, as long as whoever writes has whole ones: clients rely on it. A client's messages may be
// cut anywhere.
//
// On the I/O thread of its connection.
#pragma once

#include "broker/net/link.hpp"
#include "net/tls.hpp"
#include "net/websocket/opening.hpp"
#include "net/websocket/session.hpp"

#include <boost/asio/post.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace baton::broker::net {

class ByteStream {
public:
    using Socket = Link::Socket;
    using WaitType = Link::WaitType;

    // Both nothing: plain.
    struct Layers {
        std::shared_ptr<const baton::net::TlsContext> tls{};
        const baton::net::websocket::OpeningRules* web_socket = nullptr; // outlives the stream
    };
    ByteStream(Link link, Layers layers);
    ByteStream(const ByteStream&) = delete;
    ByteStream& operator=(const ByteStream&) = delete;
    ~ByteStream();

    Link& link() { return link_; }
    const Link& link() const { return link_; }
    bool is_plain() const { return is_plain_; }
    bool has_tls() const { return tls_ != nullptr; }
    const baton::net::TlsSession& tls() const { return *tls_; }

    // The layers' own openings, once, before anything else. The failure is for the log; empty: the
    // other side went away. After it the stream takes a goodbye and nothing else.
    baton::net::Awaitable<Outcome<void>> open();

    // As a socket's. An error that is not would_block is the end; bytes that came before it were
    // given.
    std::size_t read_some(std::span<std::byte> space, ErrorCode& error) {
        return is_plain_ ? link_.read_some(space, error) : read_layered(space, error);
    }
    // After would_block the same bytes must come first the next time; more may follow them.
    std::size_t write_some(ByteView bytes, ErrorCode& error) {
        return is_plain_ ? link_.write_some(bytes, error) : write_layered(bytes, error);
    }
    // Something of its own waits to be written, which write_some() does even with no bytes.
    bool owes() const { return !is_plain_ && owes_layered(); }

    baton::net::Awaitable<Status> wait(WaitType what);
    // `handler(error, bytes)`. Bytes are in `first` already, which a plain stream alone does; 0:
    // there may be something to read.
    template <typename Handler>
    void async_read_some(std::span<std::byte> first, Handler handler) {
        if (is_plain_) return link_.async_read_some(first, std::move(handler));
        auto ready = [handler = std::move(handler)](const ErrorCode& error) { handler(error, 0); };
        // A layer may hold more than was taken from it.
        if (may_have_more())
            boost::asio::post(link_.executor(), [ready = std::move(ready)] { ready({}); });
        else
            link_.async_wait(direction_of(Socket::wait_read), std::move(ready));
    }
    // `handler(error)`. May wait for ever when may_have_more().
    template <typename Handler>
    void async_wait_to_read(Handler handler) {
        link_.async_wait(direction_of(Socket::wait_read), std::move(handler));
    }
    // `handler(error)`.
    template <typename Handler>
    void async_wait_to_write(Handler handler) {
        link_.async_wait(direction_of(Socket::wait_write), std::move(handler));
    }
    // The socket may stay silent though there is more to learn.
    bool may_have_more() const;

    // Nothing was heard since the last time: a WebSocket's ping, so that no proxy in between takes
    // the connection for an idle one, and that the kernel learns of a machine which is gone.
    void ask_if_silent();
    // The stream ended in order, or by a rule that the other side has broken; it may read a
    // goodbye.
    bool has_last_words() const;
    // The rule; empty: none.
    std::string_view complaint() const;
    // Says that nothing more comes. What is read from now on is of no meaning.
    void say_goodbye();

private:
    struct Web;

    WaitType direction_of(WaitType what) const;
    baton::net::Awaitable<Outcome<void>> open_tls();
    baton::net::Awaitable<Outcome<void>> open_web_socket();
    baton::net::Awaitable<bool> write_all(std::string text);
    std::size_t read_below(std::span<std::byte> space, ErrorCode& error);
    std::size_t write_below(ByteView bytes, ErrorCode& error);
    std::size_t read_layered(std::span<std::byte> space, ErrorCode& error);
    std::size_t write_layered(ByteView bytes, ErrorCode& error);
    bool owes_layered() const;
    bool write_staged(ErrorCode& error);
    void pay();

    Link link_;
    bool is_plain_ = true;
    std::unique_ptr<baton::net::TlsSession> tls_;
    std::unique_ptr<Web> web_;
};

} // namespace baton::broker::net
