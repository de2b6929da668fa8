// Which packet may carry which reason code (MQTT 5.0 §2.4), and what stands for them before v5.
// Inside this room only; their names are in packet.hpp.
#pragma once

#include "mqtt/carrier.hpp"
#include "mqtt/packet.hpp"

#include <cstdint>
#include <optional>

namespace baton::mqtt {

bool may_carry(Carrier carrier, ReasonCode code);

// The return code of CONNACK that comes nearest (MQTT 3.1.1 §3.2.2.3), and back.
std::uint8_t connect_return_code(ReasonCode code);
std::optional<ReasonCode> from_connect_return_code(std::uint8_t code);

// What SUBACK says before v5 (MQTT 3.1.1 §3.9.3): the QoS, or that it failed.
constexpr std::uint8_t subscribe_failure = 0x80;

} // namespace baton::mqtt
