#include "broker/mqtt/conversation.hpp"

#include "base/overloaded.hpp"
#include "base/printable.hpp"
#include "broker/mqtt/conversation_words.hpp"
#include "broker/mqtt/translation.hpp"
#include "mqtt/packet_writer.hpp"
#include "mqtt/topic.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace baton::broker::mqtt {

using baton::mqtt::Acknowledgement;
using baton::mqtt::Connect;
using baton::mqtt::ConnectAck;
using baton::mqtt::Disconnect;
using baton::mqtt::Publish;
using baton::mqtt::Version;

namespace {

constexpr std::size_t client_id_bytes_max =
    233; // with what stands around it, a queue's name of 255

bool is_usable_id(std::string_view id) {
    return std::ranges::none_of(id, [](char one) {
        return static_cast<unsigned char>(one) < 0x20 || static_cast<unsigned char>(one) == 0x7F;
    });
}

// What a command of the core, which knows nothing of MQTT, means here.
baton::mqtt::ReasonCode code_for(const core::CloseReason& reason) {
    using enum baton::mqtt::ReasonCode;
    if (reason.code == amqp::ReplyCode::connection_forced)
        return reason.text.find("shutdown") != std::string::npos ? server_shutting_down
                                                                 : administrative_action;
    if (reason.code == amqp::ReplyCode::access_refused) return not_authorized;
    if (reason.code == amqp::ReplyCode::not_allowed)
        return reason.text.find("limit") != std::string::npos ? quota_exceeded : not_authorized;
    return reason.code == amqp::ReplyCode::resource_error ? quota_exceeded : unspecified_error;
}

} // namespace

Conversation::Conversation(Sessions& sessions, runtime::Inlet& inlet, Caller caller,
                           std::function<core::ConnectionId()> make_id)
    : sessions_(sessions),
      options_(sessions.options()),
      inlet_(inlet),
      caller_(std::move(caller)),
      make_id_(std::move(make_id)),
      reader_(options_.connect_bytes_max) {}

std::uint64_t Conversation::held_bytes() const {
    return reader_.held_bytes() + out_.capacity() + waiting_.size() * sizeof(core::Deliver);
}

// --- Saying --------------------------------------------------------------------------------------

void Conversation::say(const baton::mqtt::Packet& packet) {
    (void)baton::mqtt::append(out_, packet, version_, packet_bytes_max_);
}

void Conversation::acknowledge(Acknowledgement::Kind kind, std::uint16_t id, ReasonCode code) {
    Acknowledgement said;
    said.kind = kind;
    said.id = id;
    said.code = code;
    say(baton::mqtt::Packet(std::move(said)));
}

void Conversation::refuse_connect(ReasonCode code, std::string why) {
    ConnectAck refusal;
    refusal.code = code;
    if (is_v5() && tells_problems_) refusal.properties.reason_string = why;
    say(baton::mqtt::Packet(std::move(refusal)));
    complaint_ = std::move(why);
    state_ = State::ended;
}

// A client of v5 hears why.
void Conversation::end_with(ReasonCode code, std::string why) {
    if (state_ == State::ended) return;
    if (state_ != State::open) return refuse_connect(code, std::move(why));
    if (is_v5()) {
        Disconnect said;
        said.code = code;
        if (tells_problems_) said.properties.reason_string = why;
        say(baton::mqtt::Packet(std::move(said)));
    }
    complaint_ = std::move(why);
    state_ = State::ended;
}

void Conversation::time_out() {
    end_with(ReasonCode::keep_alive_timeout, "no packet within the keep-alive interval");
}

void Conversation::let_go() {
    end_with(ReasonCode::quota_exceeded, "memory is short and this connection holds most of it");
    reader_ = baton::mqtt::PacketReader(options_.connect_bytes_max);
    put_off_.reset();
}

void Conversation::call(std::function<void(Moment)> work, std::size_t bytes) {
    inlet_.call([work = std::move(work)](core::Broker& broker, Time now,
                                         core::Turn& turn) { work(Moment{broker, now, turn}); },
                bytes);
}

