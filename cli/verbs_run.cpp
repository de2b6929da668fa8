// The verbs of runs: deploy, undeploy, run, runs, show, why, call.
#include "base/json_text.hpp"
#include "base/percent.hpp"
#include "base/random.hpp"
#include "cli/api.hpp"
#include "cli/follow.hpp"
#include "cli/input.hpp"
#include "cli/output.hpp"
#include "cli/parameters_check.hpp"
#include "cli/terminal.hpp"
#include "cli/verbs.hpp"
#include "cli/why.hpp"
#include "orchestrator/definition/complaints.hpp"
#include "orchestrator/definition/diagnostic.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

namespace baton::cli {

namespace json = boost::json;
namespace definition = orchestrator::definition;

namespace {

int exit_code_of(std::string_view status) { return status == "completed" ? exit_done : exit_failed; }

// ---- deploy -------------------------------------------------------------------------------------

void deploy(Session& session, const std::vector<std::string>& files, bool as_json) {
    Api api(session.environment);
    json::array all;
    OfferedTasks offered;
    if (const auto tasks = api.get("/api/tasks"); tasks && tasks->is_good()) offered = offered_tasks(tasks->body);
    for (const auto& file : files) {
        if (file.ends_with(".test.toml")) { // beside workflows, and named by the same *.toml
            fmt::print(stderr, "{}: left out, it is a test\n", file);
            continue;
        }
        const auto source = read_workflow(file);
        if (!source) {
            complain(source.error().detail);
            session.exit_code = exit_wrong_usage;
            return;
        }
        json::object request;
        request["source"] = *source;
        request["file"] = file;
        const auto answer = api.post("/api/workflows", request);
        if (answer && answer->status == 422) {
            // The reason is the checker's report, already laid out.
            fmt::print(stderr, "{}\n", answer->reason());
            session.exit_code = exit_failed;
            continue;
        }
        const auto deployed = expect(session, answer);
        if (!deployed) return;
        all.push_back(*deployed);
        // Nothing that keeps it from being deployed; to standard error, so that scripts need not skip it.
        fmt::print(stderr, "{}", definition::render(parameter_warnings(*source, file, offered), *source, has_colours(stderr)));
        if (!as_json)
            fmt::print("{} version {}{}\n", member(*deployed, "workflow"), member(*deployed, "version"),
                       member(*deployed, "new") == "true" ? "" : " (unchanged)");
        if (!as_json && member(*deployed, "queues") == "false")
            fmt::print("  the broker is away or refuses the queues of its tasks; they will be there when it is back\n");
    }
    if (as_json) print_json(all);
}

void undeploy(Session& session, const std::vector<std::string>& workflows, bool as_json) {
    Api api(session.environment);
    json::array all;
    for (const auto& workflow : workflows) {
        const auto undeployed = expect(session, api.remove("/api/workflows/" + percent_encoded(workflow)));
        if (!undeployed) return;
        all.push_back(*undeployed);
        if (!as_json)
            fmt::print("{} version {} is not live any more, also after a restart of the server; runs that go on, go on. "
                       "baton deploy makes it live again, and so does a change of its file in the server's workflow folder\n",
                       member(*undeployed, "workflow"), member(*undeployed, "version"));
    }
    if (as_json) print_json(all);
}

// ---- run ----------------------------------------------------------------------------------------

struct RunOptions {
    std::string workflow;
    std::string input;
    std::vector<std::string> sets;
    std::vector<std::string> labels; // NAME=VALUE
    std::string key;
    std::string each;
    bool detach = false;
    bool dry_run = false;
    bool as_json = false;
};

json::object start_request(const RunOptions& options, json::object input) {
    json::object request;
    request["workflow"] = options.workflow;
    request["input"] = std::move(input);
    if (!options.key.empty()) request["key"] = options.key;
    json::object labels;
    for (const auto& label : options.labels) {
        const auto sign = label.find('=');
        labels[label.substr(0, sign)] = label.substr(sign + 1);
    }
    if (!labels.empty()) request["labels"] = std::move(labels);
    return request;
}

void print_end(const json::value& run) {
    const auto status = member(run, "status");
    const auto took = micros_from(member(run, "closed_at")) - micros_from(member(run, "started_at"));
    fmt::print("{} {}", paint(Colour::bold, member(run, "workflow")), paint(colour_of_status(status), status));
    if (!member(run, "closed_at").empty()) fmt::print(" in {}", duration_text(took));
    fmt::print("\n");
    if (const auto error = member(run, "error"); !error.empty()) fmt::print("{}\n", paint(Colour::red, error));
    if (const auto* output = run.as_object().if_contains("output"); output != nullptr && !output->is_null())
        print_json(*output);
}

void run_one(Session& session, const RunOptions& options) {
    auto input = run_input(options.input, options.sets);
    if (!input) {
        complain(input.error().detail);
        session.exit_code = exit_wrong_usage;
        return;
    }
    Api api(session.environment);
    // Whatever happens on the way, asking again with this key starts nothing twice.
    auto request = start_request(options, std::move(*input));
    request["fallback_key"] = "cli-" + random_name(22);
    auto answer = api.post("/api/runs", request);
    if (answer && answer->status == 503) answer = persistently(api, [&] { return api.post("/api/runs", request); });
    const auto started = expect(session, answer);
    if (!started) {
        if (answer && answer->status == 422)
            for (const auto& hint : hints_about_sets(options.sets, answer->reason())) fmt::print(stderr, "  {}\n", hint);
        return;
    }
    const auto id = member(*started, "run");
    if (options.detach) {
        if (options.as_json)
            print_json(*started);
        else
            fmt::print("{}\n", id);
        return;
    }
    if (member(*started, "skipped") == "true") {
        if (options.as_json)
            print_json(*started);
        else
            fmt::print("skipped: run {} goes on, and concurrency allows no more of its key\n", id);
        return;
    }
    if (!options.as_json)
        fmt::print("{} run {}{}{}\n", paint(Colour::bold, options.workflow), id,
                   member(*started, "new") == "true" ? "" : " (started before under the same key)",
                   member(*started, "queued") == "true" ? " waits: baton why says for what" : "");
    std::fflush(stdout);
    watch_interrupts();
    api.is_interrupted = was_interrupted;
    Narrator narrator;
    const auto followed = follow(api, id, options.as_json ? nullptr : &narrator);
    if (!followed) {
        complain(followed.error().detail);
        session.exit_code = exit_code_for(followed.error());
        return;
    }
    if (!followed->closed) {
        fmt::print("\ndetached; the run goes on. baton show {}\n", id);
        return;
    }
    if (options.as_json)
        print_json(followed->run);
    else
        print_end(followed->run);
    session.exit_code = exit_code_of(member(followed->run, "status"));
}

// Starts one run for each input of a file and waits for all of them. The whole file is checked before
// the first start. Every start carries a fallback key made of the file's name and the input, so that
// the same command a second time goes on where the first one stopped; a workflow's own idempotency
// goes first.
class Many {
public:
    Many(Session& session, const RunOptions& options) : session_(session), options_(options), api_(session.environment) {
        watch_interrupts();
        api_.is_interrupted = was_interrupted;
    }

