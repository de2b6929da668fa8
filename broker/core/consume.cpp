// basic.consume, cancel, get, qos and channel.flow: who wants messages, and how many at a time.
#include "broker/core/footprint.hpp"
#include "broker/core/protocol.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::broker::core {

namespace {

constexpr std::string_view reply_to_name = "amq.rabbitmq.reply-to";

bool has_tag(const Channel& channel, const std::string& tag) {
    return std::any_of(channel.consumers.begin(), channel.consumers.end(),
                       [&](const auto& consumer) { return consumer->tag == tag; });
}

} // namespace

// --- basic.consume -------------------------------------------------------------------------------

void Protocol::on(Channel& channel, const amqp::BasicConsume& method) {
    if (!method.consumer_tag.empty() && has_tag(channel, method.consumer_tag))
        return refuse_connection(*channel.connection, Code::not_allowed, method.id,
                                 fmt::format("attempt to reuse consumer tag '{}'",
                                             method.consumer_tag));
    if (!refuse_unless(channel, method.id, check_room_for("a consumer", Share::open))) return;
    if (method.queue == reply_to_name) return consume_replies(channel, method);

    const std::string* name = queue_name(channel, method.queue, method.id);
    if (name == nullptr || !check_right(channel, Right::read, true, *name, method.id)) return;
    Queue* queue = queue_or_refuse(channel, *name, method.id);
    if (queue == nullptr) return;
    if (queue->stream) return consume_stream(channel, method, *queue);
    if (!check_consume(channel, method, *queue)) return;

    Consumer& consumer = add_consumer(channel, method, queue);
    queue->consumers.push_back(&consumer);
    queue->had_consumer = true;
    if (consumer.exclusive) queue->exclusive_consumer = &consumer;
    used(*queue);
    if (queue->settings().single_active_consumer) {
        if (queue->active_consumer == nullptr) choose_active(*queue);
    } else {
        wake(consumer);
    }
}

bool Protocol::check_consume(Channel& channel, const amqp::BasicConsume& method,
                             const Queue& queue) {
    if (const amqp::FieldValue* priority = method.arguments.find("x-priority");
        priority != nullptr && !priority->integer()) {
        refuse(channel, Code::precondition_failed, method.id,
               fmt::format("invalid arg 'x-priority' for queue '{}' in vhost '{}': \"expected "
                           "integer, got {}\"",
                           queue.name(), channel.connection->vhost->name(),
                           amqp::type_name(*priority)));
        return false;
    }
    // Who is active among several is the queue's choice: nobody may have it to himself.
    const bool taken = queue.exclusive_consumer != nullptr ||
                       (method.exclusive && (!queue.consumers.empty() ||
                                             queue.settings().single_active_consumer));
    if (!taken) return true;
    refuse(channel, Code::access_refused, method.id,
           fmt::format("queue '{}' in vhost '{}' in exclusive use", queue.name(),
                       channel.connection->vhost->name()));
    return false;
}

Consumer& Protocol::add_consumer(Channel& channel, const amqp::BasicConsume& method,
                                 Queue* queue) {
    auto& consumer = *channel.consumers.emplace_back(std::make_unique<Consumer>());
    consumer.channel = &channel;
    consumer.queue = queue;
    consumer.tag =
        method.consumer_tag.empty() ? generated_name("amq.ctag-") : method.consumer_tag;
    consumer.no_ack = method.no_ack;
    consumer.exclusive = method.exclusive;
    consumer.prefetch = channel.prefetch;
    consumer.priority =
        static_cast<std::int32_t>(method.arguments.integer("x-priority").value_or(0));
    consumer.arguments = method.arguments;
    grow(*channel.connection, footprint(consumer));

    std::vector<bool>& numbers = channel.connection->consumer_numbers;
    const auto free = std::find(numbers.begin(), numbers.end(), false);
    consumer.number = static_cast<ConsumerNumber>(free - numbers.begin());
    if (free == numbers.end())
        numbers.push_back(true);
    else
        *free = true;
    say(channel, ConsumerNamed{consumer.number, std::make_unique<std::string>(consumer.tag)});
    if (!method.no_wait) reply(channel, amqp::BasicConsumeOk{consumer.tag});
    return consumer;
}

