// What is said of each key stands here in JSON; which keys there are says the key table.
#include "orchestrator/definition/json_schema.hpp"

#include "orchestrator/definition/key_table.hpp"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>

#include <array>
#include <string>
#include <string_view>
#include <utility>

namespace baton::orchestrator::definition {

namespace {

namespace json = boost::json;

constexpr std::string_view common = R"json({
  "duration": {"type": "string", "minLength": 2, "pattern": "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$"},
  "expression": {"type": "string", "not": {"pattern": "\\$\\{"}},
  "values": {"anyOf": [{"type": "object"}, {"type": "string", "pattern": "\\$\\{"}]},
  "priority": {"type": "integer", "minimum": 0, "maximum": 9},
  "route": {"type": "string", "maxLength": 100, "pattern": "^[A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)*$"},
  "workflow_name": {"type": "string", "maxLength": 100, "pattern": "^[A-Za-z0-9_][A-Za-z0-9_.-]*$"},
  "id": {"type": "string", "maxLength": 64, "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
  "error_pattern": {"type": "string", "pattern": "^([^*\\s]+([.][*])?|[*])$"},
  "part": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]+([.][0-9]+)?%$"}]},
  "go": {"anyOf": [{"type": "string"}, {"type": "array", "minItems": 1, "items": {"type": "string"}}]},
  "retry_or_name": {"anyOf": [{"type": "string"}, {"$ref": "#/definitions/retry"}, {"type": "array", "minItems": 1, "items": {"$ref": "#/definitions/retry_rule"}}]},
  "timeout_or_table": {"anyOf": [{"$ref": "#/definitions/duration"}, {"$ref": "#/definitions/timeout"}]},
  "steps": {"type": "array", "minItems": 1, "items": {"$ref": "#/definitions/step"}},
  "input_type": {"enum": ["string", "integer", "number", "boolean", "array", "object", "any"]},
  "input_field_or_type": {"anyOf": [{"$ref": "#/definitions/input_type"}, {"$ref": "#/definitions/input_field"}]},
  "input_fields": {"type": "object", "additionalProperties": {"$ref": "#/definitions/input_field_or_type"}}
})json";

constexpr std::string_view workflow_text = R"json({
  "workflow": {"$ref": "#/definitions/workflow_name", "description": "Its name."},
  "description": {"type": "string", "description": "For people."},
  "timeout": {"$ref": "#/definitions/duration", "description": "Of a whole run."},
  "on_failure": {"enum": ["fail", "continue", "compensate", "pause"], "description": "When a step failed for good."},
  "on_cancel": {"enum": ["stop", "compensate"]},
  "priority": {"$ref": "#/definitions/priority", "description": "Of its tasks that name none."},
  "labels": {"type": "object", "maxProperties": 16, "additionalProperties": {"type": "string"}, "description": "What its runs can be found by."},
  "schemas": {"type": "object", "additionalProperties": {"type": "string"}, "description": "JSON Schemas by name, each a text in JSON; baton deploy fills it in from files."},
  "retention": {"$ref": "#/definitions/duration", "description": "How long a run is kept after its end."},
  "idempotency": {"$ref": "#/definitions/idempotency", "description": "Two starts with one key are one run."},
  "concurrency": {"$ref": "#/definitions/concurrency", "description": "How many runs with one key go on at once."},
  "limits": {"type": "object", "additionalProperties": {"$ref": "#/definitions/limit"}, "description": "How many tasks that name a limit are handed out."},
  "input": {"$ref": "#/definitions/input_fields", "description": "What a run must be given."},
  "vars": {"type": "object", "description": "Constants, read as vars.NAME."},
  "defaults": {"$ref": "#/definitions/defaults", "description": "Of every task in the file."},
  "on": {"type": "array", "minItems": 1, "items": {"$ref": "#/definitions/trigger"}, "description": "What starts runs by itself."},
  "step": {"$ref": "#/definitions/steps"},
  "on_error": {"$ref": "#/definitions/steps", "description": "Run when the run is about to end failed, timed out or compensated."},
  "finally": {"$ref": "#/definitions/steps", "description": "Run before the run closes, whatever its end."},
  "output": {"description": "What the run gives."}
})json";

