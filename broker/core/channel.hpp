// What clients hold open: connections, their channels, and their consumers. Plain values with links
// between them; the rules live in the handlers. Owned by Protocol; on the core's thread.
#pragma once

#include "broker/core/command.hpp"
#include "broker/core/event.hpp"
#include "broker/core/ids.hpp"
#include "broker/core/overview.hpp"
#include "broker/core/queue.hpp"
#include "broker/core/unacked.hpp"

#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

namespace baton::broker::core {

struct Channel;
struct Connection;

struct Consumer {
    Channel* channel = nullptr;
    Queue* queue = nullptr; // null: the direct reply-to consumer
    ConsumerNumber number = 0;
    std::string tag;
    bool no_ack = false;
    bool exclusive = false;
    std::uint16_t prefetch = 0; // 0: unlimited
    std::int32_t priority = 0;
    amqp::FieldTable arguments;

    std::uint32_t unacked = 0;

    // Of a stream: what it reads next, and whether it waits for more of it; streams.cpp.
    Position next_position = 0;
    bool waits_in_stream = false;

    // Links of ReadyConsumers.
    bool is_ready = false;
    Consumer* next = nullptr;
    Consumer* previous = nullptr;
};

// Publishes that get the same answer and follow each other.
struct ConfirmRun {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    bool refused = false;
};

// Where the last message went: the next one mostly goes there too. It was allowed to.
struct RememberedRoute {
    std::uint64_t version = 0; // of the topology; 0: nothing remembered
    std::string exchange;
    Exchange* first_exchange = nullptr;
    bool has_queues = false; // the rest is valid
    std::string routing_key;
    std::vector<Queue*> queues;
};

// What a transaction collects. It is carried out by tx.commit in this order.
struct TransactionStep {
    // Either a publish …
    MessageRef message;
    bool mandatory = false;
    std::vector<std::string> more_routing_keys; // from CC and BCC
    // … or the end of a delivery.
    std::uint64_t delivery_tag = 0;
    bool rejected = false;
    bool requeue = false;
};

// A publish that came while its channel stood still.
struct HeldPublish {
    bool mandatory = false;
    bool immediate = false;
    std::string exchange;
    std::string routing_key;
    std::string properties;
    std::string body;
};
struct HeldEvent {
    std::variant<MethodReceived, HeldPublish, AckReceived, NackReceived, OversizeAnnounced> event;
    std::uint64_t bytes = 0; // what it costs to hold
};

struct Channel {
    enum class Mode : std::uint8_t { plain, confirm, transaction };

    Connection* connection = nullptr;
    ChannelNumber number = 0;
    bool closing = false; // we said channel.close and wait for close-ok
    // While a basic.get of it waits for its message: what came behind.
    std::unique_ptr<std::deque<HeldEvent>> held;
    bool flow = true;     // the client takes deliveries
    Mode mode = Mode::plain;

    std::uint64_t next_delivery_tag = 1;
    UnackedDeliveries unacked;
    // Deliveries that went back because their time was over; settling them late does no harm.
    std::set<std::uint64_t> timed_out;
    std::uint16_t prefetch = 0;        // for consumers to come
    std::uint16_t global_prefetch = 0; // 0: unlimited

    std::vector<std::unique_ptr<Consumer>> consumers;
    std::string last_queue; // what "" means

    // Publishing.
    std::uint64_t next_publish_tag = 1;
    std::vector<ConfirmRun> confirms; // of this turn
    bool confirm_needs_journal = false;
    bool confirms_are_entrusted = true; // all of this turn: see Turn::entrusted
    bool in_confirming = false; // listed for finish()
    RememberedRoute route;
    std::vector<TransactionStep> transaction;
    std::uint64_t transaction_bytes = 0; // its footprint

    // The last turns with something of this channel that waits for the journal.
    TurnNumber replies_wait_for = 0;
    TurnNumber confirms_wait_for = 0;

    // Direct reply-to.
    Consumer* reply_consumer = nullptr;
    std::string reply_name; // amq.rabbitmq.reply-to.<secret>

    MessageCounters counters;
};

struct Connection {
    ConnectionOpened told;
    struct Vhost* vhost = nullptr;
    Time connected_at{};
    bool closing = false;   // ignores everything until ConnectionLost
    bool publishes = false; // has published
    bool is_held = false;   // HoldPublishes was said, and TakePublishes not yet
    bool is_own = false;    // of the server's own user
    bool counted = false;   // towards the limits of its user and virtual host
    std::vector<std::unique_ptr<Channel>> channels; // by number; index 0 is never used
    std::uint32_t open_channels = 0;
    std::uint64_t memory = 0; // the footprint of it and its channels and consumers

    // Bytes handed to the outbox and not written yet; above the limit its consumers wait.
    std::uint64_t outbox_bytes = 0;
    bool consumers_wait_for_outbox = false;

    // Of its channels that wait for the message of a basic.get; waiting_gets.cpp.
    std::uint32_t waiting_channels = 0;
    std::uint64_t held_bytes = 0;
    bool holds_too_much = false; // and is not read from
    bool close_waits = false;    // the client said connection.close, behind what is held

    std::vector<bool> consumer_numbers; // which are taken
    std::vector<Queue*> exclusive_queues;
};

} // namespace baton::broker::core
