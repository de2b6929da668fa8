#include "broker/net/byte_stream.hpp"

#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <array>
#include <cstring>

namespace baton::broker::net {

using baton::net::Awaitable;
using baton::net::websocket::CloseCode;
using baton::net::websocket::Opening;
using baton::net::websocket::OpeningRules;
using baton::net::websocket::Session;
using baton::net::websocket::SessionLimits;

namespace {

// Nothing is gathered, so this is what a client may announce and no more: several of the largest
// messages that are taken at all.
constexpr std::uint64_t frame_bytes_max = std::uint64_t{1} << 31;
constexpr std::uint64_t message_bytes_max = std::uint64_t{1} << 32;
// So much of a message is copied behind its head, that small ones take one write; of a large one
// the rest is written from where it stands.
constexpr std::size_t staged_bytes_max = 16 * 1024;
// Reads in a row that bring control frames alone, before others get their turn.
constexpr int empty_reads_max = 16;

} // namespace

struct ByteStream::Web {
    explicit Web(const OpeningRules& wanted)
        : rules(wanted),
          session(SessionLimits{.frame_bytes_max = frame_bytes_max,
                                .message_bytes_max = message_bytes_max}) {}

    const OpeningRules& rules;
    Session session;
    bool is_open = false;
    bool is_draining = false; // after our goodbye
    bool may_have_more = false;
    bool was_heard = true;
    // A message of ours on its way: bytes that are written next, of which the last are the first of
    // those that wait in front of write_some(), and how many of these follow them.
    std::vector<std::byte> staged;
    std::size_t staged_payload = 0;
    std::uint64_t left = 0;
};

ByteStream::ByteStream(Link link, Layers layers)
    : link_(std::move(link)), is_plain_(!layers.tls && layers.web_socket == nullptr) {
    if (layers.tls)
        tls_ =
            std::make_unique<baton::net::TlsSession>(std::move(layers.tls), link_.native_handle());
    if (layers.web_socket != nullptr) web_ = std::make_unique<Web>(*layers.web_socket);
}

ByteStream::~ByteStream() = default;

// --- The opening ---------------------------------------------------------------------------------

Awaitable<Outcome<void>> ByteStream::open() {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    if (tls_) {
        auto opened = co_await open_tls();
        if (!opened) co_return opened;
    }
    if (web_) co_return co_await open_web_socket();
    co_return Outcome<void>(boost::system::in_place_value);
}

Awaitable<Outcome<void>> ByteStream::open_tls() {
    for (;;) {
        const Status shaken = tls_->shake_hands();
        if (shaken) co_return Outcome<void>(boost::system::in_place_value);
        const bool waits = shaken.error() == boost::asio::error::would_block;
        if (waits && co_await wait(Socket::wait_read)) continue;
        Failure failure{shaken.error(), {}};
        if (shaken.error() == baton::net::TlsErrc::failed) {
            failure.detail = "TLS: " + tls_->complaint();
            // The alert that says why is written; the rest is a plain goodbye.
            tls_.reset();
        }
        co_return failure;
    }
}

Awaitable<Outcome<void>> ByteStream::open_web_socket() {
    Opening opening(web_->rules);
    std::array<std::byte, 1024> bytes;
    for (;;) {
        ErrorCode error;
        const std::size_t got = read_below(bytes, error);
        if (!error && opening.take(ByteView(bytes).first(got))) break;
        if (error &&
            (error != boost::asio::error::would_block || !co_await wait(Socket::wait_read)))
            co_return Failure{error, {}};
    }
    const bool is_written = co_await write_all(opening.answer());
    if (!opening.is_accepted())
        co_return Failure{make_error_code(boost::system::errc::protocol_error),
                          "WebSocket: " + opening.complaint()};
    if (!is_written) co_return Failure{make_error_code(boost::system::errc::broken_pipe), {}};
    web_->is_open = true;
    co_return Outcome<void>(boost::system::in_place_value);
}

Awaitable<bool> ByteStream::write_all(std::string text) {
    for (ByteView left = as_bytes(text); !left.empty();) {
        ErrorCode error;
        left = left.subspan(write_below(left, error));
        if (error &&
            (error != boost::asio::error::would_block || !co_await wait(Socket::wait_write)))
            co_return false;
    }
    co_return true;
}

// --- Waiting -------------------------------------------------------------------------------------

// TLS may have to write in order to read, and the other way round.
ByteStream::WaitType ByteStream::direction_of(WaitType what) const {
    if (tls_ && what == Socket::wait_read && tls_->reading_waits_for_writing())
        return Socket::wait_write;
    if (tls_ && what == Socket::wait_write && tls_->writing_waits_for_reading())
        return Socket::wait_read;
    return what;
}

bool ByteStream::may_have_more() const {
    return (tls_ && tls_->may_have_more()) ||
           (web_ && (web_->may_have_more || web_->session.has_ended()));
}

Awaitable<Status> ByteStream::wait(WaitType what) {
    if (!is_plain_ && what == Socket::wait_read && may_have_more()) {
        co_await boost::asio::post(link_.executor(), baton::net::asio::use_awaitable);
        co_return Status(boost::system::in_place_value);
    }
    co_return co_await link_.wait(direction_of(what));
}

// --- Bytes ---------------------------------------------------------------------------------------

std::size_t ByteStream::read_below(std::span<std::byte> space, ErrorCode& error) {
    return tls_ ? tls_->read_some(space, error) : link_.read_some(space, error);
}

std::size_t ByteStream::write_below(ByteView bytes, ErrorCode& error) {
    return tls_ ? tls_->write_some(bytes, error) : link_.write_some(bytes, error);
}

std::size_t ByteStream::read_layered(std::span<std::byte> space, ErrorCode& error) {
    if (!web_ || !web_->is_open || web_->is_draining) return read_below(space, error);
    web_->may_have_more = false;
    for (int round = 0; round < empty_reads_max; ++round) {
        if (web_->session.has_ended()) {
            error = boost::asio::error::eof;
            return 0;
        }
        const std::size_t got = read_below(space, error);
        if (error) return 0;
        web_->was_heard = true;
        const std::size_t payload = web_->session.take(space.first(got));
        pay();
        if (payload != 0) return payload;
    }
    web_->may_have_more = true;
    error = boost::asio::error::would_block;
    return 0;
}

bool ByteStream::owes_layered() const {
    return web_ && (!web_->staged.empty() || web_->session.owes());
}

// True: nothing is staged any more.
bool ByteStream::write_staged(ErrorCode& error) {
    auto& staged = web_->staged;
    while (!staged.empty() && !error) {
        const std::size_t wrote = write_below(staged, error);
        staged.erase(staged.begin(), staged.begin() + static_cast<std::ptrdiff_t>(wrote));
    }
    if (staged.empty()) staged = {}; // an idle connection has none
    return staged.empty();
}

// What the session owes is said between two messages, as far as the socket takes it; an error turns
// up at the next read or write.
void ByteStream::pay() {
    if (!web_->is_open || !web_->session.owes() || !web_->staged.empty() || web_->left != 0) return;
    web_->session.pay(web_->staged);
    ErrorCode later;
    (void)write_staged(later);
}

std::size_t ByteStream::write_layered(ByteView bytes, ErrorCode& error) {
    error = {};
    if (!web_ || !web_->is_open) return write_below(bytes, error);
    std::size_t total = 0;
    for (;;) {
        if (!write_staged(error)) break;
        total += std::exchange(web_->staged_payload, 0);
        if (web_->left != 0) {
            const auto count =
                static_cast<std::size_t>(std::min<std::uint64_t>(web_->left, bytes.size() - total));
            if (count == 0) break;
            const std::size_t wrote = write_below(bytes.subspan(total, count), error);
            total += wrote;
            web_->left -= wrote;
            if (error) break;
            continue;
        }
        web_->session.pay(web_->staged);
        if (total == bytes.size() || web_->session.has_ended()) {
            if (web_->staged.empty()) break;
            continue;
        }
        std::array<std::byte, Session::head_bytes_max> head;
        const ByteView message = bytes.subspan(total);
        const std::size_t head_bytes = Session::write_head(head, message.size());
        web_->staged.insert(web_->staged.end(), head.begin(),
                            head.begin() + static_cast<std::ptrdiff_t>(head_bytes));
        web_->staged_payload = std::min(message.size(), staged_bytes_max);
        web_->staged.insert(web_->staged.end(), message.begin(),
                            message.begin() + static_cast<std::ptrdiff_t>(web_->staged_payload));
        web_->left = message.size() - web_->staged_payload;
    }
    // As of a socket: what was written is told first, and why no more was turns up the next time.
    if (total != 0) error = {};
    // Nothing is said behind a close; the end turns up at the next read.
    if (total == 0 && !error && !bytes.empty()) error = boost::asio::error::broken_pipe;
    return total;
}

// --- The end -------------------------------------------------------------------------------------

void ByteStream::ask_if_silent() {
    if (!web_ || !web_->is_open || std::exchange(web_->was_heard, false)) return;
    web_->session.ping();
    pay();
}

bool ByteStream::has_last_words() const {
    return web_ && web_->is_open && web_->session.has_ended();
}

std::string_view ByteStream::complaint() const {
    return web_ ? web_->session.complaint() : std::string_view();
}

void ByteStream::say_goodbye() {
    if (web_ && web_->is_open) {
        web_->session.close(CloseCode::normal);
        pay();
        web_->is_draining = true;
    }
    if (tls_) tls_->say_goodbye();
    link_.shutdown_send();
}

} // namespace baton::broker::net
