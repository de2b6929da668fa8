// Values in a JSON form that keeps every type apart: {"int":"7"}, {"uint":"7"}, {"double":"1.5"},
// {"string":"a"}, {"bytes_base64":"YQ=="}, {"bool":true}, {"null":true}, {"list":[..]},
// {"map":[[key, value], ..]}, {"timestamp":"2026-01-31T00:00:00Z"}, {"duration":"1.5s"},
// {"type":"int"}. Conformance data and `baton eval --jsonl` speak it.
#pragma once

#include "base/result.hpp"
#include "orchestrator/expression/value.hpp"

#include <boost/json/fwd.hpp>

#include <string>
#include <string_view>

namespace baton::orchestrator::expression {

boost::json::value to_typed_json(const Value& value);

// Fails with a sentence that says what is wrong with the form.
Outcome<Value> from_typed_json(const boost::json::value& json);

// One line of `baton eval --jsonl`. Reads {"expr": text, "bindings": {name: typed value}?,
// "dynamic": bool?} and gives {"value": typed value} or {"error": text}, without a line end. A line
// that is no such thing gives {"error": ..} too; nothing a line contains can do harm.
std::string eval_line(std::string_view json_line);

} // namespace baton::orchestrator::expression
