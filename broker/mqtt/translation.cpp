#include "broker/mqtt/translation.hpp"

#include "amqp/properties.hpp"
#include "base/assert.hpp"
#include "base/utf8.hpp"
#include "mqtt/topic.hpp"

#include <algorithm>
#include <utility>

namespace baton::broker::mqtt {
namespace {

constexpr std::string_view format_header = "x-mqtt-format";
constexpr std::string_view qos_header = "x-mqtt-qos";
constexpr std::string_view correlation_header = "x-correlation-id";
constexpr std::string_view response_header = "x-reply-to-topic";
constexpr std::size_t text_bytes_max = 65535;
constexpr std::int64_t millis_per_second = 1000;

bool is_ours(std::string_view header) {
    for (const std::string_view ours :
         {retain_header, format_header, qos_header, correlation_header, response_header})
        if (header == ours) return true;
    return false;
}

bool is_text(std::string_view bytes) {
    return is_utf8(bytes) && bytes.find('\0') == std::string_view::npos;
}

// For most messages: delivery mode and message id, put together by hand.
void append_plain(amqp::Buffer& out, std::uint8_t qos, std::string_view message_id) {
    constexpr unsigned flags = 1U << 12 | 1U << 7;
    std::byte* place = out.extend(2 + 1 + 1 + message_id.size());
    *place++ = static_cast<std::byte>(flags >> 8);
    *place++ = static_cast<std::byte>(flags & 0xFF);
    *place++ = static_cast<std::byte>(qos == 0 ? 1 : amqp::persistent_delivery);
    *place++ = static_cast<std::byte>(message_id.size());
    std::copy_n(as_bytes(message_id).data(), message_id.size(), place);
}

std::optional<std::int64_t> seconds_left(const amqp::PropertiesView& view, std::int64_t ttl_millis,
                                         Time now) {
    std::int64_t left = ttl_millis;
    if (const auto begun = view.timestamp()) {
        const std::int64_t age =
            millis_of(now) - static_cast<std::int64_t>(*begun) * millis_per_second;
        left -= std::max<std::int64_t>(age, 0);
    }
    if (left <= 0) return std::nullopt;
    return (left + millis_per_second - 1) / millis_per_second;
}

void take_header(Translated& made, const amqp::RawField& field, bool with_properties) {
    if (field.name == retain_header) {
        made.retain = field.letter == 't' && !field.value.empty() && field.value[0] != std::byte{0};
        return;
    }
    if (field.name == qos_header) {
        if (field.integer() == 2) made.qos = 2;
        return;
    }
    if (!with_properties) return;
    if (field.name == format_header) {
        if (field.integer() == 1) made.properties.payload_format = 1;
    } else if (field.name == correlation_header) {
        if (const auto bytes = field.text(); bytes && bytes->size() <= text_bytes_max)
            made.correlation = *bytes;
    } else if (field.name == response_header) {
        if (const auto key = field.text()) made.response_topic = baton::mqtt::to_topic(*key);
    } else if (is_text(field.name)) {
        const auto text = field.text();
        if (text && field.letter == 'S') {
            if (text->size() <= text_bytes_max && is_text(*text))
                made.properties.user_properties.emplace_back(field.name, *text);
        } else if (const auto number = field.integer()) {
            made.texts.push_back(std::to_string(*number));
            made.properties.user_properties.emplace_back(field.name, std::string_view());
        } else if (field.letter == 't' && !field.value.empty()) {
            made.texts.emplace_back(field.value[0] != std::byte{0} ? "true" : "false");
            made.properties.user_properties.emplace_back(field.name, std::string_view());
        }
    }
}

// Views into texts that grow no more.
void fill_in_texts(Translated& made) {
    std::size_t next = 0;
    for (auto& [name, value] : made.properties.user_properties)
        if (value.data() == nullptr) value = made.texts[next++];
}

} // namespace

void append_properties(amqp::Buffer& out, const baton::mqtt::Properties& properties,
                       std::uint8_t qos, bool retain, std::string_view message_id, Time now) {
    const bool is_plain = !retain && qos < 2 && !properties.payload_format &&
                          !properties.message_expiry_seconds && !properties.content_type &&
                          !properties.response_topic && !properties.correlation_data &&
                          properties.user_properties.empty();
    if (is_plain) return append_plain(out, qos, message_id);
    amqp::Properties made;
    made.delivery_mode = static_cast<std::uint8_t>(qos == 0 ? 1 : amqp::persistent_delivery);
    made.message_id = std::string(message_id);
    amqp::FieldTable headers;
    if (retain) headers.set(retain_header, true);
    if (qos == 2) headers.set(qos_header, std::uint8_t{2});
    if (properties.payload_format == std::uint8_t{1}) headers.set(format_header, std::uint8_t{1});
    if (properties.content_type && properties.content_type->size() <= short_bytes_max)
        made.content_type = std::string(*properties.content_type);
    if (properties.correlation_data) {
        const std::string_view bytes = as_text(*properties.correlation_data);
        if (bytes.size() <= short_bytes_max && is_text(bytes))
            made.correlation_id = std::string(bytes);
        else
            headers.set(correlation_header, amqp::ByteArray{std::string(bytes)});
    }
    if (properties.response_topic)
        headers.set(response_header,
                    std::string_view(baton::mqtt::to_key(*properties.response_topic)));
    if (properties.message_expiry_seconds) {
        made.expiration =
            std::to_string(std::int64_t{*properties.message_expiry_seconds} * millis_per_second);
        made.timestamp = static_cast<std::uint64_t>(millis_of(now) / millis_per_second);
    }
    for (const auto& [name, value] : properties.user_properties)
        if (name.size() <= short_bytes_max && !is_ours(name))
            headers.entries.emplace_back(std::string(name), amqp::FieldValue(value));
    if (!headers.empty()) made.headers = std::move(headers);
    const Status encoded = amqp::encode_properties(made, out);
    // Every short string was looked at, and a packet is far smaller than the largest table.
    BATON_ASSERT(encoded, "what a packet carries fits into properties");
}

Translated translate(const core::Message& message, Time now, bool with_properties) {
    Translated made;
    const std::string_view key = message.routing_key();
    made.topic = baton::mqtt::to_topic(key);
    made.can_be_said = is_text(key) && baton::mqtt::is_topic(made.topic);
    made.qos = message.is_persistent() ? 1 : 0;
    const auto view = amqp::PropertiesView::parse(message.properties());
    if (!view) return made;
    made.message_id = view->message_id().value_or(std::string_view());
    if (const auto ttl = message.ttl_millis()) {
        const auto left = seconds_left(*view, *ttl, now);
        made.has_expired = !left;
        if (left)
            made.properties.message_expiry_seconds =
                static_cast<std::uint32_t>(std::min<std::int64_t>(*left, UINT32_MAX));
    }
    if (with_properties) {
        if (const auto type = view->content_type(); type && is_text(*type))
            made.properties.content_type = *type;
        if (const auto id = view->correlation_id())
            made.properties.correlation_data = as_bytes(*id);
    }
    const auto headers = view->headers();
    if (!headers) return made;
    amqp::TableScanner scanner(*headers);
    for (auto field = scanner.next(); field && *field; field = scanner.next())
        take_header(made, **field, with_properties);
    fill_in_texts(made);
    return made;
}

Time end_of(const core::Message& message, Time now) {
    const auto ttl = message.ttl_millis();
    if (!ttl) return Time::max();
    const auto view = amqp::PropertiesView::parse(message.properties());
    const auto left = view ? seconds_left(*view, *ttl, now) : std::nullopt;
    return left ? now + std::chrono::seconds(*left) : now;
}

} // namespace baton::broker::mqtt
