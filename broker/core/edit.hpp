// Messages that differ from a message in their properties. Rare by design: what passes through is
// never decoded and encoded again.
#pragma once

#include "amqp/properties.hpp"
#include "broker/core/message.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace baton::broker::core {

// Raw properties taken apart. They were checked when the message was published, so there is nothing
// to report; should they be broken all the same, they are empty.
amqp::Properties properties_of(ByteView raw);

// The same body with other properties under another name; the body is copied unless it is large.
MessageRef with_properties(const Message& message, const amqp::Properties& properties,
                           std::string_view exchange, std::string_view routing_key);

// The same with the number of its earlier deliveries in the header x-delivery-count.
MessageRef with_delivery_count(const Message& message, std::uint32_t count);

// The same with its offset in a stream in the header x-stream-offset, which replaces one that was
// there. Nothing else is decoded.
MessageRef with_stream_offset(const Message& message, std::uint64_t offset);

// The texts of an array of strings in a table; empty when there is none.
std::vector<std::string> routing_keys_in(const amqp::FieldTable& headers, std::string_view name);

} // namespace baton::broker::core
