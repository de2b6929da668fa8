// A read-only view of a broker for people and machines: what the HTTP API, `baton ctl` and the
// metrics show. Plain values, made on demand on the core's thread, free to travel afterwards. Making
// one costs time proportional to what is asked for; nothing is kept up to date in between but
// counters.
#pragma once

#include "amqp/field_table.hpp"
#include "base/clock.hpp"
#include "broker/core/ids.hpp"
#include "broker/core/record.hpp"

#include <array>
#include <cstddef>
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

enum class QueueKind : std::uint8_t { classic, quorum, stream };
constexpr std::size_t queue_kinds = 3;

// Sizes of bodies that were published. Buckets do not contain those below them.
struct SizeHistogram {
    static constexpr std::array<std::uint64_t, 8> bounds{100,       1'000,      10'000,     100'000,
                                                         1'000'000, 10'000'000, 50'000'000, 100'000'000};
    std::array<std::uint64_t, bounds.size() + 1> counts{}; // the last one: above all bounds
    std::uint64_t sum = 0;

    // Nearly all messages are small, so this ends after a step or two.
    void add(std::uint64_t bytes) {
        std::size_t bucket = 0;
        while (bucket < bounds.size() && bytes > bounds[bucket]) ++bucket;
        ++counts[bucket];
        sum += bytes;
    }
};

// What happened since the process began. Nothing here goes back when a channel closes or a queue is
// deleted.
struct ServerCounters {
    std::uint64_t connections_opened = 0;
    std::uint64_t connections_closed = 0;
    std::uint64_t channels_opened = 0;
    std::uint64_t channels_closed = 0;
    std::uint64_t queues_declared = 0; // there already or not
    std::uint64_t queues_created = 0;
    std::uint64_t queues_deleted = 0;
    std::uint64_t received_to_confirm = 0; // published on channels in confirm mode
    std::uint64_t routed = 0;              // published, and at least one queue was found
    std::array<std::uint64_t, queue_kinds> gotten_empty{};
    // What left queues; of a kind of queue.
    std::array<MessageCounters, queue_kinds> by_kind{};
    std::array<std::uint64_t, 4> dead_lettered{}; // by DeathReason
    SizeHistogram sizes;
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
    std::uint64_t publishers = 0; // open channels that have published
    std::uint64_t ready = 0;
    std::uint64_t unacked = 0;
    std::uint64_t stored_bytes = 0;     // of messages in memory
    std::uint64_t definition_bytes = 0; // of queues, exchanges and bindings by being there
    std::uint64_t open_bytes = 0;       // of connections, channels and consumers
    std::uint64_t transaction_bytes = 0;
    std::uint64_t outside_bytes = 0; // in connections: unfinished messages, unread answers
    bool publishers_wait = false;
    std::array<bool, 3> alarms{}; // by Alarm: memory, disk, …
    MessageCounters counters;
    ServerCounters since_start;
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
    std::string name_prefix; // only queues and exchanges whose names begin so; the totals count all
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
