// The version of this executable, from CMake's project().
#pragma once

#include <string>

namespace baton::cli {

inline std::string version_line() { return "baton " BATON_VERSION; }

} // namespace baton::cli
