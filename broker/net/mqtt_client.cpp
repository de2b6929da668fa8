#include "broker/net/mqtt_client.hpp"

#include "base/log.hpp"
#include "base/printable.hpp"
#include "base/random.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace baton::broker::net {

using baton::net::Awaitable;
namespace asio = baton::net::asio;
using namespace asio::experimental::awaitable_operators;

namespace {

constexpr std::size_t tag_length = 12;
constexpr std::size_t idle_output_bytes = 4096;
constexpr int reads_in_a_row = 4;
constexpr auto longest_watch = std::chrono::seconds(30);

Time wall_clock() {
    return SystemClock{}.now();
}

} // namespace

MqttClient::MqttClient(Link link, const Surroundings& around, ByteStream::Layers layers)
    : around_(around),
      stream_(std::move(link), std::move(layers)),
      watch_timer_(stream_.link().executor()),
      over_(stream_.link().executor()) {
    around_.connections.enter(*this);
}

MqttClient::~MqttClient() {
    around_.connections.note_held(held_bytes_, 0);
    around_.connections.leave(*this);
}

const std::string& MqttClient::user() const {
    static const std::string nobody;
    return talk_ ? talk_->user() : nobody;
}

core::Traffic MqttClient::traffic() const {
    return {received_bytes_, reads_, sent_bytes_, writes_, talk_ ? talk_->out().size() : 0};
}

mqtt::Caller MqttClient::caller() {
    mqtt::Caller who;
    const auto remote = stream_.link().remote();
    const auto local = stream_.link().local();
    who.name = stream_.link().name();
    who.peer_host = remote.host;
    who.peer_port = remote.port;
    who.host = local.host;
    who.port = local.port;
    who.has_tls = stream_.has_tls();
    if (stream_.has_tls() && around_.login_from && stream_.tls().has_verified_peer())
        who.certified_user = stream_.tls().peer_name(*around_.login_from);
    who.tag = random_name(tag_length);
    return who;
}

Awaitable<> MqttClient::serve() {
    co_await open_in_time();
    const bool was_opened = talk_ && talk_->id().value != 0;
    if (was_opened && !is_lost_) {
        begin();
        co_await over_.wait();
    }
    if (was_opened) {
        around_.inlet.begin();
        talk_->leave();
        around_.inlet.end();
        around_.connections.remove(talk_->id());
    }
    if (talk_ && !talk_->complaint().empty())
        log::warning("broker",
                     was_opened ? "MQTT: a connection was ended" : "MQTT: a connection was refused",
                     {{"name", stream_.link().name()},
                      {"client", printable(talk_->client_id())},
                      {"why", talk_->complaint()}});
    if (!stream_.complaint().empty())
        log::warning("broker", "WebSocket: a rule was broken",
                     {{"name", stream_.link().name()}, {"why", stream_.complaint()}});
    if (talk_ && stream_.has_last_words()) talk_->out().clear();
    if (talk_ && (!is_lost_ || stream_.has_last_words())) co_await say_goodbye_in_time();
    stream_.link().close();
}

// --- The opening ---------------------------------------------------------------------------------

Awaitable<> MqttClient::open_in_time() {
    auto limit = baton::net::sleep_for(around_.options.handshake_limit);
    co_await (open() || std::move(limit));
}

// Until somebody has looked at the log-in.
Awaitable<> MqttClient::open() {
    co_await asio::this_coro::throw_if_cancelled(false);
    if (!stream_.is_plain()) {
        const auto opened = co_await stream_.open();
        if (!opened) {
            is_lost_ = opened.error().detail.empty();
            if (!is_lost_)
                log::warning("broker", "a connection is refused below MQTT",
                             {{"name", stream_.link().name()}, {"why", opened.error().detail}});
            co_return;
        }
    }
    talk_ = std::make_unique<mqtt::Conversation>(*around_.mqtt_sessions, around_.inlet, caller(),
                                                 [this] { return around_.connections.add(*this); });
    while (talk_->state() == mqtt::Conversation::State::expects_connect) {
        if (read_once()) continue;
        if (is_lost_ || !co_await stream_.wait(Link::Socket::wait_read)) {
            is_lost_ = true;
            co_return;
        }
    }
    if (talk_->state() != mqtt::Conversation::State::expects_verdict) co_return;
    Login login{talk_->user(), talk_->password(), stream_.link().remote().host};
    const auto verdict = co_await around_.judge(std::move(login), stream_.link().is_loopback());
    if (!verdict) {
        is_lost_ = true;
        co_return;
    }
    around_.inlet.begin();
    talk_->judge(*verdict == LoginVerdict::welcome ? mqtt::Verdict::welcome
                                                   : mqtt::Verdict::refused,
                 wall_clock());
    around_.inlet.end();
}

