// The server itself: status, ping, waiting for it, definitions.
#include "base/clock.hpp"
#include "base/printable.hpp"
#include "cli/ctl/word.hpp"
#include "cli/output.hpp"
#include "cli/version.hpp"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <chrono>
#include <fstream>
#include <thread>

namespace baton::cli::ctl {

namespace json = boost::json;

namespace {

void await_startup(Work& work) {
    const auto until = std::chrono::steady_clock::now() + work.arguments().timeout(std::chrono::seconds{300});
    for (;;) {
        const auto answer = work.api().get("/api/health", std::chrono::seconds{2});
        if (answer && answer->is_good()) return;
        if (std::chrono::steady_clock::now() > until)
            return work.fail(ctl_late, answer ? answer->reason() : answer.error().detail);
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
}

void ping(Work& work) {
    const auto limit = work.arguments().timeout(std::chrono::seconds{60});
    work.remark(fmt::format("Will ping {}. This only checks that the server answers. Timeout: {} ms.", work.api().url(),
                            std::chrono::milliseconds(limit).count()));
    const auto answer = work.api().get("/api/health", std::max(limit, std::chrono::seconds{1}));
    if (!answer) return work.fail(ctl_unavailable, answer.error().detail);
    work.remark("Ping succeeded");
}

void print_version(Work&) { fmt::print("{}\n", BATON_VERSION); }

void show_status(Work& work) {
    const auto overview = work.get("/api/overview");
    if (!overview) return;
    if (work.arguments().option("formatter") == "json") return print_json(*overview);
    const auto health = work.ask(work.api().get("/api/health"));
    if (!health) return;
    const auto text = [&](std::string_view key) { return member(*overview, key); };
    const auto uptime = (micros_of(SystemClock().now()) - micros_from(text("started_at"))) / 1'000'000;
    work.remark(fmt::format("Status of node {} ...", text("node")));
    fmt::print("Runtime\n\nOS PID: {}\nUptime (seconds): {}\nBaton version: {}\nAnswers clients as: {} {}\nNode name: {}\n",
               text("os_pid"), uptime, text("baton_version"), text("product_name"), text("product_version"), text("node"));
    fmt::print("\nHealth\n\n{}\n", health->is_good() ? "ok" : printable(health->reason()));
    fmt::print("\nData directory\n\nNode data directory: {}\n", text("data_folder"));
    const bool is_alarmed = text("publishers_wait") == "true";
    fmt::print("\nAlarms\n\n{}\n", is_alarmed ? "publishers wait: memory or disk is short, the server's log says which" : "(none)");
    const auto& objects = overview->at("object_totals");
    const auto& messages = overview->at("queue_totals");
    fmt::print("\nTotals\n\nConnection count: {}\nChannel count: {}\nQueue count: {}\nVirtual host count: {}\n"
               "Messages ready: {}\nMessages unacknowledged: {}\nStored bytes: {}\n",
               member(objects, "connections"), member(objects, "channels"), member(objects, "queues"),
               member(objects, "vhosts"), member(messages, "messages_ready"),
               member(messages, "messages_unacknowledged"), text("stored_bytes"));
    fmt::print("\nListeners\n\n");
    for (const auto& listener : overview->at("listeners").as_array())
        fmt::print("Interface: {}, port: {}, protocol: {}\n", member(listener, "ip_address"), member(listener, "port"),
                   member(listener, "protocol"));
}

void export_definitions(Work& work) {
    const auto& file = work.value(0);
    const auto definitions = work.get("/api/definitions");
    if (!definitions) return;
    const std::string text = pretty(*definitions) + "\n";
    if (file == "-") {
        fmt::print("{}", printable_json(text));
        return;
    }
    work.remark(fmt::format("Exporting definitions in JSON to a file at \"{}\" ...", file));
    std::ofstream out(file, std::ios::binary);
    out << text;
    out.close();
    if (!out) work.fail(ctl_data, fmt::format("cannot write the file {}", file));
}

void import_definitions(Work& work) {
    const auto file = work.arguments().values.empty() ? std::string("-") : work.value(0);
    const auto text = read_file(file);
    if (!text) return work.fail_usage("Bad argument: " + text.error().detail);
    work.remark(file == "-" ? "Importing definitions in JSON from standard input ..."
                            : fmt::format("Importing definitions in JSON from a file at \"{}\" ...", file));
    const auto answer = work.ask(work.api().post_text("/api/definitions", *text, std::chrono::seconds{120}));
    if (answer && !answer->is_good()) work.fail_as(*answer);
}

} // namespace

std::vector<Word> words_of_server() {
    return {
        {"status", "", "Displays what the server is and does", "status\nstatus --formatter json", 0, 0, {}, show_status},
        {"ping", "[--timeout <seconds>]", "Checks that the server answers", "ping --timeout 5", 0, 0, {}, ping},
        {"await_startup", "[--timeout <seconds>]", "Waits until the server works; code 75 if it does not in time",
         "await_startup --timeout 60", 0, 0, {}, await_startup},
        {"version", "", "Displays the version of this program", "version", 0, 0, {}, print_version},
        {"export_definitions", "<file_path | \"-\">",
         "Exports users, virtual hosts, permissions, policies, queues, exchanges, bindings as JSON",
         "export_definitions definitions.json\nexport_definitions -", 1, 1, {"format"}, export_definitions},
        {"import_definitions", "<file_path | \"-\">", "Imports such a file, also one of RabbitMQ",
         "import_definitions definitions.json\nimport_definitions - < definitions.json", 0, 1,
         {"format", "skip-if-unchanged"}, import_definitions},
    };
}

} // namespace baton::cli::ctl
