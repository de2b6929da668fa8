#include "web/runs/worker_view.hpp"

#include <boost/json/array.hpp>

#include <utility>

namespace baton::web {

namespace json = boost::json;

json::object worker_json(const WorkerLook& worker) {
    json::object out{{"worker", worker.worker}, {"version", worker.version}, {"host", worker.host}};
    out["concurrency"] =
        worker.concurrency == 0 ? json::value(nullptr) : json::value(worker.concurrency);
    out["first_heard"] = to_rfc3339(worker.first_heard);
    out["last_heard"] = to_rfc3339(worker.last_heard);
    json::array tasks;
    for (const OfferedTask& task : worker.tasks) {
        json::object one{{"task", task.task}, {"queue", task.queue}};
        if (!task.held.empty()) one["held"] = task.held;
        tasks.push_back(std::move(one));
    }
    out["tasks"] = std::move(tasks);
    return out;
}

} // namespace baton::web
