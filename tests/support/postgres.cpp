// Starts, stops and ends a throwaway PostgreSQL server. The server refuses to run as root, so when
// the tests do, every one of its programs is started as user postgres.
#include "tests/support/postgres.hpp"

#include <fmt/format.h>
#include <pqxx/pqxx>

#include <arpa/inet.h>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <grp.h>
#include <iterator>
#include <netinet/in.h>
#include <pwd.h>
#include <random>
#include <stdexcept>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
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

using Arguments = std::vector<std::string>;

struct Account {
    uid_t uid = 0;
    gid_t gid = 0;
    bool is_other = false; // the programs must change to it before they start
};

Account account_of_server() {
    if (geteuid() != 0) return {geteuid(), getegid(), false};
    const passwd* entry = getpwnam("postgres");
    if (entry == nullptr)
        throw std::runtime_error("the tests run as root, and PostgreSQL will not; there is no user "
                                 "postgres to run it as: apt-get install postgresql-15");
    return {entry->pw_uid, entry->pw_gid, true};
}

fs::path server_programs() {
    for (int version = 18; version >= 13; --version) {
        const fs::path folder = fmt::format("/usr/lib/postgresql/{}/bin", version);
        if (fs::exists(folder / "initdb") && fs::exists(folder / "postgres")) return folder;
    }
    throw std::runtime_error("PostgreSQL is not installed: sudo apt-get install postgresql-15 "
                             "(scripts/setup does it)");
}

// Starts a program as the server's user, output into `log`. It dies with this process.
pid_t spawn(const Account& account, const Arguments& arguments, const fs::path& log) {
    std::vector<char*> pointers;
    for (const std::string& argument : arguments)
        pointers.push_back(const_cast<char*>(argument.c_str()));
    pointers.push_back(nullptr);

    const pid_t child = fork();
    if (child < 0) throw std::runtime_error("fork failed");
    if (child > 0) return child;

    if (account.is_other) {
        if (setgroups(0, nullptr) != 0 || setgid(account.gid) != 0 || setuid(account.uid) != 0)
            _exit(126);
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    const int output = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (nothing >= 0) dup2(nothing, STDIN_FILENO);
    if (output >= 0) {
        dup2(output, STDOUT_FILENO);
        dup2(output, STDERR_FILENO);
    }
    if (chdir("/") != 0) _exit(126);
    setenv("LC_ALL", "C.UTF-8", 1);
    execv(pointers[0], pointers.data());
    _exit(127);
}

std::string text_of(const fs::path& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
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

void run(const Account& account, const Arguments& arguments, const fs::path& log) {
    const pid_t child = spawn(account, arguments, log);
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    throw std::runtime_error(fmt::format("{} failed:\n{}", arguments[0], text_of(log)));
}

fs::path make_folder(const Account& account) {
    // Not $TMPDIR: it may lie where user postgres may not go.
    std::string name = "/tmp/baton-postgres-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a folder in /tmp");
    if (chown(name.c_str(), account.uid, account.gid) != 0)
        throw std::runtime_error(fmt::format("cannot give {} to user postgres", name));
    return name;
}

void initialise(const Account& account, const fs::path& data) {
    const fs::path folder = make_folder(account);
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

// The folder of an initialised server nobody has started; made once a machine and user.
fs::path initialised_data(const Account& account) {
    const std::string version = server_programs().parent_path().filename();
    const fs::path data =
        fmt::format("/tmp/baton-postgres-{}-seed-1-{}-{}", version, geteuid(), account.uid);
    const fs::path lock = data.string() + ".lock";
    const int file = open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0 || flock(file, LOCK_EX) != 0)
        throw std::runtime_error(fmt::format("cannot lock {}", lock.string()));
    try {
        if (!fs::exists(data / "PG_VERSION")) initialise(account, data);
    } catch (...) {
        close(file);
        throw;
    }
    close(file);
    return data;
}

// Below the range from which the kernel takes ports for outgoing connections, so that the port is
// still free when the server is started again.
int free_port() {
    std::random_device random;
    for (int tries = 0; tries < 200; ++tries) {
        const int port = static_cast<int>(20000 + random() % 12000);
        const int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(port));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const bool is_free =
            bind(probe, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
        close(probe);
        if (is_free) return port;
    }
    throw std::runtime_error("no free port between 20000 and 32000");
}

} // namespace

Postgres::Postgres(Disk disk) : disk_(disk) {
    const Account account = account_of_server();
    const fs::path seed = initialised_data(account);
    folder_ = make_folder(account);
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
    pid_ = spawn(account_of_server(),
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
