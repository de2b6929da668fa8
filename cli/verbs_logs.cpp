// `baton logs`: what workers say of a run while they work on it.
#include "base/percent.hpp"
#include "cli/follow.hpp"
#include "cli/output.hpp"
#include "cli/terminal.hpp"
#include "cli/verbs.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>

namespace baton::cli {

namespace json = boost::json;

namespace {

constexpr std::chrono::milliseconds log_look_pause{500};

struct LogValues {
    std::string run;
    bool follows = false;
    bool as_json = false;
};

Colour colour_of(std::string_view level) {
    if (level == "error") return Colour::red;
    if (level == "warning") return Colour::yellow;
    return level == "debug" ? Colour::dim : Colour::green;
}

// One line each, whatever the worker wrote: member() lets nothing move the terminal.
void print_line(const json::value& line, bool as_json) {
    if (as_json) return fmt::print("{}\n", json::serialize(line));
    const auto level = member(line, "level");
    const auto attempt = member(line, "attempt");
    fmt::print("{}  {}  {}  {}\n", local_time(member(line, "at")),
               paint(colour_of(level), fmt::format("{:<7}", level)),
               member(line, "step") + (attempt == "1" ? "" : "#" + attempt), member(line, "text"));
}

bool is_over(const json::value& page) {
    const auto* run = page.as_object().if_contains("run");
    const auto status = run == nullptr ? std::string() : member(*run, "status");
    return status == "completed" || status == "failed" || status == "cancelled" ||
           status == "timed_out" || status == "compensated";
}

// What a worker says last may come a moment behind the end of its run.
void show_logs(Session& session, const LogValues& values) {
    Api api(session.environment);
    if (values.follows) watch_interrupts();
    std::string after = "0";
    bool was_over = false;
    for (bool is_first = true;; is_first = false) {
        const auto answer = persistently(api, [&] {
            return api.get(
                fmt::format("/baton/v1/runs/{}/logs?after={}", percent_encoded(values.run), after));
        });
        const auto page = expect(session, answer);
        if (!page) return;
        const auto& items = page->as_object().at("items").as_array();
        if (const auto dropped = member(*page, "dropped"); is_first && dropped != "0")
            fmt::print(stderr,
                       "baton: the first {} lines of this run are gone: a run keeps its newest\n",
                       dropped);
        for (const auto& line : items)
            print_line(line, values.as_json);
        std::fflush(stdout);
        if (!items.empty()) after = member(items.back(), "number");
        if (page->as_object().contains("next") && !page->as_object().at("next").is_null()) continue;
        if (!values.follows || was_over || was_interrupted()) return;
        was_over = is_over(*page);
        std::this_thread::sleep_for(log_look_pause);
    }
}

} // namespace

void add_logs_verb(CLI::App& app, Session& session) {
    const auto values = std::make_shared<LogValues>();
    auto* logs =
        app.add_subcommand("logs", "Show what workers said of a run while they worked on it");
    logs->add_option("RUN", values->run, "Id of a run, or its first characters")->required();
    logs->add_flag("--follow,-f", values->follows, "Go on with what comes, until the run is over");
    logs->add_flag("--json", values->as_json, "One JSON object a line");
    logs->footer("Example:\n  baton logs 0193a5c2-7d41 --follow");
    logs->callback([&session, values] { show_logs(session, *values); });
}

} // namespace baton::cli
