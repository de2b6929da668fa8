// The read-only view, made on demand, sorted by names so that two looks at the same broker agree.
#include "broker/core/protocol.hpp"

#include <algorithm>
#include <tuple>

namespace baton::broker::core {

namespace {

AppliedPolicyView view_of(const AppliedPolicy* policy) {
    if (policy == nullptr) return {};
    return {policy->name, policy->operator_name, policy->definition};
}

QueueView view_of(const Queue& queue, const std::string& vhost) {
    const Queue::Identity& identity = queue.identity();
    QueueView view;
    view.id = identity.id;
    view.vhost = vhost;
    view.name = identity.name;
    view.type = queue.settings().stream   ? "stream"
                : queue.settings().quorum ? "quorum"
                                          : "classic";
    view.durable = identity.durable;
    view.exclusive = queue.is_exclusive();
    view.auto_delete = identity.auto_delete;
    view.arguments = identity.arguments;
    view.ready = queue.ready();
    view.unacked = queue.unacked;
    view.ready_bytes = queue.ready_bytes();
    view.unacked_bytes = queue.unacked_bytes;
    view.consumers = queue.consumers.size();
    view.has_single_active_consumer = queue.settings().single_active_consumer;
    if (queue.active_consumer != nullptr) view.active_consumer_tag = queue.active_consumer->tag;
    view.counters = queue.counters;
    view.held = queue.held;
    view.policy = view_of(queue.policy.get());
    return view;
}

ExchangeView view_of(const Exchange& exchange, const std::string& vhost) {
    const Exchange::Identity& identity = exchange.identity();
    ExchangeView view;
    view.vhost = vhost;
    view.name = identity.name;
    view.type = name_of(identity.kind);
    view.durable = identity.durable;
    view.auto_delete = identity.auto_delete;
    view.internal = identity.internal;
    view.arguments = identity.arguments;
    view.published_in = exchange.published_in;
    view.published_out = exchange.published_out;
    view.policy = view_of(exchange.policy.get());
    return view;
}

BindingView view_of(const Binding& binding, const std::string& vhost) {
    const bool to_queue = binding.queue != nullptr;
    return {vhost,
            binding.source->name(),
            to_queue ? DestinationKind::queue : DestinationKind::exchange,
            to_queue ? binding.queue->name() : binding.exchange->name(),
            binding.routing_key,
            binding.arguments};
}

ConnectionView view_of(const Connection& connection) {
    const ConnectionOpened& told = connection.told;
    ConnectionView view;
    view.id = told.connection;
    view.name = told.name;
    view.user = told.user;
    view.vhost = told.vhost;
    view.peer_host = told.peer_host;
    view.peer_port = told.peer_port;
    view.host = told.host;
    view.port = told.port;
    view.mechanism = told.mechanism;
    view.tls = told.tls;
    view.blocked = connection.is_held && connection.publishes;
    view.closing = connection.closing;
    view.channel_max = told.channel_max;
    view.frame_max = told.frame_max;
    view.heartbeat_seconds = told.heartbeat_seconds;
    for (const auto& channel : connection.channels)
        if (channel != nullptr) ++view.channels;
    view.connected_at = connection.connected_at;
    view.client_properties = told.client_properties;
    return view;
}

ChannelView view_of(const Channel& channel) {
    ChannelView view;
    view.connection = channel.connection->told.connection;
    view.number = channel.number;
    view.connection_name = channel.connection->told.name;
    view.user = channel.connection->told.user;
    view.vhost = channel.connection->told.vhost;
    view.consumers = channel.consumers.size();
    view.unacked = channel.unacked.open();
    view.prefetch = channel.prefetch;
    view.global_prefetch = channel.global_prefetch;
    view.confirming = channel.mode == Channel::Mode::confirm;
    view.transactional = channel.mode == Channel::Mode::transaction;
    view.counters = channel.counters;
    return view;
}

ConsumerView view_of(const Consumer& consumer) {
    const Channel& channel = *consumer.channel;
    ConsumerView view;
    view.connection = channel.connection->told.connection;
    view.channel = channel.number;
    view.connection_name = channel.connection->told.name;
    view.vhost = channel.connection->told.vhost;
    view.queue = consumer.queue != nullptr ? consumer.queue->name() : "amq.rabbitmq.reply-to";
    view.tag = consumer.tag;
    view.no_ack = consumer.no_ack;
    view.exclusive = consumer.exclusive;
    view.active = consumer.queue == nullptr ||
                  !consumer.queue->settings().single_active_consumer ||
                  consumer.queue->active_consumer == &consumer;
    view.prefetch = consumer.prefetch;
    view.priority = consumer.priority;
    view.arguments = consumer.arguments;
    return view;
}

template <typename View>
void sort_by_name(std::vector<View>& views) {
    std::sort(views.begin(), views.end(), [](const View& a, const View& b) {
        return std::tie(a.vhost, a.name) < std::tie(b.vhost, b.name);
    });
}

bool is_named(const OverviewWish& wish, std::string_view name) {
    return (!wish.name || *wish.name == name) && name.starts_with(wish.name_prefix);
}

void add_topology(Overview& overview, const OverviewWish& wish, const Vhost& vhost) {
    for (const auto& [name, queue] : vhost.queues) {
        overview.totals.queues += 1;
        overview.totals.ready += queue->ready();
        overview.totals.unacked += queue->unacked;
        overview.totals.consumers += queue->consumers.size();
        if (wish.queues && is_named(wish, name))
            overview.queues.push_back(view_of(*queue, vhost.name()));
        if (wish.bindings)
            overview.bindings.push_back(
                {vhost.name(), "", DestinationKind::queue, name, name, {}});
    }
    for (const auto& [name, exchange] : vhost.exchanges) {
        overview.totals.exchanges += 1;
        if (wish.exchanges && is_named(wish, name))
            overview.exchanges.push_back(view_of(*exchange, vhost.name()));
        if (!wish.bindings) continue;
        for (const auto& [order, binding] : exchange->bindings())
            overview.bindings.push_back(view_of(binding, vhost.name()));
    }
}

void add_what_left(MessageCounters& sum, const MessageCounters& more) {
    sum.delivered += more.delivered;
    sum.delivered_no_ack += more.delivered_no_ack;
    sum.gotten += more.gotten;
    sum.gotten_no_ack += more.gotten_no_ack;
    sum.redelivered += more.redelivered;
    sum.acknowledged += more.acknowledged;
}

void add_users(Overview& overview, const State& state) {
    for (const auto& [name, user] : state.users()) {
        overview.users.push_back(user.put);
        for (const auto& [vhost, permission] : user.permissions)
            overview.permissions.push_back(permission);
        overview.topic_permissions.insert(overview.topic_permissions.end(),
                                          user.topic_permissions.begin(),
                                          user.topic_permissions.end());
    }
}

void add_policies(Overview& overview, const OverviewWish& wish, const State& state) {
    const auto wanted = [&](std::string_view vhost) { return !wish.vhost || *wish.vhost == vhost; };
    for (const auto& [name, vhost] : state.vhosts()) {
        if (!wanted(name)) continue;
        vhost->policies.each([&](const PolicyPut& policy) {
            (policy.is_operator ? overview.operator_policies : overview.policies)
                .push_back(policy);
        });
        if (vhost->limits.connections_max || vhost->limits.queues_max)
            overview.vhost_limits.push_back(vhost->limits);
    }
    for (const auto& [name, user] : state.users())
        if (user.limits.connections_max || user.limits.channels_max)
            overview.user_limits.push_back(user.limits);
    for (const auto& [key, parameter] : state.parameters())
        if ((parameter.vhost.empty() || wanted(parameter.vhost)) &&
            !parameter.component.starts_with(hidden_component_prefix))
            overview.parameters.push_back(parameter);
    sort_by_name(overview.policies);
    sort_by_name(overview.operator_policies);
    std::sort(overview.vhost_limits.begin(), overview.vhost_limits.end(),
              [](const auto& a, const auto& b) { return a.vhost < b.vhost; });
}

} // namespace

Overview Protocol::overview(const OverviewWish& wish) const {
    Overview overview;
    const auto wanted = [&](std::string_view vhost) { return !wish.vhost || *wish.vhost == vhost; };
    for (const auto& [name, vhost] : state_.vhosts()) {
        overview.vhosts.push_back(vhost->put);
        if (wanted(name)) add_topology(overview, wish, *vhost);
    }
    for (const auto& [id, connection] : connections_) {
        if (!wanted(connection->told.vhost)) continue;
        overview.totals.connections += 1;
        if (wish.connections) overview.connections.push_back(view_of(*connection));
        for (const auto& channel : connection->channels) {
            if (channel == nullptr) continue;
            overview.totals.channels += 1;
            if (channel->counters.published != 0) overview.totals.publishers += 1;
            if (wish.channels) overview.channels.push_back(view_of(*channel));
            if (!wish.consumers) continue;
            for (const auto& consumer : channel->consumers)
                overview.consumers.push_back(view_of(*consumer));
        }
    }
    for (QueueView& queue : overview.queues)
        if (queue.exclusive)
            for (const auto& [id, connection] : connections_)
                for (const Queue* owned : connection->exclusive_queues)
                    if (owned->id() == queue.id) queue.owner = connection->told.name;
    if (wish.users) add_users(overview, state_);
    if (wish.policies) add_policies(overview, wish, state_);
    overview.totals.stored_bytes = state_.stored_bytes();
    overview.totals.definition_bytes = state_.definition_bytes();
    overview.totals.open_bytes = open_bytes_;
    overview.totals.transaction_bytes = transaction_bytes_;
    overview.totals.outside_bytes = outside_bytes_;
    overview.totals.publishers_wait = publishers_wait_;
    overview.totals.alarms = {alarms_[0] || too_many_bytes_, alarms_[1], alarms_[2]};
    overview.totals.counters = counters_;
    for (const MessageCounters& left : since_start_.by_kind)
        add_what_left(overview.totals.counters, left);
    overview.totals.since_start = since_start_;

    std::sort(overview.vhosts.begin(), overview.vhosts.end(),
              [](const VhostPut& a, const VhostPut& b) { return a.name < b.name; });
    sort_by_name(overview.queues);
    sort_by_name(overview.exchanges);
    const auto key_of = [](const BindingView& view) {
        return std::tie(view.vhost, view.source, view.destination_kind, view.destination,
                        view.routing_key);
    };
    std::sort(overview.bindings.begin(), overview.bindings.end(),
              [&](const BindingView& a, const BindingView& b) { return key_of(a) < key_of(b); });
    return overview;
}

} // namespace baton::broker::core
