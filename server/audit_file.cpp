#include "server/audit_file.hpp"

#include "base/log.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

namespace baton::server {
namespace {

// What a full disk or a kill left of a line: the next one begins a line all the same.
bool ends_within_a_line(int descriptor, off_t size) {
    char last = '\n';
    return size > 0 && ::pread(descriptor, &last, 1, size - 1) == 1 && last != '\n';
}

// All of it or, where the disk has no room for it, nothing.
bool append_whole(int descriptor, std::string line) {
    struct stat found {};
    if (::fstat(descriptor, &found) != 0) return false;
    if (ends_within_a_line(descriptor, found.st_size)) line.insert(0, 1, '\n');
    const ssize_t done = ::write(descriptor, line.data(), line.size());
    if (done == static_cast<ssize_t>(line.size())) return true;
    if (done > 0) (void)!::ftruncate(descriptor, found.st_size);
    return false;
}

} // namespace

AuditFile::~AuditFile() {
    close();
}

void AuditFile::append(const std::string& line) {
    open_where_it_is(line.size());
    const bool is_written = descriptor_ >= 0 && append_whole(descriptor_, line);
    if (!is_written) close(); // the next line tries anew
    if (!is_written) log::error("server", "cannot write the audit log", {{"file", path_}, {"line", line}});
}

// Looked for before each line, so that whoever moves the file away gets a new one.
void AuditFile::open_where_it_is(std::size_t bytes) {
    struct stat found {};
    const bool is_there = ::stat(path_.c_str(), &found) == 0;
    if (!is_there || found.st_dev != device_ || found.st_ino != inode_) close();
    if (is_there && found.st_size > 0 && static_cast<std::uint64_t>(found.st_size) + bytes > bytes_max_) {
        close();
        make_room();
    }
    if (descriptor_ >= 0) return;
    descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (descriptor_ < 0 || ::fstat(descriptor_, &found) != 0) return;
    device_ = found.st_dev;
    inode_ = found.st_ino;
}

void AuditFile::close() {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = -1;
}

// The oldest goes; what cannot be renamed is written on.
void AuditFile::make_room() const {
    const auto old = [this](unsigned number) { return fmt::format("{}.{}", path_, number); };
    for (unsigned number = old_max_; number > 1; --number)
        (void)std::rename(old(number - 1).c_str(), old(number).c_str());
    (void)std::rename(path_.c_str(), old(1).c_str());
}

} // namespace baton::server
