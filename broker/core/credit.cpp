// Back-pressure, both ways. Outward: a connection whose outbox is full gets no deliveries until
// bytes have reached its socket. Inward: while an alarm stands, or too much is stored, connections
// are read only up to their next publish, and those that publish are told, if they understand. That
// the journal lags is no alarm for clients: it is over soon, and only slows them down.
#include "broker/core/protocol.hpp"

#include <utility>

namespace baton::broker::core {

void Protocol::charge(Connection& connection, std::uint64_t bytes) {
    connection.outbox_bytes += bytes;
}

void Protocol::on(const Written& event) {
    Connection* connection = find(event.connection);
    if (connection == nullptr) return;
    connection->outbox_bytes -= std::min(connection->outbox_bytes, event.bytes);
    if (connection->outbox_bytes > options_.outbox_bytes_max) return;
    if (connection->waiting_channels != 0) answer_waiting_gets(*connection);
    if (!connection->consumers_wait_for_outbox) return;
    connection->consumers_wait_for_outbox = false;
    for (auto& channel : connection->channels)
        if (channel != nullptr && !channel->closing) wake_all(*channel);
}

void Protocol::on(const AlarmChanged& event) {
    alarms_[static_cast<std::size_t>(event.alarm)] = event.on;
    watch_memory();
}

void Protocol::grow(Connection& connection, std::uint64_t bytes) {
    connection.memory += bytes;
    open_bytes_ += bytes;
}

void Protocol::shrink(Connection& connection, std::uint64_t bytes) {
    connection.memory -= bytes;
    open_bytes_ -= bytes;
}

void Protocol::watch_memory() {
    const std::uint64_t taken = memory() + outside_bytes_;
    if (taken > options_.stored_bytes_high) too_many_bytes_ = true;
    if (taken < options_.stored_bytes_low) too_many_bytes_ = false;
    if (alarms_[static_cast<std::size_t>(Alarm::disk)])
        return set_publishers_wait(true, "low on disk");
    if (too_many_bytes_ || alarms_[static_cast<std::size_t>(Alarm::memory)])
        return set_publishers_wait(true, "low on memory");
    set_publishers_wait(alarms_[static_cast<std::size_t>(Alarm::journal)], nullptr);
}

// An alarm holds whoever may publish. A journal that lags, which is over soon and often, only those
// that did: thousands of idle connections need not hear of it.
void Protocol::set_publishers_wait(bool wait, const char* reason) {
    const bool has_reason_now = wait && wait_reason_ == nullptr && reason != nullptr;
    if (wait == publishers_wait_ && !has_reason_now) return;
    if (reason != nullptr || wait_reason_ != nullptr)
        turn_->shortage = Shortage{reason, memory() + outside_bytes_, options_.stored_bytes_high};
    publishers_wait_ = wait;
    wait_reason_ = reason;
    for (auto& [id, connection] : connections_) {
        if (connection->closing) continue;
        if (wait)
            hold_publishes(*connection);
        else if (std::exchange(connection->is_held, false))
            say(*connection, TakePublishes{});
    }
}

void Protocol::hold_publishes(Connection& connection) {
    if (!publishers_wait_ || (wait_reason_ == nullptr && !connection.publishes)) return;
    connection.is_held = true;
    say(connection, HoldPublishes{wait_reason_});
}

// Its first publish, or one that was on its way when publishers were to wait.
void Protocol::note_publisher(Connection& connection) {
    connection.publishes = true;
    if (!connection.is_held) hold_publishes(connection);
}

} // namespace baton::broker::core
