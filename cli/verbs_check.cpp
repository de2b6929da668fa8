// The verbs that need no server: check, eval, graph.
#include "cli/api.hpp"
#include "cli/output.hpp"
#include "cli/parameters_check.hpp"
#include "cli/terminal.hpp"
#include "cli/verbs.hpp"
#include "orchestrator/definition/catalog.hpp"
#include "orchestrator/expression/typed_json.hpp"
#include "orchestrator/graph/draw.hpp"
#include "orchestrator/graph/graph.hpp"
#include "orchestrator/graph/layout.hpp"
#include "orchestrator/rehearsal/test_file.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <string>

namespace baton::cli {

namespace json = boost::json;
namespace definition = orchestrator::definition;

namespace {

json::object as_json_object(const definition::Diagnostic& diagnostic) {
    json::object out;
    out["file"] = diagnostic.file;
    out["line"] = diagnostic.line;
    out["column"] = diagnostic.column;
    out["length"] = diagnostic.length;
    out["severity"] = diagnostic.severity == definition::Severity::error ? "error" : "warning";
    out["message"] = diagnostic.message;
    out["hint"] = diagnostic.hint;
    return out;
}

// A file of tests is right or wrong beside its workflow; what is wrong with that is said when it is checked itself.
void check_tests(Session& session, const std::string& file, const std::string& source, json::array* all) {
    const std::string workflow_file = orchestrator::rehearsal::workflow_file_of(file);
    const auto fail = [&session](const std::string& text) {
        complain(text);
        if (session.exit_code == exit_done) session.exit_code = exit_failed;
    };
    const auto workflow_source = read_file(workflow_file);
    if (!workflow_source) return fail(fmt::format("{}: the tests have no workflow beside them: {}", file, workflow_source.error().detail));
    const auto loaded = definition::load(*workflow_source, workflow_file);
    if (!loaded) return fail(fmt::format("{}: the workflow of the tests has mistakes; see 'baton check {}'", file, workflow_file));
    const auto tests = orchestrator::rehearsal::read_tests(source, file, *loaded.workflow);
    for (const auto& diagnostic : tests.diagnostics)
        if (all) all->emplace_back(as_json_object(diagnostic));
    if (!all) fmt::print("{}", definition::render(tests.diagnostics, source, has_colours(stdout)));
    if (tests.tests.empty()) return fail(fmt::format("{}: no test can be played", file));
    if (!all) fmt::print("{}: {}, {} tests; 'baton test' plays them\n", file, paint(Colour::green, "ok"), tests.tests.size());
}

void check(Session& session, const std::vector<std::string>& files, bool ask_server, bool as_json) {
    json::array all;
    OfferedTasks offered;
    if (ask_server) {
        Api api(session.environment);
        const auto tasks = expect(session, api.get("/api/tasks"));
        if (!tasks) return;
        offered = offered_tasks(*tasks);
    }
    for (const auto& file : files) {
        const auto source = read_file(file);
        if (!source) {
            complain(source.error().detail);
            session.exit_code = exit_wrong_usage;
            continue;
        }
        if (!orchestrator::rehearsal::workflow_file_of(file).empty()) {
            check_tests(session, file, *source, as_json ? &all : nullptr);
            continue;
        }
        auto loaded = definition::load(*source, file);
        for (auto& warning : parameter_warnings(*source, file, offered)) loaded.diagnostics.push_back(std::move(warning));
        if (as_json) {
            for (const auto& diagnostic : loaded.diagnostics) all.emplace_back(as_json_object(diagnostic));
        } else {
            fmt::print("{}", definition::render(loaded.diagnostics, *source, has_colours(stdout)));
            if (loaded)
                fmt::print("{}: {}, workflow '{}' with {} steps\n", file, paint(Colour::green, "ok"),
                           loaded.workflow->name, loaded.workflow->steps.size());
        }
        if (!loaded && session.exit_code == exit_done) session.exit_code = exit_failed;
    }
    if (as_json) print_json(all);
}

void draw(Session& session, const std::string& file, const std::string& format) {
    namespace graph = orchestrator::graph;
    const auto source = read_file(file);
    if (!source) {
        complain(source.error().detail);
        session.exit_code = exit_wrong_usage;
        return;
    }
    const auto loaded = definition::load(*source, file);
    if (!loaded) {
        fmt::print(stderr, "{}", definition::render(loaded.diagnostics, *source, has_colours(stderr)));
        session.exit_code = exit_failed;
        return;
    }
    const graph::Graph drawn = graph::graph_of(*loaded.workflow);
    if (format == "dot")
        fmt::print("{}", graph::to_dot(drawn));
    else if (format == "svg")
        fmt::print("{}", graph::to_svg(drawn, graph::lay_out(drawn)));
    else
        fmt::print("{}", graph::to_mermaid(drawn));
}

// Reads standard input line by line, so that it can sit in a pipe.
void evaluate_lines() {
    std::string line;
    const auto answer = [&line] {
        if (!line.empty() && line.back() == '\r') line.pop_back();
        if (!line.empty()) fmt::print("{}\n", orchestrator::expression::eval_line(line));
        line.clear();
    };
    for (int c = 0; (c = std::getc(stdin)) != EOF;) {
        if (c == '\n')
            answer();
        else
            line += static_cast<char>(c);
    }
    answer();
}

} // namespace

void add_check_verbs(CLI::App& app, Session& session) {
    struct Values {
        std::vector<std::string> files;
        bool ask_server = false;
        bool as_json = false;
        bool json_lines = false;
        std::string expression;
    };
    auto values = std::make_shared<Values>();

    auto* checking = app.add_subcommand("check", "Find the mistakes in workflow files, without a server unless asked to");
    checking->add_option("FILE", values->files, "Workflow files")->required();
    checking->add_flag("--server", values->ask_server, "Ask the server of BATON_URL what parameters its workers' tasks take");
    checking->add_flag("--json", values->as_json, "Print JSON for scripts and editors");
    checking->footer("Exit code 1 if there are mistakes. Parameters of tasks that Baton's own workers serve, and with --server of\n"
                     "all that its workers announce, are looked at, too: unknown ones, missing ones and values of another type\n"
                     "are warnings.\n\nExamples:\n  baton check workflows/*.toml\n  baton check --server workflows/*.toml");
    checking->callback([&session, values] { check(session, values->files, values->ask_server, values->as_json); });

    struct Drawing {
        std::string file;
        std::string format = "mermaid";
    };
    auto drawing = std::make_shared<Drawing>();
    auto* graphing = app.add_subcommand("graph", "Draw a workflow: its steps, and what follows what");
    graphing->add_option("FILE", drawing->file, "Workflow file, or - for standard input")->required();
    graphing->add_option("--format", drawing->format, "mermaid (for Markdown), dot (for Graphviz) or svg")
        ->check(CLI::IsMember({"mermaid", "dot", "svg"}))
        ->capture_default_str();
    graphing->footer("Exit code 1 if the file has mistakes.\n\nExamples:\n  baton graph workflows/provision-user.toml\n"
                     "  baton graph --format svg workflows/incident.toml > incident.svg\n"
                     "  baton graph --format dot workflows/incident.toml | dot -Tpng > incident.png");
    graphing->callback([&session, drawing] { draw(session, drawing->file, drawing->format); });

    auto* evaluating = app.add_subcommand("eval", "Evaluate expressions");
    evaluating->add_option("EXPRESSION", values->expression, "One expression, without bindings");
    evaluating->add_flag("--jsonl", values->json_lines,
                         "Read lines {\"expr\": ..., \"bindings\": {...}}, write lines {\"value\": ...} or {\"error\": ...}");
    evaluating->footer("Values are typed: {\"int\": \"3\"}, {\"string\": \"a\"}, {\"list\": [...]}; docs/expressions.md has all. A line with\n"
                       "\"dynamic\": true is evaluated without a check of its types and functions before.\n\n"
                       "Examples:\n  baton eval \"'ada@example.org'.split('@')[0]\"\n"
                       "  echo '{\"expr\": \"x + 1\", \"bindings\": {\"x\": {\"int\": \"2\"}}}' | baton eval --jsonl");
    evaluating->callback([&session, values] {
        if (values->json_lines) return evaluate_lines();
        if (values->expression.empty()) {
            complain("give an expression, or --jsonl to read many from standard input");
            session.exit_code = exit_wrong_usage;
            return;
        }
        const auto answer = orchestrator::expression::eval_line(json::serialize(json::object{{"expr", values->expression}}));
        fmt::print("{}\n", answer);
        if (answer.starts_with("{\"error\"")) session.exit_code = exit_failed;
    });
}

} // namespace baton::cli
