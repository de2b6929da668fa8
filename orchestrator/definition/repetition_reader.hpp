// Reads how a step is repeated: for_each with its list, a loop with its condition.
#pragma once

#include "orchestrator/definition/expression_reader.hpp"
#include "orchestrator/definition/values.hpp"

namespace baton::orchestrator::definition {

class RepetitionReader {
public:
    RepetitionReader(Draft& draft, ValueReader& values, ExpressionReader& expressions)
        : draft_(draft), values_(values), expressions_(expressions) {}

    // The step is in the draft already, its children are not.
    void read(core::StepIndex index);

private:
    // What repeats the step; null if nothing does, or several things do.
    const TomlEntry* find(const TomlNode& table, core::StepIndex index);
    void check_shaping(const TomlNode& table, const TomlEntry& entry);
    void read_for_each(const TomlNode& table, const TomlEntry& entry, core::StepIndex index);
    // How many items may fail, how many are needed, and what a failure too many stops.
    struct Failures {
        std::optional<core::Quota> tolerate;
        std::optional<core::Quota> enough;
        std::optional<bool> fail_fast;
    };
    std::optional<expression::Program> read_parallel(const TomlEntry& entry, core::StepIndex index);
    Failures read_failures(const TomlNode& table);
    std::optional<core::Quota> read_quota(const TomlEntry& entry, std::int64_t least);
    void read_item(const TomlNode& table, const TomlEntry& entry, core::StepIndex index);
    void read_loop(const TomlNode& table, const TomlEntry& entry, core::StepIndex index);

    Draft& draft_;
    ValueReader& values_;
    ExpressionReader& expressions_;
};

} // namespace baton::orchestrator::definition
