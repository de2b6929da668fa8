// Puts the pieces together.
#include "db/postgres_select.hpp"

#include "db/postgres_rows.hpp"
#include "db/run_id.hpp"

#include <fmt/format.h>

namespace baton::db {

void Select::where(std::string_view condition, std::string value) {
    values_.push_back(std::move(value));
    sql_ += values_.size() == 1 ? " where " : " and ";
    sql_ += fmt::format(fmt::runtime(condition), fmt::format("${}", values_.size()));
}

pqxx::result Select::run(pqxx::transaction_base& work) const {
    return work.exec_params(sql_, pqxx::prepare::make_dynamic_params(values_));
}

bool add_conditions(Select& select, const orchestrator::runtime::DeadLetterFilter& filter) {
    if (!filter.run_id.empty() && !is_run_id(filter.run_id)) return false;
    select.where("id < {}", std::to_string(signed_number(filter.before_id)));
    if (filter.after_id > 0) select.where("id > {}", std::to_string(signed_number(filter.after_id)));
    if (filter.state) select.where("state = {}", std::to_string(static_cast<int>(*filter.state)));
    if (!filter.run_id.empty()) select.where("run_id = {}", filter.run_id);
    if (!filter.task.empty()) select.where("task = {}", clean_text(filter.task));
    if (!filter.workflow.empty()) select.where("workflow = {}", clean_text(filter.workflow));
    if (!filter.error_type.empty()) select.where("error_type = {}", clean_text(filter.error_type));
    if (!filter.cause.empty()) select.where("cause = {}", clean_text(filter.cause));
    if (filter.since) select.where("at >= {}::timestamptz", timestamp_text(*filter.since));
    if (filter.until) select.where("at < {}::timestamptz", timestamp_text(*filter.until));
    return true;
}

} // namespace baton::db
