// Checksums and base64 for the functions sha256, uuid5, base64 and base64Decode, written here
// because this room stays pure: no OpenSSL. Not for secrets, only for fingerprints of data.
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

std::string base64_of(std::string_view data); // RFC 4648 §4, padded
// Padding may be missing. Nothing if it is no base64.
std::optional<std::string> from_base64(std::string_view text);

} // namespace baton::orchestrator::expression
