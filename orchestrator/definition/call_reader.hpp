// Reads how a worker is called: parameters, retries, timeouts, priority. The same for a step and
// for its undo.
#pragma once

#include "orchestrator/definition/expression_reader.hpp"
#include "orchestrator/definition/values.hpp"

#include <map>
#include <set>
#include <string>

namespace baton::orchestrator::definition {

// What [defaults] says, on top of what the language says.
struct CallDefaults {
    core::RetryPolicy retry;
    core::Timeouts timeouts;
    std::uint8_t priority = 4;
    std::map<std::string, core::RetryPolicy, std::less<>> presets; // [defaults.retries]
    bool presets_are_known = true;
    std::set<std::string, std::less<>> limits; // names of [limits.NAME]
};

class CallReader {
public:
    CallReader(ValueReader& values, ExpressionReader& expressions)
        : values_(values), expressions_(expressions) {}

    // `priority`: of the workflow, where the table names none.
    CallDefaults defaults(const TomlNode& table, std::uint8_t priority);

    // The parts of a call that lie in `table`; other keys are left to the caller.
    core::TaskCall call(const TomlNode& table, core::StepIndex step, Scope scope,
                        const CallDefaults& defaults);

    // The same of a workflow that is called: its own steps have retries and timeouts, so [defaults]
    // say nothing of it.
    core::TaskCall workflow_call(const TomlNode& table, core::StepIndex step, Scope scope,
                                 const CallDefaults& defaults);

    // A table, the name of a preset, or a list of tables that are for some errors each.
    void retry_of(const TomlEntry& entry, const core::RetryPolicy& base, const CallDefaults& defaults,
                  core::TaskCall& call);
    // What a table leaves out is taken from `base`.
    core::RetryPolicy retry(const TomlEntry& entry, const core::RetryPolicy& base,
                            const CallDefaults& defaults);
    core::Timeouts timeouts(const TomlEntry& entry, const core::Timeouts& base);

    // The name of a task type or queue: what can stand in a routing key.
    std::string route_word(const TomlEntry& entry);
    std::string limit_word(const TomlEntry& entry, const CallDefaults& defaults);

    // The type of an error, a prefix of types, or all of them.
    std::string error_pattern(const TomlEntry& entry);

private:
    std::string workflow_name(const TomlEntry& entry);
    void check_error_pattern(const TomlNode& text);
    core::RetryPolicy retry_table(const TomlNode& table, const core::RetryPolicy& base, const KeyTable& keys);
    std::optional<core::RetryRule> retry_rule(const TomlNode& table, const core::RetryPolicy& base,
                                              const CallDefaults& defaults);

    ValueReader& values_;
    ExpressionReader& expressions_;
};

} // namespace baton::orchestrator::definition
