// The names and arguments of every exchange and queue that orchestrator and workers share, as data.
// Both sides declare from these tables, so that whoever comes first makes what the other one finds;
// a declaration with other arguments would be refused by the broker (406).
#pragma once

#include "amqp/field_table.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace baton::contract {

// Exchanges.
inline constexpr std::string_view task_exchange = "baton.task";           // key: mail.create
inline constexpr std::string_view control_exchange = "baton.control";     // key: cancel.mail.create
inline constexpr std::string_view rpc_exchange = "baton.rpc";             // key: name of the rpc
inline constexpr std::string_view event_exchange = "baton.event";         // key: type of the event
inline constexpr std::string_view run_exchange = "baton.run";             // key: run.completed.NAME
inline constexpr std::string_view dead_exchange = "baton.dead";           // poison, expired
inline constexpr std::string_view unrouted_exchange = "baton.unrouted";   // no queue for the type
inline constexpr std::string_view announce_exchange = "baton.announce";   // workers about themselves

// Queues with one name.
inline constexpr std::string_view rpc_queue = "baton.rpc";
inline constexpr std::string_view event_queue = "baton.event";
inline constexpr std::string_view dead_queue = "baton.dead";
inline constexpr std::string_view unrouted_queue = "baton.unrouted";

inline constexpr int partitions = 64;
// A worker that dies this often over one message has met poison.
inline constexpr std::int32_t delivery_limit = 5;
// RabbitMQ closes the channel of a consumer that holds a task longer (its default is 30 minutes).
// One number for all task types, since whoever declares a queue second must name the same. Tasks
// that work longer ask for heartbeats and are acked at the start.
inline constexpr std::int64_t consumer_timeout_ms = 24LL * 60 * 60 * 1000;

struct Exchange {
    std::string name;
    std::string kind;                  // "topic", "fanout"
    amqp::FieldTable arguments;
    bool auto_delete = false;          // gone with its last binding
    friend bool operator==(const Exchange&, const Exchange&) = default;
};
// Durable, not exclusive, not deleted by itself.
struct Queue {
    std::string name;
    amqp::FieldTable arguments;
    friend bool operator==(const Queue&, const Queue&) = default;
};
struct Binding {
    std::string queue;
    std::string exchange;
    std::string routing_key;
    friend bool operator==(const Binding&, const Binding&) = default;
};
using Declaration = std::variant<Exchange, Queue, Binding>;

// The routing key of a task: its type, or "mail.create.eu" with a queue of its own ("eu").
std::string task_key(std::string_view task, std::string_view queue = {});
// The routing key on baton.control that cancels tasks of this type: "cancel.mail.create". The
// message's correlation_id is the token of the task.
std::string cancel_key(std::string_view task);
// The routing key on baton.control that says that no worker can try tasks of this type for a while
// (the target asked to come back later, or lets nobody in): "hold.mail.create". the body is
// a problem, whose retry_after says how long. The server says it when a worker reports so; who hears
// it waits as if it had found out by itself.
std::string hold_key(std::string_view task);
// "baton.task.mail.create"
std::string task_queue(std::string_view key);
// "baton.report.7"; 0 <= partition < partitions
std::string report_queue(int partition);

// "baton.watch.7": is there once an orchestrator of this partition has made watches.
std::string watch_ground(int partition);
// "baton.watch.7.mail.create": an exchange that nobody publishes to and that the broker deletes with its only
// binding, that of the task's queue. A queue that was deleted and declared again by somebody is known by
// its absence, which a queue's name, arguments and length do not show.
std::string watch_exchange(int partition, std::string_view key);

// Everything that is there once: exchanges, baton.dead, baton.unrouted, baton.rpc and so on.
std::vector<Declaration> common_declarations();
// One task type, including the exchanges it needs; what a worker declares before it consumes.
std::vector<Declaration> task_declarations(std::string_view key);
// One partition of an orchestrator.
std::vector<Declaration> report_declarations(int partition);
// Behind task_declarations().
std::vector<Declaration> watch_declarations(int partition, std::string_view key);

} // namespace baton::contract
