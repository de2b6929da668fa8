// What the arguments of queue.declare ask for, checked with RabbitMQ's texts. Arguments nobody knows
// are kept and ignored.
#pragma once

#include "amqp/field_table.hpp"
#include "base/result.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace baton::broker::core {

enum class Overflow : std::uint8_t { drop_head, reject_publish, reject_publish_dead_letter };

struct QueueSettings {
    bool quorum = false;
    // Keeps what it delivers; of the limits below it knows bytes_max and the next two.
    bool stream = false;
    std::optional<std::int64_t> age_seconds_max;
    // How much of a stream leaves it together, at most.
    std::optional<std::uint64_t> segment_bytes;
    std::optional<std::int64_t> message_ttl_millis;
    std::optional<std::int64_t> expires_millis;
    std::optional<std::uint64_t> length_max;
    std::optional<std::uint64_t> bytes_max;
    Overflow overflow = Overflow::drop_head;
    std::optional<std::string> dead_letter_exchange;
    std::optional<std::string> dead_letter_routing_key;
    // A message that dies stays until a queue behind the dead letter exchange has taken it.
    bool keeps_dead_letters = false;
    // 0: the queue knows no priorities.
    std::uint8_t priority_max = 0;
    bool single_active_consumer = false;
    std::optional<std::uint32_t> delivery_limit;

    // How long a delivery may stay unacknowledged before it goes back; nothing: for ever.
    std::optional<std::int64_t> consumer_timeout_millis;
    // Not a queue for consumers: holds the delayed messages of this exchange, ordered by time.
    std::optional<std::string> delays_for;
    // Takes a message with the same id once; see deduplicator.hpp.
    bool deduplicates = false;

    bool operator==(const QueueSettings&) const = default;
    bool is_bounded() const { return length_max.has_value() || bytes_max.has_value(); }
};

// What decides about the validity of arguments besides themselves.
struct QueueShape {
    std::string_view name;
    std::string_view vhost;
    bool durable = false;
    bool exclusive = false;
    bool auto_delete = false;
};

// On failure the code is precondition_failed and the detail RabbitMQ's text without its prefix.
Outcome<QueueSettings> settings_from(const amqp::FieldTable& arguments, const QueueShape& shape,
                                     std::uint32_t quorum_delivery_limit);

// For arguments that were checked when they were declared, after a restart.
QueueSettings settings_from_checked(const amqp::FieldTable& arguments,
                                    std::uint32_t quorum_delivery_limit);

// "7D", "90m": the seconds of a number with a unit of Y M D h m s; nothing when it is none.
std::optional<std::int64_t> age_seconds(std::string_view text);

// The names of queue arguments that must agree when a queue is declared again.
std::span<const std::string_view> compared_queue_arguments();

// Are the arguments of that name equal? `what` is "queue 'q' in vhost '/'". Failure as above.
Outcome<void> check_equal_argument(std::string_view name, const amqp::FieldTable& received,
                                   const amqp::FieldTable& current, std::string_view what);
// The same for a flag of the declaration.
Outcome<void> check_equal_flag(std::string_view name, bool received, bool current,
                               std::string_view what);

} // namespace baton::broker::core
