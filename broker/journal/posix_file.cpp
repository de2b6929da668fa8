#include "broker/journal/posix_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace baton::broker::journal {
namespace {

Failure system_failure(std::string_view what, const std::string& path, int error) {
    // For want of a descriptor nothing is broken either: there may be one in a moment.
    const bool full = error == ENOSPC || error == EDQUOT || error == EMFILE || error == ENFILE;
    return failure(full ? Errc::disk_full : Errc::io,
                   fmt::format("cannot {} {}: {}", what, path, std::strerror(error)));
}

class PosixFile final : public File {
public:
    PosixFile(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
    PosixFile(const PosixFile&) = delete;
    PosixFile& operator=(const PosixFile&) = delete;
    ~PosixFile() override { ::close(descriptor_); }

    Outcome<std::uint64_t> size() override {
        struct stat info{};
        if (::fstat(descriptor_, &info) != 0) return system_failure("examine", path_, errno);
        return static_cast<std::uint64_t>(info.st_size);
    }

    Outcome<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) override {
        std::size_t done = 0;
        while (done < out.size()) {
            const ssize_t got = ::pread(descriptor_, out.data() + done, out.size() - done,
                                        static_cast<off_t>(offset + done));
            if (got < 0) {
                if (errno == EINTR) continue;
                return system_failure("read", path_, errno);
            }
            if (got == 0) break;
            done += static_cast<std::size_t>(got);
        }
        return done;
    }

    Outcome<void> write_at(std::uint64_t offset, std::span<const ByteView> pieces) override {
        std::size_t skip = 0; // bytes of pieces[0] that are written already
        while (!pieces.empty()) {
            std::array<iovec, 512> parts{};
            std::size_t count = 0;
            for (; count < std::min(parts.size(), pieces.size()); ++count) {
                const ByteView piece = count == 0 ? pieces[0].subspan(skip) : pieces[count];
                parts[count] = {const_cast<std::byte*>(piece.data()), piece.size()};
            }
            const ssize_t wrote = ::pwritev(descriptor_, parts.data(), static_cast<int>(count),
                                            static_cast<off_t>(offset));
            if (wrote < 0) {
                if (errno == EINTR) continue;
                return system_failure("write", path_, errno);
            }
            offset += static_cast<std::uint64_t>(wrote);
            skip += static_cast<std::size_t>(wrote);
            while (!pieces.empty() && skip >= pieces.front().size()) {
                skip -= pieces.front().size();
                pieces = pieces.subspan(1);
            }
        }
        return {};
    }

    // fallocate finds the place; the zeros make the blocks "written", so that a later fdatasync of
    // data inside has no block map to change and costs about half.
    Outcome<void> reserve(std::uint64_t size) override {
        const int error = ::posix_fallocate(descriptor_, 0, static_cast<off_t>(size));
        if (error != 0) return system_failure("reserve space for", path_, error);
        static constexpr std::array<std::byte, 256 * 1024> zeros{};
        for (std::uint64_t offset = 0; offset < size;) {
            const auto part = std::min<std::uint64_t>(zeros.size(), size - offset);
            const ByteView piece(zeros.data(), static_cast<std::size_t>(part));
            BATON_TRY(write_at(offset, {&piece, 1}));
            offset += part;
        }
        return {};
    }

    Outcome<void> truncate(std::uint64_t size) override {
        if (::ftruncate(descriptor_, static_cast<off_t>(size)) != 0)
            return system_failure("shorten", path_, errno);
        return {};
    }

    Outcome<void> sync() override {
        if (::fdatasync(descriptor_) != 0) return system_failure("sync", path_, errno);
        return {};
    }

private:
    int descriptor_;
    std::string path_;
};

class PosixDirectory final : public Directory {
public:
    PosixDirectory(int descriptor, std::string path)
        : descriptor_(descriptor), path_(std::move(path)), spare_(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0)) {}
    PosixDirectory(const PosixDirectory&) = delete;
    PosixDirectory& operator=(const PosixDirectory&) = delete;
    ~PosixDirectory() override {
        ::close(descriptor_);
        if (const int spare = spare_.load(); spare >= 0) ::close(spare);
    }

    Outcome<std::vector<std::string>> list() override {
        std::error_code error;
        std::vector<std::string> names;
        for (auto at = std::filesystem::directory_iterator(path_, error);
             !error && at != std::filesystem::directory_iterator(); at.increment(error))
            names.push_back(at->path().filename().string());
        if (error) return system_failure("list", path_, error.value());
        return names;
    }

