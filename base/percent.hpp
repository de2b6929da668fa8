// Percent-encoding for paths and queries of URLs (RFC 3986, section 2.1).
#pragma once

#include <string>
#include <string_view>

namespace baton {

// Every byte but unreserved letters (section 2.3), so that it may stand in any part of a URL.
std::string percent_encoded(std::string_view text);

} // namespace baton
