// Looks whether a worker has all it needs, before it is started: settings, credentials and rights, at the
// broker and at its target. Asks and tries; changes nothing anywhere and sends nothing. Blocks.
#pragma once

#include "workers/finding.hpp"
#include "workers/handler.hpp"
#include "workers/settings.hpp"

#include <string>
#include <vector>

namespace baton::workers {

// All of one worker ("mail"): its settings, its target, then the broker. Settings that are missing are
// one finding, and nothing more is tried at the target.
Findings check_worker(const std::string& name, const Settings& settings, const std::string& broker_url);

// What the worker does at the broker when it runs, tried with queues of our own that go with the
// connection. Task queues are asked about, never consumed from.
Findings check_broker(const std::string& name, const std::string& broker_url, const std::vector<Handler>& handlers,
                      const std::string& queue);

} // namespace baton::workers