// --- Packets -------------------------------------------------------------------------------------

bool Conversation::may_read() const {
    return !waits_ && !pauses_ && !put_off_ && state_ != State::ended &&
           (state_ == State::expects_connect || state_ == State::open) &&
           out_.size() < 4 * output_high;
}

void Conversation::take(ByteView bytes, Time now) {
    reader_.take(bytes);
    take_packets(now);
}

void Conversation::take_packets(Time now) {
    while (may_read()) {
        auto next = reader_.next();
        if (!next) return;
        if (const auto* fault = std::get_if<baton::mqtt::Fault>(&*next)) {
            if (state_ == State::expects_connect &&
                fault->code != ReasonCode::unsupported_protocol_version &&
                reader_.version() != Version::v5) {
                // Before v5 only what was a CONNECT gets an answer.
                complaint_ = fault->text;
                state_ = State::ended;
                return;
            }
            version_ = reader_.version();
            return end_with(fault->code, fault->text);
        }
        baton::mqtt::Packet& packet = std::get<baton::mqtt::Packet>(*next);
        if (state_ == State::expects_connect) {
            if (const auto* connect = std::get_if<Connect>(&packet)) {
                take(*connect, now);
                continue;
            }
            complaint_ = "the first packet is no CONNECT";
            state_ = State::ended;
            return;
        }
        if (holds_publishes_ && std::holds_alternative<Publish>(packet)) {
            put_off_ = std::move(packet);
            return;
        }
        std::visit(
            Overloaded{
                [&](const Publish& one) { take(one, now); },
                [&](const Acknowledgement& one) { take(one); },
                [&](const baton::mqtt::Subscribe& one) { take(one); },
                [&](const baton::mqtt::Unsubscribe& one) { take(one); },
                [&](const baton::mqtt::PingRequest&) {
                    say(baton::mqtt::Packet(baton::mqtt::PingResponse{}));
                },
                [&](const Disconnect& one) { take(one); },
                [&](const Connect&) { end_with(ReasonCode::protocol_error, "a second CONNECT"); },
                [&](const baton::mqtt::Auth&) {
                    end_with(ReasonCode::protocol_error, "AUTH without an authentication method");
                },
                [&](const auto&) {
                    end_with(ReasonCode::protocol_error, "a packet that only a server sends");
                }},
            packet);
    }
}

bool Conversation::wants_to_go_on() const {
    if (state_ == State::ended) return false;
    return !acks_.empty() || (consumes_ && !waits_) || sends_waiting_ || !calls_.empty() ||
           (put_off_ && !holds_publishes_) || (may_read() && reader_.has_waiting() && asks_) ||
           may_ask_for_retained();
}

// Live messages have the other half of the room.
std::size_t Conversation::retained_room() const {
    const std::size_t half = std::max<std::size_t>(inflight_max_ / 2, 1);
    return outgoing_.size() < half ? half - outgoing_.size() : 0;
}

bool Conversation::may_ask_for_retained() const {
    return !cursors_.empty() && !cursors_.front().is_asked && out_.size() < output_high &&
           retained_room() != 0;
}

void Conversation::go_on(Time now) {
    asks_ = false;
    for (const core::AckReceived& ack : std::exchange(acks_, {}))
        inlet_.ack(ack);
    for (auto& work : std::exchange(calls_, {}))
        call(std::move(work));
    if (state_ == State::ended) return;
    if (!waits_ && std::exchange(consumes_, false)) consume_what_is_missing();
    if (std::exchange(sends_waiting_, false)) send_waiting(now);
    if (put_off_ && !holds_publishes_) {
        const baton::mqtt::Packet packet = std::move(*std::exchange(put_off_, std::nullopt));
        take(std::get<Publish>(packet), now);
    }
    take_packets(now);
    ask_for_retained();
}

// --- The opening ---------------------------------------------------------------------------------