    void run() {
        auto inputs = read_inputs(options_.each);
        if (!inputs) {
            complain(inputs.error().detail);
            session_.exit_code = exit_wrong_usage;
            return;
        }
        for (auto& one : *inputs) {
            for (const auto& set : options_.sets) {
                if (const auto done = apply_set(one.input, set); done) continue;
                else complain(done.error().detail);
                session_.exit_code = exit_wrong_usage;
                return;
            }
        }
        if (options_.dry_run) return say_what_would_start(*inputs);
        const auto begun = std::chrono::steady_clock::now();
        const bool all_asked = start_all(*inputs);
        const bool all_seen = all_asked && (options_.detach || wait_for_all());
        const auto took = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begun);
        const int unreached = session_.exit_code;
        summarise(took.count());
        if (!all_seen) session_.exit_code = unreached == exit_done ? exit_failed : unreached;
    }

private:
    void say_what_would_start(const std::vector<LineInput>& inputs) const {
        if (options_.as_json) {
            json::array all;
            for (const auto& one : inputs) all.emplace_back(json::object{{"line", one.line}, {"input", one.input}});
            return print_json(all);
        }
        for (const auto& one : inputs)
            fmt::print("{}:{}: {}\n", options_.each, one.line, write_json(one.input));
        fmt::print("{} runs of {} would be asked for; nothing was started. The file can be read; whether the server has such a "
                   "workflow, takes these inputs, or has these runs already was not checked\n",
                   inputs.size(), options_.workflow);
    }

