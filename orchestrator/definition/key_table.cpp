// The words of the language.
#include "orchestrator/definition/key_table.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace baton::orchestrator::definition {

namespace {

template <typename... Words>
constexpr std::array<std::string_view, sizeof...(Words)> words(Words... all) {
    return {std::string_view(all)...};
}

constexpr auto workflow_available =
    words("workflow", "description", "timeout", "on_failure", "on_cancel", "priority", "labels",
          "idempotency", "concurrency", "limits", "input", "vars", "defaults", "step", "on_error", "finally", "output",
          "retention", "on", "schemas");

constexpr auto trigger_kinds_available = words("cron", "webhook", "event", "rpc");
constexpr auto trigger_available = words("cron", "webhook", "event", "rpc", "name", "input", "timezone", "overlap", "catch_up", "jitter",
                                         "when", "auth", "id", "source", "timeout");
constexpr auto of_webhook = words("when", "auth", "id");
constexpr auto of_events = words("source", "when");
constexpr auto of_rpc = words("timeout");
constexpr auto auth_available = words("scheme", "secret", "header", "prefix", "tolerance");
constexpr auto secret_available = words("file", "environment");
constexpr auto of_cron = words("timezone", "overlap", "catch_up", "jitter");
constexpr auto catch_up_available = words("within", "most");

constexpr auto kinds_available =
    words("task", "workflow", "do", "parallel", "switch", "set", "wait", "wait_until", "signal", "event",
          "approval", "first_of", "emit", "reply", "end", "fail", "http", "transform");

constexpr auto step_available =
    words("id", "task", "workflow", "detached", "do", "parallel", "switch", "set", "wait", "wait_until", "signal",
          "event", "approval", "first_of", "emit", "reply", "end", "fail", "with", "after", "join", "cancel_rest", "when", "retry", "timeout", "on_timeout", "catch",
          "compensate", "output", "priority", "queue", "idempotency_key", "for_each", "as",
          "max_parallel", "tolerate", "enough", "fail_fast", "while", "until", "max_iterations",
          "every", "limit", "verify", "http", "transform", "cache");

constexpr auto input_available =
    words("type", "format", "pattern", "required", "default", "enum", "items", "properties",
          "other_properties", "nullable", "min", "max", "description", "index", "schema");

constexpr auto defaults_available = words("timeout", "retry", "retries", "priority");
constexpr auto retry_available =
    words("max_attempts", "initial_interval", "backoff", "max_interval", "jitter", "non_retryable");
constexpr auto retry_rule_available =
    words("error", "preset", "max_attempts", "initial_interval", "backoff", "max_interval", "jitter");
constexpr auto timeout_available =
    words("schedule_to_start", "start_to_close", "heartbeat", "schedule_to_close");
constexpr auto switch_case_available = words("when", "go");
constexpr auto catch_available = words("error", "output", "go", "continue");
constexpr auto compensate_available =
    words("task", "workflow", "with", "on", "when", "retry", "timeout", "priority", "queue", "idempotency_key", "limit");
constexpr auto http_available =
    words("target", "path", "method", "query", "headers", "body", "form", "text", "expect", "pages");
constexpr auto cache_available = words("key", "max_age");
constexpr auto verify_available = words("task", "with", "done", "output", "retry", "timeout", "priority", "queue");
constexpr auto idempotency_available = words("key", "window", "on_duplicate");
constexpr auto limit_available = words("rate", "max_concurrent");
constexpr auto concurrency_available = words("key", "limit", "on_limit");
constexpr auto end_available = words("output");
constexpr auto fail_available = words("error", "message");
constexpr auto approval_available = words("title", "by", "quorum", "form", "remind");
constexpr auto emit_available = words("type", "subject", "data");
constexpr auto way_available = words("signal", "event", "approval", "wait", "wait_until");
constexpr auto event_available = words("type", "match", "keep");

constexpr auto everywhere = words("id", "after", "join", "cancel_rest", "when");
constexpr auto of_tasks = words("with", "retry", "timeout", "on_timeout", "catch", "compensate",
                                "output", "priority", "queue", "idempotency_key", "limit", "verify", "cache");
constexpr auto of_blocks = words("timeout", "on_timeout", "catch", "compensate", "output");

constexpr auto of_waits = words("timeout", "on_timeout", "catch", "output");

constexpr auto emit_fields = words("id", "type");
constexpr auto event_fields = words("id", "source", "type", "subject", "time", "run", "data");
constexpr auto signal_fields = words("by", "at", "data");
constexpr auto approval_fields = words("approved", "by", "at", "comment", "form", "votes");

constexpr auto repetitions = words("for_each", "while", "until");
constexpr auto repeatable = words("task", "workflow", "do", "parallel", "http", "transform");
constexpr auto of_workflows = words("with", "detached", "retry", "timeout", "on_timeout", "catch", "compensate",
                                    "output");
constexpr auto of_undos_by_workflow = words("workflow", "with", "on", "when", "retry", "timeout");
constexpr auto of_for_each = words("as", "max_parallel", "tolerate", "enough", "fail_fast");
constexpr auto of_loops = words("max_iterations", "every");

constexpr auto for_each_fields = words("total", "succeeded", "failed", "results");
constexpr auto loop_fields = words("iterations", "last");

} // namespace

