#include "web/api.hpp"

#include "base/log.hpp"
#include "orchestrator/core/status.hpp"
#include "web/await_reply.hpp"
#include "web/routes.hpp"
#include "web/run_view.hpp"

#include <boost/beast/core/detail/base64.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <charconv>
#include <memory>
#include <optional>
#include <utility>

namespace baton::web {

namespace json = boost::json;
namespace runtime = orchestrator::runtime;
using boost::asio::awaitable;
using runtime::EngineErrc;

namespace {

// Longer than any healthy commit; a store that is away keeps requests waiting until then.
constexpr std::chrono::seconds request_limit{30};
constexpr std::chrono::seconds follow_limit_max{60};
constexpr std::size_t list_limit_max = 1000;

Response reply(unsigned status, const json::value& body) {
    return {.status = status, .body = json::serialize(body), .content_type = "application/json", .headers = {}};
}

Response problem(unsigned status, std::string_view error, std::string_view reason) {
    json::object body;
    body["error"] = error;
    body["reason"] = reason;
    return reply(status, body);
}

Response no_answer() {
    return problem(503, "unavailable", "the orchestrator did not answer in time; its database may be away, see the server's log");
}

Response problem_of(const Failure& failure) {
    unsigned status = 503;
    std::string_view error = "unavailable";
    if (failure.code.category() == runtime::engine_category()) {
        switch (static_cast<EngineErrc>(failure.code.value())) {
        case EngineErrc::unknown_workflow:
        case EngineErrc::unknown_run:
        case EngineErrc::unknown_dead_letter: status = 404, error = "not_found"; break;
        case EngineErrc::bad_input: status = 422, error = "bad_input"; break;
        case EngineErrc::bad_definition: status = 422, error = "bad_definition"; break;
        case EngineErrc::duplicate: status = 409, error = "duplicate"; break;
        case EngineErrc::refused: status = 409, error = "refused"; break;
        case EngineErrc::stopping: status = 503, error = "stopping"; break;
        }
    }
    return problem(status, error, failure.detail);
}

// A request's body as an object, or what is wrong with it.
Outcome<json::object> body_of(const Request& request) {
    if (request.body.empty()) return json::object{};
    ErrorCode error;
    json::parse_options options;
    options.max_depth = 64;
    auto value = json::parse(request.body, error, {}, options);
    if (error) return Failure{error, "the body is not JSON: " + error.message()};
    if (!value.is_object())
        return Failure{make_error_code(boost::system::errc::invalid_argument), "the body must be a JSON object"};
    return std::move(value.as_object());
}

std::string text_member(const json::object& object, std::string_view key) {
    const auto* found = object.if_contains(key);
    if (found == nullptr || !found->is_string()) return {};
    return std::string(found->as_string());
}

template <typename Number>
std::optional<Number> number_from(std::string_view text) {
    Number number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

template <typename Number>
Number number_parameter(const Request& request, const std::string& key, Number otherwise) {
    const auto found = request.query.find(key);
    if (found == request.query.end()) return otherwise;
    return number_from<Number>(found->second).value_or(otherwise);
}

std::string parameter(const Request& request, const std::string& key) {
    const auto found = request.query.find(key);
    return found == request.query.end() ? std::string{} : found->second;
}

class Api {
public:
    explicit Api(ApiParts parts) : parts_(std::move(parts)) { add_routes(); }

    awaitable<Response> answer(Request request) {
        const auto match = routes_.find(request.method, request.path);
        if (match.handler == nullptr && match.path_exists)
            co_return problem(405, "method_not_allowed", request.method + " is not possible here");
        if (match.handler == nullptr)
            co_return problem(404, "not_found", "nothing lives at " + request.path);
        if (request.path != "/api/health" && !is_allowed(request)) {
            auto refusal = problem(401, "unauthorized", "user or password is wrong");
            refusal.headers["WWW-Authenticate"] = "Basic realm=\"Baton\"";
            co_return refusal;
        }
        co_return co_await (*match.handler)(std::move(request), match.parameters);
    }

private:
    using Answering = awaitable<Response> (Api::*)(Request, Parameters);

    void add(const char* method, const char* pattern, Answering member) {
        routes_.add(method, pattern, [this, member](Request request, Parameters parameters) {
            return (this->*member)(std::move(request), std::move(parameters));
        });
    }

    void add_routes() {
        add("GET", "/api/health", &Api::health);
        add("GET", "/api/workflows", &Api::list_workflows);
        add("POST", "/api/workflows", &Api::deploy);
        add("POST", "/api/runs", &Api::start_run);
        add("GET", "/api/runs", &Api::list_runs);
        add("GET", "/api/runs/{run}", &Api::show_run);
        add("GET", "/api/runs/{run}/history", &Api::follow_run);
        add("POST", "/api/runs/{run}/cancel", &Api::cancel_run);
        add("POST", "/api/runs/{run}/retry", &Api::retry_run);
        add("GET", "/api/counts", &Api::count_runs);
        add("GET", "/api/dead", &Api::list_dead);
        add("GET", "/api/dead/{id}", &Api::show_dead);
        add("POST", "/api/dead/{id}/redrive", &Api::redrive_dead);
        add("DELETE", "/api/dead/{id}", &Api::drop_dead);
        add("POST", "/api/call", &Api::call_task);
        add("GET", "/api/metrics", &Api::metrics);
    }

    bool is_allowed(const Request& request) const {
        constexpr std::string_view scheme = "Basic ";
        if (!request.authorization.starts_with(scheme)) return false;
        const auto encoded = std::string_view(request.authorization).substr(scheme.size());
        std::string decoded(boost::beast::detail::base64::decoded_size(encoded.size()), '\0');
        decoded.resize(boost::beast::detail::base64::decode(decoded.data(), encoded.data(), encoded.size()).first);
        const auto colon = decoded.find(':');
        if (colon == std::string::npos) return false;
        return parts_.authenticate(decoded.substr(0, colon), decoded.substr(colon + 1), request.remote_is_loopback);
    }

    // The full id for an id or its unambiguous beginning; the response says why there is none.
    Outcome<std::string> full_id(const std::string& given) {
        if (given.size() == 36) return given;
        auto found = parts_.queries->run(given);
        if (!found) return found.error();
        if (!*found) return Failure{make_error_code(EngineErrc::unknown_run), "no run '" + given + "'; baton runs lists them"};
        return (*found)->run.run_id;
    }

    awaitable<Response> health(Request, Parameters) {
        const std::string trouble = parts_.trouble ? parts_.trouble() : std::string{};
        json::object body;
        body["status"] = trouble.empty() ? "ok" : "failing";
        if (!trouble.empty()) body["reason"] = trouble;
        co_return reply(trouble.empty() ? 200 : 503, body);
    }

    awaitable<Response> list_workflows(Request request, Parameters) {
        auto found = parts_.queries->definitions(parameter(request, "name"));
        if (!found) co_return problem_of(found.error());
        json::array list;
        for (const auto& definition : *found) {
            json::object entry;
            entry["name"] = definition.name;
            entry["version"] = definition.version;
            entry["live"] = definition.is_live;
            entry["file"] = definition.file_name;
            entry["created_at"] = to_rfc3339(definition.created_at);
            list.emplace_back(std::move(entry));
        }
        co_return reply(200, list);
    }

    awaitable<Response> deploy(Request request, Parameters) {
        auto body = body_of(request);
        if (!body) co_return problem(400, "bad_request", body.error().detail);
        auto source = text_member(*body, "source");
        auto file = text_member(*body, "file");
        if (source.empty()) co_return problem(400, "bad_request", "'source' must hold the text of a workflow file");
        if (file.empty()) file = "workflow.toml";
        auto done = co_await await_reply<Outcome<runtime::Deployed>>(
            request_limit, [this, source, file](auto callback) { parts_.engine->deploy(source, file, callback); });
        if (!done) co_return no_answer();
        if (!*done) co_return problem_of(done->error());
        json::object out;
        out["workflow"] = (*done)->name;
        out["version"] = (*done)->version;
        out["new"] = (*done)->is_new;
        co_return reply((*done)->is_new ? 201 : 200, out);
    }

    awaitable<Response> start_run(Request request, Parameters) {
        auto body = body_of(request);
        if (!body) co_return problem(400, "bad_request", body.error().detail);
        runtime::StartRequest start;
        start.workflow = text_member(*body, "workflow");
        start.key = text_member(*body, "key");
        start.fallback_key = text_member(*body, "fallback_key");
        if (const auto* input = body->if_contains("input")) start.input = json::serialize(*input);
        if (const auto* version = body->if_contains("version")) {
            ErrorCode error;
            start.version = version->to_number<std::uint32_t>(error);
            if (error) co_return problem(400, "bad_request", "'version' must be a whole number");
        }
        if (start.workflow.empty()) co_return problem(400, "bad_request", "'workflow' must name a workflow");
        auto done = co_await await_reply<Outcome<runtime::Started>>(
            request_limit, [this, start](auto callback) { parts_.engine->start_run(start, callback); });
        if (!done) co_return no_answer();
        if (!*done) co_return problem_of(done->error());
        json::object out;
        out["run"] = (*done)->run_id;
        out["new"] = (*done)->is_new;
        out["version"] = (*done)->workflow_version;
        co_return reply((*done)->is_new ? 201 : 200, out);
    }

    awaitable<Response> list_runs(Request request, Parameters) {
        runtime::RunFilter filter;
        filter.workflow = parameter(request, "workflow");
        filter.before_run_id = parameter(request, "before");
        filter.limit = std::min(number_parameter<std::size_t>(request, "limit", 50), list_limit_max);
        if (const auto status = parameter(request, "status"); !status.empty()) {
            filter.status = orchestrator::core::run_status_from(status);
            if (!filter.status) co_return problem(400, "bad_request", "no status '" + status + "'");
        }
        auto found = parts_.queries->runs(filter);
        if (!found) co_return problem_of(found.error());
        json::array list;
        for (const auto& run : *found) list.emplace_back(run_summary(run));
        co_return reply(200, list);
    }

    awaitable<Response> show_run(Request, Parameters parameters) {
        const auto& given = parameters.at("run");
        auto found = parts_.queries->run(given);
        if (!found) co_return problem_of(found.error());
        if (!*found) co_return problem(404, "not_found", "no run '" + given + "'; baton runs lists them");
        co_return reply(200, run_details(**found));
    }

    awaitable<Response> follow_run(Request request, Parameters parameters) {
        auto id = full_id(parameters.at("run"));
        if (!id) co_return problem_of(id.error());
        const auto after = number_parameter<std::uint64_t>(request, "after", 0);
        const std::chrono::seconds wait{std::min<std::int64_t>(
            number_parameter<std::int64_t>(request, "wait", 0), follow_limit_max.count())};
        if (wait.count() > 0) {
            std::optional<runtime::Engine::WatchId> watch;
            auto changed = co_await await_reply<Outcome<runtime::RunChanged>>(
                wait, [this, &id, after, &watch](auto callback) {
                    watch = parts_.engine->wait_for_change(*id, after, callback);
                });
            if (!changed && watch) parts_.engine->forget(*watch);
            if (changed && !*changed) co_return problem_of(changed->error());
        }
        auto found = parts_.queries->run(*id);
        if (!found) co_return problem_of(found.error());
        if (!*found) co_return problem(404, "not_found", "no run '" + *id + "'");
        auto& history = (*found)->history;
        std::erase_if(history, [after](const auto& row) { return row.seq <= after; });
        json::object out = run_summary((*found)->run);
        out["output"] = (*found)->run.output ? from_text(*(*found)->run.output) : json::value(nullptr);
        out["history"] = history_json(history);
        co_return reply(200, out);
    }

    static Response changed_reply(std::optional<Outcome<runtime::RunChanged>> done) {
        if (!done) return no_answer();
        if (!*done) return problem_of(done->error());
        json::object out;
        out["run"] = (*done)->run_id;
        out["status"] = orchestrator::core::word_of((*done)->status);
        out["seq"] = (*done)->seq;
        return reply(200, out);
    }

    awaitable<Response> cancel_run(Request request, Parameters parameters) {
        auto body = body_of(request);
        if (!body) co_return problem(400, "bad_request", body.error().detail);
        auto id = full_id(parameters.at("run"));
        if (!id) co_return problem_of(id.error());
        const auto reason = text_member(*body, "reason");
        co_return changed_reply(co_await await_reply<Outcome<runtime::RunChanged>>(
            request_limit, [this, &id, reason](auto callback) { parts_.engine->cancel(*id, reason, callback); }));
    }

    awaitable<Response> retry_run(Request, Parameters parameters) {
        auto id = full_id(parameters.at("run"));
        if (!id) co_return problem_of(id.error());
        co_return changed_reply(co_await await_reply<Outcome<runtime::RunChanged>>(
            request_limit, [this, &id](auto callback) { parts_.engine->retry(*id, callback); }));
    }

    awaitable<Response> count_runs(Request, Parameters) {
        auto counts = parts_.queries->counts();
        if (!counts) co_return problem_of(counts.error());
        json::array list;
        for (const auto& count : *counts) {
            json::object entry;
            entry["workflow"] = count.workflow;
            entry["status"] = orchestrator::core::word_of(count.status);
            entry["count"] = count.count;
            list.emplace_back(std::move(entry));
        }
        co_return reply(200, list);
    }

    awaitable<Response> list_dead(Request request, Parameters) {
        runtime::DeadLetterFilter filter;
        filter.run_id = parameter(request, "run");
        filter.task = parameter(request, "task");
        filter.limit = std::min(number_parameter<std::size_t>(request, "limit", 100), list_limit_max);
        filter.before_id = number_parameter<std::uint64_t>(request, "before", UINT64_MAX);
        const auto state = parameter(request, "state");
        if (state == "redriven")
            filter.state = runtime::DeadLetterState::redriven;
        else if (state == "dropped")
            filter.state = runtime::DeadLetterState::dropped;
        else if (state == "all")
            filter.state = std::nullopt;
        else if (!state.empty() && state != "open")
            co_return problem(400, "bad_request", "state is one of open, redriven, dropped, all");
        auto found = parts_.queries->dead_letters(filter);
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
        auto found = parts_.queries->dead_letter(*id);
        if (!found) co_return problem_of(found.error());
        if (!*found) co_return no_dead_letter(parameters.at("id"));
        co_return reply(200, dead_letter_json(**found));
    }

    static Response done_reply(std::optional<Outcome<void>> done) {
        if (!done) return no_answer();
        if (!*done) return problem_of(done->error());
        json::object out;
        out["done"] = true;
        return reply(200, out);
    }

    awaitable<Response> redrive_dead(Request, Parameters parameters) {
        const auto id = number_from<std::uint64_t>(parameters.at("id"));
        if (!id) co_return no_dead_letter(parameters.at("id"));
        co_return done_reply(co_await await_reply<Outcome<void>>(
            request_limit, [this, id](auto callback) { parts_.engine->redrive(*id, callback); }));
    }

    awaitable<Response> drop_dead(Request, Parameters parameters) {
        const auto id = number_from<std::uint64_t>(parameters.at("id"));
        if (!id) co_return no_dead_letter(parameters.at("id"));
        const auto found = parts_.queries->dead_letter(*id);
        if (!found) co_return problem_of(found.error());
        if (!*found) co_return no_dead_letter(parameters.at("id"));
        co_return done_reply(co_await await_reply<Outcome<void>>(
            request_limit, [this, id](auto callback) { parts_.engine->drop(*id, callback); }));
    }

    awaitable<Response> call_task(Request request, Parameters) {
        auto body = body_of(request);
        if (!body) co_return problem(400, "bad_request", body.error().detail);
        const auto task = text_member(*body, "task");
        if (task.empty()) co_return problem(400, "bad_request", "'task' must name a task type, for example \"mail.send\"");
        std::string with = "{}";
        if (const auto* given = body->if_contains("with")) with = json::serialize(*given);
        std::chrono::milliseconds limit{5000};
        if (const auto* given = body->if_contains("timeout_ms")) {
            ErrorCode error;
            limit = std::chrono::milliseconds(given->to_number<std::uint32_t>(error));
            if (error || limit.count() < 1 || limit > std::chrono::hours(1))
                co_return problem(400, "bad_request", "'timeout_ms' must be a number from 1 to 3600000");
        }
        auto done = co_await await_reply<Outcome<CallAnswer>>(
            limit + std::chrono::seconds(5),
            [this, task, with, limit](auto callback) { parts_.call(task, with, limit, callback); });
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

    awaitable<Response> metrics(Request, Parameters) {
        const auto& counted = parts_.engine->metrics();
        json::object out;
        out["batches"] = counted.batches.value();
        out["transitions"] = counted.transitions.value();
        out["events"] = counted.events.value();
        out["ignored_reports"] = counted.ignored_reports.value();
        out["unknown_reports"] = counted.unknown_reports.value();
        out["commit_failures"] = counted.commit_failures.value();
        out["lost_runs"] = counted.lost_runs.value();
        out["takeovers"] = counted.takeovers.value();
        out["cached_runs"] = counted.cached_runs.value();
        out["waiting_items"] = counted.waiting_items.value();
        out["unpublished"] = counted.unpublished.value();
        co_return reply(200, out);
    }

    ApiParts parts_;
    Routes routes_;
};

} // namespace

Handler make_api(ApiParts parts) {
    auto api = std::make_shared<Api>(std::move(parts));
    return [api](Request request) { return api->answer(std::move(request)); };
}

} // namespace baton::web
