// Bytes of a connection in, packets out (MQTT 5.0 §1.5, §2, §3; MQTT 3.1.1 likewise), sans-io.
// Checks all that can be said of a packet by itself: lengths, flags, UTF-8 without U+0000,
// identifiers that are not 0, which property may stand where and how often, reserved bits, options,
// topic names and filters. What depends on the conversation (a second CONNECT, an alias nobody
// gave) is not its business.
//
// Memory: one buffer, which holds at most one packet and what was read behind it. It is kept for
// the next read, unless a large packet made it large; release_memory() gives it back when nothing
// waits.
//
// One per connection, on its thread.
#pragma once

#include "base/bytes.hpp"
#include "mqtt/packet.hpp"

#include <optional>
#include <span>
#include <variant>
#include <vector>

namespace baton::mqtt {

class PacketReader {
public:
    // The server's side of a connection begins with v3.1.1 and takes the version of the first
    // CONNECT.
    explicit PacketReader(std::size_t packet_bytes_max, Version version = Version::v3_1_1)
        : packet_bytes_max_(packet_bytes_max), version_(version) {}

    // Counts the whole packet, fixed header included.
    void set_packet_bytes_max(std::size_t bytes) { packet_bytes_max_ = bytes; }
    // Of the first CONNECT, also of one that is a fault, as far as it could be read: how to answer
    // it.
    Version version() const { return version_; }

    // Bytes as they came, in any cut.
    void take(ByteView bytes);

    // The next packet that is whole; nothing: more bytes are needed. A packet that is announced
    // larger than the limit is a fault (0x95) as soon as its head is there. Behind a fault there is
    // nothing any more.
    std::optional<std::variant<Packet, Fault>> next();

    std::size_t held_bytes() const { return buffer_.capacity(); }
    bool has_waiting() const { return begin_ != buffer_.size(); }
    // Gives memory back that nothing waits in.
    void release_memory();

private:
    std::size_t packet_bytes_max_;
    Version version_;
    std::vector<std::byte> buffer_;
    std::size_t begin_ = 0;
    bool is_broken_ = false;
    bool has_version_ = false; // a CONNECT has said it
};

} // namespace baton::mqtt
