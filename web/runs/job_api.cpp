// Bulk jobs over runs: asked for, looked at, ended.
#include "base/clock.hpp"
#include "base/json_text.hpp"
#include "base/utf8.hpp"
#include "orchestrator/runtime/dead_job.hpp"
#include "orchestrator/runtime/run_job.hpp"
#include "orchestrator/runtime/run_query.hpp"
#include "web/http/members.hpp"
#include "web/http/query.hpp"
#include "web/http/replies.hpp"
#include "web/runs/run_api.hpp"
#include "web/runs/run_operations.hpp"
#include "web/runs/run_view.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace baton::web {

namespace json = boost::json;
namespace runtime = orchestrator::runtime;
using boost::asio::awaitable;
using runtime::RunJob;
using runtime::RunQueries;

namespace {

constexpr std::size_t key_bytes_max = 255;
constexpr std::size_t query_bytes_max = 8192;

Failure bad_job(std::string detail) {
    return {make_error_code(boost::system::errc::invalid_argument), std::move(detail)};
}

} // namespace

json::object run_job_json(const RunJob& job) {
    json::object out{{"id", job.id},
                     {"state", runtime::word_of(job.state)},
                     {"q", job.query},
                     {"actor", job.actor}};
    const auto action = from_text(job.action);
    if (const auto* members = action.if_object())
        for (const auto& member : *members)
            out[member.key()] = member.value();
    out["rate"] = runtime::rate_text(job.interval);
    out["stop_after"] = job.stop_after == 0 ? json::value(nullptr) : json::value(job.stop_after);
    out["total"] = job.total;
    out["total_is_exact"] = job.total_is_exact;
    out["done"] = job.done;
    out["refused"] = job.refused;
    out["note"] = job.note.empty() ? json::value(nullptr) : json::value(job.note);
    out["at"] = to_rfc3339(job.at);
    out["closed_at"] =
        job.closed_at ? json::value(to_rfc3339(*job.closed_at)) : json::value(nullptr);
    return out;
}

Outcome<RunJob> run_job_of(const json::object& body, std::string actor) {
    BATON_TRY(check_members(body, {"q", "action", "reason", "status", "step", "rate", "key"},
                            {"now", "stop_after"}));
    RunJob job;
    job.actor = std::move(actor);
    job.query = text_member(body, "q");
    if (job.query.empty())
        return bad_job(
            "'q' must say which runs, as baton runs does; 'status:open' is all that are not over");
    if (job.query.size() > query_bytes_max) return bad_job("'q' is too long");
    if (const auto search = runtime::parse_run_query(job.query, SystemClock().now()); !search)
        return bad_job("q, " + search.error().detail);
    json::object action;
    for (const char* name : {"action", "reason", "status", "step"})
        if (const auto text = text_member(body, name); !text.empty()) action[name] = text;
    if (const auto* now = body.if_contains("now")) action["now"] = *now;
    if (text_member(body, "reason").size() > reason_bytes_max) return bad_job(too_long_a_reason);
    BATON_TRY(runtime::check_run_action(action));
    job.action = write_json(action);
    job.interval = runtime::run_job_interval;
    if (const auto rate = text_member(body, "rate"); !rate.empty()) {
        BATON_ASSIGN(job.interval, runtime::interval_of(as_utf8(rate)));
    }
    if (const auto* given = body.if_contains("stop_after")) {
        ErrorCode error;
        job.stop_after = given->to_number<std::uint32_t>(error);
        if (error || job.stop_after == 0)
            return bad_job("'stop_after' must be a whole number of runs that refuse, from 1");
    }
    job.key = text_member(body, "key");
    if (job.key.size() > key_bytes_max || !is_utf8(job.key) ||
        job.key.find('\0') != std::string::npos)
        return bad_job("'key' may have 255 bytes of text");
    return job;
}

namespace {

class JobApi {
public:
    explicit JobApi(std::shared_ptr<const ApiParts> parts) : parts_(std::move(parts)) {}

    static void add_routes(Routes& routes, const std::shared_ptr<JobApi>& self) {
        const RouteAdder<JobApi> add(routes, self);
        add("GET", "/api/jobs", Level::viewer, &JobApi::list, {"limit"});
        add("POST", "/api/jobs", Level::operating, &JobApi::start);
        add("GET", "/api/jobs/{job}", Level::viewer, &JobApi::show);
        add("POST", "/api/jobs/{job}/cancel", Level::operating, &JobApi::cancel);
    }

private:
    static Response no_job(const std::string& id) {
        return problem(404, "not_found",
                       "no bulk job '" + as_utf8(id) + "'; baton jobs shows them");
    }

    awaitable<Response> start(Request request, Parameters) {
        if (auto refusal = take_key(request, "key")) co_return std::move(*refusal);
        auto body = body_of(request);
        if (!body) co_return problem(400, "bad_request", body.error().detail);
        auto job = run_job_of(*body, as_utf8(request.login.user));
        if (!job) co_return problem(400, "bad_request", job.error().detail);
        if (!parts_->start_run_job)
            co_return problem(404, "not_found", "this server does no bulk jobs");
        // Who asks without a key and hears nothing must look before asking again.
        if (job->key.empty())
            job->key = fmt::format("{}-{}", micros_of(SystemClock().now()), ++asked_);
        co_return answer(
            co_await await_reply<Outcome<RunJob>>(request_limit, [this, job = *job](auto callback) {
                parts_->start_run_job(job, callback);
            }));
    }

    awaitable<Response> cancel(Request request, Parameters parameters) {
        const auto id = number_from<std::uint64_t>(parameters.at("job"));
        if (!id || !parts_->cancel_run_job) co_return no_job(parameters.at("job"));
        co_return answer(co_await await_reply<Outcome<RunJob>>(
            request_limit, [this, id = *id, actor = as_utf8(request.login.user)](auto callback) {
                parts_->cancel_run_job(id, actor, callback);
            }));
    }

    static Response answer(const std::optional<Outcome<RunJob>>& job) {
        if (!job) return no_answer_to_change();
        if (!*job) return problem_of(job->error());
        return reply(200, run_job_json(**job));
    }

    awaitable<Response> list(Request request, Parameters) {
        const auto limit = number_in(request, "limit", {100, 1, list_limit_max});
        if (!limit) co_return problem(400, "bad_request", limit.error().detail);
        const auto found = co_await parts_->reader->ask([limit = *limit](RunQueries& queries) {
            return queries.run_jobs(std::nullopt, limit);
        });
        if (!found) co_return problem_of(found.error());
        json::array all;
        for (const RunJob& one : *found)
            all.push_back(run_job_json(one));
        co_return reply(200, all);
    }

    awaitable<Response> show(Request, Parameters parameters) {
        const auto id = number_from<std::uint64_t>(parameters.at("job"));
        if (!id) co_return no_job(parameters.at("job"));
        const auto found = co_await parts_->reader->ask(
            [id = *id](RunQueries& queries) { return queries.run_jobs(id, 1); });
        if (!found) co_return problem_of(found.error());
        if (found->empty()) co_return no_job(parameters.at("job"));
        co_return reply(200, run_job_json(found->front()));
    }

    std::shared_ptr<const ApiParts> parts_;
    std::uint64_t asked_ = 0;
};

} // namespace

void add_job_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts) {
    JobApi::add_routes(routes, std::make_shared<JobApi>(parts));
}

} // namespace baton::web
