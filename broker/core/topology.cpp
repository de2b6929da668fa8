// exchange.* and queue.*: what exists, who may touch it, and what goes with it when it goes.
#include "broker/core/protocol.hpp"

#include "amqp/errors.hpp"
#include "base/utf8.hpp"
#include "broker/core/names.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::broker::core {

namespace {

// RabbitMQ's firehose; it exists because clients expect it to.
constexpr std::string_view trace_exchange = "amq.rabbitmq.trace";

constexpr std::string_view declared_reply_name = "amq.rabbitmq.reply-to";

std::string what_queue(std::string_view name, const Vhost& vhost) {
    return fmt::format("queue '{}' in vhost '{}'", name, vhost.name());
}

std::string what_exchange(std::string_view name, const Vhost& vhost) {
    return fmt::format("exchange '{}' in vhost '{}'", name, vhost.name());
}

Failure topology_precondition(std::string detail) {
    return {amqp::ReplyCode::precondition_failed, std::move(detail)};
}

Failure refused_default_exchange() {
    return {amqp::ReplyCode::access_refused, "operation not permitted on the default exchange"};
}

Failure locked(const Queue& queue) {
    return {amqp::ReplyCode::resource_locked,
            fmt::format("cannot obtain exclusive access to locked {}. It could be originally "
                        "declared on another connection or the exclusive property value does not "
                        "match that of the original declaration.",
                        what_queue(queue.name(), *queue.identity().vhost))};
}

} // namespace

// --- Checks --------------------------------------------------------------------------------------

bool Protocol::check_right(Channel& channel, Right right, bool is_queue, std::string_view name,
                           amqp::MethodId method) {
    const Connection& connection = *channel.connection;
    if (access_.may(user_of(connection), connection.vhost->name(), right, name)) return true;
    const std::string_view shown = name.empty() && !is_queue ? "amq.default" : name;
    refuse(channel, Code::access_refused, method,
           fmt::format("access to {} refused for user '{}'",
                       is_queue ? what_queue(shown, *connection.vhost)
                                : what_exchange(shown, *connection.vhost),
                       connection.told.user));
    return false;
}

bool Protocol::check_topic_right(Channel& channel, Right right, const Exchange& exchange,
                                 std::string_view routing_key, amqp::MethodId method) {
    if (exchange.identity().kind.type != ExchangeType::topic) return true;
    const Connection& connection = *channel.connection;
    if (access_.may_use_key(user_of(connection), connection.vhost->name(), right, exchange.name(),
                            routing_key))
        return true;
    refuse(channel, Code::access_refused, method,
           fmt::format("access to topic '{}' in {} refused for user '{}'", routing_key,
                       what_exchange(exchange.name(), *connection.vhost), connection.told.user));
    return false;
}

Outcome<void> Protocol::check_lock(const Queue& queue, ConnectionId asker) const {
    const Vhost& vhost = *queue.identity().vhost;
    if (queue.settings().delays_for)
        return Failure{Code::access_refused,
                       fmt::format("{} holds delayed messages of {}",
                                   what_queue(queue.name(), vhost),
                                   what_exchange(*queue.settings().delays_for, vhost))};
    if (queue.is_exclusive() && queue.identity().exclusive_to != asker)
        return locked(queue);
    return boost::system::in_place_value;
}

bool Protocol::check_lock(Channel& channel, const Queue& queue, amqp::MethodId method) {
    return refuse_unless(channel, method, check_lock(queue, channel.connection->told.connection));
}

const std::string* Protocol::queue_name(Channel& channel, const std::string& given,
                                        amqp::MethodId method) {
    if (!given.empty()) return &given;
    if (!channel.last_queue.empty()) return &channel.last_queue;
    refuse(channel, Code::not_found, method, "no previously declared queue");
    return nullptr;
}

Queue* Protocol::queue_or_refuse(Channel& channel, const std::string& given,
                                 amqp::MethodId method) {
    const std::string* name = queue_name(channel, given, method);
    if (name == nullptr) return nullptr;
    Vhost& vhost = *channel.connection->vhost;
    Queue* queue = vhost.queue(*name);
    if (queue == nullptr) {
        refuse(channel, Code::not_found, method,
               fmt::format("no {}", what_queue(*name, vhost)));
        return nullptr;
    }
    return check_lock(channel, *queue, method) ? queue : nullptr;
}

