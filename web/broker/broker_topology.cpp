// Changes of queues, exchanges and bindings. Administrators may change everything; others need the
// permissions the same change would need over AMQP.
#include "web/broker/broker_api.hpp"
#include "web/broker/broker_view.hpp"
#include "web/broker/from_json.hpp"
#include "web/broker/list_query.hpp"
#include "web/http/replies.hpp"

#include "broker/core/access.hpp"

#include <boost/json/value.hpp>
#include <fmt/format.h>

#include <algorithm>

namespace baton::web {

namespace broker_core = broker::core;
namespace json = boost::json;
using boost::asio::awaitable;
using broker_core::Right;

namespace {

// Something a change touches, and what its user must be allowed to do with it.
struct Need {
    Right right;
    std::string name;
};

std::string_view exchange_word(Right right) {
    switch (right) {
    case Right::configure: return "configure";
    case Right::write: return "write";
    case Right::read: return "read";
    }
    return "";
}

broker_core::User user_in(const broker_core::Overview& overview, const Login& login) {
    broker_core::User user;
    for (const auto& permission : overview.permissions)
        if (permission.user == login.user) user.permissions.emplace(permission.vhost, permission);
    return user;
}

// What stands against the change: the overview is missing, the virtual host is, or a permission.
std::optional<Response> refuses(const std::optional<broker_core::Overview>& overview, const Login& login,
                                const std::string& vhost, const std::vector<Need>& needs) {
    if (!overview) return broker_is_silent();
    if (!has_vhost(*overview, vhost)) return no_such_object();
    if (login.is_administrator()) return std::nullopt;
    if (!Sight(login, *overview).sees(vhost)) return foreign_vhost();
    broker_core::Access access;
    const broker_core::User user = user_in(*overview, login);
    for (const Need& need : needs)
        if (!access.may(&user, vhost, need.right, need.name))
            return problem(401, "not_authorised",
                           fmt::format("{} access to '{}' in vhost '{}' refused for user '{}'",
                                       exchange_word(need.right), need.name, vhost, login.user));
    return std::nullopt;
}

broker_core::OverviewWish wish_in(const std::string& vhost) {
    auto wish = no_lists();
    wish.users = true;
    wish.vhost = vhost;
    return wish;
}

bool is_set(const Request& request, const std::string& key) { return parameter(request, key) == "true"; }

Response bad_topology(const Failure& failure) { return problem(400, "bad_request", failure.detail); }

// --- Queues -----------------------------------------------------------------------------------------

awaitable<Response> put_queue(Port port, Request request, Parameters parameters) {
    const auto body = body_of(request);
    if (!body) co_return bad_topology(body.error());
    auto wanted = queue_from(*body, parameters.at("vhost"), parameters.at("queue"));
    if (!wanted) co_return bad_topology(wanted.error());
    auto wish = wish_in(wanted->vhost);
    wish.queues = true;
    wish.name = wanted->name;
    const auto overview = co_await look(*port, wish);
    std::vector<Need> needs{{Right::configure, wanted->name}};
    if (const auto dead = wanted->arguments.text("x-dead-letter-exchange")) {
        needs.push_back({Right::read, wanted->name});
        needs.push_back({Right::write, std::string(*dead)});
    }
    if (auto refusal = refuses(overview, request.login, wanted->vhost, needs)) co_return *refusal;
    const unsigned good = overview->queues.empty() ? 201 : 204;
    co_return answered(co_await change(*port, std::move(*wanted)), good);
}

awaitable<Response> delete_queue(Port port, Request request, Parameters parameters) {
    const broker_core::DeleteQueue wanted{parameters.at("vhost"), parameters.at("queue"),
                                   is_set(request, "if-unused"), is_set(request, "if-empty")};
    const auto overview = co_await look(*port, wish_in(wanted.vhost));
    const std::vector<Need> needs{{Right::configure, wanted.queue}};
    if (auto refusal = refuses(overview, request.login, wanted.vhost, needs)) co_return *refusal;
    co_return answered(co_await change(*port, wanted), 204);
}

awaitable<Response> purge_queue(Port port, Request request, Parameters parameters) {
    const broker_core::PurgeQueue wanted{parameters.at("vhost"), parameters.at("queue")};
    const auto overview = co_await look(*port, wish_in(wanted.vhost));
    const std::vector<Need> needs{{Right::read, wanted.queue}};
    if (auto refusal = refuses(overview, request.login, wanted.vhost, needs)) co_return *refusal;
    co_return answered(co_await change(*port, wanted), 204);
}

// --- Exchanges --------------------------------------------------------------------------------------

awaitable<Response> put_exchange(Port port, Request request, Parameters parameters) {
    const auto body = body_of(request);
    if (!body) co_return bad_topology(body.error());
    auto wanted = exchange_from(*body, parameters.at("vhost"), parameters.at("exchange"));
    if (!wanted) co_return bad_topology(wanted.error());
    auto wish = wish_in(wanted->exchange.vhost);
    wish.exchanges = true;
    wish.name = wanted->exchange.name;
    const auto overview = co_await look(*port, wish);
    std::vector<Need> needs{{Right::configure, wanted->exchange.name}};
    if (const auto alternate = wanted->exchange.arguments.text("alternate-exchange")) {
        needs.push_back({Right::read, wanted->exchange.name});
        needs.push_back({Right::write, std::string(*alternate)});
    }
    if (auto refusal = refuses(overview, request.login, wanted->exchange.vhost, needs)) co_return *refusal;
    const unsigned good = overview->exchanges.empty() ? 201 : 204;
    co_return answered(co_await change(*port, std::move(*wanted)), good);
}

awaitable<Response> delete_exchange(Port port, Request request, Parameters parameters) {
    const broker_core::DeleteExchange wanted{parameters.at("vhost"), parameters.at("exchange"),
                                      is_set(request, "if-unused")};
    auto wish = wish_in(wanted.vhost);
    wish.exchanges = true;
    wish.name = wanted.exchange;
    const auto overview = co_await look(*port, wish);
    const std::vector<Need> needs{{Right::configure, wanted.exchange}};
    if (auto refusal = refuses(overview, request.login, wanted.vhost, needs)) co_return *refusal;
    // AMQP is content with a deletion of what is not there; this API is not.
    if (overview->exchanges.empty()) co_return no_such_object();
    co_return answered(co_await change(*port, wanted), 204);
}

// --- Bindings ---------------------------------------------------------------------------------------

broker_core::Bound ends_in(const Parameters& parameters, broker_core::DestinationKind kind) {
    const auto name_of = [](const std::string& name) { return name == "amq.default" ? std::string{} : name; };
    broker_core::Bound binding;
    binding.vhost = parameters.at("vhost");
    binding.source = name_of(parameters.at("source"));
    binding.destination_kind = kind;
    binding.destination = parameters.at("destination");
    return binding;
}

std::vector<Need> needs_of(const broker_core::Bound& binding) {
    return {{Right::write, binding.destination}, {Right::read, binding.source}};
}

bool is_between(const broker_core::BindingView& binding, const broker_core::Bound& ends) {
    return binding.vhost == ends.vhost && binding.source == ends.source &&
           binding.destination_kind == ends.destination_kind && binding.destination == ends.destination;
}

// The bindings between the two ends in the path; only the one named by its properties, if they are
// there.
awaitable<Response> show_bindings(Port port, Request request, Parameters parameters, broker_core::DestinationKind kind) {
    const broker_core::Bound ends = ends_in(parameters, kind);
    auto wish = wish_in(ends.vhost);
    wish.bindings = true;
    const auto overview = co_await look(*port, wish);
    if (!overview) co_return broker_is_silent();
    if (!has_vhost(*overview, ends.vhost)) co_return no_such_object();
    if (!Sight(request.login, *overview).sees(ends.vhost)) co_return foreign_vhost();
    const auto wanted = parameters.find("properties");
    json::array list;
    for (const auto& binding : overview->bindings) {
        if (!is_between(binding, ends)) continue;
        if (wanted == parameters.end())
            list.push_back(binding_json(binding));
        else if (properties_key(binding) == wanted->second)
            co_return object_reply(request, binding_json(binding));
    }
    if (wanted != parameters.end()) co_return no_such_object();
    co_return list_reply(request, std::move(list));
}

awaitable<Response> post_binding(Port port, Request request, Parameters parameters, broker_core::DestinationKind kind) {
    const auto body = body_of(request);
    if (!body) co_return bad_topology(body.error());
    broker_core::Bound binding = ends_in(parameters, kind);
    binding.routing_key = text_member(*body, "routing_key");
    auto arguments = table_in(*body, "arguments");
    if (!arguments) co_return bad_topology(arguments.error());
    binding.arguments = std::move(*arguments);
    const auto overview = co_await look(*port, wish_in(binding.vhost));
    if (auto refusal = refuses(overview, request.login, binding.vhost, needs_of(binding))) co_return *refusal;
    const broker_core::BindingView view{binding.vhost,       binding.source,      binding.destination_kind,
                                 binding.destination, binding.routing_key, binding.arguments};
    auto response = answered(co_await change(*port, broker_core::Bind{std::move(binding)}), 201);
    if (response.status == 201) response.headers["Location"] = properties_key(view);
    co_return response;
}

awaitable<Response> delete_binding(Port port, Request request, Parameters parameters, broker_core::DestinationKind kind) {
    const broker_core::Bound ends = ends_in(parameters, kind);
    auto wish = wish_in(ends.vhost);
    wish.bindings = true;
    const auto overview = co_await look(*port, wish);
    if (auto refusal = refuses(overview, request.login, ends.vhost, needs_of(ends))) co_return *refusal;
    for (const auto& binding : overview->bindings) {
        if (!is_between(binding, ends) || properties_key(binding) != parameters.at("properties")) continue;
        broker_core::Unbound unbound{binding.vhost,       binding.source,      binding.destination_kind,
                              binding.destination, binding.routing_key, binding.arguments};
        co_return answered(co_await change(*port, broker_core::Unbind{std::move(unbound)}), 204);
    }
    co_return no_such_object();
}

// The kind of the destination is part of the path.
template <awaitable<Response> (*Function)(Port, Request, Parameters, broker_core::DestinationKind), broker_core::DestinationKind Kind>
awaitable<Response> of_kind(Port port, Request request, Parameters parameters) {
    return Function(std::move(port), std::move(request), std::move(parameters), Kind);
}

template <broker_core::DestinationKind Kind>
void add_binding_routes(BrokerRoutes& routes, const std::string& path) {
    const std::string one = path + "/{properties}";
    routes.add("GET", path.c_str(), Level::management, of_kind<show_bindings, Kind>);
    routes.add("POST", path.c_str(), Level::management, of_kind<post_binding, Kind>);
    routes.add("GET", one.c_str(), Level::management, of_kind<show_bindings, Kind>);
    routes.add("DELETE", one.c_str(), Level::management, of_kind<delete_binding, Kind>);
}

} // namespace

void add_topology_routes(BrokerRoutes& routes) {
    routes.add("PUT", "/api/queues/{vhost}/{queue}", Level::management, put_queue);
    routes.add("DELETE", "/api/queues/{vhost}/{queue}", Level::management, delete_queue);
    routes.add("DELETE", "/api/queues/{vhost}/{queue}/contents", Level::management, purge_queue);
    routes.add("PUT", "/api/exchanges/{vhost}/{exchange}", Level::management, put_exchange);
    routes.add("DELETE", "/api/exchanges/{vhost}/{exchange}", Level::management, delete_exchange);
    add_binding_routes<broker_core::DestinationKind::queue>(routes, "/api/bindings/{vhost}/e/{source}/q/{destination}");
    add_binding_routes<broker_core::DestinationKind::exchange>(routes, "/api/bindings/{vhost}/e/{source}/e/{destination}");
}

} // namespace baton::web
