// Copies of files that are there when this returns: written, synced, with their checksum. For backups.
#pragma once

#include "base/result.hpp"

#include <cstdint>
#include <functional>
#include <string>

namespace baton::server {

struct CopiedFile {
    std::uint64_t bytes = 0;
    std::uint32_t crc = 0; // CRC-32C
};

// The first `bytes` of `from` as the new file `to`. Fewer in `from` is a failure. Gives up soon after
// `is_given_up` says so.
Outcome<CopiedFile> copy_file(const std::string& from, const std::string& to, std::uint64_t bytes,
                              const std::function<bool()>& is_given_up);
// Reads all of it.
Outcome<CopiedFile> measure_file(const std::string& path);
// A new file with this text.
Outcome<void> write_file(const std::string& path, const std::string& text);
// The names in a folder survive loss of power.
Outcome<void> sync_folder(const std::string& path);

} // namespace baton::server
