#include "base/named_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace baton {

namespace {

class Descriptor {
public:
    explicit Descriptor(int value) : value_(value) {}
    Descriptor(Descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
    Descriptor& operator=(Descriptor&&) = delete;
    ~Descriptor() {
        if (value_ >= 0) ::close(value_);
    }
    int value() const { return value_; }

private:
    int value_;
};

Failure unusable(int why) {
    const ErrorCode code(why, boost::system::generic_category());
    return {code, code.message()};
}

Failure refused(std::string why) {
    return {make_error_code(boost::system::errc::invalid_argument), std::move(why)};
}

std::string too_large(std::size_t bytes_max) {
    return bytes_max >= 1024 * 1024
               ? fmt::format("it is larger than {} MiB", bytes_max / (1024 * 1024))
               : fmt::format("it is larger than {} bytes", bytes_max);
}

bool is_pipe_of_the_shell(std::string_view path) {
    return path.starts_with("/dev/fd/") || path.starts_with("/proc/self/fd/");
}

Outcome<Descriptor> open_to_read(const std::string& path, std::size_t bytes_max, bool takes_pipes) {
    // Without waiting for the other end of a FIFO.
    Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    struct stat found{};
    if (file.value() < 0 || ::fstat(file.value(), &found) != 0) {
        // A socket cannot be opened at all.
        if (errno == ENXIO) return refused("it is no regular file");
        return unusable(errno);
    }
    if (S_ISDIR(found.st_mode)) return unusable(EISDIR);
    if (S_ISFIFO(found.st_mode) && takes_pipes && is_pipe_of_the_shell(path)) {
        ::fcntl(file.value(), F_SETFL, ::fcntl(file.value(), F_GETFL) & ~O_NONBLOCK);
        return file;
    }
    if (!S_ISREG(found.st_mode)) return refused("it is no regular file");
    if (static_cast<std::uint64_t>(found.st_size) > bytes_max) return refused(too_large(bytes_max));
    return file;
}

Outcome<void> write_all(const Descriptor& file, std::string_view content) {
    while (!content.empty()) {
        const ssize_t done = ::write(file.value(), content.data(), content.size());
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return unusable(errno);
        content.remove_prefix(static_cast<std::size_t>(done));
    }
    if (::fsync(file.value()) != 0) return unusable(errno);
    return {};
}

// The name is as durable as the bytes only after this.
Outcome<void> sync_folder_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    const std::string folder =
        slash == std::string::npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1));
    const Descriptor opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (opened.value() < 0 || ::fsync(opened.value()) != 0) return unusable(errno);
    return {};
}

} // namespace

Outcome<std::string> read_named_file(const std::string& path, std::size_t bytes_max) {
    auto file = open_to_read(path, bytes_max, true);
    if (!file) return std::move(file).error();
    std::string text;
    std::array<char, 65536> buffer{};
    while (true) {
        const ssize_t got = ::read(file->value(), buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return unusable(errno);
        if (got == 0) return text;
        // A file can grow while it is read, and some in /proc have no size.
        if (text.size() + static_cast<std::size_t>(got) > bytes_max)
            return refused(too_large(bytes_max));
        text.append(buffer.data(), static_cast<std::size_t>(got));
    }
}

Outcome<void> check_named_file(const std::string& path, std::size_t bytes_max) {
    const auto file = open_to_read(path, bytes_max, false);
    if (!file) return file.error();
    return {};
}

Outcome<void> replace_file(const std::string& path, std::string_view content) {
    const std::string half = path + ".half";
    {
        const Descriptor file(
            ::open(half.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (file.value() < 0) return unusable(errno);
        BATON_TRY(write_all(file, content));
    }
    if (std::rename(half.c_str(), path.c_str()) != 0) return unusable(errno);
    return sync_folder_of(path);
}

} // namespace baton
