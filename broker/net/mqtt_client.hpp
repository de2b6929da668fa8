// One client of MQTT, from accept to close: owns the stream, feeds the conversation and writes what
// that says. It lives on one I/O thread; serve() is its life, and only waits once the client is in.
#pragma once

#include "broker/mqtt/conversation.hpp"
#include "broker/net/byte_stream.hpp"
#include "broker/net/client.hpp"
#include "broker/net/surroundings.hpp"
#include "net/wakeup.hpp"

#include <boost/asio/steady_timer.hpp>

namespace baton::broker::net {

class MqttClient final : public Client {
public:
    // `around` must outlive it, and has sessions.
    MqttClient(Link link, const Surroundings& around, ByteStream::Layers layers);
    MqttClient(const MqttClient&) = delete;
    MqttClient& operator=(const MqttClient&) = delete;
    ~MqttClient() override;

    baton::net::Awaitable<> serve();

    bool add(core::Command& command) override;
    void flush() override;
    void resume() override;
    void drop() override;
    void acknowledge() override;
    std::uint64_t held_bytes() const override { return held_bytes_; }
    core::Traffic traffic() const override;
    bool is_going() const override { return is_lost_; }
    bool waits_to_publish() const override { return talk_ && talk_->waits_to_publish(); }
    const std::string& user() const override;
    void let_go() override;
    bool is_open() const override { return talk_ && talk_->id().value != 0; }

private:
    baton::net::Awaitable<> open_in_time();
    baton::net::Awaitable<> open();
    baton::net::Awaitable<> say_goodbye_in_time();
    baton::net::Awaitable<> say_goodbye();
    mqtt::Caller caller();

    void begin();
    void arm();
    void finish();
    bool is_back();
    void on_readable(const ErrorCode& error);
    void on_writable(const ErrorCode& error);
    void read_what_is_there();
    bool read_once();
    void go_on_soon();
    void go_on();
    void watch();
    void note_held();
    bool is_over() const { return is_lost_ || (talk_->has_ended() && talk_->out().empty()); }
    bool waits_for_inlet();

    const Surroundings& around_;
    ByteStream stream_;
    std::unique_ptr<mqtt::Conversation> talk_;
    bool is_running_ = false;   // handlers are armed
    bool is_finishing_ = false; // and are to come back
    bool is_lost_ = false;
    bool is_touched_ = false;
    bool awaits_input_ = false;
    bool awaits_space_ = false;
    bool is_posted_ = false; // go_on()
    bool waits_for_inlet_ = false;
    bool acknowledges_soon_ = false;
    std::uint32_t handlers_ = 0;
    std::uint64_t held_bytes_ = 0; // as noted
    std::uint64_t reads_ = 0;
    std::uint64_t writes_ = 0;
    std::uint64_t received_bytes_ = 0;
    std::uint64_t sent_bytes_ = 0;
    std::uint64_t reads_seen_ = 0; // by watch()
    std::chrono::steady_clock::time_point heard_;
    baton::net::asio::steady_timer watch_timer_;
    baton::net::Wakeup over_;
};

} // namespace baton::broker::net
