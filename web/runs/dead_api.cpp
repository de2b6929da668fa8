// The routes of dead letters: looked at one by one and in groups by cause, sent again or dropped one by
// one, or many at a rate by a job that the engine keeps.
#include "web/runs/run_api.hpp"

#include "base/base64.hpp"
#include "base/rfc3339.hpp"
#include "base/json_text.hpp"
#include "base/utf8.hpp"
#include "orchestrator/runtime/dead_job.hpp"
#include "orchestrator/runtime/repair.hpp"
#include "web/http/members.hpp"
#include "web/http/query.hpp"
#include "web/http/replies.hpp"
#include "web/runs/dead_filter.hpp"
#include "web/runs/run_view.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

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

constexpr std::array<std::string_view, 2> job_actions{"redrive", "drop"};
// A reason stands beside the letter for ever.
constexpr std::size_t dead_reason_bytes_max = 4096;

Failure bad_letter(std::string detail) {
    return {make_error_code(boost::system::errc::invalid_argument), std::move(detail)};
}

Response bad_dead_request(const Failure& failure) {
    return problem(400, "bad_request", failure.detail);
}

} // namespace

Outcome<runtime::DeadJob> dead_job_of(const json::object& body, std::string actor) {
    BATON_TRY(check_members(body, {"action", "task", "error_type", "workflow", "run", "group", "since", "until", "rate", "reason"},
                            {"stop_after", "all", "edit"}));
    for (const auto& member : body)
        if (member.value().is_string() && member.value().get_string().empty())
            return bad_letter(fmt::format("'{}' is empty; leave it out or give it a value", std::string_view(member.key())));
    runtime::DeadJob job;
    job.actor = std::move(actor);
    const auto action = text_member(body, "action");
    if (std::ranges::find(job_actions, action) == job_actions.end()) return bad_letter(no_such_word("action", action, job_actions));
    job.drops = action == "drop";
    BATON_ASSIGN(job.filter, dead_filter_of([&](const char* name) { return text_member(body, name); }));
    const auto* all = body.if_contains("all");
    if (all != nullptr && !all->is_bool()) return bad_letter("'all' must be true or false");
    if (runtime::is_empty(job.filter) && (all == nullptr || !all->get_bool()))
        return bad_letter("say which: 'group', 'task', 'error_type', 'workflow', 'run', 'since' or 'until', or \"all\": true");
    const auto rate = text_member(body, "rate");
    if (job.drops && (!rate.empty() || body.contains("stop_after")))
        return bad_letter("'rate' and 'stop_after' are for letters that are sent again; dropping them does nothing to anybody");
    job.interval = runtime::default_interval;
    if (!rate.empty()) {
        BATON_ASSIGN(job.interval, runtime::interval_of(as_utf8(rate)));
    }
    if (const auto* given = body.if_contains("stop_after")) {
        ErrorCode error;
        job.stop_after = given->to_number<std::uint32_t>(error);
        if (error || job.stop_after == 0) return bad_letter("'stop_after' must be a whole number of new failures from 1");
    }
    job.reason = text_member(body, "reason");
    if (const auto fault = fault_in("reason", job.reason, dead_reason_bytes_max)) return *fault;
    if (const auto* edit = body.if_contains("edit")) {
        if (job.drops) return bad_letter("'edit' is for letters that are sent again");
        BATON_TRY(runtime::check_changes(*edit));
        job.edit = write_json(*edit);
    }
    if (job.drops && job.reason.empty()) return bad_letter("'reason' must say why they are dropped; it is kept beside them");
    return job;
}

