// The lines of workers' logs, as SQL of both databases. Adding and shortening are one transaction;
// lines of a run that is not there are left out.
#pragma once

#include "base/result.hpp"
#include "db/sqlite.hpp"
#include "orchestrator/runtime/run_log.hpp"

#include <pqxx/transaction_base>

#include <span>
#include <string>

namespace baton::db {

Outcome<void> add_log_lines(Sqlite& database,
                            std::span<const orchestrator::runtime::RunLogLine> lines,
                            const orchestrator::runtime::RunLogLimits& limits);
void add_log_lines(pqxx::transaction_base& work,
                   std::span<const orchestrator::runtime::RunLogLine> lines,
                   const orchestrator::runtime::RunLogLimits& limits);

Outcome<orchestrator::runtime::RunLogPage>
read_log_lines(Sqlite& database, const std::string& run_id, std::uint64_t after, std::size_t limit);
orchestrator::runtime::RunLogPage read_log_lines(pqxx::transaction_base& work,
                                                 const std::string& run_id, std::uint64_t after,
                                                 std::size_t limit);

} // namespace baton::db
