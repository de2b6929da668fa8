#include "web/runs/run_api.hpp"

#include "base/json_text.hpp"
#include "web/http/await_reply.hpp"
#include "web/http/members.hpp"
#include "web/http/replies.hpp"
#include "web/runs/run_view.hpp"
#include "web/runs/worker_view.hpp"

#include <boost/json/object.hpp>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace baton::web {

namespace json = boost::json;
namespace runtime = orchestrator::runtime;
using boost::asio::awaitable;

namespace {

class TaskApi {
public:
    explicit TaskApi(std::shared_ptr<const ApiParts> parts) : parts_(std::move(parts)) {}

    static void add_routes(Routes& routes, const std::shared_ptr<TaskApi>& self) {
        const RouteAdder<TaskApi> add(routes, self);
        add("GET", "/api/tasks/{task}", Level::viewer, &TaskApi::show_task);
        add("GET", "/api/tasks", Level::viewer, &TaskApi::list_tasks);
        add("GET", "/api/workers", Level::viewer, &TaskApi::list_workers);
        add("POST", "/api/call", Level::operating, &TaskApi::call_task);
        add("POST", "/api/backup", Level::admin, &TaskApi::make_backup);
    }

private:
    awaitable<Response> call_task(Request request, Parameters) {
        auto body = body_of(request);
        if (!body) co_return problem(400, "bad_request", body.error().detail);
        if (const auto known = check_members(*body, {"task"}, {"with", "timeout_ms"}); !known)
            co_return problem(400, "bad_request", known.error().detail);
        const auto task = text_member(*body, "task");
        if (task.empty()) co_return problem(400, "bad_request", "'task' must name a task type, for example \"mail.send\"");
        std::string with = "{}";
        if (const auto* given = body->if_contains("with")) with = write_json(*given);
        std::chrono::milliseconds limit{5000};
        if (const auto* given = body->if_contains("timeout_ms")) {
            ErrorCode error;
            limit = std::chrono::milliseconds(given->to_number<std::uint32_t>(error));
            if (error || limit.count() < 1 || limit > std::chrono::hours(1))
                co_return problem(400, "bad_request", "'timeout_ms' must be a number from 1 to 3600000");
        }
        auto done = co_await await_reply<Outcome<CallAnswer>>(
            limit + std::chrono::seconds(5),
            [this, task, with, limit, trace = request.trace](auto callback) { parts_->call(task, with, limit, trace, callback); });
        if (!done) co_return problem(504, "timeout", "no answer to '" + task + "' in time");
        if (!*done) {
            const auto& failure = done->error();
            if (failure.code == boost::system::errc::invalid_argument)
                co_return problem(400, "bad_request", failure.detail);
            const bool late = failure.code == boost::system::errc::timed_out;
            co_return problem(late ? 504 : 502, late ? "timeout" : "undeliverable", failure.detail);
        }
        json::object out;
        out["completed"] = (*done)->completed;
        out[(*done)->completed ? "result" : "problem"] = from_text((*done)->body);
        co_return reply(200, out);
    }

    awaitable<Response> show_task(Request, Parameters parameters) {
        const std::string task = parameters.at("task");
        if (!parts_->look) co_return problem(404, "not_found", "this server has no tasks");
        const auto look = co_await await_reply<Outcome<TaskLook>>(
            look_limit, [this, task](auto callback) { parts_->look(task, callback); });
        if (!look) co_return problem(503, "unavailable", "the broker did not answer in time");
        if (!*look) co_return problem(503, "unavailable", look->error().detail);
        json::object out{{"task", task}, {"queue", (*look)->has_queue}, {"waiting", (*look)->waiting},
                         {"workers", (*look)->consumers}};
        if (!(*look)->held.empty()) out["held"] = (*look)->held;
        co_return reply(200, out);
    }

    awaitable<Response> list_workers(Request, Parameters) {
        const auto workers = co_await ask_workers();
        if (!workers) co_return no_word_of_workers();
        json::array all;
        for (const WorkerLook& worker : *workers) all.push_back(worker_json(worker));
        co_return reply(200, all);
    }

    // Each task with each of the schemas that workers give it: most have one.
    awaitable<Response> list_tasks(Request, Parameters) {
        const auto workers = co_await ask_workers();
        if (!workers) co_return no_word_of_workers();
        using Shape = std::tuple<std::string, const std::string*, const std::string*>; // texts are shared: one, one address
        std::map<Shape, json::array> offered;
        for (const WorkerLook& worker : *workers)
            for (const OfferedTask& task : worker.tasks)
                offered[{task.task, task.parameters.get(), task.result.get()}].emplace_back(worker.worker);
        json::array all;
        for (auto& [shape, names] : offered) {
            const auto& [task, parameters, result] = shape;
            json::object one{{"task", task}, {"workers", std::move(names)}};
            if (parameters) one["parameters"] = from_text(*parameters);
            if (result) one["result"] = from_text(*result);
            all.push_back(std::move(one));
        }
        co_return reply(200, all);
    }

    awaitable<std::optional<std::vector<WorkerLook>>> ask_workers() {
        if (!parts_->workers) co_return std::vector<WorkerLook>{};
        co_return co_await await_reply<std::vector<WorkerLook>>(look_limit, [this](auto callback) { parts_->workers(callback); });
    }

    static Response no_word_of_workers() { return problem(503, "unavailable", "the orchestrator did not answer in time"); }

    // An administrator over the network shall not choose where this process writes.
    awaitable<Response> make_backup(Request request, Parameters) {
        if (!request.remote_is_loopback)
            co_return problem(403, "forbidden", "a backup is asked for on the server's own machine, where its folder will be");
        if (!parts_->backup) co_return problem(404, "not_found", "this server makes no backups");
        auto body = body_of(request);
        if (!body) co_return problem(400, "bad_request", body.error().detail);
        if (const auto known = check_members(*body, {"folder"}); !known)
            co_return problem(400, "bad_request", known.error().detail);
        const auto folder = text_member(*body, "folder");
        auto done = co_await await_reply<Outcome<std::string>>(
            backup_limit, [this, folder](auto callback) { parts_->backup(folder, callback); });
        if (!done) co_return problem(504, "timeout", "the backup takes longer than a day; its folder has no manifest.json yet");
        if (*done) co_return reply(200, from_text(**done));
        const Failure& failure = done->error();
        if (failure.code == boost::system::errc::invalid_argument) co_return problem(422, "unfit", failure.detail);
        if (failure.code == boost::system::errc::operation_in_progress) co_return problem(409, "refused", failure.detail);
        co_return problem(500, "failed", failure.detail);
    }

    static constexpr std::chrono::hours backup_limit{24};
    static constexpr std::chrono::seconds look_limit{5};

    std::shared_ptr<const ApiParts> parts_;
};

} // namespace

void add_task_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts) {
    TaskApi::add_routes(routes, std::make_shared<TaskApi>(parts));
}

} // namespace baton::web
