// Connections and channels, sending, durable changes, and the end of a turn.
#include "broker/core/protocol.hpp"

#include "amqp/errors.hpp"
#include "amqp/method_codec.hpp"
#include "base/assert.hpp"
#include "broker/core/footprint.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::broker::core {

Protocol::Protocol(Options options)
    : options_(std::move(options)), state_(options_), random_(options_.seed),
      dead_letters_left_(options_.dead_letters_per_turn_max) {}

Protocol::~Protocol() = default;

// --- Recovery ------------------------------------------------------------------------------------

void Protocol::replay(Record&& record, RecordNumber number) {
    last_was_stopped_ = std::holds_alternative<Stopped>(record);
    if (const auto* began = std::get_if<TransactionBegan>(&record)) {
        transaction_left_ = began->records;
        transaction_records_.clear();
        return;
    }
    if (transaction_left_ == 0) return state_.apply(record, number);
    transaction_records_.emplace_back(std::move(record), number);
    if (--transaction_left_ != 0) return;
    for (const auto& [part, part_number] : transaction_records_) state_.apply(part, part_number);
    transaction_records_.clear();
}

void Protocol::finish_recovery(RecordNumber last_number) {
    transaction_left_ = 0;
    transaction_records_.clear();
    last_record_ = last_number;
    recovered_at_ = now_;
    state_.finish_replay(last_was_stopped_);
    if (state_.vhosts().empty()) {
        commit(VhostPut{"/", "Default virtual host", {}});
        if (!options_.first_user_password_hash.empty()) {
            commit(UserPut{options_.first_user, options_.first_user_password_hash,
                           options_.first_user_hash_algorithm, {"administrator"}});
            commit(PermissionPut{"/", options_.first_user, ".*", ".*", ".*"});
        }
    }
    for (const auto& [vhost_name, vhost] : state_.vhosts())
        for (const auto& [name, queue] : vhost->queues) {
            used(*queue);
            arm(*queue);
            if (queue->paged() != 0) mark_due(*queue);
        }
}

// --- Events --------------------------------------------------------------------------------------

void Protocol::apply(Event&& event) {
    std::visit([this](const auto& happened) { on(happened); }, event);
}

std::optional<Time> Protocol::next_deadline() const {
    if (stopping_) return std::nullopt;
    if (!burials_.empty() || !due_.empty() || retention_goes_on_ || paging_goes_on_) return now_;
    std::optional<Time> earliest;
    for (const std::optional<Time>& next :
         {deadlines_.next(), timeouts_.next(), letter_deadlines_.next()})
        if (next) earliest = earliest ? std::min(*earliest, *next) : *next;
    return earliest;
}

void Protocol::finish() {
    if (said_stopped_) {
        turn_->number = turn_number_++;
        return;
    }
    dead_letters_left_ = options_.dead_letters_per_turn_max;
    do {
        if (!answered_.empty()) go_on_with_answered();
        settle_dead_letters();
        deliver_due();
    } while (!answered_.empty() || !due_.empty() ||
             (!burials_.empty() && dead_letters_left_ != 0));
    flush_confirms();
    page_out();
    trim_stream_cache();
    if (stopping_)
        note_stopped();
    else
        retain();
    watch_memory();
    turn_->number = turn_number_++;
}

void Protocol::on(const UserAsked& event) {
    TellUser told;
    if (const User* user = std::as_const(state_).user(event.user))
        told.user = std::make_unique<TellUser::User>(TellUser::User{
            user->put.name, user->put.password_hash, user->put.hash_algorithm, user->put.tags});
    turn_->commands.push_back(Command{event.connection, 0, std::move(told)});
}

