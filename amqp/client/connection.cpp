// Sockets, loops and the end of a connection.
#include "amqp/client/connection.hpp"

#include "amqp/client/errors.hpp"
#include "amqp/client/handshake.hpp"
#include "amqp/client/publisher.hpp"
#include "base/assert.hpp"
#include "base/log.hpp"
#include "net/resolve.hpp"
#include "net/within.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace baton::amqp::client {

namespace asio = net::asio;
using asio::ip::tcp;
using namespace std::chrono_literals;

namespace {

// How long a broker may take to answer connection.close, and we to write our last bytes.
constexpr auto close_patience = 5s;
constexpr auto last_words_patience = 1s;
// How much the reader takes at once.
constexpr std::size_t read_bytes = 128 * 1024;

std::chrono::steady_clock::time_point steady_now() {
    return std::chrono::steady_clock::now();
}

Failure lost(const ErrorCode& error) {
    return {Errc::connection_lost, "connection lost: " + error.message()};
}

Failure cancelled() {
    return {Errc::cancelled, "cancelled"};
}

} // namespace

struct Connection::Stream {
    explicit Stream(const asio::any_io_executor& executor) : socket(executor) {}
    void close() {
        ErrorCode ignored;
        socket.close(ignored);
        if (pipe) pipe->close();
    }

    net::Awaitable<Result<std::size_t>> read_some(std::span<std::byte> space);
    net::Awaitable<Result<std::size_t>> write_some(ByteView bytes);
    // False when the wait was cancelled or the socket failed.
    net::Awaitable<bool> wait(bool for_writing);

    tcp::socket socket;
    std::unique_ptr<net::TlsSession> tls; // null: plain
    std::unique_ptr<net::PipeEnd> pipe;   // instead of the socket; null: that
};

net::Awaitable<bool> Connection::Stream::wait(bool for_writing) {
    if (net::was_cancelled(co_await asio::this_coro::cancellation_state)) co_return false;
    const Status ready = co_await socket.async_wait(
        for_writing ? tcp::socket::wait_write : tcp::socket::wait_read, net::as_result);
    co_return ready.has_value();
}

net::Awaitable<Result<std::size_t>> Connection::Stream::read_some(std::span<std::byte> space) {
    while (pipe) {
        ErrorCode error;
        const std::size_t got = pipe->read_some(space, error);
        if (!error) co_return got;
        if (error != asio::error::would_block) co_return error;
        const Status ready = co_await pipe->wait(net::PipeEnd::Way::reading);
        if (!ready) co_return ready.error();
    }
    if (!tls)
        co_return co_await socket.async_read_some(asio::buffer(space.data(), space.size()),
                                                  net::as_result);
    for (;;) {
        ErrorCode error;
        const std::size_t got = tls->read_some(space, error);
        if (!error) co_return got;
        if (error != asio::error::would_block) co_return error;
        if (!co_await wait(tls->reading_waits_for_writing()))
            co_return ErrorCode(asio::error::operation_aborted);
    }
}

net::Awaitable<Result<std::size_t>> Connection::Stream::write_some(ByteView bytes) {
    while (pipe) {
        ErrorCode error;
        const std::size_t wrote = pipe->write_some(bytes, error);
        if (!error) co_return wrote;
        if (error != asio::error::would_block) co_return error;
        const Status ready = co_await pipe->wait(net::PipeEnd::Way::writing);
        if (!ready) co_return ready.error();
    }
    if (!tls)
        co_return co_await socket.async_write_some(asio::buffer(bytes.data(), bytes.size()),
                                                   net::as_result);
    for (;;) {
        ErrorCode error;
        const std::size_t wrote = tls->write_some(bytes, error);
        if (!error) co_return wrote;
        if (error != asio::error::would_block) co_return error;
        if (!co_await wait(!tls->writing_waits_for_reading()))
            co_return ErrorCode(asio::error::operation_aborted);
    }
}

Connection::Connection(asio::any_io_executor executor, Endpoint endpoint)
    : executor_(std::move(executor)),
      endpoint_(std::move(endpoint)),
      unwritten_(executor_),
      time_changed_(executor_) {}

Connection::~Connection() {
    end({Errc::connection_lost, "the connection object is gone"});
}

// --- opening ----------------------------------------------------------------------------------

