#include "server/workflow_folder.hpp"

#include "base/log.hpp"
#include "base/metrics.hpp"
#include "base/named_file.hpp"
#include "orchestrator/definition/catalog.hpp"

#include <algorithm>
#include <chrono>
#include <utility>
#include <variant>
#include <vector>

namespace baton::server {

namespace fs = std::filesystem;

namespace {
// Quick enough for somebody who saves and looks; a folder has few files, so looking is cheap.
constexpr std::chrono::milliseconds look_pause{300};

struct Found {
    fs::path file;
    std::string source;
};
struct Unreadable {
    fs::path file;
    std::string reason;
};
struct Gone {
    fs::path file;
};
struct NoFolder {};
struct Looked {};
struct Ended {};
using Message = std::variant<Found, Unreadable, Gone, NoFolder, Looked, Ended>;
} // namespace

// Between the two threads; whoever is last owns it.
struct WorkflowFolder::Desk {
    Mailbox<Message> found;
    Mailbox<int> stop; // closed: the looker shall end
    Gauge looks_since; // microseconds; 0: it does not look now

    struct Seen {
        fs::file_time_type changed_at;
        std::uintmax_t size = 0;
        std::vector<fs::path> schemas{}; // that it names, as it was
        fs::file_time_type schemas_changed_at{};
        bool is_missing = false; // at the last look; some editors take a file away for a moment
        bool operator==(const Seen&) const = default;
    };
    std::map<fs::path, Seen> seen; // the looker's

    // The looker's life.
    void look_on(const fs::path& folder, bool watch) {
        std::error_code error;
        looks_since.set(micros_of(SystemClock().now()));
        if (!fs::is_directory(folder, error)) found.put(NoFolder{});
        do {
            looks_since.set(micros_of(SystemClock().now()));
            look(folder);
            looks_since.set(0);
            found.put(Looked{});
            if (watch) (void)stop.take(look_pause);
        } while (watch && !stop.is_closed());
        found.put(Ended{});
    }

    static fs::file_time_type last_change(const std::vector<fs::path>& files) {
        fs::file_time_type last{};
        for (const fs::path& file : files) {
            std::error_code unknown;
            const auto changed_at = fs::last_write_time(file, unknown);
            if (!unknown) last = std::max(last, changed_at);
        }
        return last;
    }

    void look(const fs::path& folder) {
        std::error_code error;
        for (const auto& entry : fs::directory_iterator(folder, error)) {
            const auto& path = entry.path();
            if (path.extension() != ".toml" || path.stem().extension() == ".test") continue;
            std::error_code unknown;
            Seen now{entry.last_write_time(unknown), entry.file_size(unknown)};
            if (unknown) continue; // gone by now, or no regular file
            const auto [known, is_new] = seen.try_emplace(path, now);
            now.schemas = known->second.schemas;
            now.schemas_changed_at = last_change(now.schemas);
            if (!is_new && known->second == now) continue;
            auto source = read_named_file(path.string());
            if (source) {
                auto bundle = orchestrator::definition::bundled(std::move(*source), path);
                now.schemas = std::move(bundle.schemas);
                now.schemas_changed_at = last_change(now.schemas);
                source = std::move(bundle.source);
            }
            known->second = now;
            if (source)
                found.put(Found{path, std::move(*source)});
            else
                found.put(Unreadable{path, source.error().detail});
            if (stop.is_closed()) return;
        }
        if (!error) look_for_missing();
    }

    void look_for_missing() {
        for (auto one = seen.begin(); one != seen.end();) {
            std::error_code error;
            if (fs::exists(one->first, error) || error || !std::exchange(one->second.is_missing, true)) {
                ++one;
                continue;
            }
            found.put(Gone{one->first});
            one = seen.erase(one);
        }
    }
};

WorkflowFolder::WorkflowFolder(std::string folder, Deploy deploy, bool watch, Duration patience)
    : folder_(std::move(folder)), deploy_(std::move(deploy)), desk_(std::make_shared<Desk>()) {
    looker_ = Thread("workflows-look", [desk = desk_, path = folder_, watch] { desk->look_on(path, watch); });
    thread_ = Thread("workflows", [this] { run(); });
    if (first_.take(patience).empty())
        log::warning("workflows", "the folder does not answer; the server starts without its workflows, and deploys them when it does",
                     {{"folder", folder_.string()}});
}

WorkflowFolder::~WorkflowFolder() { stop(Duration::zero()); }

void WorkflowFolder::stop(Duration limit) {
    if (desk_->stop.is_closed()) return;
    desk_->stop.close();
    if (has_ended_.take(limit).empty()) {
        looker_.abandon();
        left_one_behind_ = true;
        log::warning("workflows", "the folder does not answer; who looks into it is left behind", {{"folder", folder_.string()}});
    } else {
        looker_.join();
    }
    desk_->found.close();
    thread_.join();
}

Duration WorkflowFolder::silence(Time now) const {
    const auto since = desk_->looks_since.value();
    return since == 0 ? Duration::zero() : std::max(now - time_from_micros(since), Duration::zero());
}

void WorkflowFolder::run() {
    while (!desk_->found.is_closed())
        for (Message& message : desk_->found.take()) {
            if (auto* file = std::get_if<Found>(&message))
                deploy(std::move(file->source), file->file);
            else if (const auto* refused = std::get_if<Unreadable>(&message))
                log::error("workflows", "cannot read a file", {{"file", refused->file.string()}, {"reason", refused->reason}});
            else if (const auto* gone = std::get_if<Gone>(&message))
                say_that_it_is_gone(gone->file);
            else if (std::holds_alternative<NoFolder>(message))
                log::warning("workflows", "there is no such folder", {{"folder", folder_.string()}});
            else if (std::holds_alternative<Looked>(message))
                first_.put(1);
            else
                has_ended_.put(1);
        }
}

void WorkflowFolder::say_that_it_is_gone(const fs::path& file) {
    for (Named& one : named_->take_now()) workflows_[one.file] = std::move(one.workflow);
    const auto workflow = workflows_.extract(file);
    if (!workflow.empty() && !workflow.mapped().empty())
        log::warning("workflows", "a file is gone; its workflow stays live until `baton undeploy " + workflow.mapped() + "`",
                     {{"workflow", workflow.mapped()}, {"file", file.string()}});
}

void WorkflowFolder::deploy(std::string source, const fs::path& file) {
    deploy_(std::move(source), file.string(), [name = file.string(), named = named_](const Outcome<orchestrator::runtime::Deployed>& done) {
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