void Protocol::on(const ConnectionOpened& event) {
    ++since_start_.connections_opened;
    auto& place = connections_[event.connection];
    BATON_ASSERT(place == nullptr, "a connection's number is used once");
    place = std::make_unique<Connection>();
    Connection& connection = *place;
    connection.told = event;
    connection.connected_at = now_;
    connection.is_own = asked_by_own_user_ =
        !options_.own_user.empty() && event.user == options_.own_user;
    connection.channels.resize(2);
    grow(connection, footprint(event));
    const amqp::MethodId open = amqp::ConnectionOpen::id;
    connection.vhost = state_.vhost(event.vhost);
    if (stopping_)
        return refuse_connection(connection, Code::connection_forced, open,
                                 "broker forced connection closure with reason 'shutdown'");
    if (connection.vhost == nullptr)
        return refuse_connection(connection, Code::not_allowed, open,
                                 fmt::format("vhost {} not found", event.vhost));
    const User* user = user_of(connection);
    if (user == nullptr || !user->permissions.contains(event.vhost))
        return refuse_connection(connection, Code::not_allowed, open,
                                 fmt::format("access to vhost '{}' refused for user '{}'",
                                             event.vhost, event.user));
    if (const auto checked = check_connection_limits(connection); !checked)
        return refuse_connection(connection, Code::not_allowed, open, checked.error().detail);
    if (const auto checked = check_room_for("a connection", Share::open); !checked)
        return refuse_connection(connection, Code::resource_error, open, checked.error().detail);
    count(connection);
    // Before its client can publish.
    hold_publishes(connection);
    say(connection, AcceptConnection{});
}

void Protocol::on(const ConnectionLost& event) {
    Connection* connection = find(event.connection);
    if (connection == nullptr) return;
    if (connection->waiting_channels != 0) stop_waiting(*connection);
    if (!connection->closing) release(*connection);
    if (last_connection_ == connection) last_connection_ = nullptr;
    shrink(*connection, connection->memory);
    connections_.erase(event.connection);
    ++since_start_.connections_closed;
}

void Protocol::on(const ProtocolViolated& event) {
    Connection* connection = find(event.connection);
    if (connection == nullptr || connection->closing) return;
    close_connection(*connection, event.reason);
}

void Protocol::on(const Stopping&) {
    stopping_ = true;
    for (auto& [id, connection] : connections_)
        if (!connection->closing)
            refuse_connection(*connection, Code::connection_forced, {},
                              "broker forced connection closure with reason 'shutdown'");
}

// The last records of an orderly end: what was delivered before, and that nothing follows.
void Protocol::note_stopped() {
    said_stopped_ = true;
    for (const auto& [vhost_name, vhost] : state_.vhosts())
        for (const auto& [name, queue] : vhost->queues) {
            if (!queue->is_recorded()) continue;
            queue->each_ready([&, id = queue->id()](const Entry& entry) {
                if (entry.redelivered && entry.message->notes.record != 0)
                    note(MessageReturned{id, entry.position, entry.delivery_count});
            });
            queue->each_block([&](std::size_t, const PagedBlock& block) {
                for (const PagedEntry& entry : block.entries())
                    if (entry.record != 0 && queue->is_redelivered(entry))
                        note(MessageReturned{queue->id(), entry.position, entry.delivery_count});
            });
        }
    note_held_letters();
    note(Stopped{});
}

// Which methods only a server sends, or belong to channel 0: everything else needs an on().
template <typename M>
constexpr bool is_misplaced =
    M::id.class_id == amqp::class_ids::connection || std::is_same_v<M, amqp::ChannelOpen> ||
    std::is_same_v<M, amqp::ChannelCloseOk> ||
    std::is_same_v<M, amqp::ChannelOpenOk> || std::is_same_v<M, amqp::AccessRequestOk> ||
    std::is_same_v<M, amqp::ExchangeDeclareOk> || std::is_same_v<M, amqp::ExchangeDeleteOk> ||
    std::is_same_v<M, amqp::ExchangeBindOk> || std::is_same_v<M, amqp::ExchangeUnbindOk> ||
    std::is_same_v<M, amqp::QueueDeclareOk> || std::is_same_v<M, amqp::QueueBindOk> ||
    std::is_same_v<M, amqp::QueuePurgeOk> || std::is_same_v<M, amqp::QueueDeleteOk> ||
    std::is_same_v<M, amqp::QueueUnbindOk> || std::is_same_v<M, amqp::BasicQosOk> ||
    std::is_same_v<M, amqp::BasicConsumeOk> || std::is_same_v<M, amqp::BasicPublish> ||
    std::is_same_v<M, amqp::BasicReturn> || std::is_same_v<M, amqp::BasicDeliver> ||
    std::is_same_v<M, amqp::BasicGetOk> || std::is_same_v<M, amqp::BasicGetEmpty> ||
    std::is_same_v<M, amqp::BasicRecoverOk> || std::is_same_v<M, amqp::ConfirmSelectOk> ||
    std::is_same_v<M, amqp::TxSelectOk> || std::is_same_v<M, amqp::TxCommitOk> ||
    std::is_same_v<M, amqp::TxRollbackOk>;

