// The one executable. Names the verbs, parses the command line, turns what the verbs say into an
// exit code. Exceptions of libraries end here.
#include "cli/exit_codes.hpp"
#include "cli/output.hpp"
#include "cli/verbs.hpp"
#include "cli/version.hpp"
#include "orchestrator/definition/complaints.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <exception>
#include <string>
#include <vector>

namespace {

using baton::orchestrator::definition::did_you_mean;

constexpr const char* footer = R"(Examples:
  baton dev                                   everything on this machine, for trying out
  baton run provision-user --set email=ada@example.org --set first_name=Ada --set last_name=Lovelace
  baton runs --status failed                  what went wrong
  baton check workflows/*.toml                mistakes in workflow files, without a server
  baton serve --config baton.toml             broker and orchestrator, for production
  baton worker mail redmine slack             the workers
  baton ctl list_queues                       the broker, in rabbitmqctl's words

Verbs that talk to a server find it by BATON_URL (http://127.0.0.1:15672), BATON_USER and
BATON_PASSWORD or BATON_PASSWORD_FILE (guest, which is only let in from this machine). With https://
the server's certificate is checked, against BATON_CA_FILE (or --ca) or the system's authorities.

Exit codes: 0 done, 1 the run or the check failed, 2 wrong usage or configuration, 3 server out of
reach, also when a run was followed and the server stayed away for two minutes, 4 a worker whose
target is not configured at all; baton ctl has rabbitmqctl's.)";

// The words of a command line that nobody took, verbs or options as `is_option` says.
std::vector<std::string> leftovers(const CLI::App& verb, bool is_option) {
    auto words = verb.remaining();
    std::erase_if(words, [&](const std::string& word) { return word.starts_with('-') != is_option; });
    return words;
}

// What is wrong with the command line, in more words than the parser's, and what was probably meant.
std::string complaint_about(const CLI::App& app, const CLI::ParseError& error) {
    const CLI::App* verb = &app;
    while (!verb->get_subcommands().empty()) verb = verb->get_subcommands().front();
    std::string path = "baton";
    for (const CLI::App* at = &app; !at->get_subcommands().empty();) {
        at = at->get_subcommands().front();
        path += " " + at->get_name();
    }
    const bool lacks_verb = verb->get_require_subcommand_min() > 0;
    const auto words = leftovers(*verb, false);
    if (lacks_verb && words.empty()) return fmt::format("a verb is missing; {} --help lists them", path);
    std::vector<std::string> known;
    if (lacks_verb) {
        for (const auto* other : verb->get_subcommands(nullptr)) known.push_back(other->get_name());
        const auto hint = did_you_mean(words.front(), known);
        return fmt::format("there is no verb '{}'; {}", words.front(),
                           hint.empty() ? fmt::format("{} --help lists them", path) : hint);
    }
    const auto options = leftovers(*verb, true);
    if (options.empty()) return fmt::format("{}; see {} --help", error.what(), path);
    for (const auto* option : verb->get_options())
        for (const auto& name : option->get_lnames()) known.push_back("--" + name);
    const auto hint = did_you_mean(options.front(), known);
    return fmt::format("there is no option '{}'; {}", options.front(),
                       hint.empty() ? fmt::format("see {} --help", path) : hint);
}

// A script's variable that was never set gives an empty word. Where a verb would take it for "not given", or
// ask the server for nothing, it is refused; a reason may be empty, and `ctl` has rules of its own.
void refuse_empty_words(CLI::App& verb) {
    const auto refuse = [](std::string& word) {
        return word.empty() ? std::string("must not be empty") : std::string{};
    };
    for (CLI::Option* option : verb.get_options())
        if (option->get_items_expected_max() > 0 && !option->check_lname("reason")) option->check(CLI::Validator(refuse, ""));
    for (CLI::App* inner : verb.get_subcommands(nullptr))
        if (inner->get_name() != "ctl") refuse_empty_words(*inner);
}

} // namespace

int main(int argc, char** argv) {
    using namespace baton::cli;
    Session session;
    session.environment = baton::server::process_environment();
    session.program = "/proc/self/exe";

    CLI::App app("Baton: workflows over a message broker, in one executable.", "baton");
    app.require_subcommand(1);
    app.footer(footer);
    app.set_version_flag("--version", version_line());
    app.add_option_function<std::string>(
        "--ca", [&session](const std::string& file) { session.environment["BATON_CA_FILE"] = file; },
        "Before the verb: PEM file of the authority that signed the server's certificate (BATON_CA_FILE)");
    add_server_verbs(app, session);
    add_run_verbs(app, session);
    add_logs_verb(app, session);
    add_operate_verbs(app, session);
    add_schedule_verbs(app, session);
    add_workers_verb(app, session);
    add_dead_verbs(app, session);
    add_check_verbs(app, session);
    add_test_verb(app, session);
    add_backup_verbs(app, session);
    add_doctor_verb(app, session);
    add_node_verbs(app, session);
    add_ctl_verb(app, session);
    app.add_subcommand("version", "Print the version")->callback([] { fmt::print("{}\n", version_line()); });
    refuse_empty_words(app);

    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& done) {
        return app.exit(done);
    } catch (const CLI::ParseError& error) {
        complain(complaint_about(app, error));
        return exit_wrong_usage;
    } catch (const std::exception& failure) {
        complain(failure.what());
        return exit_failed;
    }
    return session.exit_code;
}
