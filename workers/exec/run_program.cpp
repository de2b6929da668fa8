// posix_spawn, three pipes and one poll loop. Limits are set by util-linux' own tools between us and the
// program, since nothing but exec may happen after a fork in a process with threads.
#include "workers/exec/run_program.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <optional>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace baton::workers::exec {

namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

constexpr std::size_t errors_bytes_max = 64 * 1024;
constexpr std::size_t line_bytes_max = 4096;
// How often somebody looks whether the task is still wanted.
constexpr auto look = std::chrono::milliseconds(100);
// From a polite end to a certain one.
constexpr auto patience = std::chrono::seconds(2);
// What ended programs left in their pipes is there at once; longer only their children could write.
constexpr auto drain_time = std::chrono::milliseconds(500);

class Pipe {
public:
    Pipe() {
        if (::pipe2(ends_.data(), O_CLOEXEC) != 0) ends_ = {-1, -1};
    }
    ~Pipe() {
        close(0);
        close(1);
    }
    Pipe(const Pipe&) = delete;
    bool is_open() const { return ends_[0] >= 0; }
    int end(std::size_t which) const { return ends_[which]; } // 0 reads, 1 writes
    void close(std::size_t which) {
        if (ends_[which] >= 0) ::close(ends_[which]);
        ends_[which] = -1;
    }
    void make_patient(std::size_t which) const { ::fcntl(ends_[which], F_SETFL, O_NONBLOCK); }

private:
    std::array<int, 2> ends_{-1, -1};
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> all;
    all.reserve(texts.size() + 1);
    for (std::string& text : texts) all.push_back(text.data());
    all.push_back(nullptr);
    return all;
}

// The program dies with the thread that waits for it, gains no rights, and is held to its memory.
std::vector<std::string> limited(const Program& program) {
    std::vector<std::string> command = {"/usr/bin/setpriv", "--pdeathsig", "KILL", "--no-new-privs", "--",
                                        "/usr/bin/prlimit", "--core=0"};
    if (program.memory_max != 0) command.push_back(fmt::format("--as={}", program.memory_max));
    command.emplace_back("--");
    command.insert(command.end(), program.command.begin(), program.command.end());
    return command;
}

struct Attributes {
    Attributes() {
        posix_spawnattr_init(&flags);
        posix_spawn_file_actions_init(&files);
        // A group of its own, so that all it starts can be ended with it; no signal blocked or ignored.
        sigset_t none;
        sigset_t usual;
        sigemptyset(&none);
        sigemptyset(&usual);
        sigaddset(&usual, SIGPIPE);
        posix_spawnattr_setsigmask(&flags, &none);
        posix_spawnattr_setsigdefault(&flags, &usual);
        posix_spawnattr_setpgroup(&flags, 0);
        posix_spawnattr_setflags(&flags, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    }
    ~Attributes() {
        posix_spawnattr_destroy(&flags);
        posix_spawn_file_actions_destroy(&files);
    }
    Attributes(const Attributes&) = delete;
    posix_spawnattr_t flags{};
    posix_spawn_file_actions_t files{};
};

class Running {
public:
    Running(const Program& program, std::string_view input, const std::function<bool()>& is_cancelled,
            const std::function<void(std::string_view)>& hear)
        : program_(program), input_(input), is_cancelled_(is_cancelled), hear_(hear) {}
    Ending run();

private:
    int start();
    void exchange(std::chrono::milliseconds limit);
    void feed();
    bool read_from(Pipe& pipe, std::string& into, std::size_t bytes_max, bool keeps_end);
    void tell_lines(std::string_view more, bool is_end);
    bool has_ended() const;
    void reap();
    void end(Ending::Kind why);
    std::optional<Ending::Kind> reason_to_end(SteadyTime started) const;

