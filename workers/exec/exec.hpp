// Programs as workers: one task type each, the parameters as JSON on standard input, the result as JSON
// on standard output, so that a shell script is a worker.
//
//   exit status   meaning
//   0             completed; standard output is the result (empty: null)
//   65            failed for good (EX_DATAERR): the parameters make no sense
//   75            failed for now (EX_TEMPFAIL)
//   77, 78        not let in, or not configured (EX_NOPERM, EX_CONFIG): the worker's fault, no attempt
//   any other     failed, tried again as the workflow says
//
// A failure's problem is what standard output says if that is a JSON object with a "type", else it has
// the type `program_failed` and the last lines of standard error. The program sees BATON_RUN,
// BATON_STEP, BATON_ATTEMPT, BATON_WORKFLOW, BATON_IDEMPOTENCY_KEY, PATH, LANG and its own variables,
// nothing else of ours.
#pragma once

#include "base/result.hpp"
#include "workers/exec/run_program.hpp"
#include "workers/handler.hpp"

#include <boost/json/value.hpp>

#include <string>
#include <vector>

namespace baton::workers::exec {

// What steps of kind transform call.
inline constexpr std::string_view transform_task = "transform.jq";

struct ProgramTask {
    std::string task;                    // "report.make"
    Program program;
    std::vector<std::string> parameters; // the names it takes; empty: any
    bool is_jq = false;                  // its last argument is the task's: a jq program, over the task's input
};

struct Settings {
    std::vector<ProgramTask> programs;
};

// The list under "program" of a workers' file. The failure says what is wrong, a complaint a line.
Outcome<Settings> read_settings(const boost::json::value& programs);

std::vector<Handler> make_handlers(const Settings& settings);

} // namespace baton::workers::exec
