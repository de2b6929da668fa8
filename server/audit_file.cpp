#include "server/audit_file.hpp"

#include "base/log.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <optional>
#include <string_view>
#include <system_error>

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

namespace {

// Longer than any line: a request has 16 KiB of head at most.
constexpr off_t piece_bytes = 32 * 1024;

struct Place {
    unsigned number = 0;        // of the file: 0 is the one that is written
    std::optional<off_t> end{}; // nothing: the file's end
};

std::optional<Place> place_of(const std::string& from) {
    Place place;
    if (from.empty()) return place;
    const auto dash = from.find('-');
    if (dash == std::string::npos) return std::nullopt;
    const auto number = [](std::string_view text, auto& into) {
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
        return error == std::errc{} && end == text.data() + text.size();
    };
    const std::string_view text = from;
    if (!number(text.substr(0, dash), place.number)) return std::nullopt;
    if (dash + 1 == text.size()) return place;
    std::int64_t end = 0;
    if (!number(text.substr(dash + 1), end) || end < 0) return std::nullopt;
    place.end = end;
    return place;
}

std::string file_of(const std::string& path, unsigned number) {
    return number == 0 ? path : fmt::format("{}.{}", path, number);
}

} // namespace

Outcome<AuditPiece> read_audit_back(const std::string& path, unsigned old_max, const std::string& from) {
    const auto place = place_of(from);
    if (!place || place->number > old_max)
        return Failure{make_error_code(boost::system::errc::invalid_argument),
                       "'after' must be the 'next' of a page, not '" + from + "'"};
    AuditPiece piece;
    const int descriptor = ::open(file_of(path, place->number).c_str(), O_RDONLY | O_CLOEXEC);
    struct stat found {};
    if (descriptor < 0 || ::fstat(descriptor, &found) != 0) {
        if (descriptor >= 0) ::close(descriptor);
        return piece; // nobody has done anything yet, or what was older is gone
    }
    const off_t end = std::min(place->end.value_or(found.st_size), found.st_size);
    const off_t begin = std::max<off_t>(0, end - piece_bytes);
    std::string text(static_cast<std::size_t>(end - begin), '\0');
    const ssize_t got = ::pread(descriptor, text.data(), text.size(), begin);
    ::close(descriptor);
    text.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    // A line that began before this piece belongs to the next one.
    const std::size_t first = begin == 0 ? 0 : std::min(text.find('\n'), text.size() - 1) + 1;
    for (std::size_t at = first; at < text.size();) {
        const std::size_t stop = std::min(text.find('\n', at), text.size());
        if (stop > at) piece.lines.push_back(text.substr(at, stop - at));
        at = stop + 1;
    }
    std::ranges::reverse(piece.lines);
    const bool has_older = ::access(file_of(path, place->number + 1).c_str(), R_OK) == 0;
    if (begin > 0)
        piece.next = fmt::format("{}-{}", place->number, begin + static_cast<off_t>(first < text.size() ? first : 0));
    else if (place->number < old_max && has_older)
        piece.next = fmt::format("{}-", place->number + 1);
    return piece;
}

} // namespace baton::server