Exchange* Protocol::exchange_or_refuse(Channel& channel, std::string_view name,
                                       amqp::MethodId method) {
    Vhost& vhost = *channel.connection->vhost;
    Exchange* exchange = vhost.exchange(name);
    if (exchange == nullptr)
        refuse(channel, Code::not_found, method,
               fmt::format("no {}", what_exchange(name, vhost)));
    return exchange;
}

std::string Protocol::generated_name(std::string_view prefix) {
    constexpr std::string_view alphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    std::string name(prefix);
    for (int count = 0; count < 22; ++count) name += alphabet[random_.below(alphabet.size())];
    return name;
}

// --- exchange.declare and exchange.delete --------------------------------------------------------

void Protocol::on(Channel& channel, const amqp::ExchangeDeclare& method) {
    if (!is_utf8(method.exchange))
        return refuse_connection(*channel.connection, Code::frame_error, {},
                                 "Malformed UTF-8 in shortstr");
    const Vhost& vhost = *channel.connection->vhost;
    if (method.exchange.empty())
        return refuse(channel, method.id, refused_default_exchange());
    if (method.passive) {
        if (exchange_or_refuse(channel, method.exchange, method.id) == nullptr) return;
    } else {
        if (!check_right(channel, Right::configure, false, method.exchange, method.id)) return;
        ExchangeDeclared declared{vhost.name(),       method.exchange, method.type,
                                  method.auto_delete, method.internal, method.arguments};
        if (!refuse_unless(channel, method.id, check_exchange(vhost, declared, method.durable)))
            return;
        if (vhost.exchange(method.exchange) == nullptr) {
            const auto alternate = method.arguments.text("alternate-exchange");
            if (alternate &&
                (!check_right(channel, Right::read, false, method.exchange, method.id) ||
                 !check_right(channel, Right::write, false, *alternate, method.id)))
                return;
            create_exchange(vhost, std::move(declared), method.durable);
        }
    }
    if (!method.no_wait) reply(channel, amqp::ExchangeDeclareOk{});
}

Outcome<void> Protocol::check_exchange(const Vhost& vhost, const ExchangeDeclared& declared,
                                       bool durable) const {
    if (declared.name.empty()) return refused_default_exchange();
    BATON_TRY(check_name("an exchange", declared.name));
    BATON_TRY(check_arguments("an exchange", declared.arguments));
    if (const auto kind = exchange_kind_from(declared.type, declared.arguments); !kind)
        return kind.error();
    if (const Exchange* exchange = vhost.exchange(declared.name))
        return check_same_exchange(*exchange, declared, durable);
    if (declared.name.starts_with("amq."))
        return Failure{Code::access_refused,
                       fmt::format("exchange name '{}' contains reserved prefix 'amq.*'",
                                   declared.name)};
    BATON_TRY(check_room_for("an exchange", Share::declare));
    const amqp::FieldValue* alternate = declared.arguments.find("alternate-exchange");
    if (alternate != nullptr && alternate->get<std::string>() == nullptr)
        return topology_precondition(fmt::format("invalid type '{}' for arg 'alternate-exchange' in {}",
                                        amqp::type_name(*alternate),
                                        what_exchange(declared.name, vhost)));
    if (alternate != nullptr)
        BATON_TRY(check_name("an alternate exchange", *alternate->get<std::string>()));
    return boost::system::in_place_value;
}

Outcome<void> Protocol::check_same_exchange(const Exchange& exchange,
                                            const ExchangeDeclared& declared,
                                            bool durable) const {
    const Exchange::Identity& current = exchange.identity();
    const std::string what = what_exchange(current.name, *current.vhost);
    const std::string_view type = name_of(current.kind);
    if (declared.type != type)
        return topology_precondition(fmt::format("inequivalent arg 'type' for {}: received '{}' but "
                                        "current is '{}'",
                                        what, declared.type, type));
    BATON_TRY(check_equal_flag("durable", durable, current.durable, what));
    BATON_TRY(check_equal_flag("auto_delete", declared.auto_delete, current.auto_delete, what));
    BATON_TRY(check_equal_flag("internal", declared.internal, current.internal, what));
    BATON_TRY(check_equal_argument("alternate-exchange", declared.arguments, current.arguments,
                                   what));
    BATON_TRY(check_equal_argument("x-delayed-type", declared.arguments, current.arguments, what));
    return boost::system::in_place_value;
}

