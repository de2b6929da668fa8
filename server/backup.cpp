#include "server/backup.hpp"

#include "base/named_file.hpp"
#include "broker/journal/posix_file.hpp"
#include "db/backup.hpp"
#include "db/open_store.hpp"
#include "server/backup_manifest.hpp"
#include "server/copied_file.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

namespace baton::server {

namespace fs = std::filesystem;

namespace {

constexpr const char* manifest_name = "manifest.json";
constexpr const char* runs_name = "runs.sqlite";
constexpr std::size_t manifest_bytes_max = 16 * 1024 * 1024;

Failure unfit(std::string detail) {
    return {make_error_code(boost::system::errc::invalid_argument), std::move(detail)};
}

Failure failed(std::string_view what, const fs::path& path, const std::error_code& error) {
    return {ErrorCode(error), fmt::format("cannot {} {}: {}", what, path.string(), error.message())};
}

// Whether `inner` is `outer` or lies in it.
bool lies_in(const fs::path& inner, const fs::path& outer) {
    std::error_code error;
    const auto relative = fs::weakly_canonical(inner, error).lexically_relative(fs::weakly_canonical(outer, error));
    return !error && !relative.empty() && *relative.begin() != "..";
}

Outcome<void> make_empty_folder(const fs::path& folder) {
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) return failed("make the folder", folder, error);
    const bool is_empty = fs::is_empty(folder, error);
    if (error) return failed("read the folder", folder, error);
    if (!is_empty) return unfit(fmt::format("{} is not empty; name a new folder, each backup has its own", folder.string()));
    return boost::system::in_place_value;
}

// --- Backup ------------------------------------------------------------------------------------------

// The segments stay where they are while it lives.
class JournalHold {
public:
    explicit JournalHold(broker::BrokerService& broker) : broker_(broker) {}
    JournalHold(const JournalHold&) = delete;
    JournalHold& operator=(const JournalHold&) = delete;
    ~JournalHold() { broker_.release_journal(); }
    Outcome<std::vector<broker::JournalFile>> files() { return broker_.hold_journal(); }

private:
    broker::BrokerService& broker_;
};

Outcome<void> copy_journal(const BackupSource& source, const fs::path& folder, const std::function<bool()>& is_given_up,
                           BackupManifest& manifest) {
    std::error_code error;
    fs::create_directory(folder / "journal", error);
    if (error) return failed("make the folder", folder / "journal", error);
    JournalHold hold(*source.broker);
    BATON_ASSIGN(const auto files, hold.files());
    for (const auto& [name, bytes] : files) {
        const auto from = fs::path(source.data_folder) / "journal" / name;
        const auto to = folder / "journal" / name;
        BATON_ASSIGN(const CopiedFile copied, copy_file(from.string(), to.string(), bytes, is_given_up));
        manifest.journal.push_back({"journal/" + name, copied.bytes, copied.crc});
    }
    return sync_folder((folder / "journal").string());
}

} // namespace

Outcome<BackupReport> back_up(const BackupSource& source, const std::string& folder_name, Time now,
                              const std::function<bool()>& is_given_up) {
    const fs::path folder(folder_name);
    if (!folder.is_absolute()) return unfit(fmt::format("'{}' is no absolute path", folder_name));
    if (lies_in(folder, source.data_folder))
        return unfit(fmt::format("{} lies in the data folder, and would be lost with it; name a folder elsewhere", folder_name));
    BATON_ASSIGN(const auto runs_file, db::sqlite_file_of(source.database_url));
    if (!runs_file && source.broker == nullptr)
        return unfit("there is nothing to back up here: the runs are in PostgreSQL (pg_dump) and the messages with a "
                     "broker of its own");
    BATON_TRY(make_empty_folder(folder));

    BackupManifest manifest;
    manifest.made_at = to_rfc3339(now);
    manifest.version = source.version;
    BackupReport report;
    report.folder = folder_name;
    std::optional<db::OutboxMark> mark;
    if (source.broker != nullptr) {
        // First this, then the messages, then the runs: see docs/decisions/0027.
        BATON_ASSIGN(mark, db::outbox_mark(source.database_url, now));
        BATON_TRY(copy_journal(source, folder, is_given_up, manifest));
        for (const BackupFile& file : manifest.journal) report.journal_bytes += file.bytes;
    } else {
        report.notes.emplace_back("the messages are with an outside broker and not in this backup; after a restore all "
                                  "tasks of open runs are sent again");
    }
    if (runs_file) {
        const auto target = (folder / runs_name).string();
        BATON_TRY(db::copy_runs(*runs_file, target, mark, is_given_up));
        BATON_ASSIGN(const CopiedFile copied, measure_file(target));
        manifest.runs = BackupFile{runs_name, copied.bytes, copied.crc};
        report.runs_bytes = copied.bytes;
    } else {
        manifest.mark = *mark;
        report.notes.push_back(fmt::format("the runs are in {} and not in this backup: dump them now, with pg_dump; an "
                                           "older dump does not fit",
                                           db::printable_url(source.database_url)));
    }
    BATON_TRY(write_file((folder / manifest_name).string(), to_json(manifest)));
    BATON_TRY(sync_folder(folder.string()));
    return report;
}

