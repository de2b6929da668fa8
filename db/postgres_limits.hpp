// How the servers of one database share named limits: the rows of limit_shares.hpp, changed under
// the lock of the limit's own row. Not durable by itself, and it need not be: whatever is committed
// later is behind it in the database's log, so no task that was handed out is known and its place
// is not.
#pragma once

#include "orchestrator/runtime/limit_shares.hpp"

#include <pqxx/connection>

#include <span>
#include <string>
#include <vector>

namespace baton::db {

namespace runtime = orchestrator::runtime;

std::vector<runtime::LimitAnswer> share_limits(pqxx::connection& connection,
                                               const std::string& node,
                                               std::span<const runtime::LimitAsk> asks,
                                               bool adopts);

} // namespace baton::db
