// What the workers are told, from variables (docs/workers.md lists them) or from a caller that fills
// in the struct. Secrets come from variables or from files named by NAME_FILE, never from arguments.
#pragma once

#include "base/clock.hpp"
#include "base/result.hpp"
#include "workers/exec/exec.hpp"
#include "workers/http_call/http_call.hpp"
#include "workers/mail/mail.hpp"
#include "workers/redmine/redmine.hpp"
#include "workers/slack/slack.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::workers {

struct Settings {
    mail::Settings mail = {};
    redmine::Settings redmine = {};
    slack::Settings slack = {};
    exec::Settings exec = {};
    http_call::Settings http_call = {};
    std::string queue = {};                    // own queue of each task type, "eu"
    std::uint16_t prefetch = 8;
    std::size_t threads = 4;
    Duration stop_grace = std::chrono::seconds(30);
};

// The variable of that name, or nothing.
using Lookup = std::function<std::optional<std::string>(std::string_view name)>;
Lookup environment();

// Puts every variable that is set into `settings`, over what is there. The failure names the variable
// and what it should look like; all complaints at once, one a line.
Outcome<void> apply_variables(const Lookup& lookup, Settings& settings);

// Where the workers' file is (BATON_WORKER_FILE), or an empty text.
std::string workers_file(const Lookup& lookup);
// Puts what the workers' file says into `settings`: the lists "target" (of http) and "program" (of exec).
// After apply_variables().
Outcome<void> apply_file(const boost::json::value& file, Settings& settings);

// "mail", "redmine", "slack", "http", "exec"
const std::vector<std::string>& worker_names();

// Whether somebody began to configure its target, be it complete or not (keys alone may lie there unused); also true for
// a name that is no worker's.
bool is_set_up(std::string_view worker, const Settings& settings);

// The handlers of one worker, or a sentence that says which variables are missing.
Outcome<std::vector<Handler>> handlers_of(std::string_view worker, const Settings& settings);

} // namespace baton::workers
