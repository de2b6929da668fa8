// The verbs backup, which asks a running server, and restore, which makes a data folder for a server that
// is not running.
#include "base/clock.hpp"
#include "base/printable.hpp"
#include "cli/api.hpp"
#include "cli/output.hpp"
#include "cli/verbs.hpp"
#include "server/backup.hpp"
#include "server/server.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

namespace baton::cli {

namespace json = boost::json;

namespace {

void back_up(Session& session, const std::string& folder, bool as_json) {
    std::error_code error;
    const auto path = std::filesystem::absolute(folder, error).lexically_normal().string();
    Api api(session.environment);
    const auto done = expect(session, api.post("/api/backup", json::object{{"folder", path}}, std::chrono::hours(24)));
    if (!done) return;
    if (as_json) return print_json(*done);
    fmt::print("{}: {} bytes of messages, {} bytes of runs\n", member(*done, "folder"), member(*done, "journal_bytes"),
               member(*done, "runs_bytes"));
    for (const auto& note : done->as_object().at("notes").as_array())
        fmt::print("note: {}\n", printable(std::string(note.as_string())));
}

void restore(Session& session, const std::string& folder, const std::string& file, bool replaces) {
    auto [config, complaints] = server::load_config(file, session.environment);
    for (const auto& complaint : complaints) complain(complaint);
    if (!complaints.empty()) {
        session.exit_code = exit_wrong_usage;
        return;
    }
    // A folder for a server that does not start with this configuration is of no use.
    if (const auto checked = server::Server::check(config); !checked) {
        complain(checked.error().detail);
        session.exit_code = exit_wrong_usage;
        return;
    }
    // What this makes is for this user alone, as what the server makes.
    ::umask(0077);
    server::RestoreWish wish;
    wish.folder = folder;
    wish.data_folder = config.data;
    wish.database_url = server::database_url(config);
    wish.has_outside_broker = !config.broker_url.empty();
    wish.replaces = replaces;
    const auto done = server::restore(wish, SystemClock{}.now());
    if (!done) {
        complain(done.error().detail);
        const bool is_wish = done.error().code == make_error_code(boost::system::errc::invalid_argument);
        session.exit_code = is_wish ? exit_wrong_usage : exit_failed;
        return;
    }
    fmt::print("{} is as it was at {}: {} bytes of messages, {} bytes of runs\n", config.data, done->made_at,
               done->journal_bytes, done->runs_bytes);
    if (!done->moved_to.empty()) fmt::print("what was there is in {}\n", done->moved_to);
    for (const auto& note : done->notes) fmt::print("note: {}\n", note);
}

} // namespace

void add_backup_verbs(CLI::App& app, Session& session) {
    struct Values {
        std::string folder, config;
        bool as_json = false, replaces = false;
    };
    auto values = std::make_shared<Values>();

    auto* saving = app.add_subcommand("backup", "Copy runs and messages of the running server into a new folder");
    saving->add_option("DIR", values->folder, "A folder on the server's machine that is not there or empty")->required();
    saving->add_flag("--json", values->as_json, "Print JSON");
    saving->footer("The server works on meanwhile. Runs in PostgreSQL and messages with an outside broker are not in it; it\n"
                   "says so. Needs the tag baton-admin or administrator.\n\n"
                   "Exit codes: 0 done, 1 the server could not, 2 DIR cannot be used, 3 server out of reach\n\n"
                   "Example:\n  baton backup /var/backups/baton/$(date +%F)");
    saving->callback([&session, values] { back_up(session, values->folder, values->as_json); });

    auto* restoring = app.add_subcommand("restore", "Make the data folder of a stopped server from a backup");
    restoring->add_option("DIR", values->folder, "A folder that baton backup made")->required();
    restoring->add_option("--config", values->config, "Configuration file (default: baton.toml if it is there)");
    restoring->add_flag("--replace", values->replaces, "Move what is in the data folder aside instead of refusing");
    restoring->footer("The whole backup is checked before anything is changed. It succeeds or changes nothing; after a kill -9\n"
                      "in the middle no server starts with the folder until the same restore was done again. The data folder is that of the configuration\n"
                      "(BATON_DATA). Where the runs are in PostgreSQL, restore their dump first.\n\n"
                      "Exit codes: 0 done, 1 the backup is damaged or the disk refused, 2 something stands against it: the\n"
                      "folder is not empty, DIR is no backup, the configuration does not fit\n\n"
                      "Example:\n  BATON_DATA=/var/lib/baton baton restore /var/backups/baton/2026-11-29");
    restoring->callback([&session, values] { restore(session, values->folder, values->config, values->replaces); });
}

} // namespace baton::cli