    // The name of the batch: the file's, wherever it lies, or what --key says.
    std::string batch() const {
        if (!options_.key.empty()) return options_.key;
        return options_.each.substr(options_.each.rfind('/') + 1);
    }

    // False if some lines were not asked for: the server is away, or Ctrl-C.
    bool start_all(const std::vector<LineInput>& inputs) {
        std::map<std::string, std::size_t> seen;
        ProgressBar bar("starting ", inputs.size());
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            const auto& one = inputs[i];
            auto request = start_request(options_, one.input);
            request.erase("key");
            request["fallback_key"] = line_key(batch(), one.input, seen[write_json(one.input)]++);
            const auto answer = persistently(api_, [&] { return api_.post("/api/runs", request); });
            if (was_interrupted()) return stopped_at(one.line);
            if (answer && (answer->status == 400 || answer->status == 422 || answer->status == 409)) {
                refused_.emplace_back(one.line, answer->reason());
            } else {
                const auto started = expect(session_, answer);
                if (!started) return stopped_at(one.line);
                if (member(*started, "new") != "true") ++existing_;
                ids_.push_back(member(*started, "run"));
            }
            bar.show(i + 1, "");
        }
        return true;
    }

    bool stopped_at(std::size_t line) const {
        complain(fmt::format("stopped at {}:{}; the same command goes on from there", options_.each, line));
        return false;
    }

    bool wait_for_all() {
        ProgressBar bar("finishing", ids_.size());
        std::size_t closed = 0;
        for (const auto& id : ids_) {
            const auto followed = follow(api_, id, nullptr);
            if (!followed) {
                complain(followed.error().detail);
                session_.exit_code = exit_code_for(followed.error());
                return false;
            }
            if (!followed->closed) break;
            const auto status = member(followed->run, "status");
            ++counts_[status];
            if (status != "completed" && failures_.size() < 10)
                failures_.push_back(fmt::format("{} {}: {}", id, status, member(followed->run, "error")));
            bar.show(++closed, "");
        }
        return true;
    }

    void summarise(std::int64_t took) {
        if (options_.as_json) {
            json::object out;
            out["started"] = ids_.size() - existing_;
            out["existing"] = existing_;
            out["refused"] = refused_.size();
            json::array lines;
            for (const auto& [line, reason] : refused_) lines.emplace_back(json::object{{"line", line}, {"reason", reason}});
            out["refused_lines"] = std::move(lines);
            json::object counts;
            for (const auto& [status, count] : counts_) counts[status] = count;
            out["statuses"] = std::move(counts);
            out["seconds"] = static_cast<double>(took) / 1e6;
            print_json(out);
        } else {
            fmt::print("{} runs in {}", ids_.size(), duration_text(took));
            if (existing_ > 0) fmt::print(", {} of them existed already (--key NAME starts them anew)", existing_);
            for (const auto& [status, count] : counts_) fmt::print("; {} {}", count, paint(colour_of_status(status), status));
            if (!refused_.empty()) fmt::print("; {} refused", refused_.size());
            fmt::print("\n");
            for (const auto& line : failures_) fmt::print("  {}\n", line);
            for (const auto& [line, reason] : refused_) fmt::print("  {}:{}: {}\n", options_.each, line, reason);
        }
        const bool all_good = refused_.empty() && (options_.detach || counts_["completed"] == ids_.size());
        session_.exit_code = all_good ? exit_done : exit_failed;
    }

    Session& session_;
    const RunOptions& options_;
    Api api_;
    std::vector<std::string> ids_;
    std::size_t existing_ = 0;
    std::map<std::string, std::size_t> counts_;
    std::vector<std::string> failures_;
    std::vector<std::pair<std::size_t, std::string>> refused_; // line, reason
};

// ---- runs, show ---------------------------------------------------------------------------------

struct ListOptions {
    std::vector<std::string> query;
    std::string workflow;
    std::string status;
    std::string after;
    unsigned limit = 50;
    bool all = false;
    bool only_totals = false;
    bool as_json = false;
};

