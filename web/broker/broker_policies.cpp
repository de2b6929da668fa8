// Policies, operator policies, limits and parameters.
#include "web/broker/broker_api.hpp"
#include "base/utf8.hpp"
#include "web/broker/broker_view.hpp"
#include "web/broker/definitions.hpp"
#include "web/broker/from_json.hpp"
#include "web/broker/list_query.hpp"
#include "web/http/replies.hpp"

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include <algorithm>

namespace baton::web {

namespace broker_core = broker::core;
namespace json = boost::json;
using boost::asio::awaitable;

namespace {

Response bad_policy(const Failure& failure) { return problem(400, "bad_request", failure.detail); }

broker_core::OverviewWish policies_wish() {
    auto wish = no_lists();
    wish.users = wish.policies = true;
    return wish;
}

// What stands against looking at or changing something of a virtual host.
std::optional<Response> refuses_policy(const std::optional<broker_core::Overview>& overview, const Login& login,
                                const Parameters& parameters) {
    if (!overview) return broker_is_silent();
    const auto vhost = parameters.find("vhost");
    if (vhost == parameters.end()) return std::nullopt;
    if (!has_vhost(*overview, vhost->second)) return problem(404, "not_found", "vhost_not_found");
    if (!Sight(login, *overview).sees(vhost->second)) return foreign_vhost();
    return std::nullopt;
}

bool matches(const Parameters& parameters, const char* key, const std::string& value) {
    const auto found = parameters.find(key);
    return found == parameters.end() || found->second == value;
}

// --- Policies ---------------------------------------------------------------------------------------

const std::vector<broker_core::PolicyPut>& policies_of(const broker_core::Overview& overview, bool is_operator) {
    return is_operator ? overview.operator_policies : overview.policies;
}

template <bool IsOperator>
awaitable<Response> list_policies(Port port, Request request, Parameters parameters) {
    const auto overview = co_await look(*port, policies_wish());
    if (auto refusal = refuses_policy(overview, request.login, parameters)) co_return *refusal;
    const Sight sight(request.login, *overview);
    json::array list;
    for (const auto& policy : policies_of(*overview, IsOperator))
        if (matches(parameters, "vhost", policy.vhost) && sight.sees(policy.vhost))
            list.push_back(policy_json(policy));
    co_return list_reply(request, std::move(list));
}

template <bool IsOperator>
awaitable<Response> show_policy(Port port, Request request, Parameters parameters) {
    const auto overview = co_await look(*port, policies_wish());
    if (auto refusal = refuses_policy(overview, request.login, parameters)) co_return *refusal;
    for (const auto& policy : policies_of(*overview, IsOperator))
        if (matches(parameters, "vhost", policy.vhost) && matches(parameters, "name", policy.name))
            co_return object_reply(request, policy_json(policy));
    co_return no_such_object();
}

template <bool IsOperator>
awaitable<Response> put_policy(Port port, Request request, Parameters parameters) {
    const auto body = body_of(request);
    if (!body) co_return bad_policy(body.error());
    auto policy = policy_from(*body, parameters.at("vhost"), parameters.at("name"), IsOperator);
    if (!policy) co_return bad_policy(policy.error());
    const auto overview = co_await look(*port, policies_wish());
    if (auto refusal = refuses_policy(overview, request.login, parameters)) co_return *refusal;
    const bool is_new = std::ranges::none_of(policies_of(*overview, IsOperator), [&](const auto& known) {
        return known.vhost == policy->vhost && known.name == policy->name;
    });
    co_return answered(co_await change(*port, broker_core::PutPolicy{std::move(*policy)}), is_new ? 201 : 204);
}

template <bool IsOperator>
awaitable<Response> delete_policy(Port port, Request request, Parameters parameters) {
    const auto overview = co_await look(*port, policies_wish());
    if (auto refusal = refuses_policy(overview, request.login, parameters)) co_return *refusal;
    broker_core::PolicyRemoved removed{parameters.at("vhost"), parameters.at("name"), IsOperator};
    co_return answered(co_await change(*port, broker_core::RemovePolicy{std::move(removed)}), 204);
}

template <bool IsOperator>
void add_routes_of_policies(BrokerRoutes& routes, const std::string& path) {
    constexpr Level changes = IsOperator ? Level::administrator : Level::policymaker;
    const std::string in_vhost = path + "/{vhost}";
    const std::string one = in_vhost + "/{name}";
    routes.add("GET", path.c_str(), Level::management, list_policies<IsOperator>);
    routes.add("GET", in_vhost.c_str(), Level::management, list_policies<IsOperator>);
    routes.add("GET", one.c_str(), Level::management, show_policy<IsOperator>);
    routes.add("PUT", one.c_str(), changes, put_policy<IsOperator>);
    routes.add("DELETE", one.c_str(), changes, delete_policy<IsOperator>);
}

// --- Limits -----------------------------------------------------------------------------------------

awaitable<Response> list_vhost_limits(Port port, Request request, Parameters parameters) {
    const auto overview = co_await look(*port, policies_wish());
    if (auto refusal = refuses_policy(overview, request.login, parameters)) co_return *refusal;
    const Sight sight(request.login, *overview);
    json::array list;
    for (const auto& limits : overview->vhost_limits) {
        if (!matches(parameters, "vhost", limits.vhost) || !sight.sees(limits.vhost)) continue;
        json::object entry;
        entry["vhost"] = as_utf8(limits.vhost);
        entry["value"] = limits_json(limits);
        list.push_back(std::move(entry));
    }
    co_return list_reply(request, std::move(list));
}

awaitable<Response> list_user_limits(Port port, Request request, Parameters parameters) {
    const auto overview = co_await look(*port, policies_wish());
    if (!overview) co_return broker_is_silent();
    json::array list;
    for (const auto& limits : overview->user_limits) {
        if (!matches(parameters, "user", limits.user)) continue;
        if (!request.login.sees_everything() && limits.user != request.login.user) continue;
        json::object entry;
        entry["user"] = as_utf8(limits.user);
        entry["value"] = limits_json(limits);
        list.push_back(std::move(entry));
    }
    co_return list_reply(request, std::move(list));
}

// The limits there are, or none yet.
broker_core::VhostLimitsPut limits_of_vhost(const broker_core::Overview& overview, const std::string& vhost) {
    const auto found = std::ranges::find(overview.vhost_limits, vhost, &broker_core::VhostLimitsPut::vhost);
    return found == overview.vhost_limits.end() ? broker_core::VhostLimitsPut{vhost, {}, {}} : *found;
}

broker_core::UserLimitsPut limits_of_user(const broker_core::Overview& overview, const std::string& user) {
    const auto found = std::ranges::find(overview.user_limits, user, &broker_core::UserLimitsPut::user);
    return found == overview.user_limits.end() ? broker_core::UserLimitsPut{user, {}, {}} : *found;
}

// {NAME: the body's "value"}, as limits_into wants it.
Outcome<json::object> limit_in(const Request& request, const std::string& name) {
    BATON_ASSIGN(const auto body, body_of(request));
    const auto* value = body.if_contains("value");
    if (value == nullptr)
        return Failure{make_error_code(boost::system::errc::invalid_argument), "'value' is missing"};
    json::object limit;
    limit[name] = *value;
    return limit;
}

awaitable<Response> set_vhost_limit(Port port, Request request, Parameters parameters, Outcome<json::object> limit) {
    if (!limit) co_return bad_policy(limit.error());
    const auto overview = co_await look(*port, policies_wish());
    if (auto refusal = refuses_policy(overview, request.login, parameters)) co_return *refusal;
    auto limits = limits_of_vhost(*overview, parameters.at("vhost"));
    if (const auto read = limits_into(limits, *limit); !read) co_return bad_policy(read.error());
    co_return answered(co_await change(*port, broker_core::PutVhostLimits{std::move(limits)}), 204);
}

awaitable<Response> put_vhost_limit(Port port, Request request, Parameters parameters) {
    auto limit = limit_in(request, parameters.at("name"));
    return set_vhost_limit(std::move(port), std::move(request), std::move(parameters), std::move(limit));
}

awaitable<Response> delete_vhost_limit(Port port, Request request, Parameters parameters) {
    json::object none;
    none[parameters.at("name")] = -1;
    return set_vhost_limit(std::move(port), std::move(request), std::move(parameters), std::move(none));
}

awaitable<Response> set_user_limit(Port port, Request, Parameters parameters, Outcome<json::object> limit) {
    if (!limit) co_return bad_policy(limit.error());
    if (parameters.at("user") == port->own_user) co_return no_such_object();
    const auto overview = co_await look(*port, policies_wish());
    if (!overview) co_return broker_is_silent();
    auto limits = limits_of_user(*overview, parameters.at("user"));
    if (const auto read = limits_into(limits, *limit); !read) co_return bad_policy(read.error());
    co_return answered(co_await change(*port, broker_core::PutUserLimits{std::move(limits)}), 204);
}

awaitable<Response> put_user_limit(Port port, Request request, Parameters parameters) {
    auto limit = limit_in(request, parameters.at("name"));
    return set_user_limit(std::move(port), std::move(request), std::move(parameters), std::move(limit));
}

awaitable<Response> delete_user_limit(Port port, Request request, Parameters parameters) {
    json::object none;
    none[parameters.at("name")] = -1;
    return set_user_limit(std::move(port), std::move(request), std::move(parameters), std::move(none));
}

// --- Parameters -------------------------------------------------------------------------------------

// Global ones have neither virtual host nor component.
bool is_global(const broker_core::ParameterPut& parameter) { return parameter.vhost.empty(); }

awaitable<Response> list_parameters(Port port, Request request, Parameters parameters) {
    const auto overview = co_await look(*port, policies_wish());
    if (auto refusal = refuses_policy(overview, request.login, parameters)) co_return *refusal;
    const Sight sight(request.login, *overview);
    json::array list;
    for (const auto& known : overview->parameters) {
        if (is_global(known) || !sight.sees(known.vhost)) continue;
        if (!matches(parameters, "component", known.component) || !matches(parameters, "vhost", known.vhost)) continue;
        if (!matches(parameters, "name", known.name)) continue;
        if (parameters.contains("name")) co_return object_reply(request, parameter_json(known));
        list.push_back(parameter_json(known));
    }
    if (parameters.contains("name")) co_return no_such_object();
    co_return list_reply(request, std::move(list));
}

awaitable<Response> list_global_parameters(Port port, Request request, Parameters parameters) {
    const auto overview = co_await look(*port, policies_wish());
    if (!overview) co_return broker_is_silent();
    json::array list;
    for (const auto& known : overview->parameters) {
        if (!is_global(known) || !matches(parameters, "name", known.name)) continue;
        if (parameters.contains("name")) co_return object_reply(request, parameter_json(known));
        list.push_back(parameter_json(known));
    }
    if (parameters.contains("name")) co_return no_such_object();
    co_return list_reply(request, std::move(list));
}

broker_core::ParameterPut parameter_in(const Parameters& parameters) {
    broker_core::ParameterPut wanted;
    wanted.name = parameters.at("name");
    if (const auto vhost = parameters.find("vhost"); vhost != parameters.end()) {
        wanted.vhost = vhost->second;
        wanted.component = parameters.at("component");
    }
    return wanted;
}

bool is_same(const broker_core::ParameterPut& a, const broker_core::ParameterPut& b) {
    return a.vhost == b.vhost && a.component == b.component && a.name == b.name;
}

awaitable<Response> put_parameter(Port port, Request request, Parameters parameters) {
    const auto body = body_of(request);
    if (!body) co_return bad_policy(body.error());
    const auto* value = body->if_contains("value");
    if (value == nullptr) co_return problem(400, "bad_request", "'value' is missing");
    broker_core::ParameterPut wanted = parameter_in(parameters);
    for (const char* own : {"policy", "operator_policy", "vhost-limits"})
        if (wanted.component == own)
            co_return problem(400, "bad_request", fmt::format("the component '{}' has paths of its own", own));
    if (!wanted.vhost.empty() && !is_known_component(wanted.component))
        co_return problem(400, "bad_request", fmt::format("Validation failed\n\ncomponent {} not found\n", wanted.component));
    wanted.value = json::serialize(*value);
    const auto overview = co_await look(*port, policies_wish());
    if (auto refusal = refuses_policy(overview, request.login, parameters)) co_return *refusal;
    const bool is_new = std::ranges::none_of(overview->parameters,
                                             [&](const auto& known) { return is_same(known, wanted); });
    co_return answered(co_await change(*port, broker_core::PutParameter{std::move(wanted)}), is_new ? 201 : 204);
}

awaitable<Response> delete_parameter(Port port, Request request, Parameters parameters) {
    const broker_core::ParameterPut wanted = parameter_in(parameters);
    const auto overview = co_await look(*port, policies_wish());
    if (auto refusal = refuses_policy(overview, request.login, parameters)) co_return *refusal;
    if (std::ranges::none_of(overview->parameters, [&](const auto& known) { return is_same(known, wanted); }))
        co_return no_such_object();
    co_return answered(co_await change(*port, broker_core::PutParameter{wanted}), 204);
}

} // namespace

void add_policy_routes(BrokerRoutes& routes) {
    add_routes_of_policies<false>(routes, "/api/policies");
    add_routes_of_policies<true>(routes, "/api/operator-policies");
    routes.add("GET", "/api/vhost-limits", Level::management, list_vhost_limits);
    routes.add("GET", "/api/vhost-limits/{vhost}", Level::management, list_vhost_limits);
    routes.add("PUT", "/api/vhost-limits/{vhost}/{name}", Level::administrator, put_vhost_limit);
    routes.add("DELETE", "/api/vhost-limits/{vhost}/{name}", Level::administrator, delete_vhost_limit);
    routes.add("GET", "/api/user-limits", Level::management, list_user_limits);
    routes.add("GET", "/api/user-limits/{user}", Level::management, list_user_limits);
    routes.add("PUT", "/api/user-limits/{user}/{name}", Level::administrator, put_user_limit);
    routes.add("DELETE", "/api/user-limits/{user}/{name}", Level::administrator, delete_user_limit);
    routes.add("GET", "/api/parameters", Level::policymaker, list_parameters);
    routes.add("GET", "/api/parameters/{component}", Level::policymaker, list_parameters);
    routes.add("GET", "/api/parameters/{component}/{vhost}", Level::policymaker, list_parameters);
    routes.add("GET", "/api/parameters/{component}/{vhost}/{name}", Level::policymaker, list_parameters);
    routes.add("PUT", "/api/parameters/{component}/{vhost}/{name}", Level::policymaker, put_parameter);
    routes.add("DELETE", "/api/parameters/{component}/{vhost}/{name}", Level::policymaker, delete_parameter);
    routes.add("GET", "/api/global-parameters", Level::policymaker, list_global_parameters);
    routes.add("GET", "/api/global-parameters/{name}", Level::policymaker, list_global_parameters);
    routes.add("PUT", "/api/global-parameters/{name}", Level::administrator, put_parameter);
    routes.add("DELETE", "/api/global-parameters/{name}", Level::administrator, delete_parameter);
}

} // namespace baton::web
