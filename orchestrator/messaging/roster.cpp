// See roster.hpp.
#include "orchestrator/messaging/roster.hpp"

#include "contract/topology.hpp"

#include <algorithm>
#include <utility>

namespace baton::orchestrator::messaging {

namespace {
// Queues are looked at every five seconds: who has just come is not yet among their consumers.
constexpr Duration desertion_patience = std::chrono::seconds(15);
} // namespace

bool Roster::take(contract::Announcement about, Time now) {
    auto found = workers_.find(about.worker);
    if (found == workers_.end()) {
        if (workers_.size() >= limits_.workers) return false;
        found = workers_.emplace(about.worker, KnownWorker{}).first;
        found->second.worker = about.worker;
        found->second.first_heard = now;
    }
    KnownWorker& worker = found->second;
    worker.version = std::move(about.version);
    worker.host = std::move(about.host);
    worker.concurrency = about.concurrency;
    worker.every = about.every;
    worker.last_heard = now;
    auto& tasks = worker.tasks;
    auto place = std::lower_bound(tasks.begin(), tasks.end(), about.task,
                                  [](const KnownTask& one, const std::string& name) { return one.task < name; });
    if (place == tasks.end() || place->task != about.task) {
        if (tasks.size() >= limits_.tasks_per_worker) return false;
        place = tasks.insert(place, KnownTask{about.task, {}, {}, {}, {}});
    }
    const std::string prefix = contract::task_queue({});
    place->queue = std::move(about.queue);
    place->route = place->queue.starts_with(prefix) ? place->queue.substr(prefix.size()) : place->queue;
    place->parameters = shared(std::move(about.parameters));
    place->result = shared(std::move(about.result));
    return true;
}

void Roster::leave(std::string_view worker) {
    const auto found = workers_.find(worker);
    if (found == workers_.end()) return;
    workers_.erase(found);
    sweep();
}

void Roster::expire(Time now, const std::function<bool(const std::string& route)>& is_deserted) {
    const auto is_gone = [&](const auto& entry) {
        const KnownWorker& worker = entry.second;
        const Duration silence = now - worker.last_heard;
        if (silence > contract::believed_for(worker.every)) return true;
        return is_deserted && silence > desertion_patience &&
               std::all_of(worker.tasks.begin(), worker.tasks.end(),
                           [&](const KnownTask& one) { return is_deserted(one.route); });
    };
    if (std::erase_if(workers_, is_gone) > 0) sweep();
}

std::vector<KnownWorker> Roster::list() const {
    std::vector<KnownWorker> all;
    all.reserve(workers_.size());
    for (const auto& [name, worker] : workers_) all.push_back(worker);
    return all;
}

Roster::Text Roster::shared(std::string text) {
    if (text.empty()) return nullptr;
    if (const auto found = schemas_.find(text); found != schemas_.end())
        if (Text kept = found->second.lock()) return kept;
    if (schema_bytes_ + text.size() > limits_.schema_bytes) {
        sweep();
        if (schema_bytes_ + text.size() > limits_.schema_bytes) return nullptr;
    }
    const Text kept = std::make_shared<const std::string>(text);
    const auto [place, is_new] = schemas_.try_emplace(std::move(text));
    if (is_new) schema_bytes_ += kept->size(); // else one that expired and is not yet swept
    place->second = kept;
    return kept;
}

// What nobody announces any more.
void Roster::sweep() {
    std::erase_if(schemas_, [](const auto& entry) { return entry.second.expired(); });
    schema_bytes_ = 0;
    for (const auto& [text, kept] : schemas_) schema_bytes_ += text.size();
}

} // namespace baton::orchestrator::messaging
