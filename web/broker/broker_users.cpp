// Users, virtual hosts and permissions. Passwords come in plain or as RabbitMQ's hashes and are kept
// as salted hashes only.
#include "web/broker/broker_api.hpp"
#include "web/broker/broker_view.hpp"
#include "web/broker/from_json.hpp"
#include "web/broker/list_query.hpp"
#include "web/http/replies.hpp"

#include <boost/json/value.hpp>
#include <fmt/format.h>

#include <algorithm>

namespace baton::web {

namespace broker_core = broker::core;
namespace json = boost::json;
using boost::asio::awaitable;

namespace {

Response bad_user(std::string_view reason) { return problem(400, "bad_request", reason); }

broker_core::OverviewWish users_wish() {
    auto wish = no_lists();
    wish.users = wish.policies = true;
    return wish;
}

bool has_user(const broker_core::Overview& overview, const std::string& name) {
    return std::ranges::find(overview.users, name, &broker_core::UserPut::name) != overview.users.end();
}

// The users as others may see them: without Baton's own.
awaitable<std::optional<broker_core::Overview>> look_at_users(Port port) {
    auto overview = co_await look(*port, users_wish());
    if (!overview) co_return overview;
    const auto is_own = [&](const std::string& user) { return user == port->own_user; };
    std::erase_if(overview->users, [&](const auto& user) { return is_own(user.name); });
    std::erase_if(overview->permissions, [&](const auto& permission) { return is_own(permission.user); });
    std::erase_if(overview->topic_permissions, [&](const auto& permission) { return is_own(permission.user); });
    co_return overview;
}

// --- Users ------------------------------------------------------------------------------------------

awaitable<Response> list_users(Port port, Request request, Parameters) {
    const auto overview = co_await look_at_users(port);
    if (!overview) co_return broker_is_silent();
    json::array list;
    for (const auto& user : overview->users) list.push_back(user_json(user, *overview));
    co_return list_reply(request, std::move(list));
}

awaitable<Response> list_users_without_permissions(Port port, Request request, Parameters) {
    const auto overview = co_await look_at_users(port);
    if (!overview) co_return broker_is_silent();
    json::array list;
    for (const auto& user : overview->users)
        if (std::ranges::find(overview->permissions, user.name, &broker_core::PermissionPut::user) ==
            overview->permissions.end())
            list.push_back(user_json(user, *overview));
    co_return list_reply(request, std::move(list));
}

awaitable<Response> show_user(Port port, Request request, Parameters parameters) {
    const auto overview = co_await look_at_users(port);
    if (!overview) co_return broker_is_silent();
    for (const auto& user : overview->users)
        if (user.name == parameters.at("user")) co_return object_reply(request, user_json(user, *overview));
    co_return no_such_object();
}

awaitable<Response> put_user(Port port, Request request, Parameters parameters) {
    const std::string& name = parameters.at("user");
    if (name == port->own_user) co_return bad_user(fmt::format("the user '{}' is Baton's own", name));
    const auto body = body_of(request);
    if (!body) co_return bad_user(body.error().detail);
    auto user = user_from(*body, name, *port);
    if (!user) co_return bad_user(user.error().detail);
    const auto overview = co_await look_at_users(port);
    if (!overview) co_return broker_is_silent();
    const unsigned good = has_user(*overview, name) ? 204 : 201;
    co_return answered(co_await change(*port, broker_core::PutUser{std::move(*user)}), good);
}

awaitable<Response> delete_user(Port port, Request, Parameters parameters) {
    const std::string& name = parameters.at("user");
    if (name == port->own_user) co_return no_such_object();
    co_return answered(co_await change(*port, broker_core::RemoveUser{name}), 204);
}

awaitable<Response> delete_users(Port port, Request request, Parameters) {
    const auto body = body_of(request);
    if (!body) co_return bad_user(body.error().detail);
    const auto* names = body->if_contains("users");
    if (names == nullptr || !names->is_array()) co_return bad_user("'users' must be an array of names");
    for (const auto& item : names->as_array()) {
        if (!item.is_string()) co_return bad_user("'users' must be an array of names");
        const std::string name(item.as_string());
        if (name == port->own_user) continue;
        const auto answer = co_await change(*port, broker_core::RemoveUser{name});
        if (!answer || answer->code != amqp::ReplyCode::success) co_return answered(answer, 204);
    }
    co_return done(204);
}

// --- Virtual hosts ----------------------------------------------------------------------------------

awaitable<Response> list_vhosts(Port port, Request request, Parameters) {
    const auto overview = co_await look(*port, users_wish());
    if (!overview) co_return broker_is_silent();
    const Sight sight(request.login, *overview);
    json::array list;
    for (const auto& vhost : overview->vhosts)
        if (sight.sees(vhost.name)) list.push_back(vhost_json(vhost));
    co_return list_reply(request, std::move(list));
}

awaitable<Response> show_vhost(Port port, Request request, Parameters parameters) {
    const auto overview = co_await look(*port, users_wish());
    if (!overview) co_return broker_is_silent();
    for (const auto& vhost : overview->vhosts) {
        if (vhost.name != parameters.at("vhost")) continue;
        if (!Sight(request.login, *overview).sees(vhost.name)) co_return foreign_vhost();
        co_return object_reply(request, vhost_json(vhost));
    }
    co_return no_such_object();
}

awaitable<Response> put_vhost(Port port, Request request, Parameters parameters) {
    const auto body = body_of(request);
    if (!body) co_return bad_user(body.error().detail);
    auto vhost = vhost_from(*body, parameters.at("vhost"));
    if (!vhost) co_return bad_user(vhost.error().detail);
    if (const auto* tracing = body->if_contains("tracing"); tracing != nullptr && *tracing == true)
        co_return bad_user("'tracing' cannot be true: this broker does not copy messages to "
                              "amq.rabbitmq.trace; bind a queue of your own beside those you want to watch");
    const auto overview = co_await look(*port, users_wish());
    if (!overview) co_return broker_is_silent();
    const auto known = std::ranges::find(overview->vhosts, vhost->name, &broker_core::VhostPut::name);
    const bool is_new = known == overview->vhosts.end();
    // Without a body it only has to exist.
    if (!is_new && body->empty()) co_return done(204);
    const auto answer = co_await change(*port, broker_core::PutVhost{*vhost});
    if (!is_new || !answer || answer->code != amqp::ReplyCode::success) co_return answered(answer, 204);
    // Whoever makes a virtual host over HTTP may use it, as in RabbitMQ; the command line's does not.
    if (parameter(request, "grant") == "false") co_return done(201);
    co_return answered(co_await change(*port, broker_core::PutPermission{{vhost->name, request.login.user, ".*", ".*", ".*"}}),
                       201);
}

awaitable<Response> delete_vhost(Port port, Request, Parameters parameters) {
    co_return answered(co_await change(*port, broker_core::RemoveVhost{parameters.at("vhost")}), 204);
}

// --- Permissions ------------------------------------------------------------------------------------

// Is this one of the virtual host or user in the path, where there is one?
template <typename Permission>
bool is_wanted(const Permission& permission, const Parameters& parameters) {
    const auto vhost = parameters.find("vhost");
    const auto user = parameters.find("user");
    return (vhost == parameters.end() || vhost->second == permission.vhost) &&
           (user == parameters.end() || user->second == permission.user);
}

awaitable<Response> list_permissions(Port port, Request request, Parameters parameters) {
    const auto overview = co_await look_at_users(port);
    if (!overview) co_return broker_is_silent();
    if (const auto vhost = parameters.find("vhost"); vhost != parameters.end() && !has_vhost(*overview, vhost->second))
        co_return no_such_object();
    if (const auto user = parameters.find("user"); user != parameters.end() && !has_user(*overview, user->second))
        co_return no_such_object();
    json::array list;
    for (const auto& permission : overview->permissions)
        if (is_wanted(permission, parameters)) list.push_back(permission_json(permission));
    co_return list_reply(request, std::move(list));
}

awaitable<Response> show_permission(Port port, Request request, Parameters parameters) {
    const auto overview = co_await look_at_users(port);
    if (!overview) co_return broker_is_silent();
    for (const auto& permission : overview->permissions)
        if (is_wanted(permission, parameters)) co_return object_reply(request, permission_json(permission));
    co_return no_such_object();
}

awaitable<Response> put_permission(Port port, Request request, Parameters parameters) {
    const auto body = body_of(request);
    if (!body) co_return bad_user(body.error().detail);
    broker_core::PermissionPut permission;
    permission.vhost = parameters.at("vhost");
    permission.user = parameters.at("user");
    for (const auto& [key, member] : {std::pair{"configure", &permission.configure},
                                      std::pair{"write", &permission.write}, std::pair{"read", &permission.read}}) {
        const auto* found = body->if_contains(key);
        if (found == nullptr || !found->is_string())
            co_return bad_user(fmt::format("'{}' must be there and be a regular expression", key));
        *member = std::string(found->as_string());
    }
    const auto overview = co_await look_at_users(port);
    if (!overview) co_return broker_is_silent();
    if (!has_user(*overview, permission.user))
        co_return bad_user(fmt::format("vhost_or_user_not_found: no user '{}'", permission.user));
    const bool is_new = std::ranges::none_of(overview->permissions, [&](const auto& known) {
        return known.user == permission.user && known.vhost == permission.vhost;
    });
    const auto answer = co_await change(*port, broker_core::PutPermission{permission});
    if (answer && answer->code == amqp::ReplyCode::not_found)
        co_return bad_user("vhost_or_user_not_found: " + answer->text);
    co_return answered(answer, is_new ? 201 : 204);
}

awaitable<Response> delete_permission(Port port, Request, Parameters parameters) {
    const auto overview = co_await look_at_users(port);
    if (!overview) co_return broker_is_silent();
    if (std::ranges::none_of(overview->permissions, [&](const auto& known) { return is_wanted(known, parameters); }))
        co_return no_such_object();
    const broker_core::PermissionRemoved removed{parameters.at("vhost"), parameters.at("user")};
    co_return answered(co_await change(*port, broker_core::RemovePermission{removed}), 204);
}

awaitable<Response> list_topic_permissions(Port port, Request request, Parameters parameters) {
    const auto overview = co_await look_at_users(port);
    if (!overview) co_return broker_is_silent();
    if (const auto vhost = parameters.find("vhost"); vhost != parameters.end() && !has_vhost(*overview, vhost->second))
        co_return no_such_object();
    if (const auto user = parameters.find("user"); user != parameters.end() && !has_user(*overview, user->second))
        co_return no_such_object();
    json::array list;
    for (const auto& permission : overview->topic_permissions)
        if (is_wanted(permission, parameters)) list.push_back(topic_permission_json(permission));
    co_return list_reply(request, std::move(list));
}

awaitable<Response> put_topic_permission(Port port, Request request, Parameters parameters) {
    const auto body = body_of(request);
    if (!body) co_return bad_user(body.error().detail);
    for (const char* key : {"exchange", "write", "read"})
        if (const auto* found = body->if_contains(key); found == nullptr || !found->is_string())
            co_return bad_user(fmt::format("'{}' must be there and be a text", key));
    const broker_core::TopicPermissionPut permission{parameters.at("vhost"), parameters.at("user"),
                                              text_member(*body, "exchange"), text_member(*body, "write"),
                                              text_member(*body, "read")};
    const auto overview = co_await look_at_users(port);
    if (!overview) co_return broker_is_silent();
    if (!has_user(*overview, permission.user))
        co_return bad_user(fmt::format("vhost_or_user_not_found: no user '{}'", permission.user));
    const bool is_new = std::ranges::none_of(overview->topic_permissions, [&](const auto& known) {
        return is_wanted(known, parameters) && known.exchange == permission.exchange;
    });
    const auto answer = co_await change(*port, broker_core::PutTopicPermission{permission});
    if (answer && answer->code == amqp::ReplyCode::not_found)
        co_return bad_user("vhost_or_user_not_found: " + answer->text);
    co_return answered(answer, is_new ? 201 : 204);
}

awaitable<Response> delete_topic_permission(Port port, Request request, Parameters parameters) {
    const broker_core::TopicPermissionRemoved removed{parameters.at("vhost"), parameters.at("user"),
                                               parameter(request, "exchange")};
    const auto overview = co_await look_at_users(port);
    if (!overview) co_return broker_is_silent();
    if (!has_vhost(*overview, removed.vhost) || !has_user(*overview, removed.user)) co_return no_such_object();
    co_return answered(co_await change(*port, broker_core::RemoveTopicPermission{removed}), 204);
}

} // namespace

void add_user_routes(BrokerRoutes& routes) {
    constexpr Level administrator = Level::administrator;
    routes.add("GET", "/api/users", administrator, list_users);
    routes.add("GET", "/api/users/without-permissions", administrator, list_users_without_permissions);
    routes.add("POST", "/api/users/bulk-delete", administrator, delete_users);
    routes.add("GET", "/api/users/{user}", administrator, show_user);
    routes.add("PUT", "/api/users/{user}", administrator, put_user);
    routes.add("DELETE", "/api/users/{user}", administrator, delete_user);
    routes.add("GET", "/api/users/{user}/permissions", administrator, list_permissions);
    routes.add("GET", "/api/users/{user}/topic-permissions", administrator, list_topic_permissions);
    routes.add("GET", "/api/vhosts", Level::management, list_vhosts);
    routes.add("GET", "/api/vhosts/{vhost}", Level::management, show_vhost);
    routes.add("PUT", "/api/vhosts/{vhost}", administrator, put_vhost);
    routes.add("DELETE", "/api/vhosts/{vhost}", administrator, delete_vhost);
    routes.add("GET", "/api/vhosts/{vhost}/permissions", administrator, list_permissions);
    routes.add("GET", "/api/vhosts/{vhost}/topic-permissions", administrator, list_topic_permissions);
    routes.add("GET", "/api/permissions", administrator, list_permissions);
    routes.add("GET", "/api/permissions/{vhost}/{user}", administrator, show_permission);
    routes.add("PUT", "/api/permissions/{vhost}/{user}", administrator, put_permission);
    routes.add("DELETE", "/api/permissions/{vhost}/{user}", administrator, delete_permission);
    routes.add("GET", "/api/topic-permissions", administrator, list_topic_permissions);
    routes.add("GET", "/api/topic-permissions/{vhost}/{user}", administrator, list_topic_permissions);
    routes.add("PUT", "/api/topic-permissions/{vhost}/{user}", administrator, put_topic_permission);
    routes.add("DELETE", "/api/topic-permissions/{vhost}/{user}", administrator, delete_topic_permission);
}

} // namespace baton::web
