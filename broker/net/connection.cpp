#include "broker/net/connection.hpp"

#include "base/log.hpp"
#include "base/overloaded.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace baton::broker::net {

using baton::net::as_result;
using baton::net::Awaitable;
namespace asio = baton::net::asio;
using namespace asio::experimental::awaitable_operators;

namespace {

// An idle connection keeps at most this much of its output buffer.
constexpr std::size_t idle_buffer_bytes = 4096;
// How often a connection without heartbeats is looked at, for that.
constexpr auto pause_without_heartbeat = std::chrono::seconds(30);
// How much is read at once while publishes are held.
constexpr std::size_t held_read_bytes = 4096;
// A table of tiny fields grows about so much when it is decoded.
constexpr std::size_t decoded_bytes_per_byte = 16;

bool is_publish(const amqp::Frame& frame) {
    if (frame.type != amqp::FrameType::method) return false;
    const auto id = amqp::peek_method_id(frame.payload);
    return id && *id == amqp::BasicPublish::id;
}

} // namespace

Connection::Connection(Link link, const Surroundings& around, ByteStream::Layers layers)
    : around_(around),
      stream_(std::move(link), std::move(layers)),
      reader_(around.options.read_chunk_bytes),
      watch_timer_(stream_.link().executor()),
      over_(stream_.link().executor()) {
    // Generous before tuning: tokens as passwords are longer than the smallest frame.
    reader_.set_frame_max(around.options.frame_max);
    around_.connections.enter(*this);
}

Connection::~Connection() {
    around_.connections.note_held(held_bytes_, 0);
    around_.connections.leave(*this);
}

// Each stage is a coroutine of its own, so that the frames of one are gone in the next: it is the
// second one in which thousands of connections sit.
Awaitable<> Connection::serve() {
    co_await shake_hands_in_time();
    if (handshake_ && handshake_->state() == Handshake::State::asked_to_open && !is_lost_) {
        open();
        begin();
        co_await over_.wait();
        around_.inlet.begin();
        around_.inlet.apply(core::ConnectionLost{id_});
        around_.inlet.end();
        around_.connections.remove(id_);
        log::debug("broker", "connection ended", {{"name", stream_.link().name()}});
    } else if (handshake_ && !handshake_->complaint().empty()) {
        log::warning("broker", "connection refused",
                     {{"name", stream_.link().name()}, {"why", handshake_->complaint()}});
    }
    if (!stream_.complaint().empty())
        log::warning("broker", "WebSocket: a rule was broken",
                     {{"name", stream_.link().name()}, {"why", stream_.complaint()}});
    // A WebSocket ends by a message of its own, and nothing else can be said behind it.
    if (stream_.has_last_words()) outbox_.forget();
    if ((!is_lost_ || stream_.has_last_words()) && !outbox_.drops_now()) co_await say_goodbye_in_time();
    stream_.link().close();
}

Awaitable<> Connection::shake_hands_in_time() {
    auto limit = baton::net::sleep_for(around_.options.handshake_limit);
    co_await (shake_hands() || std::move(limit));
}

Awaitable<> Connection::say_goodbye_in_time() {
    auto patience = baton::net::sleep_for(std::chrono::seconds(1));
    co_await (say_goodbye() || std::move(patience));
}

// --- The opening ---------------------------------------------------------------------------------

std::size_t Connection::read_some(std::span<std::byte> space, ErrorCode& error) {
    const std::size_t got = stream_.read_some(space, error);
    received_bytes_ += got;
    return got;
}

std::size_t Connection::write_some(ByteView bytes, ErrorCode& error) {
    const std::size_t wrote = stream_.write_some(bytes, error);
    sent_bytes_ += wrote;
    return wrote;
}

core::Traffic Connection::traffic() const {
    return {received_bytes_, reads_, sent_bytes_, writes_, outbox_.size()};
}

// Between two reads another connection can use the memory.
void Connection::give_chunk() {
    if (auto chunk = reader_.give_chunk(); chunk.bytes != 0)
        around_.connections.return_chunk(std::move(chunk));
}

