// A run's state as the document the store keeps. Has a format number; a newer program reads every
// older format. Input, output and the row's columns are not in it: they have columns of their own.
#pragma once

#include "base/result.hpp"
#include "orchestrator/core/run.hpp"

#include <string>
#include <string_view>

namespace baton::orchestrator::core {

inline constexpr int run_format = 1;

void append_state_json(std::string& out, const Workflow& workflow, const Run& run);

// Fills the steps and everything else the document holds into `run`, whose id, version, status and
// input are already there. The failure says what does not fit.
Outcome<void> read_state_json(std::string_view json, const Workflow& workflow, Run& run);

} // namespace baton::orchestrator::core