// --- Restore -----------------------------------------------------------------------------------------

namespace {

Outcome<BackupManifest> manifest_of(const fs::path& folder) {
    const auto text = read_named_file((folder / manifest_name).string(), manifest_bytes_max);
    if (!text || text->empty())
        return unfit(fmt::format("{} holds no whole backup: there is no manifest.json, which is written last", folder.string()));
    return read_manifest(*text);
}

Outcome<void> check_file(const fs::path& folder, const BackupFile& file) {
    const auto path = (folder / file.name).string();
    BATON_ASSIGN(const CopiedFile found, measure_file(path));
    if (found.bytes == file.bytes && found.crc == file.crc) return boost::system::in_place_value;
    return Failure{make_error_code(boost::system::errc::bad_message),
                   fmt::format("{} is not what was backed up ({} of {} bytes); nothing was changed", path, found.bytes,
                               file.bytes)};
}

Outcome<void> check_backup(const fs::path& folder, const BackupManifest& manifest) {
    for (const BackupFile& file : manifest.journal) BATON_TRY(check_file(folder, file));
    if (!manifest.runs) return boost::system::in_place_value;
    BATON_TRY(check_file(folder, *manifest.runs));
    return db::check_runs((folder / manifest.runs->name).string());
}

Outcome<void> check_fit(const RestoreWish& wish, const BackupManifest& manifest, bool has_runs_file) {
    if (manifest.runs && !has_runs_file)
        return unfit(fmt::format("the backup has runs in a file, and the configuration has them in {}; leave out the "
                                 "database's URL",
                                 db::printable_url(wish.database_url)));
    if (!manifest.runs && has_runs_file)
        return unfit("the runs of this backup are in PostgreSQL; restore their dump and name the database's URL in the "
                     "configuration (BATON_DB_URL)");
    if (manifest.journal.empty() && !wish.has_outside_broker)
        return unfit("the messages of this backup were with an outside broker; name it in the configuration "
                     "(BATON_BROKER_URL)");
    if (!manifest.journal.empty() && wish.has_outside_broker)
        return unfit("the backup has messages, and the configuration names an outside broker, which would not get them; "
                     "leave out its URL");
    return boost::system::in_place_value;
}

// What a server has left here. The lock's file says nothing.
Outcome<std::vector<fs::path>> content_of(const fs::path& folder) {
    std::vector<fs::path> content;
    std::error_code error;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
        const auto name = entry->path().filename();
        if (name != "baton.lock" && name != "lost+found") content.push_back(entry->path());
    }
    if (error) return failed("read the folder", folder, error);
    return content;
}

// The runs' files where they lie outside of the data folder.
std::vector<fs::path> runs_elsewhere(const std::optional<std::string>& runs_file, const fs::path& data) {
    std::vector<fs::path> found;
    if (!runs_file || lies_in(*runs_file, data)) return found;
    std::error_code ignored;
    for (const char* end : {"", "-wal", "-shm", "-journal"})
        if (fs::exists(*runs_file + end, ignored)) found.emplace_back(*runs_file + end);
    return found;
}

