#include "cli/children.hpp"

#include "base/log.hpp"
#include "server/config.hpp"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <utility>

namespace baton::cli {

using namespace std::chrono_literals;

namespace {

constexpr std::chrono::milliseconds pause_min = 200ms;
constexpr std::chrono::milliseconds pause_max = 10s;
constexpr std::chrono::seconds stop_limit = 8s;
// A child that lived this long was healthy; its next pause is short again.
constexpr std::chrono::seconds healthy_after = 30s;

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> all;
    for (auto& text : texts) all.push_back(text.data());
    all.push_back(nullptr);
    return all;
}

// Forks and executes; everything the child needs is prepared before the fork, because other threads
// may hold locks at that moment.
pid_t spawn(std::vector<std::string> arguments, const std::map<std::string, std::string>& variables) {
    auto environment = server::process_environment();
    for (const auto& [name, value] : variables) environment[name] = value;
    std::vector<std::string> settings;
    for (const auto& [name, value] : environment) settings.push_back(name + "=" + value);
    auto argv = pointers(arguments);
    auto envp = pointers(settings);
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid != 0) return pid;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(1);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    // A Ctrl-C on the terminal is for the parent, which ends its children in order.
    setpgid(0, 0);
    execve("/proc/self/exe", argv.data(), envp.data());
    _exit(127);
}

} // namespace

Children::~Children() { stop(); }

void Children::start(std::string name, std::vector<std::string> arguments,
                     std::map<std::string, std::string> variables) {
    auto child = std::make_unique<Child>();
    child->name = std::move(name);
    child->arguments = std::move(arguments);
    child->arguments.insert(child->arguments.begin(), "baton");
    child->variables = std::move(variables);
    Child& kept = *child;
    children_.push_back(std::move(child));
    // PDEATHSIG is tied to the thread that forks, so the thread that keeps a child lives as long.
    kept.keeper = Thread("keep " + kept.name, [this, &kept] { keep(kept); });
}

void Children::keep(Child& child) {
    auto pause = pause_min;
    while (!stopping_) {
        const auto begun = std::chrono::steady_clock::now();
        const pid_t pid = spawn(child.arguments, child.variables);
        if (pid < 0) {
            log::error("dev", "cannot start a process", {{"name", child.name}});
            return;
        }
        child.pid = pid;
        log::info("dev", "started", {{"name", child.name}, {"pid", pid}});
        int status = 0;
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        }
        child.pid = 0;
        if (stopping_) return;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 2) {
            log::error("dev", "a part refuses its configuration", {{"name", child.name}});
            return;
        }
        pause = std::chrono::steady_clock::now() - begun > healthy_after ? pause_min : std::min(pause * 2, pause_max);
        log::warning("dev", "ended and is started again", {{"name", child.name}, {"pause_ms", pause.count()}});
        for (auto waited = 0ms; waited < pause && !stopping_; waited += 50ms) usleep(50'000);
    }
}

void Children::stop() {
    stopping_ = true;
    const auto signal_all = [this](int signal) {
        for (const auto& child : children_)
            if (const int pid = child->pid; pid > 0) kill(pid, signal);
    };
    signal_all(SIGTERM);
    const auto limit = std::chrono::steady_clock::now() + stop_limit;
    const auto is_running = [](const std::unique_ptr<Child>& child) { return child->pid > 0; };
    while (std::any_of(children_.begin(), children_.end(), is_running) && std::chrono::steady_clock::now() < limit)
        usleep(20'000);
    signal_all(SIGKILL);
    children_.clear();
}

} // namespace baton::cli
