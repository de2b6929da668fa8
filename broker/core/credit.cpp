// Back-pressure, both ways. Outward: a connection whose outbox is full gets no deliveries until
// bytes have reached its socket. Inward: while an alarm stands, or too much is stored, connections
// that publish are not read from; they are told, if they understand. That the journal lags is no
// alarm for clients: it is over soon, and only slows them down.
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
    watch_stored_bytes();
}

void Protocol::watch_stored_bytes() {
    const std::uint64_t stored = state_.stored_bytes();
    if (stored > options_.stored_bytes_high) too_many_bytes_ = true;
    if (stored < options_.stored_bytes_low) too_many_bytes_ = false;
    if (alarms_[static_cast<std::size_t>(Alarm::disk)])
        return set_publishers_wait(true, "low on disk");
    if (too_many_bytes_ || alarms_[static_cast<std::size_t>(Alarm::memory)])
        return set_publishers_wait(true, "low on memory");
    set_publishers_wait(alarms_[static_cast<std::size_t>(Alarm::journal)], nullptr);
}

void Protocol::set_publishers_wait(bool wait, const char* reason) {
    const bool has_reason_now = wait && wait_reason_ == nullptr && reason != nullptr;
    if (wait == publishers_wait_ && !has_reason_now) return;
    publishers_wait_ = wait;
    wait_reason_ = reason;
    for (auto& [id, connection] : connections_) {
        if (connection->closing || !connection->publishes) continue;
        if (wait) {
            pause_publisher(*connection);
        } else if (connection->paused) {
            connection->paused = false;
            if (std::exchange(connection->was_told_blocked, false))
                say(*connection, TellUnblocked{});
            resume_reading(*connection);
        }
    }
}

// One of the reasons not to read from it is gone.
void Protocol::resume_reading(Connection& connection) {
    if (!connection.paused && !connection.holds_too_much) say(connection, ResumeReading{});
}

// A connection that publishes; whether it must wait depends on how the broker is.
void Protocol::pause_publisher(Connection& connection) {
    connection.publishes = true;
    if (!publishers_wait_) return;
    if (wait_reason_ != nullptr && connection.told.capabilities.connection_blocked &&
        !std::exchange(connection.was_told_blocked, true))
        say(connection, TellBlocked{wait_reason_});
    if (!std::exchange(connection.paused, true)) say(connection, PauseReading{});
}

} // namespace baton::broker::core
