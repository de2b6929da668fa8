#include "server/audit_file.hpp"

#include "base/log.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

namespace baton::server {

// Opened anew for each line, so that whoever moves the file away gets a new one.
void AuditFile::append(const std::string& line) {
    struct stat found {};
    const bool is_there = ::stat(path_.c_str(), &found) == 0 && found.st_size > 0;
    if (is_there && static_cast<std::uint64_t>(found.st_size) + line.size() > bytes_max_) make_room();
    const int descriptor = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const bool is_written = descriptor >= 0 && ::write(descriptor, line.data(), line.size()) ==
                                                   static_cast<ssize_t>(line.size());
    if (descriptor >= 0) ::close(descriptor);
    if (!is_written) log::error("server", "cannot write the audit log", {{"file", path_}, {"line", line}});
}

// The oldest goes; what cannot be renamed is written on.
void AuditFile::make_room() const {
    const auto old = [this](unsigned number) { return fmt::format("{}.{}", path_, number); };
    for (unsigned number = old_max_; number > 1; --number)
        (void)std::rename(old(number - 1).c_str(), old(number).c_str());
    (void)std::rename(path_.c_str(), old(1).c_str());
}

} // namespace baton::server
