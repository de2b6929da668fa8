// The verbs that start something: dev, serve, worker, sandbox; and await, which waits for a server.
#include "base/log.hpp"
#include "base/named_file.hpp"
#include "base/printable.hpp"
#include "base/thread.hpp"
#include "cli/api.hpp"
#include "cli/children.hpp"
#include "cli/input.hpp"
#include "cli/output.hpp"
#include "cli/sandbox_view.hpp"
#include "cli/terminal.hpp"
#include "cli/variables.hpp"
#include "cli/verbs.hpp"
#include "orchestrator/definition/toml_document.hpp"
#include "sandbox/sandbox.hpp"
#include "server/server.hpp"
#include "workers/check.hpp"
#include "workers/run_workers.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <thread>

namespace baton::cli {

namespace json = boost::json;

namespace {

// SIGINT and SIGTERM are blocked before any other thread starts and taken by the one that waits, so
// what follows them is ordinary code. Lives in main's thread.
class Signals {
public:
    Signals() {
        sigemptyset(&set_);
        sigaddset(&set_, SIGINT);
        sigaddset(&set_, SIGTERM);
        pthread_sigmask(SIG_BLOCK, &set_, nullptr);
        std::signal(SIGPIPE, SIG_IGN);
    }
    Signals(const Signals&) = delete;
    Signals& operator=(const Signals&) = delete;

