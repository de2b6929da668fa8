// The tasks about mailboxes, aliases and forwards, wherever accounts live.
#pragma once

#include "workers/mail/accounts.hpp"

#include <memory>
#include <vector>

namespace baton::workers::mail {

std::vector<Handler> account_handlers(const Settings& settings, std::shared_ptr<const Accounts> accounts);

} // namespace baton::workers::mail
