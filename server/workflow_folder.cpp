#include "server/workflow_folder.hpp"

#include "base/log.hpp"
#include "base/named_file.hpp"

#include <chrono>
#include <thread>
#include <utility>

namespace baton::server {

namespace fs = std::filesystem;

namespace {
// Quick enough for somebody who saves and looks; a folder has few files, so looking is cheap.
constexpr std::chrono::milliseconds look_pause{300};
} // namespace

WorkflowFolder::WorkflowFolder(std::string folder, orchestrator::runtime::Engine& engine, bool watch)
    : folder_(std::move(folder)), engine_(engine) {
    std::error_code error;
    if (!fs::is_directory(folder_, error))
        log::warning("workflows", "there is no such folder", {{"folder", folder_.string()}});
    look();
    if (!watch) return;
    watcher_ = Thread("workflows", [this] {
        while (!stopping_) {
            std::this_thread::sleep_for(look_pause);
            look();
        }
    });
}

WorkflowFolder::~WorkflowFolder() {
    stopping_ = true;
    watcher_.join();
}

void WorkflowFolder::look() {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder_, error)) {
        const auto& path = entry.path();
        if (path.extension() != ".toml" || path.stem().extension() == ".test") continue;
        std::error_code unknown;
        const Seen now{entry.last_write_time(unknown), entry.file_size(unknown)};
        if (unknown) continue; // gone by now, or no regular file
        const auto [found, is_new] = seen_.try_emplace(path, now);
        if (!is_new && found->second == now) continue;
        found->second = now;
        deploy(path);
    }
    if (!error) look_for_missing();
}

void WorkflowFolder::look_for_missing() {
    for (Named& one : named_->take_now()) workflows_[one.file] = std::move(one.workflow);
    for (auto seen = seen_.begin(); seen != seen_.end();) {
        std::error_code error;
        if (fs::exists(seen->first, error) || error || !std::exchange(seen->second.is_missing, true)) {
            ++seen;
            continue;
        }
        const auto& workflow = workflows_[seen->first];
        if (!workflow.empty())
            log::warning("workflows", "a file is gone; its workflow stays live until `baton undeploy " + workflow + "`",
                         {{"workflow", workflow}, {"file", seen->first.string()}});
        workflows_.erase(seen->first);
        seen = seen_.erase(seen);
    }
}

void WorkflowFolder::deploy(const fs::path& file) {
    auto source = read_named_file(file.string());
    if (!source) {
        log::error("workflows", "cannot read a file", {{"file", file.string()}, {"reason", source.error().detail}});
        return;
    }
    engine_.deploy_found(std::move(*source), file.string(), [name = file.string(), named = named_](const Outcome<orchestrator::runtime::Deployed>& done) {
        if (done) named->put({name, done->name});
        if (!done)
            log::error("workflows", "not deployed:\n" + done.error().detail, {{"file", name}});
        else if (done->is_retired)
            log::info("workflows", "not live: it was taken out of use by `baton undeploy`; a change of the file or `baton deploy` makes it live again",
                      {{"workflow", done->name}, {"file", name}});
        else if (done->is_new)
            log::info("workflows", "deployed", {{"workflow", done->name}, {"version", done->version}, {"file", name}});
    });
}

} // namespace baton::server
