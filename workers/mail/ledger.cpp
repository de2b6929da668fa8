// KEY.begun while a letter is on its way, KEY.sent with its result afterwards.
#include "workers/mail/ledger.hpp"

#include "base/log.hpp"
#include "base/named_file.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>

namespace baton::workers::mail {

namespace fs = std::filesystem;

namespace {

constexpr auto kept_for = std::chrono::hours(24 * 31);

// The name is as durable as the bytes only after this.
void sync_folder(const std::string& folder) {
    const int opened = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (opened < 0) return;
    ::fsync(opened);
    ::close(opened);
}

// Zero or errno.
int write_file(const std::string& path, const std::string& content) {
    const int opened = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (opened < 0) return errno;
    const bool is_written = ::write(opened, content.data(), content.size()) == static_cast<ssize_t>(content.size()) &&
                            ::fsync(opened) == 0;
    const int reason = is_written ? 0 : (errno != 0 ? errno : EIO);
    ::close(opened);
    return reason;
}

} // namespace

std::string Ledger::path(const std::string& key, const char* ending) const {
    return fmt::format("{}/{}.{}", folder_, key, ending);
}

std::optional<std::string> Ledger::sent(const std::string& key) const {
    if (!is_kept()) return std::nullopt;
    auto content = read_named_file(path(key, "sent"));
    if (!content) return std::nullopt;
    return std::move(*content);
}

bool Ledger::begun(const std::string& key) const {
    std::error_code error;
    return is_kept() && fs::exists(path(key, "begun"), error);
}

Outcome<void> Ledger::note_begun(const std::string& key) const {
    if (!is_kept()) return {};
    if (const int reason = write_file(path(key, "begun"), {}); reason != 0)
        return Failure{make_error_code(boost::system::errc::io_error),
                       fmt::format("BATON_MAIL_LEDGER: cannot write in {}: {}", folder_, std::strerror(reason))};
    sync_folder(folder_);
    return {};
}

// If this fails, the letter stays begun: sent again it is said to be doubtful, which is true.
void Ledger::note_sent(const std::string& key, const std::string& result) const {
    if (!is_kept()) return;
    const std::string half = path(key, "half");
    int reason = write_file(half, result);
    if (reason == 0 && std::rename(half.c_str(), path(key, "sent").c_str()) != 0) reason = errno;
    if (reason != 0) {
        log::error("mail", "cannot note that a letter was sent", {{"folder", folder_}, {"reason", std::strerror(reason)}});
        return;
    }
    ::unlink(path(key, "begun").c_str());
    sync_folder(folder_);
}

void Ledger::forget(const std::string& key) const {
    if (is_kept()) ::unlink(path(key, "begun").c_str());
}

void Ledger::clean() const {
    if (!is_kept()) return;
    std::error_code error;
    for (fs::directory_iterator file(folder_, error), end; !error && file != end; file.increment(error)) {
        const std::string ending = file->path().extension();
        if (ending != ".begun" && ending != ".sent" && ending != ".half") continue;
        std::error_code trouble;
        const auto written = fs::last_write_time(file->path(), trouble);
        if (!trouble && written < fs::file_time_type::clock::now() - kept_for) fs::remove(file->path(), trouble);
    }
}

} // namespace baton::workers::mail