Awaitable<bool> Connection::read_more() {
    for (;;) {
        const auto space = space_to_read();
        ErrorCode error;
        const std::size_t got = read_some(space, error);
        if (!error) {
            if (!has_no_frames_) reader_.written(got);
            note_held();
            co_return true;
        }
        give_chunk();
        note_held();
        if (error != asio::error::would_block || !co_await stream_.wait(Socket::wait_read)) {
            is_lost_ = true;
            co_return false;
        }
    }
}

Awaitable<bool> Connection::write_all() {
    while (!outbox_.empty()) {
        ErrorCode error;
        const std::size_t wrote = write_some(outbox_.waiting(), error);
        if (!error) {
            (void)outbox_.written(wrote);
        } else if (error != asio::error::would_block ||
                   !co_await stream_.wait(Socket::wait_write)) {
            is_lost_ = true;
            co_return false;
        }
    }
    co_return true;
}

Awaitable<bool> Connection::open_stream() {
    const auto opened = co_await stream_.open();
    if (opened) co_return true;
    if (opened.error().detail.empty())
        is_lost_ = true;
    else
        log::warning("broker", "a connection is refused below AMQP",
                     {{"name", stream_.link().name()}, {"why", opened.error().detail}});
    co_return false;
}

Awaitable<bool> Connection::read_protocol_header() {
    for (;;) {
        if (!co_await read_more()) co_return false;
        const auto header = reader_.next_protocol_header();
        if (!header) {
            // Whoever speaks another protocol, or another version, learns ours (§2.2.4).
            log::info("broker", "a client does not speak AMQP 0-9-1 here",
                      {{"name", stream_.link().name()}, {"tls", stream_.has_tls() ? "yes" : "no, that has a port of its own"}});
            outbox_.buffer().append(amqp::protocol_header);
            co_await write_all();
            co_return false;
        }
        if (*header == amqp::FrameReader::Opening::complete) co_return true;
    }
}

Awaitable<> Connection::shake_hands() {
    co_await asio::this_coro::throw_if_cancelled(false);
    if (!stream_.is_plain() && !co_await open_stream()) co_return;
    if (!co_await read_protocol_header()) co_return;
    Handshake::Peer peer;
    peer.has_tls = stream_.has_tls();
    if (stream_.has_tls()) {
        // Libraries choose EXTERNAL when they see it: nobody is to who does not log in by certificate.
        peer.is_verified = around_.login_from && stream_.tls().has_verified_peer();
        if (peer.is_verified) peer.user = stream_.tls().peer_name(*around_.login_from);
    }
    handshake_ = std::make_unique<Handshake>(around_.options, std::move(peer));
    handshake_->begin(outbox_.buffer());
    bool is_failed = false;
    while (handshake_->state() != Handshake::State::asked_to_open &&
           handshake_->state() != Handshake::State::dropped) {
        if (!outbox_.empty() && !co_await write_all()) co_return;
        if (is_failed) co_return;
        if (handshake_->state() == Handshake::State::expects_verdict) {
            Login login = handshake_->login();
            login.from = stream_.link().remote().host;
            const auto verdict = co_await around_.judge(std::move(login), stream_.link().is_loopback());
            if (!verdict) co_return;
            handshake_->judge(*verdict, outbox_.buffer());
            continue;
        }
        const auto frame = reader_.next();
        if (!frame) {
            // Nothing that follows can be understood, close-ok neither.
            handshake_->fail(frame.error(), outbox_.buffer());
            is_failed = true;
        } else if (*frame) {
            handshake_->take(**frame, outbox_.buffer());
        } else if (!co_await read_more()) {
            co_return;
        }
    }
    if (!outbox_.empty()) co_await write_all();
}