constexpr std::string_view trigger_text = R"json({
  "cron": {"type": "string", "description": "Minute, hour, day, month, day of the week; or @daily and the like."},
  "webhook": {"type": "string", "description": "The last part of the address that is called."},
  "event": {"type": "string", "minLength": 1, "maxLength": 255, "description": "The type of the events; * is any word between dots, # any number of them."},
  "source": {"type": "string", "minLength": 1, "description": "Whose events are meant."},
  "rpc": {"type": "string", "description": "The key of requests to the exchange baton.rpc that begin a run and wait for its answer."},
  "timeout": {"$ref": "#/definitions/duration", "description": "When a caller is told that there is no answer yet."},
  "name": {"type": "string", "maxLength": 64},
  "input": {"$ref": "#/definitions/values", "description": "The run's input; reads event and vars."},
  "timezone": {"type": "string", "description": "A name of the IANA database."},
  "overlap": {"enum": ["skip", "queue", "cancel", "allow"], "description": "What a start does that falls into the run before."},
  "catch_up": {"anyOf": [{"$ref": "#/definitions/duration"}, {"$ref": "#/definitions/catch_up"}], "description": "How late a missed start is made up for."},
  "jitter": {"$ref": "#/definitions/duration", "description": "Each start is put off by less than this."},
  "when": {"$ref": "#/definitions/expression", "description": "False: the delivery or the event starts nothing."},
  "auth": {"anyOf": [{"const": "none"}, {"$ref": "#/definitions/auth"}], "description": "How a sender shows that it knows the secret."},
  "id": {"$ref": "#/definitions/expression", "description": "Names the delivery: under one name there is one run."}
})json";

constexpr std::string_view catch_up_text = R"json({
  "within": {"$ref": "#/definitions/duration"},
  "most": {"type": "integer", "minimum": 1}
})json";

constexpr std::string_view auth_text = R"json({
  "scheme": {"enum": ["github", "slack", "stripe", "hmac", "bearer"]},
  "secret": {"anyOf": [{"$ref": "#/definitions/secret"}, {"type": "array", "minItems": 1, "maxItems": 4, "items": {"$ref": "#/definitions/secret"}}]},
  "header": {"type": "string"},
  "prefix": {"type": "string"},
  "tolerance": {"$ref": "#/definitions/duration"}
})json";

constexpr std::string_view secret_text = R"json({
  "file": {"type": "string"},
  "environment": {"type": "string"}
})json";

