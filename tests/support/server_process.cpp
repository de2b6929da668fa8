// See server_process.hpp.
#include "tests/support/server_process.hpp"

#include <fmt/format.h>

#include <arpa/inet.h>
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
#include <unistd.h>

namespace baton::testing {

namespace fs = std::filesystem;

Account account_of_server(const char* user, std::string_view package) {
    if (geteuid() != 0) return {geteuid(), getegid(), false};
    const passwd* entry = getpwnam(user);
    if (entry == nullptr)
        throw std::runtime_error(fmt::format("the tests run as root, and the server will not; there is no user {} to run it as: "
                                             "apt-get install {}", user, package));
    return {entry->pw_uid, entry->pw_gid, true};
}

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

void run(const Account& account, const Arguments& arguments, const fs::path& log) {
    const pid_t child = spawn(account, arguments, log);
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    throw std::runtime_error(fmt::format("{} failed:\n{}", arguments[0], text_of(log)));
}

fs::path make_folder(const Account& account, const std::string& prefix) {
    // Not $TMPDIR: it may lie where the server's user may not go.
    std::string name = "/tmp/" + prefix + "-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a folder in /tmp");
    if (chown(name.c_str(), account.uid, account.gid) != 0)
        throw std::runtime_error(fmt::format("cannot give {} to the server's user", name));
    return name;
}

fs::path initialised_data(const Account& account, const std::string& name, const std::string& mark,
                          const std::function<void(const fs::path& data)>& initialise) {
    const fs::path data = fmt::format("/tmp/{}-seed-1-{}-{}", name, geteuid(), account.uid);
    const fs::path lock = data.string() + ".lock";
    const int file = open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0 || flock(file, LOCK_EX) != 0)
        throw std::runtime_error(fmt::format("cannot lock {}", lock.string()));
    try {
        if (!fs::exists(data / mark)) initialise(data);
    } catch (...) {
        close(file);
        throw;
    }
    close(file);
    return data;
}

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

} // namespace baton::testing
