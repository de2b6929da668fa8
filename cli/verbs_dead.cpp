// The verbs of dead letters: dead list, groups, show, redrive, drop, jobs, cancel.
#include "base/percent.hpp"
#include "cli/api.hpp"
#include "cli/input.hpp"
#include "cli/output.hpp"
#include "cli/terminal.hpp"
#include "cli/verbs.hpp"

#include "base/base64.hpp"
#include "base/clock.hpp"
#include "base/duration_text.hpp"

#include <algorithm>
#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <fmt/format.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <thread>

namespace baton::cli {

namespace json = boost::json;

namespace {

constexpr unsigned list_max = 1000;
constexpr std::chrono::milliseconds job_look_pause{500};

// Which dead letters; the names are those of the API.
struct Filter {
    std::string group, task, error_type, workflow, run, since, until;

    std::array<std::pair<const char*, const std::string*>, 7> members() const {
        return {{{"group", &group}, {"task", &task}, {"error_type", &error_type}, {"workflow", &workflow},
                 {"run", &run}, {"since", &since}, {"until", &until}}};
    }
    bool is_empty() const {
        return std::ranges::all_of(members(), [](const auto& one) { return one.second->empty(); });
    }
};

struct DeadValues {
    std::vector<std::string> ids;
    std::string id, state, rate, reason, body_file, with;
    std::optional<std::string> body;
    Filter filter;
    std::uint32_t stop_after = 0;
    unsigned limit = list_max;
    bool all = false;
    bool wait = false;
    bool raw = false;
    bool as_json = false;
};

void add_filter(CLI::App& verb, const std::shared_ptr<DeadValues>& values) {
    Filter& filter = values->filter;
    verb.add_option("--group", filter.group, "Only of this cause (baton dead groups)");
    verb.add_option("--task", filter.task, "Only this task type");
    verb.add_option("--error", filter.error_type, "Only this type of error");
    verb.add_option("--workflow", filter.workflow, "Only of this workflow");
    verb.add_option("--run", filter.run, "Only of this run");
    verb.add_option("--since", filter.since, "Only those that died since: 2h ago, or 2026-01-31T12:00:00Z");
    verb.add_option("--until", filter.until, "Only those that died before");
}

// "2h" is that long ago; anything else goes to the server as it is.
std::string moment(const std::string& given) {
    const auto ago = parse_duration(given);
    return ago ? to_rfc3339(SystemClock().now() - *ago) : given;
}

void wrong_dead_usage(Session& session, const std::string& complaint) {
    complain(complaint);
    session.exit_code = exit_wrong_usage;
}

void make_moments(Filter& filter) {
    filter.since = moment(filter.since);
    filter.until = moment(filter.until);
}

std::string list_path(const DeadValues& values) {
    std::string path = fmt::format("/api/dead?limit={}", values.limit);
    for (const auto& [name, value] : values.filter.members())
        if (!value->empty()) path += fmt::format("&{}={}", name, percent_encoded(*value));
    if (!values.state.empty()) path += "&state=" + percent_encoded(values.state);
    return path;
}

std::string error_line(const json::value& letter) {
    const auto& error = letter.as_object().at("error");
    return member(error, "type") + (member(error, "detail").empty() ? "" : ": " + member(error, "detail"));
}

void list_dead(Session& session, DeadValues& values) {
    make_moments(values.filter);
    Api api(session.environment);
    const auto list = expect(session, api.get(list_path(values)));
    if (!list) return;
    if (values.as_json) return print_json(*list);
    std::vector<std::vector<std::string>> rows{{"ID", "AT", "TASK", "REASON", "ATTEMPTS", "WORKFLOW", "STEP", "RUN", "ERROR"}};
    for (const auto& letter : list->as_array())
        rows.push_back({member(letter, "id"), local_time(member(letter, "at")), member(letter, "task"),
                        member(letter, "reason"), member(letter, "attempts"), member(letter, "workflow"),
                        member(letter, "step"), member(letter, "run"), error_line(letter)});
    if (rows.size() == 1) return fmt::print("no dead letters\n");
    print_table(rows);
}

void list_groups(Session& session, const DeadValues& values) {
    Api api(session.environment);
    std::string path = fmt::format("/api/dead/groups?limit={}", values.limit);
    if (!values.state.empty()) path += "&state=" + percent_encoded(values.state);
    const auto list = expect(session, api.get(path));
    if (!list) return;
    if (values.as_json) return print_json(*list);
    std::vector<std::vector<std::string>> rows{{"GROUP", "COUNT", "FIRST", "LAST", "TASK", "REASON", "EXAMPLE", "ERROR"}};
    for (const auto& group : list->as_array())
        rows.push_back({member(group, "group"), member(group, "count"), local_time(member(group, "first")),
                        local_time(member(group, "last")), member(group, "task"), member(group, "reason"),
                        member(group, "example"),
                        member(group, "error_type") + (member(group, "detail").empty() ? "" : ": " + member(group, "detail"))});
    if (rows.size() == 1) return fmt::print("no dead letters\n");
    print_table(rows);
}

// "12 of 40 sent again, 1 refused, 2 dead again"
std::string progress_of(const json::value& job) {
    std::string text = fmt::format("{} of {} {}", member(job, "done"), member(job, "total"),
                                   member(job, "action") == "drop" ? "dropped" : "sent again");
    if (member(job, "refused") != "0") text += fmt::format(", {} refused", member(job, "refused"));
    if (member(job, "failures") != "0") text += fmt::format(", {} dead again", member(job, "failures"));
    return text;
}

void list_dead_jobs(Session& session, const DeadValues& values) {
    Api api(session.environment);
    const auto list = expect(session, api.get(values.id.empty() ? fmt::format("/api/dead/jobs?limit={}", values.limit)
                                                                : "/api/dead/jobs/" + percent_encoded(values.id)));
    if (!list) return;
    if (values.as_json || !list->is_array()) return print_json(*list);
    std::vector<std::vector<std::string>> rows{{"JOB", "STATE", "BEGAN", "BY", "PROGRESS", "RATE", "WHICH", "NOTE"}};
    for (const auto& job : list->as_array()) {
        std::string which;
        for (const auto& [name, value] : job.as_object().at("filter").as_object())
            which += fmt::format("{}{}={}", which.empty() ? "" : " ", std::string_view(name),
                                 std::string(value.as_string()));
        const auto reason = member(job, "reason");
        rows.push_back({member(job, "job"), member(job, "state"), local_time(member(job, "at")), member(job, "actor"),
                        progress_of(job), member(job, "rate"), which.empty() ? "all" : which,
                        reason + (reason.empty() || member(job, "note").empty() ? "" : "; ") + member(job, "note")});
    }
    if (rows.size() == 1) return fmt::print("no bulk jobs\n");
    print_table(rows);
}

// Shows how far it is until it has ended.
void follow_job(Session& session, Api& api, json::value job) {
    const auto id = member(job, "job");
    const auto count = [](const json::value& value, const char* name) {
        return static_cast<std::size_t>(value.as_object().at(name).to_number<std::uint64_t>());
    };
    {
        ProgressBar bar(member(job, "action") == "drop" ? "dropping" : "sending again", count(job, "total"));
        while (member(job, "state") == "running") {
            bar.show(count(job, "done"), progress_of(job));
            std::this_thread::sleep_for(job_look_pause);
            auto seen = expect(session, api.get("/api/dead/jobs/" + id));
            if (!seen) return;
            job = std::move(*seen);
        }
        bar.show(count(job, "done"), progress_of(job));
    }
    const auto note = member(job, "note");
    fmt::print("job {} {}: {}{}\n", id, member(job, "state"), progress_of(job), note.empty() ? "" : "; " + note);
    if (member(job, "state") != "done" || member(job, "refused") != "0") session.exit_code = exit_failed;
}

// Many of them: the server's work, which goes on when this program has ended.
void start_job(Session& session, DeadValues& values, bool drop) {
    make_moments(values.filter);
    json::object body{{"action", drop ? "drop" : "redrive"}};
    for (const auto& [name, value] : values.filter.members())
        if (!value->empty()) body[name] = *value;
    if (values.all) body["all"] = true;
    if (!values.rate.empty()) body["rate"] = values.rate;
    if (!values.reason.empty()) body["reason"] = values.reason;
    if (values.stop_after > 0) body["stop_after"] = values.stop_after;
    Api api(session.environment);
    const auto job = expect(session, api.post("/api/dead/jobs", body));
    if (!job) return;
    if (values.wait) return follow_job(session, api, *job);
    if (values.as_json) return print_json(*job);
    fmt::print("job {}: {} dead letter(s); baton dead jobs shows how far it is, baton dead cancel {} ends it\n",
               member(*job, "job"), member(*job, "total"), member(*job, "job"));
}

// Does it to the ids, one after the other.
void change_each(Session& session, const DeadValues& values, bool drop) {
    json::object edit;
    if (values.body) edit["body"] = *values.body;
    if (!values.body_file.empty()) {
        const auto bytes = read_file(values.body_file);
        if (!bytes) return wrong_dead_usage(session, bytes.error().detail);
        edit["body_base64"] = base64_of(*bytes);
    }
    if (!values.with.empty()) {
        const auto input = json_input(values.with, "--with");
        if (!input) return wrong_dead_usage(session, input.error().detail);
        edit["with"] = *input;
    }
    Api api(session.environment);
    std::size_t done = 0;
    std::vector<std::string> refused;
    ProgressBar bar(drop ? "dropping" : "sending again", values.ids.size());
    const std::string query = values.reason.empty() ? "" : "?reason=" + percent_encoded(values.reason);
    for (const auto& id : values.ids) {
        const auto answer = drop ? api.remove("/api/dead/" + percent_encoded(id) + query)
                                 : api.post("/api/dead/" + percent_encoded(id) + "/redrive", edit);
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
    if (values.as_json) return print_json(json::object{{drop ? "dropped" : "redriven", done}});
    fmt::print("{} dead letter(s) {}\n", done, drop ? "dropped" : "sent again");
}

void change_dead(Session& session, DeadValues& values, bool drop) {
    const bool many = values.all || !values.filter.is_empty();
    if (values.ids.empty() && !many)
        return wrong_dead_usage(session, "say which: ids, or --group, --task, --error, --workflow, --run, --since, --until, or --all");
    if (!values.ids.empty() && many) return wrong_dead_usage(session, "give ids, or say which by options, not both");
    if (std::ranges::any_of(values.ids, &std::string::empty))
        return wrong_dead_usage(session, "'' is no id; baton dead list shows them");
    if (!many && (!values.rate.empty() || values.stop_after > 0 || values.wait))
        return wrong_dead_usage(session, "--rate, --stop-after and --wait are for many: say which by options, not by ids");
    if (!many && !drop && !values.reason.empty())
        return wrong_dead_usage(session, "--reason is for many, or for what is dropped; who sends one again stands beside it anyway");
    const int edits = (values.body ? 1 : 0) + (values.body_file.empty() ? 0 : 1) + (values.with.empty() ? 0 : 1);
    if (edits > 0 && (values.ids.size() != 1 || edits > 1))
        return wrong_dead_usage(session, "--with is for one task, --body or --body-file for one message: give one ID and one of them");
    if (many && drop && values.reason.empty())
        return wrong_dead_usage(session, "say why with --reason; it is kept beside what is dropped");
    many ? start_job(session, values, drop) : change_each(session, values, drop);
}

std::optional<std::string> bytes_of_hex(std::string_view hex) {
    const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
    if (hex.size() % 2 != 0 || hex.find_first_not_of("0123456789abcdef") != std::string_view::npos) return std::nullopt;
    std::string bytes;
    for (std::size_t i = 0; i < hex.size(); i += 2) bytes += static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1]));
    return bytes;
}

