// What `baton worker NAME…` does: one Worker per name, each with its own connection and threads, until
// the token is stopped.
#pragma once

#include "workers/settings.hpp"

#include <stop_token>
#include <string>
#include <vector>

namespace baton::workers {

// Blocks. Fails at once, before anything is connected, if a name is unknown, a setting is missing or
// the URL makes no sense; never because the broker is away: then it waits for it.
Outcome<void> run_workers(const std::vector<std::string>& names, const Settings& settings,
                          const std::string& broker_url, std::stop_token stop);

} // namespace baton::workers
