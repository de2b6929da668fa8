#include "web/run_api.hpp"

#include "base/json_text.hpp"
#include "base/utf8.hpp"
#include "web/await_reply.hpp"
#include "web/members.hpp"
#include "web/query.hpp"
#include "web/replies.hpp"
#include "web/run_view.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <utility>

namespace baton::web {

namespace json = boost::json;
namespace runtime = orchestrator::runtime;
using boost::asio::awaitable;

namespace {

constexpr std::array<std::string_view, 4> dead_states{"open", "redriven", "dropped", "all"};

class TaskApi {
public:
    explicit TaskApi(std::shared_ptr<const ApiParts> parts) : parts_(std::move(parts)) {}

    static void add_routes(Routes& routes, const std::shared_ptr<TaskApi>& self) {
        const auto add = [&](const char* method, const char* pattern, Level level, Answering member,
                             std::vector<std::string> query = {}) {
            const auto answer = [self, member](Request request, Parameters parameters) {
                return (self.get()->*member)(std::move(request), std::move(parameters));
            };
            routes.add(method, pattern, level, answer, std::move(query));
        };
        add("GET", "/api/dead", Level::viewer, &TaskApi::list_dead, {"state", "task", "run", "before", "limit"});
        add("GET", "/api/dead/{id}", Level::viewer, &TaskApi::show_dead);
        add("POST", "/api/dead/{id}/redrive", Level::operating, &TaskApi::redrive_dead);
        add("DELETE", "/api/dead/{id}", Level::operating, &TaskApi::drop_dead);
        add("GET", "/api/tasks/{task}", Level::viewer, &TaskApi::show_task);
        add("POST", "/api/call", Level::operating, &TaskApi::call_task);
        add("POST", "/api/backup", Level::admin, &TaskApi::make_backup);
    }

private:
    using Answering = awaitable<Response> (TaskApi::*)(Request, Parameters);

    awaitable<Response> list_dead(Request request, Parameters) {
        runtime::DeadLetterFilter filter;
        filter.run_id = parameter(request, "run");
        if (!filter.run_id.empty() && !is_run_id(filter.run_id))
            co_return problem(400, "bad_request", "'run' must be the whole id of a run, not '" + filter.run_id + "'");
        filter.task = parameter(request, "task");
        const auto limit = number_in(request, "limit", {100, 1, list_limit_max});
        if (!limit) co_return problem(400, "bad_request", limit.error().detail);
        const auto before = number_in(request, "before", {UINT64_MAX, 0, UINT64_MAX});
        if (!before) co_return problem(400, "bad_request", before.error().detail);
        filter.limit = *limit;
        filter.before_id = *before;
        const auto state = parameter(request, "state");
        if (state == "redriven")
            filter.state = runtime::DeadLetterState::redriven;
        else if (state == "dropped")
            filter.state = runtime::DeadLetterState::dropped;
        else if (state == "all")
            filter.state = std::nullopt;
        else if (!state.empty() && state != "open")
            co_return problem(400, "bad_request", no_such_word("state", state, dead_states));
        auto found = co_await parts_->reader->ask(
            [filter](runtime::RunQueries& queries) { return queries.dead_letters(filter); });
        if (!found) co_return problem_of(found.error());
        json::array list;
        for (const auto& letter : *found) list.emplace_back(dead_letter_json(letter));
        co_return reply(200, list);
    }

    static Response no_dead_letter(const std::string& id) {
        return problem(404, "not_found", "no dead letter '" + id + "'; baton dead list shows them");
    }

    awaitable<Response> show_dead(Request, Parameters parameters) {
        const auto id = number_from<std::uint64_t>(parameters.at("id"));
        if (!id) co_return no_dead_letter(parameters.at("id"));
        auto found = co_await parts_->reader->ask(
            [id = *id](runtime::RunQueries& queries) { return queries.dead_letter(id); });
        if (!found) co_return problem_of(found.error());
        if (!*found) co_return no_dead_letter(parameters.at("id"));
        co_return reply(200, dead_letter_json(**found));
    }

    static Response done_reply(const Outcome<void>&) {
        json::object out;
        out["done"] = true;
        return reply(200, out);
    }

    awaitable<Response> redrive_dead(Request request, Parameters parameters) {
        const auto actor = as_utf8(request.login.user);
        const auto id = number_from<std::uint64_t>(parameters.at("id"));
        if (!id) co_return no_dead_letter(parameters.at("id"));
        const auto ask = [this, id = *id, actor](auto callback, auto claim) {
            parts_->engine->redrive(id, callback, actor, claim);
        };
        co_return co_await change<void>(ask, done_reply,
                                        "it is sent again when database and broker are back, and stays open until then");
    }

    awaitable<Response> drop_dead(Request, Parameters parameters) {
        const auto id = number_from<std::uint64_t>(parameters.at("id"));
        if (!id) co_return no_dead_letter(parameters.at("id"));
        const auto ask = [this, id = *id](auto callback, auto claim) { parts_->engine->drop(id, callback, claim); };
        co_return co_await change<void>(ask, done_reply, "it is dropped when the database is back");
    }

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
            [this, task, with, limit](auto callback) { parts_->call(task, with, limit, callback); });
        if (!done) co_return problem(504, "timeout", "no answer to '" + task + "' in time");
        if (!*done) {
            const auto& failure = done->error();
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
