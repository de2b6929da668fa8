// Text between tags and in attributes of XML.
#pragma once

#include <string>
#include <string_view>

namespace baton {

// Control characters that XML does not know become '?'.
std::string xml_text(std::string_view text);

} // namespace baton
