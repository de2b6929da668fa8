// The one executable. Names the verbs, parses the command line, turns what the verbs say into an
// exit code. Exceptions of libraries end here.
#include "cli/exit_codes.hpp"
#include "cli/output.hpp"
#include "cli/verbs.hpp"
#include "cli/version.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <exception>

namespace {

constexpr const char* footer = R"(Examples:
  baton dev                                   everything on this machine, for trying out
  baton run provision-user --set email=ada@example.org --set first_name=Ada --set last_name=Lovelace
  baton runs --status failed                  what went wrong
  baton check workflows/*.toml                mistakes in workflow files, without a server
  baton serve --config baton.toml             broker and orchestrator, for production
  baton worker mail redmine slack             the workers
  baton ctl list_queues                       the broker, in rabbitmqctl's words

Verbs that talk to a server find it by BATON_URL (http://127.0.0.1:15672), BATON_USER and
BATON_PASSWORD or BATON_PASSWORD_FILE (guest, which is only let in from this machine).

Exit codes: 0 done, 1 the run or the check failed, 2 wrong usage, 3 server out of reach; baton ctl
has rabbitmqctl's.)";

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
    add_server_verbs(app, session);
    add_run_verbs(app, session);
    add_dead_verbs(app, session);
    add_check_verbs(app, session);
    add_ctl_verb(app, session);
    app.add_subcommand("version", "Print the version")->callback([] { fmt::print("{}\n", version_line()); });

    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& done) {
        return app.exit(done);
    } catch (const CLI::ParseError& error) {
        app.exit(error);
        return exit_wrong_usage;
    } catch (const std::exception& failure) {
        complain(failure.what());
        return exit_failed;
    }
    return session.exit_code;
}