void Protocol::create_exchange(const Vhost& vhost, ExchangeDeclared declared, bool durable) {
    if (exchange_kind_from(declared.type, declared.arguments)->delays)
        declare_delays(vhost, declared, durable);
    if (durable)
        commit(std::move(declared));
    else
        state_.declare_exchange(declared, false);
}

// Messages on hold lie in a queue of their own, ordered by time, that everybody may look at.
void Protocol::declare_delays(const Vhost& vhost, const ExchangeDeclared& exchange, bool durable) {
    QueueDeclared declared{state_.take_queue_id(), vhost.name(),
                           std::string(delays_prefix) + exchange.name, false, {}};
    declared.arguments.set(delays_argument, amqp::FieldValue(exchange.name));
    if (durable)
        commit(std::move(declared));
    else
        state_.declare_queue(declared, {false, {}});
}

void Protocol::on(Channel& channel, const amqp::ExchangeDelete& method) {
    const Vhost& vhost = *channel.connection->vhost;
    if (!refuse_unless(channel, method.id, check_deletable(vhost, method.exchange)) ||
        !check_right(channel, Right::configure, false, method.exchange, method.id) ||
        !refuse_unless(channel, method.id,
                       delete_exchange(vhost, method.exchange, method.if_unused)))
        return;
    if (!method.no_wait) reply(channel, amqp::ExchangeDeleteOk{});
}

Outcome<void> Protocol::check_deletable(const Vhost& vhost, std::string_view exchange) const {
    if (exchange.empty()) return refused_default_exchange();
    if (exchange.starts_with("amq."))
        return Failure{Code::access_refused, fmt::format("deletion of system {} not allowed",
                                                         what_exchange(exchange, vhost))};
    return boost::system::in_place_value;
}

Outcome<void> Protocol::delete_exchange(const Vhost& vhost, std::string_view name,
                                        bool if_unused) {
    BATON_TRY(check_deletable(vhost, name));
    Exchange* exchange = vhost.exchange(name);
    if (exchange == nullptr) return boost::system::in_place_value;
    if (if_unused && exchange->has_bindings())
        return topology_precondition(fmt::format("{} in use", what_exchange(name, vhost)));
    delete_exchange(*exchange);
    return boost::system::in_place_value;
}

void Protocol::delete_exchange(Exchange& exchange) {
    Vhost& vhost = *exchange.identity().vhost;
    std::vector<std::string> sources;
    for (const auto& [order, source] : exchange.bound_to) sources.push_back(source->name());
    const ExchangeDeleted deleted{vhost.name(), exchange.name()};
    const bool delays = exchange.identity().kind.delays;
    const std::string delays_name = std::string(delays_prefix) + exchange.name();
    if (exchange.identity().durable)
        commit(deleted);
    else
        state_.delete_exchange(exchange);
    if (delays)
        if (Queue* queue = vhost.queue(delays_name)) delete_queue(*queue);
    for (const std::string& source : sources) delete_if_unbound(vhost, source);
}

void Protocol::delete_if_unbound(Vhost& vhost, const std::string& name) {
    Exchange* exchange = vhost.exchange(name);
    if (exchange != nullptr && exchange->identity().auto_delete && !exchange->has_bindings())
        delete_exchange(*exchange);
}

// --- queue.declare -------------------------------------------------------------------------------