net::Awaitable<Outcome<void>> Connection::open() {
    Outcome<void> opened = Failure{Errc::unreachable, "no host is given"};
    for (const HostPort& place : endpoint_.hosts) {
        opened = co_await net::within(endpoint_.connection_timeout, open_at(place));
        if (opened) {
            host_ = place;
            co_return opened;
        }
        stream_.reset();
        if (opened.error().code == net::timed_out())
            opened = Failure{Errc::unreachable,
                             fmt::format("{}:{} does not answer", place.host, place.port)};
        // The next host would say the same about the login.
        if (opened.error().code == ReplyCode::access_refused) break;
    }
    co_return opened;
}

net::Awaitable<Outcome<void>> Connection::open_at(HostPort place) {
    reader_ = FrameReader(read_bytes);
    reader_.set_frame_max(std::max(endpoint_.frame_max, frame_bytes_min));
    out_.clear();
    writing_.clear();
    stream_ = std::make_unique<Stream>(executor_);
    auto connected = co_await connect(place);
    if (!connected) co_return connected;
    if (endpoint_.has_tls) {
        auto secured = co_await shake_tls_hands(place);
        if (!secured) co_return secured;
    }
    auto welcome = co_await shake_hands();
    if (!welcome) co_return welcome;
    last_sent_ = last_received_ = steady_now();
    is_open_ = true;
    co_return Outcome<void>();
}

net::Awaitable<Outcome<void>> Connection::connect(HostPort place) {
    const auto unreachable = [&place](const ErrorCode& error) {
        return Failure{Errc::unreachable,
                       fmt::format("{}:{}: {}", place.host, place.port, error.message())};
    };
    if (endpoint_.open_inside) {
        stream_->pipe = endpoint_.open_inside();
        if (stream_->pipe) co_return Outcome<void>();
        co_return Failure{Errc::unreachable, "the broker of this process takes no connections any more"};
    }
    ErrorCode not_numeric;
    const asio::ip::address address = asio::ip::make_address(place.host, not_numeric);
    if (!not_numeric) {
        const tcp::endpoint target(address, place.port);
        const Status connected = co_await stream_->socket.async_connect(target, net::as_result);
        if (!connected) co_return unreachable(connected.error());
    } else {
        const auto found = co_await net::resolve(place.host, place.port);
        if (!found) co_return unreachable(found.error().code);
        const auto connected =
            co_await asio::async_connect(stream_->socket, *found, net::as_result);
        if (!connected) co_return unreachable(connected.error());
    }
    ErrorCode ignored;
    stream_->socket.set_option(tcp::no_delay(true), ignored);
    co_return Outcome<void>();
}

net::Awaitable<Outcome<void>> Connection::shake_tls_hands(HostPort place) {
    auto context = net::TlsContext::make(net::TlsSide::client, endpoint_.tls);
    if (!context) co_return Failure{Errc::tls_failed, context.error().detail};
    ErrorCode ignored;
    stream_->socket.non_blocking(true, ignored);
    stream_->tls = std::make_unique<net::TlsSession>(
        std::move(*context), stream_->socket.native_handle(),
        endpoint_.server_name.empty() ? place.host : endpoint_.server_name);
    for (;;) {
        const Status shaken = stream_->tls->shake_hands();
        if (shaken) co_return Outcome<void>();
        if (shaken.error() == asio::error::would_block &&
            co_await stream_->wait(stream_->tls->reading_waits_for_writing()))
            continue;
        const std::string& complaint = stream_->tls->complaint();
        co_return Failure{Errc::tls_failed,
                          fmt::format("{}:{}: no TLS connection: {}", place.host, place.port,
                                      complaint.empty() ? shaken.error().message() : complaint)};
    }
}

net::Awaitable<Outcome<void>> Connection::shake_hands() {
    Handshake handshake(endpoint_);
    handshake.start(out_);
    while (true) {
        if (const Status written = co_await flush(); !written)
            co_return handshake.when_lost(written.error());
        const auto count = co_await stream_->read_some(reader_.writable());
        if (!count) co_return handshake.when_lost(count.error());
        reader_.written(*count);
        while (true) {
            const auto frame = reader_.next();
            if (!frame)
                co_return Failure{Errc::handshake_failed, "the server does not speak AMQP 0-9-1: " +
                                                              frame.error().message()};
            if (!*frame) break;
            if ((*frame)->type == FrameType::heartbeat) continue;
            const auto method = decode_method((*frame)->payload);
            if (!method) co_return Failure{method.error(), method.error().message()};
            const auto progress = handshake.take(*method, out_);
            if (!progress) {
                // The server waits for our close-ok.
                static_cast<void>(co_await flush());
                co_return progress.error();
            }
            if (*progress == Handshake::Progress::going_on) continue;
            frame_max_ = handshake.frame_max();
            channel_max_ = handshake.channel_max();
            heartbeat_seconds_ = handshake.heartbeat_seconds();
            server_properties_ = handshake.server_properties();
            reader_.set_frame_max(frame_max_);
            co_return Outcome<void>();
        }
    }
}

