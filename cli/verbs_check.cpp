// The verbs that need no server: check, schema, graph, eval.
#include "cli/api.hpp"
#include "cli/output.hpp"
#include "cli/parameters_check.hpp"
#include "cli/sarif.hpp"
#include "cli/terminal.hpp"
#include "cli/verbs.hpp"
#include "orchestrator/definition/catalog.hpp"
#include "orchestrator/definition/complaints.hpp"
#include "orchestrator/definition/json_schema.hpp"
#include "orchestrator/definition/toml_document.hpp"
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

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

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

struct CheckWishes {
    std::vector<std::string> files;
    bool ask_server = false;
    bool as_json = false;
    bool as_sarif = false;
    bool is_for_people() const { return !as_json && !as_sarif; }
};

// What a server knows, if one is asked.
struct ServerSays {
    OfferedTasks offered{};
    definition::TaskResults results = known_results();
    std::vector<std::string> tasks{};              // that are announced
    std::map<std::string, bool> is_served{};       // by route, those asked for so far
};

class Check {
public:
    Check(Session& session, const CheckWishes& wishes) : session_(session), wishes_(wishes), api_(session.environment) {}

    void run() {
        if (wishes_.ask_server && !ask_for_tasks()) return;
        for (const std::string& file : wishes_.files) {
            std::error_code error;
            if (std::filesystem::is_directory(file, error))
                look_into(file);
            else
                look_at(file);
        }
        if (wishes_.as_sarif) return print_json(as_sarif(all_, BATON_VERSION));
        if (!wishes_.as_json) return;
        json::array all;
        for (const auto& diagnostic : all_)
            all.emplace_back(as_json_object(diagnostic));
        print_json(all);
    }

private:
    bool ask_for_tasks() {
        const auto tasks = expect(session_, api_.get("/api/tasks"));
        if (!tasks) return false;
        server_.offered = offered_tasks(*tasks);
        server_.results = known_results(*tasks);
        for (const auto& one : tasks->is_array() ? tasks->get_array() : json::array{})
            if (const auto* task = one.is_object() ? one.get_object().if_contains("task") : nullptr; task && task->is_string())
                server_.tasks.emplace_back(task->get_string());
        return true;
    }

    void fail() {
        if (session_.exit_code == exit_done) session_.exit_code = exit_failed;
    }
    void fail(const std::string& text) {
        complain(text);
        fail();
    }

    void show(const std::vector<definition::Diagnostic>& diagnostics, const std::string& source) {
        all_.insert(all_.end(), diagnostics.begin(), diagnostics.end());
        if (wishes_.is_for_people()) fmt::print("{}", definition::render(diagnostics, source, has_colours(stdout)));
    }

    // What a server would be given together: names are there once.
    void look_into(const std::filesystem::path& folder) {
        std::vector<std::string> files;
        std::error_code error;
        for (const auto& entry : std::filesystem::directory_iterator(folder, error))
            if (entry.path().extension() == ".toml" && !entry.path().filename().string().starts_with('.'))
                files.push_back(entry.path().string());
        std::ranges::sort(files);
        if (error) fail(fmt::format("{}: {}", folder.string(), error.message()));
        if (!error && files.empty()) fail(fmt::format("{}: there is no workflow in this folder", folder.string()));
        taken_.emplace();
        for (const std::string& file : files)
            look_at(file);
        taken_.reset();
    }

    // Of two files with one name the second is refused.
    bool complain_of_taken(const std::string& source, const std::string& file, const orchestrator::core::Workflow& workflow,
                           std::vector<definition::Diagnostic>& out) {
        const std::size_t before = out.size();
        const auto document = definition::parse_toml(source, file);
        const auto take = [&](const char* what, const std::string& name, const definition::TomlNode* at) {
            const auto [first, is_new] = taken_->emplace(std::pair{std::string(what), name}, file);
            if (is_new || at == nullptr) return;
            definition::Diagnostic one;
            one.file = file;
            one.line = at->at.line;
            one.column = at->at.column;
            one.length = static_cast<std::uint32_t>(name.size() + 2);
            one.message = fmt::format("the {} '{}' is taken by {}", what, name, first->second);
            out.push_back(std::move(one));
        };
        take("name", workflow.name, document.root.find("workflow"));
        const auto* on = document.root.find("on");
        for (const auto& trigger : on != nullptr ? on->items : std::vector<definition::TomlNode>{})
            if (const auto* rpc = trigger.find("rpc"); rpc != nullptr && rpc->is_text()) take("rpc", rpc->text, rpc);
        return out.size() > before;
    }

