// The keys of the language, level by level.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace baton::orchestrator::definition {

struct KeyTable {
    std::span<const std::string_view> available;
};

extern const KeyTable workflow_keys;
extern const KeyTable trigger_keys;
extern const KeyTable catch_up_keys;
extern const KeyTable auth_keys;
extern const KeyTable secret_keys;
extern const KeyTable step_keys;
extern const KeyTable input_field_keys;
extern const KeyTable defaults_keys;
extern const KeyTable retry_keys;
extern const KeyTable retry_rule_keys; // of a list of them
extern const KeyTable timeout_keys;
extern const KeyTable switch_case_keys;
extern const KeyTable catch_keys;
extern const KeyTable compensate_keys;
extern const KeyTable http_keys;
extern const KeyTable cache_keys;
extern const KeyTable verify_keys;
extern const KeyTable idempotency_keys;
extern const KeyTable concurrency_keys;
extern const KeyTable limit_keys;
extern const KeyTable end_keys;
extern const KeyTable fail_keys;
extern const KeyTable approval_keys;
extern const KeyTable way_keys; // of a first_of
extern const KeyTable emit_keys;
extern const KeyTable event_keys;

// The kinds of a step: task, do, wait, ... and those of later versions.
extern const KeyTable kind_keys;

// The kinds of a trigger: cron, webhook, and those of later versions.
extern const KeyTable trigger_kind_keys;

// What makes a step run more than once: for_each, while, until.
extern const KeyTable repetition_keys;

enum class Repeats : std::uint8_t { no, for_each, loop };

bool contains(std::span<const std::string_view> words, std::string_view word);

// Where a key belongs that stands in the wrong table, as in "it belongs in a [[step]]"; empty if
// nowhere.
std::string_view home_of(std::string_view key, const KeyTable& found_in);

// True if a step of this kind may have this key besides the kind itself.
bool may_have(std::string_view kind, std::string_view key);

// True if a trigger of this kind may have this key besides `name`, `input` and the kind itself.
bool trigger_may_have(std::string_view kind, std::string_view key);
// The same for a compensate, by what undoes.
bool undo_may_have(std::string_view kind, std::string_view key);

// What a key that shapes a repetition needs beside it: "for_each" for `as`; empty for other keys.
std::string_view repetition_of(std::string_view key);

// What can be read behind the name of a step of this kind; empty: anything.
std::span<const std::string_view> fields_of_kind(std::string_view kind);

// What can be read behind the name of a step that is repeated, by the steps after it.
std::span<const std::string_view> fields_of(Repeats repeats);

} // namespace baton::orchestrator::definition
