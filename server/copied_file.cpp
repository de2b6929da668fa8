#include "server/copied_file.hpp"

#include "base/bytes.hpp"
#include "base/crc32c.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <string_view>
#include <utility>

namespace baton::server {
namespace {

Failure copy_failed(std::string_view what, const std::string& path, int why) {
    const ErrorCode code(why, boost::system::system_category());
    return {code, fmt::format("cannot {} {}: {}", what, path, code.message())};
}

class Descriptor {
public:
    static Outcome<Descriptor> open(const std::string& path, int flags, std::string_view what) {
        const int number = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
        if (number < 0) return copy_failed(what, path, errno);
        return Descriptor(number, path);
    }
    Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)), path_(std::move(other.path_)) {}
    Descriptor& operator=(Descriptor&&) = delete;
    ~Descriptor() {
        if (number_ >= 0) ::close(number_);
    }

    Outcome<std::size_t> read(std::span<std::byte> space) const {
        while (true) {
            const auto got = ::read(number_, space.data(), space.size());
            if (got >= 0) return static_cast<std::size_t>(got);
            if (errno != EINTR) return copy_failed("read", path_, errno);
        }
    }
    Outcome<void> write(ByteView bytes) const {
        while (!bytes.empty()) {
            const auto done = ::write(number_, bytes.data(), bytes.size());
            if (done < 0 && errno == EINTR) continue;
            if (done < 0) return copy_failed("write", path_, errno);
            bytes = bytes.subspan(static_cast<std::size_t>(done));
        }
        return boost::system::in_place_value;
    }
    Outcome<void> sync() const {
        if (::fsync(number_) != 0) return copy_failed("sync", path_, errno);
        return boost::system::in_place_value;
    }

private:
    Descriptor(int number, std::string path) : number_(number), path_(std::move(path)) {}
    int number_;
    std::string path_;
};

using Space = std::array<std::byte, 256 * 1024>;

// Hands `bytes` of the file on, at most, piece by piece.
template <typename Take>
Outcome<CopiedFile> read_through(const Descriptor& file, std::uint64_t bytes, const Take& take) {
    const auto space = std::make_unique<Space>();
    CopiedFile read;
    while (read.bytes < bytes) {
        const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(space->size(), bytes - read.bytes));
        BATON_ASSIGN(const std::size_t got, file.read(std::span(*space).first(wanted)));
        if (got == 0) break;
        const ByteView piece = ByteView(*space).first(got);
        BATON_TRY(take(piece));
        read.crc = crc32c(piece, read.crc);
        read.bytes += got;
    }
    return read;
}

} // namespace

Outcome<CopiedFile> copy_file(const std::string& from, const std::string& to, std::uint64_t bytes,
                              const std::function<bool()>& is_given_up) {
    BATON_ASSIGN(const Descriptor source, Descriptor::open(from, O_RDONLY, "read"));
    BATON_ASSIGN(const Descriptor target, Descriptor::open(to, O_WRONLY | O_CREAT | O_EXCL, "make"));
    const auto keep = [&](ByteView piece) -> Outcome<void> {
        if (is_given_up())
            return Failure{make_error_code(boost::system::errc::operation_canceled), "given up before the end"};
        return target.write(piece);
    };
    BATON_ASSIGN(const CopiedFile copied, read_through(source, bytes, keep));
    if (copied.bytes != bytes)
        return Failure{make_error_code(boost::system::errc::io_error),
                       fmt::format("{} ends after {} of {} bytes", from, copied.bytes, bytes)};
    BATON_TRY(target.sync());
    return copied;
}

Outcome<CopiedFile> measure_file(const std::string& path) {
    BATON_ASSIGN(const Descriptor file, Descriptor::open(path, O_RDONLY | O_NONBLOCK, "read"));
    const auto ignore = [](ByteView) -> Outcome<void> { return boost::system::in_place_value; };
    return read_through(file, std::numeric_limits<std::uint64_t>::max(), ignore);
}

Outcome<void> write_file(const std::string& path, const std::string& text) {
    BATON_ASSIGN(const Descriptor file, Descriptor::open(path, O_WRONLY | O_CREAT | O_EXCL, "make"));
    BATON_TRY(file.write(as_bytes(text)));
    return file.sync();
}

Outcome<void> sync_folder(const std::string& path) {
    BATON_ASSIGN(const Descriptor folder, Descriptor::open(path, O_RDONLY | O_DIRECTORY, "open"));
    return folder.sync();
}

} // namespace baton::server
