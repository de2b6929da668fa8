// A message of exchange baton.event as an event: a CloudEvent in structured or binary form as its AMQP binding has
// them, or any other message, which becomes one by its routing key. Pure but for the id of what has none.
#pragma once

#include "amqp/client/message.hpp"
#include "orchestrator/runtime/engine.hpp"

#include <optional>

namespace baton::orchestrator::messaging {

// What an event may say that runs are to know.
inline constexpr std::size_t event_bytes_max = std::size_t{1} << 20;

// Nothing: it is too large.
std::optional<runtime::IncomingEvent> incoming_event(const amqp::client::Delivery& delivery);

} // namespace baton::orchestrator::messaging
