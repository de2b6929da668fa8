// The protocol's table of contents: one on(…) per event and per method. The bodies are spread over
// files by what they are about:
//
//   protocol.cpp     connections and channels, sending, the end of a turn
//   topology.cpp     exchange.* and queue.*
//   publish.cpp      basic.publish, confirm.select, returns
//   consume.cpp      basic.consume, cancel, get, qos, flow
//   waiting_gets.cpp basic.get of a message that is not in memory, or that finds no room
//   settle.cpp       basic.ack, nack, reject, recover
//   transaction.cpp  tx.*
//   deliver.cpp      who gets the next message; time
//   dead_letters.cpp settle_dead_letters()
//   held_letters.cpp dead letters that may not get lost and find no taker
//   credit.cpp       back-pressure
//   paging.cpp       backlogs leave memory and come back
//   streams.cpp      queues that keep what they deliver
//   retention.cpp    says again what lives in old segments
//   administration.cpp  users, permissions, virtual hosts, policies, topology without a client
//   limits.cpp       how many connections, channels and queues there may be
//   overview.cpp     the read-only view
//
// Always in three steps: on(…) decides and marks queues as due or appends to the dead letters; then
// finish() settles the dead letters, and deliver_due() delivers. Nothing else delivers.
//
// Durable state changes only through commit() and the two functions store() and forget(), each of
// which changes State and notes the record.
#pragma once

#include "base/deadlines.hpp"
#include "base/random.hpp"
#include "broker/core/access.hpp"
#include "broker/core/broker.hpp"
#include "broker/core/channel.hpp"
#include "broker/core/dead_letter.hpp"
#include "broker/core/definition_walk.hpp"
#include "broker/core/state.hpp"
#include "broker/core/stream.hpp"

#include <deque>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace baton::broker::core {

class Protocol {
public:
    explicit Protocol(Options options);
    ~Protocol();

    void replay(Record&& record, RecordNumber number);
    bool ended_in_order() const { return last_was_stopped_; }
    void finish_recovery(RecordNumber last_number);

    // Between begin() and finish() events are applied to this turn at this time.
    void begin(Time now, Turn& turn) {
        now_ = now;
        turn_ = &turn;
        handler_committed_ = false;
    }
    void apply(Event&& event);
    void finish();
    void durable_up_to(TurnNumber turn) { durable_up_to_ = std::max(durable_up_to_, turn); }
    std::optional<Time> next_deadline() const;

    void on(const PublishReceived& event);
    void on(const AckReceived& event);
    void on(const NackReceived& event);
    void on(const Written& event);
    void on(const MethodReceived& event);
    void on(const OversizeAnnounced& event);
    void on(const UserAsked& event);
    void on(const ConnectionOpened& event);
    void on(const ConnectionLost& event);
    void on(const ProtocolViolated& event);
    void on(const Ticked& event);
    void on(const SegmentSealed& event);
    void on(const Loaded& event);
    void on(const AlarmChanged& event);
    void on(const Stopping& event);
    void on(const AdministrationAsked& event);

    std::uint64_t memory() const {
        return state_.stored_bytes() + state_.definition_bytes() + open_bytes_ + transaction_bytes_;
    }
    void note_outside_memory(std::uint64_t bytes) { outside_bytes_ = bytes; }

    Overview overview(const OverviewWish& wish) const;
    Access& access() { return access_; }
    // Records between the two stand or fall together; the number of them.
    void begin_together();
    std::size_t end_together();
    State& state() { return state_; }
    const State& state() const { return state_; }

private:
    using Code = amqp::ReplyCode;
    using ChannelKey = std::pair<ConnectionId, ChannelNumber>;

    // --- Methods of an open channel ---------------------------------------------------------------

    void on(Channel&, const amqp::ChannelFlow&);
    void on(Channel&, const amqp::ChannelFlowOk&);
    void on(Channel&, const amqp::ChannelClose&);

