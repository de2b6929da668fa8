// Who gets the next message, and what time does to queues. The only file that hands ready messages
// to consumers.
#include "broker/core/protocol.hpp"

#include "broker/core/edit.hpp"

#include <algorithm>

namespace baton::broker::core {

// First marked, first served; serving may mark more.
void Protocol::deliver_due() {
    for (std::size_t at = 0; at < due_.size(); ++at) {
        Queue* queue = due_[at];
        if (queue == nullptr) continue;
        queue->due = false;
        serve(*queue);
    }
    due_.clear();
}

void Protocol::forget_due(Queue& queue) {
    if (!queue.due) return;
    queue.due = false;
    std::replace(due_.begin(), due_.end(), &queue, static_cast<Queue*>(nullptr));
}

void Protocol::serve(Queue& queue) {
    forget_due(queue);
    if (queue.stream) [[unlikely]]
        return serve_stream(queue);
    while (queue.has_front()) {
        Consumer* consumer = queue.ready_consumers.first();
        if (consumer == nullptr) break;
        if (!can_take(*consumer)) {
            queue.ready_consumers.remove(*consumer);
            if (consumer->channel->connection->outbox_bytes > options_.outbox_bytes_max)
                consumer->channel->connection->consumers_wait_for_outbox = true;
            continue;
        }
        // A message whose time is 0 still reaches a consumer that is ready when it comes.
        const Time expires_at = queue.front().expires_at;
        Entry entry = queue.pop();
        if (expires_at < now_) {
            bury(queue, std::move(entry), DeathReason::expired);
            continue;
        }
        queue.ready_consumers.rotate(*consumer);
        deliver(*consumer, queue, std::move(entry));
    }
    expire(queue);
    if (queue.settings().overflow == Overflow::drop_head)
        while (queue.is_over_limit() && may_bury()) {
            std::optional<Entry> oldest = queue.pop_to_drop();
            if (!oldest) break;
            bury(queue, std::move(*oldest), DeathReason::maxlen);
        }
    // Time or somebody else may have taken what a basic.get waits for.
    if (!waiting_gets_.empty()) answer_waiting_gets(queue);
    read_ahead(queue);
    if (!may_bury()) goes_on_with_next_tick(queue);
    arm(queue);
}

// A policy or a common expiry may end millions at once; what waits to be settled is bounded.
bool Protocol::may_bury() const { return burials_.size() < options_.dead_letters_per_turn_max; }

void Protocol::goes_on_with_next_tick(Queue& queue) {
    queue.armed = now_;
    deadlines_.set(queue.id(), now_);
}

MessageRef Protocol::shown(const Queue& queue, const Entry& entry, bool says_none) {
    if (!queue.settings().delivery_limit) return entry.message;
    if (entry.delivery_count == 0 && !says_none) return entry.message;
    return with_delivery_count(*entry.message, entry.delivery_count);
}

std::uint64_t Protocol::keep_unacked(Channel& channel, Queue& queue, Consumer* consumer,
                                     Entry&& entry) {
    queue.unacked += 1;
    queue.unacked_bytes += entry.message->body_size();
    if (consumer != nullptr) consumer->unacked += 1;
    Time until = Time::max();
    if (const auto timeout = queue.settings().consumer_timeout_millis) {
        until = now_ + std::chrono::milliseconds(*timeout);
        const ChannelKey key(channel.connection->told.connection, channel.number);
        if (!timeouts_.of(key)) timeouts_.set(key, until);
    }
    const std::uint64_t tag = channel.next_delivery_tag++;
    channel.unacked.add(std::move(entry), queue, consumer, tag, until);
    return tag;
}

void Protocol::deliver(Consumer& consumer, Queue& queue, Entry&& entry) {
    Channel& channel = *consumer.channel;
    Deliver command;
    command.consumer = consumer.number;
    command.redelivered = entry.redelivered;
    if (entry.redelivered) {
        ++queue.counters.redelivered;
        ++channel.counters.redelivered;
        ++left_by(queue).redelivered;
    }
    if (consumer.no_ack) {
        command.message = shown(queue, entry, false);
        forget(queue, entry);
        command.delivery_tag = channel.next_delivery_tag++;
        ++queue.counters.delivered_no_ack;
        ++channel.counters.delivered_no_ack;
        ++left_by(queue).delivered_no_ack;
    } else {
        command.message = shown(queue, entry, false);
        command.delivery_tag = keep_unacked(channel, queue, &consumer, std::move(entry));
        ++queue.counters.delivered;
        ++channel.counters.delivered;
        ++left_by(queue).delivered;
    }
    charge(*channel.connection, delivery_charge(*command.message));
    say(channel, std::move(command));
}

// --- Time ----------------------------------------------------------------------------------------

void Protocol::expire(Queue& queue) {
    if (queue.armed == Time::max() && queue.next_expiry() == Time::max()) return;
    while (may_bury()) {
        std::optional<Entry> entry = queue.pop_expired(now_);
        if (!entry) break;
        bury(queue, std::move(*entry), DeathReason::expired);
    }
}

// A deadline that stands stays as long as it is early enough: moving it for every message would
// cost more than waking once too often.
void Protocol::arm(Queue& queue) {
    Time wanted = queue.stream ? next_age_limit(queue) : queue.next_expiry();
    if (queue.settings().expires_millis && queue.consumers.empty())
        wanted = std::min(wanted, queue.used_at + std::chrono::milliseconds(
                                                      *queue.settings().expires_millis));
    if (wanted >= queue.armed) return;
    queue.armed = wanted;
    deadlines_.set(queue.id(), wanted);
}

void Protocol::used(Queue& queue) {
    if (!queue.settings().expires_millis) return;
    queue.used_at = now_;
    arm(queue);
}

// What a consumer sat on for too long goes back, and only that: its channel lives on, unlike
// RabbitMQ's, because a slow task is no reason to lose the fast ones.
void Protocol::time_out(Channel& channel) {
    Time next = Time::max();
    for (std::size_t at = 0; at < channel.unacked.size(); ++at) {
        const Unacked& unacked = channel.unacked[at];
        if (!unacked.is_open() || unacked.in_transaction) continue;
        if (unacked.until > now_) {
            next = std::min(next, unacked.until);
            continue;
        }
        channel.timed_out.insert(unacked.tag);
        give_back_one(channel, at);
    }
    after_settling(channel);
    if (next != Time::max())
        timeouts_.set({channel.connection->told.connection, channel.number}, next);
}

void Protocol::on(const Ticked&) {
    if (stopping_) return;
    for (const auto& [id, number] : timeouts_.take_due(now_)) {
        Connection* connection = find(id);
        if (connection == nullptr || connection->closing ||
            number >= connection->channels.size() || connection->channels[number] == nullptr)
            continue;
        time_out(*connection->channels[number]);
    }
    // The rest comes with the next tick, which is due at once.
    constexpr std::size_t deadlines_per_tick_max = 1000;
    for (const QueueId id : deadlines_.take_due(now_, deadlines_per_tick_max)) {
        Queue* queue = state_.queue(id);
        if (queue == nullptr) continue;
        queue->armed = Time::max();
        const auto expires = queue->settings().expires_millis;
        if (expires && queue->consumers.empty() &&
            queue->used_at + std::chrono::milliseconds(*expires) <= now_) {
            delete_queue(*queue);
            continue;
        }
        mark_due(*queue);
        // Served even when nothing can be delivered, so that the next deadline is set.
        serve(*queue);
    }
    try_held_letters();
}

} // namespace baton::broker::core
