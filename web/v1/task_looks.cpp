#include "web/v1/task_looks.hpp"

#include "web/http/await_reply.hpp"

#include <set>
#include <utility>

namespace baton::web {

namespace runtime = orchestrator::runtime;
using boost::asio::awaitable;

namespace {

constexpr std::chrono::seconds look_limit{5};
constexpr std::chrono::milliseconds known_for{500};
constexpr std::size_t known_looks_max = 10'000;

} // namespace

awaitable<std::optional<std::vector<WorkerLook>>> TaskLooks::workers() const {
    if (!parts_->workers) co_return std::vector<WorkerLook>{};
    co_return co_await await_reply<std::vector<WorkerLook>>(
        look_limit, [this](auto callback) { parts_->workers(callback); });
}

awaitable<Outcome<std::vector<std::string>>>
TaskLooks::names(const std::vector<WorkerLook>& workers) {
    std::set<std::string> names;
    for (const WorkerLook& worker : workers)
        for (const OfferedTask& task : worker.tasks)
            names.insert(task.task);
    const auto live = co_await parts_->reader->ask(
        [](runtime::RunQueries& queries) { return queries.definitions({}); });
    if (!live) co_return live.error();
    if (tasks_of_.size() > known_looks_max) tasks_of_.clear();
    for (const auto& one : *live) {
        const auto known = tasks_of_.find(one.definition_id);
        if (known == tasks_of_.end() && parts_->compile) {
            const auto workflow = parts_->compile(one.source, one.file_name);
            tasks_of_[one.definition_id] =
                workflow ? (*workflow)->task_types : std::vector<std::string>{};
        }
        names.insert(tasks_of_[one.definition_id].begin(), tasks_of_[one.definition_id].end());
    }
    co_return std::vector<std::string>(names.begin(), names.end());
}

awaitable<std::vector<std::optional<TaskLook>>> TaskLooks::look_at(std::vector<std::string> tasks) {
    std::vector<std::optional<TaskLook>> all;
    const auto until = std::chrono::steady_clock::now() + look_limit;
    if (known_.size() > known_looks_max) known_.clear();
    for (const std::string& task : tasks) {
        const auto now = std::chrono::steady_clock::now();
        const auto known = known_.find(task);
        if (known != known_.end() && known->second.until > now) {
            all.emplace_back(known->second.look);
            continue;
        }
        all.emplace_back();
        if (!parts_->look || now >= until) continue;
        const auto look = co_await await_reply<Outcome<TaskLook>>(
            std::chrono::duration_cast<std::chrono::milliseconds>(until - now),
            [this, &task](auto callback) { parts_->look(task, callback); });
        if (!look || !*look) continue;
        known_[task] = {**look, std::chrono::steady_clock::now() + known_for};
        all.back() = std::move(**look);
    }
    co_return all;
}

} // namespace baton::web
