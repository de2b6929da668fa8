// A message as a JSON document, for dead letters: what an operator wants to see, and enough to
// publish the message again as it was.
#pragma once

#include "amqp/client/message.hpp"
#include "orchestrator/core/document.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace baton::orchestrator::messaging {

// AMQP's texts are bytes; JSON and databases want UTF-8 without NUL. What is neither becomes
// U+FFFD.
std::string readable(std::string_view bytes);

// {"exchange", "routing_key", "properties": {..}, "headers": {..}, "body" or "body_hex"}. The
// exchange and key are those the message was first published to, as far as x-death tells.
core::Document to_document(const amqp::client::Delivery& delivery);

// Nothing when the document does not describe a message. x-death headers are left out: the message
// begins a new life.
std::optional<amqp::client::Publication> publication_from(std::string_view json);

// The header of a message that is a dead letter sent again: the number of that letter.
inline constexpr std::string_view again_header = "baton-dead-letter";
// That number; 0 when it is none.
std::uint64_t again_of(const amqp::Properties& properties);

// The reason of the first x-death entry: "rejected", "expired", "delivery_limit", "maxlen"; empty
// when there is none.
std::string death_reason(const amqp::Properties& properties);

} // namespace baton::orchestrator::messaging