Outcome<void> move_aside(const std::vector<fs::path>& things, const fs::path& aside) {
    std::error_code error;
    fs::create_directories(aside, error);
    if (error) return failed("make the folder", aside, error);
    for (const fs::path& thing : things) {
        fs::rename(thing, aside / thing.filename(), error);
        if (error) return failed("move aside", thing, error);
    }
    return sync_folder(aside.string());
}

constexpr auto never = [] { return false; };

Outcome<void> bring_journal(const fs::path& from, const fs::path& data, const BackupManifest& manifest) {
    // Under another name until it is whole: a journal that ends early looks like one that was torn.
    const auto draft = data / "journal.restoring";
    std::error_code error;
    fs::create_directory(draft, error);
    if (error) return failed("make the folder", draft, error);
    for (const BackupFile& file : manifest.journal) {
        const auto target = draft / fs::path(file.name).filename();
        BATON_TRY(copy_file((from / file.name).string(), target.string(), file.bytes, never));
    }
    BATON_TRY(sync_folder(draft.string()));
    fs::rename(draft, data / "journal", error);
    if (error) return failed("rename", draft, error);
    return sync_folder(data.string());
}

Outcome<void> bring_runs(const fs::path& from, const fs::path& target, const BackupFile& file) {
    std::error_code error;
    if (target.has_parent_path()) fs::create_directories(target.parent_path(), error);
    if (error) return failed("make the folder", target.parent_path(), error);
    const auto draft = target.string() + ".restoring";
    BATON_TRY(copy_file((from / file.name).string(), draft, file.bytes, never));
    fs::rename(draft, target, error);
    if (error) return failed("rename", draft, error);
    return sync_folder(target.has_parent_path() ? target.parent_path().string() : ".");
}

std::string stamp(Time now) {
    auto text = to_rfc3339(now).substr(0, 19);
    for (char& c : text)
        if (c == ':') c = '-';
    return text;
}

Outcome<std::string> make_room(const RestoreWish& wish, const std::optional<std::string>& runs_file, Time now) {
    const fs::path data(wish.data_folder);
    BATON_ASSIGN(auto things, content_of(data));
    for (auto& one : runs_elsewhere(runs_file, data)) things.push_back(std::move(one));
    if (things.empty()) return std::string{};
    if (!wish.replaces)
        return unfit(fmt::format("there is something already, {} for example; choose an empty data folder (BATON_DATA), or "
                                 "move it aside with --replace",
                                 things.front().string()));
    const auto aside = data / ("replaced-" + stamp(now));
    BATON_TRY(move_aside(things, aside));
    return aside.string();
}

} // namespace

Outcome<RestoreReport> restore(const RestoreWish& wish, Time now) {
    const fs::path from(wish.folder);
    const fs::path data(wish.data_folder);
    if (lies_in(from, data)) return unfit("the backup lies in the data folder; move it elsewhere first");
    BATON_ASSIGN(const BackupManifest manifest, manifest_of(from));
    BATON_ASSIGN(const auto runs_file, db::sqlite_file_of(wish.database_url));
    BATON_TRY(check_fit(wish, manifest, runs_file.has_value()));
    BATON_TRY(check_backup(from, manifest));
    const auto lock = broker::journal::DataFolderLock::take(wish.data_folder);
    if (!lock) return unfit(lock.error().detail);
    RestoreReport report;
    report.made_at = manifest.made_at;
    BATON_ASSIGN(report.moved_to, make_room(wish, runs_file, now));
    // In front of the rest: a dump that does not fit leaves no half of a server behind.
    if (!manifest.runs) BATON_TRY(db::take_back(wish.database_url, manifest.mark));
    if (!manifest.journal.empty()) BATON_TRY(bring_journal(from, data, manifest));
    if (manifest.runs) BATON_TRY(bring_runs(from, *runs_file, *manifest.runs));
    for (const BackupFile& file : manifest.journal) report.journal_bytes += file.bytes;
    if (manifest.runs) report.runs_bytes = manifest.runs->bytes;
    if (manifest.journal.empty())
        report.notes.emplace_back("the messages are with the outside broker; tasks of open runs are sent again at the start");
    return report;
}

} // namespace baton::server
