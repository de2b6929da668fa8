// Making and unmaking messages.
#include "broker/core/message.hpp"

#include "base/assert.hpp"
#include "broker/core/message_memory.hpp"

#include <new>

namespace baton::broker::core {

namespace {

// Up to here a copy is cheaper than sharing, and a small message never keeps a whole read buffer
// alive.
constexpr std::size_t copied_body_max = 4096;

std::byte* put_short_string(std::byte* place, std::string_view text) {
    *place++ = static_cast<std::byte>(text.size());
    if (!text.empty()) std::memcpy(place, text.data(), text.size());
    return place + text.size();
}

} // namespace

MessageRef Message::make(const MessageParts& parts) {
    BATON_ASSERT(parts.exchange.size() <= 255 && parts.routing_key.size() <= 255,
                 "names are short strings");
    const bool shares = parts.body_owner != nullptr && parts.body.size() > copied_body_max;
    const std::size_t routing_bytes = parts.exchange.size() + parts.routing_key.size() + 2;
    const std::size_t inline_bytes =
        routing_bytes + parts.properties.size() + (shares ? 0 : parts.body.size());

    auto* message = new (take_message_memory(sizeof(Message) + inline_bytes)) Message;
    message->inline_bytes_ = static_cast<std::uint32_t>(inline_bytes);
    message->routing_bytes_ = static_cast<std::uint16_t>(routing_bytes);
    message->persistent_ = parts.persistent;
    message->priority_ = parts.priority;
    message->ttl_millis_ = parts.ttl_millis.value_or(-1);
    message->properties_bytes_ = static_cast<std::uint32_t>(parts.properties.size());
    message->body_bytes_ = parts.body.size();

    std::byte* place = put_short_string(message->memory(), parts.exchange);
    place = put_short_string(place, parts.routing_key);
    if (!parts.properties.empty())
        std::memcpy(place, parts.properties.data(), parts.properties.size());
    place += parts.properties.size();
    if (shares) {
        message->body_ = parts.body.data();
        message->body_owner_ = *parts.body_owner;
    } else {
        if (!parts.body.empty()) std::memcpy(place, parts.body.data(), parts.body.size());
        message->body_ = place;
    }
    return MessageRef(message);
}

void Message::destroy(Message* message) {
    const std::size_t bytes = sizeof(Message) + message->inline_bytes_;
    message->~Message();
    give_message_memory(message, bytes);
}

} // namespace baton::broker::core
