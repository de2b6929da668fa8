// What a client sends: publishes with their confirms, and subscriptions.
#include "amqp/properties.hpp"
#include "base/printable.hpp"
#include "broker/mqtt/conversation.hpp"
#include "broker/mqtt/conversation_words.hpp"
#include "broker/mqtt/translation.hpp"
#include "mqtt/topic.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace baton::broker::mqtt {

using baton::mqtt::Acknowledgement;
using baton::mqtt::Publish;

namespace {

std::string consumer_tag_for(const Subscription& one) {
    if (baton::mqtt::as_shared(one.filter)) return share_mark + one.filter;
    return std::string(one.qos == 0 ? qos_0_tag : qos_1_tag);
}

} // namespace

// --- Publishing ----------------------------------------------------------------------------------

bool Conversation::resolve_alias(const Publish& packet, std::string_view& topic) {
    topic = packet.topic;
    if (!packet.properties.topic_alias) return true;
    const std::uint16_t alias = *packet.properties.topic_alias;
    if (alias == 0 || alias > options_.topic_alias_maximum) {
        end_with(ReasonCode::topic_alias_invalid,
                 "the topic alias is larger than the one this server takes");
        return false;
    }
    if (!topic.empty()) {
        // A longer one is refused in any case.
        if (topic.size() <= short_bytes_max) aliases_in_[alias] = topic;
        return true;
    }
    const auto known = aliases_in_.find(alias);
    if (known == aliases_in_.end()) {
        end_with(ReasonCode::protocol_error, "a topic alias that stands for nothing");
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
        end_with(code, std::move(why));
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
        if (!is_v5() && held_.size() >= options_.unreleased_max)
            return end_with(ReasonCode::quota_exceeded,
                            "more messages of QoS 2 without PUBREL than this server keeps");
        if (is_v5() && incoming_.size() + held_.size() >= options_.receive_maximum) {
            // Those of QoS 2 that are not confirmed stand in both.
            const auto in_both = static_cast<std::size_t>(
                std::ranges::count_if(incoming_, [](const Incoming& one) { return one.qos == 2; }));
            if (incoming_.size() + held_.size() - in_both >= options_.receive_maximum)
                return end_with(ReasonCode::receive_maximum_exceeded,
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
        if (!is_v5()) return end_with(code, "a message was refused");
    }
    acknowledge(done.qos == 1 ? Acknowledgement::Kind::puback : Acknowledgement::Kind::pubrec,
                done.id, is_v5() ? code : ReasonCode::success);
}

void Conversation::on(const core::Confirm& confirm) {
    for (auto at = incoming_.begin();
         at != incoming_.end() && at->tag <= confirm.delivery_tag && state_ != State::ended;) {
        if (!confirm.multiple && at->tag != confirm.delivery_tag) {
            ++at;
            continue;
        }
        Incoming done = *at;
        at = incoming_.erase(at);
        if (confirm.refused && !is_failure(done.code)) done.code = ReasonCode::quota_exceeded;
        finish_confirm(done);
    }
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
        end_with(code, "a message to a topic this user has no right to");
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
    if (packet.wishes.size() > options_.subscriptions_max)
        return end_with(ReasonCode::quota_exceeded,
                        "SUBSCRIBE: more filters than a session may have");
    Sessions::Wishes wishes;
    wishes.id = packet.id;
    for (const baton::mqtt::Subscribe::Wish& wish : packet.wishes) {
        if (wish.no_local && baton::mqtt::as_shared(wish.filter))
            return end_with(ReasonCode::protocol_error,
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
        if (!wants_retained || baton::mqtt::as_shared(subscription.filter)) continue;
        std::erase_if(cursors_, [&](const Cursor& one) {
            return one.subscription.filter == subscription.filter;
        });
        cursors_.push_back({next_cursor_++, subscription, {}, false});
    }
    say(baton::mqtt::Packet(std::move(said)));
    consumes_ = true;
}

void Conversation::take(const baton::mqtt::Unsubscribe& packet) {
    if (packet.filters.size() > options_.subscriptions_max)
        return end_with(ReasonCode::quota_exceeded,
                        "UNSUBSCRIBE: more filters than a session may have");
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

} // namespace baton::broker::mqtt
