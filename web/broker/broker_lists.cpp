// What there is: queues, exchanges, bindings, connections, channels, consumers, the overview. Users
// see the virtual hosts they have permissions in; connections and channels of others need
// `monitoring`.
#include "web/http/await_reply.hpp"
#include "web/broker/broker_api.hpp"
#include "web/broker/broker_view.hpp"
#include "web/broker/list_query.hpp"
#include "web/broker/rate_keeper.hpp"
#include "web/http/replies.hpp"

#include <boost/asio/this_coro.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <concepts>

namespace baton::web {

namespace broker_core = broker::core;
namespace json = boost::json;
using boost::asio::awaitable;

namespace {

// Of the I/O threads, which never wait for anything.
constexpr std::chrono::seconds answer_limit{5};

std::optional<std::string> vhost_in(const Parameters& parameters) {
    const auto found = parameters.find("vhost");
    if (found == parameters.end()) return std::nullopt;
    return found->second;
}

// The default exchange has no name, so paths call it as RabbitMQ does.
std::string exchange_in(const Parameters& parameters, const char* key) {
    const std::string& name = parameters.at(key);
    return name == "amq.default" ? std::string{} : name;
}

// Looks, and refuses a virtual host that is not there or not the user's.
struct Seen {
    std::optional<broker_core::Overview> overview;
    Response refusal; // if there is no overview
};

awaitable<Seen> look_for(Port port, const Request& request, std::optional<std::string> vhost,
                         broker_core::OverviewWish wish) {
    wish.users = true;
    wish.vhost = vhost;
    auto overview = co_await look(*port, wish);
    if (!overview) co_return Seen{std::nullopt, broker_is_silent()};
    if (vhost && !has_vhost(*overview, *vhost)) co_return Seen{std::nullopt, no_such_object()};
    if (vhost && !Sight(request.login, *overview).sees(*vhost))
        co_return Seen{std::nullopt, foreign_vhost()};
    co_return Seen{std::move(overview), {}};
}

// May this entry be shown? Connections and channels belong to a user, the rest to a virtual host.
template <typename View>
bool is_shown(const View& view, const Login& login, const Sight& sight) {
    if constexpr (std::same_as<View, broker_core::ConnectionView> || std::same_as<View, broker_core::ChannelView>)
        return sight.sees_all() || view.user == login.user;
    else
        return sight.sees(view.vhost);
}

template <typename View, typename Show>
Response views_reply(const Request& request, const broker_core::Overview& overview, const std::vector<View>& views,
                     Show show) {
    const Sight sight(request.login, overview);
    json::array list;
    for (const View& view : views)
        if (is_shown(view, request.login, sight)) list.push_back(show(view));
    return list_reply(request, std::move(list));
}

// Puts the rates of an answer's objects beside their counters.
class RateView {
public:
    RateView(Port port, FlowKind kind, RateQuery query) : port_(std::move(port)), kind_(kind), query_(std::move(query)) {}