void Protocol::on(Channel& channel, const amqp::QueueDeclare& method) {
    if (!is_utf8(method.queue))
        return refuse_connection(*channel.connection, Code::frame_error, {},
                                 "Malformed UTF-8 in shortstr");
    const Vhost& vhost = *channel.connection->vhost;
    if (method.queue.starts_with(declared_reply_name)) {
        const bool is_there =
            method.queue == declared_reply_name || reply_channels_.contains(method.queue);
        if (!is_there)
            return refuse(channel, Code::not_found, method.id,
                          fmt::format("no {}", what_queue(method.queue, vhost)));
        if (!method.no_wait) reply(channel, amqp::QueueDeclareOk{method.queue, 0, 1});
        return;
    }
    if (method.passive) {
        // Here alone an empty name is not the last declared queue.
        Queue* queue = vhost.queue(method.queue);
        if (queue == nullptr)
            return refuse(channel, Code::not_found, method.id,
                          fmt::format("no {}", what_queue(method.queue, vhost)));
        if (!check_lock(channel, *queue, method.id)) return;
        used(*queue);
        return reply_declared(channel, method, *queue);
    }
    QueueDeclared declared{{}, vhost.name(),
                           method.queue.empty() ? generated_name("amq.gen-") : method.queue,
                           method.auto_delete, method.arguments};
    const ConnectionId asker = channel.connection->told.connection;
    const QueueLife life{method.durable, method.exclusive ? asker : ConnectionId{}};
    if (!check_right(channel, Right::configure, true, declared.name, method.id)) return;
    Queue* queue = vhost.queue(declared.name);
    if (queue != nullptr) {
        if (!refuse_unless(channel, method.id, check_same_queue(*queue, declared, life, asker)))
            return;
    } else {
        if (!refuse_unless(channel, method.id,
                           check_new_queue(vhost, declared, life, method.queue.empty())))
            return;
        const auto target = method.arguments.text("x-dead-letter-exchange");
        if (target && (!check_right(channel, Right::read, true, declared.name, method.id) ||
                       !check_right(channel, Right::write, false, *target, method.id)))
            return;
        queue = &create_queue(std::move(declared), life);
    }
    ++since_start_.queues_declared;
    used(*queue);
    reply_declared(channel, method, *queue);
}

void Protocol::reply_declared(Channel& channel, const amqp::QueueDeclare& method,
                              Queue& queue) {
    catch_up(queue);
    channel.last_queue = queue.name();
    if (method.no_wait) return;
    reply(channel, amqp::QueueDeclareOk{queue.name(), static_cast<std::uint32_t>(queue.ready()),
                                        static_cast<std::uint32_t>(queue.consumers.size())});
}

Outcome<void> Protocol::check_same_queue(const Queue& queue, const QueueDeclared& declared,
                                         QueueLife life, ConnectionId asker) const {
    const Queue::Identity& current = queue.identity();
    const std::string what = what_queue(current.name, *current.vhost);
    BATON_TRY(check_lock(queue, asker));
    // The owner asking for a shared queue where it has an exclusive one, or the other way round.
    if (life.exclusive_to != current.exclusive_to) return locked(queue);
    // An exclusive queue is never durable, whatever its declaration says.
    if (!queue.is_exclusive())
        BATON_TRY(check_equal_flag("durable", life.durable, current.durable, what));
    BATON_TRY(check_equal_flag("auto_delete", declared.auto_delete, current.auto_delete, what));
    for (const std::string_view argument : compared_queue_arguments())
        BATON_TRY(
            check_equal_argument(argument, declared.arguments, current.arguments, what));
    return boost::system::in_place_value;
}

Outcome<void> Protocol::check_new_queue(const Vhost& vhost, const QueueDeclared& declared,
                                        QueueLife life, bool named_by_server) const {
    BATON_TRY(check_name("a queue", declared.name));
    BATON_TRY(check_arguments("a queue", declared.arguments));
    if (!named_by_server && declared.name.starts_with("amq."))
        return Failure{Code::access_refused,
                       fmt::format("queue name '{}' contains reserved prefix 'amq.*'",
                                   declared.name)};
    if (declared.arguments.contains(delays_argument))
        return topology_precondition(fmt::format("invalid arg '{}' for {}: only the server uses it",
                                        delays_argument, what_queue(declared.name, vhost)));
    BATON_TRY(check_queue_limit(vhost, declared.name));
    const bool exclusive = life.exclusive_to != ConnectionId{};
    BATON_TRY(settings_from(declared.arguments,
                            {declared.name, vhost.name(), life.durable, exclusive,
                             declared.auto_delete},
                            options_.quorum_delivery_limit));
    return boost::system::in_place_value;
}

