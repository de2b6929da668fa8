// One MQTT client as the core sees it: packets become events, commands become packets. An MQTT
// connection is one core connection with one channel in confirm mode, made at the first PUBLISH or
// SUBSCRIBE.
//
//   expects_connect ─→ expects_verdict ─→ expects_accept ─→ expects_session ─→ open ─→ ended
//
// Bytes in (take), bytes out (out()); events go to the Inlet it was given, calls to Sessions on the
// core's thread. A turn of the core must not be disturbed, so what a command gives rise to waits
// until go_on() is called.
//
// Pure: no socket, clock or thread. One per connection, on its thread.
#pragma once

#include "broker/core/event.hpp"
#include "broker/mqtt/options.hpp"
#include "broker/mqtt/sessions.hpp"
#include "broker/mqtt/told.hpp"
#include "broker/mqtt/translation.hpp"
#include "broker/runtime/inlet.hpp"
#include "mqtt/packet.hpp"
#include "mqtt/packet_reader.hpp"

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace baton::broker::mqtt {

// What is known of the other side before it says anything.
struct Caller {
    std::string name; // for people
    std::string peer_host;
    std::uint16_t peer_port = 0;
    std::string host;
    std::uint16_t port = 0;
    bool has_tls = false;
    std::optional<std::string> certified_user; // named by a certificate that was verified
    std::string tag; // random, of 12 characters: by it a session knows its own messages
};

enum class Verdict { welcome, refused };

class Conversation {
public:
    enum class State {
        expects_connect,
        expects_verdict,
        expects_accept,
        expects_session,
        open,
        ended
    };

    // All must outlive it. `make_id` gives the connection its id when it is about to be opened.
    Conversation(Sessions& sessions, runtime::Inlet& inlet, Caller caller,
                 std::function<core::ConnectionId()> make_id);
    Conversation(const Conversation&) = delete;
    Conversation& operator=(const Conversation&) = delete;

    State state() const { return state_; }

    // Bytes came, at `now`. Inside a batch of the inlet.
    void take(ByteView bytes, Time now);
    // What was put off is done, and packets that wait are taken. Inside a batch of the inlet.
    void go_on(Time now);
    bool wants_to_go_on() const;
    // Is it any use to read more? Not while it waits for an answer, or for publishers to be let in.
    bool may_read() const;

    // In expects_verdict: who wants to come in. No password: a certificate vouches.
    const std::string& user() const { return user_; }
    const std::optional<std::string>& password() const { return password_; }
    void judge(Verdict verdict, Time now);

    // A command of the core for this connection. Not inside a batch.
    void carry_out(core::Command& command, Time now);

    // No packet came for one and a half times the interval.
    void time_out();
    // Zero: for ever.
    Duration silence_max() const { return silence_max_; }
    // Memory is short, and it holds most.
    void let_go();
    // The socket is gone, or will be in a moment: the session hears of it. Once; inside a batch.
    void leave();

    // What is to be written; the caller takes bytes off the front.
    std::vector<std::byte>& out() { return out_; }
    // Nothing more will be said than what is in out().
    bool has_ended() const { return state_ == State::ended; }
    // Why it was ended, for the log; empty: there is nothing to say about it.
    const std::string& complaint() const { return complaint_; }
    // Bytes that were delivered into out() since the last call, as the core weighs them.
    std::uint64_t take_charge() { return std::exchange(charge_, 0); }
    std::uint64_t held_bytes() const;
    void release_memory() { reader_.release_memory(); }
    bool waits_to_publish() const { return holds_publishes_ && put_off_; }
    core::ConnectionId id() const { return id_; }
    const std::string& client_id() const { return client_id_; }

private:
    using ReasonCode = baton::mqtt::ReasonCode;
    enum class Kind : std::uint8_t { qos_0, qos_1, share };
    struct Consumer {
        Kind kind = Kind::qos_1;
        std::string filter; // of a share, "$share/…"
    };
    struct Outgoing { // under a packet id
        std::uint64_t delivery_tag = 0;
        std::uint8_t qos = 1;
        bool is_released = false; // PUBREC came
        std::string message_id;
    };
    struct Incoming { // PUBLISH of QoS 1 or 2 that is not confirmed
        std::uint64_t tag = 0;
        std::uint16_t id = 0;
        std::uint8_t qos = 1;
        ReasonCode code = ReasonCode::success;
    };
    struct Cursor {
        std::uint32_t number = 0;
        Subscription subscription;
        std::string after;
        bool is_asked = false;
    };

    bool is_v5() const { return version_ == baton::mqtt::Version::v5; }
    void take_packets(Time now);
    void take(const baton::mqtt::Connect& packet, Time now);
    void take(const baton::mqtt::Publish& packet, Time now);
    void take(const baton::mqtt::Acknowledgement& packet);
    void take(const baton::mqtt::Subscribe& packet);
    void take(const baton::mqtt::Unsubscribe& packet);
    void take(const baton::mqtt::Disconnect& packet);
    bool resolve_alias(const baton::mqtt::Publish& packet, std::string_view& topic);
    bool may_be_published(const baton::mqtt::Publish& packet, std::string_view topic);
    void publish(const baton::mqtt::Publish& packet, const std::string& key, Time now);
    void take_release(std::uint16_t id);
    void take_received(const baton::mqtt::Acknowledgement& packet);
    void take_done(std::uint16_t id, bool is_refused);
    void complete(std::uint16_t id);

    void on(core::Deliver& deliver, Time now);
    void on(const core::Confirm& confirm);
    void on(const core::ReturnMessage& returned);
    void on(const core::CloseConnection& close);
    void on(core::Told& told, Time now);
    void on(SessionOpened& told);
    void on(const Subscribed& told);
    void on(const Unsubscribed& told);
    void on(const RetainedFound& told, Time now);
    void on(const IdsKept& told);

    void deliver(const core::Deliver& deliver, Time now);
    void drop_delivery(const core::Deliver& deliver);
    struct Choice;
    Choice choose(const Consumer& consumer, std::string_view topic,
                  std::string_view message_id) const;
    bool send(Translated made, const core::Message& message, const Choice& choice, bool is_retained,
              const core::Deliver* delivery);
    std::uint16_t free_packet_id();
    bool has_room() const { return outgoing_.size() < inflight_max_; }
    void send_waiting(Time now);
    std::size_t retained_room() const;
    bool may_ask_for_retained() const;
    void ask_for_retained();
    void open_channel();
    void consume_what_is_missing();
    void finish_confirm(const Incoming& done);
    void acknowledge(baton::mqtt::Acknowledgement::Kind kind, std::uint16_t id,
                     ReasonCode code = ReasonCode::success);
    void say(const baton::mqtt::Packet& packet);
    void refuse_connect(ReasonCode code, std::string why);
    void end_with(ReasonCode code, std::string why);
    void call(std::function<void(Moment)> work, std::size_t bytes = 0);
    bool is_durable() const { return expiry_seconds_ != 0; }

    Sessions& sessions_;
    const Options& options_;
    runtime::Inlet& inlet_;
    Caller caller_;
    std::function<core::ConnectionId()> make_id_;
    baton::mqtt::PacketReader reader_;
    std::vector<std::byte> out_;
    State state_ = State::expects_connect;
    baton::mqtt::Version version_ = baton::mqtt::Version::v3_1_1;
    std::string complaint_;
    core::ConnectionId id_;

    // Of CONNECT.
    std::string client_id_;
    bool assigns_client_id_ = false;
    std::string user_;
    std::string vhost_;
    std::optional<std::string> password_;
    bool clean_start_ = true;
    std::uint32_t expiry_seconds_ = 0;
    bool tells_expiry_ = false;
    std::uint16_t keep_alive_seconds_ = 0;
    bool tells_keep_alive_ = false;
    std::optional<WillMessage> will_;
    std::size_t inflight_max_ = 100;
    std::size_t packet_bytes_max_ = 0;     // of the client; 0: any
    std::uint16_t client_aliases_max_ = 0; // that it takes
    bool tells_problems_ = true;
    Duration silence_max_{0};

    // In.
    bool waits_ = false; // for an answer of Sessions
    bool pauses_ = false;
    bool holds_publishes_ = false;
    std::optional<baton::mqtt::Packet>
        put_off_; // the publish it stopped at; its views are the reader's
    bool has_channel_ = false;
    std::uint64_t next_publish_tag_ = 1;
    std::deque<Incoming> incoming_;
    std::set<std::uint16_t> held_; // of QoS 2, PUBLISH came and PUBREL did not
    std::unordered_map<std::uint16_t, std::string> aliases_in_;
    amqp::Buffer properties_;

    // Out.
    std::map<std::string, Subscription> subscriptions_;
    std::vector<Consumer> consumers_; // as named, by number
    std::set<std::string> consuming_; // tags
    std::map<std::uint16_t, Outgoing> outgoing_;
    std::map<std::string, std::uint16_t> unacked_before_; // by message id, of the connection before
    std::set<std::uint16_t> reserved_ids_;                // of those
    std::uint16_t next_packet_id_ = 1;
    std::deque<core::Deliver> waiting_;
    std::deque<Cursor> cursors_;
    std::uint32_t next_cursor_ = 1;
    std::unordered_map<std::string, std::uint16_t> aliases_out_;
    std::uint64_t charge_ = 0;

    // Put off until go_on().
    std::vector<core::AckReceived> acks_;
    bool consumes_ = false;
    bool asks_ = false;
    bool sends_waiting_ = false;
    std::vector<std::function<void(Moment)>> calls_;

    bool sends_will_ = true;
    std::optional<std::uint32_t> new_expiry_;
    bool has_left_ = false;
    bool is_shutdown_ = false;
};

} // namespace baton::broker::mqtt