void Connection::open() {
    Agreement& agreed = handshake_->agreement();
    id_ = around_.connections.add(*this);
    frame_max_ = agreed.frame_max;
    reader_.set_frame_max(frame_max_);
    outbox_.set_frame_max(agreed.frame_max);
    outbox_.set_knows_blocked(agreed.capabilities.connection_blocked);
    heartbeat_ = std::chrono::seconds(agreed.heartbeat_seconds);
    assembler_.emplace(id_, around_.message_bytes_max, around_.options.shared_body_bytes_min);
    const auto remote = stream_.link().remote();
    const auto local = stream_.link().local();
    core::ConnectionOpened opened;
    opened.connection = id_;
    user_ = agreed.user;
    opened.user = agreed.user;
    opened.vhost = agreed.vhost;
    opened.name = stream_.link().name();
    opened.peer_host = remote.host;
    opened.peer_port = remote.port;
    opened.host = local.host;
    opened.port = local.port;
    opened.mechanism = agreed.mechanism;
    opened.tls = stream_.has_tls();
    opened.channel_max = agreed.channel_max;
    opened.frame_max = agreed.frame_max;
    opened.heartbeat_seconds = agreed.heartbeat_seconds;
    opened.capabilities = agreed.capabilities;
    opened.client_properties = std::move(agreed.client_properties);
    const std::size_t properties_bytes = agreed.client_properties_bytes;
    handshake_.reset();
    log::debug("broker", "connection opened", {{"name", stream_.link().name()}, {"user", opened.user}});
    around_.inlet.begin();
    around_.inlet.apply(std::move(opened), properties_bytes * decoded_bytes_per_byte);
    around_.inlet.end();
}

// --- Open ----------------------------------------------------------------------------------------

// From here on the connection is what its handlers do: of one that reads, one that writes and one
// that watches, those are armed whose condition may come. Coroutines side by side would say the
// same and cost three kilobytes each, which is most of an idle connection.
void Connection::begin() {
    is_running_ = true;
    is_reading_ = true;
    // What came together with connection.open.
    if (reader_.pending() > 0) take_frames();
    give_chunk();
    if (!stream_.is_plain() && !is_over()) read_what_is_there();
    is_reading_ = false;
    arm_watch();
    go_on();
}

// Arms what the state asks for, or ends.
void Connection::go_on() {
    if (!is_running_ || is_finishing_) return;
    if (is_over()) return finish();
    if (!is_reading_ && !awaits_input_ && may_read() && !waits_for_inlet()) {
        awaits_input_ = true;
        ++handlers_;
        if (std::exchange(stops_at_publish_, false))
            // Not at once: this may be inside a turn of the core.
            asio::post(stream_.link().executor(), [this] { on_publish_taken(); });
        else
            stream_.async_read_some(
                first_bytes_,
                [this](const ErrorCode& error, std::size_t first) { on_input(error, first); });
    }
    if (writer_is_busy_ && !awaits_space_) {
        awaits_space_ = true;
        ++handlers_;
        stream_.async_wait_to_write([this](const ErrorCode& error) { on_writable(error); });
    }
}

// The handlers come back before serve() goes on, which ends with the object's life.
void Connection::finish() {
    if (!is_running_ || std::exchange(is_finishing_, true)) return;
    stream_.link().cancel();
    watch_timer_.cancel();
    if (handlers_ == 0) over_.set();
}

// A handler is back. False: it has nothing to do any more.
bool Connection::is_back() {
    --handlers_;
    if (is_finishing_ && handlers_ == 0) over_.set();
    return !is_finishing_;
}

// `first` bytes are in first_bytes_ already; 0: none, but there is something to read.
void Connection::on_input(const ErrorCode& error, std::size_t first) {
    awaits_input_ = false;
    if (!is_back()) return;
    if (error) {
        is_lost_ = true;
    } else if (first != 0 || (may_read() && !waits_for_inlet())) {
        is_reading_ = true;
        read_what_is_there(first);
        is_reading_ = false;
    }
    go_on();
}

// What waited in memory comes first; whether there is more to read turns out behind it.
void Connection::on_publish_taken() {
    awaits_input_ = false;
    if (!is_back()) return;
    is_reading_ = true;
    take_frames();
    give_chunk();
    note_held();
    is_reading_ = false;
    go_on();
}

void Connection::on_writable(const ErrorCode& error) {
    awaits_space_ = false;
    if (!is_back()) return;
    writer_is_busy_ = false;
    if (error) is_lost_ = true;
    flush();
}

