// Whether Slack lets the worker do its work: the token, its workspace and its scopes.
// Asks; changes nothing. Blocks. See workers/check.hpp.
#pragma once

#include "workers/finding.hpp"
#include "workers/slack/slack.hpp"

namespace baton::workers::slack {

// The settings are complete.
Findings check(const Settings& settings);

} // namespace baton::workers::slack
