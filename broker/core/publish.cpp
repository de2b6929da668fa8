// basic.publish, from its properties to its queues, and the confirms it gets.
//
// The hot path is on(PublishReceived) without CC, BCC, reply-to or user-id: one look at the property
// flags, one remembered route, one allocation.
#include "broker/core/protocol.hpp"

#include "amqp/properties.hpp"
#include "base/assert.hpp"
#include "broker/core/edit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace baton::broker::core {

namespace {

constexpr std::string_view published_reply_name = "amq.rabbitmq.reply-to";
constexpr std::string_view reply_to_prefix = "amq.rabbitmq.reply-to.";
constexpr amqp::MethodId publish_id = amqp::BasicPublish::id;

// Headers, reply-to, expiration and user-id: the flag bits that mean more than passing through.
constexpr unsigned interesting_flags = 1U << 13 | 1U << 9 | 1U << 8 | 1U << 4;

constexpr unsigned delivery_mode_flag = 1U << 12;

} // namespace

struct Protocol::PublishFacts {
    amqp::PropertiesView properties;
    ByteView headers;
    bool persistent = false;
    std::uint8_t priority = 0;
    std::optional<std::int64_t> ttl_millis;
    std::vector<std::string> more_keys; // of CC, then BCC
    bool has_bcc = false;
    bool wants_direct_reply = false;
};

// --- Properties ----------------------------------------------------------------------------------

bool Protocol::read_properties(Channel& channel, const PublishReceived& event,
                               PublishFacts& facts) {
    // Most messages have no properties, or only say that they are persistent.
    const auto octet = [&](std::size_t at) {
        return std::to_integer<unsigned>(event.properties[at]);
    };
    const unsigned flags = event.properties.size() < 2 ? 0U : octet(0) << 8 | octet(1);
    if (flags == 0 && event.properties.size() <= 2) return true;
    if (flags == delivery_mode_flag && event.properties.size() == 3) {
        facts.persistent = octet(2) == amqp::persistent_delivery;
        return check_delivery_mode(channel, octet(2));
    }
    auto parsed = amqp::PropertiesView::parse(event.properties);
    if (!parsed) {
        refuse_connection(*channel.connection, Code::frame_error, publish_id,
                          "content properties make no sense");
        return false;
    }
    facts.properties = *parsed;
    facts.persistent = parsed->is_persistent();
    facts.priority = parsed->priority().value_or(0);
    if (const auto mode = parsed->delivery_mode(); mode && !check_delivery_mode(channel, *mode))
        return false;
    if ((flags & interesting_flags) == 0) return true;

    if (const auto user = parsed->user_id()) {
        const std::string& own = channel.connection->told.user;
        const User* known = user_of(*channel.connection);
        if (*user != own && !(known != nullptr && known->has_tag("impersonator"))) {
            refuse(channel, Code::precondition_failed, publish_id,
                   fmt::format("user_id property set to '{}' but authenticated user was '{}'",
                               *user, own));
            return false;
        }
    }
    if (parsed->expiration() && !read_expiration(channel, facts)) return false;
    if (parsed->headers() && !read_headers(channel, facts)) return false;
    if (parsed->reply_to() == published_reply_name) {
        if (channel.reply_consumer == nullptr) {
            refuse(channel, Code::precondition_failed, publish_id,
                   "fast reply consumer does not exist");
            return false;
        }
        facts.wants_direct_reply = true;
    }
    return true;
}

bool Protocol::check_delivery_mode(Channel& channel, unsigned mode) {
    if (mode == 1 || mode == amqp::persistent_delivery) return true;
    refuse(channel, Code::precondition_failed, publish_id,
           fmt::format("invalid message: {{delivery_mode_unknown,{}}}", mode));
    return false;
}

