// One function per kind of definition, each with a place to go on from.
#include "broker/core/definition_walk.hpp"

#include <algorithm>

namespace baton::broker::core {

namespace {

const Exchange* find_exchange(const State& state,
                              const std::pair<std::string, std::string>& name) {
    const Vhost* vhost = state.vhost(name.first);
    return vhost != nullptr ? vhost->exchange(name.second) : nullptr;
}

std::vector<const Vhost*> sorted_vhosts(const State& state) {
    std::vector<const Vhost*> sorted;
    for (const auto& [name, vhost] : state.vhosts()) sorted.push_back(vhost.get());
    std::ranges::sort(sorted, {}, [](const Vhost* vhost) { return vhost->name(); });
    return sorted;
}

void say_hosts_and_users(const State& state, std::vector<Record>& records) {
    const std::vector<const Vhost*> vhosts = sorted_vhosts(state);
    for (const Vhost* vhost : vhosts) records.emplace_back(vhost->put);
    for (const auto& [name, user] : state.users()) {
        records.emplace_back(user.put);
        for (const auto& [vhost, permission] : user.permissions) records.emplace_back(permission);
        for (const auto& permission : user.topic_permissions) records.emplace_back(permission);
        if (user.limits.connections_max || user.limits.channels_max)
            records.emplace_back(user.limits);
    }
    for (const auto& [key, parameter] : state.parameters()) records.emplace_back(parameter);
    for (const Vhost* vhost : vhosts) {
        const VhostLimitsPut& limits = vhost->limits;
        if (limits.connections_max || limits.queues_max) records.emplace_back(limits);
        vhost->policies.each([&](const PolicyPut& policy) { records.emplace_back(policy); });
    }
}

Bound bound_from(const Exchange& exchange, const Binding& binding) {
    const bool to_queue = binding.queue != nullptr;
    return {exchange.identity().vhost->name(),
            exchange.name(),
            to_queue ? DestinationKind::queue : DestinationKind::exchange,
            to_queue ? binding.queue->name() : binding.exchange->name(),
            binding.routing_key,
            binding.arguments};
}

} // namespace

DefinitionWalk::DefinitionWalk(const State& state) {
    list_exchanges(state);
    for (const auto& [name, vhost] : state.vhosts())
        for (const auto& [queue_name, queue] : vhost->queues)
            if (queue->is_recorded()) queues_.push_back(queue->id());
    std::ranges::sort(queues_);
}

void DefinitionWalk::list_exchanges(const State& state) {
    exchanges_.clear();
    for (const auto& [name, vhost] : state.vhosts())
        for (const auto& [exchange_name, exchange] : vhost->exchanges)
            exchanges_.emplace_back(name, exchange_name);
    std::ranges::sort(exchanges_);
}

void DefinitionWalk::go_to(Stage stage) {
    stage_ = stage;
    at_ = 0;
}

bool DefinitionWalk::next(const State& state, std::size_t most, std::vector<Record>& records) {
    const std::size_t enough = records.size() + std::min(most, SIZE_MAX - records.size());
    while (stage_ != Stage::done && records.size() < enough) {
        switch (stage_) {
        case Stage::hosts_and_users:
            say_hosts_and_users(state, records);
            go_to(Stage::exchanges);
            break;
        case Stage::exchanges:
            say_exchanges(state, enough, records);
            break;
        case Stage::queues:
            say_queues(state, enough, records);
            break;
        case Stage::bindings:
            say_bindings(state, enough, records);
            break;
        case Stage::done:
            break;
        }
    }
    return stage_ != Stage::done;
}

void DefinitionWalk::say_exchanges(const State& state, std::size_t enough,
                                   std::vector<Record>& records) {
    for (; at_ < exchanges_.size() && records.size() < enough; ++at_) {
        const Exchange* exchange = find_exchange(state, exchanges_[at_]);
        if (exchange == nullptr) continue;
        const Exchange::Identity& identity = exchange->identity();
        if (!identity.durable || identity.predeclared) continue;
        records.emplace_back(ExchangeDeclared{exchanges_[at_].first, identity.name,
                                              std::string(name_of(identity.kind)),
                                              identity.auto_delete, identity.internal,
                                              identity.arguments});
    }
    if (at_ == exchanges_.size()) go_to(Stage::queues);
}

void DefinitionWalk::say_queues(const State& state, std::size_t enough,
                                std::vector<Record>& records) {
    for (; at_ < queues_.size() && records.size() < enough; ++at_) {
        const Queue* queue = state.queue(queues_[at_]);
        if (queue == nullptr || !queue->is_declared() || queue->deleted) continue;
        const Queue::Identity& identity = queue->identity();
        records.emplace_back(QueueDeclared{identity.id, identity.vhost->name(), identity.name,
                                           identity.auto_delete, identity.arguments});
    }
    if (at_ < queues_.size()) return;
    go_to(Stage::bindings);
    list_exchanges(state);
    said_ = 0;
}

void DefinitionWalk::say_bindings(const State& state, std::size_t enough,
                                  std::vector<Record>& records) {
    for (; at_ < exchanges_.size(); ++at_, said_ = 0) {
        const Exchange* exchange = find_exchange(state, exchanges_[at_]);
        if (exchange == nullptr) continue;
        const auto& bindings = exchange->bindings();
        for (auto at = bindings.upper_bound(said_); at != bindings.end(); ++at) {
            if (records.size() >= enough) return;
            said_ = at->first;
            if (at->second.durable) records.emplace_back(bound_from(*exchange, at->second));
        }
    }
    go_to(Stage::done);
}

} // namespace baton::broker::core
