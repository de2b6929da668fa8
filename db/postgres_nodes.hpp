// The nodes that share a PostgreSQL database: their rows, and whose session holds its lock. Private
// to db; throws what pqxx throws, to the session that called.
#pragma once

#include "orchestrator/runtime/run_store.hpp"

#include <pqxx/connection>

#include <cstdint>
#include <optional>
#include <string>

namespace baton::db {

namespace runtime = orchestrator::runtime;

// Takes the lock if this session does not have it, renews the lease if it is due, and reads what
// all say.
runtime::Neighbourhood announce(pqxx::connection& connection, const runtime::Announcement& said);
// The nodes and the owners alone.
runtime::Neighbourhood read_neighbourhood(pqxx::connection& connection);
// Takes the node's row away unless another session holds its lock.
void withdraw(pqxx::connection& connection, const std::string& node);

} // namespace baton::db
