// Which names people may choose, and which the language has taken.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace baton::orchestrator::definition {

// Why `id` cannot be the id of a step, as a sentence; empty if it can.
std::string complaint_about_id(std::string_view id);

// Why `name` cannot be what a for_each calls its item, as a sentence; empty if it can.
std::string complaint_about_item(std::string_view name);

// Why `name` cannot be the name of a workflow, as a sentence; empty if it can.
std::string complaint_about_name(std::string_view name);

// The roots of expressions that are no steps: "input", "vars", "run", ...
std::span<const std::string_view> root_names();

// What can be read behind `run.`.
std::span<const std::string_view> run_fields();
// And in the steps of a run that has its end.
std::span<const std::string_view> ending_run_fields();

// What can be read behind `errors.STEP.`.
std::span<const std::string_view> error_fields();

// What can be read behind `event.` in a trigger of this kind: "cron".
std::span<const std::string_view> fields_of_trigger_event(std::string_view kind);

} // namespace baton::orchestrator::definition
