// basic.ack, nack, reject and recover: how deliveries end.
#include "broker/core/protocol.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::broker::core {

// --- Which deliveries a tag means ----------------------------------------------------------------

bool Protocol::settled_range(Channel& channel, std::uint64_t tag, bool multiple,
                             amqp::MethodId method, std::size_t& first, std::size_t& last) {
    // Nothing outstanding and "everything": fine, and an empty range.
    if (tag == 0 && multiple) {
        first = 0;
        last = channel.unacked.size();
        return true;
    }
    const std::size_t at = channel.unacked.find(tag);
    if (at != channel.unacked.size() && !channel.unacked[at].in_transaction) {
        first = multiple ? 0 : at;
        last = at + 1;
        return true;
    }
    if (channel.timed_out.erase(tag) != 0) {
        // Late, and the message went back already. With `multiple` the earlier ones still count.
        first = 0;
        last = multiple ? channel.unacked.first_from(tag) : 0;
        return true;
    }
    refuse(channel, Code::precondition_failed, method, fmt::format("unknown delivery tag {}", tag));
    return false;
}

Entry Protocol::take_unacked(Channel& channel, Unacked& unacked) {
    Queue& queue = *unacked.queue;
    Consumer* consumer = unacked.consumer;
    Entry entry = channel.unacked.close(unacked);
    queue.unacked -= 1;
    if (entry.message) queue.unacked_bytes -= entry.message->body_size();
    if (consumer != nullptr) {
        consumer->unacked -= 1;
        // Under one limit for all the others' turn comes first: after_settling().
        if (!consumer->is_ready && channel.global_prefetch == 0) wake(*consumer);
    }
    return entry;
}

void Protocol::after_settling(Channel& channel) {
    channel.unacked.trim();
    if (channel.global_prefetch != 0) wake_all(channel);
}

// --- Acknowledged --------------------------------------------------------------------------------

void Protocol::on(const AckReceived& event) {
    Channel* channel = channel_for(event.connection, event.channel, amqp::BasicAck::id);
    if (channel == nullptr) return;
    if (channel->held) [[unlikely]]
        return hold(*channel, {event});
    std::size_t first = 0;
    std::size_t last = 0;
    if (!settled_range(*channel, event.delivery_tag, event.multiple, amqp::BasicAck::id, first,
                       last))
        return;
    if (channel->mode == Channel::Mode::transaction)
        return settle_later(*channel, first, last, false, false);
    acknowledge(*channel, first, last);
}

void Protocol::acknowledge(Channel& channel, std::size_t first, std::size_t last) {
    for (std::size_t at = first; at < last; ++at) {
        Unacked& unacked = channel.unacked[at];
        if (!unacked.is_open()) continue;
        Queue& queue = *unacked.queue;
        Entry entry = take_unacked(channel, unacked);
        ++queue.counters.acknowledged;
        ++channel.counters.acknowledged;
        ++left_by(queue).acknowledged;
        if (channel.connection->is_own && entry.message && entry.message->notes.record != 0)
            turn_->settled.push_back(entry.message->notes.record);
        forget(queue, entry);
        if (queue.deleted) state_.forget_if_done(queue);
    }
    after_settling(channel);
}

void Protocol::on(Channel& channel, const amqp::BasicAck& method) {
    on(AckReceived{channel.connection->told.connection, channel.number, method.delivery_tag,
                   method.multiple});
}

// --- Refused -------------------------------------------------------------------------------------

void Protocol::on(const NackReceived& event) {
    const amqp::MethodId method = event.was_reject ? amqp::BasicReject::id : amqp::BasicNack::id;
    Channel* channel = channel_for(event.connection, event.channel, method);
    if (channel == nullptr) return;
    if (channel->held) [[unlikely]]
        return hold(*channel, {event});
    std::size_t first = 0;
    std::size_t last = 0;
    if (!settled_range(*channel, event.delivery_tag, event.multiple, method, first, last)) return;
    if (channel->mode == Channel::Mode::transaction)
        return settle_later(*channel, first, last, true, event.requeue);
    reject(*channel, first, last, event.requeue);
}

