// Answers to requests with an Idempotency-Key, as SQL of both databases.
#pragma once

#include "base/result.hpp"
#include "db/sqlite.hpp"
#include "orchestrator/runtime/kept_answer.hpp"

#include <pqxx/transaction_base>

#include <string>

namespace baton::db {

using orchestrator::runtime::KeptAnswer;

Outcome<KeptAnswer> begin_answer(Sqlite& database, const KeptAnswer& asked, Time forgotten_before);
KeptAnswer begin_answer(pqxx::transaction_base& work, const KeptAnswer& asked,
                        Time forgotten_before);

Outcome<void> keep_answer(Sqlite& database, const KeptAnswer& answered);
void keep_answer(pqxx::transaction_base& work, const KeptAnswer& answered);

Outcome<bool> take_answer_over(Sqlite& database, const KeptAnswer& seen, const std::string& owner);
bool take_answer_over(pqxx::transaction_base& work, const KeptAnswer& seen,
                      const std::string& owner);

Outcome<void> drop_answer(Sqlite& database, const KeptAnswer& begun);
void drop_answer(pqxx::transaction_base& work, const KeptAnswer& begun);

} // namespace baton::db
