#include "web/api.hpp"

#include "base/random.hpp"
#include "web/access/doorkeeper.hpp"
#include "web/access/session_api.hpp"
#include "web/broker/broker_api.hpp"
#include "web/health_api.hpp"
#include "web/http/replies.hpp"
#include "web/http/routes.hpp"
#include "web/http/same_site.hpp"
#include "web/metrics/metrics.hpp"
#include "web/runs/hook_api.hpp"
#include "web/runs/run_api.hpp"
#include "web/v1/answer_keeper.hpp"
#include "web/v1/problem.hpp"
#include "web/v1/v1_api.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

namespace baton::web {

using boost::asio::awaitable;

namespace {

class Api {
public:
    explicit Api(ApiParts parts)
        : parts_(std::make_shared<const ApiParts>(std::move(parts))),
          doorkeeper_(std::make_shared<Doorkeeper>(parts_)),
          hooks_(parts_),
          answers_(parts_->writer, !parts_->node.empty()) {
        const auto health = std::make_shared<HealthApi>(parts_);
        if (parts_->has_orchestrator) {
            add_run_routes(routes_, parts_);
            add_dead_routes(routes_, parts_);
            add_task_routes(routes_, parts_);
            add_node_routes(routes_, parts_);
            add_doctor_routes(routes_, parts_);
            add_pause_routes(routes_, parts_);
            add_job_routes(routes_, parts_);
            add_schedule_routes(routes_, parts_);
            add_v1_routes(routes_, parts_, health);
        }
        add_metrics_routes(routes_,
                           std::make_shared<const MetricsParts>(parts_->engine, parts_->broker,
                                                                parts_->figures, parts_->counted));
        add_session_routes(routes_, doorkeeper_);
        add_health_routes(routes_, health, parts_);
        add_broker_routes(routes_, std::shared_ptr<const BrokerPort>(parts_, &parts_->broker));
    }

    // What a path can be asked is no secret: OPTIONS needs no log-in, as in RabbitMQ's API.
    std::optional<Response> admit_or_tell_methods(Request& request) {
        const bool is_question = request.method == "OPTIONS";
        if (parts_->page && !is_question && !request.has_body)
            if (auto shown = parts_->page->answer(request)) return shown;
        auto refusal = told(request);
        if (refusal && is_v1(request.path) && !HookApi::is_hook(request.path))
            refusal = finished(std::move(*refusal), request);
        return refusal;
    }

    // `is_http`: else it came by another way, and is no span of HTTP.
    awaitable<Response> answer(Request request, bool is_http = true) {
        if (HookApi::is_hook(request.path)) co_return co_await hooks_.answer(std::move(request));
        const auto match = routes_.find(request.method, request.path);
        const auto began = std::chrono::steady_clock::now();
        std::optional<Act> act;
        if (is_unsafe(request.method)) act = act_of(request, match.pattern);
        const bool is_ours = is_v1(request.path);
        Request kept; // what the end of the answer looks at
        if (is_ours) {
            kept.path = request.path;
            kept.request_id = request.request_id;
        }
        std::optional<orchestrator::runtime::Span> span;
        if (is_http) span = begin_span(request, match.pattern);
        const bool is_once = AnswerKeeper::counts(request, match);
        Response response;
        if (is_once)
            response = co_await answers_.answer(std::move(request), *match.handler,
                                                match.parameters, std::string(match.pattern));
        else
            response = co_await (*match.handler)(std::move(request), match.parameters);
        // Whoever is told again what was done did nothing.
        if (AnswerKeeper::is_repeated(response)) act.reset();
        if (span) end_span(std::move(*span), response);
        if (act && response.sign_in)
            tell_actor(*act, response.sign_in->login, response.sign_in->is_known);
        if (act) record(*act, response.status);
        if (parts_->counted != nullptr)
            parts_->counted->requests.of(match.pattern, std::to_string(response.status))
                .note(std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - began)
                          .count());
        if (is_ours) co_return finished(std::move(response), kept);
        co_return response;
    }

    awaitable<Response> answer_known(Request request) {
        const auto match = routes_.find(request.method, request.path);
        auto refusal =
            match.handler == nullptr
                ? std::optional(problem(404, "not_found", "nothing lives at " + request.path))
                : Doorkeeper::refuses(request.login, match.level);
        if (!refusal) co_return co_await answer(std::move(request), false);
        if (match.handler != nullptr && is_unsafe(request.method))
            record(act_of(request, match.pattern), refusal->status);
        co_return std::move(*refusal);
    }

private:
    std::optional<Response> told(Request& request) {
        const bool is_question = request.method == "OPTIONS";
        auto refusal = is_question ? std::optional(done(200)) : admit(request);
        if (!is_question && (!refusal || refusal->status != 405)) return refusal;
        const std::string methods =
            HookApi::is_hook(request.path) ? "OPTIONS, POST" : routes_.methods_of(request.path);
        if (methods.empty()) return problem(404, "not_found", "nothing lives at " + request.path);
        refusal->headers["Allow"] = methods;
        return refusal;
    }