// --- Reading -------------------------------------------------------------------------------------

bool Connection::is_over() const {
    return is_lost_ || is_closed_ || outbox_.drops_now() ||
           (outbox_.ends_when_written() && outbox_.empty());
}

bool Connection::may_read() const {
    return outbox_.awaits_close_ok() ||
           (!outbox_.pauses_reading() && !waits_to_publish() &&
            outbox_.size() <= around_.options.unread_replies_bytes_max);
}

// As long as too much of this thread is on its way to the core.
bool Connection::waits_for_inlet() {
    if (waits_for_inlet_ || !around_.inlet.is_full()) return waits_for_inlet_;
    around_.connections.wait_for_inlet(id_);
    return waits_for_inlet_ = true;
}

void Connection::resume() {
    waits_for_inlet_ = false;
    go_on();
}

std::span<std::byte> Connection::space_to_read() {
    // Shared by all connections of a thread: nobody looks at what is thrown away.
    static thread_local std::array<std::byte, 16 * 1024> nowhere;
    if (has_no_frames_) return nowhere;
    if (reader_.wants_chunk()) reader_.take_chunk(around_.connections.borrow_chunk());
    const auto space = reader_.writable();
    // It will stop in front of a publish, and what was read behind that takes memory until then.
    return outbox_.holds_publishes() ? space.first(std::min(space.size(), held_read_bytes)) : space;
}

void Connection::read_what_is_there(std::size_t first) {
    const std::uint64_t writes_before = writes_;
    std::size_t bytes = 0;
    received_bytes_ += first;
    ByteView waiting(first_bytes_.data(), first);
    // When they did not fill their place, there is no more.
    bool is_all = first != 0 && first < first_bytes_.size();
    // What came while reading was stopped is taken, and no more.
    if (first != 0 && (!may_read() || waits_for_inlet())) is_all = true;
    for (int round = 0; round < around_.options.reads_in_a_row_max || !waiting.empty(); ++round) {
        const auto space = space_to_read();
        std::size_t got = std::min(waiting.size(), space.size());
        std::copy_n(waiting.begin(), got, space.begin());
        waiting = waiting.subspan(got);
        if (!is_all && got < space.size()) {
            ErrorCode error;
            got += read_some(space.subspan(got), error);
            is_lost_ = error && error != asio::error::would_block;
            if (got == 0) break;
        }
        ++reads_;
        bytes += got;
        if (!has_no_frames_) {
            reader_.written(got);
            take_frames();
        }
        if (!waiting.empty()) continue;
        if (is_all || got < space.size() || is_over() || !may_read() || waits_for_inlet()) break;
    }
    give_chunk();
    if (stream_.owes()) flush();
    note_held();
    // More than that is not a write that a client waits with.
    constexpr std::size_t small_bytes = 4096;
    if (writes_ != writes_before || bytes >= small_bytes || !stream_.link().has_kernel()) return;
    writes_acknowledged_ = writes_;
    acknowledge_soon();
}

void Connection::acknowledge_soon() {
    if (std::exchange(acknowledges_soon_, true)) return;
    writes_when_asked_ = writes_;
    // Whoever was always answered in time is likely to be again: a caller, a consumer under load.
    constexpr unsigned trusted_after = 16;
    const bool is_trusted = answered_in_a_row_ >= trusted_after;
    around_.connections.acknowledge_soon(id_, is_trusted ? Connections::Patience::some
                                                         : Connections::Patience::little);
}

void Connection::acknowledge() {
    acknowledges_soon_ = false;
    if (is_lost_) return;
    if (writes_ != writes_when_asked_) ++answered_in_a_row_;
    if (writes_ != writes_acknowledged_) return;
    // In between something was answered, so the client does not stand still: what came last has its moment, too.
    // To ask the kernel makes it acknowledge the next reads by packets of their own, and an RPC dearer by a tenth.
    if (writes_ != writes_when_asked_) return acknowledge_soon();
    answered_in_a_row_ = 0;
    stream_.link().acknowledge();
}

