#include "broker/machine.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <optional>
#include <sched.h>
#include <unistd.h>

namespace baton::broker {
namespace {

// The number a file begins with; nothing for "max" and for files that are not there.
template <typename Number>
std::optional<Number> number_in(const char* path) {
    std::ifstream file(path);
    Number number{};
    if (!(file >> number)) return std::nullopt;
    return number;
}

// How much time of processors the control group gives in a second.
std::optional<double> processors_of_group() {
    double quota = 0;
    double period = 0;
    // Version 2 of control groups says both in one file, version 1 in two, with -1 for no limit.
    if (std::ifstream file("/sys/fs/cgroup/cpu.max"); file >> quota >> period && period > 0)
        return quota / period;
    const auto old_quota = number_in<double>("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
    const auto old_period = number_in<double>("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
    if (!old_quota || !old_period || *old_quota <= 0 || *old_period <= 0) return std::nullopt;
    return *old_quota / *old_period;
}

} // namespace

std::uint64_t memory_limit() {
    std::uint64_t limit = std::uint64_t{1} << 30;
    const long pages = ::sysconf(_SC_PHYS_PAGES);
    const long page = ::sysconf(_SC_PAGESIZE);
    if (pages > 0 && page > 0)
        limit = static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page);
    // Version 2 of control groups, then version 1; without a limit the latter says a huge number.
    for (const char* path :
         {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"})
        if (const auto of_group = number_in<std::uint64_t>(path); of_group && *of_group != 0)
            limit = std::min(limit, *of_group);
    return limit;
}

unsigned processor_limit() {
    unsigned all = 1;
    cpu_set_t allowed;
    if (::sched_getaffinity(0, sizeof allowed, &allowed) == 0)
        all = std::max(static_cast<unsigned>(CPU_COUNT(&allowed)), 1U);
    const auto of_group = processors_of_group();
    if (!of_group || *of_group >= all) return all;
    return std::max(static_cast<unsigned>(std::floor(*of_group)), 1U);
}

} // namespace baton::broker