namespace {

// What a message is to say instead, if somebody says so.
Outcome<std::optional<std::string>> new_body_in(const json::object& given) {
    using Body = std::optional<std::string>;
    BATON_TRY(check_members(given, {"body", "body_base64"}, {"with"}));
    if (given.size() > 1) return bad_letter("give one of 'body', 'body_base64' and 'with'");
    const auto* with = given.if_contains("with");
    if (with != nullptr && !with->is_object()) return bad_letter("'with' must be an object: the input of the task");
    if (given.contains("body")) return Body{text_member(given, "body")};
    if (!given.contains("body_base64")) return Body{};
    auto bytes = from_base64(text_member(given, "body_base64"));
    if (!bytes) return bad_letter("'body_base64' is no base64");
    return Body{std::move(*bytes)};
}

class DeadApi {
public:
    explicit DeadApi(std::shared_ptr<const ApiParts> parts) : parts_(std::move(parts)) {}

    static void add_routes(Routes& routes, const std::shared_ptr<DeadApi>& self) {
        const RouteAdder<DeadApi> add(routes, self);
        add("GET", "/api/dead", Level::viewer, &DeadApi::list,
            {"state", "task", "run", "workflow", "error_type", "group", "since", "until", "before", "limit"});
        add("GET", "/api/dead/groups", Level::viewer, &DeadApi::groups, {"state", "limit"});
        add("GET", "/api/dead/jobs", Level::viewer, &DeadApi::jobs, {"limit"});
        add("POST", "/api/dead/jobs", Level::operating, &DeadApi::start_job);
        add("GET", "/api/dead/jobs/{job}", Level::viewer, &DeadApi::job);
        add("POST", "/api/dead/jobs/{job}/cancel", Level::operating, &DeadApi::cancel_job);
        add("GET", "/api/dead/{id}", Level::viewer, &DeadApi::show);
        add("POST", "/api/dead/{id}/redrive", Level::operating, &DeadApi::redrive);
        add("DELETE", "/api/dead/{id}", Level::operating, &DeadApi::drop, {"reason"});
    }

private:
    awaitable<Response> list(Request request, Parameters) {
        auto filter = dead_filter_of([&](const char* name) { return parameter(request, name); });
        if (!filter) co_return bad_dead_request(filter.error());
        const auto limit = number_in(request, "limit", {100, 1, list_limit_max});
        if (!limit) co_return bad_dead_request(limit.error());
        const auto before = number_in(request, "before", {UINT64_MAX, 0, UINT64_MAX});
        if (!before) co_return bad_dead_request(before.error());
        const auto state = dead_state_of(request);
        if (!state) co_return bad_dead_request(state.error());
        filter->limit = *limit;
        filter->before_id = *before;
        filter->state = *state;
        const auto question = [asked = *filter](runtime::RunQueries& queries) { return queries.dead_letters(asked); };
        auto found = co_await parts_->reader->ask(question);
        if (!found) co_return problem_of(found.error());
        json::array letters;
        for (const auto& letter : *found) letters.emplace_back(dead_letter_json(letter));
        co_return reply(200, letters);
    }

    awaitable<Response> groups(Request request, Parameters) {
        const auto limit = number_in(request, "limit", {100, 1, list_limit_max});
        if (!limit) co_return bad_dead_request(limit.error());
        const auto state = dead_state_of(request);
        if (!state) co_return bad_dead_request(state.error());
        const auto question = [state = *state, limit = *limit](runtime::RunQueries& queries) {
            return queries.dead_groups(state, limit);
        };
        auto found = co_await parts_->reader->ask(question);
        if (!found) co_return problem_of(found.error());
        json::array all;
        for (const auto& group : *found) all.emplace_back(dead_group_json(group));
        co_return reply(200, all);
    }

    static Response no_dead_letter(const std::string& id) {
        return problem(404, "not_found", "no dead letter '" + as_utf8(id) + "'; baton dead list shows them");
    }
    static Response no_job(const std::string& id) {
        return problem(404, "not_found", "no bulk job '" + as_utf8(id) + "'; baton dead jobs shows them");
    }

