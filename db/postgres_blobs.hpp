// Large values (blobs.hpp) in PostgreSQL.
#pragma once

#include "db/blobs.hpp"

#include <pqxx/transaction_base>

#include <string>
#include <vector>

namespace baton::db {

// In the transaction of the commit that refers to them.
void write_blobs(pqxx::transaction_base& work, const std::vector<BlobUse>& uses);
BlobTexts read_blobs(pqxx::transaction_base& work, const std::set<std::string>& hashes);
BlobReader reading_blobs(pqxx::transaction_base& work);
// Those of an array literal of hashes that no run uses any more. A commit that refers to one
// meanwhile waits for the row, and writes it anew.
void drop_unused_blobs(pqxx::transaction_base& work, const std::string& hashes);

} // namespace baton::db
