// Making changed copies of messages.
#include "broker/core/edit.hpp"

#include "amqp/buffer.hpp"
#include "amqp/wire.hpp"
#include "base/assert.hpp"

namespace baton::broker::core {

amqp::Properties properties_of(ByteView raw) {
    auto decoded = amqp::decode_properties(raw);
    return decoded ? std::move(*decoded) : amqp::Properties{};
}

namespace {

// The message with `raw` for its properties, which must live until the parts are used.
MessageParts parts_of(const Message& message, ByteView raw) {
    MessageParts parts;
    parts.exchange = message.exchange();
    parts.routing_key = message.routing_key();
    parts.properties = raw;
    parts.body = message.body();
    parts.body_owner = message.body_owner();
    parts.persistent = message.is_persistent();
    parts.priority = message.priority();
    parts.ttl_millis = message.ttl_millis();
    return parts;
}

MessageRef with_header(const Message& message, std::string_view name, std::int64_t value) {
    amqp::Properties properties = properties_of(message.properties());
    if (!properties.headers) properties.headers.emplace();
    properties.headers->set(name, amqp::FieldValue(value));
    return with_properties(message, properties, message.exchange(), message.routing_key());
}

} // namespace

MessageRef with_properties(const Message& message, const amqp::Properties& properties,
                           std::string_view exchange, std::string_view routing_key) {
    amqp::Buffer raw;
    const Status encoded = amqp::encode_properties(properties, raw);
    BATON_ASSERT(encoded, "properties that were decoded can be encoded");
    MessageParts parts = parts_of(message, raw.view());
    parts.exchange = exchange;
    parts.routing_key = routing_key;
    if (!properties.expiration) parts.ttl_millis.reset();
    return Message::make(parts);
}

MessageRef with_delivery_count(const Message& message, std::uint32_t count) {
    return with_header(message, "x-delivery-count", count);
}

namespace {

constexpr std::string_view stream_offset = "x-stream-offset";
constexpr unsigned headers_flag = 1U << 13;

// Raw properties with one more header: the bytes of the others are copied as they are.
void add_header(const amqp::PropertiesView& properties, ByteView field, amqp::Buffer& out) {
    const ByteView raw = properties.raw();
    const auto headers = properties.headers();
    std::size_t place = 2; // where the table's length stands, or would
    if (const auto type = properties.content_type()) place += 1 + type->size();
    if (const auto encoding = properties.content_encoding()) place += 1 + encoding->size();
    const std::size_t old_size = headers ? headers->size() : 0;
    const std::size_t after = place + (headers ? 4 + old_size : 0);

    amqp::Writer writer(out);
    writer.u16(static_cast<std::uint16_t>(amqp::load_big_endian<std::uint16_t>(raw.data()) |
                                          headers_flag));
    writer.bytes(raw.subspan(2, place - 2));
    writer.u32(static_cast<std::uint32_t>(old_size + field.size()));
    if (headers) writer.bytes(*headers);
    writer.bytes(field);
    writer.bytes(raw.subspan(after));
}

} // namespace

MessageRef with_stream_offset(const Message& message, std::uint64_t offset) {
    const auto view = amqp::PropertiesView::parse(message.properties());
    const auto headers = view ? view->headers() : std::nullopt;
    if (!view || (headers && amqp::find_field(*headers, stream_offset)))
        return with_header(message, stream_offset, static_cast<std::int64_t>(offset));
    amqp::Buffer field;
    amqp::Writer writer(field);
    writer.short_string(stream_offset);
    writer.u8('l');
    writer.u64(offset);
    amqp::Buffer raw;
    add_header(*view, field.view(), raw);
    return Message::make(parts_of(message, raw.view()));
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
