#include "server/workflow_folder.hpp"

#include "base/log.hpp"

#include <chrono>
#include <fstream>
#include <sstream>
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
        const Seen now{entry.last_write_time(error), entry.file_size(error)};
        if (error) continue;
        const auto [found, is_new] = seen_.try_emplace(path, now);
        if (!is_new && found->second == now) continue;
        found->second = now;
        deploy(path);
    }
}

void WorkflowFolder::deploy(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    std::ostringstream source;
    source << in.rdbuf();
    if (!in) {
        log::error("workflows", "cannot read a file", {{"file", file.string()}});
        return;
    }
    engine_.deploy(source.str(), file.string(), [name = file.string()](const Outcome<orchestrator::runtime::Deployed>& done) {
        if (!done)
            log::error("workflows", "not deployed:\n" + done.error().detail, {{"file", name}});
        else if (done->is_new)
            log::info("workflows", "deployed", {{"workflow", done->name}, {"version", done->version}, {"file", name}});
    });
}

} // namespace baton::server
