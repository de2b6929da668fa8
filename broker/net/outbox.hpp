// What a connection still has to write: commands become bytes here, straight into one buffer.
// Sans-io and without decisions: what the core commands is written, and what concerns the socket
// itself (close, pause, drop) is kept as flags for the connection.
//
// One per connection, on its thread.
#pragma once

#include "amqp/frame.hpp"
#include "broker/core/command.hpp"

#include <string>
#include <vector>

namespace baton::broker::net {

class Outbox {
public:
    // After the handshake; 0 means no limit.
    void set_frame_max(std::uint32_t bytes) { frame_max_ = bytes; }
    void set_knows_blocked(bool knows) { knows_blocked_ = knows; }

    // Carries out one command; consumes what it points to.
    void add(core::Command& command);
    void add_heartbeat() { amqp::append_heartbeat(buffer_); }
    // For the handshake and what else the connection says itself.
    amqp::Buffer& buffer() { return buffer_; }

    ByteView waiting() const { return buffer_.view(); }
    bool empty() const { return buffer_.empty(); }
    std::size_t size() const { return buffer_.size(); }
    // `count` bytes were written; returns what they weighed as deliveries (core::delivery_charge).
    std::uint64_t written(std::size_t count);
    std::size_t held_bytes() const { return buffer_.capacity(); }
    // The other side takes nothing any more.
    void forget() { buffer_ = {}; }
    // Gives the buffer's memory back when it is empty and larger than `bytes`.
    void shrink(std::size_t bytes);

    // What the connection has to do beside writing.
    bool was_accepted() const { return was_accepted_; }       // connection.open-ok is in the buffer
    bool awaits_close_ok() const { return awaits_close_ok_; } // connection.close is in the buffer
    bool ends_when_written() const { return ends_when_written_; }
    bool drops_now() const { return drops_now_; }
    bool pauses_reading() const { return pauses_reading_; }
    bool holds_publishes() const { return holds_publishes_; }

    // The client publishes: it is one that wants to hear why it waits.
    void note_publisher() {
        publishes_ = true;
        if (holds_publishes_) tell_blocked();
    }

private:
    struct Writing;

    void tell_blocked();

    std::string_view tag_of(core::ConsumerNumber number) const;

    amqp::Buffer buffer_;
    std::uint64_t charge_ = 0; // of deliveries in buffer_
    std::uint32_t frame_max_ = amqp::frame_bytes_min;
    bool knows_blocked_ = false;
    bool was_accepted_ = false;
    bool awaits_close_ok_ = false;
    bool ends_when_written_ = false;
    bool drops_now_ = false;
    bool pauses_reading_ = false;
    bool publishes_ = false;
    bool holds_publishes_ = false;
    bool was_told_blocked_ = false;       // connection.blocked, and not yet unblocked
    const char* hold_reason_ = nullptr;   // null: nobody is told
    std::vector<std::string> consumer_tags_;
};

} // namespace baton::broker::net
