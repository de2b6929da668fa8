#include "broker/machine.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <optional>
#include <sched.h>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

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

// Of version 2 of control groups, then version 1, which says a huge number without a limit: at the
// root, as in a container, and of every group this process is in, as systemd makes them.
std::vector<std::string> memory_limit_files() {
    std::vector<std::string> files = {"/sys/fs/cgroup/memory.max",
                                      "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
    std::ifstream groups("/proc/self/cgroup");
    for (std::string line; std::getline(groups, line);) {
        const bool is_second = line.starts_with("0::");
        const std::size_t memory = line.find(":memory:");
        if (!is_second && memory == std::string::npos) continue;
        std::string path = line.substr(is_second ? 3 : memory + std::string_view(":memory:").size());
        for (; path.size() > 1 && path.front() == '/'; path.resize(path.rfind('/')))
            files.push_back(is_second ? "/sys/fs/cgroup" + path + "/memory.max"
                                      : "/sys/fs/cgroup/memory" + path + "/memory.limit_in_bytes");
    }
    return files;
}

} // namespace

std::uint64_t memory_limit() {
    std::uint64_t limit = std::uint64_t{1} << 30;
    const long pages = ::sysconf(_SC_PHYS_PAGES);
    const long page = ::sysconf(_SC_PAGESIZE);
    if (pages > 0 && page > 0)
        limit = static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page);
    for (const std::string& path : memory_limit_files())
        if (const auto of_group = number_in<std::uint64_t>(path.c_str());
            of_group && *of_group != 0)
            limit = std::min(limit, *of_group);
    // ulimit -v and -d.
    for (const auto resource : {RLIMIT_AS, RLIMIT_DATA})
        if (rlimit of_process{};
            ::getrlimit(resource, &of_process) == 0 && of_process.rlim_cur != RLIM_INFINITY)
            limit = std::min<std::uint64_t>(limit, of_process.rlim_cur);
    return limit;
}

std::size_t raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
    limit.rlim_cur = limit.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur == RLIM_INFINITY ? 0 : static_cast<std::size_t>(limit.rlim_cur);
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
