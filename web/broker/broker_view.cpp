#include "web/broker/broker_view.hpp"

#include "base/crc32c.hpp"
#include "base/utf8.hpp"
#include "web/broker/broker_port.hpp"
#include "web/broker/field_json.hpp"
#include "web/broker/rates.hpp"
#include "web/http/replies.hpp"

#include <boost/json/value.hpp>
#include <fmt/format.h>

#include <algorithm>

namespace baton::web {

namespace broker_core = broker::core;
namespace json = boost::json;

namespace {

json::value text(std::string_view value) { return json::value(as_utf8(value)); }

json::value name_or_null(std::string_view value) {
    if (value.empty()) return nullptr;
    return text(value);
}

json::array texts(const std::vector<std::string>& values) {
    json::array list;
    for (const auto& value : values) list.push_back(text(value));
    return list;
}

json::object channel_details(broker_core::ConnectionId connection, broker_core::ChannelNumber number,
                             const std::string& connection_name, const std::string& node) {
    json::object out;
    out["connection_name"] = text(connection_name);
    out["name"] = text(fmt::format("{} ({})", connection_name, number));
    out["number"] = number;
    out["pid"] = channel_pid(connection, number);
    out["node"] = text(node);
    return out;
}

void put_limit(json::object& out, std::string_view name, const std::optional<std::int64_t>& limit) {
    if (limit) out[name] = *limit;
}

std::string_view state_of(const broker_core::ConnectionView& connection) {
    if (connection.closing) return "closing";
    return connection.blocked ? "blocked" : "running";
}

void put_policy_fields(json::object& out, const broker_core::AppliedPolicyView& policy) {
    out["policy"] = name_or_null(policy.name);
    out["operator_policy"] = name_or_null(policy.operator_name);
    out["effective_policy_definition"] = to_json(policy.definition);
}

// Percent-encodes as RabbitMQ does in its property keys.
std::string encoded(std::string_view raw) {
    std::string out;
    for (const char c : raw) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                           c == '-' || c == '_' || c == '.';
        if (plain)
            out += c;
        else
            out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return out;
}

} // namespace

std::string connection_pid(broker_core::ConnectionId connection) { return fmt::format("<baton.{}>", connection.value); }

std::string channel_pid(broker_core::ConnectionId connection, broker_core::ChannelNumber channel) {
    return fmt::format("<baton.{}.{}>", connection.value, channel);
}

std::string properties_key(const broker_core::BindingView& binding) {
    std::string key = encoded(binding.routing_key);
    if (binding.arguments.empty()) return key.empty() ? "~" : key;
    return fmt::format("{}~{:08x}", key, crc32c(as_bytes(amqp::to_text(binding.arguments))));
}

json::object queue_json(const broker_core::QueueView& queue, const std::string& node) {
    json::object out;
    out["name"] = text(queue.name);
    out["vhost"] = text(queue.vhost);
    out["type"] = queue.type;
    out["durable"] = queue.durable;
    out["auto_delete"] = queue.auto_delete;
    out["exclusive"] = queue.exclusive;
    out["arguments"] = to_json(queue.arguments);
    out["node"] = text(node);
    out["state"] = "running";
    out["messages"] = queue.ready + queue.unacked;
    out["messages_ready"] = queue.ready;
    out["messages_unacknowledged"] = queue.unacked;
    out["message_bytes"] = queue.ready_bytes + queue.unacked_bytes;
    out["message_bytes_ready"] = queue.ready_bytes;
    out["message_bytes_unacknowledged"] = queue.unacked_bytes;
    out["consumers"] = queue.consumers;
    out["exclusive_consumer_tag"] = nullptr;
    out["single_active_consumer_tag"] =
        queue.has_single_active_consumer ? name_or_null(queue.active_consumer_tag) : json::value(nullptr);
    put_policy_fields(out, queue.policy);
    if (queue.idle_since) out["idle_since"] = to_rfc3339(*queue.idle_since);
    if (!queue.owner.empty()) {
        json::object owner;
        owner["name"] = text(queue.owner);
        out["owner_pid_details"] = std::move(owner);
    }
    out["message_stats"] = flow_json(FlowKind::queue, values_of(queue));
    return out;
}

json::object exchange_json(const broker_core::ExchangeView& exchange) {
    json::object out;
    out["name"] = text(exchange.name);
    out["vhost"] = text(exchange.vhost);
    out["type"] = exchange.type;
    out["durable"] = exchange.durable;
    out["auto_delete"] = exchange.auto_delete;
    out["internal"] = exchange.internal;
    out["arguments"] = to_json(exchange.arguments);
    out["policy"] = name_or_null(exchange.policy.name);
    out["message_stats"] = flow_json(FlowKind::exchange, values_of(exchange));
    return out;
}

json::object binding_json(const broker_core::BindingView& binding) {
    json::object out;
    out["source"] = text(binding.source);
    out["vhost"] = text(binding.vhost);
    out["destination"] = text(binding.destination);
    out["destination_type"] = binding.destination_kind == broker_core::DestinationKind::queue ? "queue" : "exchange";
    out["routing_key"] = text(binding.routing_key);
    out["arguments"] = to_json(binding.arguments);
    out["properties_key"] = properties_key(binding);
    return out;
}

json::object connection_json(const broker_core::ConnectionView& connection, const std::string& node) {
    json::object out;
    out["name"] = text(connection.name);
    out["pid"] = connection_pid(connection.id);
    out["user"] = text(connection.user);
    out["vhost"] = text(connection.vhost);
    out["node"] = text(node);
    out["type"] = "network";
    out["protocol"] = "AMQP 0-9-1";
    out["state"] = state_of(connection);
    out["host"] = connection.host;
    out["port"] = connection.port;
    out["peer_host"] = connection.peer_host;
    out["peer_port"] = connection.peer_port;
    out["auth_mechanism"] = connection.mechanism;
    out["ssl"] = connection.tls;
    out["channels"] = connection.channels;
    out["channel_max"] = connection.channel_max;
    out["frame_max"] = connection.frame_max;
    out["timeout"] = connection.heartbeat_seconds;
    out["connected_at"] = millis_of(connection.connected_at);
    out["client_properties"] = to_json(connection.client_properties);
    if (const auto name = connection.client_properties.text("connection_name"))
        out["user_provided_name"] = text(*name);
    return out;
}

json::object channel_json(const broker_core::ChannelView& channel, const std::string& node) {
    json::object out;
    out["name"] = text(fmt::format("{} ({})", channel.connection_name, channel.number));
    out["pid"] = channel_pid(channel.connection, channel.number);
    out["number"] = channel.number;
    out["user"] = text(channel.user);
    out["vhost"] = text(channel.vhost);
    out["node"] = text(node);
    out["state"] = "running";
    out["confirm"] = channel.confirming;
    out["transactional"] = channel.transactional;
    out["consumer_count"] = channel.consumers;
    out["messages_unacknowledged"] = channel.unacked;
    out["messages_unconfirmed"] = channel.unconfirmed;
    out["prefetch_count"] = channel.prefetch;
    out["global_prefetch_count"] = channel.global_prefetch;
    json::object connection;
    connection["name"] = text(channel.connection_name);
    connection["pid"] = connection_pid(channel.connection);
    out["connection_details"] = std::move(connection);
    out["message_stats"] = flow_json(FlowKind::channel, values_of(channel));
    return out;
}

json::object consumer_json(const broker_core::ConsumerView& consumer, const std::string& node) {
    json::object out;
    out["consumer_tag"] = text(consumer.tag);
    out["ack_required"] = !consumer.no_ack;
    out["exclusive"] = consumer.exclusive;
    out["active"] = consumer.active;
    out["activity_status"] = consumer.active ? "up" : "waiting";
    out["prefetch_count"] = consumer.prefetch;
    out["arguments"] = to_json(consumer.arguments);
    json::object queue;
    queue["name"] = text(consumer.queue);
    queue["vhost"] = text(consumer.vhost);
    out["queue"] = std::move(queue);
    out["channel_details"] =
        channel_details(consumer.connection, consumer.channel, consumer.connection_name, node);
    return out;
}

json::object vhost_json(const broker_core::VhostPut& vhost) {
    json::object out;
    out["name"] = text(vhost.name);
    out["description"] = text(vhost.description);
    out["tags"] = texts(vhost.tags);
    json::object metadata;
    metadata["description"] = out["description"];
    metadata["tags"] = out["tags"];
    out["metadata"] = std::move(metadata);
    out["tracing"] = false;
    return out;
}

json::object user_json(const broker_core::UserPut& user, const broker_core::Overview& overview) {
    json::object out;
    out["name"] = text(user.name);
    out["password_hash"] = user.password_hash;
    out["hashing_algorithm"] = user.hash_algorithm;
    out["tags"] = texts(user.tags);
    const auto limits = std::ranges::find(overview.user_limits, user.name, &broker_core::UserLimitsPut::user);
    out["limits"] = limits == overview.user_limits.end() ? json::object{} : limits_json(*limits);
    return out;
}

json::object permission_json(const broker_core::PermissionPut& permission) {
    json::object out;
    out["user"] = text(permission.user);
    out["vhost"] = text(permission.vhost);
    out["configure"] = text(permission.configure);
    out["write"] = text(permission.write);
    out["read"] = text(permission.read);
    return out;
}

json::object topic_permission_json(const broker_core::TopicPermissionPut& permission) {
    json::object out;
    out["user"] = text(permission.user);
    out["vhost"] = text(permission.vhost);
    out["exchange"] = text(permission.exchange);
    out["write"] = text(permission.write);
    out["read"] = text(permission.read);
    return out;
}

json::object policy_json(const broker_core::PolicyPut& policy) {
    json::object out;
    out["vhost"] = text(policy.vhost);
    out["name"] = text(policy.name);
    out["pattern"] = text(policy.pattern);
    out["apply-to"] = policy.apply_to;
    out["definition"] = to_json(policy.definition);
    out["priority"] = policy.priority;
    return out;
}

json::object limits_json(const broker_core::VhostLimitsPut& limits) {
    json::object out;
    put_limit(out, "max-connections", limits.connections_max);
    put_limit(out, "max-queues", limits.queues_max);
    return out;
}

json::object limits_json(const broker_core::UserLimitsPut& limits) {
    json::object out;
    put_limit(out, "max-connections", limits.connections_max);
    put_limit(out, "max-channels", limits.channels_max);
    return out;
}

json::object parameter_json(const broker_core::ParameterPut& parameter) {
    json::object out;
    const auto value = parse_json(parameter.value);
    out["value"] = value ? *value : json::value(parameter.value);
    if (!parameter.vhost.empty()) {
        out["vhost"] = text(parameter.vhost);
        out["component"] = text(parameter.component);
    }
    out["name"] = text(parameter.name);
    return out;
}

json::object overview_json(const broker_core::Overview& overview, const BrokerPort& port) {
    const broker_core::Totals& totals = overview.totals;
    json::object out;
    out["product_name"] = port.product;
    out["product_version"] = port.version;
    out["rabbitmq_version"] = port.version;
    out["management_version"] = port.version;
    out["node"] = text(port.node);
    out["cluster_name"] = text(port.node);
    out["baton_version"] = port.baton_version;
    out["os_pid"] = port.process_id;
    out["started_at"] = to_rfc3339(port.started_at);
    out["data_folder"] = text(port.data_folder);
    out["message_stats"] = flow_json(FlowKind::overview, values_of(totals));
    json::object messages;
    messages["messages"] = totals.ready + totals.unacked;
    messages["messages_ready"] = totals.ready;
    messages["messages_unacknowledged"] = totals.unacked;
    out["queue_totals"] = std::move(messages);
    json::object objects;
    objects["connections"] = totals.connections;
    objects["channels"] = totals.channels;
    objects["exchanges"] = totals.exchanges;
    objects["queues"] = totals.queues;
    objects["consumers"] = totals.consumers;
    objects["vhosts"] = overview.vhosts.size();
    out["object_totals"] = std::move(objects);
    out["stored_bytes"] = totals.stored_bytes;
    out["publishers_wait"] = totals.publishers_wait;
    json::array listeners;
    for (const auto& listener : port.listeners) {
        json::object entry;
        entry["node"] = text(port.node);
        entry["protocol"] = listener.protocol;
        entry["ip_address"] = listener.host;
        entry["port"] = listener.port;
        listeners.push_back(std::move(entry));
    }
    out["listeners"] = std::move(listeners);
    json::array kinds;
    for (const char* kind : {"direct", "fanout", "headers", "topic"}) {
        json::object entry;
        entry["name"] = kind;
        entry["enabled"] = true;
        kinds.push_back(std::move(entry));
    }
    out["exchange_types"] = std::move(kinds);
    return out;
}

} // namespace baton::web
