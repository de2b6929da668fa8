// Fingerprints of texts: of inputs and definitions, and keyed ones for task tokens.
#pragma once

#include "orchestrator/core/event.hpp"

#include <string>
#include <string_view>

namespace baton::orchestrator::core {

// 32 raw bytes, FIPS 180-4.
std::string sha256(std::string_view text);

// 32 raw bytes, RFC 2104 with SHA-256.
std::string hmac_sha256(std::string_view key, std::string_view text);

std::string to_hex(std::string_view bytes);

// The id of the run that an attempt of a step is: the same however often it is made. It sorts
// beside its parent.
std::string child_run_id(std::string_view parent, const AttemptRef& attempt);

} // namespace baton::orchestrator::core