Queue& Protocol::create_queue(QueueDeclared declared, QueueLife life) {
    ++since_start_.queues_created;
    declared.id = state_.take_queue_id();
    const QueueId id = declared.id;
    const bool exclusive = life.exclusive_to != ConnectionId{};
    if (life.durable && !exclusive)
        commit(std::move(declared));
    else
        state_.declare_queue(declared, life);
    Queue& queue = *state_.queue(id);
    if (exclusive)
        if (Connection* owner = find(life.exclusive_to)) owner->exclusive_queues.push_back(&queue);
    return queue;
}

// --- queue.delete and queue.purge ----------------------------------------------------------------

void Protocol::on(Channel& channel, const amqp::QueueDelete& method) {
    const std::string* name = queue_name(channel, method.queue, method.id);
    if (name == nullptr) return;
    if (!check_right(channel, Right::configure, true, *name, method.id)) return;
    const auto deleted = delete_queue(*channel.connection->vhost, *name, method.if_unused,
                                      method.if_empty, channel.connection->told.connection);
    if (!deleted) return refuse(channel, method.id, deleted.error());
    if (!method.no_wait)
        reply(channel, amqp::QueueDeleteOk{static_cast<std::uint32_t>(deleted->messages)});
    // A client that waits for its -ok must not find something else on its channel first.
    tell_cancelled(deleted->consumers);
}

Outcome<Protocol::QueueEnd> Protocol::delete_queue(const Vhost& vhost, std::string_view name,
                                                   bool if_unused, bool if_empty,
                                                   ConnectionId asker) {
    Queue* queue = vhost.queue(name);
    if (queue == nullptr) return QueueEnd{};
    BATON_TRY(check_lock(*queue, asker));
    catch_up(*queue);
    if (if_unused && !queue->consumers.empty())
        return topology_precondition(fmt::format("{} in use", what_queue(name, vhost)));
    if (if_empty && queue->ready() != 0)
        return topology_precondition(fmt::format("{} not empty", what_queue(name, vhost)));
    const std::uint64_t count = queue->ready();
    return QueueEnd{count, end_queue(*queue)};
}

std::uint64_t Protocol::purge(Queue& queue) {
    const std::uint64_t count = queue.ready();
    if (queue.stream) {
        forget_stream(queue);
        return count;
    }
    forget_blocks(queue);
    while (std::optional<Entry> entry = queue.pop_to_drop()) forget(queue, *entry);
    answer_waiting_gets(queue);
    return count;
}

void Protocol::note_emptied(const Queue& queue) {
    if (queue.is_recorded()) turn_->emptied.push_back({queue.identity().vhost->name(), queue.identity().name});
}

void Protocol::delete_queue(Queue& queue) {
    tell_cancelled(end_queue(queue));
}

void Protocol::tell_cancelled(const std::vector<CancelledConsumer>& consumers) {
    for (const CancelledConsumer& consumer : consumers)
        say(*consumer.channel, Reply{std::make_unique<amqp::Method>(
                                   amqp::BasicCancel{consumer.tag, true})});
}

std::vector<Protocol::CancelledConsumer> Protocol::end_queue(Queue& queue) {
    std::vector<CancelledConsumer> to_tell;
    Vhost& vhost = *queue.identity().vhost;
    // Set first: what is forgotten now needs no record of its own.
    queue.deleted = true;
    while (!queue.consumers.empty()) {
        Consumer& consumer = *queue.consumers.front();
        Channel& channel = *consumer.channel;
        if (channel.connection->told.capabilities.consumer_cancel_notify &&
            !channel.connection->closing)
            to_tell.push_back({&channel, consumer.tag});
        remove_consumer(consumer);
    }
    ++since_start_.queues_deleted;
    const bool has_unacked = queue.unacked != 0;
    if (purge(queue) != 0 || has_unacked) note_emptied(queue);
    drop_held_letters(queue);
    answer_waiting_gets(queue);
    forget_due(queue);
    deadlines_.cancel(queue.id());
    if (queue.is_exclusive())
        if (Connection* owner = find(queue.identity().exclusive_to))
            std::erase(owner->exclusive_queues, &queue);

    std::vector<std::string> sources;
    for (const auto& [order, source] : queue.bound_to) sources.push_back(source->name());
    if (queue.is_recorded()) {
        if (queue.unacked != 0) forget_unacked_records(queue);
        commit(QueueDeleted{queue.id()});
    } else {
        state_.delete_queue(queue);
    }
    for (const std::string& source : sources) delete_if_unbound(vhost, source);
    return to_tell;
}

