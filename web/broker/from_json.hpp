// From JSON, the bodies of requests and the entries of definitions, to what the broker is asked.
// Pure functions. Their failures name the member: "'durable' must be true or false".
#pragma once

#include "base/result.hpp"
#include "broker/core/event.hpp"

#include <boost/json/object.hpp>

#include <string>
#include <string_view>

namespace baton::web {

struct BrokerPort;

// `key` may be absent: then `otherwise`. "true" and "false" as texts count too.
Outcome<bool> flag_in(const boost::json::object& object, std::string_view key, bool otherwise);
// Must be there and be a text.
Outcome<std::string> text_in(const boost::json::object& object, std::string_view key);
// An object; absent or null is an empty table.
Outcome<amqp::FieldTable> table_in(const boost::json::object& object, std::string_view key);
// An array of texts, or one text with commas. Absent is none.
Outcome<std::vector<std::string>> tags_in(const boost::json::object& object);

// {"password" or "password_hash", "hashing_algorithm", "tags"}. Without either the user has no
// password. The port knows how to hash and which algorithms can be checked.
Outcome<broker::core::UserPut> user_from(const boost::json::object& object, const std::string& name,
                                         const BrokerPort& port);
// {"description", "tags"} or the same inside "metadata".
Outcome<broker::core::VhostPut> vhost_from(const boost::json::object& object, const std::string& name);
// {"pattern", "definition", "priority", "apply-to"}
Outcome<broker::core::PolicyPut> policy_from(const boost::json::object& object, const std::string& vhost,
                                             const std::string& name, bool is_operator);
// {"type", "durable", "auto_delete", "internal", "arguments"}
Outcome<broker::core::DeclareExchange> exchange_from(const boost::json::object& object, const std::string& vhost,
                                                     const std::string& name);
Outcome<broker::core::DeclareQueue> queue_from(const boost::json::object& object, const std::string& vhost,
                                               const std::string& name);

// {"max-connections", "max-queues"}; `into` keeps what is not there. A negative number means none.
Outcome<void> limits_into(broker::core::VhostLimitsPut& into, const boost::json::object& object);
// {"max-connections", "max-channels"}
Outcome<void> limits_into(broker::core::UserLimitsPut& into, const boost::json::object& object);

} // namespace baton::web
