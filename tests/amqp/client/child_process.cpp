// fork, exec, kill, wait.
#include "tests/amqp/client/child_process.hpp"

#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace baton::tests {

using namespace std::chrono_literals;

pid_t spawn(const std::vector<std::string>& command, const std::vector<std::string>& environment,
            const std::string& log) {
    std::vector<char*> arguments;
    for (const std::string& word : command)
        arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    std::vector<char*> variables;
    for (const std::string& line : environment)
        variables.push_back(const_cast<char*>(line.c_str()));
    variables.push_back(nullptr);
    const pid_t child = ::fork();
    if (child != 0) return child;
    ::setpgid(0, 0);
    const int output = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    const int input = ::open("/dev/null", O_RDONLY);
    ::dup2(input, 0);
    ::dup2(output, 1);
    ::dup2(output, 2);
    ::execve(arguments[0], arguments.data(), variables.data());
    ::_exit(127);
}

void end_group(pid_t group) {
    if (group <= 0) return;
    ::kill(-group, SIGTERM);
    for (int tries = 0; tries < 200; ++tries) {
        if (::waitpid(group, nullptr, WNOHANG) == group) break;
        std::this_thread::sleep_for(50ms);
    }
    ::kill(-group, SIGKILL);
    ::waitpid(group, nullptr, WNOHANG);
}

} // namespace baton::tests
