// The exit codes of `baton`, documented in its --help and in docs/operating.md.
#pragma once

namespace baton::cli {

enum ExitCode : int {
    exit_done = 0,        // it worked; the run completed; the check passed
    exit_failed = 1,      // the run or the check failed
    exit_wrong_usage = 2, // arguments, files or configuration are wrong
    exit_unreachable = 3, // the server did not answer, or stayed away while a run was followed
    exit_not_set_up = 4,  // a worker: nothing of its target is configured, so there is nothing to do yet
};

} // namespace baton::cli
