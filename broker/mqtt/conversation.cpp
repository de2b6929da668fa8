#include "broker/mqtt/conversation.hpp"

#include "amqp/properties.hpp"
#include "base/overloaded.hpp"
#include "base/printable.hpp"
#include "broker/mqtt/translation.hpp"
#include "mqtt/packet_writer.hpp"
#include "mqtt/topic.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace baton::broker::mqtt {

using baton::mqtt::Acknowledgement;
using baton::mqtt::Connect;
using baton::mqtt::ConnectAck;
using baton::mqtt::Disconnect;
using baton::mqtt::Publish;
using baton::mqtt::Version;

namespace {

constexpr core::ChannelNumber the_channel = 1;
constexpr std::string_view qos_0_tag = "0";
constexpr std::string_view qos_1_tag = "1";
constexpr char share_mark = 's';
constexpr std::size_t client_id_bytes_max =
    233; // with what stands around it, a queue's name of 255
constexpr std::uint32_t never_expires = 0xFFFFFFFF;
constexpr std::size_t output_high = 256U << 10;
constexpr std::size_t retained_at_once = 16;
constexpr std::size_t seen_topics_max = 64;

bool is_failure(baton::mqtt::ReasonCode code) {
    return static_cast<unsigned>(code) >= 0x80;
}

bool is_usable_id(std::string_view id) {
    return std::ranges::none_of(id, [](char one) {
        return static_cast<unsigned char>(one) < 0x20 || static_cast<unsigned char>(one) == 0x7F;
    });
}

std::string tag_of_share(std::string_view filter) {
    return share_mark + std::string(filter);
}

std::string consumer_tag_for(const Subscription& one) {
    if (baton::mqtt::as_shared(one.filter)) return tag_of_share(one.filter);
    return std::string(one.qos == 0 ? qos_0_tag : qos_1_tag);
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

template <typename Packet>
void Conversation::say(const Packet& packet) {
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

void Conversation::fail(ReasonCode code, std::string why) {
    end_with(code, std::move(why));
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
            return fail(fault->code, fault->text);
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
            stops_at_publish_ = true;
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
                [&](const Connect&) { fail(ReasonCode::protocol_error, "a second CONNECT"); },
                [&](const baton::mqtt::Auth&) {
                    fail(ReasonCode::protocol_error, "AUTH without an authentication method");
                },
                [&](const auto&) {
                    fail(ReasonCode::protocol_error, "a packet that only a server sends");
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
        stops_at_publish_ = false;
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
        return refuse_connect(told.code, "this client id has a session of another user");
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

// --- Publishing ----------------------------------------------------------------------------------

bool Conversation::resolve_alias(const Publish& packet, std::string_view& topic) {
    topic = packet.topic;
    if (!packet.properties.topic_alias) return true;
    const std::uint16_t alias = *packet.properties.topic_alias;
    if (alias == 0 || alias > options_.topic_alias_maximum) {
        fail(ReasonCode::topic_alias_invalid,
             "the topic alias is larger than the one this server takes");
        return false;
    }
    if (!topic.empty()) {
        aliases_in_[alias] = topic;
        return true;
    }
    const auto known = aliases_in_.find(alias);
    if (known == aliases_in_.end()) {
        fail(ReasonCode::protocol_error, "a topic alias that stands for nothing");
        return false;
    }
    topic = known->second;
    return true;
}

// Without asking the core.
bool Conversation::may_be_published(const Publish& packet, std::string_view topic) {
    ReasonCode code = ReasonCode::success;
    std::string why;
    if (topic.starts_with("$SYS/") || topic.starts_with("$share/")) {
        code = ReasonCode::not_authorized;
        why = fmt::format("nobody publishes to '{}'", printable(topic));
    } else if (topic.size() > short_bytes_max) {
        code = ReasonCode::topic_name_invalid;
        why = "a topic has at most 255 bytes here";
    } else {
        return true;
    }
    if (!is_v5() || packet.qos == 0)
        fail(code, std::move(why));
    else
        acknowledge(packet.qos == 1 ? Acknowledgement::Kind::puback : Acknowledgement::Kind::pubrec,
                    packet.id, code);
    return false;
}

void Conversation::take(const Publish& packet, Time now) {
    std::string_view topic;
    if (!resolve_alias(packet, topic) || !may_be_published(packet, topic)) return;
    if (packet.qos != 0) {
        const auto same = [&](const Incoming& one) { return one.id == packet.id; };
        // Said again while it is on its way: its answer comes.
        if (std::ranges::any_of(incoming_, same)) return;
        if (packet.qos == 2 && held_.contains(packet.id))
            return acknowledge(Acknowledgement::Kind::pubrec, packet.id);
        if (is_v5() && incoming_.size() + held_.size() >= options_.receive_maximum) {
            // Those of QoS 2 that are not confirmed stand in both.
            const auto in_both = static_cast<std::size_t>(
                std::ranges::count_if(incoming_, [](const Incoming& one) { return one.qos == 2; }));
            if (incoming_.size() + held_.size() - in_both >= options_.receive_maximum)
                return fail(ReasonCode::receive_maximum_exceeded,
                            "more messages at once than this server takes");
        }
    }
    publish(packet, baton::mqtt::to_key(topic), now);
}

void Conversation::publish(const Publish& packet, const std::string& key, Time now) {
    open_channel();
    const std::uint64_t tag = next_publish_tag_++;
    // 12 characters of the connection and the number of the publish.
    std::array<char, 32> message_id;
    std::copy(caller_.tag.begin(), caller_.tag.end(), message_id.begin());
    const auto end = std::to_chars(message_id.data() + caller_.tag.size(),
                                   message_id.data() + message_id.size(), tag, 16)
                         .ptr;
    properties_.clear();
    append_properties(properties_, packet.properties, packet.qos, packet.retain,
                      {message_id.data(), static_cast<std::size_t>(end - message_id.data())}, now);
    core::PublishReceived event;
    event.connection = id_;
    event.channel = the_channel;
    event.mandatory = is_v5() && packet.qos != 0;
    event.nacks_refused = true;
    event.exchange = options_.exchange;
    event.routing_key = key;
    event.properties = properties_.view();
    event.body = packet.payload;
    if (packet.qos != 0) incoming_.push_back({tag, packet.id, packet.qos, ReasonCode::success});
    if (packet.qos == 2) held_.insert(packet.id);
    if (packet.qos != 2 || !is_durable()) return inlet_.publish(event);
    // Together with its id, so that a crash leaves both or neither.
    struct Copy {
        core::PublishReceived event;
        std::string key, properties, body;
    };
    auto copy = std::make_shared<Copy>(
        Copy{event, key, std::string(as_text(event.properties)), std::string(as_text(event.body))});
    call(
        [&sessions = sessions_, copy, id = packet.id](Moment at) {
            core::PublishReceived& kept = copy->event;
            kept.exchange = sessions.options().exchange;
            kept.routing_key = copy->key;
            kept.properties = as_bytes(copy->properties);
            kept.body = as_bytes(copy->body);
            sessions.keep_publish(at, kept.connection, id, kept);
        },
        packet.payload.size() + key.size());
}

void Conversation::finish_confirm(const Incoming& done) {
    ReasonCode code = done.code;
    if (is_failure(code)) {
        held_.erase(done.id);
        if (done.qos == 2 && is_durable())
            calls_.push_back([&sessions = sessions_, connection = id_, id = done.id](Moment at) {
                sessions.keep_freed(at, connection, id, true);
            });
        if (!is_v5()) return fail(code, "a message was refused");
    }
    acknowledge(done.qos == 1 ? Acknowledgement::Kind::puback : Acknowledgement::Kind::pubrec,
                done.id, is_v5() ? code : ReasonCode::success);
}

void Conversation::on(const core::Confirm& confirm) {
    while (!incoming_.empty() && incoming_.front().tag <= confirm.delivery_tag) {
        Incoming done = incoming_.front();
        if (!confirm.multiple && done.tag != confirm.delivery_tag) break;
        incoming_.pop_front();
        if (confirm.refused && !is_failure(done.code)) done.code = ReasonCode::quota_exceeded;
        finish_confirm(done);
        if (state_ == State::ended) return;
    }
    if (confirm.multiple || incoming_.empty() || incoming_.front().tag > confirm.delivery_tag)
        return;
    const auto found = std::ranges::find(incoming_, confirm.delivery_tag, &Incoming::tag);
    if (found == incoming_.end()) return;
    Incoming done = *found;
    incoming_.erase(found);
    if (confirm.refused && !is_failure(done.code)) done.code = ReasonCode::quota_exceeded;
    finish_confirm(done);
}

// Stands in front of its confirm; the message tells which one.
void Conversation::on(const core::ReturnMessage& returned) {
    const ReasonCode code = returned.code == amqp::ReplyCode::access_refused
                                ? ReasonCode::not_authorized
                                : ReasonCode::no_matching_subscribers;
    const auto view = amqp::PropertiesView::parse(returned.message->properties());
    const auto message_id = view ? view->message_id() : std::nullopt;
    std::uint64_t tag = 0;
    if (message_id && message_id->starts_with(caller_.tag))
        (void)std::from_chars(message_id->data() + caller_.tag.size(),
                              message_id->data() + message_id->size(), tag, 16);
    const auto found = std::ranges::find(incoming_, tag, &Incoming::tag);
    if (found != incoming_.end())
        found->code = code;
    else if (code == ReasonCode::not_authorized && !is_v5())
        fail(code, "a message to a topic this user has no right to");
}

void Conversation::take_release(std::uint16_t id) {
    if (held_.erase(id) == 0)
        return acknowledge(Acknowledgement::Kind::pubcomp, id,
                           is_v5() ? ReasonCode::packet_identifier_not_found : ReasonCode::success);
    if (!is_durable()) return acknowledge(Acknowledgement::Kind::pubcomp, id);
    call([&sessions = sessions_, connection = id_, id](Moment at) {
        sessions.keep_freed(at, connection, id, true);
    });
}

void Conversation::on(const IdsKept& told) {
    acknowledge(told.what == IdsKept::What::freed ? Acknowledgement::Kind::pubcomp
                                                  : Acknowledgement::Kind::pubrel,
                told.id);
}

// --- Subscribing ---------------------------------------------------------------------------------

void Conversation::take(const baton::mqtt::Subscribe& packet) {
    Sessions::Wishes wishes;
    wishes.id = packet.id;
    for (const baton::mqtt::Subscribe::Wish& wish : packet.wishes) {
        if (wish.no_local && baton::mqtt::as_shared(wish.filter))
            return fail(ReasonCode::protocol_error,
                        "SUBSCRIBE: no-local with a shared subscription");
        Subscription one;
        one.filter = wish.filter;
        one.qos = wish.qos;
        one.no_local = wish.no_local;
        one.retain_as_published = wish.retain_as_published;
        one.retain_handling = wish.retain_handling;
        if (!packet.properties.subscription_identifiers.empty())
            one.identifier = packet.properties.subscription_identifiers.front();
        wishes.all.push_back(std::move(one));
    }
    open_channel();
    waits_ = true;
    call([&sessions = sessions_, connection = id_, wishes = std::move(wishes)](Moment at) {
        sessions.subscribe(at, connection, wishes);
    });
}

void Conversation::on(const Subscribed& told) {
    waits_ = false;
    asks_ = true;
    baton::mqtt::SubscribeAck said;
    said.id = told.id;
    for (const Subscribed::One& one : told.all) {
        said.codes.push_back(one.code);
        if (is_failure(one.code)) continue;
        const Subscription& subscription = one.subscription;
        subscriptions_[subscription.filter] = subscription;
        const bool wants_retained =
            subscription.retain_handling == 0 || (subscription.retain_handling == 1 && one.is_new);
        if (wants_retained && !baton::mqtt::as_shared(subscription.filter))
            cursors_.push_back({next_cursor_++, subscription, {}, false});
    }
    say(baton::mqtt::Packet(std::move(said)));
    consumes_ = true;
}

void Conversation::take(const baton::mqtt::Unsubscribe& packet) {
    std::vector<std::string> filters(packet.filters.begin(), packet.filters.end());
    waits_ = true;
    call([&sessions = sessions_, connection = id_, id = packet.id, filters = std::move(filters)](
             Moment at) { sessions.unsubscribe(at, connection, id, filters); });
}

void Conversation::on(const Unsubscribed& told) {
    waits_ = false;
    asks_ = true;
    baton::mqtt::UnsubscribeAck said;
    said.id = told.id;
    said.codes = told.codes;
    for (const std::string& filter : told.filters) {
        subscriptions_.erase(filter);
        std::erase_if(cursors_,
                      [&](const Cursor& one) { return one.subscription.filter == filter; });
    }
    say(baton::mqtt::Packet(std::move(said)));
    consumes_ = true;
}

void Conversation::open_channel() {
    if (std::exchange(has_channel_, true)) return;
    inlet_.apply(core::MethodReceived{id_, the_channel, amqp::ChannelOpen{}});
    inlet_.apply(core::MethodReceived{id_, the_channel, amqp::ConfirmSelect{.no_wait = true}});
    inlet_.apply(core::MethodReceived{
        id_, the_channel,
        amqp::BasicQos{.prefetch_count = static_cast<std::uint16_t>(inflight_max_),
                       .global = true}});
}

void Conversation::consume_what_is_missing() {
    std::set<std::string> wanted;
    for (const auto& [filter, one] : subscriptions_)
        wanted.insert(consumer_tag_for(one));
    if (!wanted.empty()) open_channel();
    for (const std::string& tag : wanted) {
        if (!consuming_.insert(tag).second) continue;
        std::string queue;
        if (tag.front() == share_mark) {
            const auto shared = baton::mqtt::as_shared(std::string_view(tag).substr(1));
            queue = queue_of_share(shared->group, shared->filter);
        } else {
            queue = queue_of(client_id_, tag == qos_0_tag);
        }
        inlet_.apply(core::MethodReceived{
            id_, the_channel,
            amqp::BasicConsume{
                .queue = queue, .consumer_tag = tag, .no_ack = tag == qos_0_tag, .no_wait = true}});
    }
    std::erase_if(consuming_, [&](const std::string& tag) {
        // The session's own queues may get messages again.
        if (tag.front() != share_mark || wanted.contains(tag)) return false;
        inlet_.apply(core::MethodReceived{id_, the_channel,
                                          amqp::BasicCancel{.consumer_tag = tag, .no_wait = true}});
        return true;
    });
}

// --- Deliveries ----------------------------------------------------------------------------------

// Which subscriptions a message is for.
struct Conversation::Choice {
    bool is_any = false;
    std::uint8_t qos = 0;
    bool keeps_retain = false;
    std::vector<std::uint32_t> identifiers;
};

Conversation::Choice Conversation::choose(const Consumer& consumer, std::string_view topic,
                                          std::string_view message_id) const {
    Choice choice;
    const auto add = [&](const Subscription& one) {
        if (one.no_local && message_id.starts_with(caller_.tag)) return;
        choice.is_any = true;
        choice.qos = std::max(choice.qos, one.qos);
        choice.keeps_retain = choice.keeps_retain || one.retain_as_published;
        if (one.identifier != 0) choice.identifiers.push_back(one.identifier);
    };
    if (consumer.kind == Kind::share) {
        const auto found = subscriptions_.find(consumer.filter);
        if (found != subscriptions_.end()) add(found->second);
        return choice;
    }
    for (const auto& [filter, one] : subscriptions_) {
        if ((one.qos == 0) != (consumer.kind == Kind::qos_0) || filter.starts_with("$share/"))
            continue;
        if (baton::mqtt::matches(filter, topic)) add(one);
    }
    return choice;
}

void Conversation::drop_delivery(const core::Deliver& deliver) {
    charge_ += core::delivery_charge(*deliver.message);
    if (deliver.consumer < consumers_.size() && consumers_[deliver.consumer].kind == Kind::qos_0)
        return;
    acks_.push_back({id_, the_channel, deliver.delivery_tag, false});
}

void Conversation::on(core::Deliver& delivery, Time now) {
    if (!waiting_.empty() || !has_room()) {
        waiting_.push_back(std::move(delivery));
        return;
    }
    deliver(delivery, now);
}

void Conversation::deliver(const core::Deliver& delivery, Time now) {
    if (delivery.consumer >= consumers_.size()) return drop_delivery(delivery);
    const Consumer& consumer = consumers_[delivery.consumer];
    const core::Message& message = *delivery.message;
    const std::string topic = baton::mqtt::to_topic(message.routing_key());
    const auto view = amqp::PropertiesView::parse(message.properties());
    const std::string_view message_id =
        view ? view->message_id().value_or(std::string_view()) : std::string_view();
    const Choice choice = choose(consumer, topic, message_id);
    if (!choice.is_any ||
        !send(message, now, choice.qos, choice.keeps_retain, false, choice.identifiers,
              consumer.kind == Kind::qos_0 ? nullptr : &delivery))
        return drop_delivery(delivery);
    charge_ += core::delivery_charge(message);
}

// False: it is not for this client, which need not hear of it. Without a delivery nothing is to be
// acknowledged to the core.
bool Conversation::send(const core::Message& message, Time now, std::uint8_t qos_max,
                        bool keeps_retain, bool is_retained,
                        const std::vector<std::uint32_t>& identifiers,
                        const core::Deliver* delivery) {
    Translated made = translate(message, now, is_v5());
    if (!made.can_be_said || made.has_expired) return false;
    Publish packet;
    packet.qos = std::min(made.qos, qos_max);
    packet.retain = is_retained || (keeps_retain && made.retain);
    packet.topic = made.topic;
    packet.payload = message.body();
    if (is_v5()) {
        packet.properties = std::move(made.properties);
        if (!made.response_topic.empty()) packet.properties.response_topic = made.response_topic;
        if (!made.correlation.empty())
            packet.properties.correlation_data = as_bytes(made.correlation);
        packet.properties.subscription_identifiers = identifiers;
    }
    if (packet.qos != 0) {
        std::uint16_t id = 0;
        const auto before = unacked_before_.find(std::string(made.message_id));
        if (before != unacked_before_.end() && delivery != nullptr) {
            id = before->second;
            packet.dup = true;
            reserved_ids_.erase(id);
            unacked_before_.erase(before);
        } else {
            id = free_packet_id();
        }
        packet.id = id;
    }
    // The alias is given with the second use of a topic.
    std::uint16_t given = 0;
    if (client_aliases_max_ != 0) {
        if (const auto known = aliases_out_.find(made.topic); known != aliases_out_.end()) {
            packet.properties.topic_alias = known->second;
            packet.topic = {};
        } else if (aliases_out_.size() < client_aliases_max_) {
            if (seen_topics_.size() >= seen_topics_max) seen_topics_.clear();
            if (++seen_topics_[made.topic] == 2) {
                given = static_cast<std::uint16_t>(aliases_out_.size() + 1);
                packet.properties.topic_alias = given;
            }
        }
    }
    if (!baton::mqtt::append(out_, packet, version_, packet_bytes_max_))
        return false; // larger than it takes
    if (given != 0) aliases_out_.emplace(made.topic, given);
    if (packet.qos == 0) {
        if (delivery != nullptr) acks_.push_back({id_, the_channel, delivery->delivery_tag, false});
        return true;
    }
    outgoing_[packet.id] = {.delivery_tag = delivery != nullptr ? delivery->delivery_tag : 0,
                            .qos = packet.qos,
                            .is_released = false,
                            .message_id = std::string(made.message_id)};
    return true;
}

std::uint16_t Conversation::free_packet_id() {
    for (;;) {
        const std::uint16_t id = next_packet_id_++;
        if (next_packet_id_ == 0) next_packet_id_ = 1;
        if (id != 0 && !outgoing_.contains(id) && !reserved_ids_.contains(id)) return id;
    }
}

void Conversation::send_waiting(Time now) {
    while (!waiting_.empty() && has_room()) {
        const core::Deliver delivery = std::move(waiting_.front());
        waiting_.pop_front();
        deliver(delivery, now);
    }
    for (const core::AckReceived& ack : std::exchange(acks_, {}))
        inlet_.ack(ack);
}

void Conversation::take(const Acknowledgement& packet) {
    switch (packet.kind) {
    case Acknowledgement::Kind::puback:
        return take_done(packet.id, is_failure(packet.code));
    case Acknowledgement::Kind::pubrec:
        return take_received(packet);
    case Acknowledgement::Kind::pubrel:
        return take_release(packet.id);
    case Acknowledgement::Kind::pubcomp:
        return complete(packet.id);
    }
}

void Conversation::take_done(std::uint16_t id, bool is_refused) {
    const auto found = outgoing_.find(id);
    if (found == outgoing_.end() || found->second.qos != 1) return;
    const std::uint64_t tag = found->second.delivery_tag;
    outgoing_.erase(found);
    sends_waiting_ = !waiting_.empty();
    if (tag == 0) return;
    if (is_refused)
        inlet_.nack({.connection = id_,
                     .channel = the_channel,
                     .delivery_tag = tag,
                     .multiple = false,
                     .requeue = false});
    else
        inlet_.ack({id_, the_channel, tag, false});
}

void Conversation::take_received(const Acknowledgement& packet) {
    const auto found = outgoing_.find(packet.id);
    if (found == outgoing_.end() || found->second.qos != 2)
        return acknowledge(Acknowledgement::Kind::pubrel, packet.id,
                           is_v5() ? ReasonCode::packet_identifier_not_found : ReasonCode::success);
    Outgoing& sent = found->second;
    if (sent.is_released) return acknowledge(Acknowledgement::Kind::pubrel, packet.id);
    if (is_failure(packet.code)) {
        if (sent.delivery_tag != 0)
            inlet_.nack({.connection = id_,
                         .channel = the_channel,
                         .delivery_tag = sent.delivery_tag,
                         .multiple = false,
                         .requeue = false});
        outgoing_.erase(found);
        sends_waiting_ = !waiting_.empty();
        return;
    }
    sent.is_released = true;
    if (sent.delivery_tag != 0) inlet_.ack({id_, the_channel, sent.delivery_tag, false});
    if (!is_durable()) return acknowledge(Acknowledgement::Kind::pubrel, packet.id);
    call([&sessions = sessions_, connection = id_, id = packet.id](Moment at) {
        sessions.keep_released(at, connection, id);
    });
}

void Conversation::complete(std::uint16_t id) {
    const auto found = outgoing_.find(id);
    if (found == outgoing_.end() || !found->second.is_released) return;
    outgoing_.erase(found);
    sends_waiting_ = !waiting_.empty();
    if (!is_durable()) return;
    call([&sessions = sessions_, connection = id_, id](Moment at) {
        sessions.keep_freed(at, connection, id, false);
    });
}

// --- Retained messages ---------------------------------------------------------------------------

// Some at a time, as there is room.
void Conversation::ask_for_retained() {
    if (!may_ask_for_retained()) return;
    Cursor& cursor = cursors_.front();
    cursor.is_asked = true;
    const std::size_t most = std::min(retained_room(), retained_at_once);
    call([&sessions = sessions_, connection = id_, number = cursor.number,
          filter = cursor.subscription.filter, after = cursor.after, most](Moment at) {
        sessions.find_retained(at, connection, number, filter, after, most);
    });
}

void Conversation::on(const RetainedFound& told, Time now) {
    if (cursors_.empty() || cursors_.front().number != told.cursor) return;
    Cursor& cursor = cursors_.front();
    cursor.is_asked = false;
    std::vector<std::uint32_t> identifiers;
    if (cursor.subscription.identifier != 0) identifiers.push_back(cursor.subscription.identifier);
    for (const core::MessageRef& message : told.messages)
        (void)send(*message, now, cursor.subscription.qos, true, true, identifiers, nullptr);
    cursor.after = told.last_key;
    if (told.is_all) cursors_.pop_front();
}

// --- The end -------------------------------------------------------------------------------------

void Conversation::take(const Disconnect& packet) {
    if (is_v5() && packet.properties.session_expiry_seconds) {
        const std::uint32_t wanted = *packet.properties.session_expiry_seconds;
        if (expiry_seconds_ == 0 && wanted != 0)
            return fail(ReasonCode::protocol_error,
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
