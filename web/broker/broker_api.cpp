#include "web/broker/broker_api.hpp"

#include "web/http/replies.hpp"

#include <algorithm>
#include <utility>

namespace baton::web {

namespace broker_core = broker::core;
using boost::asio::awaitable;

namespace {

awaitable<Response> answer_with(Response response) { co_return response; }

} // namespace

void BrokerRoutes::add(const char* method, const char* pattern, Level level, BrokerHandler handler) {
    // The user's level is checked before the handler is called, as for every route.
    routes_.add(method, pattern, level, [port = port_, handler](Request request, Parameters parameters) {
        if (!port->exists())
            return answer_with(problem(501, "not_implemented",
                                       "this server uses a broker elsewhere; administer it with its own tools"));
        return handler(port, std::move(request), std::move(parameters));
    });
}

void add_broker_routes(Routes& routes, const Port& port) {
    BrokerRoutes broker(routes, port);
    add_list_routes(broker);
    add_topology_routes(broker);
    add_user_routes(broker);
    add_policy_routes(broker);
    add_definition_routes(broker);
    add_check_routes(broker);
    add_message_routes(broker);
    add_mqtt_routes(broker);
}

Sight::Sight(const Login& login, const broker_core::Overview& overview) : all_(login.sees_everything()) {
    for (const auto& permission : overview.permissions)
        if (permission.user == login.user) vhosts_.insert(permission.vhost);
}

Response no_such_object() { return problem(404, "Object Not Found", "Not Found"); }

Response foreign_vhost() { return problem(401, "not_authorised", "User not authorised to access virtual host"); }

bool has_vhost(const broker_core::Overview& overview, const std::string& vhost) {
    return std::ranges::find(overview.vhosts, vhost, &broker_core::VhostPut::name) != overview.vhosts.end();
}

} // namespace baton::web