// The body of the message, byte by byte; as JSON what the API takes to send another one.
void show_raw(Session& session, const json::value& letter, bool as_json) {
    const auto& message = letter.as_object().at("message");
    const auto* object = message.if_object();
    const bool is_hex = object != nullptr && object->contains("body_hex");
    const bool is_text = object != nullptr && object->contains("body");
    const auto bytes = is_hex ? bytes_of_hex(member(message, "body_hex")) : std::optional(member(message, "body"));
    if (!bytes || (!is_hex && !is_text)) {
        complain("this dead letter has no message; what the worker was given is its input");
        session.exit_code = exit_failed;
        return;
    }
    if (as_json) return print_json(json::object{{"body_base64", base64_of(*bytes)}});
    if (std::fwrite(bytes->data(), 1, bytes->size(), stdout) != bytes->size()) session.exit_code = exit_failed;
}

void show_dead(Session& session, const DeadValues& values) {
    Api api(session.environment);
    const auto letter = expect(session, api.get("/api/dead/" + percent_encoded(values.id)));
    if (!letter) return;
    values.raw ? show_raw(session, *letter, values.as_json) : print_json(*letter);
}

void cancel_job(Session& session, const DeadValues& values) {
    Api api(session.environment);
    const auto job = expect(session, api.post("/api/dead/jobs/" + percent_encoded(values.id) + "/cancel", json::object{}));
    if (!job) return;
    if (values.as_json) return print_json(*job);
    fmt::print("job {} cancelled: {}\n", member(*job, "job"), progress_of(*job));
}

