// The tables below say what postfix_tables.cpp reads and writes; README.md has the grants they come to.
#include "workers/mail/check.hpp"

#include "base/percent.hpp"
#include "workers/mail/connect_reason.hpp"
#include "workers/mail/database.hpp"
#include "workers/mail/mariadb.hpp"
#include "workers/mail/send.hpp"
#include "workers/mail/smtp.hpp"

#include <boost/json.hpp>
#include <pqxx/pqxx>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <iterator>
#include <set>

#include <sys/stat.h>
#include <unistd.h>

namespace baton::workers::mail {

namespace json = boost::json;

namespace {

const std::string readme = "workers/mail/README.md has the statements";

struct Right {
    std::string name;
    std::vector<std::string> columns;          // none: a right on whole rows
};

struct Table {
    std::string name;
    std::vector<Right> rights;
};

const std::vector<Table>& tables() {
    static const std::vector<Table> all{
        {"domain", {{"SELECT", {"domain", "active", "aliases", "mailboxes", "maxquota", "quota"}}}},
        {"mailbox",
         {{"SELECT", {"username", "name", "active", "quota", "domain"}},
          {"INSERT", {"username", "password", "name", "maildir", "quota", "domain", "local_part", "created", "modified"}},
          {"UPDATE", {"active", "quota", "password", "modified"}},
          {"DELETE", {}}}},
        {"alias",
         {{"SELECT", {"address", "goto", "active", "domain"}},
          {"INSERT", {"address", "goto", "domain", "created", "modified"}},
          {"UPDATE", {"goto", "active", "modified"}},
          {"DELETE", {}}}},
        {"baton_mailbox_mark", {{"SELECT", {"address", "mark"}}, {"INSERT", {"address", "mark"}}, {"DELETE", {}}}},
    };
    return all;
}

bool asks(pqxx::transaction_base& work, const std::string& sql, const std::string& table, const std::string& first = {}, const std::string& second = {}) {
    const pqxx::result rows = second.empty() ? first.empty() ? work.exec_params(sql, table) : work.exec_params(sql, table, first)
                                             : work.exec_params(sql, table, first, second);
    return rows[0][0].as<bool>(false);
}

// "update (goto, active)"; empty: the user has it. A grant on the columns is as good as one on the table.
std::string lacking(pqxx::transaction_base& work, const std::string& table, const Right& right) {
    if (asks(work, "select has_table_privilege(to_regclass($1)::oid, $2::text)", table, right.name)) return {};
    std::vector<std::string> columns;
    for (const std::string& column : right.columns)
        if (!asks(work, "select has_column_privilege(to_regclass($1)::oid, $2::text, $3::text)", table, column, right.name)) columns.push_back(column);
    if (columns.empty() && !right.columns.empty()) return {};
    std::string name = right.name;
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (columns.size() == right.columns.size()) return name;
    return fmt::format("{} ({})", name, fmt::join(columns, ", "));
}

std::vector<std::string> absent_columns(pqxx::transaction_base& work, const Table& table) {
    std::set<std::string> there;
    for (const auto& row : work.exec_params(
             "select attname::text from pg_attribute where attrelid = to_regclass($1)::oid and attnum > 0 and not attisdropped", table.name))
        there.insert(row[0].as<std::string>());
    std::set<std::string> absent;
    for (const Right& right : table.rights)
        for (const std::string& column : right.columns)
            if (!there.contains(column)) absent.insert(column);
    return {absent.begin(), absent.end()};
}

Finding check_table(pqxx::transaction_base& work, const Table& table, const std::string& user) {
    const std::string what = "mail database: table " + table.name;
    const bool is_ours = table.name == "baton_mailbox_mark";
    if (asks(work, "select to_regclass($1) is null", table.name)) {
        if (!is_ours) return missing(what, "is not there, or its schema is hidden from this user", "BATON_MAIL_DB_URL must name PostfixAdmin's database");
        if (work.exec("select coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)")[0][0].as<bool>())
            return well(what, "is not there yet; the worker makes it");
        return missing(what, fmt::format("is not there, and '{}' may not make it", user), "make it as the tables' owner; " + readme);
    }
    if (const auto absent = absent_columns(work, table); !absent.empty())
        return missing(what, fmt::format("has no column {}", fmt::join(absent, ", ")), "the worker needs the tables PostfixAdmin makes");
    std::vector<std::string> lacks;
    for (const Right& right : table.rights)
        if (std::string one = lacking(work, table.name, right); !one.empty()) lacks.push_back(std::move(one));
    if (lacks.empty()) return well(what, "all rights");
    return missing(what, fmt::format("'{}' may not {}", user, fmt::join(lacks, ", ")),
                   fmt::format("grant {} on {} to {}; {}", fmt::join(lacks, ", "), table.name, user, readme));
}

Finding no_connection(const std::string& url) {
    const std::string state = connect_reason(with_limits(url));
    if (state.empty())
        return missing("mail database", "cannot be reached", "are host and port in BATON_MAIL_DB_URL right, and does PostgreSQL listen there?");
    if (state.starts_with("28"))
        return missing("mail database", fmt::format("does not let this user in ({})", state),
                       "are user and password in BATON_MAIL_DB_URL right, and does pg_hba.conf allow this host?");
    if (state == "3D000") return missing("mail database", "there is no such database (3D000)", "BATON_MAIL_DB_URL must name PostfixAdmin's database");
    return missing("mail database", fmt::format("refuses the connection ({})", state), "see PostgreSQL's log");
}

Findings look_at_tables(pqxx::connection& connection) {
    pqxx::read_transaction work(connection);
    const pqxx::result about = work.exec("select current_user::text, current_database()::text, pg_is_in_recovery()");
    const std::string user = about[0][0].as<std::string>();
    Findings findings;
    const std::string shown = fmt::format("logged in as '{}' to '{}'", user, about[0][1].as<std::string>());
    if (about[0][2].as<bool>())
        findings.push_back(missing("mail database", shown + ", a standby that takes no changes", "BATON_MAIL_DB_URL must name the primary"));
    else
        findings.push_back(well("mail database", shown));
    for (const Table& table : tables()) findings.push_back(check_table(work, table, user));
    return findings;
}

Findings check_database(const std::string& url) {
    bool is_connected = false;
    try {
        pqxx::connection connection(with_limits(url));
        is_connected = true;
        return look_at_tables(connection);
    } catch (const pqxx::broken_connection&) {
        if (!is_connected) return {no_connection(url)};
        return {missing("mail database", "went away", "try again")};
    } catch (const std::exception& problem) {
        const std::string said = problem.what();
        return {missing("mail database", said.substr(0, said.find('\n')), readme)};
    }
}

// --- MariaDB ----------------------------------------------------------------------------------------

std::string small(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

// Needs the right and touches no row.
std::string trial_of(const std::string& table, const std::string& right, const std::vector<std::string>& columns) {
    const std::string list = fmt::format("{}", fmt::join(columns, ", "));
    if (right == "SELECT") return fmt::format("select {} from {} where 1 = 0", list, table);
    if (right == "DELETE") return fmt::format("delete from {} where 1 = 0", table);
    if (right == "UPDATE") return fmt::format("update {} set {} = null where 1 = 0", table, fmt::join(columns, " = null, "));
    std::vector<std::string> nothing(columns.size(), "null");
    return fmt::format("insert into {}({}) select {} from dual where 1 = 0", table, list, fmt::join(nothing, ", "));
}

struct Probe {
    const Right* right;
    std::string column;                        // empty: all of them
};

Finding judged(const Table& table, const std::vector<Probe>& probes, const std::vector<std::string>& states, const Trial& trial) {
    const std::string what = "mail database: table " + table.name;
    std::vector<std::string> absent;
    std::vector<std::string> lacks;
    std::string other;
    for (const Right& right : table.rights) {
        std::vector<std::string> columns;
        bool is_whole = true;
        for (std::size_t i = 0; i < probes.size(); ++i) {
            if (probes[i].right != &right) continue;
            const std::string& state = states[i];
            if (state == "42P01") {
                if (table.name != "baton_mailbox_mark")
                    return missing(what, "is not there", "BATON_MAIL_DB_URL must name PostfixAdmin's database");
                if (trial.may_create) return well(what, "is not there yet; the worker makes it");
                return missing(what, fmt::format("is not there, and '{}' may not make it", trial.user), "make it as an administrator; " + readme);
            }
            if (probes[i].column.empty()) {
                is_whole = state.empty();
                if (!state.empty() && state != "42501" && state != "42703") other = state;
            } else if (state == "42703") {
                if (std::find(absent.begin(), absent.end(), probes[i].column) == absent.end()) absent.push_back(probes[i].column);
            } else if (!state.empty()) {
                columns.push_back(probes[i].column);
            }
        }
        if (is_whole) continue;
        const bool are_some = !columns.empty() && columns.size() < right.columns.size();
        if (right.columns.empty() || !columns.empty())
            lacks.push_back(are_some ? fmt::format("{} ({})", small(right.name), fmt::join(columns, ", ")) : small(right.name));
    }
    if (!absent.empty()) return missing(what, fmt::format("has no column {}", fmt::join(absent, ", ")), "the worker needs the tables PostfixAdmin makes");
    if (!other.empty()) return missing(what, fmt::format("cannot be used ({})", other), "see the database's log");
    if (lacks.empty()) return well(what, "all rights");
    return missing(what, fmt::format("'{}' may not {}", trial.user, fmt::join(lacks, ", ")),
                   fmt::format("grant {} on {}.{} to the user; {}", fmt::join(lacks, ", "), trial.database, table.name, readme));
}

Finding no_mariadb(const Trial& trial) {
    const std::string& state = trial.no_connection;
    if (state == "url") return missing("mail database", "BATON_MAIL_DB_URL " + trial.said, "mysql://user:password@host/postfix");
    if (state == "08000")
        return missing("mail database", "cannot be reached", "are host and port in BATON_MAIL_DB_URL right, and does MariaDB listen there?");
    if (state == "28000")
        return missing("mail database", "does not let this user in", "are user and password in BATON_MAIL_DB_URL right, and may the user come from this host?");
    if (state == "3D000" || state == "42501")
        return missing("mail database", "there is no such database, or this user may not use it", "BATON_MAIL_DB_URL must name PostfixAdmin's database");
    if (state == "tls")
        return missing("mail database", "no TLS, or a certificate that is not trusted", "'tls' and 'ca' in BATON_MAIL_DB_URL say what is wanted");
    return missing("mail database", fmt::format("refuses the connection ({})", state), "see the database's log");
}

Findings check_mariadb(const std::string& url) {
    std::vector<std::string> statements;
    std::vector<std::vector<Probe>> probes;
    for (const Table& table : tables()) {
        auto& own = probes.emplace_back();
        for (const Right& right : table.rights) {
            own.push_back({&right, {}});
            statements.push_back(trial_of(table.name, right.name, right.columns));
            for (const std::string& column : right.columns) {
                own.push_back({&right, column});
                statements.push_back(trial_of(table.name, right.name, {column}));
            }
        }
    }
    const Trial trial = try_in_mariadb(url, statements);
    if (!trial.no_connection.empty()) return {no_mariadb(trial)};
    Findings findings;
    const std::string shown = fmt::format("logged in as '{}' to '{}'", trial.user, trial.database);
    if (trial.is_read_only)
        findings.push_back(missing("mail database", shown + ", which takes no changes (read_only)", "BATON_MAIL_DB_URL must name the primary"));
    else
        findings.push_back(well("mail database", shown));
    auto state = trial.states.begin();
    for (std::size_t i = 0; i < probes.size(); ++i) {
        const std::vector<std::string> own(state, state + static_cast<std::ptrdiff_t>(probes[i].size()));
        state += static_cast<std::ptrdiff_t>(probes[i].size());
        findings.push_back(judged(tables()[i], probes[i], own, trial));
    }
    return findings;
}

// --- mailcow ----------------------------------------------------------------------------------------

// Nobody can have that mailbox: RFC 2606 keeps the name from everybody.
constexpr std::string_view nobody = "baton-check@baton.invalid";

http::Response ask_mailcow(const Settings& settings, std::string method, const std::string& path, std::string body) {
    http::Request request;
    request.method = std::move(method);
    request.url = settings.mailcow_url + path;
    request.headers = {{"X-API-Key", settings.mailcow_key}, {"Content-Type", "application/json"}};
    request.body = std::move(body);
    return http::perform(request, settings.limits);
}

// mailcow refuses a key that may only read before it looks at what is to be changed.
Findings check_mailcow(const Settings& settings) {
    const std::string what = "mailcow";
    const std::string path = "/api/v1/get/mailbox/" + percent_encoded(nobody);
    const http::Response read = ask_mailcow(settings, "GET", path, {});
    if (const auto problem = http::common_problem("mailcow", read))
        return {missing(what, problem->detail, "is BATON_MAILCOW_URL right, and mailcow reachable from here?")};
    if (read.status == 401 || read.status == 403)
        return {missing(what, fmt::format("does not accept the key, or not from this address ({})", read.status),
                        "mailcow → System → API: take the key into BATON_MAILCOW_KEY, and allow this machine's address")};
    ErrorCode code;
    static_cast<void>(json::parse(read.body, code));
    if (read.status != 200 || code)
        return {missing(what, fmt::format("what answers at {} is no mailcow (status {})", settings.mailcow_url, read.status),
                        "set BATON_MAILCOW_URL to mailcow's address, https://mail.example.org")};
    Findings findings{well(what, settings.mailcow_url + " takes the key")};
    const json::object change{{"items", json::array{json::string(nobody)}}, {"attr", json::object{{"active", "0"}}}};
    const http::Response written = ask_mailcow(settings, "POST", "/api/v1/edit/mailbox", json::serialize(change));
    const std::string right = "mailcow: right to write";
    if (written.status == 401 || written.status == 403)
        findings.push_back(missing(right, fmt::format("the key may only read ({})", written.status), "mailcow → System → API: take a key with read-write access"));
    else if (const auto problem = http::common_problem("mailcow", written))
        findings.push_back(missing(right, problem->detail, "try again"));
    else
        findings.push_back(well(right, "the key may write"));
    return findings;
}

// --- letters ----------------------------------------------------------------------------------------

std::string advice_for(const contract::Problem& problem) {
    if (problem.type == "tls")
        return "BATON_SMTP_SECURITY says starttls, tls or none; BATON_SMTP_CA_FILE names the certificates to trust, BATON_SMTP_URL the name in them";
    if (problem.type == "smtp_login") return "are BATON_SMTP_USER and BATON_SMTP_PASSWORD right, and may this user submit mail?";
    if (problem.type == "smtp_refused") return "set BATON_SMTP_FROM to an address that BATON_SMTP_USER may send as";
    if (problem.type == "smtp_deferred") return "the server says: later";
    return "is BATON_SMTP_URL right (smtp://host:587), and the server reachable from here?";
}

Findings check_smtp(const Settings& settings) {
    const std::string from = sender_of(settings).address;
    const auto problem = try_sender(settings, from);
    if (problem) return {missing("mail server", problem->detail, advice_for(*problem))};
    return {well("mail server", fmt::format("{}{} takes mail from {}", settings.smtp_url,
                                            settings.smtp_user.empty() ? "" : fmt::format(" lets '{}' in and", settings.smtp_user), from))};
}

Finding check_folder(const std::string& name, const std::string& folder, int rights, const std::string& advice) {
    struct stat about{};
    const std::string what = "folder " + folder;
    if (::stat(folder.c_str(), &about) != 0 || !S_ISDIR(about.st_mode)) return missing(what, "is not there", advice + ", or change " + name);
    if (::access(folder.c_str(), rights) != 0) return missing(what, "this user may not use it", advice + ", or change " + name);
    return well(what, "may be used");
}

} // namespace

Findings check(const Settings& settings) {
    Findings findings;
    const auto add = [&findings](Findings more) {
        findings.insert(findings.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
    };
    if (!settings.mailcow_url.empty())
        add(check_mailcow(settings));
    else if (!settings.database_url.empty())
        add(is_mariadb(settings.database_url) ? check_mariadb(settings.database_url) : check_database(settings.database_url));
    if (settings.smtp_url.empty()) return findings;
    add(check_smtp(settings));
    if (!settings.template_folder.empty())
        findings.push_back(check_folder("BATON_MAIL_TEMPLATES", settings.template_folder, R_OK | X_OK, "make it and let this user read it"));
    if (!settings.ledger_folder.empty())
        findings.push_back(check_folder("BATON_MAIL_LEDGER", settings.ledger_folder, R_OK | W_OK | X_OK, "make it and let this user write to it"));
    return findings;
}

} // namespace baton::workers::mail
