// Everything a broker must remember over a restart. A record is a fact in the past tense; the
// journal stores records in order, and replaying them gives the state again. Applying a record a
// second time (retention says living things again, under a new number) changes nothing.
//
// The order of the alternatives in Record is the journal's business only through RecordKind below;
// new kinds go to the end.
#pragma once

#include "amqp/field_table.hpp"
#include "base/clock.hpp"
#include "broker/core/ids.hpp"
#include "broker/core/message.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace baton::broker::core {

// --- Who may do what -------------------------------------------------------------------------

struct VhostPut {
    std::string name;
    std::string description;
    std::vector<std::string> tags;
};
struct VhostRemoved {
    std::string name;
};

struct UserPut {
    std::string name;
    // RabbitMQ's form: base64 of a 4 byte salt and the digest over salt and password. Empty: the
    // user has no password and cannot log in with one. The core never looks inside.
    std::string password_hash;
    std::string hash_algorithm;
    std::vector<std::string> tags; // "administrator", "monitoring", …
};
struct UserRemoved {
    std::string name;
};

// Regular expressions on names of exchanges and queues.
struct PermissionPut {
    std::string vhost;
    std::string user;
    std::string configure;
    std::string write;
    std::string read;
};
struct PermissionRemoved {
    std::string vhost;
    std::string user;
};

// Regular expressions on routing keys of one topic exchange.
struct TopicPermissionPut {
    std::string vhost;
    std::string user;
    std::string exchange;
    std::string write;
    std::string read;
};
struct TopicPermissionRemoved {
    std::string vhost;
    std::string user;
    std::string exchange; // empty: of all exchanges
};

// --- Topology; only durable things are recorded ------------------------------------------------

struct ExchangeDeclared {
    std::string vhost;
    std::string name;
    std::string type; // "direct", "fanout", "topic", "headers", …
    bool auto_delete = false;
    bool internal = false;
    amqp::FieldTable arguments;
};
struct ExchangeDeleted {
    std::string vhost;
    std::string name;
};

struct QueueDeclared {
    QueueId id;
    std::string vhost;
    std::string name;
    bool auto_delete = false;
    amqp::FieldTable arguments;
};
// Takes the queue's messages and bindings with it.
struct QueueDeleted {
    QueueId id;
};

enum class DestinationKind : std::uint8_t { queue = 0, exchange = 1 };

struct Bound {
    std::string vhost;
    std::string source;
    DestinationKind destination_kind = DestinationKind::queue;
    std::string destination;
    std::string routing_key;
    amqp::FieldTable arguments;
};
struct Unbound {
    std::string vhost;
    std::string source;
    DestinationKind destination_kind = DestinationKind::queue;
    std::string destination;
    std::string routing_key;
    amqp::FieldTable arguments;
};

// --- Messages --------------------------------------------------------------------------------

// A persistent message entered durable queues; body once, however many they are. Nearly all
// messages have one place, so the first one costs no allocation.
struct MessageStored {
    // Null while the journal is replayed: the content stays on the disk until it is wanted.
    MessageRef message;
    Place first;
    std::vector<Place> others;
    // What the queues must know when `message` is null.
    std::uint32_t body_bytes = 0;
    std::uint8_t priority = 0;
};

// Messages left a queue for good: acknowledged, expired, dropped, purged or moved. Both ends of a
// range are included.
struct PositionRange {
    Position first = 0;
    Position last = 0;
    bool operator==(const PositionRange&) const = default;
};
struct MessagesRemoved {
    QueueId queue;
    std::vector<PositionRange> ranges; // in the order it happened, not sorted
};

// A message came back from a consumer. Written for queues that count deliveries, and for all
// returned messages when the broker stops in order.
struct MessageReturned {
    QueueId queue;
    Position position = 0;
    std::uint32_t delivery_count = 0;
};

// The next `records` records stand or fall together. When fewer follow before the journal ends,
// recovery must drop them all; Broker::replay() does.
struct TransactionBegan {
    std::uint32_t records = 0;
};

// The broker stopped in order and said everything before. When this is the last record, the
// redelivered marks of recovered messages are exact; otherwise every recovered message is marked.
struct Stopped {};

// Named parameters of definitions, of a virtual host or, with an empty one, of the whole broker.
// `value` is JSON text the core does not read; empty removes the parameter.
// Components that begin so are durable notes of the server's own and shown to nobody.
inline constexpr std::string_view hidden_component_prefix = "baton.";
struct ParameterPut {
    std::string vhost;
    std::string component;
    std::string name;
    std::string value;
};

// --- Policies and limits ---------------------------------------------------------------------------

// Settings for the queues and exchanges whose names match, until the policy is removed. Replaces the
// one of the same name. An operator policy is laid over the others; see policy.hpp.
struct PolicyPut {
    std::string vhost;
    std::string name;
    std::string pattern;  // a regular expression on names
    std::string apply_to; // "all", "exchanges", "queues", "classic_queues", "quorum_queues", "streams"
    std::int32_t priority = 0;
    amqp::FieldTable definition; // "message-ttl" and the like
    bool is_operator = false;
};
struct PolicyRemoved {
    std::string vhost;
    std::string name;
    bool is_operator = false;
};

// Nothing: as many as you like. 0 forbids.
struct VhostLimitsPut {
    std::string vhost;
    std::optional<std::int64_t> connections_max;
    std::optional<std::int64_t> queues_max;
};
struct UserLimitsPut {
    std::string user;
    std::optional<std::int64_t> connections_max;
    std::optional<std::int64_t> channels_max;
};

using Record =
    std::variant<MessageStored, MessagesRemoved, MessageReturned, TransactionBegan, Stopped,
                 VhostPut, VhostRemoved, UserPut, UserRemoved, PermissionPut, PermissionRemoved,
                 TopicPermissionPut, TopicPermissionRemoved, ExchangeDeclared, ExchangeDeleted,
                 QueueDeclared, QueueDeleted, Bound, Unbound, ParameterPut, PolicyPut, PolicyRemoved,
                 VhostLimitsPut, UserLimitsPut>;

} // namespace baton::broker::core
