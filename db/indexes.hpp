// What the store keeps beside the runs so that they are found, against the runs: labels, keys, due
// times, letters and history of runs that are not there. One select and one mending statement of
// each kind, in the words of each database.
#pragma once

#include "db/run_search.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace baton::db {

struct IndexCheck {
    std::string_view kind;
    std::string_view what;   // a sentence; {} is the select's second column
    std::string_view select; // run id and one text, without a limit
    std::string_view
        mend; // empty: it cannot be mended. A dead letter's has the parameters time, who, why
};

std::span<const IndexCheck> sqlite_index_checks();
std::span<const IndexCheck> postgres_index_checks();

Outcome<std::vector<runtime::IndexFault>>
find_index_faults(const SqlAsk& ask, std::span<const IndexCheck> checks, std::size_t limit);

} // namespace baton::db
