// What the workers are told, from variables (docs/workers.md lists them) or from a caller that fills
// in the struct. Secrets come from variables or from files named by NAME_FILE, never from arguments.
#pragma once

#include "base/clock.hpp"
#include "base/result.hpp"
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

// "mail", "redmine", "slack"
const std::vector<std::string>& worker_names();

// The handlers of one worker, or a sentence that says which variables are missing.
Outcome<std::vector<Handler>> handlers_of(std::string_view worker, const Settings& settings);

} // namespace baton::workers
