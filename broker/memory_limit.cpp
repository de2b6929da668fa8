#include "broker/memory_limit.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <optional>
#include <string>
#include <unistd.h>

namespace baton::broker {
namespace {

// The number a file begins with; nothing for "max" and for files that are not there.
std::optional<std::uint64_t> number_in(const char* path) {
    std::FILE* file = std::fopen(path, "r");
    if (file == nullptr) return std::nullopt;
    char text[64] = {};
    const std::size_t size = std::fread(text, 1, sizeof text - 1, file);
    (void)std::fclose(file);
    std::uint64_t number = 0;
    const auto parsed = std::from_chars(text, text + size, number);
    if (parsed.ec != std::errc{}) return std::nullopt;
    return number;
}

} // namespace

std::uint64_t memory_limit() {
    std::uint64_t limit = std::uint64_t{1} << 30;
    const long pages = ::sysconf(_SC_PHYS_PAGES);
    const long page = ::sysconf(_SC_PAGESIZE);
    if (pages > 0 && page > 0)
        limit = static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page);
    // Version 2 of control groups, then version 1; without a limit the latter says a huge number.
    for (const char* path : {"/sys/fs/cgroup/memory.max",
                             "/sys/fs/cgroup/memory/memory.limit_in_bytes"})
        if (const auto of_group = number_in(path); of_group && *of_group != 0)
            limit = std::min(limit, *of_group);
    return limit;
}

} // namespace baton::broker