    void on(Channel&, const amqp::AccessRequest&);
    void on(Channel&, const amqp::ExchangeDeclare&);
    void on(Channel&, const amqp::ExchangeDelete&);
    void on(Channel&, const amqp::ExchangeBind&);
    void on(Channel&, const amqp::ExchangeUnbind&);
    void on(Channel&, const amqp::QueueDeclare&);
    void on(Channel&, const amqp::QueueBind&);
    void on(Channel&, const amqp::QueueUnbind&);
    void on(Channel&, const amqp::QueuePurge&);
    void on(Channel&, const amqp::QueueDelete&);
    void on(Channel&, const amqp::BasicQos&);
    void on(Channel&, const amqp::BasicConsume&);
    void on(Channel&, const amqp::BasicCancel&);
    void on(Channel&, const amqp::BasicCancelOk&);
    void on(Channel&, const amqp::BasicGet&);
    void on(Channel&, const amqp::BasicAck&);
    void on(Channel&, const amqp::BasicNack&);
    void on(Channel&, const amqp::BasicReject&);
    void on(Channel&, const amqp::BasicRecover&);
    void on(Channel&, const amqp::BasicRecoverAsync&);
    void on(Channel&, const amqp::ConfirmSelect&);
    void on(Channel&, const amqp::TxSelect&);
    void on(Channel&, const amqp::TxCommit&);
    void on(Channel&, const amqp::TxRollback&);
    // Methods only a server sends, or that belong to no channel.
    template <typename M>
    void refuse_misplaced(Channel& channel, const M& method);

    // --- Connections and channels (protocol.cpp) ---------------------------------------------------

    Connection* find(ConnectionId id);
    // The open channel an event is for; null when there is none, and then all that is to be said
    // was said.
    // `method` is what an error names when the channel is not open.
    Channel* channel_for(ConnectionId id, ChannelNumber number, amqp::MethodId method);
    void open_channel(Connection& connection, ChannelNumber number);
    // Returns what the channel held and ends its consumers.
    void release(Channel& channel);
    void release(Connection& connection);
    // The client said connection.close.
    void end(Connection& connection);
    void drop_channel(Channel& channel);
    const User* user_of(const Connection& connection) const;

    // --- Saying something (protocol.cpp) -----------------------------------------------------------

    // In order with everything else that is said on this channel.
    template <typename Said>
    void say(Channel& channel, Said&& said) {
        const bool waits = waits_for_journal(channel);
        // What comes next may not overtake this, which waits for the whole of its turn.
        if (waits) {
            channel.replies_wait_for = turn_number_;
            turn_->is_urgent = true;
        }
        std::vector<Command>& where = waits ? turn_->commands_when_durable : turn_->commands;
        where.emplace_back(channel.connection->told.connection, channel.number,
                           std::forward<Said>(said));
    }
    bool waits_for_journal(const Channel& channel) const {
        return channel.replies_wait_for > durable_up_to_;
    }
    template <typename Said>
    void say(Connection& connection, Said&& said) {
        turn_->commands.emplace_back(connection.told.connection, ChannelNumber{0},
                                     std::forward<Said>(said));
    }
    // An -ok: after what the handler committed is durable.
    void reply(Channel& channel, amqp::Method method);
    // A channel exception; the text is without the code's name.
    void refuse(Channel& channel, Code code, amqp::MethodId method, std::string text);
    void refuse(Channel& channel, amqp::MethodId method, const Failure& failure);
    // False: it is a failure, and the channel was refused.
    bool refuse_unless(Channel& channel, amqp::MethodId method, const Outcome<void>& checked);
    // A connection exception.
    void refuse_connection(Connection& connection, Code code, amqp::MethodId method,
                           std::string text);
    void close_connection(Connection& connection, CloseReason reason);

    // --- Durable changes (protocol.cpp) ------------------------------------------------------------

    // A definition: applies the record and notes it.
    void commit(Record record);
    // Notes a record that State knows of already.
    RecordNumber note(Record record);
    // Puts a message into queues that take it. `again`: it may have been there, and delivered,
    // before a crash.
    void store(const MessageRef& message, std::span<Queue* const> queues, bool again = false);
    // Into the one queue that holds it until it is due.
    void store_until(const MessageRef& message, Queue& queue, Time due);
    Entry entry_for(const MessageRef& message, Queue& queue, bool again);
    void enter(Queue& queue, Entry&& entry);
    // An entry has left the queue for good.
    void forget(Queue& queue, Entry& entry) {
        if (!entry.message) [[unlikely]]
            return; // a stream keeps what it delivers
        forget(queue.id(), queue.is_recorded() && !queue.deleted, entry);
    }
    void forget(QueueId queue, bool wants_record, Entry& entry);

    // --- Topology (topology.cpp) -------------------------------------------------------------------

