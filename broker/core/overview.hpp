// A read-only view of a broker for people and machines: what the HTTP API, `baton ctl` and the
// metrics show. Plain values, made on demand on the core's thread, free to travel afterwards. Making
// one costs time proportional to what is asked for; nothing is kept up to date in between but
// counters.
#pragma once

#include "amqp/field_table.hpp"
#include "base/clock.hpp"
#include "broker/core/ids.hpp"
#include "broker/core/record.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace baton::broker::core {

// What happened since the object exists.
struct MessageCounters {
    std::uint64_t published = 0;
    std::uint64_t delivered = 0;       // to consumers that acknowledge
    std::uint64_t delivered_no_ack = 0;
    std::uint64_t gotten = 0;          // basic.get with acknowledgement
    std::uint64_t gotten_no_ack = 0;
    std::uint64_t redelivered = 0;
    std::uint64_t acknowledged = 0;
    std::uint64_t confirmed = 0;
    std::uint64_t returned = 0;        // unroutable and mandatory
    std::uint64_t dropped = 0;         // unroutable and not mandatory
};

// Which policies hold for a queue or exchange, and what they ask for together. Empty names: none.
struct AppliedPolicyView {
    std::string name;
    std::string operator_name;
    amqp::FieldTable definition;
};

struct QueueView {
    QueueId id;
    std::string vhost;
    std::string name;
    std::string type; // "classic", "quorum", "stream"
    bool durable = false;
    bool exclusive = false;
    bool auto_delete = false;
    amqp::FieldTable arguments;
    std::uint64_t ready = 0;
    std::uint64_t unacked = 0;
    std::uint64_t ready_bytes = 0;
    std::uint64_t unacked_bytes = 0;
    std::uint64_t consumers = 0;
    bool has_single_active_consumer = false;
    std::string active_consumer_tag;
    std::string owner; // name of the connection of an exclusive queue
    std::optional<Time> idle_since;
    MessageCounters counters;
    std::uint64_t held = 0; // dead, and kept until another queue takes them
    AppliedPolicyView policy;
};

struct ExchangeView {
    std::string vhost;
    std::string name;
    std::string type;
    bool durable = false;
    bool auto_delete = false;
    bool internal = false;
    amqp::FieldTable arguments;
    std::uint64_t published_in = 0;
    std::uint64_t published_out = 0;
    AppliedPolicyView policy;
};

struct BindingView {
    std::string vhost;
    std::string source;
    DestinationKind destination_kind = DestinationKind::queue;
    std::string destination;
    std::string routing_key;
    amqp::FieldTable arguments;
};

struct ConnectionView {
    ConnectionId id;
    std::string name;
    std::string user;
    std::string vhost;
    std::string peer_host;
    std::uint16_t peer_port = 0;
    std::string host;
    std::uint16_t port = 0;
    std::string mechanism;
    bool tls = false;
    bool blocked = false;
    bool closing = false;
    std::uint16_t channel_max = 0;
    std::uint32_t frame_max = 0;
    std::uint16_t heartbeat_seconds = 0;
    std::uint64_t channels = 0;
    Time connected_at{};
    amqp::FieldTable client_properties;
};

struct ChannelView {
    ConnectionId connection;
    ChannelNumber number = 0;
    std::string connection_name;
    std::string user;
    std::string vhost;
    std::uint64_t consumers = 0;
    std::uint64_t unacked = 0;
    std::uint64_t unconfirmed = 0;
    std::uint16_t prefetch = 0;        // for consumers to come
    std::uint16_t global_prefetch = 0; // for the channel
    bool confirming = false;
    bool transactional = false;
    MessageCounters counters;
};

struct ConsumerView {
    ConnectionId connection;
    ChannelNumber channel = 0;
    std::string connection_name;
    std::string vhost;
    std::string queue;
    std::string tag;
    bool no_ack = false;
    bool exclusive = false;
    bool active = true; // false: waits behind a single active consumer
    std::uint16_t prefetch = 0;
    std::int32_t priority = 0;
    amqp::FieldTable arguments;
};

struct Totals {
    std::uint64_t connections = 0;
    std::uint64_t channels = 0;
    std::uint64_t exchanges = 0;
    std::uint64_t queues = 0;
    std::uint64_t consumers = 0;
    std::uint64_t ready = 0;
    std::uint64_t unacked = 0;
    std::uint64_t stored_bytes = 0;
    bool publishers_wait = false;
    MessageCounters counters;
};

// Which lists to fill; what is not asked for costs nothing.
struct OverviewWish {
    bool queues = true;
    bool exchanges = true;
    bool bindings = true;
    bool connections = true;
    bool channels = true;
    bool consumers = true;
    bool users = true;
    std::optional<std::string> vhost; // only this one
    bool policies = true; // and operator policies, limits, parameters
    std::optional<std::string> name; // only queues and exchanges of this name; the totals count all
};

struct Overview {
    Totals totals;
    std::vector<VhostPut> vhosts;
    std::vector<QueueView> queues;
    std::vector<ExchangeView> exchanges;
    std::vector<BindingView> bindings; // with the implicit ones of the default exchange
    std::vector<ConnectionView> connections;
    std::vector<ChannelView> channels;
    std::vector<ConsumerView> consumers;
    std::vector<UserPut> users;
    std::vector<PermissionPut> permissions;
    std::vector<TopicPermissionPut> topic_permissions;
    std::vector<PolicyPut> policies; // by virtual host and name
    std::vector<PolicyPut> operator_policies;
    std::vector<VhostLimitsPut> vhost_limits; // of those that have any
    std::vector<UserLimitsPut> user_limits;
    std::vector<ParameterPut> parameters;
};

} // namespace baton::broker::core
