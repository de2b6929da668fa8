// The verbs of operators: cancel, terminate, pause, resume, retry, skip, set-output, edit-input, rerun,
// skip-undo, finish. Most can be done to all runs that a query finds, too: by a job of the server, which goes on
// whatever becomes of this command.
#include "base/percent.hpp"
#include "base/random.hpp"
#include "cli/api.hpp"
#include "cli/follow.hpp"
#include "cli/input.hpp"
#include "cli/output.hpp"
#include "cli/terminal.hpp"
#include "cli/verbs.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace baton::cli {

namespace json = boost::json;

namespace {

void change_run(Session& session, const std::string& run, const char* what, json::object body, bool as_json) {
    Api api(session.environment);
    const auto changed = expect(session, api.post(fmt::format("/api/runs/{}/{}", percent_encoded(run), what), body));
    if (!changed) return;
    if (as_json) return print_json(*changed);
    fmt::print("{} {}\n", member(*changed, "run"), member(*changed, "status"));
}

struct OperateValues {
    std::string id, step, reason, status, value, where, signal_id, workflow, task;
    double rate = 10; // runs a second
    std::uint32_t stop_after = 0;
    bool as_json = false, now = false, dry_run = false, lists = false, detach = false, cancels = false;
};

// ---- many runs ----

constexpr std::size_t shown_max = 20;

void wrong_operate_usage(Session& session, const std::string& why) {
    complain(why);
    session.exit_code = exit_wrong_usage;
}

// All that fit now; runs that start later are not touched. Nothing: the server said why not.
std::optional<json::array> runs_where(Session& session, Api& api, const std::string& query) {
    json::array runs;
    std::string after;
    do {
        std::string path = "/api/runs?limit=1000&q=" + percent_encoded(query);
        if (!after.empty()) path += "&after=" + percent_encoded(after);
        const auto page = expect(session, api.get(path));
        if (!page) return std::nullopt;
        for (const auto& run : page->as_object().at("runs").as_array()) runs.push_back(run);
        after = member(*page, "next");
    } while (!after.empty() && !was_interrupted());
    return runs;
}

void preview(const OperateValues& values, const char* what, const json::array& runs) {
    if (values.as_json) return print_json(json::object{{"would_change", runs.size()}, {"runs", runs}});
    std::vector<std::vector<std::string>> rows{{"RUN", "WORKFLOW", "STATUS", "STARTED", "ERROR"}};
    for (std::size_t i = 0; i < runs.size() && i < shown_max; ++i)
        rows.push_back({member(runs[i], "id"), member(runs[i], "workflow"), member(runs[i], "status"),
                        local_time(member(runs[i], "started_at")), member(runs[i], "error")});
    if (rows.size() > 1) print_table(rows);
    if (runs.size() > shown_max) fmt::print("and {} more\n", runs.size() - shown_max);
    fmt::print("{} run(s) fit; {} was done to none of them\n", runs.size(), what);
}

// "10/s", "6/m": what the server takes.
std::string rate_text(double rate) {
    constexpr double seconds_of_hour = 3600, seconds_of_minute = 60;
    if (rate >= 1) return fmt::format("{}/s", std::lround(rate));
    if (rate * seconds_of_minute >= 1) return fmt::format("{}/m", std::lround(rate * seconds_of_minute));
    return fmt::format("{}/h", std::max(1L, std::lround(rate * seconds_of_hour)));
}

std::size_t count_in(const json::value& job, std::string_view key) {
    ErrorCode error;
    const auto* value = job.as_object().if_contains(key);
    return value == nullptr ? 0 : value->to_number<std::size_t>(error);
}

// The server's job goes on whatever becomes of this command. Nothing: it stays away, or Ctrl-C.
std::optional<json::value> await_job(Session& session, Api& api, const std::string& id, const char* what) {
    constexpr std::chrono::milliseconds look_pause{200};
    std::optional<ProgressBar> bar;
    while (!was_interrupted()) {
        const auto job = expect(session, persistently(api, [&] { return api.get("/api/jobs/" + id); }));
        if (!job) return std::nullopt;
        if (!bar) bar.emplace(what, count_in(*job, "total"));
        bar->show(count_in(*job, "done") + count_in(*job, "refused"), "");
        if (member(*job, "state") != "running") return job;
        std::this_thread::sleep_for(look_pause);
    }
    return std::nullopt;
}

void tell_job(Session& session, const json::value& job, bool as_json) {
    const std::string state = member(job, "state");
    if (count_in(job, "refused") > 0 || state != "done") session.exit_code = exit_failed;
    if (as_json) return print_json(job);
    if (const auto note = member(job, "note"); !note.empty()) complain(note);
    fmt::print("{} of {} run(s) done, {} refused{}\n", member(job, "done"), member(job, "total"), member(job, "refused"),
               state == "done" ? "" : "; the job is " + state);
}

void change_many(Session& session, const OperateValues& values, const char* what, const json::object& body) {
    watch_interrupts();
    Api api(session.environment);
    if (values.dry_run) {
        if (const auto runs = runs_where(session, api, values.where)) preview(values, what, *runs);
        return;
    }
    json::object request = body;
    request["action"] = what;
    request["q"] = values.where;
    request["rate"] = rate_text(values.rate);
    if (values.stop_after > 0) request["stop_after"] = values.stop_after;
    request["key"] = "cli-" + random_name(22); // asked for twice, because an answer was lost, it is there once
    const auto job = expect(session, persistently(api, [&] { return api.post("/api/jobs", request); }));
    if (!job) return;
    const std::string id = member(*job, "id");
    if (values.detach) {
        if (values.as_json) return print_json(*job);
        return fmt::print("job {}: {} run(s); baton jobs shows how far it is, baton jobs --cancel {} ends it\n", id, member(*job, "total"), id);
    }
    const auto ended = await_job(session, api, id, what);
    if (ended) return tell_job(session, *ended, values.as_json);
    complain(fmt::format("the server goes on with job {}; baton jobs shows how far it is, baton jobs --cancel {} ends it", id, id));
    if (session.exit_code == exit_done) session.exit_code = exit_failed;
}

void list_run_jobs(Session& session, const OperateValues& values) {
    Api api(session.environment);
    const std::string path = values.id.empty() ? "/api/jobs" : "/api/jobs/" + percent_encoded(values.id);
    const auto list = expect(session, values.cancels ? api.post(path + "/cancel", json::object{}) : api.get(path));
    if (!list) return;
    if (values.as_json) return print_json(*list);
    if (list->is_object()) return tell_job(session, *list, true);
    std::vector<std::vector<std::string>> rows{{"JOB", "STATE", "WHAT", "RUNS", "DONE", "REFUSED", "BY", "SINCE", "NOTE"}};
    for (const auto& one : list->as_array())
        rows.push_back({member(one, "id"), member(one, "state"), fmt::format("{} {}", member(one, "action"), member(one, "q")),
                        member(one, "total"), member(one, "done"), member(one, "refused"), member(one, "actor"),
                        local_time(member(one, "at")), member(one, "note")});
    if (rows.size() == 1) return fmt::print("no bulk jobs over runs; baton dead jobs has those over dead letters\n");
    print_table(rows);
}

void change_one_or_many(Session& session, const OperateValues& values, const char* what, json::object body) {
    if (values.id.empty() == values.where.empty())
        return wrong_operate_usage(session, "name one RUN, or say which by --where QUERY");
    if (values.where.empty() && values.dry_run) return wrong_operate_usage(session, "--dry-run belongs to --where");
    if (values.where.empty()) return change_run(session, values.id, what, std::move(body), values.as_json);
    change_many(session, values, what, body);
}

// Nothing: it is no JSON, and was said to be none.
std::optional<json::value> json_option(Session& session, const std::string& text, const char* option) {
    auto value = json_input(text, option);
    if (value) return std::move(*value);
    complain(value.error().detail);
    session.exit_code = exit_wrong_usage;
    return std::nullopt;
}

void add_where(CLI::App& verb, const std::shared_ptr<OperateValues>& values) {
    verb.add_option("--where", values->where, "Instead of RUN: all runs this query finds, as in baton runs QUERY");
    verb.add_option("--rate", values->rate, "With --where: so many a second")->check(CLI::Range(0.01, 1000.0))->capture_default_str();
    verb.add_option("--stop-after", values->stop_after, "With --where: end it when so many runs have refused");
    verb.add_flag("--detach", values->detach, "With --where: do not wait for the end");
    verb.add_flag("--dry-run", values->dry_run, "With --where: count and list them, and do nothing");
}

void add_many(CLI::App& verb, const std::shared_ptr<OperateValues>& values) {
    verb.add_option("RUN", values->id, "Id of a run, or its first characters");
    add_where(verb, values);
}

CLI::App* add_verb(CLI::App& app, const std::shared_ptr<OperateValues>& values, const char* name, const char* what,
                   bool many = false) {
    auto* verb = app.add_subcommand(name, what);
    if (many)
        add_many(*verb, values);
    else
        verb->add_option("RUN", values->id, "Id of a run, or its first characters")->required();
    verb->add_flag("--json", values->as_json, "Print JSON for scripts");
    return verb;
}

void add_step(CLI::App& verb, const std::shared_ptr<OperateValues>& values, const char* what) {
    verb.add_option("STEP", values->step, what)->required();
    verb.add_option("--reason", values->reason, "Kept in the history, with your name")->required();
}

// RUN STEP, or STEP --where QUERY.
void add_steps_of_many(CLI::App& verb, const std::shared_ptr<OperateValues>& values, const char* what) {
    verb.add_option("RUN", values->id, "Id of a run, or its first characters; left out with --where")->required();
    verb.add_option("STEP", values->step, what);
    add_where(verb, values);
    verb.add_option("--reason", values->reason, "Kept in the history, with your name")->required();
    verb.add_flag("--json", values->as_json, "Print JSON for scripts");
}

void change_steps(Session& session, OperateValues values, const char* what) {
    if (!values.where.empty() && values.step.empty()) values.step = std::exchange(values.id, {}); // the one name is the step's
    if (values.step.empty() || values.id.empty() == values.where.empty())
        return wrong_operate_usage(session, "write RUN STEP, or STEP --where QUERY");
    change_one_or_many(session, values, what, json::object{{"step", values.step}, {"reason", values.reason}});
}

void add_ends(CLI::App& app, Session& session, const std::shared_ptr<OperateValues>& values) {
    const auto json_flag = [values](CLI::App* verb) { verb->add_flag("--json", values->as_json, "Print JSON for scripts"); };
    auto* cancelling = app.add_subcommand("cancel", "Cancel a run; what was done is undone if the workflow says so");
    add_many(*cancelling, values);
    cancelling->add_option("--reason", values->reason, "Kept in the history");
    json_flag(cancelling);
    cancelling->footer("Example:\n  baton cancel 0193a5c2-7d41 --reason \"wrong person\"");
    cancelling->callback([&session, values] {
        change_one_or_many(session, *values, "cancel", json::object{{"reason", values->reason}});
    });

    auto* retrying = app.add_subcommand("retry", "Let a failed run go on from where it failed, or hurry one that waits");
    add_many(*retrying, values);
    json_flag(retrying);
    retrying->add_flag("--now", values->now, "In a run that goes on: make the attempts that wait for their time at once");
    retrying->footer("Examples:\n  baton retry 0193a5c2-7d41          after its cause is mended\n"
                     "  baton retry 0193a5c2-7d41 --now    the target is back; do not wait for the next attempt");
    retrying->callback([&session, values] {
        change_one_or_many(session, *values, "retry", values->now ? json::object{{"now", true}} : json::object{});
    });

    auto* skipping = app.add_subcommand("skip-undo", "Give up an undo that fails; the others are still done");
    skipping->add_option("RUN", values->id, "Id of a run, or its first characters")->required();
    skipping->add_option("STEP", values->step, "The step whose undo is skipped, as baton show names it")->required();
    skipping->add_option("--reason", values->reason, "Kept in the history, with your name")->required();
    json_flag(skipping);
    skipping->footer("Example:\n  baton skip-undo 0193a5c2 mailbox --reason \"deleted it in the admin page\"");
    skipping->callback([&session, values] {
        change_run(session, values->id, "skip-undo", json::object{{"step", values->step}, {"reason", values->reason}},
                   values->as_json);
    });

    auto* finishing = app.add_subcommand("finish", "End a run by hand: nothing of it is done or undone any more");
    add_many(*finishing, values);
    finishing->add_option("--as", values->status, "completed, failed, cancelled or compensated")->required();
    finishing->add_option("--reason", values->reason, "Kept in the history, with your name")->required();
    json_flag(finishing);
    finishing->footer("Example:\n  baton finish 0193a5c2 --as completed --reason \"did the last step by hand\"");
    finishing->callback([&session, values] {
        change_one_or_many(session, *values, "finish", json::object{{"status", values->status}, {"reason", values->reason}});
    });

    auto* terminating = add_verb(app, values, "terminate", "End a run at once as cancelled: nothing is undone", true);
    terminating->add_option("--reason", values->reason, "Kept in the history, with your name")->required();
    terminating->footer("Its workers are told to stop; what takes effect late stays, too. baton cancel undoes what was done.\n\n"
                        "Example:\n  baton terminate 0193a5c2-7d41 --reason \"started by mistake, nothing to clean up\"");
    terminating->callback([&session, values] {
        change_one_or_many(session, *values, "terminate", json::object{{"reason", values->reason}});
    });
}

// ---- whole workflows and task types ----

void list_pauses(Session& session, bool as_json) {
    Api api(session.environment);
    const auto pauses = expect(session, api.get("/api/pauses"));
    if (!pauses) return;
    if (as_json) return print_json(*pauses);
    std::vector<std::vector<std::string>> rows{{"WHAT", "NAME", "BY", "SINCE", "REASON"}};
    for (const auto& one : pauses->as_array()) {
        const bool is_workflow = one.as_object().contains("workflow");
        rows.push_back({is_workflow ? "workflow" : "task", member(one, is_workflow ? "workflow" : "task"), member(one, "actor"),
                        local_time(member(one, "at")), member(one, "reason")});
    }
    if (rows.size() == 1) return fmt::print("nothing is paused but single runs: baton runs status:paused\n");
    print_table(rows);
}

// A run, many, a workflow, or a task type.
void pause_or_resume(Session& session, const OperateValues& values, const char* what) {
    if (values.lists) return list_pauses(session, values.as_json);
    const int named = !values.id.empty() + !values.where.empty() + !values.workflow.empty() + !values.task.empty();
    if (named != 1) return wrong_operate_usage(session, "name one of: RUN, --where QUERY, --workflow NAME, --task TYPE");
    const json::object body{{"reason", values.reason}};
    if (values.workflow.empty() && values.task.empty()) return change_one_or_many(session, values, what, body);
    if (values.dry_run) return wrong_operate_usage(session, "--dry-run belongs to --where");
    const bool is_workflow = !values.workflow.empty();
    const std::string& name = is_workflow ? values.workflow : values.task;
    Api api(session.environment);
    const auto done = expect(session, api.post(fmt::format("/api/{}/{}/{}", is_workflow ? "workflows" : "tasks", percent_encoded(name), what), body));
    if (!done) return;
    if (values.as_json) return print_json(*done);
    fmt::print("{} {} {}\n", is_workflow ? "workflow" : "task type", name, member(*done, "paused") == "true" ? "is paused" : "goes on");
}

void add_named(CLI::App& verb, const std::shared_ptr<OperateValues>& values) {
    verb.add_option("--workflow", values->workflow, "Instead of RUN: a whole workflow, by its name");
    verb.add_option("--task", values->task, "Instead of RUN: a task type");
}

void add_pauses(CLI::App& app, Session& session, const std::shared_ptr<OperateValues>& values) {
    auto* pausing = add_verb(app, values, "pause", "Let a run, a workflow or a task type pause: nothing new of it begins", true);
    add_named(*pausing, values);
    pausing->add_flag("--list", values->lists, "Print which workflows and task types are paused");
    pausing->add_option("--reason", values->reason, "Kept in the history, with your name");
    pausing->footer("What is with workers is awaited and its result taken; their time limits run on. The time limits of the run and\n"
                    "of its blocks stand still. baton resume lets it go on.\n\n"
                    "Of a paused task type nothing is handed to workers; of a paused workflow no run's task is, and new runs wait.\n\n"
                    "Examples:\n  baton pause 0193a5c2-7d41 --reason \"the mail server moves\"\n"
                    "  baton pause --task mail.create --reason \"the mail server moves\"\n  baton pause --workflow provision-user");
    pausing->callback([&session, values] { pause_or_resume(session, *values, "pause"); });

    auto* resuming = add_verb(app, values, "resume", "Let a paused run, workflow or task type go on", true);
    add_named(*resuming, values);
    resuming->add_option("--reason", values->reason, "Kept in the history, with your name");
    resuming->footer("Examples:\n  baton resume 0193a5c2-7d41\n"
                     "  baton resume --where 'workflow:provision-* status:paused' --rate 5 --dry-run");
    resuming->callback([&session, values] { pause_or_resume(session, *values, "resume"); });
}

// Signals, and answers to steps that ask people.
void add_messages(CLI::App& app, Session& session, const std::shared_ptr<OperateValues>& values) {
    auto* signalling = add_verb(app, values, "signal", "Tell a run something that one of its steps waits for");
    signalling->add_option("NAME", values->step, "The signal, as the workflow names it")->required();
    signalling->add_option("--data", values->value, "What it says, as JSON or @FILE");
    signalling->add_option("--id", values->signal_id, "Told again under the same id it counts once");
    signalling->footer("It is kept until a step waits for it.\n\n"
                       "Example:\n  baton signal 0193a5c2 ack --data '{\"note\":\"on my way\"}'");
    signalling->callback([&session, values] {
        json::object request{{"name", values->step}};
        if (!values->signal_id.empty()) request["id"] = values->signal_id;
        if (!values->value.empty()) {
            const auto data = json_option(session, values->value, "--data");
            if (!data) return;
            request["data"] = *data;
        }
        change_run(session, values->id, "signal", request, values->as_json);
    });

    const auto add_decision = [&](const char* name, const char* what, const char* footer) {
        auto* deciding = add_verb(app, values, name, what);
        deciding->add_option("STEP", values->step, "The step that asks, as baton show names it")->required();
        deciding->add_option("--comment", values->reason, "Kept in the history, with your name");
        deciding->add_option("--form", values->value, "What the step asks to be filled in, as JSON or @FILE");
        deciding->footer(footer);
        deciding->callback([&session, values, name] {
            json::object request{{"step", values->step}};
            if (!values->reason.empty()) request["comment"] = values->reason;
            if (!values->value.empty()) {
                const auto form = json_option(session, values->value, "--form");
                if (!form) return;
                request["form"] = *form;
            }
            change_run(session, values->id, name, request, values->as_json);
        });
    };
    add_decision("approve", "Agree to what a step asks people",
                 "Only whom the step asks may: users by name, or who has the role as a tag.\n\n"
                 "Example:\n  baton approve 0193a5c2 asked --form '{\"days\":30}'");
    add_decision("reject", "Say no to what a step asks people",
                 "One who says no is enough.\n\nExample:\n  baton reject 0193a5c2 asked --comment \"not for interns\"");
}

void add_steps(CLI::App& app, Session& session, const std::shared_ptr<OperateValues>& values) {
    const auto body = [values] { return json::object{{"step", values->step}, {"reason", values->reason}}; };

    auto* skipping = app.add_subcommand("skip", "Pass a step over: it failed, hangs, waits, or has not had its turn");
    add_steps_of_many(*skipping, values, "The step, as baton show names it");
    skipping->footer("Those that follow it go on as if its own `when` had said no. A failed run goes on.\n\n"
                     "Example:\n  baton skip 0193a5c2 greet --reason \"they have left\"");
    skipping->callback([&session, values] { change_steps(session, *values, "skip"); });

    auto* giving = add_verb(app, values, "set-output", "Say that a step was done by hand, and what it gave");
    add_step(*giving, values, "The step, as baton show names it");
    giving->add_option("--output", values->value, "Its result as JSON, or @FILE: what a worker would have answered")->required();
    giving->footer("Example:\n  baton set-output 0193a5c2 mailbox --output '{\"id\":17}' --reason \"made it in the admin page\"");
    giving->callback([&session, values, body] {
        const auto output = json_option(session, values->value, "--output");
        if (!output) return;
        json::object request = body();
        request["output"] = *output;
        change_run(session, values->id, "set-output", request, values->as_json);
    });

    auto* editing = add_verb(app, values, "edit-input", "Put right what a step's next attempts are given");
    add_step(*editing, values, "The step, as baton show names it; STEP:undo is its undo");
    editing->add_option("--with", values->value, "The whole input as JSON, or @FILE")->required();
    editing->footer("For a step that backs off, failed, or has not had its turn; baton dead redrive ID --with does it with the redrive.\n\n"
                    "Example:\n  baton edit-input 0193a5c2 mailbox --with '{\"address\":\"ada@example.org\"}' --reason typo");
    editing->callback([&session, values, body] {
        const auto input = json_option(session, values->value, "--with");
        if (!input) return;
        json::object request = body();
        request["with"] = *input;
        change_run(session, values->id, "edit-input", request, values->as_json);
    });

    auto* rerunning = app.add_subcommand("rerun", "Let a run that is over run again from a step");
    add_steps_of_many(*rerunning, values, "The step: it and all that follow it run again");
    rerunning->footer("With new attempts and new idempotency keys: what was done before stays, and is done once more.\n\n"
                      "Example:\n  baton rerun 0193a5c2 report --reason \"the figures were wrong\"");
    rerunning->callback([&session, values] { change_steps(session, *values, "rerun"); });
}

} // namespace

void add_operate_verbs(CLI::App& app, Session& session) {
    auto values = std::make_shared<OperateValues>();
    add_ends(app, session, values);
    add_pauses(app, session, values);
    add_steps(app, session, values);
    add_messages(app, session, values);
    auto* jobs = app.add_subcommand("jobs", "Bulk jobs over runs (--where): how far they are; or end one");
    jobs->add_option("JOB", values->id, "Only this one, with all that is known of it");
    jobs->add_flag("--cancel", values->cancels, "End it; what it did stays done");
    jobs->add_flag("--json", values->as_json, "Print JSON for scripts");
    jobs->callback([&session, values] {
        if (values->cancels && values->id.empty()) return wrong_operate_usage(session, "name the JOB to end");
        list_run_jobs(session, *values);
    });
}

} // namespace baton::cli
