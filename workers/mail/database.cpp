// What both databases share.
#include "workers/mail/database.hpp"

#include "workers/mail/mariadb.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>

namespace baton::workers::mail {

std::string Rows::text(std::size_t row, std::size_t column, std::string_view otherwise) const {
    return rows.at(row).at(column).value_or(std::string(otherwise));
}

// Sums come as "12" or "12.0".
std::int64_t Rows::number(std::size_t row, std::size_t column) const {
    const std::string text = rows.at(row).at(column).value_or("0");
    std::int64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

bool Rows::flag(std::size_t row, std::size_t column, bool otherwise) const {
    const auto& value = rows.at(row).at(column);
    return value ? *value == "t" || *value == "1" : otherwise;
}

Rows Work::insert_unless_there(const std::string& table, const std::vector<std::string>& columns,
                               const std::vector<std::string>& values, Stamps stamps) const {
    std::vector<std::string> places;
    for (std::size_t i = 1; i <= values.size(); ++i) places.push_back(fmt::format("${}", i));
    const std::string ending = dialect == Dialect::postgres
                                   ? std::string("on conflict do nothing")
                                   : fmt::format("on duplicate key update {0} = {0}", columns.front());
    const bool has_stamps = stamps == Stamps::set;
    return run(fmt::format("insert into {}({}{}) values ({}{}) {}", table, fmt::join(columns, ", "), has_stamps ? ", created, modified" : "",
                           fmt::join(places, ", "), has_stamps ? ", now(), now()" : "", ending), values);
}

bool Work::has_table(const std::string& name) const {
    if (dialect == Dialect::postgres) return run("select to_regclass($1)", {name}).rows[0][0].has_value();
    return run("select count(*) from information_schema.tables where table_schema = database() and table_name = $1", {name}).number(0, 0) > 0;
}

bool Work::wait_for_turn(const std::string& name) const {
    if (dialect == Dialect::postgres) {
        run("select pg_advisory_xact_lock(7220935, hashtext($1))", {name});
        return true;
    }
    // The connection's, which ends with the transaction.
    return run("select get_lock($1, 10)", {"baton " + name}).flag(0, 0, false);
}

bool is_mariadb(std::string_view url) { return url.starts_with("mysql://") || url.starts_with("mariadb://"); }

std::string url_complaint(const std::string& url) {
    if (is_mariadb(url)) return mariadb_url_complaint(url);
    if (url.starts_with("postgresql://") || url.starts_with("postgres://") || url.find("://") == std::string::npos) return {};
    return "must begin with postgresql:// or mysql://";
}

std::optional<contract::Problem> in_database(const std::string& url, const Act& act) {
    return is_mariadb(url) ? in_mariadb(url, act) : in_postgres(url, act);
}

} // namespace baton::workers::mail