void Connection::take_frames() {
    if (outbox_.awaits_close_ok() || outbox_.ends_when_written() || has_violated_)
        return take_while_closing();
    stops_at_publish_ = false;
    around_.inlet.begin();
    around_.connections.report_written();
    for (;;) {
        const auto next = reader_.next();
        if (!next) {
            has_no_frames_ = true;
            violate(next.error());
            break;
        }
        if (!*next) break;
        if (outbox_.holds_publishes() && is_publish(**next)) [[unlikely]] {
            reader_.put_back(**next);
            stops_at_publish_ = true;
            outbox_.note_publisher();
            break;
        }
        if (!take(**next)) break;
    }
    assembler_->keep();
    around_.inlet.end();
    // It said connection.blocked.
    if (stops_at_publish_) flush();
    // A close the core decided on in this very batch, or will.
    if (outbox_.awaits_close_ok() || has_violated_) take_while_closing();
}

// Everything is ignored but the two methods that end a connection.
void Connection::take_while_closing() {
    for (;;) {
        const auto next = reader_.next();
        has_no_frames_ = !next;
        if (!next || !*next) return;
        if ((*next)->type != amqp::FrameType::method || (*next)->channel != 0) continue;
        const auto id = amqp::peek_method_id((*next)->payload);
        if (!id) continue;
        if (*id == amqp::ConnectionCloseOk::id) {
            is_closed_ = true;
            return;
        }
        if (*id == amqp::ConnectionClose::id) {
            say_close_ok();
            flush();
        }
    }
}

void Connection::say_close_ok() {
    (void)amqp::append_method(outbox_.buffer(), 0, amqp::Method(amqp::ConnectionCloseOk{}));
}

// False: the rest of the batch is not for the core any more.
bool Connection::take(const amqp::Frame& frame) {
    switch (frame.type) {
    case amqp::FrameType::method:
        return take_method(frame);
    case amqp::FrameType::header:
    case amqp::FrameType::body:
        return take_content(frame);
    case amqp::FrameType::heartbeat:
        if (frame.channel == 0 && frame.payload.empty()) return true;
        if (frame.channel != 0)
            violate(amqp::ReplyCode::unexpected_frame,
                    "UNEXPECTED_FRAME - heartbeats belong to channel 0");
        else
            violate(amqp::ReplyCode::frame_error, "FRAME_ERROR - a heartbeat has no contents");
        return false;
    }
    return true;
}

bool Connection::take_method(const amqp::Frame& frame) {
    if (assembler_->is_collecting(frame.channel)) {
        violate_order(frame);
        return false;
    }
    const auto id = amqp::peek_method_id(frame.payload);
    if (!id) {
        violate(id.error());
        return false;
    }
    if (*id == amqp::BasicPublish::id) return take_publish(frame);
    if (*id == amqp::BasicAck::id) {
        const auto ack = amqp::decode_method_as<amqp::BasicAck>(frame.payload);
        if (ack) {
            around_.inlet.ack({id_, frame.channel, ack->delivery_tag, ack->multiple});
            return true;
        }
        violate(ack.error(), *id);
        return false;
    }
    auto method = amqp::decode_method(frame.payload);
    if (!method) {
        violate(method.error(), *id);
        return false;
    }
    if (const auto* nack = std::get_if<amqp::BasicNack>(&*method)) {
        around_.inlet.nack({id_, frame.channel, nack->delivery_tag, nack->multiple, nack->requeue,
                            /*was_reject=*/false});
    } else if (const auto* reject = std::get_if<amqp::BasicReject>(&*method)) {
        around_.inlet.nack({id_, frame.channel, reject->delivery_tag, /*multiple=*/false,
                            reject->requeue, /*was_reject=*/true});
    } else if (std::holds_alternative<amqp::ConnectionUpdateSecret>(*method)) {
        (void)amqp::append_method(outbox_.buffer(), 0,
                                  amqp::Method(amqp::ConnectionUpdateSecretOk{}));
        flush();
    } else {
        asked_to_close_ |= std::holds_alternative<amqp::ConnectionClose>(*method);
        around_.inlet.apply(core::MethodReceived{id_, frame.channel, std::move(*method)},
                            frame.payload.size() * decoded_bytes_per_byte);
    }
    return true;
}