    awaitable<Response> show(Request, Parameters parameters) {
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

    awaitable<Response> redrive(Request request, Parameters parameters) {
        const auto actor = as_utf8(request.login.user);
        const auto id = number_from<std::uint64_t>(parameters.at("id"));
        if (!id) co_return no_dead_letter(parameters.at("id"));
        const auto given = body_of(request);
        if (!given) co_return bad_dead_request(given.error());
        const auto body = new_body_in(*given);
        if (!body) co_return bad_dead_request(body.error());
        const auto* with = given->if_contains("with");
        const auto input = with == nullptr ? orchestrator::core::Document{} : orchestrator::core::Document::of(*with);
        const auto only_at = version_in(request.if_match); // of the letter's run
        const auto ask = [this, id = *id, actor, text = *body, input, only_at](auto callback, auto claim) {
            parts_->engine->redrive(id, callback, actor, claim, text, input, only_at);
        };
        co_return co_await change<void>(ask, done_reply,
                                        "it is sent again when database and broker are back, and stays open until then");
    }

    awaitable<Response> drop(Request request, Parameters parameters) {
        const auto actor = as_utf8(request.login.user);
        const auto id = number_from<std::uint64_t>(parameters.at("id"));
        if (!id) co_return no_dead_letter(parameters.at("id"));
        const auto reason = parameter(request, "reason");
        if (const auto fault = fault_in("reason", reason, dead_reason_bytes_max)) co_return bad_dead_request(*fault);
        const auto ask = [this, id = *id, actor, reason](auto callback, auto claim) {
            parts_->engine->drop(id, callback, actor, reason, claim);
        };
        co_return co_await change<void>(ask, done_reply, "it is dropped when the database is back");
    }

    static Response job_reply(const Outcome<runtime::DeadJob>& job) { return reply(200, dead_job_json(*job)); }

    awaitable<Response> start_job(Request request, Parameters) {
        auto body = body_of(request);
        if (!body) co_return bad_dead_request(body.error());
        auto asked = dead_job_of(*body, as_utf8(request.login.user));
        if (!asked) co_return bad_dead_request(asked.error());
        asked->key = request.idempotency_key;
        const auto ask = [this, job = *asked](auto callback, auto claim) {
            parts_->engine->start_dead_job(job, callback, claim);
        };
        co_return co_await change<runtime::DeadJob>(ask, job_reply, "the job begins when the database is back");
    }

    awaitable<Response> cancel_job(Request request, Parameters parameters) {
        const auto actor = as_utf8(request.login.user);
        const auto id = number_from<std::uint64_t>(parameters.at("job"));
        if (!id) co_return no_job(parameters.at("job"));
        const auto ask = [this, id = *id, actor](auto callback, auto claim) {
            parts_->engine->cancel_dead_job(id, callback, actor, claim);
        };
        co_return co_await change<runtime::DeadJob>(ask, job_reply, "the job is cancelled when the database is back");
    }

    awaitable<Response> jobs(Request request, Parameters) {
        const auto limit = number_in(request, "limit", {100, 1, list_limit_max});
        if (!limit) co_return bad_dead_request(limit.error());
        auto found = co_await parts_->reader->ask(
            [limit = *limit](runtime::RunQueries& queries) { return queries.dead_jobs(std::nullopt, limit); });
        if (!found) co_return problem_of(found.error());
        json::array all;
        for (const auto& one : *found) all.emplace_back(dead_job_json(one));
        co_return reply(200, all);
    }

    awaitable<Response> job(Request, Parameters parameters) {
        const auto id = number_from<std::uint64_t>(parameters.at("job"));
        if (!id) co_return no_job(parameters.at("job"));
        auto found = co_await parts_->reader->ask(
            [id = *id](runtime::RunQueries& queries) { return queries.dead_jobs(id, 1); });
        if (!found) co_return problem_of(found.error());
        if (found->empty()) co_return no_job(parameters.at("job"));
        co_return reply(200, dead_job_json(found->front()));
    }

    std::shared_ptr<const ApiParts> parts_;
};

} // namespace

void add_dead_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts) {
    DeadApi::add_routes(routes, std::make_shared<DeadApi>(parts));
}

} // namespace baton::web