void add_looking(CLI::App& dead, Session& session, const std::shared_ptr<DeadValues>& values) {
    auto* listing = dead.add_subcommand("list", "List them, newest first");
    add_filter(*listing, values);
    listing->add_option("--state", values->state, "open (default), redriven, dropped, all");
    listing->add_option("--limit", values->limit, "At most so many")->check(CLI::Range(1U, list_max))->capture_default_str();
    listing->add_flag("--json", values->as_json, "Print JSON for scripts");
    listing->callback([&session, values] { list_dead(session, *values); });

    auto* grouping = dead.add_subcommand("groups", "Count them by cause: task, error and reason, whatever the numbers in them");
    grouping->add_option("--state", values->state, "open (default), redriven, dropped, all");
    grouping->add_option("--limit", values->limit, "At most so many")->check(CLI::Range(1U, list_max))->capture_default_str();
    grouping->add_flag("--json", values->as_json, "Print JSON for scripts");
    grouping->callback([&session, values] { list_groups(session, *values); });

    auto* showing = dead.add_subcommand("show", "Show one with its input, error and message");
    showing->add_option("ID", values->id, "Number of a dead letter")->required();
    showing->add_flag("--raw", values->raw, "Only the message's body, byte by byte; with --json in base64");
    showing->add_flag("--json", values->as_json, "The default without --raw");
    showing->callback([&session, values] { show_dead(session, *values); });
}

