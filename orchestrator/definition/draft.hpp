// A workflow between the file and the engine: its parts are read and its expressions compiled,
// names are still texts. Points into the TomlDocument it was read from. Lives for one load().
#pragma once

#include "orchestrator/core/workflow.hpp"
#include "orchestrator/definition/key_table.hpp"
#include "orchestrator/definition/schema_reader.hpp"
#include "orchestrator/definition/task_results.hpp"
#include "orchestrator/definition/toml_document.hpp"

#include <list>
#include <map>
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
    core::Step step;  // after, go and on_timeout.go are still empty; moves on to the workflow
    core::StepIndex parent = core::no_step; // as step.parent, and stays
    core::Phase phase = core::Phase::main; // as step.phase
    std::string word; // its kind, "task"; empty when there is none
    std::optional<std::vector<NameUse>> after;
    std::vector<GoUse> goes;
    // Something about this step's place is wrong and was already said: what it may read is unknown,
    // so nothing more is said about it.
    bool place_is_unknown = false;
    // Another step had this id before; names lead to that one.
    bool is_duplicate = false;
    // Also said when the expressions of the repetition are broken and step.repetition is absent.
    Repeats repeats = Repeats::no;
    std::string item;                // of a for_each: what its instances call their item
    Position item_at;                // where that is said
    std::optional<core::Schema> item_schema; // as far as [input] tells
};

// Where an expression stands; decides which names it may read.
enum class Scope : std::uint8_t {
    step,         // set, wait_until, a case of a switch, ...
    whole,        // when, for_each: decided once, for a repeated step as a whole
    loop_while,   // before an iteration: `index`, and what the last one gave
    loop_until,   // after one: also its steps
    with,         // parameters of a call: also `secret`
    compensate,   // parameters of an undo: also `secret` and the step's own result
    step_output,  // also `result`
    catch_output, // also `error`
    run_output,   // [output]: every step of the top level
    run_key,      // idempotency: only `input`, there is no run yet
    cron,         // input of a trigger by cron: only `event` and `vars`
    webhook,      // likewise, of one by webhook
    event,        // likewise, of one by events
    rpc,          // likewise, of one by calls
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
    std::map<std::string, core::StepIndex, std::less<>> repeated; // by id, those read so far
    const TaskResults* results = nullptr; // what tasks give, where that is known
    SchemaTexts schemas;                    // in texts of their own
    std::list<TomlNode> made;               // tables that a step means and does not write; expressions stand in them
    bool input_is_known = true; // false: [input] has mistakes of its own
    bool vars_are_known = true;
};

// What a step gives to those that read it by its name; null: nobody knows, or it may be something else.
const ResultFields* known_fields(const Draft& draft, const core::Step& step);

// "'mailbox'", or "this step"; while the file is read.
std::string name_of(const DraftStep& step);

// The innermost repeated step in whose instance an expression of `step` stands; no_step: in none.
core::StepIndex instance_around(const Draft& draft, core::StepIndex step, Scope scope);

// The outermost repeated step around `step` that is not around `other` as well.
core::StepIndex border_between(const Draft& draft, core::StepIndex step, core::StepIndex other);

// Whether `block` is around `step`; a step is not around itself.
bool is_around(const Draft& draft, core::StepIndex block, core::StepIndex step);

} // namespace baton::orchestrator::definition