void Protocol::on(Channel& channel, const amqp::BasicNack& method) {
    on(NackReceived{channel.connection->told.connection, channel.number, method.delivery_tag,
                    method.multiple, method.requeue, false});
}

void Protocol::on(Channel& channel, const amqp::BasicReject& method) {
    on(NackReceived{channel.connection->told.connection, channel.number, method.delivery_tag,
                    false, method.requeue, true});
}

void Protocol::give_back_one(Channel& channel, std::size_t at) {
    Unacked& unacked = channel.unacked[at];
    Queue& queue = *unacked.queue;
    Entry entry = take_unacked(channel, unacked);
    if (queue.deleted) {
        forget(queue, entry);
        return state_.forget_if_done(queue);
    }
    std::vector<Returned> returned;
    returned.push_back({&queue, std::move(entry)});
    give_back(std::move(returned));
}

void Protocol::reject(Channel& channel, std::size_t first, std::size_t last, bool requeue,
                      bool spares_transaction) {
    std::vector<Returned> returned;
    for (std::size_t at = first; at < last; ++at) {
        Unacked& unacked = channel.unacked[at];
        if (!unacked.is_open() || (spares_transaction && unacked.in_transaction)) continue;
        Queue& queue = *unacked.queue;
        Entry entry = take_unacked(channel, unacked);
        if (queue.deleted) {
            forget(queue, entry);
            state_.forget_if_done(queue);
        } else if (!entry.message) {
            continue; // a stream has it anyway, and the consumer may go on
        } else if (requeue) {
            returned.push_back({&queue, std::move(entry)});
        } else {
            bury(queue, std::move(entry), DeathReason::rejected);
        }
    }
    give_back(std::move(returned));
    after_settling(channel);
}

// Every message goes back to where it was, marked, and counted where the queue counts.
void Protocol::give_back(std::vector<Returned> returned) {
    std::sort(returned.begin(), returned.end(), [](const Returned& a, const Returned& b) {
        return a.queue != b.queue ? a.queue->id() < b.queue->id()
                                  : a.entry.position < b.entry.position;
    });
    for (std::size_t from = 0; from < returned.size();) {
        Queue& queue = *returned[from].queue;
        const auto limit = queue.settings().delivery_limit;
        std::vector<Entry> entries;
        std::size_t at = from;
        for (; at < returned.size() && returned[at].queue == &queue; ++at) {
            Entry& entry = returned[at].entry;
            entry.redelivered = true;
            entry.delivery_count += 1;
            if (limit && entry.delivery_count > *limit) {
                bury(queue, std::move(entry), DeathReason::delivery_limit);
                continue;
            }
            Message::Notes& notes = entry.message->notes;
            if (limit && notes.record != 0)
                if (Place* place = notes.durable.find(queue.id(), entry.position)) {
                    place->delivery_count = entry.delivery_count;
                    place->redelivered = true;
                    note(MessageReturned{queue.id(), entry.position, entry.delivery_count});
                }
            entries.push_back(std::move(entry));
        }
        queue.put_back_all(std::move(entries));
        list_if_pageable(queue);
        mark_due(queue);
        from = at;
    }
}

// --- Everything back -----------------------------------------------------------------------------

void Protocol::requeue_all(Channel& channel) {
    reject(channel, 0, channel.unacked.size(), true);
}

// What a transaction has settled already waits for its end.
void Protocol::recover(Channel& channel) {
    reject(channel, 0, channel.unacked.size(), true, true);
}

void Protocol::on(Channel& channel, const amqp::BasicRecover& method) {
    if (!method.requeue)
        return refuse_connection(*channel.connection, Code::not_implemented, method.id,
                                 "requeue=false");
    recover(channel);
    reply(channel, amqp::BasicRecoverOk{});
}

void Protocol::on(Channel& channel, const amqp::BasicRecoverAsync& method) {
    if (!method.requeue)
        return refuse_connection(*channel.connection, Code::not_implemented, method.id,
                                 "requeue=false");
    recover(channel);
}

} // namespace baton::broker::core
