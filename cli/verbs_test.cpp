// baton test: plays the tests beside workflows, without a server.
#include "base/xml_text.hpp"
#include "cli/output.hpp"
#include "cli/terminal.hpp"
#include "cli/verbs.hpp"
#include "orchestrator/definition/catalog.hpp"
#include "orchestrator/rehearsal/coverage.hpp"
#include "orchestrator/rehearsal/rehearsal.hpp"
#include "orchestrator/rehearsal/test_file.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

namespace baton::cli {

namespace json = boost::json;
namespace definition = orchestrator::definition;
namespace rehearsal = orchestrator::rehearsal;

namespace {

struct Wishes {
    std::vector<std::string> files;
    std::string only;
    std::string junit;
    bool with_crashes = false;
    bool with_coverage = false;
    bool as_json = false;
};

struct TestOutcome {
    std::string name;
    std::uint32_t line = 0;
    std::vector<std::string> differences;
    std::vector<std::string> events; // of a broken crash
    std::string how;                 // which
    std::size_t played = 1;
    double seconds = 0;
};

struct FileOutcome {
    std::string file;
    std::vector<TestOutcome> tests;
    std::vector<rehearsal::Coverage::Branch> branches;
    bool is_broken = false; // it could not be read
};

// A folder stands for the test files in it.
std::vector<std::string> test_files(const std::vector<std::string>& given) {
    std::vector<std::string> files;
    for (const std::string& one : given) {
        std::error_code error;
        if (!std::filesystem::is_directory(one, error)) {
            files.push_back(one);
            continue;
        }
        std::vector<std::string> inside;
        for (const auto& entry : std::filesystem::directory_iterator(one, error))
            if (entry.path().string().ends_with(".test.toml"))
                inside.push_back(entry.path().string());
        std::sort(inside.begin(), inside.end());
        files.insert(files.end(), inside.begin(), inside.end());
    }
    return files;
}

std::string said_of(const TestOutcome& test) {
    std::string text;
    for (const std::string& one : test.differences)
        text += one + "\n";
    if (!test.how.empty()) text += "with " + test.how + ":\n";
    for (std::size_t at = 0; at < test.events.size(); ++at)
        text += fmt::format("  {}. {}\n", at + 1, test.events[at]);
    return text;
}

std::string junit_of(const std::vector<FileOutcome>& all) {
    std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n";
    for (const FileOutcome& file : all) {
        const auto failed = std::ranges::count_if(
            file.tests, [](const TestOutcome& one) { return !one.differences.empty(); });
        out += fmt::format("  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\">\n",
                           xml_text(file.file), file.tests.size(), failed, file.is_broken ? 1 : 0);
        for (const TestOutcome& test : file.tests) {
            out += fmt::format("    <testcase classname=\"{}\" name=\"{}\" time=\"{:.3f}\"",
                               xml_text(file.file), xml_text(test.name), test.seconds);
            if (test.differences.empty())
                out += "/>\n";
            else
                out += fmt::format("><failure message=\"{}\">{}</failure></testcase>\n",
                                   xml_text(test.differences.front()), xml_text(said_of(test)));
        }
        if (file.is_broken)
            out += fmt::format("    <testcase classname=\"{}\" name=\"reads\"><error message=\"the "
                               "file cannot be used\"/></testcase>\n",
                               xml_text(file.file));
        out += "  </testsuite>\n";
    }
    return out + "</testsuites>\n";
}

// Both files, or nothing after having said what is wrong with them.
std::optional<std::pair<definition::Loaded, rehearsal::TestFile>> read_both(const std::string& file,
                                                                            bool is_loud) {
    const auto show = [is_loud](const std::vector<definition::Diagnostic>& diagnostics,
                                std::string_view source) {
        fmt::print(is_loud ? stdout : stderr, "{}",
                   definition::render(diagnostics, source, has_colours(stdout)));
    };
    const std::string workflow_file = rehearsal::workflow_file_of(file);
    if (workflow_file.empty()) {
        complain(fmt::format(
            "'{}' is no test file: they are called NAME.test.toml and stand beside NAME.toml",
            file));
        return std::nullopt;
    }
    const auto workflow_source = read_workflow(workflow_file);
    const auto source = read_file(file);
    if (!source || !workflow_source) {
        complain((source ? workflow_source : source).error().detail);
        return std::nullopt;
    }
    auto loaded = definition::load(*workflow_source, workflow_file);
    if (!loaded) {
        show(loaded.diagnostics, *workflow_source);
        return std::nullopt;
    }
    auto tests = rehearsal::read_tests(*source, file, *loaded.workflow);
    show(tests.diagnostics, *source);
    if (std::ranges::any_of(tests.diagnostics, [](const auto& one) {
            return one.severity == definition::Severity::error;
        }))
        return std::nullopt;
    if (tests.tests.empty()) {
        complain(fmt::format("'{}' has no [[test]]", file));
        return std::nullopt;
    }
    return std::pair{std::move(loaded), std::move(tests)};
}

TestOutcome play_one(const orchestrator::core::Workflow& workflow, const rehearsal::TestCase& test,
                     rehearsal::Coverage& coverage, bool with_crashes) {
    const auto begun = std::chrono::steady_clock::now();
    const auto played = rehearsal::play(workflow, test, coverage.judge());
    coverage.add(played);
    TestOutcome out{test.name, test.line, rehearsal::differences(test, played), {}, {}};
    if (out.differences.empty() && with_crashes) {
        auto crashes = rehearsal::crash_everywhere(workflow, test);
        out.played += crashes.played;
        if (crashes.broken) {
            out.differences = std::move(crashes.broken->differences);
            out.events = std::move(crashes.broken->events);
            out.how = std::move(crashes.broken->how);
        }
    }
    out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    return out;
}

FileOutcome play_file(const std::string& file, const Wishes& wishes) {
    FileOutcome out{file, {}, {}};
    const auto both = read_both(file, !wishes.as_json);
    out.is_broken = !both;
    if (!both) return out;
    const auto& [loaded, tests] = *both;
    rehearsal::Coverage coverage(*loaded.workflow);
    for (const rehearsal::TestCase& test : tests.tests) {
        if (!wishes.only.empty() && test.name.find(wishes.only) == std::string::npos) continue;
        out.tests.push_back(play_one(*loaded.workflow, test, coverage, wishes.with_crashes));
    }
    out.branches = coverage.branches();
    return out;
}

void print_file(const FileOutcome& file, const Wishes& wishes) {
    if (file.is_broken) return;
    fmt::print("{}\n", paint(Colour::bold, file.file));
    for (const TestOutcome& test : file.tests) {
        fmt::print("  {} {}",
                   test.differences.empty() ? paint(Colour::green, "ok    ")
                                            : paint(Colour::red, "FAILED"),
                   test.name);
        if (test.played > 1) fmt::print(" ({} ways)", test.played);
        fmt::print("\n");
        std::string said = said_of(test);
        for (std::size_t at = 0; at < said.size();) {
            const std::size_t end = said.find('\n', at);
            fmt::print("         {}\n", said.substr(at, end - at));
            at = end + 1;
        }
    }
    if (!wishes.with_coverage) return;
    const auto taken =
        std::ranges::count_if(file.branches, [](const auto& one) { return one.is_taken; });
    fmt::print("  {} of {} branches\n", taken, file.branches.size());
    for (const auto& branch : file.branches)
        if (!branch.is_taken)
            fmt::print("    {}:{}: not tried: {}\n", rehearsal::workflow_file_of(file.file),
                       branch.line, branch.what);
}

json::value as_json(const FileOutcome& file) {
    json::array tests;
    for (const TestOutcome& test : file.tests) {
        json::object one{{"name", test.name},
                         {"line", test.line},
                         {"passed", test.differences.empty()},
                         {"ways", test.played}};
        one["differences"] = json::array(test.differences.begin(), test.differences.end());
        if (!test.how.empty()) {
            one["disturbance"] = test.how;
            one["events"] = json::array(test.events.begin(), test.events.end());
        }
        tests.emplace_back(std::move(one));
    }
    json::array branches;
    for (const auto& branch : file.branches)
        branches.emplace_back(json::object{
            {"line", branch.line}, {"branch", branch.what}, {"taken", branch.is_taken}});
    return json::object{{"file", file.file},
                        {"readable", !file.is_broken},
                        {"tests", std::move(tests)},
                        {"branches", std::move(branches)}};
}

void write_junit(Session& session, const std::string& path, const std::vector<FileOutcome>& all) {
    std::ofstream out(path);
    out << junit_of(all);
    if (out.flush()) return;
    complain(fmt::format("cannot write '{}'", path));
    session.exit_code = exit_wrong_usage;
}

void test(Session& session, const Wishes& wishes) {
    const std::vector<std::string> files = test_files(wishes.files);
    if (files.empty()) {
        complain("there is no *.test.toml");
        session.exit_code = exit_wrong_usage;
        return;
    }
    std::vector<FileOutcome> all;
    std::size_t passed = 0;
    std::size_t failed = 0;
    json::array said;
    for (const std::string& file : files) {
        all.push_back(play_file(file, wishes));
        if (wishes.as_json)
            said.emplace_back(as_json(all.back()));
        else
            print_file(all.back(), wishes);
        for (const TestOutcome& one : all.back().tests)
            ++(one.differences.empty() ? passed : failed);
        if (all.back().is_broken) session.exit_code = exit_wrong_usage;
    }
    if (wishes.as_json)
        print_json(said);
    else
        fmt::print("{} passed, {} failed\n", passed, failed);
    if (!wishes.junit.empty()) write_junit(session, wishes.junit, all);
    if (session.exit_code != exit_done) return;
    if (failed > 0) session.exit_code = exit_failed;
    if (passed + failed > 0) return;
    complain(fmt::format("no test has '{}' in its name", wishes.only));
    session.exit_code = exit_wrong_usage;
}

} // namespace

void add_test_verb(CLI::App& app, Session& session) {
    auto wishes = std::make_shared<Wishes>();
    auto* testing = app.add_subcommand("test", "Play the tests beside workflows, without a server");
    testing->add_option("FILE", wishes->files, "Test files NAME.test.toml, or folders of them")
        ->required();
    testing->add_option("--only", wishes->only, "Only tests with this text in their name");
    testing->add_flag("--crash", wishes->with_crashes,
                      "Each test again with a crash behind every transition, with reports that "
                      "come twice or overtake one another");
    testing->add_flag("--coverage", wishes->with_coverage, "Name the branches no test went");
    testing->add_flag("--json", wishes->as_json, "Print JSON for scripts");
    testing->add_option("--junit", wishes->junit, "Also write a JUnit report to this file");
    testing->footer("Workers answer as `mock` says and time is simulated; docs/testing.md has the "
                    "words of test files.\n"
                    "Exit code 1 if a test failed, 2 if a file cannot be used.\n\n"
                    "Examples:\n  baton test workflows/\n  baton test --crash --coverage "
                    "workflows/provision-user.test.toml\n"
                    "  baton test --junit results.xml workflows/");
    testing->callback([&session, wishes] { test(session, *wishes); });
}

} // namespace baton::cli
