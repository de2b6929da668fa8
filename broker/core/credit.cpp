// Back-pressure, both ways. Outward: a connection whose outbox is full gets no deliveries until
// bytes have reached its socket. Inward: while an alarm stands, or too much is stored, connections
// that publish are not read from; they are told, if they understand.
#include "broker/core/protocol.hpp"

namespace baton::broker::core {

void Protocol::charge(Connection& connection, std::uint64_t bytes) {
    connection.outbox_bytes += bytes;
}

void Protocol::on(const Written& event) {
    Connection* connection = find(event.connection);
    if (connection == nullptr) return;
    connection->outbox_bytes -= std::min(connection->outbox_bytes, event.bytes);
    if (!connection->consumers_wait_for_outbox ||
        connection->outbox_bytes > options_.outbox_bytes_max)
        return;
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
    const bool wait = too_many_bytes_ || alarms_[static_cast<std::size_t>(Alarm::memory)] ||
                      alarms_[static_cast<std::size_t>(Alarm::journal)];
    set_publishers_wait(wait, "low on memory");
}

void Protocol::set_publishers_wait(bool wait, const char* reason) {
    if (wait == publishers_wait_) return;
    publishers_wait_ = wait;
    wait_reason_ = reason;
    for (auto& [id, connection] : connections_) {
        if (connection->closing || !connection->publishes) continue;
        if (wait) {
            pause_publisher(*connection);
        } else if (connection->paused) {
            connection->paused = false;
            if (connection->told.capabilities.connection_blocked)
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
    if (!publishers_wait_ || connection.paused) return;
    connection.paused = true;
    if (connection.told.capabilities.connection_blocked)
        say(connection, TellBlocked{wait_reason_});
    say(connection, PauseReading{});
}

} // namespace baton::broker::core