void Protocol::on(const MethodReceived& event) {
    handler_committed_ = false;
    Connection* connection = find(event.connection);
    if (connection == nullptr || connection->closing) return;
    asked_by_own_user_ = connection->is_own;
    if (event.channel == 0 && std::holds_alternative<amqp::ConnectionClose>(event.method))
        return end(*connection);
    const amqp::MethodId method_id = amqp::id_of(event.method);
    if (event.channel == 0)
        return refuse_connection(*connection, Code::channel_error, method_id,
                                 "unexpected method in connection state running");
    Channel* known = event.channel < connection->channels.size()
                         ? connection->channels[event.channel].get()
                         : nullptr;
    if (known != nullptr && known->held) [[unlikely]]
        return hold(*known, {event});
    if (std::holds_alternative<amqp::ChannelOpen>(event.method))
        return open_channel(*connection, event.channel);
    if (known != nullptr && known->closing) {
        // Both sides may close at once: ours still waits for its answer, theirs gets one.
        if (std::holds_alternative<amqp::ChannelClose>(event.method))
            reply(*known, amqp::ChannelCloseOk{});
        if (std::holds_alternative<amqp::ChannelCloseOk>(event.method)) drop_channel(*known);
        return;
    }
    Channel* channel = channel_for(event.connection, event.channel, method_id);
    if (channel == nullptr) return;
    std::visit(
        [&](const auto& method) {
            using M = std::remove_cvref_t<decltype(method)>;
            if constexpr (is_misplaced<M>)
                refuse_misplaced(*channel, method);
            else
                on(*channel, method);
        },
        event.method);
}

template <typename M>
void Protocol::refuse_misplaced(Channel& channel, const M&) {
    refuse_connection(*channel.connection, Code::command_invalid, M::id, "unimplemented method");
}

// --- Connections and channels --------------------------------------------------------------------

Connection* Protocol::find(ConnectionId id) {
    if (last_connection_ != nullptr && last_connection_->told.connection == id)
        return last_connection_;
    const auto found = connections_.find(id);
    if (found == connections_.end()) return nullptr;
    last_connection_ = found->second.get();
    return last_connection_;
}

Channel* Protocol::channel_for(ConnectionId id, ChannelNumber number, amqp::MethodId method) {
    Connection* connection = find(id);
    if (connection == nullptr || connection->closing) return nullptr;
    Channel* channel =
        number < connection->channels.size() ? connection->channels[number].get() : nullptr;
    if (channel == nullptr) {
        refuse_connection(*connection, Code::channel_error, method, "expected 'channel.open'");
        return nullptr;
    }
    return channel->closing ? nullptr : channel;
}

void Protocol::open_channel(Connection& connection, ChannelNumber number) {
    // Counted, not compared, as RabbitMQ does: some clients number their channels as they like.
    const std::uint16_t channel_max = connection.told.channel_max;
    const bool is_new = number >= connection.channels.size() || !connection.channels[number];
    if (is_new && channel_max != 0 && connection.open_channels >= channel_max)
        return refuse_connection(connection, Code::not_allowed, {},
                                 fmt::format("number of channels opened ({}) has reached the "
                                             "negotiated channel_max ({})",
                                             channel_max, channel_max));
    if (!is_new) {
        if (connection.channels[number]->closing) return;
        return refuse_connection(connection, Code::channel_error, amqp::ChannelOpen::id,
                                 "second 'channel.open' seen");
    }
    if (!check_channel_limit(connection)) return;
    if (const std::size_t before = connection.channels.size(); number >= before) {
        connection.channels.resize(number + 1U);
        // Its thread keeps a list like this, too.
        grow(connection, (number + 1U - before) * 2 * sizeof(void*));
    }
    auto& place = connection.channels[number];
    place = std::make_unique<Channel>();
    ++connection.open_channels;
    grow(connection, channel_footprint);
    ++channels_of_user_[connection.told.user];
    ++since_start_.channels_opened;
    place->connection = &connection;
    place->number = number;
    reply(*place, amqp::ChannelOpenOk{});
}

