// Keeps the server's workflows equal to a folder of files: deploys all of them at start and, when
// asked to watch, every file that changes. Deploying the same text again changes nothing.
#pragma once

#include "base/thread.hpp"
#include "orchestrator/runtime/engine.hpp"

#include <atomic>
#include <filesystem>
#include <map>
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
        bool operator==(const Seen&) const = default;
    };
    void look();
    void deploy(const std::filesystem::path& file);

    std::filesystem::path folder_;
    orchestrator::runtime::Engine& engine_;
    std::map<std::filesystem::path, Seen> seen_;
    std::atomic<bool> stopping_{false};
    Thread watcher_;
};

} // namespace baton::server
