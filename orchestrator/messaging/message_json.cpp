// Messages and JSON.
#include "orchestrator/messaging/message_json.hpp"

#include "base/overloaded.hpp"
#include "base/utf8.hpp"
#include "orchestrator/core/fingerprint.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <algorithm>

namespace baton::orchestrator::messaging {
namespace {

namespace json = boost::json;

json::object json_of(const amqp::FieldTable& table);

json::value json_of(const amqp::FieldValue& value) {
    return std::visit(
        Overloaded{
            [](const amqp::Void&) { return json::value(nullptr); },
            [](bool one) { return json::value(one); },
            [](float one) { return json::value(static_cast<double>(one)); },
            [](double one) { return json::value(one); },
            [](const amqp::Decimal& one) { return json::value(one.value); },
            [](const std::string& one) { return json::value(readable(one)); },
            [](const amqp::ByteArray& one) { return json::value(core::to_hex(one.bytes)); },
            [](const amqp::Timestamp& one) { return json::value(one.seconds); },
            [](const amqp::FieldArray& one) {
                json::array items;
                for (const amqp::FieldValue& item : one.items)
                    items.push_back(json_of(item));
                return json::value(std::move(items));
            },
            [](const amqp::FieldTable& one) { return json::value(json_of(one)); },
            [](auto number) { return json::value(static_cast<std::int64_t>(number)); },
        },
        value.value);
}

json::object json_of(const amqp::FieldTable& table) {
    json::object object;
    for (const auto& [name, value] : table)
        object[readable(name)] = json_of(value);
    return object;
}

// Of the types JSON has; others are left out.
amqp::FieldTable table_from(const json::object& object) {
    amqp::FieldTable table;
    for (const auto& member : object) {
        const std::string_view name{member.key().data(), member.key().size()};
        const json::value& value = member.value();
        if (name.starts_with("x-death") || name.starts_with("x-first-death") ||
            name.starts_with("x-last-death") || name == "x-delivery-count")
            continue;
        if (value.is_string())
            table.set(name, std::string{value.get_string().data(), value.get_string().size()});
        if (value.is_bool()) table.set(name, value.get_bool());
        if (value.is_int64()) table.set(name, value.get_int64());
        if (value.is_double()) table.set(name, value.get_double());
        if (value.is_object()) table.set(name, table_from(value.get_object()));
    }
    return table;
}

bool is_text(std::string_view body) {
    while (!body.empty()) {
        const auto byte = static_cast<unsigned char>(body[0]);
        const std::size_t size = utf8_length(body);
        if (size == 0 || (byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t'))
            return false;
        body.remove_prefix(size);
    }
    return true;
}

std::string from_hex(std::string_view text) {
    const auto digit = [](char c) -> unsigned {
        if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
        if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
        return 0;
    };
    std::string bytes;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2)
        bytes += static_cast<char>(digit(text[i]) << 4 | digit(text[i + 1]));
    return bytes;
}

// The first x-death entry is the latest death, the last one the first death.
const amqp::FieldTable* death(const amqp::Properties& properties, bool first) {
    const auto* value = properties.headers ? properties.headers->find("x-death") : nullptr;
    const auto* array = value ? value->get<amqp::FieldArray>() : nullptr;
    if (!array || array->items.empty()) return nullptr;
    return (first ? array->items.back() : array->items.front()).get<amqp::FieldTable>();
}

// The texts of Properties by name, for both directions.
template <typename Visitor>
void for_each_text(Visitor visit) {
    using P = amqp::Properties;
    visit("content_type", &P::content_type);
    visit("content_encoding", &P::content_encoding);
    visit("correlation_id", &P::correlation_id);
    visit("reply_to", &P::reply_to);
    visit("message_id", &P::message_id);
    visit("type", &P::type);
    visit("app_id", &P::app_id);
}

std::string text_in(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    if (!value || !value->is_string()) return {};
    return {value->get_string().data(), value->get_string().size()};
}

} // namespace

std::string readable(std::string_view bytes) {
    std::string text;
    while (!bytes.empty()) {
        const std::size_t size = utf8_length(bytes);
        if (size == 0 || bytes[0] == '\0')
            text += "\xef\xbf\xbd"; // U+FFFD, the letter for what is no letter
        else
            text += bytes.substr(0, size);
        bytes.remove_prefix(std::max<std::size_t>(size, 1));
    }
    return text;
}

core::Document to_document(const amqp::client::Delivery& delivery) {
    json::object message;
    std::string exchange = delivery.exchange, key = delivery.routing_key;
    if (const auto* table = death(delivery.properties, true)) {
        if (const auto text = table->text("exchange")) exchange = *text;
        const auto* keys = table->find("routing-keys");
        const auto* list = keys ? keys->get<amqp::FieldArray>() : nullptr;
        if (list && !list->items.empty())
            if (const auto* text = list->items.front().get<std::string>()) key = *text;
    }
    message["exchange"] = readable(exchange);
    message["routing_key"] = readable(key);
    json::object properties;
    for_each_text([&](const char* name, auto member) {
        if (const auto& text = delivery.properties.*member) properties[name] = readable(*text);
    });
    if (delivery.properties.delivery_mode)
        properties["delivery_mode"] = *delivery.properties.delivery_mode;
    if (delivery.properties.priority) properties["priority"] = *delivery.properties.priority;
    message["properties"] = std::move(properties);
    if (delivery.properties.headers) message["headers"] = json_of(*delivery.properties.headers);
    const std::string_view body = delivery.body.text();
    if (is_text(body))
        message["body"] = json::string_view{body.data(), body.size()};
    else
        message["body_hex"] = core::to_hex(body);
    return core::Document::of(std::move(message));
}

std::optional<amqp::client::Publication> publication_from(std::string_view text) {
    const auto document = core::Document::parse_stored(std::string{text});
    if (!document || !document->json().is_object()) return std::nullopt;
    const json::object& message = document->json().get_object();
    if (!message.contains("routing_key")) return std::nullopt;

    amqp::client::Publication publication;
    publication.exchange = text_in(message, "exchange");
    publication.routing_key = text_in(message, "routing_key");
    const auto* properties = message.if_contains("properties");
    if (properties && properties->is_object()) {
        for_each_text([&](const char* name, auto member) {
            const std::string value = text_in(properties->get_object(), name);
            if (!value.empty()) publication.properties.*member = value;
        });
        if (const auto* priority = properties->get_object().if_contains("priority");
            priority && priority->is_int64())
            publication.properties.priority = static_cast<std::uint8_t>(priority->get_int64());
    }
    publication.properties.delivery_mode = std::uint8_t{2};
    if (const auto* headers = message.if_contains("headers"); headers && headers->is_object())
        publication.properties.headers = table_from(headers->get_object());
    const std::string hex = text_in(message, "body_hex");
    publication.body = SharedBytes::copy_of(hex.empty() ? text_in(message, "body") : from_hex(hex));
    return publication;
}

std::uint64_t again_of(const amqp::Properties& properties) {
    const auto* value = properties.headers ? properties.headers->find(again_header) : nullptr;
    const auto* number = value ? value->get<std::int64_t>() : nullptr;
    return number && *number > 0 ? static_cast<std::uint64_t>(*number) : 0;
}

std::string death_reason(const amqp::Properties& properties) {
    const auto* table = death(properties, false);
    const auto reason = table ? table->text("reason") : std::nullopt;
    return reason ? std::string{*reason} : std::string{};
}

} // namespace baton::orchestrator::messaging