const KeyTable workflow_keys{workflow_available};
const KeyTable trigger_keys{trigger_available};
const KeyTable trigger_kind_keys{trigger_kinds_available};
const KeyTable catch_up_keys{catch_up_available};
const KeyTable auth_keys{auth_available};
const KeyTable secret_keys{secret_available};
const KeyTable step_keys{step_available};
const KeyTable kind_keys{kinds_available};
const KeyTable repetition_keys{repetitions};
const KeyTable input_field_keys{input_available};
const KeyTable defaults_keys{defaults_available};
const KeyTable retry_keys{retry_available};
const KeyTable retry_rule_keys{retry_rule_available};
const KeyTable timeout_keys{timeout_available};
const KeyTable switch_case_keys{switch_case_available};
const KeyTable catch_keys{catch_available};
const KeyTable compensate_keys{compensate_available};
const KeyTable http_keys{http_available};
const KeyTable cache_keys{cache_available};
const KeyTable verify_keys{verify_available};
const KeyTable idempotency_keys{idempotency_available};
const KeyTable limit_keys{limit_available};
const KeyTable concurrency_keys{concurrency_available};
const KeyTable end_keys{end_available};
const KeyTable fail_keys{fail_available};
const KeyTable approval_keys{approval_available};
const KeyTable way_keys{way_available};
const KeyTable event_keys{event_available};
const KeyTable emit_keys{emit_available};

bool contains(std::span<const std::string_view> all, std::string_view word) {
    return std::find(all.begin(), all.end(), word) != all.end();
}

std::string_view home_of(std::string_view key, const KeyTable& found_in) {
    // TOML gives what is written behind a [[step]] to the step: the commonest way to go astray.
    constexpr std::string_view top = "at the top of the file, before the first [table]";
    const std::array<std::pair<const KeyTable*, std::string_view>, 7> homes{{
        {&workflow_keys, top},
        {&step_keys, "in a [[step]]"},
        {&retry_keys, "in retry = { .. }"},
        {&timeout_keys, "in timeout = { .. }"},
        {&idempotency_keys, "in idempotency = { .. }"},
        {&concurrency_keys, "in concurrency = { .. }"},
        {&trigger_keys, "in an [[on]]"},
    }};
    for (const auto& [keys, place] : homes)
        if (keys != &found_in && contains(keys->available, key))
            return place;
    return {};
}

bool may_have(std::string_view kind, std::string_view key) {
    if (key == kind || contains(everywhere, key)) return true;
    if (contains(repetitions, key)) return contains(repeatable, kind);
    if (kind == "task" || kind == "transform") return contains(of_tasks, key);
    if (kind == "http") return key != "with" && contains(of_tasks, key);
    if (kind == "workflow") return contains(of_workflows, key);
    if (kind == "do" || kind == "parallel") return contains(of_blocks, key);
    if (kind == "signal" || kind == "event" || kind == "approval") return contains(of_waits, key);
    if (kind == "first_of") return key == "output";
    return false;
}

bool trigger_may_have(std::string_view kind, std::string_view key) {
    if (kind == "cron") return contains(of_cron, key);
    if (kind == "webhook") return contains(of_webhook, key);
    return kind == "rpc" ? contains(of_rpc, key) : contains(of_events, key);
}

std::string_view repetition_of(std::string_view key) {
    if (contains(of_for_each, key)) return "for_each";
    return contains(of_loops, key) ? "while or until" : "";
}

bool undo_may_have(std::string_view kind, std::string_view key) {
    return kind != "workflow" || contains(of_undos_by_workflow, key);
}

std::span<const std::string_view> fields_of_kind(std::string_view kind) {
    if (kind == "emit") return emit_fields;
    if (kind == "signal") return signal_fields;
    if (kind == "event") return event_fields;
    if (kind == "approval") return approval_fields;
    return {};
}

std::span<const std::string_view> fields_of(Repeats repeats) {
    switch (repeats) {
    case Repeats::no:
        return {};
    case Repeats::for_each:
        return for_each_fields;
    case Repeats::loop:
        return loop_fields;
    }
    return {};
}

} // namespace baton::orchestrator::definition