void Conversation::take(const Connect& packet, Time now) {
    version_ = packet.version;
    client_id_ = packet.client_id;
    clean_start_ = packet.clean_start;
    if (is_v5()) {
        tells_problems_ = packet.properties.request_problem_information.value_or(true);
        packet_bytes_max_ = packet.properties.maximum_packet_bytes.value_or(0);
        client_aliases_max_ = std::min(packet.properties.topic_alias_maximum.value_or(0),
                                       options_.topic_alias_maximum);
        inflight_max_ =
            std::min(packet.properties.receive_maximum.value_or(UINT16_MAX), options_.inflight_max);
        const std::uint32_t wanted = packet.properties.session_expiry_seconds.value_or(0);
        expiry_seconds_ = std::min(wanted, options_.session_expiry_seconds_max);
        tells_expiry_ = expiry_seconds_ != wanted;
        if (packet.properties.authentication_method)
            return refuse_connect(ReasonCode::bad_authentication_method,
                                  "there is no enhanced authentication here");
    } else {
        inflight_max_ = options_.inflight_max;
        expiry_seconds_ = clean_start_ ? 0 : options_.session_expiry_seconds_max;
    }
    if (client_id_.empty()) {
        if (!is_v5() && (!clean_start_ || version_ == Version::v3_1))
            return refuse_connect(ReasonCode::client_identifier_not_valid,
                                  "an empty client id needs a clean session");
        client_id_ = fmt::format("auto-{}{:x}", caller_.tag, micros_of(now));
        assigns_client_id_ = true;
    }
    if (client_id_.size() > client_id_bytes_max || !is_usable_id(client_id_))
        return refuse_connect(ReasonCode::client_identifier_not_valid,
                              "a client id has at most 233 bytes and no control characters");
    keep_alive_seconds_ = packet.keep_alive_seconds;
    if (is_v5() &&
        (keep_alive_seconds_ == 0 || keep_alive_seconds_ > options_.keep_alive_seconds_max)) {
        keep_alive_seconds_ = options_.keep_alive_seconds_max;
        tells_keep_alive_ = true;
    }
    silence_max_ = std::chrono::milliseconds(std::int64_t{keep_alive_seconds_} * 1500);
    if (packet.will) {
        const baton::mqtt::Will& will = *packet.will;
        WillMessage kept;
        kept.key = baton::mqtt::to_key(will.topic);
        if (kept.key.size() > short_bytes_max)
            return refuse_connect(ReasonCode::topic_name_invalid,
                                  "the topic of a will has at most 255 bytes");
        kept.payload = as_text(will.payload);
        kept.qos = will.qos;
        kept.retain = will.retain;
        kept.delay_seconds = will.properties.will_delay_seconds.value_or(0);
        kept.expiry_seconds = will.properties.message_expiry_seconds;
        baton::mqtt::Properties properties = will.properties;
        properties.message_expiry_seconds.reset();
        amqp::Buffer raw;
        append_properties(raw, properties, will.qos, will.retain, caller_.tag + "will", now);
        kept.properties = raw.text();
        will_ = std::move(kept);
    }
    vhost_ = options_.vhost;
    if (packet.user) {
        user_ = *packet.user;
        if (const std::size_t colon = user_.rfind(':'); colon != std::string::npos) {
            vhost_ = user_.substr(0, colon);
            user_.erase(0, colon + 1);
        }
        password_ = packet.password ? std::string(as_text(*packet.password)) : std::string();
    } else if (caller_.certified_user) {
        user_ = *caller_.certified_user;
    } else if (!options_.anonymous_user.empty()) {
        user_ = options_.anonymous_user;
    } else {
        return refuse_connect(is_v5() ? ReasonCode::bad_user_name_or_password
                                      : ReasonCode::not_authorized,
                              "nobody comes in without a user name");
    }
    state_ = State::expects_verdict;
}

