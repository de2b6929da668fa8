// From a broker to a definitions file.
#include "web/broker/broker_port.hpp"
#include "base/utf8.hpp"
#include "web/broker/broker_view.hpp"
#include "web/broker/definitions.hpp"
#include "web/broker/field_json.hpp"
#include "web/http/replies.hpp"

#include <boost/json/array.hpp>

#include <set>

namespace baton::web {

namespace broker_core = broker::core;
namespace json = boost::json;

namespace {

json::array users_of(const broker_core::Overview& overview, const BrokerPort& port) {
    json::array list;
    for (const auto& user : overview.users)
        if (user.name != port.own_user) list.push_back(user_json(user, overview));
    return list;
}

json::array permissions_of(const broker_core::Overview& overview, const BrokerPort& port) {
    json::array list;
    for (const auto& permission : overview.permissions)
        if (permission.user != port.own_user) list.push_back(permission_json(permission));
    return list;
}

json::array topic_permissions_of(const broker_core::Overview& overview, const BrokerPort& port) {
    json::array list;
    for (const auto& permission : overview.topic_permissions)
        if (permission.user != port.own_user) list.push_back(topic_permission_json(permission));
    return list;
}

// Operator policies and limits of virtual hosts are parameters in definitions.
json::array written_parameters(const broker_core::Overview& overview) {
    json::array list;
    const auto add = [&](const std::string& vhost, std::string_view component, const std::string& name,
                         json::object value) {
        json::object entry;
        entry["value"] = std::move(value);
        entry["vhost"] = as_utf8(vhost);
        entry["component"] = component;
        entry["name"] = as_utf8(name);
        list.push_back(std::move(entry));
    };
    for (const auto& parameter : overview.parameters)
        if (!parameter.vhost.empty()) list.push_back(parameter_json(parameter));
    for (const auto& policy : overview.operator_policies) {
        json::object value = policy_json(policy);
        value.erase("vhost");
        value.erase("name");
        add(policy.vhost, "operator_policy", policy.name, std::move(value));
    }
    for (const auto& limits : overview.vhost_limits) add(limits.vhost, "vhost-limits", "limits", limits_json(limits));
    return list;
}

json::array global_parameters_of(const broker_core::Overview& overview) {
    json::array list;
    for (const auto& parameter : overview.parameters)
        if (parameter.vhost.empty()) list.push_back(parameter_json(parameter));
    return list;
}

json::array queues_of(const broker_core::Overview& overview) {
    json::array list;
    for (const auto& queue : overview.queues) {
        if (queue.exclusive) continue;
        json::object entry;
        entry["name"] = as_utf8(queue.name);
        entry["vhost"] = as_utf8(queue.vhost);
        entry["durable"] = queue.durable;
        entry["auto_delete"] = queue.auto_delete;
        entry["type"] = queue.type;
        entry["arguments"] = to_json(queue.arguments);
        list.push_back(std::move(entry));
    }
    return list;
}

json::array exchanges_of(const broker_core::Overview& overview) {
    json::array list;
    for (const auto& exchange : overview.exchanges) {
        if (exchange.name.empty() || exchange.name.starts_with("amq.")) continue;
        json::object entry;
        entry["name"] = as_utf8(exchange.name);
        entry["vhost"] = as_utf8(exchange.vhost);
        entry["type"] = exchange.type;
        entry["durable"] = exchange.durable;
        entry["auto_delete"] = exchange.auto_delete;
        entry["internal"] = exchange.internal;
        entry["arguments"] = to_json(exchange.arguments);
        list.push_back(std::move(entry));
    }
    return list;
}

json::array bindings_of(const broker_core::Overview& overview) {
    std::set<std::pair<std::string, std::string>> exclusive;
    for (const auto& queue : overview.queues)
        if (queue.exclusive) exclusive.emplace(queue.vhost, queue.name);
    json::array list;
    for (const auto& binding : overview.bindings) {
        if (binding.source.empty()) continue; // the default exchange binds by itself
        if (binding.destination_kind == broker_core::DestinationKind::queue &&
            exclusive.contains({binding.vhost, binding.destination}))
            continue;
        json::object entry = binding_json(binding);
        entry.erase("properties_key");
        list.push_back(std::move(entry));
    }
    return list;
}

// In the definitions of one virtual host nobody says which.
void forget_vhost(json::object& out) {
    for (auto& section : out)
        if (auto* list = section.value().if_array())
            for (auto& entry : *list) entry.as_object().erase("vhost");
}

} // namespace

broker_core::OverviewWish definitions_wish(const std::optional<std::string>& vhost) {
    broker_core::OverviewWish wish;
    wish.connections = wish.channels = wish.consumers = false;
    wish.vhost = vhost;
    return wish;
}

json::object definitions_json(const broker_core::Overview& overview, const BrokerPort& port,
                              const std::optional<std::string>& vhost) {
    json::object out;
    out["rabbit_version"] = port.version;
    out["rabbitmq_version"] = port.version;
    out["product_name"] = port.product;
    out["product_version"] = port.version;
    broker_core::Overview shown = overview;
    if (vhost) {
        const auto is_foreign = [&](const auto& thing) { return thing.vhost != *vhost; };
        std::erase_if(shown.parameters, is_foreign);
        std::erase_if(shown.policies, is_foreign);
        std::erase_if(shown.operator_policies, is_foreign);
        std::erase_if(shown.vhost_limits, is_foreign);
    } else {
        out["users"] = users_of(shown, port);
        json::array vhosts;
        for (const auto& known : shown.vhosts) {
            json::object entry = vhost_json(known);
            entry.erase("tracing");
            vhosts.push_back(std::move(entry));
        }
        out["vhosts"] = std::move(vhosts);
        out["permissions"] = permissions_of(shown, port);
        out["topic_permissions"] = topic_permissions_of(shown, port);
        out["global_parameters"] = global_parameters_of(shown);
    }
    out["parameters"] = written_parameters(shown);
    json::array policies;
    for (const auto& policy : shown.policies) policies.push_back(policy_json(policy));
    out["policies"] = std::move(policies);
    out["queues"] = queues_of(shown);
    out["exchanges"] = exchanges_of(shown);
    out["bindings"] = bindings_of(shown);
    if (vhost) forget_vhost(out);
    return out;
}

} // namespace baton::web
