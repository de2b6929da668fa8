// Removes runs that ended long ago, a bounded number at a time: one short transaction each on SQLite, whose one
// writer others wait for; one statement on PostgreSQL, which locks only what it removes. Indexes lead to the
// oldest runs of a workflow, so what is kept is not looked at.
#pragma once

#include "db/sqlite.hpp"
#include "orchestrator/core/status.hpp"

#include <pqxx/transaction_base>

#include <array>
#include <string>

namespace baton::db {

// The order in which they are looked for.
inline constexpr std::array<orchestrator::core::RunStatus, 5> closed_statuses{
    orchestrator::core::RunStatus::completed, orchestrator::core::RunStatus::failed, orchestrator::core::RunStatus::cancelled,
    orchestrator::core::RunStatus::timed_out, orchestrator::core::RunStatus::compensated};

// Behind the select of definitions, in either dialect: of each name the live version, or the newest.
inline constexpr const char* of_newest_definitions =
    "where l.name is not null or (not exists (select 1 from live v where v.name = d.name) and "
    "d.version = (select max(n.version) from definition n where n.name = d.name)) order by d.name";

// How many; a run that only lost a part of its history is one. 0: there is nothing left to remove.
Outcome<std::size_t> remove_runs(Sqlite& database, const std::string& workflow, Time ended_before, std::size_t limit);
std::size_t remove_runs(pqxx::transaction_base& work, const std::string& workflow, Time ended_before, std::size_t limit);

} // namespace baton::db
