// The properties of MQTT 5.0 (§2.2.2): one table says where each may stand, one list says where it
// is kept. Inside this room only.
#pragma once

#include "mqtt/carrier.hpp"
#include "mqtt/packet.hpp"
#include "mqtt/wire.hpp"

#include <array>
#include <cstdint>
#include <string_view>

namespace baton::mqtt {

struct PropertyRule {
    std::uint8_t id = 0;
    // As on the wire; `truth` is a byte of 0 or 1.
    enum class Type : std::uint8_t { truth, u8, u16, u32, variable, text, binary, text_pair };
    Type type = Type::u8;
    std::string_view name;
    Carriers carriers;
    Carriers repeats;        // where it may stand more than once
    std::uint32_t least = 0; // of a number; a smaller or larger one is a fault with this code
    std::uint32_t most = UINT32_MAX;
    ReasonCode fault = ReasonCode::protocol_error;
};

namespace detail {

using C = Carrier;
using T = PropertyRule::Type;
constexpr Carriers nowhere;
constexpr Carriers messages(C::publish, C::will);
constexpr Carriers greetings(C::connect, C::connack);
constexpr Carriers answers(C::connack, C::puback, C::pubrec, C::pubrel, C::pubcomp, C::suback,
                           C::unsuback, C::disconnect, C::auth);
constexpr Carriers everywhere =
    answers | messages | Carriers(C::connect, C::subscribe, C::unsubscribe);
constexpr Carriers connect(C::connect);
constexpr Carriers connack(C::connack);
constexpr Carriers publish(C::publish);

// MQTT 5.0, table 2-4, in its order.
inline constexpr std::array rules{
    PropertyRule{0x01, T::u8, "payload format", messages, nowhere, 0, 1},
    PropertyRule{0x02, T::u32, "message expiry", messages, nowhere},
    PropertyRule{0x03, T::text, "content type", messages, nowhere},
    PropertyRule{0x08, T::text, "response topic", messages, nowhere},
    PropertyRule{0x09, T::binary, "correlation data", messages, nowhere},
    PropertyRule{0x0B, T::variable, "subscription identifier", publish | Carriers(C::subscribe),
                 publish, 1, variable_max},
    PropertyRule{0x11, T::u32, "session expiry", greetings | Carriers(C::disconnect), nowhere},
    PropertyRule{0x12, T::text, "assigned client identifier", connack, nowhere},
    PropertyRule{0x13, T::u16, "server keep alive", connack, nowhere},
    PropertyRule{0x15, T::text, "authentication method", greetings | Carriers(C::auth), nowhere},
    PropertyRule{0x16, T::binary, "authentication data", greetings | Carriers(C::auth), nowhere},
    PropertyRule{0x17, T::truth, "request problem information", connect, nowhere, 0, 1},
    PropertyRule{0x18, T::u32, "will delay", Carriers(C::will), nowhere},
    PropertyRule{0x19, T::truth, "request response information", connect, nowhere, 0, 1},
    PropertyRule{0x1A, T::text, "response information", connack, nowhere},
    PropertyRule{0x1C, T::text, "server reference", connack | Carriers(C::disconnect), nowhere},
    PropertyRule{0x1F, T::text, "reason string", answers, nowhere},
    PropertyRule{0x21, T::u16, "receive maximum", greetings, nowhere, 1},
    PropertyRule{0x22, T::u16, "topic alias maximum", greetings, nowhere},
    PropertyRule{0x23, T::u16, "topic alias", publish, nowhere, 1, UINT16_MAX,
                 ReasonCode::topic_alias_invalid},
    PropertyRule{0x24, T::u8, "maximum QoS", connack, nowhere, 0, 1},
    PropertyRule{0x25, T::truth, "retain available", connack, nowhere, 0, 1},
    PropertyRule{0x26, T::text_pair, "user property", everywhere, everywhere},
    PropertyRule{0x27, T::u32, "maximum packet size", greetings, nowhere, 1},
    PropertyRule{0x28, T::truth, "wildcard subscription available", connack, nowhere, 0, 1},
    PropertyRule{0x29, T::truth, "subscription identifiers available", connack, nowhere, 0, 1},
    PropertyRule{0x2A, T::truth, "shared subscription available", connack, nowhere, 0, 1},
};

} // namespace detail

// visit(rule, value) for each, where rule() is the rule at compile time.
template <std::size_t index>
struct RuleAt {
    constexpr const PropertyRule& operator()() const { return detail::rules[index]; }
};
template <typename Self, typename Visit>
constexpr void each_property(Self& self, Visit&& visit) {
    visit(RuleAt<0>(), self.payload_format);
    visit(RuleAt<1>(), self.message_expiry_seconds);
    visit(RuleAt<2>(), self.content_type);
    visit(RuleAt<3>(), self.response_topic);
    visit(RuleAt<4>(), self.correlation_data);
    visit(RuleAt<5>(), self.subscription_identifiers);
    visit(RuleAt<6>(), self.session_expiry_seconds);
    visit(RuleAt<7>(), self.assigned_client_identifier);
    visit(RuleAt<8>(), self.server_keep_alive_seconds);
    visit(RuleAt<9>(), self.authentication_method);
    visit(RuleAt<10>(), self.authentication_data);
    visit(RuleAt<11>(), self.request_problem_information);
    visit(RuleAt<12>(), self.will_delay_seconds);
    visit(RuleAt<13>(), self.request_response_information);
    visit(RuleAt<14>(), self.response_information);
    visit(RuleAt<15>(), self.server_reference);
    visit(RuleAt<16>(), self.reason_string);
    visit(RuleAt<17>(), self.receive_maximum);
    visit(RuleAt<18>(), self.topic_alias_maximum);
    visit(RuleAt<19>(), self.topic_alias);
    visit(RuleAt<20>(), self.maximum_qos);
    visit(RuleAt<21>(), self.retain_available);
    visit(RuleAt<22>(), self.user_properties);
    visit(RuleAt<23>(), self.maximum_packet_bytes);
    visit(RuleAt<24>(), self.wildcard_subscription_available);
    visit(RuleAt<25>(), self.subscription_identifiers_available);
    visit(RuleAt<26>(), self.shared_subscription_available);
}

// The length and the properties behind it.
void read_properties(Cursor& in, Carrier carrier, Properties& properties);

// What is left out when the packet would be too large for the other side.
enum class Omitted : std::uint8_t { nothing, user_properties, reason_string_too };

namespace detail {

inline bool is_there(const auto& optional) {
    return optional.has_value();
}
template <typename Item>
bool is_there(const std::vector<Item>& list) {
    return !list.empty();
}

template <typename Sink, typename Value>
void put_value(Sink& out, std::uint8_t id, const std::optional<Value>& value) {
    out.u8(id);
    if constexpr (std::is_same_v<Value, bool>)
        out.u8(*value ? 1 : 0);
    else if constexpr (std::is_same_v<Value, std::uint8_t>)
        out.u8(*value);
    else if constexpr (std::is_same_v<Value, std::uint16_t>)
        out.u16(*value);
    else if constexpr (std::is_same_v<Value, std::uint32_t>)
        out.u32(*value);
    else if constexpr (std::is_same_v<Value, std::string_view>)
        out.text(*value);
    else
        out.binary(*value);
}
template <typename Sink>
void put_value(Sink& out, std::uint8_t id, const std::vector<std::uint32_t>& identifiers) {
    for (const std::uint32_t identifier : identifiers) {
        out.u8(id);
        out.variable(identifier);
    }
}
template <typename Sink>
void put_value(Sink& out, std::uint8_t id,
               const std::vector<std::pair<std::string_view, std::string_view>>& pairs) {
    for (const auto& [name, value] : pairs) {
        out.u8(id);
        out.text(name);
        out.text(value);
    }
}

template <Carrier carrier, typename Sink>
void put_each_property(Sink& out, const Properties& properties, Omitted omitted) {
    each_property(properties, [&](auto rule, const auto& value) {
        if constexpr (rule().carriers.contains(carrier)) {
            constexpr PropertyRule::Type type = rule().type;
            if (type == PropertyRule::Type::text_pair && omitted >= Omitted::user_properties)
                return;
            if (rule().id == 0x1F && omitted >= Omitted::reason_string_too) return;
            if (is_there(value)) put_value(out, rule().id, value);
        }
    });
}

} // namespace detail

// Those that may stand there, behind their length.
template <Carrier carrier, typename Sink>
void put_properties(Sink& out, const Properties& properties, Omitted omitted = Omitted::nothing) {
    Counter counter;
    detail::put_each_property<carrier>(counter, properties, omitted);
    out.variable(counter.count());
    if (counter.count() == 0) return;
    detail::put_each_property<carrier>(out, properties, omitted);
}

template <Carrier carrier>
bool has_properties(const Properties& properties, Omitted omitted = Omitted::nothing) {
    Counter counter;
    detail::put_each_property<carrier>(counter, properties, omitted);
    return counter.count() != 0;
}

} // namespace baton::mqtt
