// Keeps the server's workflows equal to a folder of files: deploys all of them at start and, when
// asked to watch, every file that changes. Deploying the same text again changes nothing. A file that goes
// away takes no workflow with it: runs may be starting; the log says how to take it out of use.
#pragma once

#include "base/mailbox.hpp"
#include "base/thread.hpp"
#include "orchestrator/runtime/engine.hpp"

#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

namespace baton::server {

class WorkflowFolder {
public:
    // `engine` must outlive the object. A folder that is not there is a line in the log.
    WorkflowFolder(std::string folder, orchestrator::runtime::Engine& engine, bool watch);
    ~WorkflowFolder();
    WorkflowFolder(const WorkflowFolder&) = delete;
    WorkflowFolder& operator=(const WorkflowFolder&) = delete;

private:
    struct Seen {
        std::filesystem::file_time_type changed_at;
        std::uintmax_t size = 0;
        bool is_missing = false; // at the last look; some editors take a file away for a moment
        bool operator==(const Seen&) const = default;
    };
    void look();
    void look_for_missing();
    void deploy(const std::filesystem::path& file);

    std::filesystem::path folder_;
    orchestrator::runtime::Engine& engine_;
    std::map<std::filesystem::path, Seen> seen_;
    std::map<std::filesystem::path, std::string> workflows_; // by file
    // The engine's thread says which workflow a file holds.
    struct Named {
        std::filesystem::path file;
        std::string workflow;
    };
    std::shared_ptr<Mailbox<Named>> named_ = std::make_shared<Mailbox<Named>>();
    std::atomic<bool> stopping_{false};
    Thread watcher_;
};

} // namespace baton::server
