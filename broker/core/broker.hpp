// The front door of the broker's core. A Broker is a state machine: events go in, a Turn comes out;
// it has no thread, clock, socket or file. It lives on one thread, the core's.
//
// Life:    Broker broker(options);
//          for every record of the journal, in order:  broker.replay(record, number)
//          broker.finish_recovery(now, turn)            hand the turn out like any other
// Then, for every batch of events:
//          turn.clear();
//          broker.apply(event, now, turn)  … or publish(), ack(), nack(), written() …
//          broker.finish(now, turn)                     settles, delivers, confirms
//          hand the turn out as turn.hpp says; later broker.durable_up_to(turn number)
// And call apply(Ticked{}) + finish() when next_deadline() has come.
#pragma once

#include "base/clock.hpp"
#include "base/result.hpp"
#include "broker/core/access.hpp"
#include "broker/core/event.hpp"
#include "broker/core/options.hpp"
#include "broker/core/overview.hpp"
#include "broker/core/turn.hpp"

#include <functional>
#include <memory>
#include <optional>

namespace baton::broker::core {

class Broker {
public:
    explicit Broker(Options options = {});
    ~Broker();
    Broker(const Broker&) = delete;
    Broker& operator=(const Broker&) = delete;

    // --- Recovery --------------------------------------------------------------------------------

    // The next record of the journal, under its number; numbers rise. The record is consumed.
    void replay(Record&& record, RecordNumber number);
    // After all records: did the last life end in order? Then the marks of what was delivered before
    // are exact, and a record must become durable before this life delivers anything, or a crash
    // would find the old ending again.
    bool ended_in_order() const;
    // The journal has ended; `last_number` is the highest number it ever gave (0: a fresh journal).
    // Says what a fresh broker starts with (vhost "/", the first user) as records in `turn`, which
    // is finished and ready to be handed out.
    void finish_recovery(RecordNumber last_number, Time now, Turn& turn);

    // --- Work ------------------------------------------------------------------------------------

    // Decides what the event means. Deliveries, confirms and dead letters come with finish().
    void apply(Event&& event, Time now, Turn& turn);

    // The same without the variant, for what comes per message.
    void publish(const PublishReceived& event, Time now, Turn& turn);
    void ack(const AckReceived& event, Time now, Turn& turn);
    void nack(const NackReceived& event, Time now, Turn& turn);
    void written(const Written& event);

    // What counts towards the watermark of memory (Options::stored_bytes_high), but for what
    // connections hold outside: that is said here, and watched with the next turn.
    std::uint64_t memory() const;
    void note_outside_memory(std::uint64_t bytes);

    // What is recorded between the two stands or falls together when the process dies.
    void begin_together(Time now, Turn& turn);
    void end_together();

    // Ends the batch: dead letters are settled, due queues deliver, confirms are merged; the turn
    // gets its number and is complete.
    void finish(Time now, Turn& turn);

    // All records of all turns up to this one are durable and what waited for them was handed out.
    // Produces nothing; lets later confirms and replies go the short way.
    void durable_up_to(TurnNumber turn);

    // When apply(Ticked{}) is wanted next; nothing: no deadline.
    std::optional<Time> next_deadline() const;

    // --- Looking ---------------------------------------------------------------------------------

    // On the core's thread, between turns.
    Overview overview(const OverviewWish& wish = {}) const;
    // Another number: users, queues, exchanges or bindings may be others.
    std::uint64_t topology_version() const;
    std::optional<UserPut> find_user(std::string_view name) const;
    // All that is durable, as records that give it again: what is defined, then the messages that
    // live, those delivered and not acknowledged included. `content` gives the message of a record
    // that is not in memory.
    std::vector<Record> snapshot(const std::function<MessageRef(RecordNumber)>& content) const;
    // Does this user have any permission on this vhost?
    bool may_enter(std::string_view user, std::string_view vhost) const;
    // A name of an exchange or queue; and a routing key of a topic exchange.
    bool may(std::string_view user, std::string_view vhost, Right right, std::string_view name);
    bool may_use_key(std::string_view user, std::string_view vhost, Right right,
                     std::string_view exchange, std::string_view routing_key);
    // Durable notes of who lives beside the core, as PutParameter left them; see hidden_component_prefix.
    std::vector<ParameterPut> parameters(std::string_view component) const;
    std::vector<std::string> vhosts() const;
    // Messages that wait there; nothing: no such queue.
    std::optional<std::uint64_t> ready_in(std::string_view vhost, std::string_view queue) const;

private:
    // The table of contents of everything behind the door.
    std::unique_ptr<class Protocol> protocol_;
};

} // namespace baton::broker::core