void Protocol::release(Channel& channel) {
    BATON_ASSERT(channel.held == nullptr || channel.connection->closing,
                 "a channel that stands still is not closed alone");
    (void)take_transaction(channel);
    requeue_all(channel);
    while (!channel.consumers.empty()) remove_consumer(*channel.consumers.back());
    std::erase_if(waiting_gets_, [&](const WaitingGet& get) { return get.channel == &channel; });
    if (!channel.reply_name.empty()) reply_channels_.erase(channel.reply_name);
    channel.reply_name.clear();
    if (channel.in_confirming) std::erase(confirming_, &channel);
    channel.in_confirming = false;
    channel.confirms.clear();
    // What is said last must not overtake confirms that still wait.
    channel.replies_wait_for = std::max(channel.replies_wait_for, channel.confirms_wait_for);
}

void Protocol::release(Connection& connection) {
    connection.closing = true;
    for (auto& channel : connection.channels)
        if (channel != nullptr && !channel->closing) release(*channel);
    uncount(connection);
    since_start_.channels_closed += static_cast<std::uint64_t>(std::ranges::count_if(
        connection.channels, [](const auto& channel) { return channel != nullptr; }));
    connection.channels.clear();
    connection.open_channels = 0;
    shrink(connection, connection.memory - footprint(connection.told));
    while (!connection.exclusive_queues.empty())
        delete_queue(*connection.exclusive_queues.back());
}

void Protocol::end(Connection& connection) {
    // What came before it happens before it.
    connection.close_waits = connection.waiting_channels != 0;
    if (connection.close_waits) return;
    flush_confirms();
    release(connection);
    say(connection, EndConnection{});
}

void Protocol::drop_channel(Channel& channel) {
    Connection& connection = *channel.connection;
    --channels_of_user_[connection.told.user];
    ++since_start_.channels_closed;
    --connection.open_channels;
    shrink(connection, channel_footprint);
    connection.channels[channel.number].reset();
}

const User* Protocol::user_of(const Connection& connection) const {
    return state_.user(connection.told.user);
}

void Protocol::on(Channel& channel, const amqp::ChannelClose&) {
    flush_confirms();
    release(channel);
    reply(channel, amqp::ChannelCloseOk{});
    drop_channel(channel);
}

void Protocol::on(Channel& channel, const amqp::AccessRequest&) {
    reply(channel, amqp::AccessRequestOk{1});
}

void Protocol::on(const OversizeAnnounced& event) {
    Channel* channel = channel_for(event.connection, event.channel, amqp::BasicPublish::id);
    if (channel == nullptr) return;
    if (channel->held) return hold(*channel, {event});
    refuse(*channel, Code::precondition_failed, amqp::BasicPublish::id,
           fmt::format("message size {} is larger than configured max size {}", event.body_bytes,
                       options_.message_bytes_max));
}

// --- Saying something ----------------------------------------------------------------------------

void Protocol::reply(Channel& channel, amqp::Method method) {
    if (handler_committed_) channel.replies_wait_for = turn_number_;
    say(channel, Reply{std::make_unique<amqp::Method>(std::move(method))});
}

namespace {

CloseReason reason_for(amqp::ReplyCode code, amqp::MethodId method, std::string_view text) {
    CloseReason reason{code, fmt::format("{} - {}", amqp::name_of(code), text), method};
    // A short string ends here; a long name in the text must not make the close unsendable.
    if (reason.text.size() > 255) reason.text.replace(252, std::string::npos, "...");
    return reason;
}

} // namespace

void Protocol::refuse(Channel& channel, Code code, amqp::MethodId method, std::string text) {
    if (channel.closing || channel.connection->closing) return;
    flush_confirms();
    release(channel);
    channel.closing = true;
    say(channel,
        CloseChannel{std::make_unique<CloseReason>(reason_for(code, method, text))});
}

void Protocol::refuse(Channel& channel, amqp::MethodId method, const Failure& failure) {
    refuse(channel, amqp::reply_code_for(failure.code), method, failure.detail);
}

