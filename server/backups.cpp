#include "server/backups.hpp"

#include "base/log.hpp"

#include <chrono>
#include <utility>
#include <variant>
#include <vector>

namespace baton::server {
namespace {

constexpr Duration look_interval = std::chrono::milliseconds(100);

Failure stopped() {
    return {make_error_code(boost::system::errc::operation_canceled), "the server stops; the backup is not whole"};
}

} // namespace

// Between the two threads; whoever is last owns it.
struct Backups::Desk {
    using Files = Outcome<std::vector<broker::JournalFile>>;
    struct Hold {};
    struct Release {};
    using Message = std::variant<Hold, Release, Outcome<BackupReport>>;

    // To the server; closed: it does not listen any more.
    Mailbox<Message> asked;
    // To the copy; closed: nothing comes any more, and it shall end.
    Mailbox<Files> files;

    Files hold() {
        asked.put(Hold{});
        auto answer = files.take();
        if (answer.empty()) return stopped();
        return std::move(answer.front());
    }
};

Backups::Backups(BackupSource source, Copy copy) : source_(std::move(source)), copy_(std::move(copy)) {
    thread_ = Thread("backup", [this] { run(); });
}

Backups::~Backups() { stop(Duration::zero()); }

void Backups::ask(std::string folder, Reply reply) { wishes_.put({std::move(folder), std::move(reply)}); }

void Backups::stop(Duration limit) {
    limit_.put(limit);
    wishes_.close();
    thread_.join();
}

void Backups::run() {
    while (!wishes_.is_closed())
        for (const Wish& wish : wishes_.take())
            wishes_.is_closed() ? wish.reply(stopped()) : carry_out(wish);
    for (const Wish& wish : wishes_.take_now()) wish.reply(stopped());
}

void Backups::carry_out(const Wish& wish) {
    const auto desk = std::make_shared<Desk>();
    BackupSource source = source_;
    if (source.journal) source.journal = HeldJournal{[desk] { return desk->hold(); }, [desk] { desk->asked.put(Desk::Release{}); }};
    Thread copying("backup-copy", [desk, source = std::move(source), folder = wish.folder, copy = copy_] {
        desk->asked.put(copy(source, folder, [desk] { return desk->files.is_closed(); }));
    });
    Outcome<BackupReport> done = stopped();
    if (serve(*desk, done)) {
        copying.join();
    } else {
        copying.abandon();
        left_one_behind_ = true;
    }
    if (done)
        log::info("server", "backed up", {{"folder", wish.folder}, {"journal_bytes", done->journal_bytes},
                                          {"runs_bytes", done->runs_bytes}});
    else
        log::warning("server", left_one_behind_ ? "a backup hangs in a file system that does not answer; it is left behind"
                                                : "a backup failed",
                     {{"folder", wish.folder}, {"reason", done.error().detail}});
    wish.reply(std::move(done));
}

// False: it has not ended in time.
bool Backups::serve(Desk& desk, Outcome<BackupReport>& done) {
    SystemClock clock;
    std::optional<Time> end;
    bool is_held = false;
    bool has_ended = false;
    while (!has_ended && !(end && clock.now() >= *end)) {
        for (auto& message : desk.asked.take(look_interval)) {
            if (std::holds_alternative<Desk::Hold>(message)) {
                is_held = true;
                desk.files.put(source_.journal->hold());
            } else if (std::holds_alternative<Desk::Release>(message)) {
                if (std::exchange(is_held, false)) source_.journal->release();
            } else {
                has_ended = true;
                done = std::move(std::get<Outcome<BackupReport>>(message));
            }
        }
        if (end || !wishes_.is_closed()) continue;
        const auto limits = limit_.take();
        end = clock.now() + (limits.empty() ? Duration::zero() : limits.front());
        desk.files.close();
    }
    desk.asked.close();
    desk.files.close();
    if (is_held) source_.journal->release();
    return has_ended;
}

} // namespace baton::server
