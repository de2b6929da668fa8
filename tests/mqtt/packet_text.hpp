// A packet with all its fields as one line: two packets are the same if their lines are.
#pragma once

#include "base/overloaded.hpp"
#include "mqtt/packet.hpp"
#include "mqtt/properties.hpp"

#include <fmt/format.h>

#include <string>

namespace baton::mqtt::test {

inline std::string hex(ByteView bytes) {
    std::string text;
    for (const std::byte byte : bytes)
        text += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
    return text;
}

inline std::string value_text(std::string_view text) {
    return hex(as_bytes(text));
}
inline std::string value_text(ByteView bytes) {
    return hex(bytes);
}
inline std::string value_text(std::unsigned_integral auto number) {
    return fmt::format("{}", number);
}
inline std::string value_text(const std::vector<std::uint32_t>& numbers) {
    return fmt::format("{}", fmt::join(numbers, "+"));
}
inline std::string
value_text(const std::vector<std::pair<std::string_view, std::string_view>>& pairs) {
    std::string text;
    for (const auto& [name, value] : pairs)
        text += fmt::format("({}={})", value_text(name), value_text(value));
    return text;
}
template <typename Value>
std::string value_text(const std::optional<Value>& value) {
    return value ? value_text(*value) : "-";
}

inline std::string text_of(const Properties& properties) {
    std::string text = "{";
    each_property(properties, [&](auto rule, const auto& value) {
        if (detail::is_there(value)) text += fmt::format(" {}={}", rule().name, value_text(value));
    });
    return text + " }";
}

inline std::string text_of(const std::vector<ReasonCode>& codes) {
    std::string text;
    for (const ReasonCode code : codes)
        text += to_text(code) + ";";
    return text;
}

inline std::string text_of(const Packet& packet) {
    const auto text = Overloaded{
        [](const Connect& it) {
            std::string will = "none";
            if (it.will)
                will = fmt::format("[{} {} qos{} retain{} {}]", value_text(it.will->topic),
                                   hex(it.will->payload), it.will->qos, it.will->retain,
                                   text_of(it.will->properties));
            return fmt::format("CONNECT v{} clean{} alive{} id={} user={} password={} will={} {}",
                               static_cast<int>(it.version), it.clean_start, it.keep_alive_seconds,
                               value_text(it.client_id), value_text(it.user),
                               value_text(it.password), will, text_of(it.properties));
        },
        [](const ConnectAck& it) {
            return fmt::format("CONNACK present{} {} {}", it.session_present, to_text(it.code),
                               text_of(it.properties));
        },
        [](const Publish& it) {
            return fmt::format("PUBLISH dup{} qos{} retain{} #{} {} {} {}", it.dup, it.qos,
                               it.retain, it.id, value_text(it.topic), text_of(it.properties),
                               hex(it.payload));
        },
        [](const Acknowledgement& it) {
            return fmt::format("ack {} #{} {} {}", static_cast<int>(it.kind), it.id,
                               to_text(it.code), text_of(it.properties));
        },
        [](const Subscribe& it) {
            std::string wishes;
            for (const auto& wish : it.wishes)
                wishes += fmt::format("[{} qos{} local{} retain{} handling{}]",
                                      value_text(wish.filter), wish.qos, !wish.no_local,
                                      wish.retain_as_published, wish.retain_handling);
            return fmt::format("SUBSCRIBE #{} {} {}", it.id, text_of(it.properties), wishes);
        },
        [](const SubscribeAck& it) {
            return fmt::format("SUBACK #{} {} {}", it.id, text_of(it.properties),
                               text_of(it.codes));
        },
        [](const Unsubscribe& it) {
            std::string filters;
            for (const auto& filter : it.filters)
                filters += fmt::format("[{}]", value_text(filter));
            return fmt::format("UNSUBSCRIBE #{} {} {}", it.id, text_of(it.properties), filters);
        },
        [](const UnsubscribeAck& it) {
            return fmt::format("UNSUBACK #{} {} {}", it.id, text_of(it.properties),
                               text_of(it.codes));
        },
        [](const PingRequest&) { return std::string("PINGREQ"); },
        [](const PingResponse&) { return std::string("PINGRESP"); },
        [](const Disconnect& it) {
            return fmt::format("DISCONNECT {} {}", to_text(it.code), text_of(it.properties));
        },
        [](const Auth& it) {
            return fmt::format("AUTH {} {}", to_text(it.code), text_of(it.properties));
        }};
    return std::visit(text, packet);
}

} // namespace baton::mqtt::test