// --- Open ----------------------------------------------------------------------------------------

void MqttClient::begin() {
    is_running_ = true;
    heard_ = std::chrono::steady_clock::now();
    watch();
    flush();
    if (talk_->wants_to_go_on()) go_on_soon();
}

void MqttClient::arm() {
    if (!is_running_ || is_finishing_) return;
    if (is_over()) return finish();
    if (!awaits_input_ && talk_->may_read() && !waits_for_inlet()) {
        awaits_input_ = true;
        ++handlers_;
        if (stream_.may_have_more())
            asio::post(stream_.link().executor(), [this] { on_readable({}); });
        else
            stream_.async_wait_to_read([this](const ErrorCode& error) { on_readable(error); });
    }
}

void MqttClient::finish() {
    if (!is_running_ || std::exchange(is_finishing_, true)) return;
    stream_.link().cancel();
    watch_timer_.cancel();
    if (handlers_ == 0) over_.set();
}

bool MqttClient::is_back() {
    --handlers_;
    if (is_finishing_ && handlers_ == 0) over_.set();
    return !is_finishing_;
}

void MqttClient::on_readable(const ErrorCode& error) {
    awaits_input_ = false;
    if (!is_back()) return;
    if (error) {
        is_lost_ = true;
        return finish();
    }
    read_what_is_there();
    if (talk_->wants_to_go_on()) go_on_soon();
    flush();
}

// True: something was taken.
bool MqttClient::read_once() {
    static thread_local std::array<std::byte, 64 * 1024> place;
    ErrorCode error;
    const std::size_t got = stream_.read_some(place, error);
    received_bytes_ += got;
    if (got != 0) {
        ++reads_;
        around_.inlet.begin();
        talk_->take(ByteView(place).first(got), wall_clock());
        around_.inlet.end();
    }
    if (error && error != asio::error::would_block) is_lost_ = true;
    note_held();
    return got != 0;
}

void MqttClient::read_what_is_there() {
    const std::uint64_t writes_before = writes_;
    for (int round = 0; round < reads_in_a_row; ++round)
        if (!talk_->may_read() || waits_for_inlet() || !read_once() || is_lost_) break;
    if (writes_ == writes_before && talk_->out().empty() && stream_.link().has_kernel() &&
        !std::exchange(acknowledges_soon_, true))
        around_.connections.acknowledge_soon(talk_->id());
}

bool MqttClient::waits_for_inlet() {
    if (waits_for_inlet_ || !around_.inlet.is_full()) return waits_for_inlet_;
    around_.connections.wait_for_inlet(talk_->id());
    return waits_for_inlet_ = true;
}

void MqttClient::resume() {
    waits_for_inlet_ = false;
    arm();
}

void MqttClient::acknowledge() {
    if (std::exchange(acknowledges_soon_, false)) stream_.link().acknowledge();
}

bool MqttClient::add(core::Command& command) {
    talk_->carry_out(command, wall_clock());
    return !std::exchange(is_touched_, true);
}

// What a command gives rise to is for another turn of the core than its own.
void MqttClient::go_on_soon() {
    if (!is_running_ || is_finishing_ || std::exchange(is_posted_, true)) return;
    ++handlers_;
    asio::post(stream_.link().executor(), [this] {
        is_posted_ = false;
        if (is_back()) go_on();
    });
}

void MqttClient::go_on() {
    around_.inlet.begin();
    talk_->go_on(wall_clock());
    around_.inlet.end();
    note_held();
    flush();
}