    bool check_right(Channel& channel, Right right, bool is_queue, std::string_view name,
                     amqp::MethodId method);
    bool check_topic_right(Channel& channel, Right right, const Exchange& exchange,
                           std::string_view routing_key, amqp::MethodId method);
    // Refuses when the queue is exclusive to another connection.
    bool check_lock(Channel& channel, const Queue& queue, amqp::MethodId method);
    // A name as the client gave it; "" is the last queue declared on the channel. Null: refused.
    const std::string* queue_name(Channel& channel, const std::string& given,
                                  amqp::MethodId method);
    // Finds or refuses with 404, and checks the lock.
    Queue* queue_or_refuse(Channel& channel, const std::string& given, amqp::MethodId method);
    Exchange* exchange_or_refuse(Channel& channel, std::string_view name, amqp::MethodId method);
    void reply_declared(Channel& channel, const amqp::QueueDeclare& method, Queue& queue);
    void declare_delays(const Vhost& vhost, const ExchangeDeclared& exchange, bool durable);
    bool bind(Channel& channel, Bound bound, amqp::MethodId method);
    bool unbind(Channel& channel, Unbound unbound, amqp::MethodId method);
    template <typename BindingRecord>
    bool check_binding_rights(Channel& channel, const BindingRecord& record,
                              amqp::MethodId method);

    // What clients and administrators ask for alike. Failures have RabbitMQ's codes and texts; the
    // rights of a client are checked apart. `asker`: nobody is an administrator.
    Outcome<void> check_lock(const Queue& queue, ConnectionId asker) const;
    Outcome<void> check_exchange(const Vhost& vhost, const ExchangeDeclared& declared,
                                 bool durable) const;
    Outcome<void> check_same_exchange(const Exchange& exchange, const ExchangeDeclared& declared,
                                      bool durable) const;
    void create_exchange(const Vhost& vhost, ExchangeDeclared declared, bool durable);
    Outcome<void> check_deletable(const Vhost& vhost, std::string_view exchange) const;
    Outcome<void> delete_exchange(const Vhost& vhost, std::string_view name, bool if_unused);
    Outcome<void> check_same_queue(const Queue& queue, const QueueDeclared& declared,
                                   QueueLife life, ConnectionId asker) const;
    Outcome<void> check_new_queue(const Vhost& vhost, const QueueDeclared& declared,
                                  QueueLife life, bool named_by_server) const;
    Outcome<void> check_queue_limit(const Vhost& vhost, std::string_view queue) const;
    Queue& create_queue(QueueDeclared declared, QueueLife life);
    // Wants to hear that its queue is gone.
    struct CancelledConsumer {
        Channel* channel = nullptr; // lives at least as long as the handler works
        std::string tag;
    };
    struct QueueEnd {
        std::uint64_t messages = 0; // that went with it
        std::vector<CancelledConsumer> consumers{};
    };
    // The caller answers, then tells the consumers.
    Outcome<QueueEnd> delete_queue(const Vhost& vhost, std::string_view name, bool if_unused,
                                   bool if_empty, ConnectionId asker);
    void tell_cancelled(const std::vector<CancelledConsumer>& consumers);
    struct BindingEnds {
        Exchange* source = nullptr;
        Queue* queue = nullptr; // one of the two
        Exchange* exchange = nullptr;
        bool is_bound = false;
    };
    Outcome<BindingEnds> ends_of(const Vhost& vhost, const Bound& bound, ConnectionId asker) const;
    Outcome<void> make_binding(const BindingEnds& ends, Bound bound);
    Outcome<void> end_binding(Vhost& vhost, Unbound unbound, ConnectionId asker);

    // With its messages, bindings and consumers; does not dead-letter.
    void delete_queue(Queue& queue);
    // The same; the caller tells the consumers.
    std::vector<CancelledConsumer> end_queue(Queue& queue);
    void forget_unacked_records(const Queue& queue);
    void delete_exchange(Exchange& exchange);
    // Deletes an auto-delete exchange that has lost its last binding.
    void delete_if_unbound(Vhost& vhost, const std::string& exchange);
    std::uint64_t purge(Queue& queue);
    void note_emptied(const Queue& queue);
    std::string generated_name(std::string_view prefix);

    // --- Publishing (publish.cpp) ------------------------------------------------------------------

