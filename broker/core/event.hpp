// Everything that can happen to a broker. Events are facts in the past tense; the core decides what
// they mean. The four that come per message (PublishReceived, AckReceived, NackReceived, Written)
// also have a function of their own on Broker that skips the variant.
//
// Views inside events must stay valid until the call that takes the event returns, no longer.
#pragma once

#include "amqp/field_table.hpp"
#include "amqp/methods.hpp"
#include "base/bytes.hpp"
#include "broker/core/command.hpp"
#include "broker/core/ids.hpp"
#include "broker/core/record.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace baton::broker::core {

// --- Connections ---------------------------------------------------------------------------------

// The handshake wants to check a login: the answer is TellUser.
struct UserAsked {
    ConnectionId connection;
    std::string user;
};

// What a client can understand beyond the specification, from its client-properties.
struct ClientCapabilities {
    bool consumer_cancel_notify = false;
    bool connection_blocked = false;
    bool basic_nack = false;
    bool publisher_confirms = false;
};

// Logged in, tuned, and connection.open received: the answer is AcceptConnection or CloseConnection.
struct ConnectionOpened {
    ConnectionId connection;
    std::string user;
    std::string vhost;
    // For people: "127.0.0.1:50000 -> 127.0.0.1:5672", and both ends apart.
    std::string name;
    std::string peer_host;
    std::uint16_t peer_port = 0;
    std::string host;
    std::uint16_t port = 0;
    std::string mechanism;
    bool tls = false;
    std::uint16_t channel_max = 2047;
    std::uint32_t frame_max = 131072;
    std::uint16_t heartbeat_seconds = 0;
    ClientCapabilities capabilities;
    amqp::FieldTable client_properties;
};

// The socket is gone, whoever ended it. Always the last event of a connection that was opened, also
// after EndConnection and CloseConnection; harmless for one that was not.
struct ConnectionLost {
    ConnectionId connection;
};

// The bytes made no sense (frame error, unknown method, …): the core closes the connection.
struct ProtocolViolated {
    ConnectionId connection;
    CloseReason reason;
};

// `bytes` of what Deliver and DeliverGotten weighed (delivery_charge) reached the socket.
struct Written {
    ConnectionId connection;
    std::uint64_t bytes = 0;
};

// --- Methods -------------------------------------------------------------------------------------

// Any method on any channel after the handshake, except basic.publish; including channel.open,
// channel.close, close-ok and connection.close, which the core answers. connection.close-ok and
// update-secret stay in the net.
struct MethodReceived {
    ConnectionId connection;
    ChannelNumber channel = 0;
    amqp::Method method;
};

// basic.publish with its complete content. Properties are raw (flags and values); broken ones are
// the sender's 502.
struct PublishReceived {
    ConnectionId connection;
    ChannelNumber channel = 0;
    bool mandatory = false;
    bool immediate = false;
    // What the user has no right to is returned (403) and, in confirm mode, refused by a nack, and the channel stays
    // open: for protocols that have no channels.
    bool nacks_refused = false;
    std::string_view exchange;
    std::string_view routing_key;
    ByteView properties;
    ByteView body;
    // Keeps `body` alive when the core wants to share it; null: the core copies it.
    const std::shared_ptr<const void>* body_owner = nullptr;
};

// A content header announced more than Options::message_bytes_max; the body is not collected.
struct OversizeAnnounced {
    ConnectionId connection;
    ChannelNumber channel = 0;
    std::uint64_t body_bytes = 0;
};

struct AckReceived {
    ConnectionId connection;
    ChannelNumber channel = 0;
    std::uint64_t delivery_tag = 0;
    bool multiple = false;
};

// basic.nack, and basic.reject as one that is not multiple.
struct NackReceived {
    ConnectionId connection;
    ChannelNumber channel = 0;
    std::uint64_t delivery_tag = 0;
    bool multiple = false;
    bool requeue = true;
    bool was_reject = false; // for the method id in an error
};

// --- The house around the core -------------------------------------------------------------------

