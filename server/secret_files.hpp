// Secrets for workflows: files of a folder, systemd credentials, and variables of the environment, in this order.
// They are read whenever they are needed, so that a new value counts at once.
#pragma once

#include "orchestrator/messaging/secrets.hpp"

#include <string>

namespace baton::server {

// `folder`: orchestrator.secrets; empty: none. Credentials are in $CREDENTIALS_DIRECTORY; the variable of hr_token is
// BATON_SECRET_HR_TOKEN.
orchestrator::messaging::SecretSource secret_files(const std::string& folder);

} // namespace baton::server
