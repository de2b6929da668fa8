// Every method of AMQP 0-9-1 and RabbitMQ's additions, each a plain struct whose fields are listed
// once, in wire order, by each_field(). Codec, printing and fuzzing use that list. A bool is a bit;
// neighbouring bits share an octet. std::string is a short string unless wrapped in LongString or
// SecretString. The methods of the hot path exist twice from one list: BasicPublish owns its
// strings, BasicPublishView points into the frame.
// Every field has an initializer, so that designated initialization may leave out what it likes.
#pragma once

#include "amqp/field_table.hpp"
#include "amqp/spec.hpp"

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace baton::amqp {

struct LongString {
    std::string text{};
    bool operator==(const LongString&) const = default;
};
// A long string that carries a password or token: printed as ***.
struct SecretString {
    std::string text{};
    bool operator==(const SecretString&) const = default;
};

// Places in a method that mean nothing any more: written as zero or empty, read and forgotten.
struct ReservedShort {};
struct ReservedShortString {};
struct ReservedLongString {};
struct ReservedBit {};
inline constexpr ReservedShort reserved_short{};
inline constexpr ReservedShortString reserved_short_string{};
inline constexpr ReservedLongString reserved_long_string{};
inline constexpr ReservedBit reserved_bit{};

#define BATON_METHOD(Type, class_number, method_number, text)                                      \
    static constexpr MethodId id{class_number, method_number};                                     \
    static constexpr std::string_view name{text};                                                  \
    bool operator==(const Type&) const = default
#define BATON_FIELDS(...)                                                                          \
    template <typename Self, typename Visit>                                                       \
    static constexpr void each_field([[maybe_unused]] Self& self,                                  \
                                     [[maybe_unused]] Visit&& visit) {                             \
        __VA_ARGS__;                                                                               \
    }
#define BATON_FIELD(field) visit(#field, self.field)
#define BATON_RESERVED(what) visit("reserved", what)

// --- connection (§1.4) ------------------------------------------------------------------------

struct ConnectionStart {
    BATON_METHOD(ConnectionStart, 10, 10, "connection.start");
    std::uint8_t version_major = 0;
    std::uint8_t version_minor = 9;
    FieldTable server_properties{};
    LongString mechanisms{};
    LongString locales{};
    BATON_FIELDS(BATON_FIELD(version_major), BATON_FIELD(version_minor),
                 BATON_FIELD(server_properties), BATON_FIELD(mechanisms), BATON_FIELD(locales))
};

struct ConnectionStartOk {
    BATON_METHOD(ConnectionStartOk, 10, 11, "connection.start-ok");
    FieldTable client_properties{};
    std::string mechanism{};
    SecretString response{};
    std::string locale{};
    BATON_FIELDS(BATON_FIELD(client_properties), BATON_FIELD(mechanism), BATON_FIELD(response),
                 BATON_FIELD(locale))
};

struct ConnectionSecure {
    BATON_METHOD(ConnectionSecure, 10, 20, "connection.secure");
    SecretString challenge{};
    BATON_FIELDS(BATON_FIELD(challenge))
};

struct ConnectionSecureOk {
    BATON_METHOD(ConnectionSecureOk, 10, 21, "connection.secure-ok");
    SecretString response{};
    BATON_FIELDS(BATON_FIELD(response))
};

struct ConnectionTune {
    BATON_METHOD(ConnectionTune, 10, 30, "connection.tune");
    std::uint16_t channel_max = 0;
    // Bytes of a whole frame; 0 is no limit.
    std::uint32_t frame_max = 0;
    // Seconds; 0 is none.
    std::uint16_t heartbeat = 0;
    BATON_FIELDS(BATON_FIELD(channel_max), BATON_FIELD(frame_max), BATON_FIELD(heartbeat))
};

struct ConnectionTuneOk {
    BATON_METHOD(ConnectionTuneOk, 10, 31, "connection.tune-ok");
    std::uint16_t channel_max = 0;
    std::uint32_t frame_max = 0;
    std::uint16_t heartbeat = 0;
    BATON_FIELDS(BATON_FIELD(channel_max), BATON_FIELD(frame_max), BATON_FIELD(heartbeat))
};

struct ConnectionOpen {
    BATON_METHOD(ConnectionOpen, 10, 40, "connection.open");
    std::string virtual_host{};
    BATON_FIELDS(BATON_FIELD(virtual_host), BATON_RESERVED(reserved_short_string),
                 BATON_RESERVED(reserved_bit))
};

struct ConnectionOpenOk {
    BATON_METHOD(ConnectionOpenOk, 10, 41, "connection.open-ok");
    BATON_FIELDS(BATON_RESERVED(reserved_short_string))
};

struct ConnectionClose {
    BATON_METHOD(ConnectionClose, 10, 50, "connection.close");
    std::uint16_t reply_code = 0;
    std::string reply_text{};
    // The method that caused it, or zeros.
    std::uint16_t class_id = 0;
    std::uint16_t method_id = 0;
    BATON_FIELDS(BATON_FIELD(reply_code), BATON_FIELD(reply_text), BATON_FIELD(class_id),
                 BATON_FIELD(method_id))
};

struct ConnectionCloseOk {
    BATON_METHOD(ConnectionCloseOk, 10, 51, "connection.close-ok");
    BATON_FIELDS()
};

struct ConnectionBlocked {
    BATON_METHOD(ConnectionBlocked, 10, 60, "connection.blocked");
    std::string reason{};
    BATON_FIELDS(BATON_FIELD(reason))
};

struct ConnectionUnblocked {
    BATON_METHOD(ConnectionUnblocked, 10, 61, "connection.unblocked");
    BATON_FIELDS()
};

struct ConnectionUpdateSecret {
    BATON_METHOD(ConnectionUpdateSecret, 10, 70, "connection.update-secret");
    SecretString new_secret{};
    std::string reason{};
    BATON_FIELDS(BATON_FIELD(new_secret), BATON_FIELD(reason))
};

struct ConnectionUpdateSecretOk {
    BATON_METHOD(ConnectionUpdateSecretOk, 10, 71, "connection.update-secret-ok");
    BATON_FIELDS()
};

// --- channel (§1.5) ---------------------------------------------------------------------------

struct ChannelOpen {
    BATON_METHOD(ChannelOpen, 20, 10, "channel.open");
    BATON_FIELDS(BATON_RESERVED(reserved_short_string))
};

struct ChannelOpenOk {
    BATON_METHOD(ChannelOpenOk, 20, 11, "channel.open-ok");
    BATON_FIELDS(BATON_RESERVED(reserved_long_string))
};

struct ChannelFlow {
    BATON_METHOD(ChannelFlow, 20, 20, "channel.flow");
    bool active = true;
    BATON_FIELDS(BATON_FIELD(active))
};

struct ChannelFlowOk {
    BATON_METHOD(ChannelFlowOk, 20, 21, "channel.flow-ok");
    bool active = true;
    BATON_FIELDS(BATON_FIELD(active))
};

struct ChannelClose {
    BATON_METHOD(ChannelClose, 20, 40, "channel.close");
    std::uint16_t reply_code = 0;
    std::string reply_text{};
    std::uint16_t class_id = 0;
    std::uint16_t method_id = 0;
    BATON_FIELDS(BATON_FIELD(reply_code), BATON_FIELD(reply_text), BATON_FIELD(class_id),
                 BATON_FIELD(method_id))
};

struct ChannelCloseOk {
    BATON_METHOD(ChannelCloseOk, 20, 41, "channel.close-ok");
    BATON_FIELDS()
};

// --- access (left over from 0-8) --------------------------------------------------------------

struct AccessRequest {
    BATON_METHOD(AccessRequest, 30, 10, "access.request");
    std::string realm{};
    bool exclusive = false;
    bool passive = true;
    bool active = true;
    bool write = true;
    bool read = true;
    BATON_FIELDS(BATON_FIELD(realm), BATON_FIELD(exclusive), BATON_FIELD(passive),
                 BATON_FIELD(active), BATON_FIELD(write), BATON_FIELD(read))
};

struct AccessRequestOk {
    BATON_METHOD(AccessRequestOk, 30, 11, "access.request-ok");
    std::uint16_t ticket = 1;
    BATON_FIELDS(BATON_FIELD(ticket))
};

// --- exchange (§1.6) --------------------------------------------------------------------------

struct ExchangeDeclare {
    BATON_METHOD(ExchangeDeclare, 40, 10, "exchange.declare");
    std::string exchange{};
    std::string type = "direct";
    bool passive = false;
    bool durable = false;
    bool auto_delete = false;
    bool internal = false;
    bool no_wait = false;
    FieldTable arguments{};
    BATON_FIELDS(BATON_RESERVED(reserved_short), BATON_FIELD(exchange), BATON_FIELD(type),
                 BATON_FIELD(passive), BATON_FIELD(durable), BATON_FIELD(auto_delete),
                 BATON_FIELD(internal), BATON_FIELD(no_wait), BATON_FIELD(arguments))
};

struct ExchangeDeclareOk {
    BATON_METHOD(ExchangeDeclareOk, 40, 11, "exchange.declare-ok");
    BATON_FIELDS()
};

struct ExchangeDelete {
    BATON_METHOD(ExchangeDelete, 40, 20, "exchange.delete");
    std::string exchange{};
    bool if_unused = false;
    bool no_wait = false;
    BATON_FIELDS(BATON_RESERVED(reserved_short), BATON_FIELD(exchange), BATON_FIELD(if_unused),
                 BATON_FIELD(no_wait))
};

struct ExchangeDeleteOk {
    BATON_METHOD(ExchangeDeleteOk, 40, 21, "exchange.delete-ok");
    BATON_FIELDS()
};

struct ExchangeBind {
    BATON_METHOD(ExchangeBind, 40, 30, "exchange.bind");
    std::string destination{};
    std::string source{};
    std::string routing_key{};
    bool no_wait = false;
    FieldTable arguments{};
    BATON_FIELDS(BATON_RESERVED(reserved_short), BATON_FIELD(destination), BATON_FIELD(source),
                 BATON_FIELD(routing_key), BATON_FIELD(no_wait), BATON_FIELD(arguments))
};

struct ExchangeBindOk {
    BATON_METHOD(ExchangeBindOk, 40, 31, "exchange.bind-ok");
    BATON_FIELDS()
};

struct ExchangeUnbind {
    BATON_METHOD(ExchangeUnbind, 40, 40, "exchange.unbind");
    std::string destination{};
    std::string source{};
    std::string routing_key{};
    bool no_wait = false;
    FieldTable arguments{};
    BATON_FIELDS(BATON_RESERVED(reserved_short), BATON_FIELD(destination), BATON_FIELD(source),
                 BATON_FIELD(routing_key), BATON_FIELD(no_wait), BATON_FIELD(arguments))
};

struct ExchangeUnbindOk {
    BATON_METHOD(ExchangeUnbindOk, 40, 51, "exchange.unbind-ok");
    BATON_FIELDS()
};

// --- queue (§1.7) -----------------------------------------------------------------------------

struct QueueDeclare {
    BATON_METHOD(QueueDeclare, 50, 10, "queue.declare");
    std::string queue{};
    bool passive = false;
    bool durable = false;
    bool exclusive = false;
    bool auto_delete = false;
    bool no_wait = false;
    FieldTable arguments{};
    BATON_FIELDS(BATON_RESERVED(reserved_short), BATON_FIELD(queue), BATON_FIELD(passive),
                 BATON_FIELD(durable), BATON_FIELD(exclusive), BATON_FIELD(auto_delete),
                 BATON_FIELD(no_wait), BATON_FIELD(arguments))
};

struct QueueDeclareOk {
    BATON_METHOD(QueueDeclareOk, 50, 11, "queue.declare-ok");
    std::string queue{};
    std::uint32_t message_count = 0;
    std::uint32_t consumer_count = 0;
    BATON_FIELDS(BATON_FIELD(queue), BATON_FIELD(message_count), BATON_FIELD(consumer_count))
};

struct QueueBind {
    BATON_METHOD(QueueBind, 50, 20, "queue.bind");
    std::string queue{};
    std::string exchange{};
    std::string routing_key{};
    bool no_wait = false;
    FieldTable arguments{};
    BATON_FIELDS(BATON_RESERVED(reserved_short), BATON_FIELD(queue), BATON_FIELD(exchange),
                 BATON_FIELD(routing_key), BATON_FIELD(no_wait), BATON_FIELD(arguments))
};

struct QueueBindOk {
    BATON_METHOD(QueueBindOk, 50, 21, "queue.bind-ok");
    BATON_FIELDS()
};

struct QueuePurge {
    BATON_METHOD(QueuePurge, 50, 30, "queue.purge");
    std::string queue{};
    bool no_wait = false;
    BATON_FIELDS(BATON_RESERVED(reserved_short), BATON_FIELD(queue), BATON_FIELD(no_wait))
};

struct QueuePurgeOk {
    BATON_METHOD(QueuePurgeOk, 50, 31, "queue.purge-ok");
    std::uint32_t message_count = 0;
    BATON_FIELDS(BATON_FIELD(message_count))
};

struct QueueDelete {
    BATON_METHOD(QueueDelete, 50, 40, "queue.delete");
    std::string queue{};
    bool if_unused = false;
    bool if_empty = false;
    bool no_wait = false;
    BATON_FIELDS(BATON_RESERVED(reserved_short), BATON_FIELD(queue), BATON_FIELD(if_unused),
                 BATON_FIELD(if_empty), BATON_FIELD(no_wait))
};

struct QueueDeleteOk {
    BATON_METHOD(QueueDeleteOk, 50, 41, "queue.delete-ok");
    std::uint32_t message_count = 0;
    BATON_FIELDS(BATON_FIELD(message_count))
};

struct QueueUnbind {
    BATON_METHOD(QueueUnbind, 50, 50, "queue.unbind");
    std::string queue{};
    std::string exchange{};
    std::string routing_key{};
    FieldTable arguments{};
    BATON_FIELDS(BATON_RESERVED(reserved_short), BATON_FIELD(queue), BATON_FIELD(exchange),
                 BATON_FIELD(routing_key), BATON_FIELD(arguments))
};

struct QueueUnbindOk {
    BATON_METHOD(QueueUnbindOk, 50, 51, "queue.unbind-ok");
    BATON_FIELDS()
};

// --- basic (§1.8) -----------------------------------------------------------------------------

struct BasicQos {
    BATON_METHOD(BasicQos, 60, 10, "basic.qos");
    std::uint32_t prefetch_size = 0;
    std::uint16_t prefetch_count = 0;
    bool global = false;
    BATON_FIELDS(BATON_FIELD(prefetch_size), BATON_FIELD(prefetch_count), BATON_FIELD(global))
};

struct BasicQosOk {
    BATON_METHOD(BasicQosOk, 60, 11, "basic.qos-ok");
    BATON_FIELDS()
};

struct BasicConsume {
    BATON_METHOD(BasicConsume, 60, 20, "basic.consume");
    std::string queue{};
    std::string consumer_tag{};
    bool no_local = false;
    bool no_ack = false;
    bool exclusive = false;
    bool no_wait = false;
    FieldTable arguments{};
    BATON_FIELDS(BATON_RESERVED(reserved_short), BATON_FIELD(queue), BATON_FIELD(consumer_tag),
                 BATON_FIELD(no_local), BATON_FIELD(no_ack), BATON_FIELD(exclusive),
                 BATON_FIELD(no_wait), BATON_FIELD(arguments))
};

struct BasicConsumeOk {
    BATON_METHOD(BasicConsumeOk, 60, 21, "basic.consume-ok");
    std::string consumer_tag{};
    BATON_FIELDS(BATON_FIELD(consumer_tag))
};

// Also from the server, when the queue of a consumer is gone.
struct BasicCancel {
    BATON_METHOD(BasicCancel, 60, 30, "basic.cancel");
    std::string consumer_tag{};
    bool no_wait = false;
    BATON_FIELDS(BATON_FIELD(consumer_tag), BATON_FIELD(no_wait))
};

struct BasicCancelOk {
    BATON_METHOD(BasicCancelOk, 60, 31, "basic.cancel-ok");
    std::string consumer_tag{};
    BATON_FIELDS(BATON_FIELD(consumer_tag))
};

template <typename ShortString>
struct BasicPublishOf {
    BATON_METHOD(BasicPublishOf, 60, 40, "basic.publish");
    ShortString exchange{};
    ShortString routing_key{};
    bool mandatory = false;
    bool immediate = false;
    BATON_FIELDS(BATON_RESERVED(reserved_short), BATON_FIELD(exchange), BATON_FIELD(routing_key),
                 BATON_FIELD(mandatory), BATON_FIELD(immediate))
};
using BasicPublish = BasicPublishOf<std::string>;
using BasicPublishView = BasicPublishOf<std::string_view>;

template <typename ShortString>
struct BasicReturnOf {
    BATON_METHOD(BasicReturnOf, 60, 50, "basic.return");
    std::uint16_t reply_code = 0;
    ShortString reply_text{};
    ShortString exchange{};
    ShortString routing_key{};
    BATON_FIELDS(BATON_FIELD(reply_code), BATON_FIELD(reply_text), BATON_FIELD(exchange),
                 BATON_FIELD(routing_key))
};
using BasicReturn = BasicReturnOf<std::string>;
using BasicReturnView = BasicReturnOf<std::string_view>;

template <typename ShortString>
struct BasicDeliverOf {
    BATON_METHOD(BasicDeliverOf, 60, 60, "basic.deliver");
    ShortString consumer_tag{};
    std::uint64_t delivery_tag = 0;
    bool redelivered = false;
    ShortString exchange{};
    ShortString routing_key{};
    BATON_FIELDS(BATON_FIELD(consumer_tag), BATON_FIELD(delivery_tag), BATON_FIELD(redelivered),
                 BATON_FIELD(exchange), BATON_FIELD(routing_key))
};
using BasicDeliver = BasicDeliverOf<std::string>;
using BasicDeliverView = BasicDeliverOf<std::string_view>;

struct BasicGet {
    BATON_METHOD(BasicGet, 60, 70, "basic.get");
    std::string queue{};
    bool no_ack = false;
    BATON_FIELDS(BATON_RESERVED(reserved_short), BATON_FIELD(queue), BATON_FIELD(no_ack))
};

template <typename ShortString>
struct BasicGetOkOf {
    BATON_METHOD(BasicGetOkOf, 60, 71, "basic.get-ok");
    std::uint64_t delivery_tag = 0;
    bool redelivered = false;
    ShortString exchange{};
    ShortString routing_key{};
    std::uint32_t message_count = 0;
    BATON_FIELDS(BATON_FIELD(delivery_tag), BATON_FIELD(redelivered), BATON_FIELD(exchange),
                 BATON_FIELD(routing_key), BATON_FIELD(message_count))
};
using BasicGetOk = BasicGetOkOf<std::string>;
using BasicGetOkView = BasicGetOkOf<std::string_view>;

struct BasicGetEmpty {
    BATON_METHOD(BasicGetEmpty, 60, 72, "basic.get-empty");
    BATON_FIELDS(BATON_RESERVED(reserved_short_string))
};

// Acknowledges deliveries; from a broker, confirms publishes.
struct BasicAck {
    BATON_METHOD(BasicAck, 60, 80, "basic.ack");
    std::uint64_t delivery_tag = 0;
    bool multiple = false;
    BATON_FIELDS(BATON_FIELD(delivery_tag), BATON_FIELD(multiple))
};

struct BasicReject {
    BATON_METHOD(BasicReject, 60, 90, "basic.reject");
    std::uint64_t delivery_tag = 0;
    bool requeue = true;
    BATON_FIELDS(BATON_FIELD(delivery_tag), BATON_FIELD(requeue))
};

struct BasicRecoverAsync {
    BATON_METHOD(BasicRecoverAsync, 60, 100, "basic.recover-async");
    bool requeue = false;
    BATON_FIELDS(BATON_FIELD(requeue))
};

struct BasicRecover {
    BATON_METHOD(BasicRecover, 60, 110, "basic.recover");
    bool requeue = false;
    BATON_FIELDS(BATON_FIELD(requeue))
};

struct BasicRecoverOk {
    BATON_METHOD(BasicRecoverOk, 60, 111, "basic.recover-ok");
    BATON_FIELDS()
};

struct BasicNack {
    BATON_METHOD(BasicNack, 60, 120, "basic.nack");
    std::uint64_t delivery_tag = 0;
    bool multiple = false;
    bool requeue = true;
    BATON_FIELDS(BATON_FIELD(delivery_tag), BATON_FIELD(multiple), BATON_FIELD(requeue))
};

// --- confirm, tx ------------------------------------------------------------------------------

struct ConfirmSelect {
    BATON_METHOD(ConfirmSelect, 85, 10, "confirm.select");
    bool no_wait = false;
    BATON_FIELDS(BATON_FIELD(no_wait))
};

struct ConfirmSelectOk {
    BATON_METHOD(ConfirmSelectOk, 85, 11, "confirm.select-ok");
    BATON_FIELDS()
};

struct TxSelect {
    BATON_METHOD(TxSelect, 90, 10, "tx.select");
    BATON_FIELDS()
};

struct TxSelectOk {
    BATON_METHOD(TxSelectOk, 90, 11, "tx.select-ok");
    BATON_FIELDS()
};

struct TxCommit {
    BATON_METHOD(TxCommit, 90, 20, "tx.commit");
    BATON_FIELDS()
};

struct TxCommitOk {
    BATON_METHOD(TxCommitOk, 90, 21, "tx.commit-ok");
    BATON_FIELDS()
};

struct TxRollback {
    BATON_METHOD(TxRollback, 90, 30, "tx.rollback");
    BATON_FIELDS()
};

struct TxRollbackOk {
    BATON_METHOD(TxRollbackOk, 90, 31, "tx.rollback-ok");
    BATON_FIELDS()
};

#undef BATON_METHOD
#undef BATON_FIELDS
#undef BATON_FIELD
#undef BATON_RESERVED

using Method = std::variant<
    ConnectionStart, ConnectionStartOk, ConnectionSecure, ConnectionSecureOk, ConnectionTune,
    ConnectionTuneOk, ConnectionOpen, ConnectionOpenOk, ConnectionClose, ConnectionCloseOk,
    ConnectionBlocked, ConnectionUnblocked, ConnectionUpdateSecret, ConnectionUpdateSecretOk,
    ChannelOpen, ChannelOpenOk, ChannelFlow, ChannelFlowOk, ChannelClose, ChannelCloseOk,
    AccessRequest, AccessRequestOk, ExchangeDeclare, ExchangeDeclareOk, ExchangeDelete,
    ExchangeDeleteOk, ExchangeBind, ExchangeBindOk, ExchangeUnbind, ExchangeUnbindOk, QueueDeclare,
    QueueDeclareOk, QueueBind, QueueBindOk, QueuePurge, QueuePurgeOk, QueueDelete, QueueDeleteOk,
    QueueUnbind, QueueUnbindOk, BasicQos, BasicQosOk, BasicConsume, BasicConsumeOk, BasicCancel,
    BasicCancelOk, BasicPublish, BasicReturn, BasicDeliver, BasicGet, BasicGetOk, BasicGetEmpty,
    BasicAck, BasicReject, BasicRecoverAsync, BasicRecover, BasicRecoverOk, BasicNack,
    ConfirmSelect, ConfirmSelectOk, TxSelect, TxSelectOk, TxCommit, TxCommitOk, TxRollback,
    TxRollbackOk>;

template <typename T>
concept AnyMethod = requires {
    { T::id } -> std::convertible_to<MethodId>;
    { T::name } -> std::convertible_to<std::string_view>;
};

// A content header and body follow this method.
constexpr bool carries_content(MethodId id) {
    return id == BasicPublish::id || id == BasicReturn::id || id == BasicDeliver::id ||
           id == BasicGetOk::id;
}

} // namespace baton::amqp