// --- running ----------------------------------------------------------------------------------

net::Awaitable<Failure> Connection::run() {
    using namespace asio::experimental::awaitable_operators;
    BATON_ASSERT(stream_ != nullptr, "run() comes after a successful open()");
    // When somebody else ends us we still want to say goodbye.
    co_await asio::this_coro::throw_if_cancelled(false);
    auto first = co_await (read_frames() || write_frames() || watch_time());
    Failure reason = std::visit([](Failure& side) { return std::move(side); }, first);
    if (reason.code != Errc::connection_lost) co_await write_last_words();
    end(reason);
    co_return reason;
}

net::Awaitable<Failure> Connection::read_frames() {
    co_await asio::this_coro::throw_if_cancelled(false);
    while (true) {
        // What came together with open-ok waits in the reader already.
        if (auto reason = take_all_frames()) co_return *reason;
        if (net::was_cancelled(co_await asio::this_coro::cancellation_state))
            co_return cancelled();
        const auto count = co_await stream_->read_some(reader_.writable());
        if (!count) {
            if (close_deadline_) co_return Failure{Errc::closed_by_us, "closed"};
            co_return lost(count.error());
        }
        last_received_ = steady_now();
        reader_.written(*count);
    }
}

net::Awaitable<Failure> Connection::write_frames() {
    co_await asio::this_coro::throw_if_cancelled(false);
    while (true) {
        if (out_.empty() && writing_.empty()) {
            if (co_await unwritten_.wait() != net::Wakeup::Outcome::set) co_return cancelled();
            continue;
        }
        if (net::was_cancelled(co_await asio::this_coro::cancellation_state))
            co_return cancelled();
        unwritten_.reset();
        if (writing_.empty()) writing_.swap(out_);
        const auto count = co_await stream_->write_some(writing_.view());
        if (!count) co_return lost(count.error());
        writing_.discard_front(*count);
        last_sent_ = steady_now();
        for (const auto& [number, channel] : channels_)
            if (channel->publisher_ != nullptr) channel->publisher_->bytes_written();
    }
}

net::Awaitable<Failure> Connection::watch_time() {
    co_await asio::this_coro::throw_if_cancelled(false);
    const auto interval = std::chrono::seconds(heartbeat_seconds_);
    while (true) {
        const SteadyTime now = steady_now();
        if (close_deadline_ && now >= *close_deadline_)
            co_return Failure{Errc::closed_by_us, "closed without the broker's answer"};
        if (interval != 0s && now - last_received_ >= 2 * interval)
            co_return Failure{Errc::heartbeat_missed,
                              fmt::format("nothing was heard for {} s", 2 * heartbeat_seconds_)};
        if (interval != 0s && now - last_sent_ >= interval / 2 && out_.empty() &&
            writing_.empty()) {
            append_heartbeat(out_);
            wake_writer();
        }
        Duration pause = interval != 0s ? Duration(interval) / 4 : Duration(1h);
        if (close_deadline_)
            pause = std::min(pause, std::chrono::ceil<Duration>(*close_deadline_ - now));
        if (co_await time_changed_.wait_for(pause) == net::Wakeup::Outcome::cancelled)
            co_return cancelled();
    }
}

net::Awaitable<Status> Connection::flush() {
    while (!out_.empty() || !writing_.empty()) {
        if (writing_.empty()) writing_.swap(out_);
        const auto count = co_await stream_->write_some(writing_.view());
        if (!count) co_return count.error();
        writing_.discard_front(*count);
    }
    co_return Status();
}

net::Awaitable<void> Connection::write_last_words() {
    static_cast<void>(co_await net::within(Duration(last_words_patience), flush()));
}

