// Dead letters on PostgreSQL: in what groups, and bulk jobs over them. Private to db; throws what pqxx
// throws, to the session that called.
#pragma once

#include "orchestrator/runtime/run_store.hpp"

#include <pqxx/connection>
#include <pqxx/row>
#include <pqxx/transaction_base>

#include <optional>
#include <vector>

namespace baton::db {

namespace runtime = orchestrator::runtime;

std::vector<runtime::DeadGroup> read_dead_groups(pqxx::transaction_base& work,
                                                 std::optional<runtime::DeadLetterState> state, std::size_t limit);

inline constexpr const char* postgres_dead_job_select =
    "select id, key, (extract(epoch from at) * 1000000)::bigint, actor, drops, filter, interval, stop_after, reason, "
    "state, (extract(epoch from closed_at) * 1000000)::bigint, total, last_id, cursor, done, refused, failures, "
    "seen_id, note, edit, unfit from dead_job";
runtime::DeadJob read_dead_job(const pqxx::row& row);

// A page of letters from before they had a cause gets theirs. True: there are no more.
bool note_causes(pqxx::connection& connection);

} // namespace baton::db
