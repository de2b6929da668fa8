// Checksums for the functions sha256 and uuid5, written here because this room stays pure: no
// OpenSSL. Not for secrets, only for fingerprints of data.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace baton::orchestrator::expression {

std::array<std::uint8_t, 32> sha256(std::string_view data); // FIPS 180-4
std::array<std::uint8_t, 20> sha1(std::string_view data); // FIPS 180-4, only because uuid5 needs it

// RFC 9562 §5.5. `space` is "dns", "url", "oid", "x500" or a UUID; nothing if it is neither.
std::optional<std::string> uuid5(std::string_view space, std::string_view name);

} // namespace baton::orchestrator::expression
