// One batch as one statement for PostgreSQL. The statement's text is fixed, so the server plans it
// once; the batch travels as arrays, one per column.
#pragma once

#include "orchestrator/runtime/run_store.hpp"

#include <string>
#include <vector>

namespace baton::db {

// Fence, runs, start keys, history and alarms. Its rows: (fences match, id of a run that was not
// written or null); at least one row.
std::string commit_statement();
// The same with dead letters, which most batches have none of.
std::string commit_statement_with_dead_letters();

struct CommitParameters {
    std::vector<std::string> values;
    bool with_dead_letters = false;
};

// `left_out` says, for each run of the batch, whether it is not to be written.
CommitParameters commit_parameters(const orchestrator::runtime::Batch& batch,
                                   const std::vector<bool>& left_out);

} // namespace baton::db
