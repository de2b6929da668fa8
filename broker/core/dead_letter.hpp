// What a message becomes when it dies: x-death and its relatives, and the check for cycles. The
// journey to the dead letter exchange itself is in settle_dead_letters().
#pragma once

#include "amqp/field_table.hpp"
#include "base/clock.hpp"
#include "broker/core/message.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::broker::core {

enum class DeathReason : std::uint8_t { rejected, expired, maxlen, delivery_limit };

std::string_view name_of(DeathReason reason);

struct Death {
    DeathReason reason = DeathReason::rejected;
    std::string_view queue;
    Time at{};
    std::string_view dead_letter_exchange;
    std::optional<std::string_view> dead_letter_routing_key; // else the message's own
};

struct DeadLetter {
    MessageRef message;
    // The keys it is routed by: its own first, then those of CC.
    std::vector<std::string> routing_keys;
    // Its past, newest first, with this death in front.
    amqp::FieldArray deaths;
};

// The message as it arrives at the dead letter exchange.
DeadLetter dead_letter_from(const Message& message, const Death& death);

// Would routing it to this queue close a circle that nobody asked for? True when it died there
// before and was never rejected since: it would go round for ever.
bool closes_cycle(const amqp::FieldArray& deaths, std::string_view queue);

} // namespace baton::broker::core
