// A run's state as the document the store keeps now and then: the facts of the history since are applied to
// what is read here. It has a format number; a newer program reads every older format.
#pragma once

#include "base/result.hpp"
#include "orchestrator/core/run.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace baton::orchestrator::core {

inline constexpr int run_format = 2;

// Of a run of which nothing but its row is there: the whole history is still to be applied.
void append_new_state_json(std::string& out);

// As it is after the transition that makes it `version`.
void append_state_json(std::string& out, const Workflow& workflow, const Run& run, std::uint64_t version);

// Makes `run`, whose id, input, start and, for format 1, version, status, end and output are already
// there, what the document says; its version is then the document's. The failure says what does not fit.
Outcome<void> read_state_json(std::string_view json, const Workflow& workflow, Run& run);

} // namespace baton::orchestrator::core