    // Until a signal comes. Then they work as usual again: a second one ends the process at once.
    void wait() const {
        int received = 0;
        while (sigwait(&set_, &received) != 0) {
        }
        pthread_sigmask(SIG_UNBLOCK, &set_, nullptr);
    }
    // Whether one has come that nobody took yet.
    bool received() const {
        sigset_t pending;
        return sigpending(&pending) == 0 && (sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1);
    }

private:
    sigset_t set_{};
};

// Nothing after having printed every complaint.
std::optional<server::Config> configuration(Session& session, const std::string& file) {
    auto [config, complaints] = server::load_config(file, session.environment);
    for (const auto& complaint : complaints) fmt::print(stderr, "{}\n", complaint);
    if (!complaints.empty()) {
        session.exit_code = exit_wrong_usage;
        return std::nullopt;
    }
    log::set_level(config.log_level);
    log::set_format(config.log_format);
    for (const auto& [name, hint] : unknown_variables(session.environment)) {
        log::warning("config", "nobody reads this variable", {{"variable", name}, {"hint", hint}});
        // The workers that `dev` starts need not say it again. No other thread runs yet.
        unsetenv(name.c_str());
    }
    return config;
}

// The log of programs that have no configuration but variables. False after having printed a complaint.
bool set_log(Session& session) {
    server::Environment variables;
    for (const auto& [name, value] : session.environment)
        if (name.starts_with("BATON_LOG_")) variables.emplace(name, value);
    const auto [config, complaints] = server::read_config("", "", variables);
    for (const auto& complaint : complaints) fmt::print(stderr, "{}\n", complaint);
    log::set_level(config.log_level);
    log::set_format(config.log_format);
    if (!complaints.empty()) session.exit_code = exit_wrong_usage;
    return complaints.empty();
}

bool fail(Session& session, const Failure& failure) {
    complain(failure.detail);
    const bool is_configuration = failure.code == make_error_code(boost::system::errc::invalid_argument);
    session.exit_code = is_configuration ? exit_wrong_usage : exit_failed;
    return false;
}

// A thread that no signal reaches must not find what it uses taken down.
void end_at_once_beside_a_hanging_thread(const server::Server& server) {
    if (server.left_a_thread_behind()) std::_Exit(EXIT_SUCCESS);
}

// ---- serve --------------------------------------------------------------------------------------

void serve(Session& session, const std::string& file, const std::string& role) {
    if (!role.empty()) session.environment["BATON_ROLE"] = role;
    const auto config = configuration(session, file);
    if (!config) return;
    Signals signals;
    auto server = server::Server::start(*config, false, [&signals] { return signals.received(); });
    if (!server) {
        fail(session, server.error());
        return;
    }
    signals.wait();
    log::info("server", "stopping");
    (*server)->stop();
    end_at_once_beside_a_hanging_thread(**server);
}

// ---- sandbox ------------------------------------------------------------------------------------

Outcome<sandbox::Sandbox> start_sandbox(const Session& session, const std::string& state_file,
                                        const std::string& certificate_file) {
    sandbox::Options options;
    options.http_port = 15680;
    options.smtp_port = 0;
    if (const auto found = session.environment.find("BATON_SANDBOX_LISTEN"); found != session.environment.end()) {
        const auto address = server::parse_address(found->second);
        if (!address)
            return Failure{make_error_code(boost::system::errc::invalid_argument),
                           "the variable BATON_SANDBOX_LISTEN must be host:port, for example \"127.0.0.1:15680\""};
        options.address = address->host;
        options.http_port = address->port;
    }
    options.state_file = state_file;
    options.certificate_file = certificate_file;
    options.is_furnished = true;
    return sandbox::Sandbox::start(options);
}

void serve_sandbox(Session& session, const std::string& state_file) {
    Signals signals;
    auto sandbox = start_sandbox(session, state_file, "");
    if (!sandbox) {
        fail(session, sandbox.error());
        return;
    }
    log::info("sandbox", "stands in for mail, Redmine and Slack", {{"http", sandbox->url()}, {"smtp", sandbox->smtp_url()}});
    signals.wait();
    sandbox->stop();
}

// ---- dev ----------------------------------------------------------------------------------------

// The variables that point the workers at the sandbox, for each target that is not configured.
std::map<std::string, std::string> worker_variables(const Session& session, const sandbox::Sandbox& sandbox,
                                                    const std::string& broker_url, const std::string& certificate) {
    std::map<std::string, std::string> variables{{"BATON_BROKER_URL", broker_url}};
    const auto is_set = [&](const char* name) { return session.environment.contains(name); };
    const auto& options = sandbox.options();
    if (!is_set("BATON_MAILCOW_URL") && !is_set("BATON_MAIL_DB_URL")) {
        variables["BATON_MAILCOW_URL"] = sandbox.mailcow_url();
        variables["BATON_MAILCOW_KEY"] = options.mailcow_key;
    }
    if (!is_set("BATON_SMTP_URL")) {
        variables["BATON_SMTP_URL"] = sandbox.smtp_url();
        variables["BATON_SMTP_USER"] = options.smtp_user;
        variables["BATON_SMTP_PASSWORD"] = options.smtp_password;
        variables["BATON_SMTP_CA_FILE"] = certificate;
    }
    if (!is_set("BATON_REDMINE_URL")) {
        variables["BATON_REDMINE_URL"] = sandbox.redmine_url();
        variables["BATON_REDMINE_KEY"] = options.redmine_key;
    }
    if (!is_set("BATON_SLACK_URL") && !is_set("BATON_SLACK_TOKEN") && !is_set("BATON_SLACK_TOKEN_FILE")) {
        variables["BATON_SLACK_URL"] = sandbox.slack_url();
        variables["BATON_SLACK_TOKEN"] = options.slack_token;
        variables["BATON_SLACK_TEAM"] = options.slack_team;
    }
    return variables;
}

void dev(Session& session, const std::string& file, const std::string& folder) {
    auto config = configuration(session, file);
    if (!config) return;
    if (!folder.empty() || config->workflows.empty()) config->workflows = folder.empty() ? "workflows" : folder;
    // Devices and browsers, too, unless the configuration says where, or somebody else has the ports.
    if (config->mqtt_listen.empty() && config->mqtt_websocket_listen.empty() && config->websocket_listen.empty()) {
        config->mqtt_listen = {{"127.0.0.1", 1883}};
        config->mqtt_websocket_listen = {{"127.0.0.1", 15675}};
        config->websocket_listen = {{"127.0.0.1", 15678}};
        config->further_must_listen = false;
    }
    Signals signals;
    std::error_code error;
    std::filesystem::create_directories(config->data, error);
    const auto certificate = config->data + "/sandbox-certificate.pem";
    auto sandbox = start_sandbox(session, config->data + "/sandbox.jsonl", certificate);
    if (!sandbox) {
        fail(session, sandbox.error());
        return;
    }
    auto server = server::Server::start(*config, true, [&signals] { return signals.received(); });
    if (!server) {
        fail(session, server.error());
        return;
    }
    Children workers;
    workers.start("workers", {"worker", "mail", "redmine", "slack"},
                  worker_variables(session, *sandbox, (*server)->local_broker_url(), certificate));
    log::info("dev", "the sandbox stands in for mail, Redmine and Slack where nothing else is configured",
              {{"http", sandbox->url()}, {"smtp", sandbox->smtp_url()}});
    log::info("dev", "everything runs; Ctrl-C ends it", {{"workflows", config->workflows}, {"data", config->data}});
    signals.wait();
    log::info("dev", "stopping");
    workers.stop();
    (*server)->stop();
    sandbox->stop();
    end_at_once_beside_a_hanging_thread(**server);
}

// ---- worker -------------------------------------------------------------------------------------

// What the workers http and exec may do stands in a file, for lists of tables make poor variables.
Outcome<void> apply_workers_file(const std::string& path, workers::Settings& settings) {
    if (path.empty()) return boost::system::in_place_value;
    const auto invalid = [&path](const std::string& detail) {
        return Failure{make_error_code(boost::system::errc::invalid_argument),
                       fmt::format("BATON_WORKER_FILE {}: {}", path, detail)};
    };
    const auto source = read_named_file(path, settings_file_bytes_max);
    if (!source) return invalid(source.error().detail);
    const auto document = orchestrator::definition::parse_toml(*source, path);
    if (!document.diagnostics.empty()) return invalid(orchestrator::definition::render(document.diagnostics, *source));
    const auto applied = workers::apply_file(orchestrator::definition::to_json(document.root), settings);
    if (!applied) return invalid(applied.error().detail);
    return boost::system::in_place_value;
}

std::string broker_url_of(const Session& session, const std::string& configured) {
    if (!configured.empty()) return configured;
    const auto found = session.environment.find("BATON_AMQP");
    return found == session.environment.end() ? "amqp://guest:guest@127.0.0.1:5672/" : found->second;
}

Outcome<workers::Settings> workers_settings() {
    workers::Settings settings;
    BATON_TRY(workers::apply_variables(workers::environment(), settings));
    BATON_TRY(apply_workers_file(workers::workers_file(workers::environment()), settings));
    return settings;
}

void work(Session& session, const std::vector<std::string>& names) {
    // Only what a worker needs of the configuration: where the broker is, and how much to log.
    const auto config = configuration(session, "");
    if (!config) return;
    const std::string url = broker_url_of(session, config->broker_url);
    const auto settings = workers_settings();
    if (!settings) {
        complain(settings.error().detail);
        session.exit_code = exit_wrong_usage;
        return;
    }
    const auto is_set_up = [&](const std::string& name) { return workers::is_set_up(name, *settings); };
    if (!names.empty() && std::none_of(names.begin(), names.end(), is_set_up)) {
        for (const std::string& name : names)
            if (const auto handlers = workers::handlers_of(name, *settings); !handlers) complain(handlers.error().detail);
        session.exit_code = exit_not_set_up;
        return;
    }
    Signals signals;
    std::stop_source stopping;
    // The workers run on a thread of their own while this one waits for signals. When they end by
    // themselves, a signal of our own ends the wait.
    Outcome<void> done = boost::system::in_place_value;
    Thread running("workers", [&] {
        done = workers::run_workers(names, *settings, url, stopping.get_token());
        if (!stopping.stop_requested()) kill(getpid(), SIGTERM);
    });
    signals.wait();
    stopping.request_stop();
    running.join();
    if (done) return;
    complain(done.error().detail);
    session.exit_code = exit_wrong_usage;
}

// One line a finding; the advice on the next.
void print_findings(const std::string& worker, const workers::Findings& findings) {
    for (const workers::Finding& one : findings) {
        const std::string mark = one.is_well ? paint(Colour::green, "ok     ") : paint(Colour::red, "MISSING");
        fmt::print("{:<8} {} {}: {}\n", worker, mark, printable(one.what), printable(one.detail));
        if (!one.advice.empty()) fmt::print("{:<8}         → {}\n", "", printable(one.advice));
    }
}

json::array as_json(const std::string& worker, const workers::Findings& findings) {
    json::array out;
    for (const workers::Finding& one : findings)
        out.push_back(json::object{{"worker", worker}, {"what", one.what}, {"ok", one.is_well}, {"detail", one.detail}, {"advice", one.advice}});
    return out;
}

// Exit code: all is well, something is missing, or the command itself makes no sense.
void check_workers(Session& session, const std::vector<std::string>& names, bool wants_json) {
    for (const std::string& name : names) {
        const auto& known = workers::worker_names();
        if (std::find(known.begin(), known.end(), name) != known.end()) continue;
        complain(fmt::format("there is no worker '{}'; known are {}", name, fmt::join(known, ", ")));
        session.exit_code = exit_wrong_usage;
        return;
    }
    const auto config = configuration(session, "");
    if (!config) return;
    std::signal(SIGPIPE, SIG_IGN);
    // What goes wrong is said by the findings.
    log::set_level(log::Level::off);
    const std::string url = broker_url_of(session, config->broker_url);
    const auto settings = workers_settings();
    json::array all;
    for (const std::string& name : names) {
        const workers::Findings findings =
            settings ? workers::check_worker(name, *settings, url)
                     : workers::Findings{workers::missing("settings", settings.error().detail, "docs/workers.md lists all variables")};
        const bool is_well = std::all_of(findings.begin(), findings.end(), [](const workers::Finding& one) { return one.is_well; });
        if (!is_well) session.exit_code = exit_failed;
        if (!wants_json) print_findings(name, findings);
        for (auto& one : as_json(name, findings)) all.push_back(std::move(one));
    }
    if (wants_json) print_json(all);
}

// ---- await --------------------------------------------------------------------------------------

void await_server(Session& session, const std::string& limit_text) {
    const auto limit = parse_limit(limit_text);
    if (!limit) {
        complain("--timeout must be a duration up to 1h such as 30s");
        session.exit_code = exit_wrong_usage;
        return;
    }
    const auto until = std::chrono::steady_clock::now() + *limit;
    Api api(session.environment);
    for (;;) {
        const auto answer = api.get("/api/health", std::chrono::seconds(2));
        if (answer && answer->is_good()) return;
        if (!answer && exit_code_for(answer.error()) == exit_wrong_usage) {
            complain(answer.error().detail);
            session.exit_code = exit_wrong_usage;
            return;
        }
        if (std::chrono::steady_clock::now() > until) {
            complain(answer ? answer->reason() : answer.error().detail);
            session.exit_code = exit_unreachable;
            return;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
}

} // namespace

void add_server_verbs(CLI::App& app, Session& session) {
    struct Values {
        std::string config, role, folder, state_file, fault, heal, limit = "30s";
        std::vector<std::string> names;
        unsigned free_ports = 0;
        bool show = false, as_json = false, check = false;
    };
    auto values = std::make_shared<Values>();

    auto* developing = app.add_subcommand("dev", "Run everything on this machine: broker, orchestrator, workers, sandbox");
    developing->add_option("DIR", values->folder, "Folder of workflow files, loaded and watched (default: workflows)");
    developing->add_option("--config", values->config, "Configuration file (default: baton.toml if it is there)");
    developing->footer("Example:\n  baton dev workflows\n  baton run provision-user --set email=ada@example.org --set first_name=Ada --set last_name=Lovelace");
    developing->callback([&session, values] { dev(session, values->config, values->folder); });

    auto* serving = app.add_subcommand("serve", "Run broker and orchestrator");
    serving->add_option("--config", values->config, "Configuration file (default: baton.toml if it is there)");
    serving->add_option("--role", values->role, "all (the default), orchestrator (needs BATON_BROKER_URL) or broker");
    serving->footer("docs/operating.md lists every key and variable.\n\nExamples:\n  baton serve\n"
                    "  BATON_DB_URL_FILE=/run/secrets/db BATON_BROKER_LISTEN=0.0.0.0:5672 baton serve --config /etc/baton.toml");
    serving->callback([&session, values] { serve(session, values->config, values->role); });

    auto* working = app.add_subcommand("worker", "Run workers: mail, redmine, slack, http, exec");
    working->add_option("NAME", values->names, "mail, redmine, slack, http, exec")->required();
    working->add_flag("--check", values->check, "Try settings, credentials and rights, say what is missing, and end");
    working->add_flag("--json", values->as_json, "With --check: print JSON for scripts")->needs("--check");
    working->footer("Settings are variables, see docs/workers.md; the broker is BATON_BROKER_URL. --check changes nothing\n"
                    "anywhere; exit code 0: all is well, 1: something is missing.\n\nExamples:\n  baton worker mail redmine --check\n"
                    "  BATON_REDMINE_URL=https://redmine.example.org BATON_REDMINE_KEY_FILE=/run/secrets/redmine baton worker redmine\n"
                    "  BATON_WORKER_FILE=/etc/baton/workers.toml baton worker http exec");
    working->callback([&session, values] {
        if (!set_log(session)) return;
        values->check ? check_workers(session, values->names, values->as_json) : work(session, values->names);
    });

    auto* standing_in = app.add_subcommand("sandbox", "A stand-in for mail, Redmine and Slack on this machine");
    standing_in->add_option("--state", values->state_file, "Keep what it holds in this file");
    standing_in->add_flag("--show", values->show, "Show what a running sandbox holds");
    standing_in->add_flag("--json", values->as_json, "With --show: everything as JSON");
    standing_in->add_option("--fault", values->fault, "Make a call of a running sandbox fail: CALL=ERROR");
    standing_in->add_option("--heal", values->heal, "Make a call work again");
    standing_in->add_option("--free-ports", values->free_ports, "Print so many free ports, for scripts");
    standing_in->footer("It listens on BATON_SANDBOX_LISTEN (127.0.0.1:15680). It is no real system: it sends nothing anywhere.\n\n"
                        "Which errors are for good and which are worth another try is as with the real system: user_disabled makes Slack refuse,\n"
                        "fatal_error is passing trouble.\n\n"
                        "Examples:\n  baton sandbox\n  baton sandbox --show\n  baton sandbox --fault slack.invite=user_disabled\n  baton sandbox --heal slack.invite");
    standing_in->callback([&session, values] {
        if (values->free_ports > 0) return print_free_ports(session, values->free_ports);
        if (values->show) return show_sandbox(session, values->as_json);
        if (!values->fault.empty() || !values->heal.empty()) return set_sandbox_fault(session, values->fault, values->heal);
        if (set_log(session)) serve_sandbox(session, values->state_file);
    });

    auto* awaiting = app.add_subcommand("await", "Wait until the server works");
    awaiting->add_option("--timeout", values->limit, "How long, for example 30s")->capture_default_str();
    awaiting->footer("Example:\n  baton await --timeout 30s && baton deploy workflows/*.toml");
    awaiting->callback([&session, values] { await_server(session, values->limit); });
}

} // namespace baton::cli
