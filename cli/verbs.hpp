// The verbs of `baton`, in groups. Each function adds its subcommands to `app`; a subcommand's
// callback sets `session.exit_code`.
#pragma once

#include "cli/exit_codes.hpp"
#include "server/config.hpp"

#include <CLI/App.hpp>

#include <string>

namespace baton::cli {

struct Session {
    server::Environment environment;
    std::string program; // how this very executable is started again
    int exit_code = exit_done;
};

void add_server_verbs(CLI::App& app, Session& session); // dev, serve, worker, sandbox, await
void add_backup_verbs(CLI::App& app, Session& session); // backup, restore
void add_node_verbs(CLI::App& app, Session& session);   // nodes, drain
void add_check_verbs(CLI::App& app, Session& session);  // check, eval, graph
void add_doctor_verb(CLI::App& app, Session& session);  // doctor
void add_test_verb(CLI::App& app, Session& session);    // test
void add_run_verbs(CLI::App& app, Session& session);    // deploy, undeploy, run, runs, show, why, call
void add_logs_verb(CLI::App& app, Session& session);    // logs
void add_operate_verbs(CLI::App& app, Session& session); // cancel, terminate, pause, resume, retry, skip, rerun, ...
void add_schedule_verbs(CLI::App& app, Session& session); // schedules
void add_workers_verb(CLI::App& app, Session& session); // workers
void add_dead_verbs(CLI::App& app, Session& session);   // dead list, show, redrive, drop
void add_ctl_verb(CLI::App& app, Session& session);     // ctl, with the words of rabbitmqctl

} // namespace baton::cli