// What is delivered and not acknowledged stays with its channels, but no longer in the journal.
void Protocol::forget_unacked_records(const Queue& queue) {
    for (auto& [id, connection] : connections_)
        for (auto& channel : connection->channels) {
            if (channel == nullptr) continue;
            for (std::size_t at = 0; at < channel->unacked.size(); ++at) {
                const Unacked& unacked = channel->unacked[at];
                if (unacked.queue != &queue || !unacked.entry.message) continue;
                Message& message = *unacked.entry.message;
                if (message.notes.durable.remove(queue.id(), unacked.entry.position) &&
                    message.notes.durable.empty())
                    state_.dead(message);
            }
        }
}

void Protocol::on(Channel& channel, const amqp::QueuePurge& method) {
    const std::string* name = queue_name(channel, method.queue, method.id);
    if (name == nullptr || !check_right(channel, Right::read, true, *name, method.id)) return;
    Queue* queue = queue_or_refuse(channel, *name, method.id);
    if (queue == nullptr) return;
    if (queue->stream)
        return refuse_connection(*channel.connection, Code::not_implemented, method.id,
                                 not_for_streams("queue.purge", *queue));
    catch_up(*queue);
    const std::uint64_t count = purge(*queue);
    if (count != 0) note_emptied(*queue);
    // What the client hears is gone must not come back.
    if (count != 0 && !turn_->records.empty() &&
        std::holds_alternative<MessagesRemoved>(turn_->records.back()))
        handler_committed_ = true;
    if (!method.no_wait)
        reply(channel, amqp::QueuePurgeOk{static_cast<std::uint32_t>(count)});
}

// --- Bindings ------------------------------------------------------------------------------------

namespace {

// Of Bound and Unbound alike.
template <typename BindingRecord>
bool names_default_exchange(const BindingRecord& record) {
    return record.source.empty() || (record.destination_kind == DestinationKind::exchange &&
                                     record.destination.empty());
}

} // namespace

template <typename BindingRecord>
bool Protocol::check_binding_rights(Channel& channel, const BindingRecord& record,
                                    amqp::MethodId method) {
    if (names_default_exchange(record)) {
        refuse(channel, method, refused_default_exchange());
        return false;
    }
    const bool to_queue = record.destination_kind == DestinationKind::queue;
    return check_right(channel, Right::write, to_queue, record.destination, method) &&
           check_right(channel, Right::read, false, record.source, method);
}

Outcome<Protocol::BindingEnds> Protocol::ends_of(const Vhost& vhost, const Bound& bound,
                                                 ConnectionId asker) const {
    if (names_default_exchange(bound)) return refused_default_exchange();
    BindingEnds ends;
    ends.source = vhost.exchange(bound.source);
    if (ends.source == nullptr)
        return Failure{Code::not_found,
                       fmt::format("no {}", what_exchange(bound.source, vhost))};
    if (bound.destination_kind == DestinationKind::queue) {
        ends.queue = vhost.queue(bound.destination);
        if (ends.queue == nullptr)
            return Failure{Code::not_found,
                           fmt::format("no {}", what_queue(bound.destination, vhost))};
        BATON_TRY(check_lock(*ends.queue, asker));
    } else {
        ends.exchange = vhost.exchange(bound.destination);
        if (ends.exchange == nullptr)
            return Failure{Code::not_found,
                           fmt::format("no {}", what_exchange(bound.destination, vhost))};
    }
    ends.is_bound = ends.source->find(ends.queue, ends.exchange, bound.routing_key,
                                      bound.arguments) != nullptr;
    return ends;
}

Outcome<void> Protocol::make_binding(const BindingEnds& ends, Bound bound) {
    BATON_TRY(check_routing_key(bound.routing_key));
    BATON_TRY(check_arguments("a binding", bound.arguments));
    BATON_TRY(check_room_for("a binding", Share::declare));
    BATON_TRY(check_binding(ends.source->identity().kind.type, bound.routing_key,
                            bound.arguments));
    const bool durable = ends.source->identity().durable &&
                         (ends.queue != nullptr ? ends.queue->is_recorded()
                                                : ends.exchange->identity().durable);
    bound.vhost = ends.source->identity().vhost->name();
    if (durable)
        commit(std::move(bound));
    else
        state_.bind(bound, false);
    return boost::system::in_place_value;
}