    Outcome<std::unique_ptr<File>> open(const std::string& name) override {
        return open_with(name, O_RDWR, "open");
    }

    Outcome<std::unique_ptr<File>> create(const std::string& name) override {
        return open_with(name, O_RDWR | O_CREAT | O_EXCL, "create");
    }

    Outcome<void> rename(const std::string& from, const std::string& to) override {
        if (::renameat(descriptor_, from.c_str(), descriptor_, to.c_str()) != 0)
            return system_failure("rename", path_of(from), errno);
        return {};
    }

    Outcome<void> remove(const std::string& name) override {
        if (::unlinkat(descriptor_, name.c_str(), 0) != 0)
            return system_failure("remove", path_of(name), errno);
        return {};
    }

    Outcome<void> sync() override {
        if (::fsync(descriptor_) != 0) return system_failure("sync", path_, errno);
        return {};
    }

    std::string path_of(const std::string& name) const override { return path_ + "/" + name; }

private:
    Outcome<std::unique_ptr<File>> open_with(const std::string& name, int flags,
                                             std::string_view what) {
        int descriptor = ::openat(descriptor_, name.c_str(), flags | O_CLOEXEC, 0640);
        if (descriptor < 0 && (errno == EMFILE || errno == ENFILE)) {
            // Clients have all the others: this one was kept for now.
            if (const int spare = spare_.exchange(-1); spare >= 0) {
                ::close(spare);
                descriptor = ::openat(descriptor_, name.c_str(), flags | O_CLOEXEC, 0640);
            } else {
                errno = EMFILE;
            }
        }
        if (descriptor < 0) return system_failure(what, path_of(name), errno);
        keep_spare();
        return std::unique_ptr<File>(std::make_unique<PosixFile>(descriptor, path_of(name)));
    }

    // When it was needed, as soon as there is one again.
    void keep_spare() {
        if (spare_.load(std::memory_order_relaxed) >= 0) return;
        const int fresh = ::fcntl(descriptor_, F_DUPFD_CLOEXEC, 0);
        if (fresh < 0) return;
        int none = -1;
        if (!spare_.compare_exchange_strong(none, fresh)) ::close(fresh);
    }

    int descriptor_;
    std::string path_;
    std::atomic<int> spare_; // segments are opened by two threads
};

Outcome<int> open_folder(const std::string& path) {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (error) return system_failure("make the folder", path, error.value());
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return system_failure("open the folder", path, errno);
    return descriptor;
}

} // namespace

Outcome<std::unique_ptr<Directory>> open_posix_directory(const std::string& path) {
    BATON_ASSIGN(const int descriptor, open_folder(path));
    return std::unique_ptr<Directory>(std::make_unique<PosixDirectory>(descriptor, path));
}

Outcome<DataFolderLock> DataFolderLock::take(const std::string& path) {
    BATON_ASSIGN(const int folder, open_folder(path));
    const std::string name = path + "/baton.lock";
    const int descriptor = ::openat(folder, "baton.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    const int open_error = errno;
    ::close(folder);
    if (descriptor < 0) return system_failure("open", name, open_error);
    if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
        const int error = errno;
        std::array<char, 32> owner{};
        const ssize_t size = ::pread(descriptor, owner.data(), owner.size() - 1, 0);
        ::close(descriptor);
        if (error != EWOULDBLOCK) return system_failure("lock", name, error);
        std::string who(owner.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
        while (!who.empty() && who.back() == '\n')
            who.pop_back();
        return failure(Errc::locked,
                       fmt::format("the data folder {} is in use by another server{}; stop it or "
                                   "choose another folder",
                                   path, who.empty() ? "" : " (process " + who + ")"));
    }
    // The number is for the message above only; the lock is the lock.
    const std::string number = fmt::format("{}\n", ::getpid());
    if (::ftruncate(descriptor, 0) != 0 ||
        ::pwrite(descriptor, number.data(), number.size(), 0) < 0) {
        const int error = errno;
        ::close(descriptor);
        return system_failure("write", name, error);
    }
    return DataFolderLock(descriptor);
}

DataFolderLock::DataFolderLock(DataFolderLock&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)) {}

DataFolderLock& DataFolderLock::operator=(DataFolderLock&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
}

DataFolderLock::~DataFolderLock() {
    if (descriptor_ >= 0) ::close(descriptor_);
}

} // namespace baton::broker::journal