// A deadline (Broker::next_deadline) has come, or somebody just wants the clock to move on.
struct Ticked {};

// The journal finished a segment that holds these records.
struct SegmentSealed {
    RecordNumber first = 0;
    RecordNumber last = 0;
    std::uint64_t bytes = 0; // on the disk
};

// The answer to Turn::loads: the messages of the records that were asked for, in their order, and
// those of the block's page. A message is null whose record is gone, which can only be when the
// block is gone, too.
struct Loaded {
    BlockId block;
    std::vector<MessageRef> recorded;
    std::vector<MessageRef> paged;
};

// While one of these stands, publishers wait.
enum class Alarm : std::uint8_t { memory, disk, journal };
struct AlarmChanged {
    Alarm alarm = Alarm::memory;
    bool on = false;
};

// The process is about to end in order: connections are told 320 and everything said to the
// journal, last the record Stopped.
struct Stopping {};

// --- Administration: from the HTTP API and `baton ctl` ------------------------------------------

struct PutVhost {
    VhostPut vhost;
};
struct RemoveVhost {
    std::string name;
};
struct PutUser {
    UserPut user;
};
struct RemoveUser {
    std::string name;
};
struct PutPermission {
    PermissionPut permission;
};
struct RemovePermission {
    PermissionRemoved permission;
};
struct PutTopicPermission {
    TopicPermissionPut permission;
};
struct RemoveTopicPermission {
    TopicPermissionRemoved permission;
};
struct CloseClient {
    ConnectionId connection;
    std::string reason;
};

// Every connection of this user, of this virtual host, or of both together; without either, all.
// The answer's text is how many there were.
struct CloseClients {
    std::optional<std::string> user;
    std::optional<std::string> vhost;
    std::string reason;
};

struct PutPolicy {
    PolicyPut policy;
};
struct RemovePolicy {
    PolicyRemoved policy;
};
// Negative limits are none.
struct PutVhostLimits {
    VhostLimitsPut limits;
};
struct PutUserLimits {
    UserLimitsPut limits;
};
// An empty value removes the parameter.
struct PutParameter {
    ParameterPut parameter;
};

// Topology, checked like the methods of AMQP and with their texts, but for permissions: who asks
// this way is an administrator. A queue that is another connection's own is left alone.
struct DeclareExchange {
    ExchangeDeclared exchange;
    bool durable = true;
};
struct DeleteExchange {
    std::string vhost;
    std::string exchange;
    bool if_unused = false;
};
struct DeclareQueue {
    std::string vhost;
    std::string name;
    bool auto_delete = false;
    bool durable = true;
    amqp::FieldTable arguments;
};
// The answer's text is the number of messages that went.
struct DeleteQueue {
    std::string vhost;
    std::string queue;
    bool if_unused = false;
    bool if_empty = false;
};
// The answer's text is the number of messages that went.
struct PurgeQueue {
    std::string vhost;
    std::string queue;
};
struct Bind {
    Bound binding;
};
struct Unbind {
    Unbound binding;
};

using AdministrationRequest =
    std::variant<PutVhost, RemoveVhost, PutUser, RemoveUser, PutPermission, RemovePermission,
                 PutTopicPermission, RemoveTopicPermission, CloseClient, CloseClients, PutPolicy,
                 RemovePolicy, PutVhostLimits, PutUserLimits, PutParameter, DeclareExchange,
                 DeleteExchange, DeclareQueue, DeleteQueue, PurgeQueue, Bind, Unbind>;

// Publishing and getting in an administrator's name is AMQP: open a connection and send the methods
// as events. The answer is an Answer of the turn.
struct AdministrationAsked {
    RequestId request;
    AdministrationRequest wish;
};

using Event =
    std::variant<PublishReceived, AckReceived, NackReceived, Written, MethodReceived,
                 OversizeAnnounced, UserAsked, ConnectionOpened, ConnectionLost, ProtocolViolated,
                 Ticked, SegmentSealed, Loaded, AlarmChanged, Stopping, AdministrationAsked>;

} // namespace baton::broker::core
