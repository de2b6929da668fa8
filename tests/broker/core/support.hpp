// Small things unit tests of the core need: a message, an entry, text of raw properties.
#pragma once

#include "amqp/properties.hpp"
#include "broker/core/message.hpp"
#include "broker/core/queue.hpp"

#include <string_view>

namespace baton::broker::core {

inline MessageRef message(std::string_view body, std::uint8_t priority = 0,
                          std::string_view exchange = "x", std::string_view routing_key = "k") {
    MessageParts parts;
    parts.exchange = exchange;
    parts.routing_key = routing_key;
    parts.properties = amqp::no_properties;
    parts.body = as_bytes(body);
    parts.priority = priority;
    return Message::make(parts);
}

inline std::string_view body_of(const Entry& entry) { return as_text(entry.message->body()); }

} // namespace baton::broker::core
