// libmariadb, whose handles end with their scope. What goes wrong is thrown as MariadbError and ends here.
#include "workers/mail/mariadb.hpp"

#include "workers/handler.hpp"
#include "workers/mail/database.hpp"

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <errmsg.h>
#include <fmt/format.h>
#include <mysql.h>
#include <mysqld_error.h>

#include <array>
#include <cctype>
#include <charconv>
#include <cstring>
#include <memory>
#include <stdexcept>

namespace baton::workers::mail {

namespace {

constexpr unsigned connect_seconds = 5;
constexpr unsigned answer_seconds = 20;

struct MariadbError : std::runtime_error {
    MariadbError(unsigned number_, const char* text) : std::runtime_error(text), number(number_) {}
    unsigned number;
};

enum class Tls : std::uint8_t { off, on, verify };

struct MariadbPlace {
    std::string host;
    std::string user;
    std::string password;
    std::string database;
    std::string socket;
    std::string ca_file;
    unsigned port = 3306;
    Tls tls = Tls::off;
};

Outcome<MariadbPlace> place_in(const std::string& text) {
    const auto wrong = [](std::string why) { return Failure{make_error_code(boost::system::errc::invalid_argument), std::move(why)}; };
    const auto url = boost::urls::parse_uri(text);
    if (!url) return wrong("is no URL such as mysql://user:password@host/postfix; what a password has beyond letters and digits is written %XX");
    MariadbPlace place;
    place.host = url->host_address();
    place.user = url->user();
    place.password = url->password();
    if (place.host.empty()) return wrong("names no host");
    if (place.user.empty()) return wrong("names no user");
    if (url->has_port() && !url->port().empty()) place.port = url->port_number();
    const std::string path = url->path();
    place.database = path.substr(std::min<std::size_t>(path.size(), 1));
    if (place.database.empty() || place.database.find('/') != std::string::npos) return wrong("names no database behind the host");
    bool has_tls = false;
    for (const auto& parameter : url->params()) {
        if (parameter.key == "ca") {
            place.ca_file = parameter.value;
        } else if (parameter.key == "socket") {
            place.socket = parameter.value;
        } else if (parameter.key == "tls") {
            has_tls = true;
            if (parameter.value == "off") place.tls = Tls::off;
            else if (parameter.value == "on") place.tls = Tls::on;
            else if (parameter.value == "verify") place.tls = Tls::verify;
            else return wrong("has a 'tls' that is none of off, on, verify");
        } else {
            return wrong(fmt::format("has a parameter '{}'; known are tls, ca, socket", parameter.key));
        }
    }
    if (!has_tls && !place.ca_file.empty()) place.tls = Tls::verify;
    return place;
}

// --- the library --------------------------------------------------------------------------------------

struct CloseConnection {
    void operator()(MYSQL* connection) const { ::mysql_close(connection); }
};
struct CloseStatement {
    void operator()(MYSQL_STMT* statement) const { ::mysql_stmt_close(statement); }
};
using Connection = std::unique_ptr<MYSQL, CloseConnection>;
using Statement = std::unique_ptr<MYSQL_STMT, CloseStatement>;

void mariadb_check(MYSQL* connection, bool is_well) {
    if (!is_well) throw MariadbError(::mysql_errno(connection), ::mysql_error(connection));
}

void mariadb_check(MYSQL_STMT* statement, bool is_well) {
    if (!is_well) throw MariadbError(::mysql_stmt_errno(statement), ::mysql_stmt_error(statement));
}

void mariadb_say(MYSQL* connection, const char* sql) { mariadb_check(connection, ::mysql_query(connection, sql) == 0); }

Connection connect(const MariadbPlace& place) {
    Connection connection(::mysql_init(nullptr));
    if (!connection) throw MariadbError(CR_OUT_OF_MEMORY, "out of memory");
    const auto set = [&](mysql_option option, const void* value) { ::mysql_optionsv(connection.get(), option, value); };
    set(MYSQL_OPT_CONNECT_TIMEOUT, &connect_seconds);
    set(MYSQL_OPT_READ_TIMEOUT, &answer_seconds);
    set(MYSQL_OPT_WRITE_TIMEOUT, &answer_seconds);
    set(MYSQL_SET_CHARSET_NAME, "utf8mb4");
    if (place.tls != Tls::off) {
        const my_bool yes = 1;
        const my_bool verifies = place.tls == Tls::verify ? 1 : 0;
        set(MYSQL_OPT_SSL_ENFORCE, &yes);
        set(MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verifies);
        if (!place.ca_file.empty()) set(MYSQL_OPT_SSL_CA, place.ca_file.c_str());
    }
    // The library takes "localhost" for the socket of this machine; a host is a host.
    const unsigned protocol = place.socket.empty() ? MYSQL_PROTOCOL_TCP : MYSQL_PROTOCOL_SOCKET;
    set(MYSQL_OPT_PROTOCOL, &protocol);
    mariadb_check(connection.get(), ::mysql_real_connect(connection.get(), place.host.c_str(), place.user.c_str(), place.password.c_str(),
                                                 place.database.c_str(), place.port,
                                                 place.socket.empty() ? nullptr : place.socket.c_str(), 0) != nullptr);
    // A value that does not fit is an error, and who waited for his turn sees what the others did.
    mariadb_say(connection.get(), "set session sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', innodb_lock_wait_timeout = 10");
    mariadb_say(connection.get(), "set session transaction isolation level read committed");
    mariadb_check(connection.get(), ::mysql_autocommit(connection.get(), 0) == 0);
    return connection;
}

// $2 becomes ?, and the parameters come in the order of the question marks.
std::string with_marks(const std::string& sql, std::vector<std::size_t>& order) {
    std::string out;
    for (std::size_t i = 0; i < sql.size(); ++i) {
        if (sql[i] != '$' || i + 1 == sql.size() || std::isdigit(static_cast<unsigned char>(sql[i + 1])) == 0) {
            out += sql[i];
            continue;
        }
        std::size_t number = 0;
        const auto [end, error] = std::from_chars(sql.data() + i + 1, sql.data() + sql.size(), number);
        order.push_back(number - 1);
        out += '?';
        i = static_cast<std::size_t>(end - sql.data()) - 1;
    }
    return out;
}

void bind_parameters(MYSQL_STMT* statement, const std::vector<std::size_t>& order, const std::vector<std::string>& values) {
    if (order.empty()) return;
    std::vector<MYSQL_BIND> binds(order.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
        const std::string& value = values.at(order[i]);
        std::memset(&binds[i], 0, sizeof binds[i]);
        binds[i].buffer_type = MYSQL_TYPE_STRING;
        binds[i].buffer = const_cast<char*>(value.data()); // read only
        binds[i].buffer_length = value.size();
    }
    mariadb_check(statement, ::mysql_stmt_bind_param(statement, binds.data()) == 0); // copies them
}

void read_rows(MYSQL_STMT* statement, std::size_t columns, Rows& all) {
    std::vector<MYSQL_BIND> binds(columns);
    std::vector<unsigned long> lengths(columns);
    std::vector<my_bool> nulls(columns);
    for (std::size_t i = 0; i < columns; ++i) {
        std::memset(&binds[i], 0, sizeof binds[i]);
        binds[i].buffer_type = MYSQL_TYPE_STRING;
        binds[i].length = &lengths[i];
        binds[i].is_null = &nulls[i];
    }
    mariadb_check(statement, ::mysql_stmt_bind_result(statement, binds.data()) == 0);
    for (;;) {
        const int fetched = ::mysql_stmt_fetch(statement);
        if (fetched == MYSQL_NO_DATA) return;
        mariadb_check(statement, fetched != 1);
        auto& values = all.rows.emplace_back();
        for (std::size_t i = 0; i < columns; ++i) {
            if (nulls[i] != 0) {
                values.emplace_back(std::nullopt);
                continue;
            }
            std::string value(lengths[i], '\0');
            MYSQL_BIND one{};
            one.buffer_type = MYSQL_TYPE_STRING;
            one.buffer = value.data();
            one.buffer_length = value.size();
            if (!value.empty()) mariadb_check(statement, ::mysql_stmt_fetch_column(statement, &one, static_cast<unsigned>(i), 0) == 0);
            values.emplace_back(std::move(value));
        }
    }
}

Rows execute(MYSQL* connection, const std::string& sql, const std::vector<std::string>& parameters) {
    std::vector<std::size_t> order;
    const std::string text = with_marks(sql, order);
    const Statement statement(::mysql_stmt_init(connection));
    if (!statement) throw MariadbError(CR_OUT_OF_MEMORY, "out of memory");
    mariadb_check(statement.get(), ::mysql_stmt_prepare(statement.get(), text.data(), text.size()) == 0);
    bind_parameters(statement.get(), order, parameters);
    mariadb_check(statement.get(), ::mysql_stmt_execute(statement.get()) == 0);
    Rows all;
    const unsigned columns = ::mysql_stmt_field_count(statement.get());
    if (columns == 0) {
        all.changed = ::mysql_stmt_affected_rows(statement.get());
        return all;
    }
    mariadb_check(statement.get(), ::mysql_stmt_store_result(statement.get()) == 0);
    read_rows(statement.get(), columns, all);
    return all;
}

contract::Problem mariadb_problem(const MariadbError& error, bool is_connected) {
    const std::string state = postgres_state_of(error.number);
    if (state == "08000")
        return temporary("unavailable", is_connected ? "the mail database went away" : "the mail database cannot be reached");
    if (state == "tls")
        return configuration("tls", "the mail database: no TLS, or a certificate that is not trusted; 'tls' and 'ca' in BATON_MAIL_DB_URL say what is wanted");
    const std::string said = error.what();
    return problem_of_state(state.empty() ? std::to_string(error.number) : state, said.substr(0, said.find('\n')));
}

} // namespace

std::string mariadb_url_complaint(const std::string& url) {
    const auto place = place_in(url);
    return place ? std::string{} : place.error().detail;
}

std::string postgres_state_of(unsigned error) {
    switch (error) {
    case CR_CONNECTION_ERROR:
    case CR_CONN_HOST_ERROR:
    case CR_UNKNOWN_HOST:
    case CR_SERVER_GONE_ERROR:
    case CR_SERVER_LOST:
    case CR_SERVER_LOST_EXTENDED: return "08000";
    case CR_SSL_CONNECTION_ERROR: return "tls";
    case ER_ACCESS_DENIED_ERROR:
    case ER_ACCESS_DENIED_NO_PASSWORD_ERROR:
    case ER_HOST_NOT_PRIVILEGED:
    case ER_HOST_IS_BLOCKED:
    case ER_NOT_SUPPORTED_AUTH_MODE:
    case ER_ACCOUNT_HAS_BEEN_LOCKED:
    case ER_MUST_CHANGE_PASSWORD_LOGIN: return "28000";
    case ER_TABLEACCESS_DENIED_ERROR:
    case ER_COLUMNACCESS_DENIED_ERROR:
    case ER_DBACCESS_DENIED_ERROR:
    case ER_SPECIFIC_ACCESS_DENIED_ERROR: return "42501";
    case ER_NO_SUCH_TABLE: return "42P01";
    case ER_BAD_FIELD_ERROR: return "42703";
    case ER_BAD_DB_ERROR: return "3D000";
    case ER_OPTION_PREVENTS_STATEMENT:
    case ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION: return "25006";
    case ER_CON_COUNT_ERROR:
    case ER_TOO_MANY_USER_CONNECTIONS:
    case ER_USER_LIMIT_REACHED:
    case ER_OUTOFMEMORY:
    case ER_OUT_OF_RESOURCES:
    case ER_DISK_FULL:
    case ER_RECORD_FILE_FULL: return "53000";
    case ER_SERVER_SHUTDOWN: return "57P03";
    case ER_DATA_TOO_LONG:
    case ER_WARN_DATA_OUT_OF_RANGE:
    case ER_TRUNCATED_WRONG_VALUE:
    case ER_TRUNCATED_WRONG_VALUE_FOR_FIELD: return "22000";
    case ER_NO_REFERENCED_ROW_2: return "23503";
    case ER_DUP_ENTRY:
    case ER_ROW_IS_REFERENCED_2: return "23000";
    default: return {};
    }
}

Trial try_in_mariadb(const std::string& url, const std::vector<std::string>& statements) {
    Trial trial;
    const auto place = place_in(url);
    if (!place) {
        trial.no_connection = "url";
        trial.said = place.error().detail;
        return trial;
    }
    const auto state_of = [](const MariadbError& error) {
        const std::string state = postgres_state_of(error.number);
        return state.empty() ? std::to_string(error.number) : state;
    };
    try {
        const Connection connection = connect(*place);
        const Rows about = execute(connection.get(), "select current_user(), database(), @@global.read_only, "
                                                     "(select count(*) from information_schema.schema_privileges where privilege_type = 'CREATE' "
                                                     "and table_schema = database()) + (select count(*) from "
                                                     "information_schema.user_privileges where privilege_type = 'CREATE')", {});
        trial.user = about.text(0, 0);
        trial.database = about.text(0, 1);
        trial.is_read_only = about.flag(0, 2, false);
        trial.may_create = about.number(0, 3) > 0; // the views show a user his own alone
        for (const std::string& statement : statements) {
            try {
                execute(connection.get(), statement, {});
                trial.states.emplace_back();
            } catch (const MariadbError& error) {
                // Said of a row that is not there, after the rights were looked at.
                const bool is_of_a_row = error.number == ER_NO_DEFAULT_FOR_FIELD || error.number == ER_BAD_NULL_ERROR;
                trial.states.push_back(is_of_a_row ? std::string{} : state_of(error));
            }
        }
    } catch (const MariadbError& error) {
        trial.no_connection = state_of(error);
        trial.said = error.what();
    }
    trial.states.resize(statements.size(), "08000");
    return trial;
}

std::optional<contract::Problem> in_mariadb(const std::string& url, const Act& act) {
    const auto place = place_in(url);
    if (!place) return configuration("configuration", "BATON_MAIL_DB_URL " + place.error().detail);
    bool is_connected = false;
    try {
        const Connection connection = connect(*place);
        is_connected = true;
        Work work;
        work.dialect = Dialect::mariadb;
        work.run_with = [&](const std::string& sql, const std::vector<std::string>& parameters) {
            return execute(connection.get(), sql, parameters);
        };
        work.commit = [&] { mariadb_check(connection.get(), ::mysql_commit(connection.get()) == 0); };
        return act(work);
    } catch (const MariadbError& error) {
        return mariadb_problem(error, is_connected);
    }
}

} // namespace baton::workers::mail
