// The verbs of schedules: schedules (list), schedules pause, resume, run, backfill.
#include "base/percent.hpp"
#include "base/printable.hpp"
#include "base/rfc3339.hpp"
#include "cli/api.hpp"
#include "cli/output.hpp"
#include "cli/terminal.hpp"
#include "cli/verbs.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

namespace baton::cli {

namespace json = boost::json;

namespace {

struct ScheduleValues {
    std::string schedule, reason, from, until;
    std::uint32_t next = 5;
    bool as_json = false, beside = false, dry_run = false;
};

std::string path_of(const ScheduleValues& values, const char* what) {
    return fmt::format("/api/schedules/{}/{}", percent_encoded(values.schedule), what);
}

const json::array& list_in(const json::value& of, std::string_view key) {
    return of.as_object().at(key).as_array();
}

// "2026-03-29T03:00:00+02:00" → "2026-03-29 03:00:00 +02:00"
std::string zone_time(std::string text) {
    constexpr std::size_t date_bytes = 10, seconds_bytes = 19;
    if (text.size() <= seconds_bytes) return text;
    text[date_bytes] = ' ';
    return text.insert(seconds_bytes, " ");
}

void print_schedule(const json::value& one) {
    const auto& object = one.as_object();
    fmt::print("{}  {}  {}  overlap {}, catch up {}{}\n", printable(member(one, "schedule")),
               printable(member(one, "cron")), printable(member(one, "timezone")),
               member(one, "overlap"), member(one, "catch_up"),
               member(one, "jitter") == "0s" ? "" : ", jitter " + member(one, "jitter"));
    if (const auto* paused = object.if_contains("paused")) {
        const std::string reason = member(*paused, "reason");
        fmt::print("  paused since {} by {}{}\n", local_time(member(*paused, "at")),
                   printable(member(*paused, "by")),
                   reason.empty() ? "" : ": " + printable(reason));
    }
    if (const auto* last = object.if_contains("last"))
        fmt::print("  last  {}  run {}\n", zone_time(member(*last, "local")), member(*last, "run"));
    const bool is_paused = object.contains("paused");
    for (const auto& next : list_in(one, "next"))
        fmt::print("  {}  {}  here {}\n", is_paused ? "(next)" : "next",
                   zone_time(member(next, "local")), local_time(member(next, "at")));
    if (const auto& waiting = list_in(one, "waiting"); !waiting.empty())
        fmt::print("  {} start(s) wait for the end of the run before\n", waiting.size());
    fmt::print("  {} started, {} skipped, {} missed, {} failed\n", member(one, "started"),
               member(one, "skipped"), member(one, "missed"), member(one, "failed"));
    if (const auto* note = object.if_contains("note"))
        fmt::print("  {}  {}\n", local_time(member(*note, "at")), printable(member(*note, "text")));
}

void list(Session& session, const ScheduleValues& values) {
    Api api(session.environment);
    std::string path = fmt::format("/api/schedules?next={}", values.next);
    if (!values.schedule.empty()) path += "&schedule=" + percent_encoded(values.schedule);
    const auto found = expect(session, api.get(path));
    if (!found) return;
    if (values.as_json) return print_json(*found);
    const auto& all = list_in(*found, "schedules");
    if (all.empty()) fmt::print("no deployed workflow has an [[on]] with cron\n");
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (i > 0) fmt::print("\n");
        print_schedule(all[i]);
    }
}

void change(Session& session, const ScheduleValues& values, const char* what) {
    Api api(session.environment);
    json::object body;
    if (!values.reason.empty()) body["reason"] = values.reason;
    const auto done = expect(session, api.post(path_of(values, what), body));
    if (!done) return;
    if (values.as_json) return print_json(*done);
    print_schedule(*done);
}

void run_now(Session& session, const ScheduleValues& values) {
    Api api(session.environment);
    json::object body;
    if (values.beside) body["beside"] = true;
    const auto done = expect(session, api.post(path_of(values, "run"), body));
    if (!done) return;
    if (values.as_json) return print_json(*done);
    if (done->as_object().contains("waiting"))
        return fmt::print("it starts when run {} has ended\n", member(*done, "behind"));
    fmt::print("run {} started; baton show {} follows it\n", member(*done, "run"),
               member(*done, "run"));
}

void backfill(Session& session, const ScheduleValues& values) {
    Api api(session.environment);
    json::object body{{"from", values.from}};
    if (!values.until.empty()) body["until"] = values.until;
    if (values.dry_run) body["dry_run"] = true;
    const auto done = expect(session, api.post(path_of(values, "backfill"), body));
    if (!done) return;
    if (values.as_json) return print_json(*done);
    for (const auto& time : list_in(*done, "times"))
        fmt::print("{}  {}\n", zone_time(member(time, "local")),
                   member(time, "started") == "true" ? "has run" : "");
    fmt::print("{} of {} start(s) {}\n", member(*done, "waiting"), list_in(*done, "times").size(),
               values.dry_run
                   ? "would be made, one after the other"
                   : "will be made, one after the other; baton schedules shows how many wait");
}

} // namespace

void add_schedule_verbs(CLI::App& app, Session& session) {
    auto values = std::make_shared<ScheduleValues>();
    auto* schedules = app.add_subcommand(
        "schedules", "What starts by the clock: when next, pause, resume, run now, backfill");
    schedules->add_flag("--json", values->as_json, "Print JSON for scripts");
    schedules->add_option("--next", values->next, "So many starts ahead")
        ->check(CLI::Range(0U, 1000U))
        ->capture_default_str();
    schedules->add_option("--of", values->schedule,
                          "Only those of this workflow, or this one: WORKFLOW/TRIGGER");
    schedules->require_subcommand(0, 1);
    schedules->footer("A schedule is an [[on]] with cron of a deployed workflow, called "
                      "WORKFLOW/TRIGGER, or WORKFLOW where it has one.\n\n"
                      "Examples:\n  baton schedules\n  baton schedules pause nightly-sync --reason "
                      "'the HR list moves'\n"
                      "  baton schedules run nightly-sync\n"
                      "  baton schedules backfill nightly-sync 2026-03-01T00:00:00Z "
                      "2026-03-08T00:00:00Z --dry-run");
    schedules->callback([&session, values, schedules] {
        if (schedules->get_subcommands().empty()) list(session, *values);
    });
    const auto add = [&](const char* word, const char* what) {
        auto* verb = schedules->add_subcommand(word, what);
        verb->add_option("SCHEDULE", values->schedule,
                         "WORKFLOW/TRIGGER, or WORKFLOW where it has one")
            ->required();
        verb->add_flag("--json", values->as_json, "Print JSON for scripts");
        return verb;
    };
    auto* pausing =
        add("pause", "Let it start nothing; what it would have started is not made up for");
    pausing->add_option("--reason", values->reason, "For those who wonder");
    pausing->callback([&session, values] { change(session, *values, "pause"); });
    add("resume", "Let it go on")->callback([&session, values] {
        change(session, *values, "resume");
    });
    auto* running = add("run", "Start a run of it now");
    running->add_flag("--beside", values->beside, "Also while another run of it goes on");
    running->callback([&session, values] { run_now(session, *values); });
    auto* filling = add(
        "backfill", "Start the runs that a time in the past should have had, one after the other");
    filling->add_option("FROM", values->from, "As 2026-03-01T00:00:00Z")->required();
    filling->add_option("UNTIL", values->until, "The same; else until now");
    filling->add_flag("--dry-run", values->dry_run, "Only say which these are, and which have run");
    filling->callback([&session, values] { backfill(session, *values); });
}

} // namespace baton::cli
