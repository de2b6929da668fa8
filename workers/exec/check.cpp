// A program that does nothing is run where and as the real one would be.
#include "workers/exec/check.hpp"

#include <fmt/format.h>

#include <fstream>
#include <string>

#include <sys/stat.h>
#include <unistd.h>

namespace baton::workers::exec {

namespace {

// The program that the first line of a script names; empty for anything else.
std::string interpreter_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::string line;
    char begin[2] = {};
    if (!file.read(begin, 2) || begin[0] != '#' || begin[1] != '!' || !std::getline(file, line)) return {};
    const std::size_t from = line.find_first_not_of(" \t");
    if (from == std::string::npos) return {};
    return line.substr(from, line.find_first_of(" \t\r", from) - from);
}

// Nothing to say: it can be started.
std::string trouble_of(const Program& program) {
    const std::string& path = program.command.front();
    struct stat about{};
    if (::stat(path.c_str(), &about) != 0) return path + " is not there";
    if (!S_ISREG(about.st_mode) || ::access(path.c_str(), X_OK) != 0) return path + " cannot be executed by this user";
    const std::string interpreter = interpreter_of(path);
    if (!interpreter.empty() && ::access(interpreter.c_str(), X_OK) != 0)
        return fmt::format("{} wants {}, which is not there or cannot be executed", path, interpreter);
    if (!program.folder.empty() && (::stat(program.folder.c_str(), &about) != 0 || !S_ISDIR(about.st_mode) ||
                                    ::access(program.folder.c_str(), X_OK) != 0))
        return fmt::format("its folder {} is not there or cannot be entered", program.folder);
    return {};
}

Finding check_one(const ProgramTask& one) {
    const std::string what = "program of " + one.task;
    if (const std::string trouble = trouble_of(one.program); !trouble.empty())
        return missing(what, trouble, "mend the [[program]] in BATON_WORKER_FILE, or install what is missing");
    Program nothing = one.program;
    nothing.command = {"/bin/true"};
    nothing.time_max = std::chrono::seconds(10);
    const Ending ending = run_program(nothing, {}, [] { return false; });
    if (ending.kind != Ending::Kind::exited || ending.code != 0)
        return missing(what, fmt::format("not even /bin/true runs under its limits: {}", ending.errors),
                       "raise memory_mib in BATON_WORKER_FILE, or the limit of the service (LimitAS=, ulimit -v)");
    return well(what, one.program.command.front() + " can be started under its limits");
}

} // namespace

Findings check(const Settings& settings) {
    Findings findings;
    for (const ProgramTask& one : settings.programs) findings.push_back(check_one(one));
    return findings;
}

} // namespace baton::workers::exec
