// What expressions of a run may read, and filling in templates with it.
#pragma once

#include "base/result.hpp"
#include "orchestrator/core/document.hpp"
#include "orchestrator/core/event.hpp"
#include "orchestrator/core/run.hpp"
#include "orchestrator/core/workflow.hpp"
#include "orchestrator/expression/program.hpp"
#include "orchestrator/expression/template.hpp"

#include <boost/system/result.hpp>

#include <optional>
#include <string>

namespace baton::orchestrator::core {

// The names: input, vars, run, errors (of steps that are closed, by their ids), every step that is done (by
// its id), and where they exist `error` and `result`; in an instance of a repeated step its item by its name, and `index`. A step that is not
// done, or gave null, is no name at all: so default(step.field, x) and has(step.field) say what one
// expects of a step that was skipped. A block shows what its children gave so far. Everything referred
// to must outlive the Reading.
struct Reading {
    const Workflow& workflow;
    const Run& run;
    ScopeNumber scope = root_scope; // whose names these are, with those of the scopes around
    const Document* error = nullptr;
    const Document* result = nullptr;
    // For an undo: the step it undoes reads as what it is undone for, however the step ended.
    StepIndex undone = no_step;
    const Document* effect = nullptr; // and this is what it is undone for, where it is not in the state
    std::optional<std::uint32_t> index{}; // of the iteration that may follow

    std::optional<expression::Value> find(std::string_view name) const;

private:
    std::optional<expression::Value> find_step(Place place) const;
};

// A failed evaluation as the problem the step gets: type baton.expression, not retryable. `what` is
// the key of the step the expression stands in: "when", "with".
template <typename T>
using Evaluated = boost::system::result<T, Problem>;

[[noreturn]] void throw_exception_from_error(const Problem& problem,
                                             const boost::source_location& place);

Evaluated<Document> fill(const expression::Template& source, const Reading& reading,
                         std::string_view what);
// What gives anything but a table is a problem.
Evaluated<Document> fill_table(const expression::Template& source, const Reading& reading,
                               std::string_view what);
Evaluated<expression::Value> evaluate(const expression::Program& program, const Reading& reading,
                                      std::string_view what);
// The value must be a boolean.
Evaluated<bool> decide(const expression::Program& program, const Reading& reading,
                       std::string_view what);
// The value must be a whole number from 1 to `most`.
Evaluated<std::uint32_t> count(const expression::Program& program, const Reading& reading, std::string_view what,
                               std::uint32_t most);
// The value must be a list.
Evaluated<Document> list(const expression::Program& program, const Reading& reading,
                         std::string_view what);
// A timestamp, or text that is one.
Evaluated<Time> moment(const expression::Program& program, const Reading& reading,
                       std::string_view what);

// How a secret stands in what a call is given, in the history and everywhere else: "${secret.hr_token}".
inline constexpr std::string_view secret_mark_begin = "${secret.";
std::string secret_mark(std::string_view name);
// The places of the template that read secrets, as JSON pointers. Each must hold as many marks as the template has
// there: one more came in with data, and would be filled in for whoever sent it.
Evaluated<std::vector<std::string>> places_of_secrets(const expression::Template& source, const Document& filled,
                                                      std::string_view what);

// What a block gave: an object with the outputs of its children that are done.
Document block_output(const Workflow& workflow, const Run& run, Place block);

// What a repeated step gave: counts, and what its instances gave where somebody reads it.
Document repetition_output(const Workflow& workflow, const Run& run, Place whole);

} // namespace baton::orchestrator::core
