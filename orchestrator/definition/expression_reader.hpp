// Compiles the expressions and templates of a file and notes every name they read. What an
// expression may read is checked later (reach.hpp), when the order of the steps is known.
#pragma once

#include "orchestrator/definition/complaints.hpp"
#include "orchestrator/definition/draft.hpp"

#include <optional>

namespace baton::orchestrator::definition {

class ExpressionReader {
public:
    ExpressionReader(Draft& draft, Complaints& complaints)
        : draft_(draft), complaints_(complaints) {}

    // For fields that are always expressions and therefore written bare: when, wait_until, key.
    // `step` is the index of the step that will read it, no_step for the workflow itself.
    std::optional<expression::Program> program(const TomlEntry& entry, core::StepIndex step,
                                               Scope scope);

    // A bare expression that decides something.
    std::optional<expression::Program> condition(const TomlEntry& entry, core::StepIndex step,
                                                 Scope scope = Scope::step);

    // A bare expression that gives the items of a for_each.
    std::optional<expression::Program> list(const TomlEntry& entry, core::StepIndex step);

    // What [input] says of the items of a list that an expression is, `input.members`.
    std::optional<core::Schema> schema_of_items(const expression::Program& list) const;

    // A bare expression that gives a time, or text that is one.
    std::optional<expression::Program> moment(const TomlEntry& entry, core::StepIndex step);

    // For values with ${..} inside.
    std::optional<expression::Template> values(const TomlNode& node, core::StepIndex step,
                                               Scope scope);

    // A table with ${..} inside, or "${..}" that gives one. Null, with a complaint, if it is neither.
    std::optional<expression::Template> table(const TomlEntry& entry, std::string_view example,
                                              core::StepIndex step, Scope scope);

private:
    const core::Schema* schema_of(const expression::Program& program) const;
    std::optional<expression::Kind> kind_of_list(const expression::Program& program) const;
    void warn_about_plain_text(const TomlNode& node);
    void note_uses_of_parts(const TomlNode& node, core::StepIndex step, Scope scope);
    // What is certain about the types of what an expression reads. `numbers` as well: since a number
    // is always a double, what does not fit one fails; it is only a warning, for files that are live
    // already.
    expression::CompileOptions options(core::StepIndex step, Scope scope, bool numbers = false) const;
    // `options` and what workers say of results; only for warnings, since nobody holds them to it.
    expression::CompileOptions options_with_results(core::StepIndex step, Scope scope) const;
    void warn_about_results(const TomlNode& node, core::StepIndex step, Scope scope);
    std::optional<expression::Kind> kind_of_repeated(std::span<const std::string_view> path, core::StepIndex step,
                                                     Scope scope, bool numbers) const;

    Draft& draft_;
    Complaints& complaints_;
};

} // namespace baton::orchestrator::definition