    std::optional<Response> admit(Request& request) {
        // Senders of webhooks know no dialect of ours.
        if (HookApi::is_hook(request.path)) return hooks_.admit(request);
        const auto match = routes_.find(request.method, request.path);
        auto refusal = doorkeeper_->refusal_of(request, match);
        if (!refusal) refusal = answers_.refusal_of(request, match);
        // What nobody tried to log in for, or what does not exist, is no act of anybody.
        if (refusal && match.handler != nullptr && credentials_of(request))
            record(act_of(request, match.pattern), refusal->status);
        if (refusal && parts_->counted != nullptr)
            parts_->counted->requests
                .of(match.pattern.empty() ? "none" : match.pattern, std::to_string(refusal->status))
                .note(0);
        return refusal;
    }

    // Of a request in a trace that somebody records. What it asks for is the span's doing.
    std::optional<orchestrator::runtime::Span> begin_span(Request& request,
                                                          std::string_view pattern) {
        if (!parts_->span) return std::nullopt;
        auto context = trace::parse(request.trace.parent);
        if (!context || !context->is_sampled) return std::nullopt;
        orchestrator::runtime::Span span;
        span.trace = context->trace;
        span.parent = context->span;
        span.state = request.trace.state;
        span.id = std::max<std::uint64_t>(random_.next(), 1);
        span.name = fmt::format("{} {}", request.method, pattern);
        span.kind = orchestrator::runtime::Span::Kind::server;
        span.started = SystemClock().now();
        span.attributes.emplace_back("http.request.method", request.method);
        span.attributes.emplace_back("http.route", std::string(pattern));
        span.attributes.emplace_back("url.path", request.path);
        context->span = span.id;
        request.trace.parent = trace::to_text(*context);
        return span;
    }

    // As the conventions have it, what the asker did wrong is no failure of the server.
    void end_span(orchestrator::runtime::Span span, const Response& response) const {
        span.ended = SystemClock().now();
        span.attributes.emplace_back("http.response.status_code",
                                     static_cast<std::int64_t>(response.status));
        if (response.status >= 500) {
            span.has_failed = true;
            span.attributes.emplace_back("error.type", std::to_string(response.status));
        }
        parts_->span(std::move(span));
    }

    // What all answers of /baton/v1 have in common.
    static Response finished(Response response, const Request& request) {
        response = as_problem(std::move(response), request.path);
        if (!request.request_id.empty()) response.headers["X-Request-Id"] = request.request_id;
        if (!response.headers.contains("Cache-Control"))
            response.headers["Cache-Control"] =
                response.headers.contains("ETag") ? "private, no-cache" : "no-store";
        return response;
    }

    // The user as known, or as given when the log-in was refused.
    static void tell_actor(Act& act, const Login& login, bool is_known) {
        act.actor = login.user;
        act.is_known = is_known;
        act.role.clear();
        for (const auto& tag : login.tags)
            act.role += (act.role.empty() ? "" : ",") + tag;
    }

    static Act act_of(const Request& request, std::string_view pattern) {
        Act act;
        tell_actor(act, request.login, !request.login.user.empty());
        if (act.actor.empty())
            if (const auto credentials = credentials_of(request)) act.actor = credentials->user;
        act.address = request.remote_address;
        act.action = request.method + " " + std::string(pattern);
        act.target = request.path;
        return act;
    }

    void record(Act act, unsigned outcome) const {
        act.outcome = outcome;
        if (parts_->audit) parts_->audit(act);
    }

    std::shared_ptr<const ApiParts> parts_;
    std::shared_ptr<Doorkeeper> doorkeeper_;
    HookApi hooks_;
    AnswerKeeper answers_;
    Random random_{entropy_seed()}; // of spans
    Routes routes_;
};

} // namespace

Web make_api(ApiParts parts) {
    auto api = std::make_shared<Api>(std::move(parts));
    return {[api](Request request) { return api->answer(std::move(request)); },
            [api](Request& request) { return api->admit_or_tell_methods(request); },
            [api](Request request) { return api->answer_known(std::move(request)); }};
}

} // namespace baton::web
