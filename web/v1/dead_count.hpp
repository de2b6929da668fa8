// How many dead letters fit a filter, without a list of them. Runs on a reader's thread.
#pragma once

#include "base/result.hpp"
#include "orchestrator/runtime/run_store.hpp"
#include "web/v1/listing.hpp"

namespace baton::web {

// Of a cause, or of all, exact; by other conditions counted to 500.
Outcome<Counted> count_dead(orchestrator::runtime::RunQueries& queries,
                            orchestrator::runtime::DeadLetterFilter filter);

} // namespace baton::web