    struct PublishFacts; // what the properties of a publish ask for
    // False: refused.
    bool read_properties(Channel& channel, const PublishReceived& event, PublishFacts& facts);
    bool read_headers(Channel& channel, PublishFacts& facts);
    bool check_delivery_mode(Channel& channel, unsigned mode);
    bool read_expiration(Channel& channel, PublishFacts& facts);
    // Null: refused.
    bool may_publish(const Connection& connection, std::string_view exchange,
                     std::string_view routing_key);
    Exchange* exchange_for_publish(Channel& channel, const PublishReceived& event);
    std::span<Queue* const> route(Channel& channel, Exchange& exchange,
                                  const RoutedMessage& message);
    MessageRef make_message(const Channel& channel, const PublishReceived& event,
                            const PublishFacts& facts);
    // Has the queue no room for it, or has it already?
    bool refuses(Queue& queue, const Message& message);
    // Into the queues with limits minded; false: one of them refused it.
    bool place(const MessageRef& message, std::span<Queue* const> queues, bool again = false);
    bool is_repeated(Queue& queue, const Message& message);
    // Holds back what an exchange delays; false: the message is due now.
    bool delay(const MessageRef& message, Exchange& exchange, ByteView headers);
    void return_unroutable(Channel& channel, MessageRef message);
    void confirm(Channel& channel, bool refused, bool needs_journal, bool is_entrusted = false);
    // Does the server's own user, and nobody else, take what comes into the queues?
    static bool is_entrusted(std::span<Queue* const> queues);
    void flush_confirms();
    void flush_confirms(Channel& channel);
    // Direct reply-to: straight to the channel that asked.
    void answer_directly(Channel& channel, const PublishReceived& event,
                         const PublishFacts& facts);

    // --- Consuming (consume.cpp) -------------------------------------------------------------------

    void consume_replies(Channel& channel, const amqp::BasicConsume& method);
    bool check_consume(Channel& channel, const amqp::BasicConsume& method, const Queue& queue);
    Consumer& add_consumer(Channel& channel, const amqp::BasicConsume& method, Queue* queue);
    // Ends a consumer; its unacknowledged messages stay with the channel.
    void remove_consumer(Consumer& consumer);
    void leave_queue(Consumer& consumer);
    void choose_active(Queue& queue);
    bool can_take(const Consumer& consumer) const;
    // Something changed that may let it take messages again.
    void wake(Consumer& consumer);
    void wake_all(Channel& channel);
    void used(Queue& queue);
    void give(Channel& channel, Queue& queue, bool no_ack);

    // --- Waiting for the message of a basic.get (waiting_gets.cpp) ----------------------------------

    void wait_with_get(Channel& channel, Queue& queue, bool no_ack);
    // Until the channel goes on.
    void hold(Channel& channel, const PublishReceived& event);
    void hold(Channel& channel, HeldEvent event);
    void answer_waiting_gets(Queue& queue);
    void answer_waiting_gets(const Connection& connection);
    bool has_room_for_gets(const Connection& connection) const {
        return connection.outbox_bytes <= options_.outbox_bytes_max;
    }
    void go_on_with_answered();
    void go_on(const ChannelKey& key);
    // Nobody hears the answers any more; what was sent behind them counts all the same.
    void stop_waiting(Connection& connection);
    template <typename Held>
    void happens(const ChannelKey& key, const Held& held);

    // --- Settling (settle.cpp) ---------------------------------------------------------------------

    struct Returned {
        Queue* queue = nullptr;
        Entry entry;
    };
    // The range of indices in channel.unacked a tag means; false: the channel was refused.
    bool settled_range(Channel& channel, std::uint64_t tag, bool multiple, amqp::MethodId method,
                       std::size_t& first, std::size_t& last);
    void acknowledge(Channel& channel, std::size_t first, std::size_t last);
    void reject(Channel& channel, std::size_t first, std::size_t last, bool requeue,
                bool spares_transaction = false);
    void recover(Channel& channel);
    void requeue_all(Channel& channel);
    // Takes a delivery out of the channel's books; not out of the queue's.
    Entry take_unacked(Channel& channel, Unacked& unacked);
    void give_back(std::vector<Returned> returned);
    void give_back_one(Channel& channel, std::size_t at);
    void after_settling(Channel& channel);

    // --- Transactions (transaction.cpp) ------------------------------------------------------------

