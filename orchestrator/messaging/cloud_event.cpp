// Messages to events.
#include "orchestrator/messaging/cloud_event.hpp"

#include "base/json_text.hpp"
#include "base/printable.hpp"
#include "base/random.hpp"
#include "orchestrator/messaging/message_json.hpp"

#include <boost/json/object.hpp>

#include <array>
#include <string>
#include <string_view>

namespace baton::orchestrator::messaging {
namespace {

constexpr std::array<std::string_view, 5> attributes{"id", "source", "type", "subject", "time"};
// Names in headers: with a colon as the AMQP 1.0 binding began, with an underscore as it is now.
constexpr std::array<std::string_view, 2> prefixes{"cloudEvents:", "cloudEvents_"};

constexpr std::size_t id_letters = 22;

std::string event_text_in(const boost::json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    return value != nullptr && value->is_string() ? std::string{value->get_string()}
                                                  : std::string{};
}

// As every message has it, or as CloudEvents' extension for traces does.
trace::Given event_trace(const amqp::Properties& properties, const boost::json::object& event) {
    const auto text = [&](std::string_view name) -> std::string {
        if (!properties.headers) return event_text_in(event, name);
        if (const auto plain = properties.headers->text(name)) return std::string(*plain);
        for (const std::string_view prefix : prefixes)
            if (const auto found =
                    properties.headers->text(std::string(prefix) + std::string(name)))
                return std::string(*found);
        return event_text_in(event, name);
    };
    return trace::given(text("traceparent"), text("tracestate"));
}

// JSON is data, everything else is text.
boost::json::value data_of(const std::string& body) {
    if (body.empty()) return nullptr;
    if (const auto parsed = core::Document::parse(body)) return parsed->json();
    return boost::json::string(body);
}

std::optional<boost::json::object> structured(const amqp::Properties& properties,
                                              const std::string& body) {
    if (!properties.content_type ||
        !properties.content_type->starts_with("application/cloudevents+json"))
        return std::nullopt;
    const auto parsed = core::Document::parse(body);
    const auto* object = parsed ? parsed->json().if_object() : nullptr;
    if (object == nullptr || event_text_in(*object, "type").empty()) return std::nullopt;
    boost::json::object event = *object;
    event.erase("specversion");
    event.erase("datacontenttype");
    return event;
}

boost::json::object plain(const amqp::client::Delivery& delivery, const std::string& body) {
    boost::json::object event;
    if (delivery.properties.headers)
        for (const std::string_view name : attributes)
            for (const std::string_view prefix : prefixes)
                if (const auto text =
                        delivery.properties.headers->text(std::string(prefix) + std::string(name)))
                    event[name] = readable(std::string(*text));
    event["data"] = data_of(body);
    return event;
}

} // namespace

std::optional<runtime::IncomingEvent> incoming_event(const amqp::client::Delivery& delivery) {
    if (delivery.body.text().size() > event_bytes_max) return std::nullopt;
    const std::string body = readable(delivery.body.text());
    auto event = structured(delivery.properties, body);
    if (!event) event = plain(delivery, body);
    if (event_text_in(*event, "type").empty()) (*event)["type"] = readable(delivery.routing_key);
    if (event_text_in(*event, "id").empty())
        (*event)["id"] = delivery.properties.message_id ? readable(*delivery.properties.message_id)
                                                        : random_name(id_letters);
    // What finds it again has no control characters: PostgreSQL keeps no zero byte.
    runtime::IncomingEvent incoming{
        printable(event_text_in(*event, "id")), printable(event_text_in(*event, "type")), {}, {}};
    incoming.trace = event_trace(delivery.properties, *event);
    incoming.event = core::Document::of(std::move(*event));
    return incoming;
}

} // namespace baton::orchestrator::messaging
