// Whether the mail database or mailcow and the mail server let the worker do its work, and its folders are there.
// Asks; changes nothing. Blocks. See workers/check.hpp.
#pragma once

#include "workers/finding.hpp"
#include "workers/mail/mail.hpp"

namespace baton::workers::mail {

// The settings are complete.
Findings check(const Settings& settings);

} // namespace baton::workers::mail
