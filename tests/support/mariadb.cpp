// See mariadb.hpp. As root the server runs as user mysql.
#include "tests/support/mariadb.hpp"

#include "tests/support/server_process.hpp"

#include <fmt/format.h>
#include <mysql.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace baton::testing {
namespace {

namespace fs = std::filesystem;

constexpr const char* password = "open-sesame-42";

Account account_of_mariadb() { return account_of_server("mysql", "mariadb-server"); }

void initialise_mariadb(const Account& account, const fs::path& data) {
    if (!fs::exists("/usr/bin/mariadb-install-db"))
        throw std::runtime_error("MariaDB is not installed: sudo apt-get install mariadb-server (scripts/setup does it)");
    const fs::path folder = make_folder(account, "baton-mariadb");
    // --no-defaults keeps the machine's own settings out.
    run(account, {"/usr/bin/mariadb-install-db", "--no-defaults", "--datadir=" + (folder / "data").string(), "--skip-test-db",
                  "--auth-root-authentication-method=normal", "--innodb-log-file-size=8M"},
        folder / "install.log");
    fs::rename(folder / "data", data);
    fs::remove_all(folder);
}

using Session = std::unique_ptr<MYSQL, decltype(&::mysql_close)>;

// The administrator has no password before the first start.
Session open_session(int port, const char* word, const std::string& database) {
    Session session(::mysql_init(nullptr), ::mysql_close);
    const unsigned protocol = MYSQL_PROTOCOL_TCP;
    ::mysql_optionsv(session.get(), MYSQL_OPT_PROTOCOL, &protocol);
    ::mysql_optionsv(session.get(), MYSQL_SET_CHARSET_NAME, "utf8mb4");
    if (::mysql_real_connect(session.get(), "127.0.0.1", "root", word, database.c_str(), static_cast<unsigned>(port), nullptr,
                             CLIENT_MULTI_STATEMENTS) == nullptr)
        session.reset();
    return session;
}

std::string first_value(MYSQL* session, const std::string& sql) {
    const auto fail = [&] { throw std::runtime_error(fmt::format("{}: {}", ::mysql_error(session), sql)); };
    if (::mysql_query(session, sql.c_str()) != 0) fail();
    std::string value;
    for (bool has_rows = false;;) {
        if (MYSQL_RES* result = ::mysql_store_result(session)) {
            if (const auto row = ::mysql_fetch_row(result); row && !has_rows && row[0]) value = row[0];
            has_rows = true;
            ::mysql_free_result(result);
        } else if (::mysql_errno(session) != 0) {
            fail();
        }
        const int more = ::mysql_next_result(session);
        if (more > 0) fail();
        if (more < 0) return value;
    }
}

} // namespace

Mariadb::Mariadb() {
    const Account account = account_of_mariadb();
    const fs::path seed =
        initialised_data(account, "baton-mariadb", "ibdata1", [&](const fs::path& data) { initialise_mariadb(account, data); });
    folder_ = make_folder(account, "baton-mariadb");
    testing::run(account, {"/bin/cp", "-a", seed, folder_ / "data"}, folder_ / "copy.log");
    // Somebody else may take the port between our look and the start.
    for (int tries_left = 3; pid_ <= 0; --tries_left) {
        port_ = free_port();
        try {
            start();
        } catch (const std::runtime_error&) {
            if (tries_left == 0) throw;
        }
    }
}

Mariadb::~Mariadb() {
    stop();
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
}

Mariadb& Mariadb::shared() {
    static Mariadb server;
    return server;
}

void Mariadb::start() {
    using std::chrono::steady_clock;
    const fs::path log = folder_ / "server.log";
    pid_ = spawn(account_of_mariadb(),
                 {"/usr/sbin/mariadbd", "--no-defaults", "--datadir=" + (folder_ / "data").string(), "--bind-address=127.0.0.1",
                  fmt::format("--port={}", port_), "--socket=" + (folder_ / "socket").string(),
                  "--pid-file=" + (folder_ / "pid").string(), "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M",
                  "--innodb-log-file-size=8M", "--skip-name-resolve", "--max-connections=120"},
                 log);
    const auto limit = steady_clock::now() + std::chrono::seconds(60);
    while (steady_clock::now() < limit) {
        if (const Session session = open_session(port_, "", "mysql")) {
            first_value(session.get(), fmt::format("alter user root@localhost identified by '{0}'; "
                                                   "alter user root@'127.0.0.1' identified by '{0}'", password));
            return;
        }
        if (waitpid(pid_, nullptr, WNOHANG) == pid_) {
            pid_ = 0;
            throw std::runtime_error("MariaDB did not start:\n" + text_of(log));
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    stop();
    throw std::runtime_error("MariaDB did not let us in:\n" + text_of(log));
}

void Mariadb::stop() {
    if (pid_ <= 0) return;
    kill(pid_, SIGTERM);
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = 0;
}

std::string Mariadb::create_database() {
    const std::string name = fmt::format("test_{}_{}", getpid(), ++databases_);
    run("create database " + name);
    return name;
}

std::string Mariadb::url(std::string_view user, std::string_view word, std::string_view database) const {
    return fmt::format("mysql://{}:{}@127.0.0.1:{}/{}", user, word, port_, database);
}

void Mariadb::run(const std::string& sql, const std::string& database) { ask(sql, database); }

std::string Mariadb::ask(const std::string& sql, const std::string& database) {
    const Session session = open_session(port_, password, database);
    if (!session) throw std::runtime_error("MariaDB does not let the administrator in");
    return first_value(session.get(), "set sql_mode = ''; " + sql);
}

} // namespace baton::testing
