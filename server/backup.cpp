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
// In a data folder: the mark of a restore that has not come to its end, what it has copied and not yet put
// into place, and where it moved what was there.
constexpr const char* marker_name = "restore.unfinished";
constexpr const char* draft_end = ".restoring";
constexpr const char* aside_begin = "replaced-";
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

class JournalHold {
public:
    explicit JournalHold(const HeldJournal& journal) : journal_(journal) {}
    JournalHold(const JournalHold&) = delete;
    JournalHold& operator=(const JournalHold&) = delete;
    ~JournalHold() { journal_.release(); }
    Outcome<std::vector<broker::JournalFile>> files() { return journal_.hold(); }

private:
    const HeldJournal& journal_;
};

Outcome<void> copy_journal(const BackupSource& source, const fs::path& folder, const std::function<bool()>& is_given_up,
                           BackupManifest& manifest) {
    std::error_code error;
    fs::create_directory(folder / "journal", error);
    if (error) return failed("make the folder", folder / "journal", error);
    JournalHold hold(*source.journal);
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
    if (!runs_file && !source.journal)
        return unfit("there is nothing to back up here: the runs are in PostgreSQL (pg_dump) and the messages with a "
                     "broker of its own");
    BATON_TRY(make_empty_folder(folder));

    BackupManifest manifest;
    manifest.made_at = to_rfc3339(now);
    manifest.version = source.version;
    BackupReport report;
    report.folder = folder_name;
    std::optional<db::OutboxMark> mark;
    if (source.journal) {
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

// What a server has left here. The lock's file says nothing, and what an earlier restore moved aside is
// nobody's any more.
Outcome<std::vector<fs::path>> content_of(const fs::path& folder) {
    std::vector<fs::path> content;
    std::error_code error;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
        const auto name = entry->path().filename().string();
        const bool is_ours = name == marker_name || name.ends_with(draft_end) || name.starts_with(aside_begin);
        if (!is_ours && name != "baton.lock" && name != "lost+found") content.push_back(entry->path());
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

constexpr auto never = [] { return false; };

std::string stamp(Time now) {
    auto text = to_rfc3339(now).substr(0, 19);
    for (char& c : text)
        if (c == ':') c = '-';
    return text;
}

std::string folder_of(const fs::path& file) { return file.has_parent_path() ? file.parent_path().string() : "."; }

// A restore copies everything beside its place first, which is what takes long and can fail for want of
// room, and then only renames. The renames are undone when one fails; a process that dies among them
// leaves the marker, with which no server starts.
class Restore {
public:
    Restore(const RestoreWish& wish, BackupManifest manifest, std::optional<std::string> runs_file, Time now)
        : wish_(wish), manifest_(std::move(manifest)), runs_file_(std::move(runs_file)), now_(now), from_(wish.folder),
          data_(wish.data_folder), marker_(data_ / marker_name) {}

    Outcome<RestoreReport> carry_out() {
        BATON_TRY(look_at_what_is_there());
        drop_drafts();
        if (const auto staged = stage(); !staged) return given_up(staged.error());
        if (const auto marked = mark(); !marked) return given_up(marked.error());
        if (const auto changed = change(); !changed) return given_up(changed.error());
        std::error_code error;
        fs::remove(marker_, error);
        if (error) return failed("remove", marker_, error);
        BATON_TRY(sync_folder(data_.string()));
        return report();
    }

private:
    Outcome<void> look_at_what_is_there() {
        std::error_code ignored;
        was_half_ = fs::exists(marker_, ignored);
        BATON_ASSIGN(things_, content_of(data_));
        elsewhere_ = runs_elsewhere(runs_file_, data_);
        if (wish_.replaces || was_half_ || (things_.empty() && elsewhere_.empty())) return boost::system::in_place_value;
        return unfit(fmt::format("there is something already, {} for example; choose an empty data folder (BATON_DATA), or "
                                 "move it aside with --replace",
                                 (things_.empty() ? elsewhere_ : things_).front().string()));
    }

    fs::path journal_draft() const { return data_ / (std::string("journal") + draft_end); }
    fs::path runs_draft() const { return *runs_file_ + draft_end; }

    // Also those of a restore that was killed.
    void drop_drafts() const {
        std::error_code ignored;
        fs::remove_all(journal_draft(), ignored);
        if (runs_file_) fs::remove(runs_draft(), ignored);
    }

    Outcome<void> stage() const {
        std::error_code error;
        if (!manifest_.journal.empty()) {
            fs::create_directory(journal_draft(), error);
            if (error) return failed("make the folder", journal_draft(), error);
        }
        for (const BackupFile& file : manifest_.journal) {
            const auto target = journal_draft() / fs::path(file.name).filename();
            BATON_TRY(copy_file((from_ / file.name).string(), target.string(), file.bytes, never));
        }
        if (!manifest_.journal.empty()) BATON_TRY(sync_folder(journal_draft().string()));
        if (!manifest_.runs) return boost::system::in_place_value;
        fs::create_directories(folder_of(*runs_file_), error);
        if (error) return failed("make the folder", folder_of(*runs_file_), error);
        BATON_TRY(copy_file((from_ / manifest_.runs->name).string(), runs_draft().string(), manifest_.runs->bytes, never));
        return boost::system::in_place_value;
    }

    // From here on nothing starts with this folder until the restore has come to its end.
    Outcome<void> mark() const {
        if (was_half_) return boost::system::in_place_value;
        BATON_TRY(write_file(marker_.string(), fs::absolute(from_).lexically_normal().string() + "\n"));
        return sync_folder(data_.string());
    }

    Outcome<void> change() {
        // In front of the rest: a dump that does not fit changes nothing.
        if (!manifest_.runs) BATON_TRY(db::take_back(wish_.database_url, manifest_.mark));
        BATON_TRY(move_aside());
        if (!manifest_.journal.empty()) BATON_TRY(move(journal_draft(), data_ / "journal"));
        if (manifest_.runs) BATON_TRY(move(runs_draft(), *runs_file_));
        if (manifest_.runs) BATON_TRY(sync_folder(folder_of(*runs_file_)));
        return sync_folder(data_.string());
    }

    // Each in its own file system: what lies elsewhere stays there, under another name.
    Outcome<void> move_aside() {
        std::error_code error;
        std::string name = aside_begin + stamp(now_);
        for (int n = 2; fs::exists(data_ / name, error); ++n) name = fmt::format("{}{}-{}", aside_begin, stamp(now_), n);
        if (!things_.empty()) {
            aside_ = data_ / name;
            fs::create_directory(aside_, error);
            if (error) return failed("make the folder", aside_, error);
            for (const fs::path& thing : things_) BATON_TRY(move(thing, aside_ / thing.filename()));
            BATON_TRY(sync_folder(aside_.string()));
        }
        for (const fs::path& file : elsewhere_) {
            // The end stays the end: SQLite finds what belongs to a file by its name.
            const std::string tail = file.string().substr(runs_file_->size());
            BATON_TRY(move(file, *runs_file_ + "." + name + tail));
        }
        return boost::system::in_place_value;
    }

    Outcome<void> move(const fs::path& from, const fs::path& to) {
        std::error_code error;
        fs::rename(from, to, error);
        if (error) return failed("move aside or into place", from, error);
        moved_.emplace_back(from, to);
        return boost::system::in_place_value;
    }

    // Puts everything back as it was; only if that fails, too, the marker stays.
    Failure given_up(const Failure& why) {
        std::error_code error;
        for (auto one = moved_.rbegin(); one != moved_.rend() && !error; ++one) fs::rename(one->second, one->first, error);
        if (!error && !aside_.empty()) fs::remove(aside_, error);
        if (error)
            return {why.code, fmt::format("{}; and what was moved cannot be moved back: {}. No server starts with {} until the "
                                          "restore is done again",
                                          why.detail, error.message(), data_.string())};
        drop_drafts();
        if (!was_half_) fs::remove(marker_, error);
        return {why.code, why.detail + (was_half_ ? "; it is as the restore before it left it" : "; nothing was changed")};
    }

    RestoreReport report() const {
        RestoreReport report;
        report.made_at = manifest_.made_at;
        report.moved_to = aside_.string();
        for (const BackupFile& file : manifest_.journal) report.journal_bytes += file.bytes;
        if (manifest_.runs) report.runs_bytes = manifest_.runs->bytes;
        for (const auto& [from, to] : moved_)
            if (from == fs::path(runs_file_.value_or("")) && !lies_in(to, data_)) report.notes.push_back("the former runs are in " + to.string());
        if (manifest_.journal.empty())
            report.notes.emplace_back("the messages are with the outside broker; tasks of open runs are sent again at the start");
        return report;
    }

    const RestoreWish& wish_;
    const BackupManifest manifest_;
    const std::optional<std::string> runs_file_;
    const Time now_;
    const fs::path from_;
    const fs::path data_;
    const fs::path marker_;
    bool was_half_ = false; // a restore before this one did not come to its end
    std::vector<fs::path> things_;
    std::vector<fs::path> elsewhere_;
    fs::path aside_; // empty: nothing was moved there
    std::vector<std::pair<fs::path, fs::path>> moved_;
};

} // namespace

Outcome<RestoreReport> restore(const RestoreWish& wish, Time now) {
    const fs::path from(wish.folder);
    if (lies_in(from, wish.data_folder)) return unfit("the backup lies in the data folder; move it elsewhere first");
    BATON_ASSIGN(BackupManifest manifest, manifest_of(from));
    BATON_ASSIGN(auto runs_file, db::sqlite_file_of(wish.database_url));
    BATON_TRY(check_fit(wish, manifest, runs_file.has_value()));
    BATON_TRY(check_backup(from, manifest));
    const auto lock = broker::journal::DataFolderLock::take(wish.data_folder);
    if (!lock) return unfit(lock.error().detail);
    return Restore(wish, std::move(manifest), std::move(runs_file), now).carry_out();
}

Outcome<void> check_no_half_restore(const std::string& data_folder) {
    const auto marker = fs::path(data_folder) / marker_name;
    std::error_code error;
    if (!fs::exists(marker, error)) return boost::system::in_place_value;
    const auto text = read_named_file(marker.string(), manifest_bytes_max);
    const std::string folder = text && !text->empty() ? text->substr(0, text->find('\n')) : "DIR";
    return unfit(fmt::format("a restore into {} was broken off, so its messages and its runs do not belong together; do it "
                             "again: baton restore {}. What was there before is in {}*",
                             data_folder, folder, (fs::path(data_folder) / aside_begin).string()));
}

} // namespace baton::server
