// Applying records, keeping books, and routing.
#include "broker/core/state.hpp"

#include "base/assert.hpp"
#include "broker/core/definition_walk.hpp"
#include "broker/core/footprint.hpp"
#include "broker/core/stream.hpp"

#include <algorithm>
#include <array>

namespace baton::broker::core {

Exchange* Vhost::exchange(std::string_view name) const {
    const auto found = exchanges.find(name);
    return found == exchanges.end() ? nullptr : found->second.get();
}

Queue* Vhost::queue(std::string_view name) const {
    const auto found = queues.find(name);
    return found == queues.end() ? nullptr : found->second.get();
}

bool User::has_tag(std::string_view tag) const {
    return std::find(put.tags.begin(), put.tags.end(), tag) != put.tags.end();
}

State::State(const Options& options)
    : quorum_delivery_limit_(options.quorum_delivery_limit),
      page_sizes_{options.window_entries, options.block_entries, options.block_bytes} {}

// Messages may outlive the state in commands and records, where nobody asks for their neighbours.
State::~State() = default;

void State::apply(const Record& record, RecordNumber number) {
    std::visit([&](const auto& fact) { apply_one(fact, number); }, record);
}

// --- Virtual hosts, users, permissions -----------------------------------------------------------

namespace {

struct Predeclared {
    std::string_view name;
    ExchangeType type;
    bool internal = false;
};

constexpr std::array<Predeclared, 7> predeclared_exchanges{{
    {"", ExchangeType::direct},
    {"amq.direct", ExchangeType::direct},
    {"amq.fanout", ExchangeType::fanout},
    {"amq.topic", ExchangeType::topic},
    {"amq.headers", ExchangeType::headers},
    {"amq.match", ExchangeType::headers},
    {"amq.rabbitmq.trace", ExchangeType::topic, true},
}};

} // namespace

void State::put_vhost(const VhostPut& put) {
    auto& vhost = vhosts_[put.name];
    if (vhost) {
        vhost->put = put;
        return;
    }
    vhost = std::make_unique<Vhost>();
    vhost->put = put;
    for (const Predeclared& one : predeclared_exchanges) {
        Exchange::Identity identity;
        identity.name = one.name;
        identity.vhost = vhost.get();
        identity.kind.type = one.type;
        identity.durable = true;
        identity.internal = one.internal;
        identity.predeclared = true;
        vhost->exchanges.emplace(std::string(one.name),
                                 std::make_unique<Exchange>(std::move(identity)));
    }
}

void State::apply_one(const VhostRemoved& removed, RecordNumber) {
    const auto found = vhosts_.find(removed.name);
    if (found == vhosts_.end()) return;
    ++topology_version_;
    for (auto& [name, queue] : found->second->queues) {
        queues_.erase(queue->id());
        definition_bytes_ -= footprint(*queue);
    }
    for (auto& [name, exchange] : found->second->exchanges) {
        if (!exchange->identity().predeclared) definition_bytes_ -= footprint(*exchange);
        for (const auto& [order, binding] : exchange->bindings())
            definition_bytes_ -= footprint(binding);
    }
    for (auto& [name, user] : users_) {
        user.permissions.erase(removed.name);
        std::erase_if(user.topic_permissions,
                      [&](const auto& one) { return one.vhost == removed.name; });
    }
    std::erase_if(parameters_,
                  [&](const auto& entry) { return entry.second.vhost == removed.name; });
    vhosts_.erase(found);
}

void State::apply_one(const UserPut& put, RecordNumber) {
    ++topology_version_;
    users_[put.name].put = put;
}

void State::apply_one(const UserRemoved& removed, RecordNumber) {
    ++topology_version_;
    users_.erase(removed.name);
}

void State::apply_one(const PermissionPut& put, RecordNumber) {
    ++topology_version_;
    if (User* found = user(put.user)) found->permissions[put.vhost] = put;
}

void State::apply_one(const PermissionRemoved& removed, RecordNumber) {
    ++topology_version_;
    if (User* found = user(removed.user)) found->permissions.erase(removed.vhost);
}

void State::apply_one(const TopicPermissionPut& put, RecordNumber) {
    ++topology_version_;
    User* found = user(put.user);
    if (found == nullptr) return;
    for (TopicPermissionPut& there : found->topic_permissions)
        if (there.vhost == put.vhost && there.exchange == put.exchange) {
            there = put;
            return;
        }
    found->topic_permissions.push_back(put);
}

void State::apply_one(const TopicPermissionRemoved& removed, RecordNumber) {
    ++topology_version_;
    User* found = user(removed.user);
    if (found == nullptr) return;
    std::erase_if(found->topic_permissions, [&](const TopicPermissionPut& there) {
        return there.vhost == removed.vhost &&
               (removed.exchange.empty() || there.exchange == removed.exchange);
    });
}

void State::apply_one(const ParameterPut& put, RecordNumber) {
    const std::string key = put.vhost + '\0' + put.component + '\0' + put.name;
    if (put.value.empty())
        parameters_.erase(key);
    else
        parameters_[key] = put;
}

// --- Policies and limits -------------------------------------------------------------------------

void State::apply_one(const PolicyPut& put, RecordNumber) {
    Vhost* home = vhost(put.vhost);
    if (home == nullptr) return;
    home->policies.put(put);
    apply_policies(*home);
}

void State::apply_one(const PolicyRemoved& removed, RecordNumber) {
    Vhost* home = vhost(removed.vhost);
    if (home == nullptr) return;
    home->policies.remove(removed);
    apply_policies(*home);
}

void State::apply_one(const VhostLimitsPut& put, RecordNumber) {
    if (Vhost* home = vhost(put.vhost)) home->limits = put;
}

void State::apply_one(const UserLimitsPut& put, RecordNumber) {
    if (User* found = user(put.user)) found->limits = put;
}

QueueSettings State::settings_for(const amqp::FieldTable& arguments,
                                  const AppliedPolicy* policy) const {
    if (policy == nullptr) return settings_from_checked(arguments, quorum_delivery_limit_);
    return settings_from_checked(arguments_under(arguments, *policy), quorum_delivery_limit_);
}

// A queue that holds delayed messages is part of its exchange, not a queue of its own.
std::shared_ptr<const AppliedPolicy> State::policy_for(const Queue& queue) const {
    const Queue::Identity& identity = queue.identity();
    if (queue.settings().delays_for) return nullptr;
    return identity.vhost->policies.match(target_from_queue(identity.arguments), identity.name);
}

void State::apply_policies(Exchange& exchange) {
    exchange.policy = exchange.identity().vhost->policies.match(PolicyTarget::exchange,
                                                                exchange.name());
    const amqp::FieldValue* alternate =
        exchange.policy ? exchange.policy->definition.find("alternate-exchange") : nullptr;
    if (exchange.use_alternate(alternate ? alternate->get<std::string>() : nullptr))
        ++topology_version_;
}

void State::apply_policies(Vhost& vhost) {
    if (replaying_) return;
    for (auto& [name, exchange] : vhost.exchanges) apply_policies(*exchange);
    for (auto& [name, queue] : vhost.queues) {
        queue->policy = policy_for(*queue);
        QueueSettings settings = settings_for(queue->identity().arguments, queue->policy.get());
        if (settings == queue->settings()) continue;
        queue->settle(std::move(settings));
        resettled_.push_back(queue.get());
    }
}

// --- Topology ------------------------------------------------------------------------------------

Exchange& State::declare_exchange(const ExchangeDeclared& declared, bool durable) {
    Vhost* home = vhost(declared.vhost);
    BATON_ASSERT(home != nullptr, "an exchange is declared in a virtual host that exists");
    if (Exchange* there = home->exchange(declared.name)) return *there;
    ++topology_version_;
    Exchange::Identity identity;
    identity.name = declared.name;
    identity.vhost = home;
    if (const auto kind = exchange_kind_from(declared.type, declared.arguments))
        identity.kind = *kind;
    identity.durable = durable;
    identity.auto_delete = declared.auto_delete;
    identity.internal = declared.internal;
    identity.arguments = declared.arguments;
    auto& place = home->exchanges[declared.name];
    place = std::make_unique<Exchange>(std::move(identity));
    definition_bytes_ += footprint(*place);
    if (!replaying_) apply_policies(*place);
    return *place;
}

void State::apply_one(const ExchangeDeclared& declared, RecordNumber) {
    if (vhost(declared.vhost) != nullptr) declare_exchange(declared, true);
}

void State::remove_bindings_to(std::map<BindingOrder, Exchange*>& bound_to) {
    for (const auto& [order, source] : bound_to) remove_binding(*source, order);
    bound_to.clear();
}

void State::remove_binding(Exchange& source, BindingOrder order) {
    definition_bytes_ -= footprint(source.bindings().at(order));
    source.remove(order);
}

void State::delete_exchange(Exchange& exchange) {
    ++topology_version_;
    definition_bytes_ -= footprint(exchange);
    for (const auto& [order, binding] : exchange.bindings()) {
        definition_bytes_ -= footprint(binding);
        if (binding.queue != nullptr) binding.queue->bound_to.erase(order);
        if (binding.exchange != nullptr) binding.exchange->bound_to.erase(order);
    }
    remove_bindings_to(exchange.bound_to);
    exchange.identity().vhost->exchanges.erase(exchange.name());
}

void State::apply_one(const ExchangeDeleted& deleted, RecordNumber) {
    Vhost* home = vhost(deleted.vhost);
    Exchange* exchange = home != nullptr ? home->exchange(deleted.name) : nullptr;
    if (exchange != nullptr) delete_exchange(*exchange);
}

Queue& State::declare_queue(const QueueDeclared& declared, QueueLife life) {
    Vhost* home = vhost(declared.vhost);
    BATON_ASSERT(home != nullptr, "a queue is declared in a virtual host that exists");
    if (Queue* there = home->queue(declared.name)) return *there;
    next_queue_id_ = std::max(next_queue_id_, declared.id.value + 1);
    Queue::Identity identity;
    identity.id = declared.id;
    identity.name = declared.name;
    identity.vhost = home;
    identity.durable = life.durable;
    identity.auto_delete = declared.auto_delete;
    identity.exclusive_to = life.exclusive_to;
    identity.arguments = declared.arguments;
    QueueSettings settings = settings_from_checked(declared.arguments, quorum_delivery_limit_);

    std::unique_ptr<Queue> queue;
    if (const auto waiting = nameless_.find(declared.id); waiting != nameless_.end()) {
        queue = std::move(waiting->second);
        nameless_.erase(waiting);
        queue->become(std::move(identity), std::move(settings));
    } else {
        queue = std::make_unique<Queue>(std::move(identity), std::move(settings));
    }
    Queue& declared_queue = *queue;
    if (declared_queue.settings().stream)
        declared_queue.become_stream(std::make_unique<Stream>(
            Stream::Sizes{page_sizes_.block_entries, page_sizes_.block_bytes}));
    queues_[declared.id] = &declared_queue;
    definition_bytes_ += footprint(declared_queue);
    if (!replaying_) {
        declared_queue.policy = policy_for(declared_queue);
        if (declared_queue.policy)
            declared_queue.settle(settings_for(declared.arguments, declared_queue.policy.get()));
    }
    home->queues[declared.name] = std::move(queue);
    return declared_queue;
}

void State::apply_one(const QueueDeclared& declared, RecordNumber) {
    if (vhost(declared.vhost) != nullptr) declare_queue(declared, {});
}

void State::delete_queue(Queue& queue) {
    ++topology_version_;
    remove_bindings_to(queue.bound_to);
    definition_bytes_ -= footprint(queue);
    queue.deleted = true;
    queues_.erase(queue.id());
    ByName<Queue>& names = queue.identity().vhost->queues;
    const auto place = names.find(queue.name());
    std::unique_ptr<Queue> gone = std::move(place->second);
    names.erase(place);
    if (queue.unacked != 0) nameless_[queue.id()] = std::move(gone);
}

void State::forget_if_done(Queue& queue) {
    if (queue.deleted && queue.unacked == 0) nameless_.erase(queue.id());
}

void State::apply_one(const QueueDeleted& deleted, RecordNumber) {
    Queue* found = queue(deleted.id);
    if (found == nullptr) return;
    // Replay only: what it still holds goes with it. A living broker has emptied it before.
    found->replay_removed(0, UINT64_MAX);
    if (found->is_declared())
        delete_queue(*found);
    else {
        queues_.erase(deleted.id);
        nameless_.erase(deleted.id);
    }
}

void State::bind(const Bound& bound, bool durable) {
    Vhost* home = vhost(bound.vhost);
    if (home == nullptr) return;
    Exchange* source = home->exchange(bound.source);
    const bool to_queue = bound.destination_kind == DestinationKind::queue;
    Queue* queue = to_queue ? home->queue(bound.destination) : nullptr;
    Exchange* exchange = to_queue ? nullptr : home->exchange(bound.destination);
    if (source == nullptr || (queue == nullptr && exchange == nullptr)) return;
    if (source->find(queue, exchange, bound.routing_key, bound.arguments) != nullptr) return;
    ++topology_version_;
    Binding binding;
    binding.order = next_binding_order_++;
    binding.source = source;
    binding.queue = queue;
    binding.exchange = exchange;
    binding.routing_key = bound.routing_key;
    binding.arguments = bound.arguments;
    binding.durable = durable;
    (to_queue ? queue->bound_to : exchange->bound_to).emplace(binding.order, source);
    definition_bytes_ += footprint(source->add(std::move(binding)));
}

void State::unbind(const Unbound& unbound) {
    Vhost* home = vhost(unbound.vhost);
    if (home == nullptr) return;
    Exchange* source = home->exchange(unbound.source);
    const bool to_queue = unbound.destination_kind == DestinationKind::queue;
    Queue* queue = to_queue ? home->queue(unbound.destination) : nullptr;
    Exchange* exchange = to_queue ? nullptr : home->exchange(unbound.destination);
    if (source == nullptr || (queue == nullptr && exchange == nullptr)) return;
    Binding* binding = source->find(queue, exchange, unbound.routing_key, unbound.arguments);
    if (binding == nullptr) return;
    ++topology_version_;
    (to_queue ? queue->bound_to : exchange->bound_to).erase(binding->order);
    remove_binding(*source, binding->order);
}

// --- Messages ------------------------------------------------------------------------------------

void State::block_added(const PagedBlock& block, BlockPlace place) {
    blocks_[block.id()] = place;
    durable_bytes_ += block.journal_bytes();
    if (block.oldest_record() != 0) blocks_by_record_.emplace(block.oldest_record(), block.id());
}

void State::block_gone(const PagedBlock& block) {
    blocks_.erase(block.id());
    durable_bytes_ -= block.journal_bytes();
    blocks_by_record_.erase({block.oldest_record(), block.id()});
}

const State::BlockPlace* State::block_place(BlockId id) const {
    const auto found = blocks_.find(id);
    return found == blocks_.end() ? nullptr : &found->second;
}

std::optional<BlockId> State::any_block_up_to(RecordNumber record) const {
    if (blocks_by_record_.empty() || blocks_by_record_.begin()->first > record)
        return std::nullopt;
    return blocks_by_record_.begin()->second;
}

Queue& State::queue_or_placeholder(QueueId id) {
    if (Queue* found = queue(id)) return *found;
    next_queue_id_ = std::max(next_queue_id_, id.value + 1);
    auto& place = nameless_[id];
    place = std::make_unique<Queue>(id);
    queues_[id] = place.get();
    return *place;
}

void State::apply_one(const MessageStored& stored, RecordNumber number) {
    Queue::Replayed replayed;
    const Message* message = stored.message.get();
    replayed.priority = message != nullptr ? message->priority() : stored.priority;
    PagedEntry& entry = replayed.entry;
    entry.record = number;
    entry.body_bytes = message != nullptr ? static_cast<std::uint32_t>(message->body_size())
                                          : stored.body_bytes;
    entry.sharers = static_cast<std::uint32_t>(1 + stored.others.size());
    const auto enter = [&](const Place& place) {
        entry.position = place.position;
        entry.expires_at = place.expires_at;
        entry.delivery_count = place.delivery_count;
        entry.redelivered = place.redelivered;
        queue_or_placeholder(place.queue).replay_stored(replayed);
    };
    enter(stored.first);
    for (const Place& place : stored.others) enter(place);
}

void State::apply_one(const MessagesRemoved& removed, RecordNumber) {
    Queue* found = queue(removed.queue);
    if (found == nullptr) return;
    for (const PositionRange& range : removed.ranges)
        found->replay_removed(range.first, range.last);
}

void State::apply_one(const MessageReturned& returned, RecordNumber) {
    if (Queue* found = queue(returned.queue))
        found->replay_returned(returned.position, returned.delivery_count);
}

void State::finish_replay(bool stopped_in_order) {
    for (auto& [id, queue] : nameless_) queues_.erase(id);
    nameless_.clear();
    replaying_ = false;
    for (auto& [name, vhost] : vhosts_)
        if (!vhost->policies.empty()) apply_policies(*vhost);
    resettled_.clear();
    for (auto& [id, queue] : queues_) {
        queue->finish_replay(!stopped_in_order, page_sizes_, [this] { return take_block_id(); });
        queue->each_block([&, queue_id = id](std::size_t level, const PagedBlock& block) {
            block_added(block, {queue_id, level});
        });
        if (queue->stream)
            for (const StreamSegment& segment : queue->stream->segments())
                block_added(segment.block, {id, 0});
    }
}

// --- Looking -------------------------------------------------------------------------------------

Vhost* State::vhost(std::string_view name) const {
    const auto found = vhosts_.find(name);
    return found == vhosts_.end() ? nullptr : found->second.get();
}

User* State::user(std::string_view name) {
    const auto found = users_.find(name);
    return found == users_.end() ? nullptr : &found->second;
}

const User* State::user(std::string_view name) const {
    const auto found = users_.find(name);
    return found == users_.end() ? nullptr : &found->second;
}

Queue* State::queue(QueueId id) const {
    const auto found = queues_.find(id);
    return found == queues_.end() ? nullptr : found->second;
}

// --- Routing -------------------------------------------------------------------------------------

void State::collect_queue_named(const Vhost& vhost, std::string_view name) {
    Queue* queue = vhost.queue(name);
    // A queue may be declared at any time, and that changes no version.
    if (queue == nullptr) route_is_cacheable_ = false;
    if (queue != nullptr && queue->route_mark != route_number_) {
        queue->route_mark = route_number_;
        route_.push_back(queue);
    }
}

void State::collect(Exchange& exchange, const RoutedMessage& message,
                    std::span<const std::string> more_keys) {
    if (exchange.route_mark == route_number_) return;
    exchange.route_mark = route_number_;
    if (exchange.looks_beyond_key()) {
        route_is_cacheable_ = false;
        more_keys = {}; // would only be asked the same again
    }
    if (exchange.is_default()) {
        const Vhost& vhost = *exchange.identity().vhost;
        collect_queue_named(vhost, message.routing_key);
        for (const std::string& key : more_keys) collect_queue_named(vhost, key);
        return;
    }
    matches_.clear();
    exchange.match(message, matches_);
    for (const std::string& key : more_keys)
        exchange.match({key, message.headers, message.properties}, matches_);
    for (Binding* binding : matches_) {
        if (binding->exchange != nullptr) {
            to_visit_.push_back(binding->exchange);
        } else if (binding->queue->route_mark != route_number_) {
            binding->queue->route_mark = route_number_;
            route_.push_back(binding->queue);
        }
    }
    if (matches_.empty() && !exchange.alternate().empty())
        if (Exchange* alternate =
                exchange.identity().vhost->exchange(exchange.alternate()))
            to_visit_.push_back(alternate);
}

std::span<Queue* const> State::route(Exchange& exchange, const RoutedMessage& message,
                                     std::span<const std::string> more_keys) {
    // A hostile publisher invents keys; the cache of an exchange is bounded.
    constexpr std::size_t cached_routes_max = 4096;
    route_is_cacheable_ = more_keys.empty();
    if (exchange.cache_version != topology_version_) {
        exchange.cache.clear();
        exchange.cache_version = topology_version_;
    } else if (const auto found = exchange.cache.find(message.routing_key);
               more_keys.empty() && found != exchange.cache.end()) {
        return found->second;
    }
    ++route_number_;
    route_.clear();
    to_visit_.assign(1, &exchange);
    for (std::size_t at = 0; at < to_visit_.size(); ++at) // grows while it is walked
        collect(*to_visit_[at], message, more_keys);
    if (route_is_cacheable_) {
        if (exchange.cache.size() >= cached_routes_max) exchange.cache.clear();
        return exchange.cache.emplace(std::string(message.routing_key), route_).first->second;
    }
    return route_;
}

// --- Definitions ---------------------------------------------------------------------------------

MessageStored State::stored(Message& message) {
    return {MessageRef::share(message), message.notes.durable.first(),
            message.notes.durable.others()};
}

std::vector<Record> State::snapshot(
    const std::function<MessageRef(RecordNumber)>& content) const {
    std::map<RecordNumber, std::pair<MessageRef, std::vector<Place>>> stored;
    living_.each([&](Message& message) {
        auto& [held, places] = stored[message.notes.record];
        held = MessageRef::share(message);
        places.push_back(message.notes.durable.first());
        for (const Place& place : message.notes.durable.others()) places.push_back(place);
    });
    const auto add = [&](QueueId queue, const PagedBlock& block) {
        for (const PagedEntry& entry : block.entries()) {
            if (entry.record == 0) continue;
            auto& [held, places] = stored[entry.record];
            if (!held) held = content(entry.record);
            places.push_back({queue, entry.position, entry.expires_at, entry.delivery_count,
                              entry.redelivered});
        }
    };
    for (const auto& [id, queue] : queues_) {
        queue->each_block([&, queue_id = id](std::size_t, const PagedBlock& block) {
            add(queue_id, block);
        });
        if (!queue->stream) continue;
        for (const StreamSegment& segment : queue->stream->segments()) add(id, segment.block);
    }
    std::vector<Record> records = definitions();
    for (auto& [record, message] : stored) {
        auto& [held, places] = message;
        std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
            return std::pair(a.queue, a.position) < std::pair(b.queue, b.position);
        });
        // What the journal says of a queue that does not count is whatever was last known.
        for (Place& place : places) {
            if (!queue(place.queue)->settings().delivery_limit) place.delivery_count = 0;
            place.redelivered = place.delivery_count != 0;
        }
        records.emplace_back(
            MessageStored{held, places.front(), {places.begin() + 1, places.end()}});
    }
    return records;
}

std::vector<Record> State::definitions() const {
    std::vector<Record> records;
    (void)DefinitionWalk(*this).next(*this, SIZE_MAX, records);
    return records;
}

} // namespace baton::broker::core
