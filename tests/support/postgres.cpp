// Starts, stops and ends a throwaway PostgreSQL server. The server refuses to run as root, so when
// the tests do, every one of its programs is started as user postgres.
#include "tests/support/postgres.hpp"

#include "tests/support/server_process.hpp"

#include <fmt/format.h>
#include <pqxx/pqxx>

#include <chrono>
#include <csignal>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

// libpqxx 6.4.5 loses one result object when the connection breaks while a statement runs: it asks
// the dead connection for its encoding after libpq made the result and before it owns it. The tests
// here break connections on purpose.
extern "C" const char* __lsan_default_suppressions() {
    return "leak:libpqxx";
}

namespace baton::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view user_name = "baton";
// With characters that a URL must escape, so that nobody forgets to.
constexpr std::string_view plain_password = "open sesame/42";
constexpr std::string_view url_password = "open%20sesame%2F42";

Account account_of_postgres() { return account_of_server("postgres", "postgresql-15"); }

fs::path server_programs() {
    for (int version = 18; version >= 13; --version) {
        const fs::path folder = fmt::format("/usr/lib/postgresql/{}/bin", version);
        if (fs::exists(folder / "initdb") && fs::exists(folder / "postgres")) return folder;
    }
    throw std::runtime_error("PostgreSQL is not installed: sudo apt-get install postgresql-15 "
                             "(scripts/setup does it)");
}

std::vector<pid_t> children_of(pid_t parent) {
    std::ifstream in(fmt::format("/proc/{0}/task/{0}/children", parent));
    return {std::istream_iterator<pid_t>(in), {}};
}

// False also for a process that has ended and waits for its parent to notice.
bool is_alive(pid_t process) {
    const std::string status = text_of(fmt::format("/proc/{}/stat", process));
    const std::size_t name_end = status.rfind(')');
    return name_end != std::string::npos && status.compare(name_end, 3, ") Z") != 0;
}

void initialise(const Account& account, const fs::path& data) {
    const fs::path folder = make_folder(account, "baton-postgres");
    const fs::path secret = folder / "password";
    std::ofstream(secret) << plain_password << '\n';
    if (chown(secret.c_str(), account.uid, account.gid) != 0)
        throw std::runtime_error("cannot hand over the password file");
    run(account,
        {server_programs() / "initdb", "-D", folder / "data", "-U", std::string(user_name),
         "--auth=scram-sha-256", "--pwfile=" + secret.string(), "--encoding=UTF8",
         "--locale=C.UTF-8", "--no-sync", "--wal-segsize=1"},
        folder / "initdb.log");
    fs::rename(folder / "data", data);
    fs::remove_all(folder);
}

fs::path initialised_postgres(const Account& account) {
    const std::string version = server_programs().parent_path().filename();
    return initialised_data(account, "baton-postgres-" + version, "PG_VERSION", [&](const fs::path& data) { initialise(account, data); });
}

} // namespace

Postgres::Postgres(Disk disk) : disk_(disk) {
    const Account account = account_of_postgres();
    const fs::path seed = initialised_postgres(account);
    folder_ = make_folder(account, "baton-postgres");
    run(account, {"/bin/cp", "-a", seed, folder_ / "data"}, folder_ / "copy.log");
    // Somebody else may take the port between our look and the start.
    for (int tries_left = 3; !is_running(); --tries_left) {
        port_ = free_port();
        try {
            start();
        } catch (const std::runtime_error&) {
            if (tries_left == 0) throw;
        }
    }
}

Postgres::~Postgres() {
    try {
        stop();
    } catch (const std::exception&) {
        if (pid_ > 0) kill(pid_, SIGKILL);
    }
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
}

Postgres& Postgres::shared() {
    static Postgres server;
    return server;
}

std::string_view Postgres::password() {
    return plain_password;
}

std::string Postgres::url(std::string_view database) const {
    return fmt::format("postgresql://{}:{}@127.0.0.1:{}/{}", user_name, url_password, port_,
                       database);
}

std::string Postgres::create_database() {
    const std::string name = fmt::format("test_{}_{}", getpid(), ++databases_);
    pqxx::connection session(url("postgres"));
    pqxx::nontransaction work(session);
    work.exec("create database " + name);
    return name;
}

void Postgres::start() {
    using std::chrono::steady_clock;
    if (pid_ > 0) return;
    const auto limit = steady_clock::now() + std::chrono::seconds(20);
    const fs::path log = folder_ / "server.log";
    while (true) {
        std::error_code ignored;
        fs::remove(log, ignored);
        spawn_server();
        while (pid_ > 0 && steady_clock::now() < limit) {
            if (is_ready()) return;
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
            if (waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = 0;
        }
        // After kill -9 a new server refuses to start while sessions of the old one still end.
        const bool too_early = text_of(log).find("shared memory block") != std::string::npos;
        if (!too_early || steady_clock::now() >= limit)
            throw std::runtime_error("PostgreSQL did not start:\n" + text_of(log));
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
}

void Postgres::spawn_server() {
    const char* sync = disk_ == Disk::durable ? "on" : "off";
    pid_ = spawn(account_of_postgres(),
                 {server_programs() / "postgres", "-D", folder_ / "data", "-c",
                  "listen_addresses=127.0.0.1", "-c", fmt::format("port={}", port_), "-c",
                  "unix_socket_directories=" + folder_.string(), "-c",
                  fmt::format("fsync={}", sync), "-c", fmt::format("full_page_writes={}", sync),
                  "-c", "shared_buffers=64MB", "-c", "max_connections=120"},
                 folder_ / "server.log");
}

// The last line of postmaster.pid says when the server accepts sessions.
bool Postgres::is_ready() const {
    const std::string status = text_of(folder_ / "data" / "postmaster.pid");
    return status.starts_with(std::to_string(pid_) + "\n") &&
           status.find("\nready") != std::string::npos;
}

void Postgres::stop() {
    if (pid_ <= 0) return;
    kill(pid_, SIGINT);
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = 0;
}

// The server's session processes outlive it for a moment and would still commit; they go too.
void Postgres::kill_hard() {
    if (pid_ <= 0) return;
    const std::vector<pid_t> sessions = children_of(pid_);
    kill(pid_, SIGKILL);
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = 0;
    for (const pid_t session : sessions)
        kill(session, SIGKILL);
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    for (const pid_t session : sessions)
        while (is_alive(session) && std::chrono::steady_clock::now() < limit)
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

} // namespace baton::testing