void add_jobs(CLI::App& dead, Session& session, const std::shared_ptr<DeadValues>& values) {
    auto* jobs = dead.add_subcommand("jobs", "What is or was sent again or dropped in bulk, and how far it is");
    jobs->add_option("JOB", values->id, "Only this one, with all that is known of it");
    jobs->add_option("--limit", values->limit, "At most so many")->check(CLI::Range(1U, list_max))->capture_default_str();
    jobs->add_flag("--json", values->as_json, "Print JSON for scripts");
    jobs->callback([&session, values] { list_dead_jobs(session, *values); });

    auto* cancelling = dead.add_subcommand("cancel", "End a bulk job; what it did stays done");
    cancelling->add_option("JOB", values->id, "Number of a bulk job")->required();
    cancelling->add_flag("--json", values->as_json, "Print JSON for scripts");
    cancelling->callback([&session, values] { cancel_job(session, *values); });
}

} // namespace

void add_dead_verbs(CLI::App& app, Session& session) {
    auto values = std::make_shared<DeadValues>();
    auto* dead = app.add_subcommand("dead", "Dead letters: tasks and messages nobody could process");
    dead->require_subcommand(1);
    dead->footer("Examples:\n  baton dead groups\n  baton dead show 3\n  baton dead redrive 3 4\n"
                 "  baton dead redrive --group 9f86d081884c7d65 --rate 5/s --stop-after 10\n"
                 "  baton dead drop --task slack.invite --until 7d --reason 'they have left'\n  baton dead jobs");
    add_looking(*dead, session, values);

    auto* redriving = dead->add_subcommand("redrive", "Send them again: a new series of attempts");
    redriving->add_option("ID", values->ids, "Numbers of dead letters");
    add_filter(*redriving, values);
    redriving->add_flag("--all", values->all, "All open ones");
    redriving->add_option("--rate", values->rate, "Of many, so many: 5/s, 30/m, 100/h (10/s)");
    redriving->add_option("--stop-after", values->stop_after, "Of many, end after so many new failures")
        ->check(CLI::Range(1U, UINT32_MAX));
    redriving->add_option("--reason", values->reason, "Of many, why; it is kept beside them");
    redriving->add_option("--body", values->body, "Of one message, what it says this time; its headers stay");
    redriving->add_option("--body-file", values->body_file, "The same from a file, byte by byte; - is standard input");
    redriving->add_option("--with", values->with, "Of one task, its whole input from now on, as JSON or @FILE");
    redriving->add_flag("--wait", values->wait, "Of many, show how far it is until all are sent");
    redriving->add_flag("--json", values->as_json, "Print JSON for scripts");
    redriving->callback([&session, values] { change_dead(session, *values, false); });

    auto* dropping = dead->add_subcommand("drop", "Close them without doing anything");
    dropping->add_option("ID", values->ids, "Numbers of dead letters");
    add_filter(*dropping, values);
    dropping->add_flag("--all", values->all, "All open ones");
    dropping->add_option("--reason", values->reason, "Why; it is kept beside them");
    dropping->add_flag("--wait", values->wait, "Of many, show how far it is until all are dropped");
    dropping->add_flag("--json", values->as_json, "Print JSON for scripts");
    dropping->callback([&session, values] { change_dead(session, *values, true); });
    add_jobs(*dead, session, values);
}

} // namespace baton::cli
