// What a new run can be found by: its labels, from whoever starts it and from the workflow's file, and the
// inputs that its workflow declares with `index = true`. Pure.
#pragma once

#include "base/result.hpp"
#include "orchestrator/core/run.hpp"
#include "orchestrator/core/workflow.hpp"
#include "orchestrator/runtime/run_search.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace baton::orchestrator::runtime {

using Labels = std::map<std::string, std::string, std::less<>>;

// Why these cannot be the labels of a run, a line for people; empty: they can.
std::string complaint_about_labels(const Labels& labels);

// Of a run that has its input. `labels` go before those of the workflow's file. Fails, with a sentence, if a
// label of the file cannot be computed, or they are too many.
Outcome<std::vector<RunTag>> tags_of(const core::Workflow& workflow, const core::Run& run, const Labels& labels);

} // namespace baton::orchestrator::runtime