constexpr std::string_view step_text = R"json({
  "id": {"$ref": "#/definitions/id", "description": "How others refer to it; unique in the file."},
  "task": {"$ref": "#/definitions/route", "description": "The task type a worker serves."},
  "workflow": {"$ref": "#/definitions/workflow_name", "description": "Runs another workflow and waits for its end."},
  "detached": {"type": "boolean", "description": "Nobody waits for the other run's end."},
  "emit": {"$ref": "#/definitions/emit", "description": "Tells an event to whoever listens."},
  "do": {"$ref": "#/definitions/steps", "description": "Steps in order."},
  "parallel": {"$ref": "#/definitions/steps", "description": "Steps at once."},
  "switch": {"type": "array", "minItems": 1, "items": {"$ref": "#/definitions/switch_case"}, "description": "The first case that is true sends to its go."},
  "set": {"$ref": "#/definitions/values", "description": "Computes values."},
  "wait": {"$ref": "#/definitions/duration"},
  "wait_until": {"$ref": "#/definitions/expression", "description": "A time."},
  "signal": {"type": "string", "minLength": 1, "description": "Waits for a signal to this run."},
  "event": {"$ref": "#/definitions/event", "description": "Waits for an event that is told to everybody."},
  "reply": {"$ref": "#/definitions/values", "description": "Answers who began the run by a call, and goes on."},
  "approval": {"$ref": "#/definitions/approval", "description": "Asks people."},
  "first_of": {"type": "object", "minProperties": 2, "additionalProperties": {"$ref": "#/definitions/way"}, "description": "The first of several waits."},
  "end": {"anyOf": [{"const": true}, {"$ref": "#/definitions/end"}], "description": "Completes the run at once."},
  "fail": {"anyOf": [{"type": "string"}, {"$ref": "#/definitions/fail"}]},
  "with": {"anyOf": [{"$ref": "#/definitions/values"}, {"type": "array"}], "description": "What it is given, with ${..} inside."},
  "after": {"type": "array", "items": {"type": "string"}, "description": "The steps before it; [] begins at once. Else the step before it in the file."},
  "join": {"anyOf": [{"enum": ["all", "any", "first", "done"]}, {"type": "integer", "minimum": 1}], "description": "How many of the steps before it are needed."},
  "cancel_rest": {"type": "boolean", "description": "When it begins, steps before it that still run are cancelled."},
  "when": {"$ref": "#/definitions/expression", "description": "If false, the step is skipped and its followers go on."},
  "retry": {"$ref": "#/definitions/retry_or_name"},
  "timeout": {"$ref": "#/definitions/timeout_or_table"},
  "on_timeout": {"type": "string", "description": "fail, continue, or a step to go to."},
  "catch": {"type": "array", "items": {"$ref": "#/definitions/catch_rule"}},
  "compensate": {"$ref": "#/definitions/compensate", "description": "How to undo it."},
  "http": {"$ref": "#/definitions/http", "description": "A call of a target of the http worker."},
  "transform": {"type": "string", "minLength": 1, "description": "A jq program over with."},
  "verify": {"$ref": "#/definitions/verify", "description": "Who finds out whether an attempt took effect of which nobody knows."},
  "cache": {"$ref": "#/definitions/cache", "description": "What it gave under this key not long ago, it gives again."},
  "output": {"description": "Reshapes the result, which is read as result."},
  "priority": {"$ref": "#/definitions/priority"},
  "limit": {"type": "string", "description": "The name of a limit in [limits]."},
  "queue": {"$ref": "#/definitions/route", "description": "An own queue of the task type."},
  "idempotency_key": {"$ref": "#/definitions/expression", "description": "The key the worker is given."},
  "for_each": {"$ref": "#/definitions/expression", "description": "A list: one instance for each item."},
  "as": {"$ref": "#/definitions/id", "description": "What instances call their item."},
  "max_parallel": {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 1000}, {"$ref": "#/definitions/expression"}], "description": "How many instances run at once."},
  "tolerate": {"$ref": "#/definitions/part", "description": "How many items may fail."},
  "enough": {"$ref": "#/definitions/part", "description": "How many must end well."},
  "fail_fast": {"type": "boolean"},
  "while": {"$ref": "#/definitions/expression", "description": "Tested before each iteration."},
  "until": {"$ref": "#/definitions/expression", "description": "Tested after each iteration."},
  "max_iterations": {"type": "integer", "minimum": 1, "maximum": 1000000},
  "every": {"$ref": "#/definitions/duration", "description": "A pause between two iterations."}
})json";

constexpr std::string_view input_field_text = R"json({
  "type": {"$ref": "#/definitions/input_type"},
  "format": {"enum": ["email", "date-time", "date", "uri", "uuid"]},
  "pattern": {"type": "string", "description": "A regular expression that must be found in the text."},
  "required": {"type": "boolean"},
  "enum": {"type": "array", "minItems": 1},
  "items": {"$ref": "#/definitions/input_field_or_type"},
  "properties": {"$ref": "#/definitions/input_fields"},
  "other_properties": {"type": "boolean"},
  "nullable": {"type": "boolean"},
  "min": {"type": "number"},
  "max": {"type": "number"},
  "description": {"type": "string"},
  "index": {"type": "boolean", "description": "Runs can be found by it."},
  "schema": {"type": "string", "description": "A JSON Schema in a file beside the workflow, or in [schemas]."}
})json";

constexpr std::string_view defaults_text = R"json({
  "timeout": {"$ref": "#/definitions/timeout_or_table"},
  "retry": {"$ref": "#/definitions/retry_or_name"},
  "retries": {"type": "object", "additionalProperties": {"$ref": "#/definitions/retry"}, "description": "Named policies."},
  "priority": {"$ref": "#/definitions/priority"}
})json";

constexpr std::string_view retry_text = R"json({
  "max_attempts": {"type": "integer", "minimum": 1, "maximum": 1000},
  "initial_interval": {"$ref": "#/definitions/duration"},
  "backoff": {"type": "number", "minimum": 1, "maximum": 100},
  "max_interval": {"$ref": "#/definitions/duration"},
  "jitter": {"type": "number", "minimum": 0, "maximum": 1},
  "non_retryable": {"type": "array", "items": {"$ref": "#/definitions/error_pattern"}}
})json";

constexpr std::string_view retry_rule_text = R"json({
  "error": {"$ref": "#/definitions/error_pattern"},
  "preset": {"type": "string", "description": "A policy of [defaults.retries]."},
  "max_attempts": {"type": "integer", "minimum": 1, "maximum": 1000},
  "initial_interval": {"$ref": "#/definitions/duration"},
  "backoff": {"type": "number", "minimum": 1, "maximum": 100},
  "max_interval": {"$ref": "#/definitions/duration"},
  "jitter": {"type": "number", "minimum": 0, "maximum": 1}
})json";