bool Connection::take_publish(const amqp::Frame& frame) {
    if (frame.channel == 0) {
        violate(amqp::ReplyCode::channel_error,
                "CHANNEL_ERROR - unexpected method in connection state running",
                amqp::BasicPublish::id);
        return false;
    }
    const auto publish = amqp::decode_method_as<amqp::BasicPublishView>(frame.payload);
    if (!publish) {
        violate(publish.error(), amqp::BasicPublish::id);
        return false;
    }
    outbox_.note_publisher();
    assembler_->begin(frame.channel, *publish);
    return true;
}

bool Connection::take_content(const amqp::Frame& frame) {
    const auto step = assembler_->take(frame, [this] { return reader_.owner(); });
    if (!step) {
        if (step.error() == amqp::Errc::unexpected_frame)
            violate_order(frame);
        else
            violate(step.error());
        return false;
    }
    switch (*step) {
    case ContentAssembler::Step::incomplete:
        break;
    case ContentAssembler::Step::complete:
        around_.inlet.publish(assembler_->publish());
        break;
    case ContentAssembler::Step::oversize:
        around_.inlet.apply(core::OversizeAnnounced{id_, frame.channel, assembler_->announced()});
        break;
    }
    return true;
}

// A frame at a time when another kind of frame is due on its channel.
void Connection::violate_order(const amqp::Frame& frame) {
    const bool in_content = frame.channel != 0 && assembler_->is_collecting(frame.channel);
    std::string expected(assembler_->expected(frame.channel));
    if (in_content && frame.type == amqp::FrameType::header && frame.payload.size() >= 2 &&
        expected.starts_with("expected content header"))
        expected = fmt::format("expected content header for class 60, got one for class {} instead",
                               amqp::load_big_endian<std::uint16_t>(frame.payload.data()));
    else if (in_content && frame.type == amqp::FrameType::body &&
             expected.starts_with("expected content body"))
        expected = "the body is longer than its header announced";
    violate(amqp::ReplyCode::unexpected_frame, "UNEXPECTED_FRAME - " + expected,
            in_content ? amqp::BasicPublish::id : amqp::MethodId{});
}

void Connection::violate(const ErrorCode& error, amqp::MethodId failed) {
    amqp::ReplyCode code = amqp::reply_code_for(error);
    // The specification has 502 for this; RabbitMQ says 501 of all bytes it cannot read.
    if (code == amqp::ReplyCode::syntax_error) code = amqp::ReplyCode::frame_error;
    violate(code, fmt::format("{} - {}", amqp::name_of(code), error.message()), failed);
}

void Connection::violate(amqp::ReplyCode code, std::string text, amqp::MethodId failed) {
    log::warning("broker", "protocol violated", {{"name", stream_.link().name()}, {"why", text}});
    has_violated_ = true;
    around_.inlet.apply(core::ProtocolViolated{id_, {code, std::move(text), failed}});
}

// --- Writing -------------------------------------------------------------------------------------

bool Connection::add(core::Command& command) {
    outbox_.add(command);
    return !std::exchange(is_touched_, true);
}

void Connection::flush() {
    is_touched_ = false;
    const bool closes = outbox_.awaits_close_ok() && !std::exchange(saw_closing_, true);
    // Both sides closed at the same time, and the core looks at nothing behind its own close.
    if (closes && asked_to_close_) say_close_ok();
    while (!writer_is_busy_ && (!outbox_.empty() || stream_.owes()) && !is_lost_) {
        const ByteView waiting = outbox_.waiting();
        ErrorCode error;
        const std::size_t wrote = write_some(waiting, error);
        if (error == asio::error::would_block) {
            writer_is_busy_ = true;
        } else if (error) {
            is_lost_ = true;
        } else if (wrote != 0) { // else it was of the stream's own, and the client heard nothing of AMQP
            ++writes_;
            if (const std::uint64_t charge = outbox_.written(wrote))
                around_.connections.note_written(id_, charge);
        }
    }
    note_held();
    if (closes && is_running_) arm_watch();
    go_on();
}