// The server reads the query, so that it means the same wherever it is asked.
std::string query_text(const ListOptions& options) {
    std::string text;
    const auto add = [&](const std::string& condition) { text += (text.empty() ? "" : " ") + condition; };
    const auto quoted = [](const std::string& value) {
        std::string out = "\"";
        for (const char c : value) out += c == '"' || c == '\\' ? std::string{'\\', c} : std::string{c};
        return out + "\"";
    };
    for (const auto& condition : options.query) add(condition);
    if (!options.workflow.empty()) add("workflow:" + quoted(options.workflow));
    if (!options.status.empty()) add("status:" + quoted(options.status));
    return text;
}

// "41 running, 3 failed", with a word before it where they were not all counted.
std::string totals_text(const json::value& answer) {
    const auto* totals = answer.as_object().if_contains("totals");
    std::string text;
    if (totals == nullptr || !totals->is_object()) return text;
    for (const auto& [status, count] : totals->get_object())
        text += fmt::format("{}{} {}", text.empty() ? "" : ", ", write_json(count), std::string_view(status));
    return member(answer, "totals_are_exact") == "true" || text.empty() ? text : "at least " + text;
}

// A list that is empty because of what was asked for is not the same as no runs.
void say_why_no_runs(Session& session, Api& api, const ListOptions& options, const std::string& query) {
    if (query.empty()) return fmt::print("no runs yet; start one with: baton run WORKFLOW\n");
    const auto all = expect(session, api.get("/api/runs?q=&totals=true&limit=1"));
    if (!all) return;
    const auto total = totals_text(*all);
    if (total.empty()) return fmt::print("no runs yet; start one with: baton run WORKFLOW\n");
    fmt::print("no run fits {}; there are {}\n", query, total);
    const auto definitions = api.get("/api/workflows");
    if (!options.workflow.empty() && definitions && definitions->is_good() && definitions->body.is_array()) {
        std::vector<std::string> known;
        for (const auto& one : definitions->body.get_array()) known.push_back(member(one, "name"));
        if (std::ranges::find(known, options.workflow) == known.end()) {
            const auto hint = orchestrator::definition::did_you_mean(options.workflow, known);
            fmt::print("there is no workflow '{}'{}\n", options.workflow, hint.empty() ? "" : "; " + hint);
        }
    }
    if (query.find("input.") != std::string::npos)
        fmt::print("runs are found by an input if their workflow declared it with index = true when they started\n");
}

// Every page up to the limit. Nothing, after having said why, if one could not be had.
std::optional<json::object> found_runs(Session& session, Api& api, const ListOptions& options, const std::string& query) {
    constexpr std::size_t page_max = 1000;
    json::object found;
    json::array runs;
    std::string after = options.after;
    while (true) {
        const std::size_t missing = options.all ? page_max : options.limit - runs.size();
        std::string path = fmt::format("/api/runs?q={}&limit={}", percent_encoded(query), std::min(page_max, std::max<std::size_t>(1, missing)));
        if (!after.empty()) path += "&after=" + percent_encoded(after);
        // Counted once, beside the first page.
        if (found.empty() && (!options.as_json || options.only_totals)) path += "&totals=true";
        const auto page = expect(session, api.get(path));
        if (!page) return std::nullopt;
        if (found.empty()) found = page->as_object();
        for (const auto& run : page->as_object().at("runs").as_array()) runs.push_back(run);
        after = member(*page, "next");
        const bool is_enough = !options.all && runs.size() >= options.limit;
        if (after.empty() || is_enough || options.only_totals || was_interrupted()) break;
    }
    found["runs"] = std::move(runs);
    found["next"] = after.empty() ? json::value(nullptr) : json::value(after);
    return found;
}

void list_runs(Session& session, const ListOptions& options) {
    Api api(session.environment);
    const auto query = query_text(options);
    auto found = found_runs(session, api, options, query);
    if (!found) return;
    const auto& runs = found->at("runs").as_array();
    if (options.only_totals) {
        if (!options.as_json) return fmt::print("{}\n", totals_text(*found).empty() ? "no runs" : totals_text(*found));
        return print_json(json::object{{"totals", found->at("totals")}, {"totals_are_exact", found->at("totals_are_exact")}});
    }
    if (options.as_json) return print_json(runs);
    std::vector<std::vector<std::string>> rows{{"RUN", "WORKFLOW", "VERSION", "STATUS", "STARTED", "TOOK", "ERROR"}};
    for (const auto& run : runs) {
        const auto closed = member(run, "closed_at");
        rows.push_back({member(run, "id"), member(run, "workflow"), member(run, "version"), member(run, "status"),
                        local_time(member(run, "started_at")),
                        closed.empty() ? "" : duration_text(micros_from(closed) - micros_from(member(run, "started_at"))),
                        member(run, "error")});
    }
    if (rows.size() == 1 && options.after.empty()) return say_why_no_runs(session, api, options, query);
    print_table(rows);
    const auto next = member(*found, "next");
    fmt::print("\n{}{}\n", totals_text(*found), next.empty() ? "" : "; older ones: --after " + next + ", or --all");
}

