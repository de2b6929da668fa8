// Whether the targets of http.call answer: a connection and TLS, no request.
// Asks; changes nothing. Blocks. See workers/check.hpp.
#pragma once

#include "workers/finding.hpp"
#include "workers/http_call/http_call.hpp"

namespace baton::workers::http_call {

// The settings are complete.
Findings check(const Settings& settings);

} // namespace baton::workers::http_call
