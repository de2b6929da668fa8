// Base64 after RFC 4648 §4.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace baton {

std::string base64_of(std::string_view data); // padded
// Padding may be missing. Nothing if it is no base64.
std::optional<std::string> from_base64(std::string_view text);

} // namespace baton
