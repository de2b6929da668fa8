// PostgreSQL as the mail database. libpqxx throws; here that ends.
#include "workers/handler.hpp"
#include "workers/mail/connect_reason.hpp"
#include "workers/mail/database.hpp"

#include <pqxx/pqxx>

#include <fmt/format.h>

namespace baton::workers::mail {

namespace {

constexpr Duration pause_of_database = std::chrono::seconds(10);

// This libpqxx leaves the state out of some of its kinds.
std::string state_of(const pqxx::sql_error& error) {
    if (!error.sqlstate().empty()) return error.sqlstate();
    if (dynamic_cast<const pqxx::insufficient_privilege*>(&error)) return "42501";
    if (dynamic_cast<const pqxx::undefined_table*>(&error)) return "42P01";
    if (dynamic_cast<const pqxx::undefined_column*>(&error)) return "42703";
    if (dynamic_cast<const pqxx::foreign_key_violation*>(&error)) return "23503";
    if (dynamic_cast<const pqxx::integrity_constraint_violation*>(&error)) return "23000";
    if (dynamic_cast<const pqxx::data_exception*>(&error)) return "22000";
    if (dynamic_cast<const pqxx::insufficient_resources*>(&error)) return "53000";
    return "unknown";
}

contract::Problem no_postgres_connection(const std::string& url) {
    const std::string state = connect_reason(url);
    // What libpq says may hold the URL's parts; the fact is enough.
    if (state.empty()) return temporary("unavailable", "the mail database cannot be reached");
    return problem_of_state(state, "it refuses the connection");
}

Rows rows_of(const pqxx::result& result) {
    Rows all;
    all.changed = result.affected_rows();
    for (const auto& row : result) {
        auto& values = all.rows.emplace_back();
        for (const auto& field : row)
            values.push_back(field.is_null() ? std::nullopt : std::optional<std::string>(field.c_str()));
    }
    return all;
}

Work work_on(pqxx::work& transaction) {
    Work work;
    work.dialect = Dialect::postgres;
    work.run_with = [&transaction](const std::string& sql, const std::vector<std::string>& parameters) {
        return rows_of(transaction.exec_params(sql, pqxx::prepare::make_dynamic_params(parameters)));
    };
    work.commit = [&transaction] { transaction.commit(); };
    return work;
}

} // namespace

// README.md has this as a table.
contract::Problem problem_of_state(const std::string& state, const std::string& said) {
    const std::string detail = fmt::format("the mail database: {} ({})", said, state);
    const auto is_of = [&state](std::string_view prefix) { return state.starts_with(prefix); };
    if (state == "23503") return permanent("domain_not_found", "the mail database has no such domain", 422);
    if (state == "42501") return configuration("unauthorized", detail + "; worker mail's README says which rights it needs");
    if (state == "42P01" || state == "42703" || state == "3F000" || state == "3D000")
        return configuration("configuration", detail + "; it needs the tables PostfixAdmin makes");
    if (is_of("28")) return configuration("unauthorized", "the mail database does not let this user in (" + state + ")");
    if (state == "25006") return configuration("read_only", "the mail database takes no changes: a standby? (" + state + ")");
    if (is_of("22")) return permanent("invalid_input", "the mail database does not take a value (" + state + ")", 422);
    if (is_of("23")) return permanent("conflict", detail, 409);
    // Too many connections, no memory, disk full, starting, stopping: said before anything is done.
    if (is_of("53") || state == "57P03") return not_now("unavailable", detail, pause_of_database);
    // Connection, operator, deadlock and whatever else: later.
    return temporary("unavailable", detail);
}

std::optional<contract::Problem> in_postgres(const std::string& plain_url, const Act& act) {
    const std::string url = with_limits(plain_url);
    bool is_connected = false;
    try {
        pqxx::connection connection(url);
        is_connected = true;
        pqxx::work transaction(connection);
        return act(work_on(transaction));
    } catch (const pqxx::broken_connection&) {
        return is_connected ? temporary("unavailable", "the mail database went away") : no_postgres_connection(url);
    } catch (const pqxx::in_doubt_error&) {
        return temporary("unavailable", "the mail database went away during the commit");
    } catch (const pqxx::sql_error& error) {
        std::string said = error.what();
        return problem_of_state(state_of(error), said.substr(0, said.find('\n')));
    } catch (const pqxx::failure& error) {
        return temporary("unavailable", fmt::format("the mail database: {}", error.what()));
    }
}

} // namespace baton::workers::mail