constexpr std::string_view event_text = R"json({
  "type": {"type": "string", "minLength": 1},
  "match": {"type": "object", "description": "What must stand where in the event."},
  "keep": {"$ref": "#/definitions/duration", "description": "So long before the wait begins it may have come."}
})json";

constexpr std::string_view timeout_text = R"json({
  "schedule_to_start": {"$ref": "#/definitions/duration", "description": "Waiting for a worker."},
  "start_to_close": {"$ref": "#/definitions/duration", "description": "One attempt, from the moment a worker begins."},
  "heartbeat": {"$ref": "#/definitions/duration", "description": "Silence of the worker."},
  "schedule_to_close": {"$ref": "#/definitions/duration", "description": "All attempts together."}
})json";

constexpr std::string_view switch_case_text = R"json({
  "when": {"$ref": "#/definitions/expression"},
  "go": {"$ref": "#/definitions/go"}
})json";

constexpr std::string_view catch_text = R"json({
  "error": {"$ref": "#/definitions/error_pattern"},
  "output": {"description": "The step is done with this."},
  "go": {"$ref": "#/definitions/go"},
  "continue": {"const": true}
})json";

constexpr std::string_view compensate_text = R"json({
  "task": {"$ref": "#/definitions/route"},
  "workflow": {"$ref": "#/definitions/workflow_name"},
  "with": {"$ref": "#/definitions/values"},
  "on": {"enum": ["completed", "attempted"], "description": "attempted: also if nobody knows whether it took effect."},
  "when": {"$ref": "#/definitions/expression"},
  "retry": {"$ref": "#/definitions/retry_or_name"},
  "timeout": {"$ref": "#/definitions/timeout_or_table"},
  "priority": {"$ref": "#/definitions/priority"},
  "queue": {"$ref": "#/definitions/route"},
  "limit": {"type": "string"},
  "idempotency_key": {"$ref": "#/definitions/expression"}
})json";

constexpr std::string_view http_text = R"json({
  "target": {"type": "string", "description": "The name of a target of the http worker."},
  "path": {"type": "string", "description": "Below the target's address."},
  "method": {"type": "string", "description": "GET unless said."},
  "query": {"$ref": "#/definitions/values"},
  "headers": {"$ref": "#/definitions/values"},
  "body": {"description": "Sent as JSON."},
  "form": {"$ref": "#/definitions/values"},
  "text": {"type": "string"},
  "expect": {"description": "The statuses that are well, 200 to 299 unless said."},
  "pages": {"$ref": "#/definitions/values"}
})json";

constexpr std::string_view cache_text = R"json({
  "key": {"$ref": "#/definitions/expression", "description": "All that the result hangs on."},
  "max_age": {"$ref": "#/definitions/duration"}
})json";

constexpr std::string_view verify_text = R"json({
  "task": {"$ref": "#/definitions/route"},
  "with": {"$ref": "#/definitions/values", "description": "Else it is given what the step was given."},
  "done": {"$ref": "#/definitions/expression", "description": "Reads result; true: the attempt took effect."},
  "output": {"description": "The result of the step then, else that of the look."},
  "retry": {"anyOf": [{"$ref": "#/definitions/retry"}, {"type": "string"}]},
  "timeout": {"$ref": "#/definitions/duration"},
  "priority": {"$ref": "#/definitions/priority"},
  "queue": {"$ref": "#/definitions/route"}
})json";

constexpr std::string_view idempotency_text = R"json({
  "key": {"$ref": "#/definitions/expression"},
  "window": {"$ref": "#/definitions/duration"},
  "on_duplicate": {"enum": ["return", "refuse", "restart_failed"]}
})json";

constexpr std::string_view concurrency_text = R"json({
  "key": {"$ref": "#/definitions/expression"},
  "limit": {"type": "integer", "minimum": 1},
  "on_limit": {"enum": ["queue", "skip", "refuse", "replace"]}
})json";

constexpr std::string_view limit_text = R"json({
  "rate": {"type": "string", "pattern": "^[0-9]+([.][0-9]+)?/[smh]$"},
  "max_concurrent": {"type": "integer", "minimum": 1}
})json";

constexpr std::string_view end_text = R"json({"output": {}})json";

constexpr std::string_view fail_text = R"json({
  "error": {"type": "string"},
  "message": {"type": "string"}
})json";

