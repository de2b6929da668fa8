#include "base/named_file.hpp"

#include <fmt/format.h>

#include <array>
#include <cerrno>
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

Failure unreadable(int why) {
    const ErrorCode code(why, boost::system::generic_category());
    return {code, code.message()};
}

Failure refused(std::string why) { return {make_error_code(boost::system::errc::invalid_argument), std::move(why)}; }

std::string too_large(std::size_t bytes_max) {
    return bytes_max >= 1024 * 1024 ? fmt::format("it is larger than {} MiB", bytes_max / (1024 * 1024))
                                    : fmt::format("it is larger than {} bytes", bytes_max);
}

bool is_pipe_of_the_shell(std::string_view path) {
    return path.starts_with("/dev/fd/") || path.starts_with("/proc/self/fd/");
}

Outcome<Descriptor> open_to_read(const std::string& path, std::size_t bytes_max, bool takes_pipes) {
    // Without waiting for the other end of a FIFO.
    Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    struct stat found {};
    if (file.value() < 0 || ::fstat(file.value(), &found) != 0) {
        // A socket cannot be opened at all.
        if (errno == ENXIO) return refused("it is no regular file");
        return unreadable(errno);
    }
    if (S_ISDIR(found.st_mode)) return unreadable(EISDIR);
    if (S_ISFIFO(found.st_mode) && takes_pipes && is_pipe_of_the_shell(path)) {
        ::fcntl(file.value(), F_SETFL, ::fcntl(file.value(), F_GETFL) & ~O_NONBLOCK);
        return file;
    }
    if (!S_ISREG(found.st_mode)) return refused("it is no regular file");
    if (static_cast<std::uint64_t>(found.st_size) > bytes_max) return refused(too_large(bytes_max));
    return file;
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
        if (got < 0) return unreadable(errno);
        if (got == 0) return text;
        // A file can grow while it is read, and some in /proc have no size.
        if (text.size() + static_cast<std::size_t>(got) > bytes_max) return refused(too_large(bytes_max));
        text.append(buffer.data(), static_cast<std::size_t>(got));
    }
}

Outcome<void> check_named_file(const std::string& path, std::size_t bytes_max) {
    const auto file = open_to_read(path, bytes_max, false);
    if (!file) return file.error();
    return {};
}

} // namespace baton