bool Protocol::read_expiration(Channel& channel, PublishFacts& facts) {
    const std::string_view text = *facts.properties.expiration();
    std::int64_t millis = 0;
    const bool has_plus = text.size() > 1 && text[0] == '+' && text[1] != '-';
    const auto [end, error] = std::from_chars(text.data() + (has_plus ? 1 : 0),
                                              text.data() + text.size(), millis);
    std::string problem;
    if (error != std::errc() || text.empty())
        problem = "no_integer";
    else if (end != text.data() + text.size())
        problem = fmt::format("{{leftover_string,\"{}\"}}",
                              std::string_view(end, text.data() + text.size()));
    else if (millis < 0)
        problem = fmt::format("{{value_negative,{}}}", millis);
    else if (millis > 315'360'000'000)
        problem = fmt::format("{{value_too_large,{}}}", millis);
    if (problem.empty()) {
        facts.ttl_millis = millis;
        return true;
    }
    refuse(channel, Code::precondition_failed, publish_id,
           fmt::format("invalid expiration '{}': {}", text, problem));
    return false;
}

bool Protocol::read_headers(Channel& channel, PublishFacts& facts) {
    facts.headers = *facts.properties.headers();
    if (!amqp::check_table(facts.headers)) {
        refuse_connection(*channel.connection, Code::frame_error, publish_id,
                          "the headers make no sense");
        return false;
    }
    for (const std::string_view name : {std::string_view("CC"), std::string_view("BCC")}) {
        const auto field = amqp::find_field(facts.headers, name);
        if (!field) continue;
        const auto value = field->decode();
        const auto* keys = value ? value->get<amqp::FieldArray>() : nullptr;
        if (keys == nullptr) {
            refuse(channel, Code::precondition_failed, publish_id,
                   fmt::format("invalid message: {{unacceptable_type_in_header,\"{}\",{}}}", name,
                               value ? amqp::type_name(*value) : "unknown"));
            return false;
        }
        for (const amqp::FieldValue& key : keys->items)
            if (const auto* text = key.get<std::string>(); text != nullptr && text->size() <= 255)
                facts.more_keys.push_back(*text);
        facts.has_bcc = facts.has_bcc || name == "BCC";
    }
    return true;
}

// --- The publish itself --------------------------------------------------------------------------

bool Protocol::may_publish(const Connection& connection, std::string_view exchange,
                           std::string_view routing_key) {
    const User* user = user_of(connection);
    const std::string& vhost = connection.told.vhost;
    return access_.may(user, vhost, Right::write, exchange) &&
           access_.may_use_key(user, vhost, Right::write, exchange, routing_key);
}

Exchange* Protocol::exchange_for_publish(Channel& channel, const PublishReceived& event) {
    RememberedRoute& known = channel.route;
    if (known.version == state_.topology_version() && known.exchange == event.exchange)
        return known.first_exchange;
    if (!check_right(channel, Right::write, false, event.exchange, publish_id)) return nullptr;
    Exchange* exchange = exchange_or_refuse(channel, event.exchange, publish_id);
    if (exchange == nullptr) return nullptr;
    if (exchange->identity().internal) {
        refuse(channel, Code::access_refused, publish_id,
               fmt::format("cannot publish to internal exchange '{}' in vhost '{}'",
                           exchange->name(), channel.connection->vhost->name()));
        return nullptr;
    }
    known.version = state_.topology_version();
    known.exchange = event.exchange;
    known.first_exchange = exchange;
    known.has_queues = false;
    return exchange;
}

std::span<Queue* const> Protocol::route(Channel& channel, Exchange& exchange,
                                        const RoutedMessage& message) {
    RememberedRoute& known = channel.route;
    if (known.has_queues && known.routing_key == message.routing_key) return known.queues;
    const auto queues = state_.route(exchange, message);
    known.has_queues = state_.route_depends_on_key_alone();
    if (known.has_queues) {
        known.routing_key = message.routing_key;
        known.queues.assign(queues.begin(), queues.end());
    }
    return queues;
}

MessageRef Protocol::make_message(const Channel& channel, const PublishReceived& event,
                                  const PublishFacts& facts) {
    MessageParts parts;
    parts.exchange = event.exchange;
    parts.routing_key = event.routing_key;
    parts.properties = event.properties.size() < 2 ? ByteView(amqp::no_properties)
                                                   : event.properties;
    parts.body = event.body;
    parts.body_owner = event.body_owner;
    parts.persistent = facts.persistent;
    parts.priority = facts.priority;
    parts.ttl_millis = facts.ttl_millis;
    if (!facts.has_bcc && !facts.wants_direct_reply) return Message::make(parts);

    amqp::Properties properties = properties_of(event.properties);
    if (facts.has_bcc && properties.headers) properties.headers->erase("BCC");
    if (facts.wants_direct_reply) properties.reply_to = channel.reply_name;
    amqp::Buffer raw;
    const Status encoded = amqp::encode_properties(properties, raw);
    BATON_ASSERT(encoded, "properties that were decoded can be encoded");
    parts.properties = raw.view();
    return Message::make(parts);
}

void Protocol::on(const PublishReceived& event) {
    Channel* channel = channel_for(event.connection, event.channel, publish_id);
    if (channel == nullptr) return;
    if (channel->held) [[unlikely]]
        return hold(*channel, event);
    Connection& connection = *channel->connection;
    if (event.immediate)
        return refuse_connection(connection, Code::not_implemented, publish_id, "immediate=true");
    if (event.body.size() > options_.message_bytes_max)
        return refuse(*channel, Code::precondition_failed, publish_id,
                      fmt::format("message size {} is larger than configured max size {}",
                                  event.body.size(), options_.message_bytes_max));
    if (!connection.publishes || publishers_wait_) note_publisher(connection);

    PublishFacts facts;
    if (event.nacks_refused && !may_publish(connection, event.exchange, event.routing_key)) {
        say(*channel, ReturnMessage{make_message(*channel, event, facts), Code::access_refused, "ACCESS_REFUSED"});
        return confirm(*channel, true, false);
    }
    Exchange* exchange = exchange_for_publish(*channel, event);
    if (exchange == nullptr || !read_properties(*channel, event, facts)) return;
    if (!check_topic_right(*channel, Right::write, *exchange, event.routing_key, publish_id))
        return;
    ++exchange->published_in;
    ++channel->counters.published;
    ++counters_.published;
    if (channel->mode == Channel::Mode::confirm) ++since_start_.received_to_confirm;
    since_start_.sizes.add(event.body.size());
    if (channel->mode == Channel::Mode::transaction) {
        if (!check_transaction(*channel)) return;
        TransactionStep step;
        step.message = make_message(*channel, event, facts);
        step.mandatory = event.mandatory;
        step.more_routing_keys = std::move(facts.more_keys);
        remember(*channel, std::move(step));
        return;
    }
    if (exchange->is_default() && event.routing_key.starts_with(reply_to_prefix))
        return answer_directly(*channel, event, facts);
    if (Deduplicator* deduplicator = exchange->deduplicator();
        deduplicator != nullptr && deduplicator->has_seen(facts.headers, now_))
        return confirm(*channel, false, false);
    // Who wants to hear that there is no route hears it now, not when the delay is over.
    const auto has_route = [&] {
        const RoutedMessage now{event.routing_key, facts.headers, event.properties};
        return !state_.route(*exchange, now, facts.more_keys).empty();
    };
    if (exchange->identity().kind.delays && (!event.mandatory || has_route())) {
        const MessageRef message = make_message(*channel, event, facts);
        if (delay(message, *exchange, facts.headers))
            return confirm(*channel, false, message->notes.record != 0);
    }

    const RoutedMessage shown{event.routing_key, facts.headers, event.properties};
    const auto queues = facts.more_keys.empty()
                            ? route(*channel, *exchange, shown)
                            : state_.route(*exchange, shown, facts.more_keys);
    if (queues.empty()) {
        ++(event.mandatory ? counters_.returned : counters_.dropped);
        if (event.mandatory) return_unroutable(*channel, make_message(*channel, event, facts));
        return confirm(*channel, false, false);
    }
    exchange->published_out += queues.size();
    const MessageRef message = make_message(*channel, event, facts);
    ++since_start_.routed;
    const RecordNumber before = last_stored_;
    const bool taken = place(message, queues);
    const bool is_recorded = last_stored_ != before;
    const bool entrusted = is_recorded && taken && is_entrusted(queues);
    if (entrusted && channel->mode == Channel::Mode::confirm) turn_->entrusted.push_back(last_stored_);
    confirm(*channel, !taken, is_recorded, entrusted);
}

bool Protocol::is_entrusted(std::span<Queue* const> queues) {
    if (queues.size() != 1) return false;
    const auto& consumers = queues.front()->consumers;
    return !consumers.empty() && std::ranges::all_of(consumers, [](const Consumer* consumer) {
        return consumer->channel->connection->is_own && !consumer->no_ack;
    });
}

bool Protocol::refuses(Queue& queue, const Message& message) {
    if (queue.settings().overflow != Overflow::drop_head && queue.settings().is_bounded()) {
        if (queue.due) serve(queue);
        if (queue.is_full()) return true;
    }
    // Last, since asking makes the message a known one.
    return queue.deduplicator && is_repeated(queue, message);
}

bool Protocol::place(const MessageRef& message, std::span<Queue* const> queues, bool again) {
    // Almost always every queue takes it, and then nothing is copied.
    const auto first = std::find_if(queues.begin(), queues.end(),
                                    [&](Queue* queue) { return refuses(*queue, *message); });
    if (first == queues.end()) {
        store(message, queues, again);
        return true;
    }
    std::vector<Queue*> takers(queues.begin(), first);
    bool all_took = true;
    for (auto at = first; at != queues.end(); ++at) {
        Queue& queue = **at;
        if (at != first && !refuses(queue, *message)) {
            takers.push_back(&queue);
            continue;
        }
        // What is there already counts as taken.
        if (!queue.is_full() || queue.settings().overflow == Overflow::drop_head) continue;
        all_took = false;
        if (queue.settings().overflow == Overflow::reject_publish_dead_letter) {
            state_.entered(*message);
            bury(queue, Entry{message}, DeathReason::maxlen);
        }
    }
    store(message, takers, again);
    return all_took;
}

bool Protocol::is_repeated(Queue& queue, const Message& message) {
    return queue.deduplicator->has_seen(headers_of(message), now_);
}

bool Protocol::delay(const MessageRef& message, Exchange& exchange, ByteView headers) {
    // Ten years: more is a mistake, and must not overflow.
    constexpr std::int64_t delay_millis_max = 10LL * 365 * 24 * 3600 * 1000;
    const auto field = amqp::find_field(headers, "x-delay");
    const std::int64_t millis = field ? field->integer().value_or(0) : 0;
    Queue* queue = exchange.identity().vhost->queue(std::string(delays_prefix) + exchange.name());
    if (millis <= 0 || queue == nullptr) return false;
    store_until(message, *queue,
                now_ + std::chrono::milliseconds(std::min(millis, delay_millis_max)));
    return true;
}

void Protocol::return_unroutable(Channel& channel, MessageRef message) {
    ++channel.counters.returned;
    say(channel, ReturnMessage{std::move(message)});
}

void Protocol::answer_directly(Channel& channel, const PublishReceived& event,
                               const PublishFacts& facts) {
    const auto found = reply_channels_.find(std::string(event.routing_key));
    if (found == reply_channels_.end()) {
        if (event.mandatory) return_unroutable(channel, make_message(channel, event, facts));
        return confirm(channel, false, false);
    }
    Channel& asker = *found->second;
    MessageRef message = make_message(channel, event, facts);
    charge(*asker.connection, delivery_charge(*message));
    ++asker.counters.delivered_no_ack;
    ++since_start_.routed;
    ++since_start_.by_kind[static_cast<std::size_t>(QueueKind::classic)].delivered_no_ack;
    const std::uint64_t tag = asker.next_delivery_tag++;
    say(asker, Deliver{std::move(message), tag, asker.reply_consumer->number, false});
    confirm(channel, false, false);
}

// --- Confirms ------------------------------------------------------------------------------------

void Protocol::on(Channel& channel, const amqp::ConfirmSelect& method) {
    if (channel.mode == Channel::Mode::transaction)
        return refuse(channel, Code::precondition_failed, method.id,
                      "cannot switch from tx to confirm mode");
    channel.mode = Channel::Mode::confirm;
    if (!method.no_wait) reply(channel, amqp::ConfirmSelectOk{});
}

void Protocol::confirm(Channel& channel, bool refused, bool needs_journal, bool is_entrusted) {
    if (channel.mode != Channel::Mode::confirm) return;
    const std::uint64_t tag = channel.next_publish_tag++;
    ++channel.counters.confirmed;
    ++counters_.confirmed;
    channel.confirm_needs_journal = channel.confirm_needs_journal || needs_journal;
    channel.confirms_are_entrusted = channel.confirms_are_entrusted && is_entrusted;
    if (!channel.in_confirming) {
        channel.in_confirming = true;
        confirming_.push_back(&channel);
    }
    if (!channel.confirms.empty() && channel.confirms.back().refused == refused)
        channel.confirms.back().last = tag;
    else
        channel.confirms.push_back({tag, tag, refused});
}

void Protocol::flush_confirms() {
    for (Channel* channel : confirming_) flush_confirms(*channel);
    confirming_.clear();
    // Both in one turn: the one may not be said when the other may.
    if (turn_->own_waits && !turn_->entrusted.empty()) turn_->is_urgent = true;
}

// Everything before a run was confirmed earlier, so a run is one `multiple`.
void Protocol::flush_confirms(Channel& channel) {
    const bool waits = channel.confirm_needs_journal || waits_for_journal(channel) ||
                       channel.confirms_wait_for > durable_up_to_;
    if (waits) {
        channel.confirms_wait_for = turn_number_;
        turn_->own_waits = turn_->own_waits || channel.connection->is_own;
        turn_->is_urgent =
            turn_->is_urgent || !(channel.connection->is_own || channel.confirms_are_entrusted);
    }
    std::vector<Command>& where =
        waits ? turn_->commands_when_durable : turn_->commands;
    for (const ConfirmRun& run : channel.confirms)
        where.push_back(Command{channel.connection->told.connection, channel.number,
                                Confirm{run.last, run.last != run.first, run.refused}});
    channel.confirms.clear();
    channel.confirm_needs_journal = false;
    channel.confirms_are_entrusted = true;
    channel.in_confirming = false;
}

} // namespace baton::broker::core