void print_step(const json::value& step) {
    const bool undo = member(step, "undo") == "true";
    const auto status = member(step, "status");
    const Colour colour = status == "done" ? Colour::green : status == "dead" || status == "failed" ? Colour::red : Colour::yellow;
    fmt::print("\n{} {} {}\n", paint(Colour::bold, (undo ? "undo " : "") + member(step, "step")), member(step, "task"),
               paint(colour, status));
    if (const auto until = member(step, "until"); !until.empty() && (status == "sleeping" || status == "deferred"))
        fmt::print("  waits until {}\n", local_time(until));
    if (const auto run = member(step, "cached_from"); !run.empty()) fmt::print("  known from run {}\n", run);
    if (const auto input = member(step, "input"); !input.empty()) fmt::print("  with    {}\n", input);
    for (const auto& attempt : step.as_object().at("attempts").as_array()) {
        const auto from = member(attempt, "dispatched_at");
        const auto to = member(attempt, "closed_at");
        fmt::print("  attempt {}  {}  {}", member(attempt, "attempt"), local_time(from),
                   to.empty() ? "open" : fmt::format("{} after {}", member(attempt, "outcome"), duration_text(micros_from(to) - micros_from(from))));
        if (const auto look = member(attempt, "verify"); !look.empty())
            fmt::print("  a look whether it took effect{}", look == "done" ? ": it did" : look == "not_done" ? ": it did not" : "");
        if (const auto* error = attempt.as_object().if_contains("error"))
            fmt::print("  {}: {}", member(*error, "type"), member(*error, "detail"));
        if (const auto retry = member(attempt, "retry_at"); !retry.empty()) fmt::print("; next at {}", local_time(retry));
        fmt::print("\n");
    }
    if (const auto output = member(step, "output"); !output.empty()) fmt::print("  result  {}\n", output);
}

// Who asked for what, one line each, the start first.
void print_requests(const json::value& details) {
    for (const auto& request : details.as_object().at("requests").as_array())
        fmt::print("asked   {}  {}\n", local_time(member(request, "at")), request_text(request.as_object()));
}

void show_run(Session& session, const std::string& run, bool as_json) {
    Api api(session.environment);
    const auto details = expect(session, api.get("/api/runs/" + percent_encoded(run)));
    if (!details) return;
    if (as_json) return print_json(*details);
    const auto status = member(*details, "status");
    fmt::print("{} version {}  run {}  {}\n", paint(Colour::bold, member(*details, "workflow")), member(*details, "version"),
               member(*details, "id"), paint(colour_of_status(status), status));
    fmt::print("started {}", local_time(member(*details, "started_at")));
    if (const auto closed = member(*details, "closed_at"); !closed.empty())
        fmt::print("  closed {}  took {}", local_time(closed),
                   duration_text(micros_from(closed) - micros_from(member(*details, "started_at"))));
    fmt::print("\n");
    if (const auto incident = member(*details, "incident"); !incident.empty())
        fmt::print("{}\n", paint(Colour::red, "stands still: " + incident));
    print_requests(*details);
    if (const auto key = member(*details, "key"); !key.empty()) fmt::print("key     {}\n", key);
    if (const auto labels = member(*details, "labels"); labels != "{}" && !labels.empty()) fmt::print("labels  {}\n", labels);
    fmt::print("input   {}\n", member(*details, "input"));
    for (const auto& step : details->as_object().at("steps").as_array()) print_step(step);
    if (const auto error = member(*details, "error"); !error.empty()) fmt::print("\n{}\n", paint(Colour::red, error));
    if (const auto output = member(*details, "output"); !output.empty()) fmt::print("\noutput  {}\n", output);
    const auto& letters = details->as_object().at("dead_letters").as_array();
    const auto open = std::count_if(letters.begin(), letters.end(), [](const auto& letter) { return member(letter, "state") == "open"; });
    if (open > 0) fmt::print("\n{} open dead letter(s): baton dead list --run {}\n", open, member(*details, "id"));
}

