// Messages of MQTT as messages of AMQP, and back. What both have keeps its name; what only MQTT has
// travels in headers, so that it comes out again at the other end:
//
//   content type          content_type            payload format 1   header x-mqtt-format
//   correlation data      correlation_id, or header x-correlation-id when that is no text of 255
//   bytes response topic        header x-reply-to-topic, as a routing key user properties headers
//   of type S, in their order message expiry        expiration, with a timestamp to count from
//   RETAIN                header x-mqtt-retain    QoS 2              header x-mqtt-qos
//
// QoS 1 and 2 are persistent. Every message gets a message_id, by which a consumer knows it again.
#pragma once

#include "amqp/buffer.hpp"
#include "base/clock.hpp"
#include "broker/core/message.hpp"
#include "mqtt/packet.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace baton::broker::mqtt {

// A key and many a property of AMQP is a short string.
inline constexpr std::size_t short_bytes_max = 255;

inline constexpr std::string_view retain_header = "x-mqtt-retain";

// Appends raw AMQP properties. `message_id` at most 255 bytes.
void append_properties(amqp::Buffer& out, const baton::mqtt::Properties& properties,
                       std::uint8_t qos, bool retain, std::string_view message_id, Time now);

// What a message of AMQP is for MQTT. The views are into the message, but for the topics.
struct Translated {
    bool can_be_said = false; // its key is a topic
    std::string topic;
    std::string response_topic;
    std::uint8_t qos = 0;
    bool retain = false;
    bool has_expired = false;
    std::string_view message_id;
    std::string correlation;        // of a header, when it has no other place
    std::vector<std::string> texts; // that had to be made for user properties
    baton::mqtt::Properties properties;
};
// `with_properties`: false for clients before v5, who get none.
Translated translate(const core::Message& message, Time now, bool with_properties);

// When a message with an expiry is over; Time::max(): never.
Time end_of(const core::Message& message, Time now);

} // namespace baton::broker::mqtt