    void remember(Channel& channel, TransactionStep step);
    std::vector<TransactionStep> take_transaction(Channel& channel);
    // False: refused, there are too many unfinished transactions already.
    bool check_transaction(Channel& channel);
    void settle_later(Channel& channel, std::size_t first, std::size_t last, bool rejected,
                      bool requeue);
    void carry_out(Channel& channel, TransactionStep& step);

    // --- Delivering and time (deliver.cpp) ---------------------------------------------------------

    void mark_due(Queue& queue) {
        if (queue.due) return;
        queue.due = true;
        due_.push_back(&queue);
    }
    // Before something looks at or counts the ready messages of a queue: what was put off until the
    // end of the turn happens now.
    void catch_up(Queue& queue) {
        if (!burials_.empty()) settle_dead_letters();
        if (queue.due) serve(queue);
    }
    void deliver_due();
    void forget_due(Queue& queue);
    // Everything that is due for one queue: expiry, delivery, limits, its next deadline.
    void serve(Queue& queue);
    void deliver(Consumer& consumer, Queue& queue, Entry&& entry);
    void time_out(Channel& channel);
    void arm(Queue& queue);
    void expire(Queue& queue);
    bool may_bury() const;
    void goes_on_with_next_tick(Queue& queue);
    // The message as a consumer sees it: with the count of its deliveries where those are limited;
    // a count of none is said where RabbitMQ says it, in the answer to basic.get.
    static MessageRef shown(const Queue& queue, const Entry& entry, bool says_none);
    // The message waits for its end; gives its delivery tag.
    std::uint64_t keep_unacked(Channel& channel, Queue& queue, Consumer* consumer, Entry&& entry);

    // --- Backlogs that are not in memory (paging.cpp) ----------------------------------------------

    void list_if_pageable(Queue& queue);
    void page_out();
    void add_block(Queue& queue, Queue::BlockPlace place, std::vector<Entry>& entries);
    void load(PagedBlock& block);
    bool wants_front(const Queue& queue) const;
    void read_ahead(Queue& queue);
    void unpage(Queue& queue, std::size_t level, const PagedBlock& block, const Loaded& event);
    void say_again(Queue& queue, std::size_t level, PagedBlock& block, const Loaded& event);
    void forget_blocks(Queue& queue);

    // --- Streams (streams.cpp) ---------------------------------------------------------------------

    void store_with_streams(const MessageRef& message, std::span<Queue* const> queues,
                            bool again);
    void append(Queue& queue, const PagedEntry& entry, const MessageRef& message);
    void keep_in_memory(Queue& queue, StreamSegment& segment, std::size_t index,
                        const MessageRef& message, bool has_offset);
    void drop_from_memory(StreamSegment& segment, StreamSegment::InMemory& place);
    void drop_from_memory(StreamSegment& segment);
    void trim_stream_cache();
    void load(Queue& queue, StreamSegment& segment, std::size_t from, std::size_t count);
    void loaded_for_stream(Queue& queue, const Loaded& event);
    void resume_waiting(Queue& queue);
    void say_again(Queue& queue, StreamSegment& segment, const Loaded& event);
    // Where to begin; nothing: the argument makes no sense.
    std::optional<Position> place_in_stream(const Queue& queue,
                                            const amqp::FieldTable& arguments) const;
    bool check_consume_stream(Channel& channel, const amqp::BasicConsume& method,
                              const Queue& queue);
    void consume_stream(Channel& channel, const amqp::BasicConsume& method, Queue& queue);
    void serve_stream(Queue& queue);
    void read_on(Consumer& consumer, Queue& queue);
    std::size_t wanted_by(const Consumer& consumer) const;
    void deliver_at(Consumer& consumer, Queue& queue, StreamSegment& segment, std::size_t index);
    void read_ahead(Consumer& consumer, Queue& queue, StreamSegment& segment, std::size_t index);
    void forget_oldest(Queue& queue);
    void forget_front(Queue& queue);
    void forget_stream(Queue& queue);
    static Time next_age_limit(const Queue& queue);
    static std::string not_for_streams(std::string_view method, const Queue& queue);

    // --- Dead letters (dead_letters.cpp) -----------------------------------------------------------

    // The entry has left the queue's ready messages and nobody's unacknowledged ones.
    void bury(Queue& queue, Entry&& entry, DeathReason reason);
    void settle_dead_letters();
    struct Burial;
    void send_to_dead_letter_exchange(const Burial& burial, Exchange& exchange);
    // The queues it goes to without closing a cycle; false: there is no route at all.
    bool find_takers(const DeadLetter& letter, Exchange& exchange, std::vector<Queue*>& takers);