    // Before it is answered: what was seen becomes a sample.
    awaitable<void> look(const Request& request, const broker_core::Overview& seen, bool has_all) {
        is_wanted_ = port_->rates != nullptr && parameter(request, "disable_stats") != "true";
        if (is_wanted_) port_->rates->look(co_await boost::asio::this_coro::executor, kind_, seen, has_all);
    }
    json::object with_rates(json::object out, const std::string& key) const {
        put(out, kind_ == FlowKind::queue ? &out : nullptr, key);
        return out;
    }
    void put(json::object& out, json::object* lengths, const std::string& key) const {
        if (is_wanted_) port_->rates->put_into(out.at("message_stats").as_object(), lengths, kind_, key, query_);
    }

private:
    Port port_;
    FlowKind kind_;
    RateQuery query_;
    bool is_wanted_ = false;
};

// --- Queues -----------------------------------------------------------------------------------------

awaitable<Response> list_queues(Port port, Request request, Parameters parameters) {
    const auto query = rate_query(request);
    if (!query) co_return problem(400, "bad_request", query.error().detail);
    auto wish = no_lists();
    wish.queues = true;
    const auto seen = co_await look_for(port, request, vhost_in(parameters), wish);
    if (!seen.overview) co_return seen.refusal;
    RateView rates(port, FlowKind::queue, *query);
    co_await rates.look(request, *seen.overview, !vhost_in(parameters));
    co_return views_reply(request, *seen.overview, seen.overview->queues, [&](const auto& queue) {
        return rates.with_rates(queue_json(queue, port->node), flow_key(queue));
    });
}

awaitable<Response> show_queue(Port port, Request request, Parameters parameters) {
    const auto query = rate_query(request);
    if (!query) co_return problem(400, "bad_request", query.error().detail);
    auto wish = no_lists();
    wish.queues = wish.consumers = true;
    wish.name = parameters.at("queue");
    const auto seen = co_await look_for(port, request, vhost_in(parameters), wish);
    if (!seen.overview) co_return seen.refusal;
    const auto& queues = seen.overview->queues;
    const auto found = std::ranges::find(queues, parameters.at("queue"), &broker_core::QueueView::name);
    if (found == queues.end()) co_return no_such_object();
    RateView rates(port, FlowKind::queue, *query);
    co_await rates.look(request, *seen.overview, false);
    json::object out = rates.with_rates(queue_json(*found, port->node), flow_key(*found));
    json::array consumers;
    for (const auto& consumer : seen.overview->consumers)
        if (consumer.queue == found->name) consumers.push_back(consumer_json(consumer, port->node));
    out["consumer_details"] = std::move(consumers);
    co_return object_reply(request, std::move(out));
}

// --- Exchanges and bindings -------------------------------------------------------------------------

awaitable<Response> list_exchanges(Port port, Request request, Parameters parameters) {
    const auto query = rate_query(request);
    if (!query) co_return problem(400, "bad_request", query.error().detail);
    auto wish = no_lists();
    wish.exchanges = true;
    const auto seen = co_await look_for(port, request, vhost_in(parameters), wish);
    if (!seen.overview) co_return seen.refusal;
    RateView rates(port, FlowKind::exchange, *query);
    co_await rates.look(request, *seen.overview, !vhost_in(parameters));
    co_return views_reply(request, *seen.overview, seen.overview->exchanges, [&](const auto& exchange) {
        return rates.with_rates(exchange_json(exchange), flow_key(exchange));
    });
}

awaitable<Response> show_exchange(Port port, Request request, Parameters parameters) {
    const auto query = rate_query(request);
    if (!query) co_return problem(400, "bad_request", query.error().detail);
    auto wish = no_lists();
    wish.exchanges = true;
    wish.name = exchange_in(parameters, "exchange");
    const auto seen = co_await look_for(port, request, vhost_in(parameters), wish);
    if (!seen.overview) co_return seen.refusal;
    const auto& exchanges = seen.overview->exchanges;
    const auto found = std::ranges::find(exchanges, exchange_in(parameters, "exchange"), &broker_core::ExchangeView::name);
    if (found == exchanges.end()) co_return no_such_object();
    RateView rates(port, FlowKind::exchange, *query);
    co_await rates.look(request, *seen.overview, false);
    co_return object_reply(request, rates.with_rates(exchange_json(*found), flow_key(*found)));
}

// The bindings of the virtual host in the path, or of all, that `is_wanted`.
awaitable<Response> list_bindings_where(Port port, Request request, Parameters parameters,
                                        std::function<bool(const broker_core::BindingView&)> is_wanted) {
    auto wish = no_lists();
    wish.bindings = true;
    auto seen = co_await look_for(port, request, vhost_in(parameters), wish);
    if (!seen.overview) co_return seen.refusal;
    std::erase_if(seen.overview->bindings, [&](const auto& binding) { return !is_wanted(binding); });
    co_return views_reply(request, *seen.overview, seen.overview->bindings, binding_json);
}

awaitable<Response> list_bindings(Port port, Request request, Parameters parameters) {
    return list_bindings_where(port, std::move(request), std::move(parameters), [](const auto&) { return true; });
}

awaitable<Response> list_bindings_of_queue(Port port, Request request, Parameters parameters) {
    auto to_queue = [queue = parameters.at("queue")](const broker_core::BindingView& binding) {
        return binding.destination_kind == broker_core::DestinationKind::queue && binding.destination == queue;
    };
    return list_bindings_where(port, std::move(request), std::move(parameters), to_queue);
}

awaitable<Response> list_bindings_from(Port port, Request request, Parameters parameters) {
    auto from = [exchange = exchange_in(parameters, "exchange")](const broker_core::BindingView& binding) {
        return binding.source == exchange;
    };
    return list_bindings_where(port, std::move(request), std::move(parameters), from);
}

awaitable<Response> list_bindings_into(Port port, Request request, Parameters parameters) {
    auto into = [exchange = exchange_in(parameters, "exchange")](const broker_core::BindingView& binding) {
        return binding.destination_kind == broker_core::DestinationKind::exchange && binding.destination == exchange;
    };
    return list_bindings_where(port, std::move(request), std::move(parameters), into);
}

// --- Connections, channels, consumers ---------------------------------------------------------------

// What each connection read and wrote, and how fast; nothing where nobody counts.
awaitable<std::optional<broker_core::TrafficList>> look_at_traffic(Port port, const Request& request) {
    if (!port->rates || parameter(request, "disable_stats") == "true") co_return std::nullopt;
    auto counted = co_await await_reply<broker_core::TrafficList>(answer_limit, [&](auto reply) { port->rates->count(std::move(reply)); });
    if (!counted) co_return counted;
    std::ranges::sort(*counted, {}, &broker_core::TrafficList::value_type::first);
    port->rates->look(co_await boost::asio::this_coro::executor, *counted);
    co_return counted;
}

json::object with_traffic(json::object out, const Port& port, const broker_core::TrafficList& counted, broker_core::ConnectionId connection, const RateQuery& query) {
    const auto found = std::ranges::lower_bound(counted, connection, {}, &broker_core::TrafficList::value_type::first);
    if (found == counted.end() || found->first != connection) return out; // it came a moment ago
    const broker_core::Traffic& traffic = found->second;
    out["recv_oct"] = traffic.received_bytes;
    out["recv_cnt"] = traffic.reads;
    out["send_oct"] = traffic.sent_bytes;
    out["send_cnt"] = traffic.writes;
    out["send_pend"] = traffic.waiting_bytes;
    port->rates->put_into(out, nullptr, FlowKind::connection, flow_key(connection), query);
    return out;
}

// With what it speaks, which the listener says whose port it came to.
json::object listed_connection(const BrokerPort& port, const broker_core::ConnectionView& connection) {
    json::object out = connection_json(connection, port.node);
    const auto listener = std::ranges::find(port.listeners, connection.port, &Listener::port);
    if (listener == port.listeners.end()) return out;
    const bool is_web = listener->protocol.find("/web-") != std::string::npos;
    if (listener->protocol.find("mqtt") != std::string::npos) {
        const auto product = connection.client_properties.text("product");
        out["protocol"] = fmt::format("{}{}", is_web ? "Web " : "", product.value_or("MQTT"));
    } else if (is_web) {
        out["protocol"] = "Web AMQP 0-9-1";
    }
    return out;
}

awaitable<Response> list_connections(Port port, Request request, Parameters parameters) {
    const auto query = rate_query(request);
    if (!query) co_return problem(400, "bad_request", query.error().detail);
    auto wish = no_lists();
    wish.connections = true;
    const auto seen = co_await look_for(port, request, vhost_in(parameters), wish);
    if (!seen.overview) co_return seen.refusal;
    const auto counted = co_await look_at_traffic(port, request);
    co_return views_reply(request, *seen.overview, seen.overview->connections, [&](const auto& connection) {
        json::object out = listed_connection(*port, connection);
        return counted ? with_traffic(std::move(out), port, *counted, connection.id, *query) : out;
    });
}

// A connection is called by its name or by what stands in the column `pid`.
bool is_called(const broker_core::ConnectionView& connection, const std::string& name) {
    return connection.name == name || connection_pid(connection.id) == name;
}

awaitable<Response> show_connection(Port port, Request request, Parameters parameters) {
    const auto query = rate_query(request);
    if (!query) co_return problem(400, "bad_request", query.error().detail);
    auto wish = no_lists();
    wish.connections = true;
    const auto seen = co_await look_for(port, request, std::nullopt, wish);
    if (!seen.overview) co_return seen.refusal;
    const Sight sight(request.login, *seen.overview);
    for (const auto& connection : seen.overview->connections) {
        if (!is_called(connection, parameters.at("name")) || !is_shown(connection, request.login, sight)) continue;
        json::object out = listed_connection(*port, connection);
        if (const auto counted = co_await look_at_traffic(port, request))
            out = with_traffic(std::move(out), port, *counted, connection.id, *query);
        co_return object_reply(request, std::move(out));
    }
    co_return no_such_object();
}

awaitable<Response> close_connection(Port port, Request request, Parameters parameters) {
    auto wish = no_lists();
    wish.connections = true;
    const auto seen = co_await look_for(port, request, std::nullopt, wish);
    if (!seen.overview) co_return seen.refusal;
    for (const auto& connection : seen.overview->connections) {
        if (!is_called(connection, parameters.at("name"))) continue;
        if (!request.login.is_administrator() && connection.user != request.login.user) continue;
        const broker_core::CloseClient wanted{connection.id, request.reason};
        co_return answered(co_await change(*port, wanted), 204);
    }
    co_return no_such_object();
}

awaitable<Response> close_connections(Port port, const Request& request, std::optional<std::string> user,
                                      std::optional<std::string> vhost) {
    const broker_core::CloseClients wanted{std::move(user), std::move(vhost), request.reason};
    const auto answer = co_await change(*port, wanted);
    if (!answer || answer->code != amqp::ReplyCode::success) co_return answered(answer, 204);
    json::object out;
    out["closed"] = number_from<std::uint64_t>(answer->text).value_or(0);
    co_return reply(200, out);
}

awaitable<Response> close_connections_of_user(Port port, Request request, Parameters parameters) {
    co_return co_await close_connections(port, request, parameters.at("user"), std::nullopt);
}

awaitable<Response> close_connections_of_vhost(Port port, Request request, Parameters parameters) {
    co_return co_await close_connections(port, request, std::nullopt, parameters.at("vhost"));
}

awaitable<Response> close_all_connections(Port port, Request request, Parameters) {
    co_return co_await close_connections(port, request, std::nullopt, std::nullopt);
}

awaitable<Response> list_channels(Port port, Request request, Parameters parameters) {
    const auto query = rate_query(request);
    if (!query) co_return problem(400, "bad_request", query.error().detail);
    auto wish = no_lists();
    wish.channels = true;
    const auto seen = co_await look_for(port, request, vhost_in(parameters), wish);
    if (!seen.overview) co_return seen.refusal;
    RateView rates(port, FlowKind::channel, *query);
    co_await rates.look(request, *seen.overview, !vhost_in(parameters));
    co_return views_reply(request, *seen.overview, seen.overview->channels, [&](const auto& channel) {
        return rates.with_rates(channel_json(channel, port->node), flow_key(channel));
    });
}

awaitable<Response> show_channel(Port port, Request request, Parameters parameters) {
    const auto query = rate_query(request);
    if (!query) co_return problem(400, "bad_request", query.error().detail);
    auto wish = no_lists();
    wish.channels = wish.consumers = true;
    const auto seen = co_await look_for(port, request, std::nullopt, wish);
    if (!seen.overview) co_return seen.refusal;
    const Sight sight(request.login, *seen.overview);
    RateView rates(port, FlowKind::channel, *query);
    co_await rates.look(request, *seen.overview, true);
    for (const auto& channel : seen.overview->channels) {
        json::object out = rates.with_rates(channel_json(channel, port->node), flow_key(channel));
        const auto is_called = [&](const char* field) { return text_member(out, field) == parameters.at("name"); };
        if (!(is_called("name") || is_called("pid")) || !is_shown(channel, request.login, sight)) continue;
        json::array consumers;
        for (const auto& consumer : seen.overview->consumers)
            if (consumer.connection == channel.connection && consumer.channel == channel.number)
                consumers.push_back(consumer_json(consumer, port->node));
        out["consumer_details"] = std::move(consumers);
        co_return object_reply(request, std::move(out));
    }
    co_return no_such_object();
}

awaitable<Response> list_channels_of_connection(Port port, Request request, Parameters parameters) {
    auto wish = no_lists();
    wish.channels = true;
    const auto query = rate_query(request);
    if (!query) co_return problem(400, "bad_request", query.error().detail);
    auto seen = co_await look_for(port, request, std::nullopt, wish);
    if (!seen.overview) co_return seen.refusal;
    RateView rates(port, FlowKind::channel, *query);
    co_await rates.look(request, *seen.overview, true);
    const std::string& name = parameters.at("name");
    std::erase_if(seen.overview->channels, [&](const broker_core::ChannelView& channel) {
        return channel.connection_name != name && connection_pid(channel.connection) != name;
    });
    co_return views_reply(request, *seen.overview, seen.overview->channels, [&](const auto& channel) {
        return rates.with_rates(channel_json(channel, port->node), flow_key(channel));
    });
}

awaitable<Response> list_consumers(Port port, Request request, Parameters parameters) {
    auto wish = no_lists();
    wish.consumers = true;
    const auto seen = co_await look_for(port, request, vhost_in(parameters), wish);
    if (!seen.overview) co_return seen.refusal;
    co_return views_reply(request, *seen.overview, seen.overview->consumers,
                         [&](const auto& consumer) { return consumer_json(consumer, port->node); });
}

// --- The whole ----------------------------------------------------------------------------------------

awaitable<Response> show_overview(Port port, Request request, Parameters) {
    const auto query = rate_query(request);
    if (!query) co_return problem(400, "bad_request", query.error().detail);
    const auto overview = co_await look(*port, no_lists());
    if (!overview) co_return broker_is_silent();
    RateView rates(port, FlowKind::overview, *query);
    co_await rates.look(request, *overview, true);
    json::object out = overview_json(*overview, *port);
    rates.put(out, &out.at("queue_totals").as_object(), "");
    co_return object_reply(request, std::move(out));
}

// Basic log-in is all there is.
awaitable<Response> show_auth(Port, Request, Parameters) {
    json::object out;
    out["oauth_enabled"] = false;
    out["enable_uaa"] = false;
    out["uaa_client_id"] = "";
    out["uaa_location"] = "";
    co_return reply(200, out);
}

awaitable<Response> list_login_attempts(Port port, Request request, Parameters parameters) {
    if (parameters.at("node") != port->node) co_return no_such_object();
    json::array list;
    for (const LoginAttempts& one : port->login_attempts ? port->login_attempts() : std::vector<LoginAttempts>{}) {
        json::object out;
        out["protocol"] = one.protocol;
        out["auth_attempts"] = one.succeeded + one.failed;
        out["auth_attempts_failed"] = one.failed;
        out["auth_attempts_succeeded"] = one.succeeded;
        list.emplace_back(std::move(out));
    }
    co_return list_reply(request, std::move(list));
}

// As RabbitMQ with its default: who tried from where is in the log.
awaitable<Response> list_login_sources(Port port, Request request, Parameters parameters) {
    if (parameters.at("node") != port->node) co_return no_such_object();
    co_return list_reply(request, {});
}

awaitable<Response> who_am_i(Port, Request request, Parameters) {
    json::object out;
    out["name"] = request.login.user;
    out["tags"] = json::array(request.login.tags.begin(), request.login.tags.end());
    co_return reply(200, out);
}

} // namespace

void add_list_routes(BrokerRoutes& routes) {
    constexpr Level anyone = Level::management;
    routes.add("GET", "/api/overview", anyone, show_overview);
    routes.add("GET", "/api/whoami", anyone, who_am_i);
    routes.add("GET", "/api/auth", anyone, show_auth);
    routes.add("GET", "/api/auth/attempts/{node}", Level::monitoring, list_login_attempts);
    routes.add("GET", "/api/auth/attempts/{node}/source", Level::monitoring, list_login_sources);
    routes.add("GET", "/api/queues", anyone, list_queues);
    routes.add("GET", "/api/queues/{vhost}", anyone, list_queues);
    routes.add("GET", "/api/queues/{vhost}/{queue}", anyone, show_queue);
    routes.add("GET", "/api/queues/{vhost}/{queue}/bindings", anyone, list_bindings_of_queue);
    routes.add("GET", "/api/exchanges", anyone, list_exchanges);
    routes.add("GET", "/api/exchanges/{vhost}", anyone, list_exchanges);
    routes.add("GET", "/api/exchanges/{vhost}/{exchange}", anyone, show_exchange);
    routes.add("GET", "/api/exchanges/{vhost}/{exchange}/bindings/source", anyone, list_bindings_from);
    routes.add("GET", "/api/exchanges/{vhost}/{exchange}/bindings/destination", anyone, list_bindings_into);
    routes.add("GET", "/api/bindings", anyone, list_bindings);
    routes.add("GET", "/api/bindings/{vhost}", anyone, list_bindings);
    routes.add("GET", "/api/connections", anyone, list_connections);
    routes.add("DELETE", "/api/connections", Level::administrator, close_all_connections);
    routes.add("GET", "/api/connections/{name}", anyone, show_connection);
    routes.add("DELETE", "/api/connections/{name}", anyone, close_connection);
    routes.add("DELETE", "/api/connections/username/{user}", Level::administrator, close_connections_of_user);
    routes.add("GET", "/api/connections/{name}/channels", anyone, list_channels_of_connection);
    routes.add("GET", "/api/vhosts/{vhost}/connections", anyone, list_connections);
    routes.add("DELETE", "/api/vhosts/{vhost}/connections", Level::administrator, close_connections_of_vhost);
    routes.add("GET", "/api/channels", anyone, list_channels);
    routes.add("GET", "/api/channels/{name}", anyone, show_channel);
    routes.add("GET", "/api/vhosts/{vhost}/channels", anyone, list_channels);
    routes.add("GET", "/api/consumers", anyone, list_consumers);
    routes.add("GET", "/api/consumers/{vhost}", anyone, list_consumers);
}

} // namespace baton::web
