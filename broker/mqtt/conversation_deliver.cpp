// What a client gets: deliveries with their acknowledgements, and retained messages.
#include "broker/mqtt/conversation.hpp"
#include "broker/mqtt/conversation_words.hpp"
#include "mqtt/packet_writer.hpp"
#include "mqtt/topic.hpp"

#include <algorithm>
#include <utility>

namespace baton::broker::mqtt {

using baton::mqtt::Acknowledgement;
using baton::mqtt::Publish;

namespace {

constexpr std::size_t retained_at_once = 16;

} // namespace

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
    Translated made = translate(message, now, is_v5());
    const Choice choice = choose(consumer, made.topic, made.message_id);
    if (!choice.is_any || !send(std::move(made), message, choice, false,
                                consumer.kind == Kind::qos_0 ? nullptr : &delivery))
        return drop_delivery(delivery);
    charge_ += core::delivery_charge(message);
}

// False: it is not for this client, which need not hear of it. Without a delivery nothing is to be
// acknowledged to the core.
bool Conversation::send(Translated made, const core::Message& message, const Choice& choice,
                        bool is_retained, const core::Deliver* delivery) {
    if (!made.can_be_said || made.has_expired) return false;
    Publish packet;
    packet.qos = std::min(made.qos, choice.qos);
    packet.retain = is_retained || (choice.keeps_retain && made.retain);
    packet.topic = made.topic;
    packet.payload = message.body();
    if (is_v5()) {
        packet.properties = std::move(made.properties);
        if (!made.response_topic.empty()) packet.properties.response_topic = made.response_topic;
        if (!made.correlation.empty())
            packet.properties.correlation_data = as_bytes(made.correlation);
        packet.properties.subscription_identifiers = choice.identifiers;
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
    // The first topics get the aliases the client has room for.
    std::uint16_t given = 0;
    if (client_aliases_max_ != 0) {
        if (const auto known = aliases_out_.find(made.topic); known != aliases_out_.end()) {
            packet.properties.topic_alias = known->second;
            packet.topic = {};
        } else if (aliases_out_.size() < client_aliases_max_) {
            given = static_cast<std::uint16_t>(aliases_out_.size() + 1);
            packet.properties.topic_alias = given;
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
    Choice choice{
        .is_any = true, .qos = cursor.subscription.qos, .keeps_retain = true, .identifiers = {}};
    if (cursor.subscription.identifier != 0)
        choice.identifiers.push_back(cursor.subscription.identifier);
    for (const core::MessageRef& message : told.messages)
        (void)send(translate(*message, now, is_v5()), *message, choice, true, nullptr);
    cursor.after = told.last_key;
    if (told.is_all) cursors_.pop_front();
}

} // namespace baton::broker::mqtt
