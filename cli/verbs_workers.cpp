// The verb `workers`: who serves tasks at a server, as the workers say themselves.
#include "base/clock.hpp"
#include "cli/api.hpp"
#include "cli/output.hpp"
#include "cli/terminal.hpp"
#include "cli/verbs.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace baton::cli {

namespace json = boost::json;

namespace {

struct WorkerValues {
    std::string task;
    bool as_json = false;
};

const json::array& tasks_of(const json::value& worker) { return worker.as_object().at("tasks").as_array(); }

bool offers(const json::value& worker, const std::string& task) {
    for (const auto& one : tasks_of(worker))
        if (task.empty() || member(one, "task") == task) return true;
    return false;
}

// "mail.create, mail.find and 11 more"
std::string tasks_text(const json::value& worker) {
    constexpr std::size_t shown_max = 3;
    const auto& tasks = tasks_of(worker);
    std::string text;
    for (std::size_t i = 0; i < tasks.size() && i < shown_max; ++i) text += (i == 0 ? "" : ", ") + member(tasks[i], "task");
    if (tasks.size() > shown_max) text += fmt::format(" and {} more", tasks.size() - shown_max);
    return text;
}

std::string ago(const json::value& worker) {
    return duration_text(micros_of(SystemClock{}.now()) - micros_from(member(worker, "last_heard"))) + " ago";
}

void list_workers(Session& session, const WorkerValues& values) {
    Api api(session.environment);
    const auto list = expect(session, api.get("/api/workers"));
    if (!list) return;
    json::array chosen;
    for (const auto& worker : list->as_array())
        if (offers(worker, values.task)) chosen.push_back(worker);
    if (values.as_json) return print_json(chosen);
    if (chosen.empty())
        return fmt::print("no worker has announced itself{}; those that do not announce themselves are seen by "
                          "`baton ctl list_consumers`\n", values.task.empty() ? "" : " for " + values.task);
    std::vector<std::vector<std::string>> rows{{"WORKER", "VERSION", "AT ONCE", "HEARD", "TASKS"}};
    std::map<std::string, std::string> held; // by task: many workers, one target
    for (const auto& worker : chosen) {
        rows.push_back({member(worker, "worker"), member(worker, "version"), member(worker, "concurrency"), ago(worker), tasks_text(worker)});
        for (const auto& task : tasks_of(worker))
            if (const auto why = member(task, "held"); !why.empty()) held[member(task, "task")] = why;
    }
    print_table(rows);
    for (const auto& [task, why] : held) fmt::print("{} {}\n", paint(Colour::yellow, "held:"), why);
}

} // namespace

void add_workers_verb(CLI::App& app, Session& session) {
    auto values = std::make_shared<WorkerValues>();
    auto* listing = app.add_subcommand("workers", "List the workers that have announced themselves to the server");
    listing->add_option("TASK", values->task, "Only those that serve this task type");
    listing->add_flag("--json", values->as_json, "Print JSON for scripts, with all tasks and queues");
    listing->footer("Workers say who they are when they connect and every half minute; who is silent is left out after a while.\n\n"
                    "Examples:\n  baton workers\n  baton workers mail.create --json");
    listing->callback([&session, values] { list_workers(session, *values); });
}

} // namespace baton::cli
