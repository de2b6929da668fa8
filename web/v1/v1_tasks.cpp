// Task types and workers under /baton/v1: who serves what, how much waits, what is let pause.
#include "base/json_text.hpp"
#include "orchestrator/runtime/pauses.hpp"
#include "web/http/await_reply.hpp"
#include "web/http/members.hpp"
#include "web/http/replies.hpp"
#include "web/runs/run_api.hpp"
#include "web/runs/run_view.hpp"
#include "web/runs/worker_view.hpp"
#include "web/v1/listing.hpp"
#include "web/v1/task_looks.hpp"
#include "web/v1/v1_api.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace baton::web {

namespace json = boost::json;
namespace runtime = orchestrator::runtime;
using boost::asio::awaitable;

namespace {

class V1Tasks {
public:
    V1Tasks(Routes& routes, std::shared_ptr<const ApiParts> parts)
        : parts_(parts), looks_(std::move(parts)), call_(routes.handler_of("POST", "/api/call")) {}

    static void add_routes(Routes& routes, const std::shared_ptr<V1Tasks>& self) {
        const RouteAdder<V1Tasks> add(routes, self);
        add("GET", "/baton/v1/tasks", Level::viewer, &V1Tasks::list, {"limit", "after", "count"});
        add("GET", "/baton/v1/tasks/{task}", Level::viewer, &V1Tasks::show);
        add("POST", "/baton/v1/tasks/{task}/call", Level::operating, &V1Tasks::call);
        for (const char* act : {"pause", "resume"})
            routes.add("POST", std::string("/baton/v1/tasks/{task}/") + act, Level::operating,
                       routes.handler_of("POST", std::string("/api/tasks/{task}/") + act));
        add("GET", "/baton/v1/workers", Level::viewer, &V1Tasks::workers,
            {"limit", "after", "count"});
        add("GET", "/baton/v1/workers/{worker}", Level::viewer, &V1Tasks::worker);
    }

private:
    json::object task_json(const std::string& task, const std::vector<WorkerLook>& workers,
                           const std::optional<TaskLook>& look) const {
        json::object out{{"task", task}};
        json::array names;
        const std::string* parameters = nullptr;
        const std::string* result = nullptr;
        for (const WorkerLook& worker : workers)
            for (const OfferedTask& one : worker.tasks) {
                if (one.task != task) continue;
                names.emplace_back(worker.worker);
                if (one.parameters) parameters = one.parameters.get();
                if (one.result) result = one.result.get();
            }
        out["workers"] = std::move(names);
        out["queue"] = look ? json::value(look->has_queue) : json::value(nullptr);
        out["waiting"] = look ? json::value(look->waiting) : json::value(nullptr);
        out["consumers"] = look ? json::value(look->consumers) : json::value(nullptr);
        out["held"] = look && !look->held.empty() ? json::value(look->held) : json::value(nullptr);
        const auto pause = parts_->engine->pauses().find(runtime::PauseKind::task, task);
        out["paused"] = !pause || pause->ended_at ? json::value(nullptr)
                                                  : json::value{{"actor", pause->actor},
                                                                {"reason", pause->reason},
                                                                {"at", to_rfc3339(pause->at)}};
        out["parameters"] = parameters == nullptr ? json::value(nullptr) : from_text(*parameters);
        out["result"] = result == nullptr ? json::value(nullptr) : from_text(*result);
        return out;
    }

    static Response no_word() {
        return problem(503, "unavailable", "the orchestrator did not answer in time");
    }

    awaitable<Response> list(Request request, Parameters) {
        const auto wish = page_wish(request);
        if (!wish) co_return problem(400, "bad_request", wish.error().detail);
        const auto workers = co_await looks_.workers();
        if (!workers) co_return no_word();
        const auto names = co_await looks_.names(*workers);
        if (!names) co_return problem_of(names.error());
        const auto looks = co_await looks_.look_at(*names);
        json::array all;
        for (std::size_t i = 0; i < names->size(); ++i)
            all.push_back(task_json((*names)[i], *workers, looks[i]));
        co_return page_of(*wish, std::move(all));
    }

    awaitable<Response> show(Request, Parameters parameters) {
        const auto& task = parameters.at("task");
        const auto workers = co_await looks_.workers();
        if (!workers) co_return no_word();
        const auto looks = co_await looks_.look_at({task});
        json::object out = task_json(task, *workers, looks.front());
        const bool is_known =
            !out.at("workers").as_array().empty() || (looks.front() && looks.front()->has_queue);
        if (looks.front() && !is_known)
            co_return problem(404, "not_found",
                              "no task '" + task + "': no workflow and no worker has named it");
        co_return reply(200, out);
    }

    awaitable<Response> call(Request request, Parameters parameters) {
        auto body = body_of(request);
        if (!body) co_return problem(400, "bad_request", body.error().detail);
        if (body->contains("task"))
            co_return problem(400, "bad_request", "unknown member 'task'; the path names it");
        (*body)["task"] = parameters.at("task");
        request.body = write_json(*body);
        co_return co_await call_(std::move(request), std::move(parameters));
    }

    awaitable<Response> workers(Request request, Parameters) {
        const auto wish = page_wish(request);
        if (!wish) co_return problem(400, "bad_request", wish.error().detail);
        const auto known = co_await looks_.workers();
        if (!known) co_return no_word();
        json::array all;
        for (const WorkerLook& one : *known)
            all.push_back(worker_json(one));
        co_return page_of(*wish, std::move(all));
    }

    awaitable<Response> worker(Request, Parameters parameters) {
        const auto known = co_await looks_.workers();
        if (!known) co_return no_word();
        for (const WorkerLook& one : *known)
            if (one.worker == parameters.at("worker")) co_return reply(200, worker_json(one));
        co_return problem(404, "not_found", "no worker of that name has been heard for a while");
    }

    std::shared_ptr<const ApiParts> parts_;
    TaskLooks looks_;
    RouteHandler call_;
};

} // namespace

void add_v1_task_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts) {
    V1Tasks::add_routes(routes, std::make_shared<V1Tasks>(routes, parts));
}

} // namespace baton::web