void MqttClient::flush() {
    is_touched_ = false;
    std::vector<std::byte>& out = talk_->out();
    std::size_t sent = 0;
    while (!awaits_space_ && (sent < out.size() || stream_.owes()) && !is_lost_) {
        ErrorCode error;
        const std::size_t wrote = stream_.write_some(ByteView(out).subspan(sent), error);
        sent += wrote;
        sent_bytes_ += wrote;
        if (wrote != 0) ++writes_;
        if (error == asio::error::would_block) {
            if (!is_running_ || is_finishing_) break;
            awaits_space_ = true;
            ++handlers_;
            stream_.async_wait_to_write([this](const ErrorCode& failure) { on_writable(failure); });
        } else if (error) {
            is_lost_ = true;
        }
    }
    out.erase(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(sent));
    if (out.empty()) {
        if (out.capacity() > idle_output_bytes) std::vector<std::byte>().swap(out);
        if (const std::uint64_t charge = talk_->take_charge();
            charge != 0 && talk_->id().value != 0)
            around_.connections.note_written(talk_->id(), charge);
    }
    note_held();
    if (!is_running_) return;
    if (talk_->wants_to_go_on()) go_on_soon();
    arm();
}

void MqttClient::on_writable(const ErrorCode& error) {
    awaits_space_ = false;
    if (!is_back()) return;
    if (error) {
        is_lost_ = true;
        return finish();
    }
    flush();
}

void MqttClient::drop() {
    is_lost_ = true;
    stream_.link().cancel();
    finish();
}

void MqttClient::let_go() {
    if (!talk_ || is_lost_) return;
    log::warning("broker", "memory is short: a connection of who holds most of it is ended",
                 {{"name", stream_.link().name()}, {"user", user()}, {"bytes", held_bytes_}});
    if (!is_running_ || talk_->out().size() > held_bytes_ / 2) {
        talk_->out().clear();
        note_held();
        return drop();
    }
    talk_->let_go();
    flush();
}

// --- Watching ------------------------------------------------------------------------------------

// Looks four times in an interval, or twice a minute for a client that says nothing of the kind.
void MqttClient::watch() {
    if (is_finishing_) return;
    const auto now = std::chrono::steady_clock::now();
    const Duration silence_max = talk_->silence_max();
    if (reads_ != reads_seen_ || !talk_->may_read() || waits_for_inlet_) {
        heard_ = now;
    } else {
        talk_->release_memory();
        stream_.ask_if_silent();
        note_held();
    }
    reads_seen_ = reads_;
    if (silence_max.count() != 0 && now - heard_ >= silence_max) {
        talk_->time_out();
        flush();
        if (!is_finishing_) finish();
        return;
    }
    Duration pause = longest_watch;
    if (silence_max.count() != 0)
        pause =
            std::clamp<Duration>(std::chrono::duration_cast<Duration>(heard_ + silence_max - now),
                                 std::chrono::milliseconds(10), longest_watch);
    ++handlers_;
    watch_timer_.expires_after(pause);
    watch_timer_.async_wait([this](const ErrorCode& error) {
        if (is_back() && !error) watch();
    });
}

void MqttClient::note_held() {
    const std::uint64_t now = talk_ ? talk_->held_bytes() : 0;
    if (now != held_bytes_) around_.connections.note_held(std::exchange(held_bytes_, now), now);
}

// --- The end -------------------------------------------------------------------------------------

Awaitable<> MqttClient::say_goodbye_in_time() {
    auto patience = baton::net::sleep_for(std::chrono::seconds(1));
    co_await (say_goodbye() || std::move(patience));
}

// As AMQP's: what lies unread when a socket is closed would take our last words away.
Awaitable<> MqttClient::say_goodbye() {
    co_await asio::this_coro::throw_if_cancelled(false);
    std::vector<std::byte>& out = talk_->out();
    while (!out.empty()) {
        ErrorCode error;
        const std::size_t wrote = stream_.write_some(out, error);
        out.erase(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(wrote));
        if (!error) continue;
        if (error != asio::error::would_block || !co_await stream_.wait(Link::Socket::wait_write))
            co_return;
    }
    stream_.say_goodbye();
    for (;;) {
        std::array<std::byte, 4096> nowhere;
        ErrorCode error;
        (void)stream_.read_some(nowhere, error);
        if (!error) continue;
        if (error != asio::error::would_block || !co_await stream_.wait(Link::Socket::wait_read))
            co_return;
    }
}

} // namespace baton::broker::net