    // --- Dead letters that may not get lost (held_letters.cpp) -------------------------------------

    struct HeldLetter {
        Entry entry;
        DeathReason reason = DeathReason::rejected;
        std::vector<QueueId> taken_by; // those that need it no more
    };
    // Oldest first, and tried in this order.
    struct HeldLetters {
        std::deque<HeldLetter> letters;
        Duration pause{}; // until the next try; grows while nobody takes anything
    };
    void send_or_hold(Queue& queue, HeldLetter letter);
    void hold(Queue& queue, HeldLetter letter);
    // True: everybody who should have it has it.
    bool send(Queue& queue, HeldLetter& letter);
    void try_held_letters(Queue& queue);
    void try_held_letters();
    void drop_held_letters(Queue& queue);
    void note_held_letters();
    void send_delayed(const Burial& burial, Exchange& exchange);
    static ByteView headers_of(const Message& message);
    static RoutedMessage shown_to_exchanges(const Message& message, std::string_view key);

    // --- Back-pressure (credit.cpp), retention.cpp, administration.cpp ------------------------------

    // What counts towards the watermark.
    void watch_memory();
    void grow(Connection& connection, std::uint64_t bytes);
    void shrink(Connection& connection, std::uint64_t bytes);
    void note_publisher(Connection& connection);
    void hold_publishes(Connection& connection);
    void set_publishers_wait(bool wait, const char* reason);
    void charge(Connection& connection, std::uint64_t bytes);
    bool wants_to_retain();
    bool say_definitions();
    void note_stopped();
    void retain();
    void say_again(Message& message);
    void on(const AdministrationAsked& asked, const PutVhost& wish);
    void on(const AdministrationAsked& asked, const RemoveVhost& wish);
    void on(const AdministrationAsked& asked, const PutUser& wish);
    void on(const AdministrationAsked& asked, const RemoveUser& wish);
    void on(const AdministrationAsked& asked, const PutPermission& wish);
    void on(const AdministrationAsked& asked, const RemovePermission& wish);
    void on(const AdministrationAsked& asked, const PutTopicPermission& wish);
    void on(const AdministrationAsked& asked, const RemoveTopicPermission& wish);
    void on(const AdministrationAsked& asked, const CloseClient& wish);
    void on(const AdministrationAsked& asked, const CloseClients& wish);
    void on(const AdministrationAsked& asked, const PutPolicy& wish);
    void on(const AdministrationAsked& asked, const RemovePolicy& wish);
    void on(const AdministrationAsked& asked, const PutVhostLimits& wish);
    void on(const AdministrationAsked& asked, const PutUserLimits& wish);
    void on(const AdministrationAsked& asked, const PutParameter& wish);
    void on(const AdministrationAsked& asked, const DeclareExchange& wish);
    void on(const AdministrationAsked& asked, const DeleteExchange& wish);
    void on(const AdministrationAsked& asked, const DeclareQueue& wish);
    void on(const AdministrationAsked& asked, const DeleteQueue& wish);
    void on(const AdministrationAsked& asked, const PurgeQueue& wish);
    void on(const AdministrationAsked& asked, const Bind& wish);
    void on(const AdministrationAsked& asked, const Unbind& wish);
    void answer(const AdministrationAsked& asked, Code code = Code::success,
                std::string text = {});
    void answer(const AdministrationAsked& asked, const Failure& failure);
    void answer(const AdministrationAsked& asked, const Outcome<void>& outcome);
    // Null: answered that there is none.
    Vhost* vhost_or_answer(const AdministrationAsked& asked, std::string_view name);
    void obey_policies();
    // How many there were. Nothing as user or vhost: any.
    std::size_t close_connections(const std::optional<std::string>& user,
                                  const std::optional<std::string>& vhost,
                                  std::string_view text);

    // --- Limits of virtual hosts and users (limits.cpp) ---------------------------------------------

