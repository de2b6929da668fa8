// Sessions of MQTT: seen by whoever may see their virtual host, ended by an administrator.
#include "base/clock.hpp"
#include "web/broker/broker_api.hpp"
#include "web/broker/broker_view.hpp"
#include "web/broker/list_query.hpp"
#include "web/http/replies.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

namespace baton::web {

namespace json = boost::json;
using boost::asio::awaitable;

namespace {

json::object session_json(const MqttSession& session) {
    json::object out{{"vhost", session.vhost},
                     {"client_id", session.client_id},
                     {"user", session.user},
                     {"connected", session.connection.has_value()},
                     {"subscriptions", session.subscriptions},
                     {"has_will", session.has_will},
                     {"expiry_seconds", session.expiry_seconds}};
    out["connection"] = session.connection ? json::value(connection_pid(*session.connection))
                                           : json::value(nullptr);
    out["ends_at"] =
        session.ends_at ? json::value(to_rfc3339(*session.ends_at)) : json::value(nullptr);
    return out;
}

awaitable<Response> list_sessions(Port port, Request request, Parameters) {
    auto wish = no_lists();
    wish.users = true;
    const auto overview = co_await look(*port, wish);
    if (!overview) co_return broker_is_silent();
    const auto state = co_await look_at_mqtt(*port);
    const Sight sight(request.login, *overview);
    json::array list;
    if (state)
        for (const MqttSession& session : state->sessions)
            if (sight.sees(session.vhost)) list.push_back(session_json(session));
    co_return list_reply(request, std::move(list));
}

awaitable<Response> delete_session(Port port, Request, Parameters parameters) {
    const auto was_there =
        co_await end_mqtt_session(*port, parameters.at("vhost"), parameters.at("client"));
    if (!was_there) co_return broker_is_silent();
    if (!*was_there) co_return no_such_object();
    co_return done(204);
}

} // namespace

void add_mqtt_routes(BrokerRoutes& routes) {
    routes.add("GET", "/api/mqtt/sessions", Level::management, list_sessions);
    routes.add("DELETE", "/api/mqtt/sessions/{vhost}/{client}", Level::administrator,
               delete_session);
}

} // namespace baton::web
