// Files whose names people give: configuration, secrets, certificates, definitions, inputs. What
// would be waited for (a FIFO without a writer) or has no end (a device) is refused instead.
#pragma once

#include "base/result.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace baton {

// Far above what such files hold; what is larger was named by mistake.
inline constexpr std::size_t named_file_bytes_max = 64 * 1024 * 1024;
inline constexpr std::size_t settings_file_bytes_max = 1024 * 1024;

// The failure's detail is the reason alone, without the name. A pipe of the shell (/dev/fd/N) is
// taken: it is there already and ends with its writer.
Outcome<std::string> read_named_file(const std::string& path,
                                     std::size_t bytes_max = named_file_bytes_max);

// The same for what a library will read by its name, perhaps more than once: so no pipe.
Outcome<void> check_named_file(const std::string& path,
                               std::size_t bytes_max = settings_file_bytes_max);

// The file has this content from now on, also after a loss of power, or is as it was; only its
// owner reads it. What was written first stands in PATH.half until then. The failure's detail is
// the reason alone.
Outcome<void> replace_file(const std::string& path, std::string_view content);

} // namespace baton