// Direct reply-to: no queue; whoever publishes to the name made here reaches this channel.
void Protocol::consume_replies(Channel& channel, const amqp::BasicConsume& method) {
    if (!method.no_ack)
        return refuse(channel, Code::precondition_failed, method.id,
                      "reply consumer cannot acknowledge");
    if (channel.reply_consumer != nullptr)
        return refuse(channel, Code::precondition_failed, method.id,
                      "reply consumer already set");
    channel.reply_consumer = &add_consumer(channel, method, nullptr);
    channel.reply_name = generated_name("amq.rabbitmq.reply-to.");
    reply_channels_.emplace(channel.reply_name, &channel);
}

// --- The end of a consumer -----------------------------------------------------------------------

void Protocol::on(Channel& channel, const amqp::BasicCancel& method) {
    const auto found = std::find_if(
        channel.consumers.begin(), channel.consumers.end(),
        [&](const auto& consumer) { return consumer->tag == method.consumer_tag; });
    const bool known = found != channel.consumers.end();
    if (known) {
        // What is already decided reaches the client before the -ok; nothing comes after.
        if (Queue* queue = (*found)->queue) catch_up(*queue);
        remove_consumer(**found);
    }
    if (!method.no_wait) reply(channel, amqp::BasicCancelOk{method.consumer_tag});
}

void Protocol::on(Channel&, const amqp::BasicCancelOk&) {}

void Protocol::leave_queue(Consumer& consumer) {
    Queue& queue = *consumer.queue;
    if (queue.stream) queue.stream->forget(consumer);
    queue.ready_consumers.remove(consumer);
    std::erase(queue.consumers, &consumer);
    if (queue.exclusive_consumer == &consumer) queue.exclusive_consumer = nullptr;
    if (queue.active_consumer == &consumer) {
        queue.active_consumer = nullptr;
        if (!queue.deleted) choose_active(queue);
    }
}

void Protocol::remove_consumer(Consumer& consumer) {
    Channel& channel = *consumer.channel;
    if (consumer.unacked != 0)
        for (std::size_t at = 0; at < channel.unacked.size(); ++at)
            if (channel.unacked[at].consumer == &consumer) channel.unacked[at].consumer = nullptr;
    Queue* queue = consumer.queue;
    if (queue != nullptr) leave_queue(consumer);
    if (channel.reply_consumer == &consumer) {
        channel.reply_consumer = nullptr;
        reply_channels_.erase(channel.reply_name);
        channel.reply_name.clear();
    }
    if (!channel.connection->closing) {
        // A number whose end is said late must not be given anew early.
        if (!waits_for_journal(channel))
            channel.connection->consumer_numbers[consumer.number] = false;
        say(channel, ConsumerForgotten{consumer.number});
    }
    shrink(*channel.connection, footprint(consumer));
    std::erase_if(channel.consumers, [&](const auto& one) { return one.get() == &consumer; });

    if (queue == nullptr || queue->deleted || !queue->consumers.empty()) return;
    if (queue->identity().auto_delete)
        delete_queue(*queue);
    else
        used(*queue);
}

// The single active consumer: the one of the highest priority, and of those the first that came.
void Protocol::choose_active(Queue& queue) {
    if (!queue.settings().single_active_consumer) return;
    Consumer* best = nullptr;
    for (Consumer* consumer : queue.consumers)
        if (best == nullptr || consumer->priority > best->priority) best = consumer;
    queue.active_consumer = best;
    if (best != nullptr) wake(*best);
}

// --- Who can take a message ----------------------------------------------------------------------

bool Protocol::can_take(const Consumer& consumer) const {
    const Channel& channel = *consumer.channel;
    if (!channel.flow || channel.connection->outbox_bytes > options_.outbox_bytes_max)
        return false;
    // At the channel's limit those wait, too, who add nothing to it.
    if (channel.global_prefetch != 0 &&
        channel.unacked.using_prefetch() >= channel.global_prefetch)
        return false;
    return consumer.no_ack || consumer.prefetch == 0 || consumer.unacked < consumer.prefetch;
}