// ---- why ----------------------------------------------------------------------------------------

void explain_run(Session& session, const std::string& run, bool as_json) {
    Api api(session.environment);
    const auto told = expect(session, api.get("/baton/v1/runs/" + percent_encoded(run) + "/why"));
    if (!told) return;
    if (as_json) return print_json(*told);
    for (const auto& reason : told->as_object().at("reasons").as_array()) fmt::print("{}\n", line_of(reason));
}

// ---- call ----------------------------------------------------------------------------------------

// "5s", "500ms", "2m"; nothing if it is no duration.
void call_task(Session& session, const std::string& task, const std::string& with, const std::string& limit_text, bool as_json) {
    const auto limit = parse_limit(limit_text);
    const auto input = run_input(with, {}, "--with");
    if (!limit || !input) {
        complain(!limit ? "--timeout must be a duration up to 1h such as 5s or 500ms" : input.error().detail);
        session.exit_code = exit_wrong_usage;
        return;
    }
    Api api(session.environment);
    json::object request;
    request["task"] = task;
    request["with"] = *input;
    request["timeout_ms"] = limit->count();
    say_if_unserved(api, task);
    const auto wait = std::chrono::duration_cast<std::chrono::seconds>(*limit) + std::chrono::seconds(10);
    const auto answer = api.post("/api/call", request, wait);
    const auto called = expect(session, answer);
    if (!called) {
        if (session.exit_code != exit_unreachable) session.exit_code = exit_failed;
        return;
    }
    const bool completed = member(*called, "completed") == "true";
    session.exit_code = completed ? exit_done : exit_failed;
    if (as_json) return print_json(*called);
    const auto& body = called->as_object().at(completed ? "result" : "problem");
    if (completed) return print_json(body);
    complain(fmt::format("{} failed: {}: {}", task, member(body, "type"), member(body, "detail")));
}

} // namespace

