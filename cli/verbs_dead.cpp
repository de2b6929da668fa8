// The verbs of dead letters: dead list, show, redrive, drop.
#include "cli/api.hpp"
#include "cli/output.hpp"
#include "cli/terminal.hpp"
#include "cli/verbs.hpp"

#include <algorithm>
#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <fmt/format.h>

#include <memory>

namespace baton::cli {

namespace json = boost::json;

namespace {

constexpr unsigned list_max = 1000;

std::string list_path(const std::string& task, const std::string& run, const std::string& state, unsigned limit) {
    std::string path = fmt::format("/api/dead?limit={}", limit);
    if (!task.empty()) path += "&task=" + encoded(task);
    if (!run.empty()) path += "&run=" + encoded(run);
    if (!state.empty()) path += "&state=" + encoded(state);
    return path;
}

void list_dead(Session& session, const std::string& path, bool as_json) {
    Api api(session.environment);
    const auto list = expect(session, api.get(path));
    if (!list) return;
    if (as_json) return print_json(*list);
    std::vector<std::vector<std::string>> rows{{"ID", "AT", "TASK", "REASON", "ATTEMPTS", "WORKFLOW", "STEP", "RUN", "ERROR"}};
    for (const auto& letter : list->as_array()) {
        const auto& error = letter.as_object().at("error");
        rows.push_back({member(letter, "id"), local_time(member(letter, "at")), member(letter, "task"),
                        member(letter, "reason"), member(letter, "attempts"), member(letter, "workflow"),
                        member(letter, "step"), member(letter, "run"),
                        member(error, "type") + (member(error, "detail").empty() ? "" : ": " + member(error, "detail"))});
    }
    if (rows.size() == 1) return fmt::print("no dead letters\n");
    print_table(rows);
}

// Does `what` to the ids, or to every open dead letter of a task when no id is given.
void change_dead(Session& session, std::vector<std::string> ids, const std::string& task, bool drop, bool as_json) {
    Api api(session.environment);
    if (ids.empty() && task.empty()) {
        complain("say which: ids, or --task TYPE for all open ones of a task type");
        session.exit_code = exit_wrong_usage;
        return;
    }
    if (std::ranges::any_of(ids, &std::string::empty)) {
        complain("'' is no id; baton dead list shows them");
        session.exit_code = exit_wrong_usage;
        return;
    }
    if (ids.empty()) {
        const auto list = expect(session, api.get(list_path(task, "", "open", list_max)));
        if (!list) return;
        for (const auto& letter : list->as_array()) ids.push_back(member(letter, "id"));
    }
    std::size_t done = 0;
    std::vector<std::string> refused;
    ProgressBar bar(drop ? "dropping" : "sending again", ids.size());
    for (const auto& id : ids) {
        const auto answer = drop ? api.remove("/api/dead/" + encoded(id))
                                 : api.post("/api/dead/" + encoded(id) + "/redrive", json::object{});
        // One that is refused must not keep the others.
        if (answer && answer->status == 202) {
            refused.push_back(fmt::format("dead letter {}: {}", id, answer->reason()));
            session.exit_code = exit_unreachable;
            continue;
        }
        if (answer && !answer->is_good() && answer->status != 503) {
            refused.push_back(fmt::format("dead letter {}: {}", id, answer->reason()));
            session.exit_code = exit_failed;
            continue;
        }
        if (!expect(session, answer)) break;
        bar.show(++done, "");
    }
    for (const auto& line : refused) complain(line);
    if (as_json) return print_json(json::object{{drop ? "dropped" : "redriven", done}});
    fmt::print("{} dead letter(s) {}\n", done, drop ? "dropped" : "sent again");
}

} // namespace

void add_dead_verbs(CLI::App& app, Session& session) {
    struct Values {
        std::vector<std::string> ids;
        std::string id, task, run, state;
        unsigned limit = list_max;
        bool as_json = false;
    };
    auto values = std::make_shared<Values>();
    auto* dead = app.add_subcommand("dead", "Dead letters: tasks and messages nobody could process");
    dead->require_subcommand(1);
    dead->footer("Examples:\n  baton dead list\n  baton dead show 3\n  baton dead redrive 3 4\n  baton dead redrive --task slack.invite\n  baton dead drop 3");

    auto* listing = dead->add_subcommand("list", "List them, newest first");
    listing->add_option("--task", values->task, "Only this task type");
    listing->add_option("--run", values->run, "Only of this run");
    listing->add_option("--state", values->state, "open (default), redriven, dropped, all");
    listing->add_option("--limit", values->limit, "At most so many")->check(CLI::Range(1U, list_max))->capture_default_str();
    listing->add_flag("--json", values->as_json, "Print JSON for scripts");
    listing->callback([&session, values] { list_dead(session, list_path(values->task, values->run, values->state, values->limit), values->as_json); });

    auto* showing = dead->add_subcommand("show", "Show one with its input, error and message");
    showing->add_option("ID", values->id, "Number of a dead letter")->required();
    showing->add_flag("--json", values->as_json, "The default; accepted for symmetry");
    showing->callback([&session, values] {
        Api api(session.environment);
        if (const auto letter = expect(session, api.get("/api/dead/" + encoded(values->id)))) print_json(*letter);
    });

    auto* redriving = dead->add_subcommand("redrive", "Send them again: a new series of attempts");
    redriving->add_option("ID", values->ids, "Numbers of dead letters");
    redriving->add_option("--task", values->task, "All open ones of this task type");
    redriving->add_flag("--json", values->as_json, "Print JSON for scripts");
    redriving->callback([&session, values] { change_dead(session, values->ids, values->task, false, values->as_json); });

    auto* dropping = dead->add_subcommand("drop", "Close them without doing anything");
    dropping->add_option("ID", values->ids, "Numbers of dead letters");
    dropping->add_option("--task", values->task, "All open ones of this task type");
    dropping->add_flag("--json", values->as_json, "Print JSON for scripts");
    dropping->callback([&session, values] { change_dead(session, values->ids, values->task, true, values->as_json); });
}

} // namespace baton::cli