void Conversation::judge(Verdict verdict, Time) {
    password_.reset();
    if (verdict == Verdict::refused)
        return refuse_connect(ReasonCode::bad_user_name_or_password,
                              "the user name or the password is wrong");
    state_ = State::expects_accept;
    id_ = make_id_();
    core::ConnectionOpened opened;
    opened.connection = id_;
    opened.user = user_;
    opened.vhost = vhost_;
    opened.name = caller_.name;
    opened.peer_host = caller_.peer_host;
    opened.peer_port = caller_.peer_port;
    opened.host = caller_.host;
    opened.port = caller_.port;
    opened.mechanism = "PLAIN";
    opened.tls = caller_.has_tls;
    opened.channel_max = the_channel;
    opened.heartbeat_seconds = keep_alive_seconds_;
    opened.capabilities = {.consumer_cancel_notify = true,
                           .connection_blocked = true,
                           .basic_nack = true,
                           .publisher_confirms = true};
    const char* product = version_ == Version::v5       ? "MQTT 5.0"
                          : version_ == Version::v3_1_1 ? "MQTT 3.1.1"
                                                        : "MQTT 3.1";
    opened.client_properties = {{"product", product},
                                {"connection_name", std::string_view(client_id_)}};
    inlet_.apply(std::move(opened), client_id_.size() + vhost_.size() + user_.size());
}

void Conversation::on(SessionOpened& told) {
    waits_ = false;
    if (is_failure(told.code))
        return refuse_connect(told.code, told.code == ReasonCode::quota_exceeded
                                             ? "this server keeps no more sessions"
                                             : "this client id has a session of another user");
    state_ = State::open;
    reader_.set_packet_bytes_max(options_.packet_bytes_max);
    for (Subscription& one : told.subscriptions)
        subscriptions_.emplace(one.filter, std::move(one));
    held_.insert(told.ids.held.begin(), told.ids.held.end());
    ConnectAck welcome;
    welcome.session_present = told.was_present;
    if (is_v5()) {
        if (assigns_client_id_) welcome.properties.assigned_client_identifier = client_id_;
        if (tells_expiry_) welcome.properties.session_expiry_seconds = expiry_seconds_;
        if (tells_keep_alive_) welcome.properties.server_keep_alive_seconds = keep_alive_seconds_;
        welcome.properties.receive_maximum = options_.receive_maximum;
        welcome.properties.topic_alias_maximum = options_.topic_alias_maximum;
        welcome.properties.maximum_packet_bytes = options_.packet_bytes_max;
    }
    say(baton::mqtt::Packet(std::move(welcome)));
    for (const std::uint16_t id : told.ids.released) {
        outgoing_[id] = {.delivery_tag = 0, .qos = 2, .is_released = true, .message_id = {}};
        acknowledge(Acknowledgement::Kind::pubrel, id);
    }
    unacked_before_ = std::move(told.ids.unacked);
    for (const auto& [message, id] : unacked_before_)
        reserved_ids_.insert(id);
    consumes_ = !subscriptions_.empty();
    asks_ = true;
}

// --- The end -------------------------------------------------------------------------------------

void Conversation::take(const Disconnect& packet) {
    if (is_v5() && packet.properties.session_expiry_seconds) {
        const std::uint32_t wanted = *packet.properties.session_expiry_seconds;
        if (expiry_seconds_ == 0 && wanted != 0)
            return end_with(
                ReasonCode::protocol_error,
                "DISCONNECT: a session that ends with its connection cannot be prolonged");
        new_expiry_ = std::min(wanted, options_.session_expiry_seconds_max);
    }
    sends_will_ = packet.code != ReasonCode::success;
    state_ = State::ended;
}

void Conversation::leave() {
    if (std::exchange(has_left_, true) || id_.value == 0) return;
    Sessions::Leaving leaving;
    leaving.connection = id_;
    leaving.sends_will = sends_will_;
    leaving.expiry_seconds = new_expiry_;
    leaving.unacked = std::move(unacked_before_);
    for (const auto& [id, sent] : outgoing_)
        if (sent.delivery_tag != 0 && !sent.is_released && !sent.message_id.empty())
            leaving.unacked.emplace(sent.message_id, id);
    // An orderly end of the server leaves sessions as a crash would: wills are sent by the next
    // life.
    if (!is_shutdown_)
        call([&sessions = sessions_, leaving = std::move(leaving)](Moment at) {
            sessions.leave(at, leaving);
        });
    inlet_.apply(core::ConnectionLost{id_});
}