bool Protocol::refuse_unless(Channel& channel, amqp::MethodId method,
                             const Outcome<void>& checked) {
    if (!checked) refuse(channel, method, checked.error());
    return checked.has_value();
}

void Protocol::refuse_connection(Connection& connection, Code code, amqp::MethodId method,
                                 std::string text) {
    close_connection(connection, reason_for(code, method, text));
}

void Protocol::close_connection(Connection& connection, CloseReason reason) {
    if (connection.closing) return;
    release(connection);
    say(connection, CloseConnection{std::make_unique<CloseReason>(std::move(reason))});
}

// --- Durable changes -----------------------------------------------------------------------------

RecordNumber Protocol::note(Record record) {
    const RecordNumber number = ++last_record_;
    if (turn_->records.empty()) turn_->first_record = number;
    turn_->records.push_back(std::move(record));
    return number;
}

void Protocol::commit(Record record) {
    handler_committed_ = true;
    const RecordNumber number = note(std::move(record));
    state_.apply(turn_->records.back(), number);
}

void Protocol::store_until(const MessageRef& message, Queue& queue, Time due) {
    Entry entry{message, queue.take_position(), due};
    const Place place{queue.id(), entry.position, due};
    enter(queue, std::move(entry));
    if (!message->is_persistent() || !queue.is_recorded()) return;
    message->notes.durable.add(place);
    last_stored_ = note(MessageStored{message, place, {}});
    state_.living(*message, last_stored_);
}

Entry Protocol::entry_for(const MessageRef& message, Queue& queue, bool again) {
    Entry entry{message, queue.take_position()};
    entry.redelivered = again;
    auto ttl = message->ttl_millis();
    if (const auto of_queue = queue.settings().message_ttl_millis)
        ttl = ttl ? std::min(*ttl, *of_queue) : *of_queue;
    if (ttl) entry.expires_at = now_ + std::chrono::milliseconds(*ttl);
    return entry;
}

void Protocol::enter(Queue& queue, Entry&& entry) {
    if (!queue.ready_consumers.empty() || queue.settings().is_bounded() ||
        entry.expires_at < queue.armed)
        mark_due(queue);
    state_.entered(*entry.message);
    ++queue.counters.published;
    queue.push(std::move(entry));
    list_if_pageable(queue);
}

void Protocol::store(const MessageRef& message, std::span<Queue* const> queues, bool again) {
    if (std::any_of(queues.begin(), queues.end(),
                    [](const Queue* queue) { return queue->stream != nullptr; })) [[unlikely]]
        return store_with_streams(message, queues, again);
    if (!message->is_persistent()) {
        for (Queue* queue : queues) enter(*queue, entry_for(message, *queue, again));
        return;
    }
    MessageStored stored;
    for (Queue* queue : queues) {
        Entry entry = entry_for(message, *queue, again);
        if (queue->is_recorded()) {
            const Place place{queue->id(), entry.position, entry.expires_at, 0, again};
            if (message->notes.durable.empty())
                stored.first = place;
            else
                stored.others.push_back(place);
            message->notes.durable.add(place);
        }
        enter(*queue, std::move(entry));
    }
    if (message->notes.durable.empty()) return;
    stored.message = message;
    last_stored_ = note(std::move(stored));
    state_.living(*message, last_stored_);
}

void Protocol::forget(QueueId queue, bool wants_record, Entry& entry) {
    Message& message = *entry.message;
    state_.left(message);
    if (message.notes.record == 0 || !message.notes.durable.remove(queue, entry.position)) return;
    if (message.notes.durable.empty()) state_.dead(message);
    if (!wants_record) return; // the record of the queue's deletion takes everything along
    if (!turn_->records.empty())
        if (auto* last = std::get_if<MessagesRemoved>(&turn_->records.back());
            last != nullptr && last->queue == queue) {
            if (last->ranges.back().last + 1 == entry.position)
                last->ranges.back().last = entry.position;
            else
                last->ranges.push_back({entry.position, entry.position});
            return;
        }
    note(MessagesRemoved{queue, {{entry.position, entry.position}}});
}

} // namespace baton::broker::core