void Connection::close(ReplyCode code, std::string_view text) {
    if (!is_open_ || close_deadline_) return;
    ConnectionClose close;
    close.reply_code = static_cast<std::uint16_t>(code);
    close.reply_text = text.substr(0, 255);
    // A text of at most 255 bytes always fits.
    static_cast<void>(append_method(out_, 0, close));
    close_deadline_ = steady_now() + close_patience;
    wake_writer();
    time_changed_.set();
}

void Connection::end(const Failure& reason) {
    is_open_ = false;
    // Callbacks of one channel may ask another to close.
    const auto channels = std::exchange(channels_, {});
    for (const auto& [number, channel] : channels) {
        channel->end(reason);
        channel->connection_ = nullptr;
    }
    if (stream_ != nullptr) stream_->close();
}

// --- frames -----------------------------------------------------------------------------------

std::optional<Failure> Connection::take_all_frames() {
    while (true) {
        const auto frame = reader_.next();
        std::optional<Failure> reason;
        if (!frame)
            reason = Failure{frame.error(), frame.error().message()};
        else if (*frame)
            reason = take(**frame);
        else
            return std::nullopt;
        if (!reason) continue;
        if (reason->code.category() == amqp::category()) {
            ConnectionClose close;
            close.reply_code = static_cast<std::uint16_t>(reply_code_for(reason->code));
            close.reply_text = reason->detail.substr(0, 255);
            static_cast<void>(append_method(out_, 0, close));
        }
        return reason;
    }
}

std::optional<Failure> Connection::take(const Frame& frame) {
    if (frame.type == FrameType::heartbeat) return std::nullopt;
    if (frame.channel == 0) return take_own(frame);
    const auto found = channels_.find(frame.channel);
    if (found == channels_.end())
        return Failure{amqp::Errc::unexpected_frame,
                       fmt::format("a frame for channel {}, which is not open", frame.channel)};
    // The channel may end by this frame, and callbacks may change the map.
    const std::shared_ptr<Channel> channel = found->second;
    const Status taken = channel->take(frame);
    if (channel->state_ == Channel::State::closed) {
        channels_.erase(frame.channel);
        channel->connection_ = nullptr;
    }
    if (taken) return std::nullopt;
    return Failure{taken.error(), taken.error().message()};
}

std::optional<Failure> Connection::take_own(const Frame& frame) {
    if (frame.type != FrameType::method)
        return Failure{amqp::Errc::unexpected_frame, "content on channel 0"};
    const auto method = decode_method(frame.payload);
    if (!method) return Failure{method.error(), method.error().message()};
    if (const auto* close = std::get_if<ConnectionClose>(&*method)) {
        static_cast<void>(append_method(out_, 0, ConnectionCloseOk{}));
        if (close_deadline_) return Failure{Errc::closed_by_us, "closed"};
        return Failure{static_cast<ReplyCode>(close->reply_code), close->reply_text};
    }
    if (std::holds_alternative<ConnectionCloseOk>(*method) && close_deadline_)
        return Failure{Errc::closed_by_us, "closed"};
    if (const auto* blocked = std::get_if<ConnectionBlocked>(&*method)) {
        is_blocked_ = true;
        if (on_blocked_) on_blocked_(true, blocked->reason);
        return std::nullopt;
    }
    if (std::holds_alternative<ConnectionUnblocked>(*method)) {
        is_blocked_ = false;
        if (on_blocked_) on_blocked_(false, {});
        return std::nullopt;
    }
    return Failure{amqp::Errc::unexpected_method, fmt::format("unexpected {}", name_of(*method))};
}

// --- channels ---------------------------------------------------------------------------------

std::optional<ChannelNumber> Connection::free_number() const {
    const unsigned max = channel_max_ == 0 ? 65535u : channel_max_;
    unsigned number = 1;
    for (const auto& [used, channel] : channels_) {
        if (used != number) break;
        ++number;
    }
    if (number > max) return std::nullopt;
    return static_cast<ChannelNumber>(number);
}

net::Awaitable<Outcome<std::shared_ptr<Channel>>> Connection::open_channel() {
    if (!is_open_) co_return Failure{Errc::connection_lost, "the connection is not open"};
    const auto number = free_number();
    if (!number) co_return Failure{Errc::no_free_channel, "all channels are in use"};
    auto channel = std::make_shared<Channel>(*this, *number);
    channels_.emplace(*number, channel);
    const Outcome<void> opened = co_await channel->open();
    if (!opened) co_return opened.error();
    co_return channel;
}

} // namespace baton::amqp::client
