// The broker's administration over HTTP, in the paths, fields and status codes of RabbitMQ's
// management API. Who may do what is decided by tags (login.hpp) and, for users who are no
// administrators, by their permissions in the virtual host.
//
// Lists take RabbitMQ's parameters for pages, names, order and fields: list_query.hpp.
//
//   GET  /api/overview  /api/whoami  /api/nodes[/NODE[/memory]]  /api/cluster-name
//   GET  /api/{extensions,feature-flags,deprecated-features}  /api/auth/hash_password/PASSWORD
//   GET  /api/health/checks/{alarms,local-alarms,virtual-hosts,port-listener/PORT,
//        protocol-listener/PROTOCOL,certificate-expiration/N/UNIT,ready-to-serve-clients,is-in-service,
//        node-is-quorum-critical,node-is-mirror-sync-critical}
//   GET  /api/healthchecks/node[/NODE]  /api/aliveness-test/VHOST   POST /api/rebalance/queues
//   POST /api/exchanges/VHOST/EXCHANGE/publish   POST /api/queues/VHOST/QUEUE/{get,move,actions}
//   GET  /api/queues[/VHOST[/QUEUE[/bindings]]]        PUT, DELETE /api/queues/VHOST/QUEUE
//   DELETE /api/queues/VHOST/QUEUE/contents
//   GET  /api/exchanges[/VHOST[/EXCHANGE[/bindings/{source,destination}]]]
//                                                      PUT, DELETE /api/exchanges/VHOST/EXCHANGE
//   GET  /api/bindings[/VHOST[/e/SOURCE/{q,e}/DESTINATION[/PROPERTIES]]]
//        POST …/DESTINATION     DELETE …/DESTINATION/PROPERTIES
//   GET  /api/connections[/NAME[/channels]]            DELETE /api/connections/NAME (X-Reason)
//        DELETE /api/connections/username/USER         DELETE /api/vhosts/VHOST/connections
//   GET  /api/channels[/NAME]  /api/consumers[/VHOST]
//   GET  /api/vhosts[/VHOST[/{permissions,topic-permissions,connections}]]  PUT, DELETE /api/vhosts/VHOST
//   GET  /api/users[/USER[/{permissions,topic-permissions}]]                PUT, DELETE /api/users/USER
//        GET /api/users/without-permissions            POST /api/users/bulk-delete
//   GET  /api/permissions[/VHOST/USER]                 PUT, DELETE /api/permissions/VHOST/USER
//   GET  /api/topic-permissions[/VHOST/USER]           PUT, DELETE /api/topic-permissions/VHOST/USER
//   GET  /api/{policies,operator-policies}[/VHOST[/NAME]]                   PUT, DELETE …/VHOST/NAME
//   GET  /api/vhost-limits[/VHOST]                     PUT, DELETE /api/vhost-limits/VHOST/LIMIT
//   GET  /api/user-limits[/USER]                       PUT, DELETE /api/user-limits/USER/LIMIT
//   GET  /api/parameters[/COMPONENT[/VHOST[/NAME]]]    PUT, DELETE /api/parameters/COMPONENT/VHOST/NAME
//   GET  /api/global-parameters[/NAME]                 PUT, DELETE /api/global-parameters/NAME
//   GET, POST /api/definitions[/VHOST]
//   GET  /api/mqtt/sessions                            DELETE /api/mqtt/sessions/VHOST/CLIENT   (Baton's own)
#pragma once

#include "web/broker/broker_port.hpp"
#include "web/http/routes.hpp"

#include <boost/json/fwd.hpp>

#include <functional>
#include <memory>
#include <set>
#include <string>

namespace baton::web {

// `port` must live as long as the routes.
void add_broker_routes(Routes& routes, const std::shared_ptr<const BrokerPort>& port);

// --- For the parts of it ----------------------------------------------------------------------------

using Port = std::shared_ptr<const BrokerPort>;
using BrokerHandler = boost::asio::awaitable<Response> (*)(Port, Request, Parameters);

// Adds routes that need a broker in this process.
class BrokerRoutes {
public:
    BrokerRoutes(Routes& routes, Port port) : routes_(routes), port_(std::move(port)) {}
    void add(const char* method, const char* pattern, Level level, BrokerHandler handler);

private:
    Routes& routes_;
    Port port_;
};

void add_list_routes(BrokerRoutes& routes);       // broker_lists.cpp
void add_topology_routes(BrokerRoutes& routes);   // broker_topology.cpp
void add_user_routes(BrokerRoutes& routes);       // broker_users.cpp
void add_policy_routes(BrokerRoutes& routes);     // broker_policies.cpp
void add_definition_routes(BrokerRoutes& routes); // broker_definitions.cpp
void add_check_routes(BrokerRoutes& routes);      // broker_checks.cpp
void add_message_routes(BrokerRoutes& routes);    // broker_messages.cpp
void add_mqtt_routes(BrokerRoutes& routes);       // broker_mqtt.cpp

// Which virtual hosts somebody may see: all, or those with a permission for them. Wants the users
// in the overview.
class Sight {
public:
    Sight(const Login& login, const broker::core::Overview& overview);
    bool sees(const std::string& vhost) const { return all_ || vhosts_.contains(vhost); }
    bool sees_all() const { return all_; }

private:
    bool all_ = false;
    std::set<std::string> vhosts_;
};

// 404 in RabbitMQ's words.
Response no_such_object();
// 401: the user has no permission in that virtual host.
Response foreign_vhost();
bool has_vhost(const broker::core::Overview& overview, const std::string& vhost);

} // namespace baton::web