// --- Commands ------------------------------------------------------------------------------------

void Conversation::on(const core::CloseConnection& close) {
    const ReasonCode code = code_for(*close.reason);
    is_shutdown_ = code == ReasonCode::server_shutting_down;
    end_with(code, close.reason->text);
}

void Conversation::on(core::Told& told, Time now) {
    if (state_ == State::ended) return;
    if (auto* opened = dynamic_cast<SessionOpened*>(&told)) return on(*opened);
    if (const auto* one = dynamic_cast<const Subscribed*>(&told)) return on(*one);
    if (const auto* one = dynamic_cast<const Unsubscribed*>(&told)) return on(*one);
    if (const auto* one = dynamic_cast<const RetainedFound*>(&told)) return on(*one, now);
    if (const auto* one = dynamic_cast<const IdsKept*>(&told)) return on(*one);
    if (dynamic_cast<const SessionTaken*>(&told) != nullptr) {
        has_left_ =
            true; // the session is another one's, and the core has forgotten this connection
        end_with(ReasonCode::session_taken_over, "another connection has this client id now");
    }
}

void Conversation::carry_out(core::Command& command, Time now) {
    if (state_ == State::ended) return;
    std::visit(Overloaded{[&](core::Deliver& one) { on(one, now); },
                          [&](const core::Confirm& one) { on(one); },
                          [&](const core::ReturnMessage& one) { on(one); },
                          [&](const core::AcceptConnection&) {
                              state_ = State::expects_session;
                              waits_ = true;
                              calls_.push_back([&sessions = sessions_,
                                                opening = Sessions::Opening{
                                                    id_, vhost_, user_, client_id_, clean_start_,
                                                    expiry_seconds_, std::move(will_)}](Moment at) {
                                  sessions.open(at, opening);
                              });
                          },
                          [&](core::ConsumerNamed& one) {
                              if (one.number >= consumers_.size())
                                  consumers_.resize(one.number + std::size_t{1});
                              Consumer& consumer = consumers_[one.number];
                              const std::string& tag = *one.tag;
                              consumer.kind = tag == qos_0_tag   ? Kind::qos_0
                                              : tag == qos_1_tag ? Kind::qos_1
                                                                 : Kind::share;
                              consumer.filter =
                                  consumer.kind == Kind::share ? tag.substr(1) : std::string();
                          },
                          [&](const core::CloseConnection& one) { on(one); },
                          [&](const core::CloseChannel& one) {
                              end_with(code_for(*one.reason), one.reason->text);
                          },
                          [&](const core::Reply& one) {
                              const auto* cancel = std::get_if<amqp::BasicCancel>(&*one.method);
                              if (cancel == nullptr) return;
                              if (!cancel->consumer_tag.starts_with(share_mark))
                                  return end_with(ReasonCode::administrative_action,
                                                  "a queue of this session was deleted");
                              // Of a shared subscription whose last member left, which is this one
                              // most likely.
                              consuming_.erase(cancel->consumer_tag);
                              consumes_ = true;
                          },
                          [&](const core::PauseReading&) { pauses_ = true; },
                          [&](const core::ResumeReading&) {
                              pauses_ = false;
                              asks_ = true;
                          },
                          [&](const core::HoldPublishes&) { holds_publishes_ = true; },
                          [&](const core::TakePublishes&) { holds_publishes_ = false; },
                          [&](const core::DropConnection&) { state_ = State::ended; },
                          [&](core::Tell& one) { on(*one.told, now); }, [](const auto&) {}},
               command.action);
}

} // namespace baton::broker::mqtt
