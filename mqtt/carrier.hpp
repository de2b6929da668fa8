// Where a property or a reason code may stand: in a packet, named by its type in the fixed header
// (MQTT 5.0 §2.1.2), or in the will inside CONNECT, which has the number that no packet has. Inside
// this room only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace baton::mqtt {

enum class Carrier : std::uint8_t {
    will = 0,
    connect = 1,
    connack = 2,
    publish = 3,
    puback = 4,
    pubrec = 5,
    pubrel = 6,
    pubcomp = 7,
    subscribe = 8,
    suback = 9,
    unsubscribe = 10,
    unsuback = 11,
    pingreq = 12,
    pingresp = 13,
    disconnect = 14,
    auth = 15,
};

constexpr std::size_t carrier_count = 16;

inline std::string_view name_of(Carrier carrier) {
    static constexpr std::array<std::string_view, carrier_count> names{
        "will",    "CONNECT",  "CONNACK",    "PUBLISH", "PUBACK",      "PUBREC",
        "PUBREL",  "PUBCOMP",  "SUBSCRIBE",  "SUBACK",  "UNSUBSCRIBE", "UNSUBACK",
        "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH"};
    return names[static_cast<std::size_t>(carrier)];
}

// A set of them.
class Carriers {
public:
    template <typename... Carrier_>
    constexpr explicit Carriers(Carrier_... some) : bits_((0U | ... | bit_of(some))) {}
    constexpr bool contains(Carrier one) const { return (bits_ & bit_of(one)) != 0; }
    constexpr Carriers operator|(Carriers more) const {
        Carriers both;
        both.bits_ = bits_ | more.bits_;
        return both;
    }

private:
    static constexpr std::uint32_t bit_of(Carrier one) { return 1U << static_cast<unsigned>(one); }
    std::uint32_t bits_;
};

} // namespace baton::mqtt
