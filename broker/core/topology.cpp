// exchange.* and queue.*: what exists, who may touch it, and what goes with it when it goes.
#include "broker/core/protocol.hpp"

#include "base/assert.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::broker::core {

namespace {

constexpr std::string_view reply_to_name = "amq.rabbitmq.reply-to";

std::string what_queue(std::string_view name, const Vhost& vhost) {
    return fmt::format("queue '{}' in vhost '{}'", name, vhost.name());
}

std::string what_exchange(std::string_view name, const Vhost& vhost) {
    return fmt::format("exchange '{}' in vhost '{}'", name, vhost.name());
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

bool Protocol::check_lock(Channel& channel, const Queue& queue, amqp::MethodId method) {
    if (queue.settings().delays_for) {
        refuse(channel, Code::access_refused, method,
               fmt::format("{} holds delayed messages of {}",
                           what_queue(queue.name(), *channel.connection->vhost),
                           what_exchange(*queue.settings().delays_for,
                                         *channel.connection->vhost)));
        return false;
    }
    if (!queue.is_exclusive() ||
        queue.identity().exclusive_to == channel.connection->told.connection)
        return true;
    refuse(channel, Code::resource_locked, method,
           fmt::format("cannot obtain exclusive access to locked {}. It could be originally "
                       "declared on another connection or the exclusive property value does not "
                       "match that of the original declaration.",
                       what_queue(queue.name(), *channel.connection->vhost)));
    return false;
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
    Vhost& vhost = *channel.connection->vhost;
    if (method.exchange.empty())
        return refuse(channel, Code::access_refused, method.id,
                      "operation not permitted on the default exchange");
    Exchange* exchange = vhost.exchange(method.exchange);
    if (method.passive) {
        if (exchange_or_refuse(channel, method.exchange, method.id) == nullptr) return;
    } else {
        if (!check_right(channel, Right::configure, false, method.exchange, method.id)) return;
        if (const auto kind = exchange_kind_from(method.type, method.arguments); !kind)
            return refuse(channel, Code::precondition_failed, method.id, kind.error().detail);
        if (exchange != nullptr)
            redeclare_exchange(channel, method, *exchange);
        else
            declare_new_exchange(channel, method);
        if (channel.closing) return;
    }
    if (!method.no_wait) reply(channel, amqp::ExchangeDeclareOk{});
}

void Protocol::redeclare_exchange(Channel& channel, const amqp::ExchangeDeclare& method,
                                  const Exchange& exchange) {
    const Exchange::Identity& current = exchange.identity();
    const std::string what = what_exchange(current.name, *channel.connection->vhost);
    const std::string_view type = name_of(current.kind);
    if (method.type != type)
        return refuse(channel, Code::precondition_failed, method.id,
                      fmt::format("inequivalent arg 'type' for {}: received '{}' but current is "
                                  "'{}'",
                                  what, method.type, type));
    for (const auto& checked :
         {check_equal_flag("durable", method.durable, current.durable, what),
          check_equal_flag("auto_delete", method.auto_delete, current.auto_delete, what),
          check_equal_flag("internal", method.internal, current.internal, what),
          check_equal_argument("alternate-exchange", method.arguments, current.arguments, what),
          check_equal_argument("x-delayed-type", method.arguments, current.arguments, what)})
        if (!checked)
            return refuse(channel, Code::precondition_failed, method.id, checked.error().detail);
}

void Protocol::declare_new_exchange(Channel& channel, const amqp::ExchangeDeclare& method) {
    const Vhost& vhost = *channel.connection->vhost;
    if (method.exchange.starts_with("amq."))
        return refuse(channel, Code::access_refused, method.id,
                      fmt::format("exchange name '{}' contains reserved prefix 'amq.*'",
                                  method.exchange));
    if (const amqp::FieldValue* alternate = method.arguments.find("alternate-exchange")) {
        const auto* name = alternate->get<std::string>();
        if (name == nullptr)
            return refuse(channel, Code::precondition_failed, method.id,
                          fmt::format("invalid arg 'alternate-exchange' for {}: "
                                      "{{unacceptable_type,{}}}",
                                      what_exchange(method.exchange, vhost),
                                      amqp::type_name(*alternate)));
        if (!check_right(channel, Right::read, false, method.exchange, method.id) ||
            !check_right(channel, Right::write, false, *name, method.id))
            return;
    }
    ExchangeDeclared declared{vhost.name(),       method.exchange, method.type,
                              method.auto_delete, method.internal, method.arguments};
    if (exchange_kind_from(method.type, method.arguments)->delays)
        declare_delays(vhost, declared, method.durable);
    if (method.durable)
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
    if (method.exchange.empty())
        return refuse(channel, Code::access_refused, method.id,
                      "operation not permitted on the default exchange");
    if (method.exchange.starts_with("amq."))
        return refuse(channel, Code::access_refused, method.id,
                      fmt::format("deletion of system {} not allowed",
                                  what_exchange(method.exchange, vhost)));
    if (!check_right(channel, Right::configure, false, method.exchange, method.id)) return;
    if (Exchange* exchange = vhost.exchange(method.exchange)) {
        if (method.if_unused && exchange->has_bindings())
            return refuse(channel, Code::precondition_failed, method.id,
                          fmt::format("{} in use", what_exchange(method.exchange, vhost)));
        delete_exchange(*exchange);
    }
    if (!method.no_wait) reply(channel, amqp::ExchangeDeleteOk{});
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
    const Vhost& vhost = *channel.connection->vhost;
    if (method.queue.starts_with(reply_to_name)) {
        const bool is_there =
            method.queue == reply_to_name || reply_channels_.contains(method.queue);
        if (!is_there)
            return refuse(channel, Code::not_found, method.id,
                          fmt::format("no {}", what_queue(method.queue, vhost)));
        if (!method.no_wait) reply(channel, amqp::QueueDeclareOk{method.queue, 0, 1});
        return;
    }
    if (method.passive) {
        Queue* queue = queue_or_refuse(channel, method.queue, method.id);
        if (queue != nullptr) reply_declared(channel, method, *queue);
        return;
    }
    std::string name = method.queue.empty() ? generated_name("amq.gen-") : method.queue;
    if (!check_right(channel, Right::configure, true, name, method.id)) return;
    if (Queue* queue = vhost.queue(name))
        redeclare_queue(channel, method, *queue);
    else
        declare_new_queue(channel, method, std::move(name));
}

void Protocol::reply_declared(Channel& channel, const amqp::QueueDeclare& method,
                              Queue& queue) {
    catch_up(queue);
    channel.last_queue = queue.name();
    if (method.no_wait) return;
    reply(channel, amqp::QueueDeclareOk{queue.name(), static_cast<std::uint32_t>(queue.ready()),
                                        static_cast<std::uint32_t>(queue.consumers.size())});
}

void Protocol::redeclare_queue(Channel& channel, const amqp::QueueDeclare& method, Queue& queue) {
    const Queue::Identity& current = queue.identity();
    const std::string what = what_queue(current.name, *channel.connection->vhost);
    if (!check_lock(channel, queue, method.id)) return;
    // The owner asking for a shared queue where it has an exclusive one, or the other way round.
    if (method.exclusive != queue.is_exclusive())
        return refuse(channel, Code::resource_locked, method.id,
                      fmt::format("cannot obtain exclusive access to locked {}. It could be "
                                  "originally declared on another connection or the exclusive "
                                  "property value does not match that of the original "
                                  "declaration.",
                                  what));
    for (const auto& checked :
         {check_equal_flag("durable", method.durable, current.durable, what),
          check_equal_flag("auto_delete", method.auto_delete, current.auto_delete, what)})
        if (!checked)
            return refuse(channel, Code::precondition_failed, method.id, checked.error().detail);
    for (const std::string_view argument : compared_queue_arguments())
        if (const auto checked =
                check_equal_argument(argument, method.arguments, current.arguments, what);
            !checked)
            return refuse(channel, Code::precondition_failed, method.id, checked.error().detail);
    used(queue);
    reply_declared(channel, method, queue);
}

void Protocol::declare_new_queue(Channel& channel, const amqp::QueueDeclare& method,
                                 std::string name) {
    Connection& connection = *channel.connection;
    const Vhost& vhost = *connection.vhost;
    if (!method.queue.empty() && name.starts_with("amq."))
        return refuse(channel, Code::access_refused, method.id,
                      fmt::format("queue name '{}' contains reserved prefix 'amq.*'", name));
    if (method.arguments.contains(delays_argument))
        return refuse(channel, Code::precondition_failed, method.id,
                      fmt::format("invalid arg '{}' for {}: only the server uses it",
                                  delays_argument, what_queue(name, vhost)));
    const auto settings =
        settings_from(method.arguments, {name, vhost.name(), method.durable, method.exclusive},
                      options_.quorum_delivery_limit);
    if (!settings)
        return refuse(channel, Code::precondition_failed, method.id, settings.error().detail);
    if (const auto& target = settings->dead_letter_exchange)
        if (!check_right(channel, Right::read, true, name, method.id) ||
            !check_right(channel, Right::write, false, *target, method.id))
            return;

    QueueDeclared declared{state_.take_queue_id(), vhost.name(), std::move(name),
                           method.auto_delete, method.arguments};
    const QueueId id = declared.id;
    if (method.durable && !method.exclusive) {
        commit(std::move(declared));
    } else {
        const ConnectionId owner =
            method.exclusive ? connection.told.connection : ConnectionId{};
        state_.declare_queue(declared, {method.durable, owner});
    }
    Queue& queue = *state_.queue(id);
    if (method.exclusive) connection.exclusive_queues.push_back(&queue);
    used(queue);
    reply_declared(channel, method, queue);
}

// --- queue.delete and queue.purge ----------------------------------------------------------------

void Protocol::on(Channel& channel, const amqp::QueueDelete& method) {
    const Vhost& vhost = *channel.connection->vhost;
    const std::string* name = queue_name(channel, method.queue, method.id);
    if (name == nullptr) return;
    if (!check_right(channel, Right::configure, true, *name, method.id)) return;
    std::uint64_t count = 0;
    if (Queue* queue = vhost.queue(*name)) {
        if (!check_lock(channel, *queue, method.id)) return;
        catch_up(*queue);
        if (method.if_unused && !queue->consumers.empty())
            return refuse(channel, Code::precondition_failed, method.id,
                          fmt::format("{} in use", what_queue(*name, vhost)));
        if (method.if_empty && queue->ready() != 0)
            return refuse(channel, Code::precondition_failed, method.id,
                          fmt::format("{} not empty", what_queue(*name, vhost)));
        count = queue->ready();
        delete_queue(*queue);
    }
    if (!method.no_wait)
        reply(channel, amqp::QueueDeleteOk{static_cast<std::uint32_t>(count)});
}

std::uint64_t Protocol::purge(Queue& queue) {
    const std::uint64_t count = queue.ready();
    while (queue.ready() != 0) {
        Entry entry = queue.pop_to_drop();
        forget(queue, entry);
    }
    return count;
}

void Protocol::delete_queue(Queue& queue) {
    Vhost& vhost = *queue.identity().vhost;
    // Set first: what is forgotten now needs no record of its own.
    queue.deleted = true;
    while (!queue.consumers.empty()) {
        Consumer& consumer = *queue.consumers.back();
        Channel& channel = *consumer.channel;
        if (channel.connection->told.capabilities.consumer_cancel_notify &&
            !channel.connection->closing)
            say(channel, Reply{std::make_unique<amqp::Method>(
                             amqp::BasicCancel{consumer.tag, true})});
        remove_consumer(consumer);
    }
    purge(queue);
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
    catch_up(*queue);
    const std::uint64_t count = purge(*queue);
    if (!method.no_wait)
        reply(channel, amqp::QueuePurgeOk{static_cast<std::uint32_t>(count)});
}

// --- Bindings ------------------------------------------------------------------------------------

bool Protocol::check_binding_rights(Channel& channel, const Bound& bound, amqp::MethodId method) {
    const bool to_queue = bound.destination_kind == DestinationKind::queue;
    if (bound.source.empty() || (!to_queue && bound.destination.empty())) {
        refuse(channel, Code::access_refused, method,
               "operation not permitted on the default exchange");
        return false;
    }
    return check_right(channel, Right::write, to_queue, bound.destination, method) &&
           check_right(channel, Right::read, false, bound.source, method);
}

bool Protocol::bind(Channel& channel, Bound bound, amqp::MethodId method) {
    if (!check_binding_rights(channel, bound, method)) return false;
    const Vhost& vhost = *channel.connection->vhost;
    Exchange* source = exchange_or_refuse(channel, bound.source, method);
    if (source == nullptr) return false;
    bool durable = source->identity().durable;
    if (bound.destination_kind == DestinationKind::queue) {
        Queue* queue = queue_or_refuse(channel, bound.destination, method);
        if (queue == nullptr) return false;
        durable = durable && queue->is_recorded();
        if (source->find(queue, nullptr, bound.routing_key, bound.arguments) != nullptr)
            return true;
    } else {
        Exchange* target = exchange_or_refuse(channel, bound.destination, method);
        if (target == nullptr) return false;
        durable = durable && target->identity().durable;
        if (source->find(nullptr, target, bound.routing_key, bound.arguments) != nullptr)
            return true;
    }
    if (!check_topic_right(channel, Right::read, *source, bound.routing_key, method)) return false;
    if (const auto checked =
            check_binding(source->identity().kind.type, bound.routing_key, bound.arguments);
        !checked) {
        refuse(channel, Code::precondition_failed, method, checked.error().detail);
        return false;
    }
    bound.vhost = vhost.name();
    if (durable)
        commit(std::move(bound));
    else
        state_.bind(bound, false);
    return true;
}

bool Protocol::unbind(Channel& channel, Unbound unbound, amqp::MethodId method) {
    const Bound same{unbound.vhost,       unbound.source,      unbound.destination_kind,
                     unbound.destination, unbound.routing_key, {}};
    if (!check_binding_rights(channel, same, method)) return false;
    Vhost& vhost = *channel.connection->vhost;
    Exchange* source = vhost.exchange(unbound.source);
    Queue* queue = nullptr;
    Exchange* target = nullptr;
    if (unbound.destination_kind == DestinationKind::queue) {
        queue = vhost.queue(unbound.destination);
        if (queue != nullptr && !check_lock(channel, *queue, method)) return false;
    } else {
        target = vhost.exchange(unbound.destination);
    }
    if (source == nullptr || (queue == nullptr && target == nullptr)) return true;
    const Binding* binding =
        source->find(queue, target, unbound.routing_key, unbound.arguments);
    if (binding == nullptr) return true;
    unbound.vhost = vhost.name();
    const std::string source_name = unbound.source;
    if (binding->durable)
        commit(std::move(unbound));
    else
        state_.unbind(unbound);
    delete_if_unbound(vhost, source_name);
    return true;
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
