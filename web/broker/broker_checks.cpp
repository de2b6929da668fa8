// The node itself: what it is, how it is, and the questions that load balancers and monitors ask
// (health/checks/…). A check answers 200 {"status": "ok"} or 503 {"status": "failed", "reason"}.
#include "web/broker/broker_api.hpp"
#include "base/utf8.hpp"
#include "web/broker/list_query.hpp"
#include "web/http/replies.hpp"

#include <boost/json/value.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <string_view>

namespace baton::web {

namespace broker_core = broker::core;
namespace json = boost::json;
using boost::asio::awaitable;

namespace {

// --- The node -----------------------------------------------------------------------------------------

bool has_alarm(const broker_core::Overview& overview, broker_core::Alarm alarm) {
    return overview.totals.alarms[static_cast<std::size_t>(alarm)];
}

json::object check_node_json(const broker_core::Overview& overview, const BrokerPort& port) {
    const NodeFigures figures = port.figures();
    json::object node;
    node["name"] = as_utf8(port.node);
    node["type"] = "disc";
    node["running"] = true;
    node["being_drained"] = false;
    node["partitions"] = json::array{};
    node["os_pid"] = fmt::format("{}", port.process_id);
    node["uptime"] = figures.uptime_seconds * 1000;
    node["processors"] = figures.processors;
    node["fd_used"] = figures.descriptors;
    node["fd_total"] = figures.descriptors_max;
    node["mem_used"] = figures.memory;
    node["mem_limit"] = figures.memory_high;
    node["mem_alarm"] = has_alarm(overview, broker_core::Alarm::memory);
    node["disk_free"] = figures.disk_free;
    node["disk_free_limit"] = figures.disk_free_limit;
    node["disk_free_alarm"] = has_alarm(overview, broker_core::Alarm::disk);
    node["db_dir"] = as_utf8(port.data_folder);
    node["rates_mode"] = "basic";
    node["enabled_plugins"] = json::array{};
    node["applications"] = json::array{};
    const broker_core::ServerCounters& counted = overview.totals.since_start;
    node["connection_created"] = counted.connections_opened;
    node["connection_closed"] = counted.connections_closed;
    node["channel_created"] = counted.channels_opened;
    node["channel_closed"] = counted.channels_closed;
    node["queue_declared"] = counted.queues_declared;
    node["queue_created"] = counted.queues_created;
    node["queue_deleted"] = counted.queues_deleted;
    return node;
}

awaitable<Response> list_nodes(Port port, Request request, Parameters) {
    const auto overview = co_await look(*port, no_lists());
    if (!overview) co_return broker_is_silent();
    json::array list;
    list.push_back(check_node_json(*overview, *port));
    co_return list_reply(request, std::move(list));
}

awaitable<Response> show_node(Port port, Request request, Parameters parameters) {
    if (parameters.at("node") != port->node) co_return no_such_object();
    const auto overview = co_await look(*port, no_lists());
    if (!overview) co_return broker_is_silent();
    co_return object_reply(request, check_node_json(*overview, *port));
}

awaitable<Response> show_memory(Port port, Request request, Parameters parameters) {
    if (parameters.at("node") != port->node) co_return no_such_object();
    const auto overview = co_await look(*port, no_lists());
    if (!overview) co_return broker_is_silent();
    json::object total;
    total["rss"] = port->figures().memory;
    json::object memory;
    memory["strategy"] = "rss";
    memory["total"] = std::move(total);
    memory["messages"] = overview->totals.stored_bytes;
    json::object out;
    out["memory"] = std::move(memory);
    co_return object_reply(request, std::move(out));
}

awaitable<Response> show_cluster_name(Port port, Request request, Parameters) {
    json::object out;
    out["name"] = as_utf8(port->node);
    co_return object_reply(request, std::move(out));
}

// There are no plugins with pages, and no features to switch on.
awaitable<Response> show_nothing(Port, Request request, Parameters) { co_return list_reply(request, {}); }

// One node has nothing to move.
awaitable<Response> rebalance(Port, Request, Parameters) { co_return done(204); }

awaitable<Response> hash_password(Port port, Request, Parameters parameters) {
    json::object out;
    out["ok"] = port->hash_password(parameters.at("password"));
    co_return reply(200, out);
}

// --- Checks -------------------------------------------------------------------------------------------

Response healthy(json::object body = {}) {
    body["status"] = "ok";
    return reply(200, body);
}

Response failed(std::string_view reason, json::object body = {}) {
    body["status"] = "failed";
    body["reason"] = reason;
    return reply(503, body);
}

awaitable<Response> check_that_it_answers(Port port, Request, Parameters) {
    const auto overview = co_await look(*port, no_lists());
    if (!overview) co_return failed("the broker does not answer");
    co_return healthy();
}

awaitable<Response> check_alarms(Port port, Request, Parameters) {
    const auto overview = co_await look(*port, no_lists());
    if (!overview) co_return failed("the broker does not answer");
    constexpr std::pair<broker_core::Alarm, const char*> known[] = {
        {broker_core::Alarm::memory, "memory"}, {broker_core::Alarm::disk, "disk"}, {broker_core::Alarm::journal, "journal"}};
    json::array alarms;
    for (const auto& [alarm, word] : known) {
        if (!has_alarm(*overview, alarm)) continue;
        json::object entry;
        entry["node"] = as_utf8(port->node);
        entry["resource"] = word;
        alarms.push_back(std::move(entry));
    }
    if (alarms.empty()) co_return healthy();
    json::object body;
    body["alarms"] = std::move(alarms);
    co_return failed("publishers have to wait: an alarm is on", std::move(body));
}

awaitable<Response> check_node(Port port, Request request, Parameters parameters) {
    const auto node = parameters.find("node");
    if (node != parameters.end() && node->second != port->node) co_return no_such_object();
    co_return co_await check_alarms(port, std::move(request), std::move(parameters));
}

awaitable<Response> check_port(Port port, Request, Parameters parameters) {
    const auto wanted = number_from<std::uint16_t>(parameters.at("port"));
    if (!wanted || *wanted == 0) co_return problem(400, "bad_request", "the port must be a number from 1 to 65535");
    json::object body;
    json::array ports;
    for (const auto& listener : port->listeners) {
        if (listener.port == *wanted) {
            body["port"] = *wanted;
            co_return healthy(std::move(body));
        }
        ports.push_back(listener.port);
    }
    body["missing"] = *wanted;
    body["ports"] = std::move(ports);
    co_return failed("nothing listens there", std::move(body));
}

// RabbitMQ takes several names for the same protocol.
std::string_view protocol_called(std::string_view name) {
    if (name == "amqp091" || name == "amqp0-9-1" || name == "amqp0.9.1") return "amqp";
    if (name == "amqps" || name == "tls") return "amqp/ssl";
    return name;
}

awaitable<Response> check_protocol(Port port, Request, Parameters parameters) {
    const std::string& name = parameters.at("protocol");
    json::object body;
    json::array protocols;
    for (const auto& listener : port->listeners) {
        if (listener.protocol == protocol_called(name)) {
            body["protocol"] = as_utf8(name);
            co_return healthy(std::move(body));
        }
        protocols.push_back(json::value(listener.protocol));
    }
    body["missing"] = as_utf8(name);
    body["protocols"] = std::move(protocols);
    co_return failed("nothing listens for this protocol", std::move(body));
}

std::optional<std::chrono::hours> hours_of(std::string_view unit) {
    using namespace std::chrono;
    static const std::map<std::string_view, hours> units{
        {"day", days(1)},           {"days", days(1)},           {"week", days(7)},  {"weeks", days(7)},
        {"month", days(30)},        {"months", days(30)},        {"year", days(365)}, {"years", days(365)}};
    const auto found = units.find(unit);
    if (found == units.end()) return std::nullopt;
    return found->second;
}

awaitable<Response> check_certificates(Port port, Request, Parameters parameters) {
    const auto count = number_from<std::uint16_t>(parameters.at("within"));
    const auto unit = hours_of(parameters.at("unit"));
    if (!count || !unit)
        co_return problem(400, "bad_request", "write a number up to 65535 and one of days, weeks, months, years");
    const auto ends = port->certificate_ends();
    if (!ends || *ends > SystemClock().now() + *count * *unit) co_return healthy();
    json::object body;
    body["expires_at"] = to_rfc3339(*ends);
    co_return failed("the certificate of the TLS listeners ends before that", std::move(body));
}

awaitable<Response> check_ready(Port port, Request, Parameters) {
    const auto overview = co_await look(*port, no_lists());
    if (!overview) co_return failed("the broker does not answer");
    if (port->listeners.empty()) co_return failed("nothing listens for AMQP");
    co_return healthy();
}

} // namespace

void add_check_routes(BrokerRoutes& routes) {
    constexpr Level anyone = Level::management;
    routes.add("GET", "/api/nodes", Level::monitoring, list_nodes);
    routes.add("GET", "/api/nodes/{node}", Level::monitoring, show_node);
    routes.add("GET", "/api/nodes/{node}/memory", Level::monitoring, show_memory);
    routes.add("GET", "/api/cluster-name", anyone, show_cluster_name);
    routes.add("GET", "/api/extensions", anyone, show_nothing);
    routes.add("GET", "/api/feature-flags", anyone, show_nothing);
    routes.add("GET", "/api/deprecated-features", anyone, show_nothing);
    routes.add("POST", "/api/rebalance/queues", Level::administrator, rebalance);
    routes.add("GET", "/api/auth/hash_password/{password}", Level::administrator, hash_password);
    routes.add("GET", "/api/healthchecks/node", anyone, check_node);
    routes.add("GET", "/api/healthchecks/node/{node}", anyone, check_node);
    routes.add("GET", "/api/health/checks/alarms", anyone, check_alarms);
    routes.add("GET", "/api/health/checks/local-alarms", anyone, check_alarms);
    for (const char* path : {"virtual-hosts", "is-in-service", "node-is-quorum-critical", "node-is-mirror-sync-critical"})
        routes.add("GET", fmt::format("/api/health/checks/{}", path).c_str(), anyone, check_that_it_answers);
    routes.add("GET", "/api/health/checks/port-listener/{port}", anyone, check_port);
    routes.add("GET", "/api/health/checks/protocol-listener/{protocol}", anyone, check_protocol);
    routes.add("GET", "/api/health/checks/certificate-expiration/{within}/{unit}", anyone, check_certificates);
    routes.add("GET", "/api/health/checks/ready-to-serve-clients", anyone, check_ready);
}

} // namespace baton::web
