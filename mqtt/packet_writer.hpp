// Packets to bytes, for each version (MQTT 5.0 §3, MQTT 3.1.1 §3). A property is written where the
// standard allows it and left out before v5; the caller sees to it that texts are UTF-8 and not
// longer than 65,535 bytes.
#pragma once

#include "mqtt/packet.hpp"

#include <cstddef>
#include <vector>

namespace baton::mqtt {

// Appends the packet. False, and nothing appended: the packet would be larger than
// `packet_bytes_max` (0: no limit), or cannot be said at all (a text of more than 65,535 bytes,
// AUTH before v5). User properties and then the reason string of acknowledgements, CONNACK,
// DISCONNECT and AUTH are left out before that (MQTT 5.0 §3.2.2.3.9).
bool append(std::vector<std::byte>& out, const Packet& packet, Version version,
            std::size_t packet_bytes_max = 0);
// The same for the packet that comes most often, without a variant around it.
bool append(std::vector<std::byte>& out, const Publish& packet, Version version,
            std::size_t packet_bytes_max = 0);

} // namespace baton::mqtt
