// A workflow between the file and the engine: its parts are read and its expressions compiled,
// names are still texts. Points into the TomlDocument it was read from. Lives for one load().
#pragma once

#include "orchestrator/core/workflow.hpp"
#include "orchestrator/definition/toml_document.hpp"

#include <optional>
#include <string>
#include <vector>

namespace baton::orchestrator::definition {

// A step's name where another step mentions it.
struct NameUse {
    std::string name;
    const TomlNode* at = nullptr; // the text
};

// Which member of its step a `go` belongs to.
enum class GoFrom : std::uint8_t { switch_case, catch_rule, on_timeout };

struct GoUse {
    NameUse name;
    GoFrom from = GoFrom::switch_case;
    std::size_t index = 0; // of the case or rule
};

struct DraftStep {
    const TomlNode* table = nullptr;
    Position id_at;
    core::Step step;  // after, go and on_timeout.go are still empty
    std::string word; // its kind, "task"; empty when there is none
    std::optional<std::vector<NameUse>> after;
    std::vector<GoUse> goes;
    // Something about this step's place is wrong and was already said: what it may read is unknown,
    // so nothing more is said about it.
    bool place_is_unknown = false;
    // Another step had this id before; names lead to that one.
    bool is_duplicate = false;
    // Names only this step's expressions know, of features that were refused: `as` of a for_each.
    std::vector<std::string> own_names;
};

// Where an expression stands; decides which names it may read.
enum class Scope : std::uint8_t {
    step,         // when, set, wait_until, ...
    with,         // parameters of a call: also `secret`
    compensate,   // parameters of an undo: also `secret` and the step's own result
    step_output,  // also `result`
    catch_output, // also `error`
    run_output,   // [output]: every step of the top level
    run_key,      // idempotency: only `input`, there is no run yet
};

// One name an expression reads.
struct Use {
    expression::Reference reference;
    const TomlNode* text = nullptr; // reference.offset counts in its value
    core::StepIndex step = core::no_step;
    Scope scope = Scope::step;
};

struct Draft {
    core::Workflow workflow;      // all but the steps
    std::vector<DraftStep> steps; // in the order of the file, children directly after their block
    std::vector<Use> uses;
    bool input_is_known = true; // false: [input] has mistakes of its own
    bool vars_are_known = true;
};

} // namespace baton::orchestrator::definition