constexpr std::string_view approval_text = R"json({
  "title": {"type": "string"},
  "by": {"anyOf": [{"type": "array", "minItems": 1, "items": {"type": "string"}}, {"type": "string", "pattern": "^\\$\\{"}]},
  "quorum": {"type": "integer", "minimum": 1, "maximum": 100},
  "form": {"anyOf": [{"$ref": "#/definitions/input_fields"}, {"type": "string"}]},
  "remind": {"$ref": "#/definitions/duration"}
})json";

constexpr std::string_view emit_text = R"json({
  "type": {"type": "string", "minLength": 1, "description": "The event's type, by which others listen."},
  "subject": {"type": "string"},
  "data": {"description": "What it says, with ${..} inside."}
})json";

constexpr std::string_view way_text = R"json({
  "signal": {"type": "string", "minLength": 1},
  "event": {"$ref": "#/definitions/event"},
  "approval": {"$ref": "#/definitions/approval"},
  "wait": {"$ref": "#/definitions/duration"},
  "wait_until": {"$ref": "#/definitions/expression"}
})json";

// A table with the keys of `keys`. One that is not described here may have any value.
json::object table(const KeyTable& keys, std::string_view described,
                   std::initializer_list<std::string_view> required = {}) {
    const json::object all = json::parse(described).get_object();
    json::object properties;
    for (const std::string_view key : keys.available) {
        const json::value* one = all.if_contains(key);
        properties[key] = one != nullptr ? *one : json::value(json::object{});
    }
    json::object out{
        {"type", "object"}, {"additionalProperties", false}, {"properties", std::move(properties)}};
    if (required.size() > 0) out["required"] = json::array(required.begin(), required.end());
    return out;
}

json::array each_alone(std::span<const std::string_view> words) {
    json::array all;
    for (const std::string_view word : words)
        all.emplace_back(json::object{{"required", json::array{json::string(word)}}});
    return all;
}

} // namespace

json::object json_schema() {
    json::object definitions = json::parse(common).get_object();
    json::object step = table(step_keys, step_text, {"id"});
    step["oneOf"] = each_alone(kind_keys.available);
    definitions["step"] = std::move(step);
    definitions["input_field"] = table(input_field_keys, input_field_text);
    definitions["defaults"] = table(defaults_keys, defaults_text);
    definitions["retry"] = table(retry_keys, retry_text);
    definitions["retry_rule"] = table(retry_rule_keys, retry_rule_text, {"error"});
    definitions["event"] = table(event_keys, event_text, {"type"});
    definitions["timeout"] = table(timeout_keys, timeout_text);
    definitions["switch_case"] = table(switch_case_keys, switch_case_text, {"go"});
    definitions["catch_rule"] = table(catch_keys, catch_text, {"error"});
    definitions["compensate"] = table(compensate_keys, compensate_text);
    definitions["http"] = table(http_keys, http_text, {"target", "path"});
    definitions["cache"] = table(cache_keys, cache_text, {"key", "max_age"});
    definitions["verify"] = table(verify_keys, verify_text, {"task", "done"});
    definitions["idempotency"] = table(idempotency_keys, idempotency_text, {"key"});
    definitions["concurrency"] = table(concurrency_keys, concurrency_text, {"key"});
    definitions["limit"] = table(limit_keys, limit_text);
    definitions["end"] = table(end_keys, end_text);
    definitions["fail"] = table(fail_keys, fail_text);
    definitions["approval"] = table(approval_keys, approval_text, {"title"});
    json::object trigger = table(trigger_keys, trigger_text);
    trigger["oneOf"] = each_alone(trigger_kind_keys.available);
    definitions["trigger"] = std::move(trigger);
    definitions["catch_up"] = table(catch_up_keys, catch_up_text);
    definitions["auth"] = table(auth_keys, auth_text, {"scheme"});
    definitions["secret"] = table(secret_keys, secret_text);
    definitions["emit"] = table(emit_keys, emit_text, {"type"});
    json::object way = table(way_keys, way_text);
    way["minProperties"] = way["maxProperties"] = 1;
    definitions["way"] = std::move(way);
    json::object root = table(workflow_keys, workflow_text, {"workflow", "step"});
    root["$schema"] = "http://json-schema.org/draft-07/schema#";
    root["title"] = "Baton workflow";
    root["definitions"] = std::move(definitions);
    return root;
}

} // namespace baton::orchestrator::definition