void Protocol::wake(Consumer& consumer) {
    Queue* queue = consumer.queue;
    if (queue == nullptr || consumer.is_ready || consumer.waits_in_stream) return;
    if (queue->settings().single_active_consumer && queue->active_consumer != &consumer) return;
    if (!can_take(consumer)) {
        if (consumer.channel->connection->outbox_bytes > options_.outbox_bytes_max)
            consumer.channel->connection->consumers_wait_for_outbox = true;
        return;
    }
    queue->ready_consumers.add(consumer);
    if (queue->ready() != 0) mark_due(*queue);
}

void Protocol::wake_all(Channel& channel) {
    // Who was first the last time is last now: where the channel has one limit for all, a long queue
    // would otherwise take every place that becomes free.
    if (channel.global_prefetch != 0 && channel.consumers.size() > 1)
        std::rotate(channel.consumers.begin(), channel.consumers.begin() + 1,
                    channel.consumers.end());
    for (auto& consumer : channel.consumers) wake(*consumer);
}

// --- basic.qos and channel.flow ------------------------------------------------------------------

void Protocol::on(Channel& channel, const amqp::BasicQos& method) {
    if (method.prefetch_size != 0)
        return refuse_connection(*channel.connection, Code::not_implemented, method.id,
                                 fmt::format("prefetch_size!=0 ({})", method.prefetch_size));
    if (method.global) {
        channel.global_prefetch = method.prefetch_count;
    } else {
        channel.prefetch = method.prefetch_count;
        if (options_.qos_moves_existing_consumers)
            for (auto& consumer : channel.consumers) consumer->prefetch = method.prefetch_count;
    }
    wake_all(channel);
    reply(channel, amqp::BasicQosOk{});
}

void Protocol::on(Channel& channel, const amqp::ChannelFlow& method) {
    if (!method.active)
        return refuse_connection(*channel.connection, Code::not_implemented, method.id,
                                 "active=false");
    reply(channel, amqp::ChannelFlowOk{true});
}

void Protocol::on(Channel&, const amqp::ChannelFlowOk&) {}

// --- basic.get -----------------------------------------------------------------------------------

void Protocol::on(Channel& channel, const amqp::BasicGet& method) {
    const std::string* name = queue_name(channel, method.queue, method.id);
    if (name == nullptr || !check_right(channel, Right::read, true, *name, method.id)) return;
    Queue* queue = queue_or_refuse(channel, *name, method.id);
    if (queue == nullptr) return;
    if (queue->stream)
        return refuse_connection(*channel.connection, Code::not_implemented, method.id,
                                 not_for_streams("basic.get", *queue));
    used(*queue);
    catch_up(*queue);
    if (queue->ready() != 0) serve(*queue); // whoever waits longer comes first; expiry
    if (queue->ready() == 0) {
        ++since_start_.gotten_empty[static_cast<std::size_t>(queue->kind())];
        return reply(channel, amqp::BasicGetEmpty{});
    }

    if (!queue->has_front() || !has_room_for_gets(*channel.connection))
        return wait_with_get(channel, *queue, method.no_ack);
    give(channel, *queue, method.no_ack);
}

void Protocol::give(Channel& channel, Queue& queue, bool no_ack) {
    Entry entry = queue.pop();
    DeliverGotten gotten;
    gotten.redelivered = entry.redelivered;
    gotten.message = shown(queue, entry, queue.settings().quorum);
    charge(*channel.connection, delivery_charge(*gotten.message));
    for (MessageCounters* counters : {&queue.counters, &channel.counters, &left_by(queue)}) {
        ++(no_ack ? counters->gotten_no_ack : counters->gotten);
        if (entry.redelivered) ++counters->redelivered;
    }
    if (no_ack) {
        forget(queue, entry);
        gotten.delivery_tag = channel.next_delivery_tag++;
    } else {
        gotten.delivery_tag = keep_unacked(channel, queue, nullptr, std::move(entry));
    }
    expire(queue); // what expired behind this one is not left
    gotten.messages_left = static_cast<std::uint32_t>(queue.ready());
    say(channel, std::move(gotten));
    read_ahead(queue);
    // What is in front now may have waited for its end behind this one.
    if (queue.next_expiry() != Time::max()) mark_due(queue);
}

} // namespace baton::broker::core
