// Keeps the server's workflows equal to a folder of files: deploys all of them at start and, when
// asked to watch, every file that changes. Deploying the same text again changes nothing. A file that goes
// away takes no workflow with it: runs may be starting; the log says how to take it out of use.
//
// The folder may lie on a file system that hangs (a network share whose server is away), in calls that no
// signal ends, and neither start nor stop can wait for it:
//
//   "workflows"        deploys what was found; belongs to the server
//   "workflows-look"   reads the folder; knows nothing of the server, and can be left behind
#pragma once

#include "base/clock.hpp"
#include "base/mailbox.hpp"
#include "base/thread.hpp"
#include "orchestrator/runtime/engine.hpp"

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace baton::server {

class WorkflowFolder {
public:
    using Reply = orchestrator::runtime::Reply<orchestrator::runtime::Deployed>;
    // Gives a file's text to the engine.
    using Deploy = std::function<void(std::string source, std::string file, Reply reply)>;

    // What `deploy` uses must outlive the object. Waits so long for the first look. A folder that is not
    // there is a line in the log.
    WorkflowFolder(std::string folder, Deploy deploy, bool watch, Duration patience);
    ~WorkflowFolder();
    WorkflowFolder(const WorkflowFolder&) = delete;
    WorkflowFolder& operator=(const WorkflowFolder&) = delete;

    // Waits for a look that is under way, but no longer than this. May be called twice.
    void stop(Duration limit);
    // After the stop: there is a thread that could not be waited for.
    bool left_one_behind() const { return left_one_behind_; }
    // Any thread: since when the folder has not answered; zero when it has.
    Duration silence(Time now) const;

private:
    struct Desk;

    void run();
    void deploy(std::string source, const std::filesystem::path& file);
    void say_that_it_is_gone(const std::filesystem::path& file);

    const std::filesystem::path folder_;
    const Deploy deploy_;
    std::map<std::filesystem::path, std::string> workflows_; // by file
    // The engine's thread says which workflow a file holds.
    struct Named {
        std::filesystem::path file;
        std::string workflow;
    };
    std::shared_ptr<Mailbox<Named>> named_ = std::make_shared<Mailbox<Named>>();
    std::shared_ptr<Desk> desk_;
    Mailbox<int> first_;     // the first look is over
    Mailbox<int> has_ended_; // so are all
    bool left_one_behind_ = false;
    Thread looker_;
    Thread thread_;
};

} // namespace baton::server