    const Program& program_;
    std::string_view input_;
    const std::function<bool()>& is_cancelled_;
    const std::function<void(std::string_view)>& hear_;
    std::string line_; // of standard error, not whole yet
    Pipe in_, out_, errors_;
    bool too_much_ = false;
    pid_t pid_ = -1;
    int status_ = 0;
    Ending ending_;
};

int Running::start() {
    if (!in_.is_open() || !out_.is_open() || !errors_.is_open()) return errno;
    Attributes how;
    posix_spawn_file_actions_adddup2(&how.files, in_.end(0), 0);
    posix_spawn_file_actions_adddup2(&how.files, out_.end(1), 1);
    posix_spawn_file_actions_adddup2(&how.files, errors_.end(1), 2);
    if (!program_.folder.empty()) posix_spawn_file_actions_addchdir_np(&how.files, program_.folder.c_str());
    std::vector<std::string> command = limited(program_);
    std::vector<std::string> environment = program_.environment;
    const int problem = ::posix_spawn(&pid_, command[0].c_str(), &how.files, &how.flags,
                                      pointers(command).data(), pointers(environment).data());
    in_.close(0);
    out_.close(1);
    errors_.close(1);
    return problem;
}

void Running::feed() {
    while (!input_.empty()) {
        const ssize_t written = ::write(in_.end(1), input_.data(), input_.size());
        if (written < 0 && (errno == EAGAIN || errno == EINTR)) return;
        // It does not read; its exit status says whether that is well.
        if (written < 0) break;
        input_.remove_prefix(static_cast<std::size_t>(written));
    }
    in_.close(1);
}

// False at the end of the stream.
bool Running::read_from(Pipe& pipe, std::string& into, std::size_t bytes_max, bool keeps_end) {
    std::array<char, 16 * 1024> buffer;
    const ssize_t got = ::read(pipe.end(0), buffer.data(), buffer.size());
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    if (got == 0) return false;
    into.append(buffer.data(), static_cast<std::size_t>(got));
    if (keeps_end) tell_lines({buffer.data(), static_cast<std::size_t>(got)}, false);
    if (into.size() <= bytes_max) return true;
    if (keeps_end)
        into.erase(0, into.size() - bytes_max);
    else
        too_much_ = true;
    return true;
}

// Of a line without an end the beginning is told, and then the rest.
void Running::tell_lines(std::string_view more, bool is_end) {
    if (!hear_) return;
    line_ += more;
    std::size_t begin = 0;
    for (std::size_t end = line_.find('\n'); end != std::string::npos; end = line_.find('\n', begin)) {
        if (end > begin) hear_(std::string_view(line_).substr(begin, end - begin));
        begin = end + 1;
    }
    line_.erase(0, begin);
    if (line_.empty() || (!is_end && line_.size() < line_bytes_max)) return;
    hear_(line_);
    line_.clear();
}

void Running::exchange(std::chrono::milliseconds limit) {
    std::array<pollfd, 3> waited = {pollfd{out_.end(0), POLLIN, 0}, pollfd{errors_.end(0), POLLIN, 0},
                                    pollfd{in_.end(1), POLLOUT, 0}};
    if (::poll(waited.data(), waited.size(), static_cast<int>(limit.count())) <= 0) return;
    if (waited[0].revents != 0 && !read_from(out_, ending_.output, program_.output_bytes_max, false)) out_.close(0);
    if (waited[1].revents != 0 && !read_from(errors_, ending_.errors, errors_bytes_max, true)) errors_.close(0);
    if (waited[2].revents != 0) feed();
}

// It stays a zombie until reap(), so that its number, and its group's, are nobody else's.
bool Running::has_ended() const {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid_;
}

// Ends what it left behind in its group, too: nobody wants that.
void Running::reap() {
    ::kill(-pid_, SIGKILL);
    while (::waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {}
}

std::optional<Ending::Kind> Running::reason_to_end(SteadyTime started) const {
    if (too_much_) return Ending::Kind::too_much;
    if (std::chrono::steady_clock::now() - started >= program_.time_max) return Ending::Kind::timed_out;
    if (is_cancelled_ && is_cancelled_()) return Ending::Kind::cancelled;
    return std::nullopt;
}

void Running::end(Ending::Kind why) {
    ending_.kind = why;
    ::kill(-pid_, SIGTERM);
    const auto last = std::chrono::steady_clock::now() + patience;
    while (!has_ended() && std::chrono::steady_clock::now() < last) {
        exchange(look);
        ending_.output.clear(); // a flood that nobody wants
    }
    reap();
    tell_lines({}, true);
}

Ending Running::run() {
    if (const int problem = start(); problem != 0) {
        ending_.errors = std::error_code(problem, std::generic_category()).message();
        return std::move(ending_);
    }
    in_.make_patient(1);
    out_.make_patient(0);
    errors_.make_patient(0);
    const auto started = std::chrono::steady_clock::now();
    if (input_.empty()) in_.close(1);
    while (!has_ended()) {
        if (const auto reason = reason_to_end(started)) {
            end(*reason);
            return std::move(ending_);
        }
        exchange(look);
    }
    const auto drained = std::chrono::steady_clock::now() + drain_time;
    while ((out_.end(0) >= 0 || errors_.end(0) >= 0) && std::chrono::steady_clock::now() < drained && !too_much_)
        exchange(std::chrono::milliseconds(10));
    reap();
    tell_lines({}, true);
    ending_.kind = too_much_ ? Ending::Kind::too_much : WIFEXITED(status_) ? Ending::Kind::exited : Ending::Kind::signalled;
    ending_.code = WIFEXITED(status_) ? WEXITSTATUS(status_) : WTERMSIG(status_);
    return std::move(ending_);
}

} // namespace

Ending run_program(const Program& program, std::string_view input, const std::function<bool()>& is_cancelled,
                   const std::function<void(std::string_view)>& hear) {
    Running running(program, input, is_cancelled, hear);
    return running.run();
}

} // namespace baton::workers::exec