    // Publishers can be made to wait; whoever declares and opens can only be refused. Of four parts
    // of the watermark what is declared and open may take two before nothing may be declared, and
    // three before nothing may be opened: who floods the server with queues keeps nobody out.
    // The last part is for the server's own user, whom runs depend on.
    enum class Share : std::uint8_t { declare = 2, open = 3 };
    Outcome<void> check_room_for(std::string_view what, Share share) const;
    Outcome<void> check_connection_limits(const Connection& connection) const;
    bool check_channel_limit(Connection& connection);
    void count(Connection& connection);
    void uncount(Connection& connection);

    struct Burial {
        QueueId queue;
        std::string queue_name;
        Vhost* vhost = nullptr;
        bool recorded = false;
        std::string exchange;
        std::optional<std::string> routing_key;
        Entry entry;
        DeathReason reason = DeathReason::rejected;
        bool again = false;   // what it becomes may have been delivered before a crash
        bool is_held = false; // until somebody takes it
        bool is_delayed = false; // not dead, but due: `exchange` is the one that held it back
    };

    // A basic.get that came while the queue's front was on its way from the disk.
    struct WaitingGet {
        Queue* queue = nullptr;
        Channel* channel = nullptr;
        bool no_ack = false;
    };

    Options options_;
    State state_;
    Access access_;
    Random random_;

    Turn* turn_ = nullptr;
    Time now_{};
    Time recovered_at_{};
    TurnNumber turn_number_ = 1; // of the turn that is being made
    TurnNumber durable_up_to_ = 0;
    RecordNumber last_record_ = 0;
    RecordNumber last_stored_ = 0; // that says a message
    // The event being applied has noted a record its reply must wait for.
    bool handler_committed_ = false;

    std::map<ConnectionId, std::unique_ptr<Connection>> connections_;
    Connection* last_connection_ = nullptr;
    bool asked_by_own_user_ = false; // what is being done now
    std::unordered_map<std::string, Channel*> reply_channels_; // by reply name
    // Open connections, and channels, for the limits on them.
    using CountByName = std::map<std::string, std::uint64_t, std::less<>>;
    CountByName connections_of_vhost_;
    CountByName connections_of_user_;
    CountByName channels_of_user_;

    std::vector<Queue*> due_;
    std::vector<Queue*> pageable_;
    StreamCache stream_cache_;
    std::vector<WaitingGet> waiting_gets_; // in the order they came; one of a channel at most
    std::vector<ChannelKey> answered_;     // go on before the turn ends
    std::deque<Burial> burials_;
    std::map<QueueId, HeldLetters> held_letters_;
    Deadlines<QueueId> letter_deadlines_;
    std::uint32_t dead_letters_left_ = 0; // that this turn may still settle
    std::vector<Channel*> confirming_;
    Deadlines<QueueId> deadlines_;
    Deadlines<ChannelKey> timeouts_; // of deliveries

    std::size_t together_at_ = 0; // where TransactionBegan stands in the turn's records
    bool alarms_[3] = {false, false, false};
    bool too_many_bytes_ = false;
    std::uint64_t open_bytes_ = 0;        // of connections, channels and consumers
    std::uint64_t transaction_bytes_ = 0; // of transactions that are not committed
    std::uint64_t outside_bytes_ = 0;     // what connections hold that never came here
    bool publishers_wait_ = false;
    const char* wait_reason_ = nullptr; // null: one that clients are not told

    std::deque<SegmentSealed> sealed_;
    std::uint64_t sealed_bytes_ = 0;
    bool retention_goes_on_ = false;
    bool paging_goes_on_ = false;
    RecordNumber definitions_said_at_ = 1; // all definitions are in records from here on
    // While they are being said again, and the first record of that.
    std::optional<DefinitionWalk> definitions_;
    RecordNumber definitions_began_at_ = 0;
    std::uint64_t definitions_said_ = 0; // records
    std::uint64_t definitions_bytes_ = 0;  // they took about this much when they were last said
    bool stopping_ = false;
    bool said_stopped_ = false; // the record; nothing may follow it

    // Replay: a transaction that is not complete yet.
    std::uint32_t transaction_left_ = 0;
    std::vector<std::pair<Record, RecordNumber>> transaction_records_;
    bool last_was_stopped_ = false;

    // Of messages that left a queue, by its kind.
    MessageCounters& left_by(const Queue& queue) {
        return since_start_.by_kind[static_cast<std::size_t>(queue.kind())];
    }
    MessageCounters counters_; // published, confirmed, unroutable; the rest is left_by()
    ServerCounters since_start_;
};

} // namespace baton::broker::core
