// The broker's objects as RabbitMQ's management API shows them: its field names, without the fields
// that only make sense for Erlang. Pure functions from views to JSON.
#pragma once

#include "broker/core/overview.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <string>
#include <string_view>

namespace baton::web {

struct BrokerPort;

boost::json::object queue_json(const broker::core::QueueView& queue, const std::string& node);
boost::json::object exchange_json(const broker::core::ExchangeView& exchange);
boost::json::object binding_json(const broker::core::BindingView& binding);
boost::json::object connection_json(const broker::core::ConnectionView& connection, const std::string& node);
boost::json::object channel_json(const broker::core::ChannelView& channel, const std::string& node);
boost::json::object consumer_json(const broker::core::ConsumerView& consumer, const std::string& node);

boost::json::object vhost_json(const broker::core::VhostPut& vhost);
boost::json::object user_json(const broker::core::UserPut& user, const broker::core::Overview& overview);
boost::json::object permission_json(const broker::core::PermissionPut& permission);
boost::json::object topic_permission_json(const broker::core::TopicPermissionPut& permission);
boost::json::object policy_json(const broker::core::PolicyPut& policy);
// {"max-connections": 64}
boost::json::object limits_json(const broker::core::VhostLimitsPut& limits);
boost::json::object limits_json(const broker::core::UserLimitsPut& limits);
// {"value", "vhost", "component", "name"}; a global one has no virtual host and no component.
boost::json::object parameter_json(const broker::core::ParameterPut& parameter);

boost::json::object overview_json(const broker::core::Overview& overview, const BrokerPort& port);

// How a binding is called in a path: "~" for an empty routing key without arguments, else the
// percent-encoded key, then "~" and a fingerprint of the arguments if there are any.
std::string properties_key(const broker::core::BindingView& binding);

// "<baton.17>": what stands in the place of RabbitMQ's process ids.
std::string connection_pid(broker::core::ConnectionId connection);
std::string channel_pid(broker::core::ConnectionId connection, broker::core::ChannelNumber channel);

} // namespace baton::web
