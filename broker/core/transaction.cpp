// tx.select, commit and rollback. Publishes and settlements of the channel are collected and carried
// out together: one turn, and one group of records that recovery takes whole or not at all.
#include "broker/core/protocol.hpp"

#include "broker/core/footprint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace baton::broker::core {

void Protocol::on(Channel& channel, const amqp::TxSelect& method) {
    if (channel.mode == Channel::Mode::confirm)
        return refuse(channel, Code::precondition_failed, method.id,
                      "cannot switch from confirm to tx mode");
    channel.mode = Channel::Mode::transaction;
    reply(channel, amqp::TxSelectOk{});
}

void Protocol::remember(Channel& channel, TransactionStep step) {
    const std::uint64_t bytes = footprint(step);
    channel.transaction_bytes += bytes;
    transaction_bytes_ += bytes;
    channel.transaction.push_back(std::move(step));
}

std::vector<TransactionStep> Protocol::take_transaction(Channel& channel) {
    transaction_bytes_ -= std::exchange(channel.transaction_bytes, 0);
    return std::exchange(channel.transaction, {});
}

// A publisher that waits could not commit what it has begun: it is refused before it has to.
bool Protocol::check_transaction(Channel& channel) {
    const std::uint64_t share = options_.stored_bytes_high / 4;
    if (transaction_bytes_ <= share) return true;
    refuse(channel, Code::precondition_failed, amqp::BasicPublish::id,
           fmt::format("the transactions that are not committed take {} bytes of memory, this one "
                       "{}; together they may take {}",
                       transaction_bytes_, channel.transaction_bytes, share));
    return false;
}

void Protocol::settle_later(Channel& channel, std::size_t first, std::size_t last, bool rejected,
                            bool requeue) {
    for (std::size_t at = first; at < last; ++at) {
        Unacked& unacked = channel.unacked[at];
        if (!unacked.is_open() || unacked.in_transaction) continue;
        unacked.in_transaction = true;
        TransactionStep step;
        step.delivery_tag = unacked.tag;
        step.rejected = rejected;
        step.requeue = requeue;
        remember(channel, std::move(step));
    }
}

void Protocol::on(Channel& channel, const amqp::TxCommit& method) {
    if (channel.mode != Channel::Mode::transaction)
        return refuse(channel, Code::precondition_failed, method.id,
                      "channel is not transactional");
    begin_together();
    for (TransactionStep& step : take_transaction(channel)) carry_out(channel, step);
    const std::size_t records = end_together();
    if (records != 0) handler_committed_ = true;
    channel.unacked.trim();
    reply(channel, amqp::TxCommitOk{});
}

// How many records follow is known only afterwards.
void Protocol::begin_together() {
    together_at_ = turn_->records.size();
    note(TransactionBegan{});
}

std::size_t Protocol::end_together() {
    const std::size_t records = turn_->records.size() - together_at_ - 1;
    std::get<TransactionBegan>(turn_->records[together_at_]).records =
        static_cast<std::uint32_t>(records);
    return records;
}

void Protocol::carry_out(Channel& channel, TransactionStep& step) {
    if (!step.message) {
        // Settled by now by other means: its time was over.
        const std::size_t at = channel.unacked.find(step.delivery_tag);
        if (at == channel.unacked.size()) return;
        // The record that takes it along is the one of its queue's deletion, which may still be on
        // its way to the disk.
        if (channel.unacked[at].queue->deleted) handler_committed_ = true;
        if (step.rejected)
            reject(channel, at, at + 1, step.requeue);
        else
            acknowledge(channel, at, at + 1);
        return;
    }
    const Message& message = *step.message;
    Exchange* exchange = channel.connection->vhost->exchange(message.exchange());
    if (exchange == nullptr) return; // deleted since
    const auto headers = headers_of(message);
    if (exchange->deduplicator() != nullptr && exchange->deduplicator()->has_seen(headers, now_))
        return;
    const auto queues =
        state_.route(*exchange, {message.routing_key(), headers, message.properties()},
                          step.more_routing_keys);
    if (exchange->identity().kind.delays && (!step.mandatory || !queues.empty()) &&
        delay(step.message, *exchange, headers))
        return;
    if (!queues.empty()) {
        exchange->published_out += queues.size();
        ++since_start_.routed;
        place(step.message, queues);
        return;
    }
    ++(step.mandatory ? counters_.returned : counters_.dropped);
    if (step.mandatory) return_unroutable(channel, std::move(step.message));
}

void Protocol::on(Channel& channel, const amqp::TxRollback& method) {
    if (channel.mode != Channel::Mode::transaction)
        return refuse(channel, Code::precondition_failed, method.id,
                      "channel is not transactional");
    (void)take_transaction(channel);
    Time next = Time::max();
    for (std::size_t at = 0; at < channel.unacked.size(); ++at) {
        channel.unacked[at].in_transaction = false;
        if (channel.unacked[at].is_open()) next = std::min(next, channel.unacked[at].until);
    }
    // Their time ran on meanwhile, with nobody to mind it.
    if (next != Time::max())
        timeouts_.set({channel.connection->told.connection, channel.number},
                      std::max(next, now_));
    reply(channel, amqp::TxRollbackOk{});
}

} // namespace baton::broker::core
