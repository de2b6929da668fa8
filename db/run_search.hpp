// The search of runs, the same for both databases: which index leads to the runs that are asked for, how far
// one page looks, and where the next one begins. What differs between the dialects is SqlDialect.
//
//   1. An index that leads to few runs (walk_small) answers alone: all of them are read, sorted and filtered.
//   2. Else the best index that is in the order of the answer is walked from where the page begins, in windows
//      that grow, until the page is full or walk_max runs were looked at.
//
// So a page has a bound whatever was asked. Every value is a parameter.
#pragma once

#include "base/result.hpp"
#include "orchestrator/runtime/run_store.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::db {

namespace runtime = orchestrator::runtime;

using SqlRow = std::vector<std::optional<std::string>>;
// Runs one select with its parameters and gives its rows as texts.
using SqlAsk = std::function<Outcome<std::vector<SqlRow>>(const std::string& sql, const std::vector<std::string>& values)>;

struct SqlDialect {
    char mark;                               // of parameters: $1, ?1
    std::string (*time)(Time);               // as a parameter
    std::string_view time_cast;              // behind a parameter that is a time
    std::string_view id_cast;                // and behind one that is a run id
    std::string_view end_micros;             // of c, whose closed_at it makes microseconds
    std::string_view columns;                // of a run r, in the order of StoredRun without its texts, tags last
    std::string_view join_run;               // joins run r to c.run_id, row by row
    std::string_view tag_of;                 // of r, with {} for the parameter that names it
    std::string (*tag_name)(std::string_view); // as that parameter
};

Outcome<runtime::RunPage> search_runs(const SqlAsk& ask, const SqlDialect& dialect, const runtime::RunSearch& search,
                                      const std::string& from, std::size_t limit);
Outcome<runtime::RunTotals> count_runs(const SqlAsk& ask, const SqlDialect& dialect, const runtime::RunSearch& search);

// The JSON object of what a new run can be found by, its key included; empty: nothing.
std::string tags_text(const runtime::NewRun& run);

} // namespace baton::db
