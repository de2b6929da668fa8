// KEY.begun while a letter is on its way, KEY.sent with its result afterwards.
#include "workers/mail/ledger.hpp"

#include "base/log.hpp"
#include "base/named_file.hpp"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <unistd.h>

namespace baton::workers::mail {

namespace fs = std::filesystem;

namespace {

constexpr auto kept_for = std::chrono::hours(24 * 31);

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
    if (const auto noted = replace_file(path(key, "begun"), {}); !noted)
        return Failure{make_error_code(boost::system::errc::io_error),
                       fmt::format("BATON_MAIL_LEDGER: cannot write in {}: {}", folder_,
                                   noted.error().detail)};
    return {};
}

// If this fails, the letter stays begun: sent again it is said to be doubtful, which is true.
void Ledger::note_sent(const std::string& key, const std::string& result) const {
    if (!is_kept()) return;
    if (const auto noted = replace_file(path(key, "sent"), result); !noted)
        return log::error("mail", "cannot note that a letter was sent",
                          {{"folder", folder_}, {"reason", noted.error().detail}});
    ::unlink(path(key, "begun").c_str());
}

void Ledger::forget(const std::string& key) const {
    if (is_kept()) ::unlink(path(key, "begun").c_str());
}

void Ledger::clean() const {
    if (!is_kept()) return;
    std::error_code error;
    for (fs::directory_iterator file(folder_, error), end; !error && file != end;
         file.increment(error)) {
        const std::string ending = file->path().extension();
        if (ending != ".begun" && ending != ".sent" && ending != ".half") continue;
        std::error_code trouble;
        const auto written = fs::last_write_time(file->path(), trouble);
        if (!trouble && written < fs::file_time_type::clock::now() - kept_for)
            fs::remove(file->path(), trouble);
    }
}

} // namespace baton::workers::mail