bool Protocol::bind(Channel& channel, Bound bound, amqp::MethodId method) {
    if (!check_binding_rights(channel, bound, method)) return false;
    // Files of definitions may have such bindings from elsewhere; who binds now waits for something.
    if (bound.source == trace_exchange) {
        refuse(channel, Code::precondition_failed, method,
               fmt::format("nothing would come from exchange '{}': this broker does not trace messages",
                           trace_exchange));
        return false;
    }
    const auto ends =
        ends_of(*channel.connection->vhost, bound, channel.connection->told.connection);
    if (!ends) {
        refuse(channel, method, ends.error());
        return false;
    }
    if (ends->is_bound) return true;
    return check_topic_right(channel, Right::read, *ends->source, bound.routing_key, method) &&
           refuse_unless(channel, method, make_binding(*ends, std::move(bound)));
}

Outcome<void> Protocol::end_binding(Vhost& vhost, Unbound unbound, ConnectionId asker) {
    if (names_default_exchange(unbound)) return refused_default_exchange();
    Exchange* source = vhost.exchange(unbound.source);
    Queue* queue = nullptr;
    Exchange* target = nullptr;
    if (unbound.destination_kind == DestinationKind::queue) {
        queue = vhost.queue(unbound.destination);
    } else {
        target = vhost.exchange(unbound.destination);
    }
    if (source == nullptr || (queue == nullptr && target == nullptr))
        return boost::system::in_place_value;
    const Binding* binding =
        source->find(queue, target, unbound.routing_key, unbound.arguments);
    if (binding == nullptr) return boost::system::in_place_value;
    if (queue != nullptr) BATON_TRY(check_lock(*queue, asker));
    unbound.vhost = vhost.name();
    const std::string source_name = unbound.source;
    if (binding->durable)
        commit(std::move(unbound));
    else
        state_.unbind(unbound);
    delete_if_unbound(vhost, source_name);
    return boost::system::in_place_value;
}

bool Protocol::unbind(Channel& channel, Unbound unbound, amqp::MethodId method) {
    return check_binding_rights(channel, unbound, method) &&
           refuse_unless(channel, method,
                         end_binding(*channel.connection->vhost, std::move(unbound),
                                     channel.connection->told.connection));
}

void Protocol::on(Channel& channel, const amqp::QueueBind& method) {
    const std::string* name = queue_name(channel, method.queue, method.id);
    if (name == nullptr) return;
    // §1.7.2.3.4: without queue and key, the queue's name is the key.
    const bool shortcut = method.queue.empty() && method.routing_key.empty();
    if (!bind(channel,
              {{}, method.exchange, DestinationKind::queue, *name,
               shortcut ? *name : method.routing_key, method.arguments},
              method.id))
        return;
    if (!method.no_wait) reply(channel, amqp::QueueBindOk{});
}

void Protocol::on(Channel& channel, const amqp::QueueUnbind& method) {
    const std::string* name = queue_name(channel, method.queue, method.id);
    if (name == nullptr) return;
    const bool shortcut = method.queue.empty() && method.routing_key.empty();
    if (!unbind(channel,
                {{}, method.exchange, DestinationKind::queue, *name,
                 shortcut ? *name : method.routing_key, method.arguments},
                method.id))
        return;
    reply(channel, amqp::QueueUnbindOk{});
}

void Protocol::on(Channel& channel, const amqp::ExchangeBind& method) {
    if (!bind(channel,
              {{}, method.source, DestinationKind::exchange, method.destination,
               method.routing_key, method.arguments},
              method.id))
        return;
    if (!method.no_wait) reply(channel, amqp::ExchangeBindOk{});
}

void Protocol::on(Channel& channel, const amqp::ExchangeUnbind& method) {
    if (!unbind(channel,
                {{}, method.source, DestinationKind::exchange, method.destination,
                 method.routing_key, method.arguments},
                method.id))
        return;
    if (!method.no_wait) reply(channel, amqp::ExchangeUnbindOk{});
}

} // namespace baton::broker::core
