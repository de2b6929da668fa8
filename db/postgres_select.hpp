// A select that grows condition by condition; its parameters in the order they were added. Values are
// always parameters, so that nothing a person typed is ever read as SQL.
#pragma once

#include "orchestrator/runtime/run_store.hpp"

#include <pqxx/transaction_base>

#include <string>
#include <string_view>
#include <vector>

namespace baton::db {

class Select {
public:
    explicit Select(std::string sql) : sql_(std::move(sql)) {}

    // `condition` holds {} where the parameter stands.
    void where(std::string_view condition, std::string value);
    void then(std::string_view clause) { sql_ += clause; }

    pqxx::result run(pqxx::transaction_base& work) const;

private:
    std::string sql_;
    std::vector<std::string> values_;
};

// The conditions of a filter, its limit apart. False: nothing can fit, as a run id is none.
bool add_conditions(Select& select, const orchestrator::runtime::DeadLetterFilter& filter);

} // namespace baton::db
