// Making changed copies of messages.
#include "broker/core/edit.hpp"

#include "amqp/buffer.hpp"
#include "base/assert.hpp"

namespace baton::broker::core {

amqp::Properties properties_of(ByteView raw) {
    auto decoded = amqp::decode_properties(raw);
    return decoded ? std::move(*decoded) : amqp::Properties{};
}

MessageRef with_properties(const Message& message, const amqp::Properties& properties,
                           std::string_view exchange, std::string_view routing_key) {
    amqp::Buffer raw;
    const Status encoded = amqp::encode_properties(properties, raw);
    BATON_ASSERT(encoded, "properties that were decoded can be encoded");
    MessageParts parts;
    parts.exchange = exchange;
    parts.routing_key = routing_key;
    parts.properties = raw.view();
    parts.body = message.body();
    parts.body_owner = message.body_owner();
    parts.persistent = message.is_persistent();
    parts.priority = message.priority();
    if (properties.expiration) parts.ttl_millis = message.ttl_millis();
    return Message::make(parts);
}

MessageRef with_delivery_count(const Message& message, std::uint32_t count) {
    amqp::Properties properties = properties_of(message.properties());
    if (!properties.headers) properties.headers.emplace();
    properties.headers->set("x-delivery-count", amqp::FieldValue(std::int64_t{count}));
    return with_properties(message, properties, message.exchange(), message.routing_key());
}

std::vector<std::string> routing_keys_in(const amqp::FieldTable& headers, std::string_view name) {
    std::vector<std::string> keys;
    const amqp::FieldValue* found = headers.find(name);
    const auto* array = found != nullptr ? found->get<amqp::FieldArray>() : nullptr;
    if (array == nullptr) return keys;
    for (const amqp::FieldValue& item : array->items)
        if (const auto* text = item.get<std::string>(); text != nullptr && text->size() <= 255)
            keys.push_back(*text);
    return keys;
}

} // namespace baton::broker::core
