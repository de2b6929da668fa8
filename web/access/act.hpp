// What somebody did over HTTP, or was not allowed to: one line of the audit log.
#pragma once

#include "base/clock.hpp"

#include <string>
#include <string_view>

namespace baton::web {

struct Act {
    std::string actor;   // the user; as given when the log-in was refused
    std::string address; // where it came from
    std::string role;    // the user's tags, comma between
    std::string action;  // "POST /api/runs/{run}/cancel"
    std::string target;  // the path, as it was asked for
    unsigned outcome = 0; // the HTTP status
    bool is_known = false; // the log-in was right; not part of the line
};

// A JSON object and a line end.
std::string audit_line(const Act& act, Time at);

} // namespace baton::web
