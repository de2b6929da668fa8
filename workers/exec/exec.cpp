// Exit status and output to an answer, and the file's tables to programs.
#include "workers/exec/exec.hpp"

#include "base/json_text.hpp"
#include "base/utf8.hpp"
#include "workers/members.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>

#include <sysexits.h>
#include <unistd.h>

namespace baton::workers::exec {

namespace json = boost::json;

namespace {

constexpr std::size_t told_bytes_max = 2000;
// So many lines of standard error go into the run's log, which keeps no more.
constexpr std::size_t lines_max = 1000;
constexpr std::array<std::string_view, 2> of_jq{"program", "input"};

// The end of what it said, for people.
std::string last_words(std::string_view errors) {
    while (errors.ends_with('\n')) errors.remove_suffix(1);
    if (errors.size() > told_bytes_max) errors.remove_prefix(errors.size() - told_bytes_max);
    return as_utf8(errors);
}

std::vector<std::string> environment_of(const ProgramTask& one, const contract::TaskRequest& request) {
    std::vector<std::string> all = {"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"};
    all.insert(all.end(), one.program.environment.begin(), one.program.environment.end());
    all.push_back("BATON_TASK=" + one.task);
    all.push_back("BATON_RUN=" + request.run);
    all.push_back("BATON_WORKFLOW=" + request.workflow);
    all.push_back("BATON_STEP=" + request.step);
    all.push_back(fmt::format("BATON_ATTEMPT={}", request.attempt));
    all.push_back("BATON_IDEMPOTENCY_KEY=" + request.idempotency_key);
    // As programs of OpenTelemetry find it.
    if (!request.traceparent.empty()) all.push_back("TRACEPARENT=" + request.traceparent);
    if (!request.tracestate.empty()) all.push_back("TRACESTATE=" + request.tracestate);
    return all;
}

contract::Problem problem_of(const Ending& ending, const std::string& command) {
    contract::Problem problem = temporary("program_failed", {});
    if (const auto said = read_json(ending.output); said && said->is_object() && said->get_object().contains("type"))
        problem = contract::problem_from_json(ending.output);
    if (problem.detail.empty()) {
        const std::string words = last_words(ending.errors);
        problem.detail = fmt::format("{} ended with {} {}{}{}", command,
                                     ending.kind == Ending::Kind::exited ? "status" : "signal", ending.code,
                                     words.empty() ? "" : ": ", words);
    }
    if (ending.kind != Ending::Kind::exited) return problem;
    if (ending.code == EX_DATAERR) problem.retryable = false;
    if (ending.code == EX_NOPERM || ending.code == EX_CONFIG) {
        contract::Problem held = configuration(problem.type, problem.detail);
        held.data = problem.data;
        return held;
    }
    return problem;
}

Answer answer_of(const Ending& ending, const Program& program) {
    const std::string& command = program.command.front();
    using std::chrono::duration_cast;
    switch (ending.kind) {
    case Ending::Kind::exited:
        if (ending.code == 0) break;
        return problem_of(ending, command);
    case Ending::Kind::signalled:
        return problem_of(ending, command);
    case Ending::Kind::timed_out:
        return temporary("timeout", fmt::format("{} did not end within {} s and was stopped", command,
                                                duration_cast<std::chrono::seconds>(program.time_max).count()));
    case Ending::Kind::cancelled:
        return temporary("cancelled", command + " was stopped, since nobody waits for it any more");
    case Ending::Kind::too_much:
        return permanent("too_much_output",
                         fmt::format("{} wrote more than the {} bytes it may", command, program.output_bytes_max));
    case Ending::Kind::not_started:
        return configuration("not_started", fmt::format("{} cannot be started: {}", command, ending.errors));
    }
    if (ending.output.find_first_not_of(" \t\r\n") == std::string::npos) return json::value(nullptr);
    auto result = read_json(ending.output);
    if (result) return std::move(*result);
    return permanent("bad_answer", fmt::format("{} ended well, but what it wrote is no JSON ({}); it begins with '{}'",
                                               command, result.error().detail, as_utf8(ending.output.substr(0, 80))));
}

// The same program over the same input ends the same, so nothing is tried again.
Answer answer_of_jq(const Ending& ending, const Program& program) {
    const auto failed = [](std::string detail) { return permanent("transform_failed", std::move(detail)); };
    const bool is_told = ending.kind == Ending::Kind::exited && ending.code != 0;
    if (is_told) return failed(last_words(ending.errors));
    if (ending.kind == Ending::Kind::signalled)
        return failed(fmt::format("the program ended with signal {}: did it want more than the {} MiB it may have?", ending.code,
                                  program.memory_max >> 20));
    if (ending.kind == Ending::Kind::timed_out) {
        contract::Problem late = answer_of(ending, program).error();
        return failed(std::move(late.detail));
    }
    if (ending.kind != Ending::Kind::exited) return answer_of(ending, program);
    // One value a line.
    const auto values = std::count(ending.output.begin(), ending.output.end(), '\n');
    if (values == 1) return answer_of(ending, program);
    return failed(fmt::format("the program gives {} values, and one is wanted: put [ ] around it", values));
}

// In brackets a program cannot take in others from files.
Answer perform_jq(const ProgramTask& one, const Task& task) {
    Parameters parameters(task.with);
    const std::string text = parameters.required_text("program");
    parameters.only(of_jq);
    if (parameters.is_bad()) return parameters.problem();
    Program program = one.program;
    program.command.push_back("(" + text + "\n)");
    program.environment = {"PATH=/nonexistent", "LANG=C.UTF-8"};
    const json::value* input = task.with.if_contains("input");
    const std::string given = input == nullptr ? "null" : write_json(*input);
    return answer_of_jq(run_program(program, given + "\n", task.is_cancelled), program);
}

Answer perform(const ProgramTask& one, const Task& task) {
    if (one.is_jq) return perform_jq(one, task);
    if (!one.parameters.empty()) {
        Parameters parameters(task.with);
        const std::vector<std::string_view> names(one.parameters.begin(), one.parameters.end());
        parameters.only(names);
        if (parameters.is_bad()) return parameters.problem();
    }
    Program program = one.program;
    program.environment = environment_of(one, task.request);
    std::size_t lines = 0;
    const auto hear = [&](std::string_view line) {
        if (!task.log || lines > lines_max) return;
        const bool is_last = ++lines > lines_max;
        task.log(is_last ? "warning" : "info",
                 is_last ? fmt::format("{} says more, which is left out", program.command.front()) : std::string(line));
    };
    return answer_of(run_program(program, write_json(task.with) + "\n", task.is_cancelled, hear), program);
}

void check_program(const ProgramTask& one, Members& members) {
    if (one.task.empty()) members.complain("needs a task, for example \"report.make\"");
    if (one.program.command.empty())
        members.complain("needs a command, a list of texts: the program and its arguments");
    else if (!one.program.command.front().starts_with('/'))
        members.complain(fmt::format("the command '{}' must be an absolute path", one.program.command.front()));
    else if (::access(one.program.command.front().c_str(), X_OK) != 0)
        members.complain(fmt::format("the command '{}' is not there or cannot be executed", one.program.command.front()));
}

ProgramTask read_program(Members& members) {
    ProgramTask one;
    one.task = members.text("task");
    one.program.command = members.texts("command");
    if (const std::string jq = members.text("jq"); !jq.empty()) {
        one.is_jq = true;
        if (one.task.empty()) one.task = transform_task;
        if (!one.program.command.empty()) members.complain("has jq or a command, not both");
        one.program.command = {jq, "-c"};
    }
    one.program.folder = members.text("folder");
    one.parameters = members.texts("parameters");
    for (const auto& [name, value] : members.text_table("environment"))
        one.program.environment.push_back(fmt::format("{}={}", name, value));
    one.program.time_max = std::chrono::seconds(members.number("timeout_seconds", 1, 86400, one.is_jq ? 10 : 60));
    one.program.memory_max = static_cast<std::uint64_t>(members.number("memory_mib", 0, 1 << 20, one.is_jq ? 256 : 1024)) << 20;
    one.program.output_bytes_max = static_cast<std::size_t>(members.number("output_kib", 1, 8192, 1024)) << 10;
    check_program(one, members);
    members.finish();
    return one;
}

} // namespace

Outcome<Settings> read_settings(const json::value& programs) {
    Settings settings;
    std::string complaints;
    if (!programs.is_array())
        return Failure{make_error_code(boost::system::errc::invalid_argument), "'program' must be a list of tables"};
    for (std::size_t i = 0; i < programs.get_array().size(); ++i) {
        Members members(programs.get_array()[i], fmt::format("program {}", i + 1), complaints);
        settings.programs.push_back(read_program(members));
    }
    if (!complaints.empty()) return Failure{make_error_code(boost::system::errc::invalid_argument), complaints};
    return settings;
}

std::vector<Handler> make_handlers(const Settings& settings) {
    std::vector<Handler> handlers;
    for (const ProgramTask& one : settings.programs) {
        handlers.push_back({one.task, [shared = std::make_shared<const ProgramTask>(one)](const Task& task) {
                                return perform(*shared, task);
                            }});
        if (one.is_jq) handlers.back().parameters = schema_of(of_jq);
        if (one.parameters.empty()) continue;
        const std::vector<std::string_view> names(one.parameters.begin(), one.parameters.end());
        handlers.back().parameters = schema_of(names);
    }
    return handlers;
}

} // namespace baton::workers::exec
