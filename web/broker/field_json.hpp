// AMQP's tables as JSON and back, as RabbitMQ's API and definitions have them. Pure functions.
// Letters of the wire that JSON does not know come out as what is nearest: bytes as base64,
// timestamps as seconds, decimals as numbers. Numbers without a fraction come in as 64-bit integers.
#pragma once

#include "amqp/field_table.hpp"
#include "base/result.hpp"

#include <boost/json/object.hpp>

#include <string>

namespace baton::web {

boost::json::object to_json(const amqp::FieldTable& table);
boost::json::value to_json(const amqp::FieldValue& value);

// `place` names the object in a failure: "queues[3].arguments".
Outcome<amqp::FieldTable> to_table(const boost::json::object& object, const std::string& place);

// RabbitMQ's command line exports some objects as arrays of pairs, [["max-length", 5]]; those count
// as objects here. Nothing if it is neither.
std::optional<boost::json::object> as_object(const boost::json::value& value);

} // namespace baton::web