    void look_at(const std::string& file) {
        const bool is_test = !orchestrator::rehearsal::workflow_file_of(file).empty();
        const auto source = is_test ? read_file(file) : read_workflow(file);
        if (!source) {
            complain(source.error().detail);
            session_.exit_code = exit_wrong_usage;
            return;
        }
        if (is_test) return look_at_tests(file, *source);
        definition::LoadOptions options;
        options.results = &server_.results;
        auto loaded = definition::load(*source, file, options);
        // Who has mistakes to mend wants to hear of nothing else.
        if (loaded)
            for (auto& warning : parameter_warnings(*source, file, server_.offered))
                loaded.diagnostics.push_back(std::move(warning));
        if (loaded && wishes_.ask_server) warn_of_unserved(*source, file, loaded.diagnostics);
        const bool is_taken = taken_ && loaded && complain_of_taken(*source, file, *loaded.workflow, loaded.diagnostics);
        show(loaded.diagnostics, *source);
        if (!loaded || is_taken) return fail();
        if (wishes_.is_for_people())
            fmt::print("{}: {}, workflow '{}' with {} steps\n", file, paint(Colour::green, "ok"), loaded.workflow->name,
                       loaded.workflow->steps.size());
    }

    // A file of tests is right or wrong beside its workflow; what is wrong with that is said when it is checked itself.
    void look_at_tests(const std::string& file, const std::string& source) {
        const std::string workflow_file = orchestrator::rehearsal::workflow_file_of(file);
        const auto workflow_source = read_workflow(workflow_file);
        if (!workflow_source) return fail(fmt::format("{}: the tests have no workflow beside them: {}", file, workflow_source.error().detail));
        const auto loaded = definition::load(*workflow_source, workflow_file);
        if (!loaded) return fail(fmt::format("{}: the workflow of the tests has mistakes; see 'baton check {}'", file, workflow_file));
        const auto tests = orchestrator::rehearsal::read_tests(source, file, *loaded.workflow);
        show(tests.diagnostics, source);
        if (tests.tests.empty()) return fail(fmt::format("{}: no test can be played", file));
        if (wishes_.is_for_people())
            fmt::print("{}: {}, {} tests; 'baton test' plays them\n", file, paint(Colour::green, "ok"), tests.tests.size());
    }

    // A worker need not announce what it serves; who listens to the queue counts.
    bool is_served(const std::string& route) {
        const auto known = server_.is_served.find(route);
        if (known != server_.is_served.end()) return known->second;
        const auto look = expect(session_, api_.get("/api/tasks/" + route));
        const auto* workers = look && look->is_object() ? look->get_object().if_contains("workers") : nullptr;
        const bool is_there = workers == nullptr || !workers->is_number() || workers->to_number<double>() > 0;
        return server_.is_served[route] = is_there;
    }

    void warn_of_unserved(const std::string& source, const std::string& file, std::vector<definition::Diagnostic>& out) {
        std::set<std::string> said;
        for (CallPlace& call : calls_in(source, file)) {
            if (!said.insert(call.route).second || is_served(call.route)) continue;
            call.at.message = fmt::format("nobody serves '{}' on this server just now", call.route);
            call.at.hint = definition::did_you_mean(call.route, server_.tasks);
            out.push_back(std::move(call.at));
        }
    }

    Session& session_;
    const CheckWishes& wishes_;
    Api api_;
    ServerSays server_;
    // In a folder: who has a name, by what it is of and the name itself.
    std::optional<std::map<std::pair<std::string, std::string>, std::string>> taken_;
    std::vector<definition::Diagnostic> all_;
};

void draw(Session& session, const std::string& file, const std::string& format) {
    namespace graph = orchestrator::graph;
    const auto source = read_workflow(file);
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
        CheckWishes check;
        bool json_lines = false;
        std::string expression;
    };
    auto values = std::make_shared<Values>();

    auto* checking = app.add_subcommand("check", "Find the mistakes in workflow files, without a server unless asked to");
    checking->add_option("FILE", values->check.files, "Workflow files, or folders of them")->required();
    checking->add_flag("--server", values->check.ask_server,
                       "Ask the server of BATON_URL which tasks are served, what they take and what they give");
    auto* as_json = checking->add_flag("--json", values->check.as_json, "Print JSON for scripts and editors");
    checking->add_flag("--sarif", values->check.as_sarif, "Print SARIF 2.1.0, which code hosts show beside the lines of a change")
        ->excludes(as_json);
    checking->footer("Exit code 1 if there are mistakes. What tasks of Baton's own workers take and give, and with --server of all that\n"
                     "its workers announce, is looked at, too: unknown, missing and ill-typed parameters, and fields that no result has\n"
                     "are warnings; so are with --server tasks that nobody serves.\n\n"
                     "Examples:\n  baton check workflows/*.toml\n  baton check --server workflows\n"
                     "  baton check --sarif workflows/*.toml > baton.sarif");
    checking->callback([&session, values] { Check(session, values->check).run(); });

    auto* schema = app.add_subcommand("schema", "Print a JSON Schema of workflow files, for editors");
    schema->footer("An editor that knows TOML and JSON Schema (taplo, Even Better TOML of VS Code) completes keys and underlines wrong\n"
                   "ones: write it to a file, and begin a workflow with the line   #:schema ./workflow.schema.json\n\n"
                   "Example:\n  baton schema > workflow.schema.json");
    schema->callback([] { print_json(definition::json_schema()); });

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
