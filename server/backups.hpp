// The backups a server is asked for, one after the other. The folder may lie on a file system that hangs
// (a network share whose server is away), in calls that no signal ends, and a stop cannot wait for it:
//
//   "backup"        waits for wishes, holds the journal, answers; belongs to the server
//   "backup-copy"   reads and writes files; knows nothing of the server but what it asks the first one
//
// So the second one can be left behind. It does no harm then; the process just ends with it.
#pragma once

#include "base/clock.hpp"
#include "base/mailbox.hpp"
#include "base/result.hpp"
#include "base/thread.hpp"
#include "server/backup.hpp"

#include <functional>
#include <memory>
#include <string>

namespace baton::server {

class Backups {
public:
    using Reply = std::function<void(Outcome<BackupReport>)>;
    // Carries one out; back_up() but in tests. Owns what it uses.
    using Copy = std::function<Outcome<BackupReport>(const BackupSource& source, const std::string& folder,
                                                     const std::function<bool()>& is_given_up)>;

    // What `source.journal` uses must outlive this, not the copy.
    Backups(BackupSource source, Copy copy);
    ~Backups();

    // Any thread; `reply` comes on the backups' own, also when they are stopped.
    void ask(std::string folder, Reply reply);
    // Waits for what is under way, but no longer than this. May be called twice.
    void stop(Duration limit);
    // After the stop: there is a thread that could not be waited for.
    bool left_one_behind() const { return left_one_behind_; }

private:
    struct Wish {
        std::string folder;
        Reply reply;
    };
    struct Desk;

    void run();
    void carry_out(const Wish& wish);
    bool serve(Desk& desk, Outcome<BackupReport>& done);

    const BackupSource source_;
    const Copy copy_;
    Mailbox<Wish> wishes_;
    Mailbox<Duration> limit_; // of the stop
    bool left_one_behind_ = false;
    Thread thread_;
};

} // namespace baton::server