void Connection::drop() {
    is_lost_ = true;
    stream_.link().cancel();
    finish();
}

// --- Watching ------------------------------------------------------------------------------------

// A timer that is armed anew lets go of the one before.
void Connection::arm_watch() {
    // Nothing is armed any more that serve() would not wait for.
    if (is_finishing_) return;
    Duration pause = pause_without_heartbeat;
    if (saw_closing_)
        pause = around_.options.close_limit;
    else if (heartbeat_.count() != 0)
        pause = heartbeat_ / 2;
    ++handlers_;
    watch_timer_.expires_after(pause);
    watch_timer_.async_wait([this](const ErrorCode& error) {
        if (!is_back() || error) return;
        // It may have been armed anew when it was on its way already.
        if (watch_timer_.expiry() <= std::chrono::steady_clock::now()) watch();
    });
}

// Ends the connection when the other side is silent for two intervals, or does not answer our
// close; says something when we were silent for half an interval (§4.2.7).
void Connection::watch() {
    if (saw_closing_) return finish();
    const bool was_silent = reads_ == reads_seen_;
    if (was_silent) {
        release_memory();
        stream_.ask_if_silent();
    }
    if (heartbeat_.count() != 0) {
        // A connection we do not read from cannot be heard.
        silent_halves_ = was_silent && may_read() && !waits_for_inlet_ ? silent_halves_ + 1 : 0;
        if (silent_halves_ >= 4) {
            log::warning("broker", "no heartbeat from the client", {{"name", stream_.link().name()}});
            // By a reset: one that was only busy and goes on publishing must meet an error with its
            // first write, not with the second, when the first message is gone.
            stream_.link().reset_when_closed();
            is_lost_ = true;
            return finish();
        }
        // open-ok, the first thing written, does not put the first heartbeat off.
        if ((writes_ == writes_seen_ || writes_ == 1) && outbox_.empty()) {
            outbox_.add_heartbeat();
            flush();
        }
    }
    reads_seen_ = reads_;
    writes_seen_ = writes_;
    if (!is_finishing_) arm_watch();
}

void Connection::note_held() {
    const std::uint64_t now = (assembler_ ? assembler_->held_bytes() : 0) + reader_.held_bytes() +
                              outbox_.held_bytes();
    if (now != held_bytes_)
        around_.connections.note_held(std::exchange(held_bytes_, now), now);
}

void Connection::let_go() {
    const std::uint64_t before = held_bytes_;
    release_memory();
    if (is_lost_ || held_bytes_ < before / 2) return;
    log::warning("broker", "memory is short: a connection of who holds most of it is ended",
                 {{"name", stream_.link().name()}, {"user", user_}, {"bytes", before}});
    const std::uint64_t unread = outbox_.held_bytes();
    if (!is_running_ || has_violated_ || unread > before / 2) {
        // It would not hear why: it is not logged in, or takes nothing of what it is told.
        outbox_.forget();
        note_held();
        return drop();
    }
    around_.inlet.begin();
    violate(amqp::ReplyCode::resource_error,
            fmt::format("RESOURCE_ERROR - memory is short and this connection holds {} bytes of "
                        "unfinished messages",
                        before));
    around_.inlet.end();
    assembler_->forget();
    note_held();
}

// Thousands of idle connections must not keep what they needed in busier times.
void Connection::release_memory() {
    outbox_.shrink(idle_buffer_bytes);
    if (is_running_ && !has_no_frames_ && reader_.pending() == 0) {
        reader_ = amqp::FrameReader(around_.options.read_chunk_bytes);
        reader_.set_frame_max(frame_max_);
    }
    note_held();
}

// Lets the other side read our last words: closing a socket with unread input would take them away.
Awaitable<> Connection::say_goodbye() {
    co_await asio::this_coro::throw_if_cancelled(false);
    if (!outbox_.empty() && !co_await write_all()) co_return;
    stream_.say_goodbye();
    has_no_frames_ = true;
    do {
        if (baton::net::was_cancelled(co_await asio::this_coro::cancellation_state)) co_return;
    } while (co_await read_more());
}

} // namespace baton::broker::net