void add_run_verbs(CLI::App& app, Session& session) {
    struct Values {
        RunOptions run;
        std::vector<std::string> files;
        std::string id, task, with = "{}", limit_text = "5s";
        bool as_json = false;
        ListOptions list;
    };
    auto values = std::make_shared<Values>();
    const auto json_flag = [values](CLI::App* verb) { verb->add_flag("--json", values->as_json, "Print JSON for scripts"); };

    auto* deploying = app.add_subcommand("deploy", "Check workflow files and make them live on the server");
    deploying->add_option("FILE", values->files, "Workflow files")->required();
    json_flag(deploying);
    deploying->footer("Example:\n  baton deploy workflows/*.toml");
    deploying->callback([&session, values] { deploy(session, values->files, values->as_json); });

    auto* undeploying = app.add_subcommand("undeploy", "Take workflows out of use: nothing starts by their names any more");
    undeploying->add_option("WORKFLOW", values->files, "Names of workflows")->required();
    json_flag(undeploying);
    undeploying->footer("Runs that go on, go on. It lasts, also over restarts of a server that has the file in its workflow\n"
                        "folder, until the file changes there or baton deploy makes it live again.\n\nExample:\n  baton undeploy provision-user");
    undeploying->callback([&session, values] { undeploy(session, values->files, values->as_json); });

    auto* running = app.add_subcommand("run", "Start a run and follow it to its end");
    running->add_option("WORKFLOW", values->run.workflow, "Name of a deployed workflow")->required();
    running->add_option("--input", values->run.input, "Input as JSON, or @FILE");
    running->add_option("--set", values->run.sets, "One member of the input: name=text or name:=json")->allow_extra_args(false);
    running->add_option("--label", values->run.labels, "What the run can be found by: NAME=VALUE, again for each label")
        ->allow_extra_args(false)
        ->check([](const std::string& label) {
            return label.find('=') == std::string::npos ? "write --label NAME=VALUE, not '" + label + "'" : std::string{};
        });
    running->add_option("--key", values->run.key, "Idempotency key: a second start with it gives the first run; with --each, the name of the batch");
    running->add_flag("--detach", values->run.detach, "Print the run's id and do not follow it");
    running->add_option("--each", values->run.each, "One run for each line of FILE.csv or FILE.jsonl");
    running->add_flag("--dry-run", values->run.dry_run, "With --each: read the file and show the inputs; asks the server nothing");
    json_flag(running);
    running->footer("Ctrl-C detaches; the run goes on. Exit code 0 only if it completed; 3 if the server stayed away for two minutes\n"
                    "while it was followed (the run goes on when the server does: baton show). With --each the whole file is checked before\n"
                    "the first start (exit code 2: nothing was started); the same command again starts only what is missing.\n\nExamples:\n"
                    "  baton run provision-user --set email=ada@example.org --set first_name=Ada --set last_name=Lovelace\n"
                    "  baton run provision-user --input @ada.json --detach\n"
                    "  baton run provision-user --each people.csv");
    running->callback([&session, values] {
        values->run.as_json = values->as_json;
        if (values->run.each.empty() && values->run.dry_run) {
            complain("--dry-run belongs to --each");
            session.exit_code = exit_wrong_usage;
            return;
        }
        if (values->run.each.empty()) return run_one(session, values->run);
        if (!values->run.input.empty()) {
            complain("--each takes its inputs from the file; leave --input out");
            session.exit_code = exit_wrong_usage;
            return;
        }
        Many(session, values->run).run();
    });

    auto* listing = app.add_subcommand("runs", "Find runs, newest first, and count them by status");
    listing->add_option("QUERY", values->list.query, "Conditions, FIELD:VALUE each; all of them hold");
    listing->add_option("--workflow", values->list.workflow, "Only this workflow: workflow:NAME");
    listing->add_option("--status", values->list.status, "Only this status: status:STATUS");
    listing->add_option("--limit", values->list.limit, "At most so many")->check(CLI::Range(1U, 100'000U))->capture_default_str();
    listing->add_flag("--all", values->list.all, "Every one that fits, page by page");
    listing->add_option("--after", values->list.after, "Go on where a list before said that it ended");
    listing->add_flag("--totals", values->list.only_totals, "How many there are by status, and nothing else");
    json_flag(listing);
    listing->footer("Fields: workflow status since until ended_since ended_until label.NAME input.NAME error key run root\n"
                    "  workflow, label, input, error and key may end with *, error:mail.* is mail and all below it\n"
                    "  since and until are 2d or 1h30m ago, 2026-01-31, or 2026-01-31T12:00:00Z, of the start; ended_… of the end\n"
                    "  the same field again: one of its values; a value with blanks: 'input.name=\"Ada Lovelace\"'\n"
                    "Statuses: queued running paused compensating (open), completed failed cancelled timed_out compensated (closed)\n\n"
                    "Examples:\n  baton runs status:failed since:2d\n"
                    "  baton runs workflow:provision-* label.team=ops input.email=ada@example.org\n"
                    "  baton runs status:failed 'error:mail.*' --totals");
    listing->callback([&session, values] {
        values->list.as_json = values->as_json;
        list_runs(session, values->list);
    });

    auto* showing = app.add_subcommand("show", "Show every step, attempt, time and error of a run");
    showing->add_option("RUN", values->id, "Id of a run, or its first characters")->required();
    json_flag(showing);
    showing->footer("Example:\n  baton show 0193a5c2-7d41");
    showing->callback([&session, values] { show_run(session, values->id, values->as_json); });

    auto* explaining = app.add_subcommand("why", "Say what a run waits for, or why it ended as it did");
    explaining->add_option("RUN", values->id, "Id of a run, or its first characters")->required();
    json_flag(explaining);
    explaining->footer("Example:\n  baton why 0193a5c2-7d41");
    explaining->callback([&session, values] { explain_run(session, values->id, values->as_json); });

    auto* calling = app.add_subcommand("call", "Call one task of a worker, without a workflow");
    calling->add_option("TASK", values->task, "Task type, for example mail.send")->required();
    calling->add_option("--with", values->with, "Parameters as JSON, or @FILE");
    calling->add_option("--timeout", values->limit_text, "How long to wait for the answer")->capture_default_str();
    json_flag(calling);
    calling->footer("Example:\n  baton call mail.create --with '{\"address\":\"ada@example.org\",\"name\":\"Ada\"}' --timeout 5s");
    calling->callback([&session, values] { call_task(session, values->task, values->with, values->limit_text, values->as_json); });
}

} // namespace baton::cli
