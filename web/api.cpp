#include "web/api.hpp"

#include "base/base64.hpp"
#include "base/log.hpp"
#include "web/broker/broker_api.hpp"
#include "web/metrics/metrics.hpp"
#include "web/http/query.hpp"
#include "web/http/replies.hpp"
#include "web/http/routes.hpp"
#include "web/runs/hook_api.hpp"
#include "web/runs/run_api.hpp"
#include "web/http/same_site.hpp"
#include "web/access/sessions.hpp"

#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <utility>

namespace baton::web {

namespace json = boost::json;
using boost::asio::awaitable;

namespace {

struct Credentials {
    std::string user;
    std::string password;
};

// Of HTTP's basic scheme.
std::optional<Credentials> credentials_of(const Request& request) {
    constexpr std::string_view scheme = "Basic ";
    if (!request.authorization.starts_with(scheme)) return std::nullopt;
    const auto decoded = from_base64(std::string_view(request.authorization).substr(scheme.size()));
    if (!decoded) return std::nullopt;
    const auto colon = decoded->find(':');
    if (colon == std::string::npos) return std::nullopt;
    return Credentials{decoded->substr(0, colon), decoded->substr(colon + 1)};
}

class Api {
public:
    explicit Api(ApiParts parts) : parts_(std::make_shared<const ApiParts>(std::move(parts))), hooks_(parts_) {
        if (parts_->has_orchestrator) {
            add_run_routes(routes_, parts_);
            add_dead_routes(routes_, parts_);
            add_task_routes(routes_, parts_);
            add_node_routes(routes_, parts_);
            add_doctor_routes(routes_, parts_);
            add_pause_routes(routes_, parts_);
            add_job_routes(routes_, parts_);
            add_schedule_routes(routes_, parts_);
        }
        add_metrics_routes(routes_, std::make_shared<const MetricsParts>(parts_->engine, parts_->broker, parts_->figures, parts_->counted));
        add_session_routes();
        add_broker_routes(routes_, std::shared_ptr<const BrokerPort>(parts_, &parts_->broker));
    }

    // What a path can be asked is no secret: OPTIONS needs no log-in, as in RabbitMQ's API.
    std::optional<Response> admit_or_tell_methods(Request& request) const {
        const bool is_question = request.method == "OPTIONS";
        if (parts_->page && !is_question && !request.has_body)
            if (auto shown = parts_->page->answer(request)) return shown;
        auto refusal = is_question ? std::optional(done(200)) : admit(request);
        if (!is_question && (!refusal || refusal->status != 405)) return refusal;
        const std::string methods = request.path == "/api/health"       ? "GET, HEAD, OPTIONS"
                                    : HookApi::is_hook(request.path) ? "OPTIONS, POST"
                                                                     : routes_.methods_of(request.path);
        if (methods.empty()) return problem(404, "not_found", "nothing lives at " + request.path);
        refusal->headers["Allow"] = methods;
        return refusal;
    }

    // Who may ask what is settled before a body is read: strangers cost the server no memory.
    std::optional<Response> admit(Request& request) const {
        if (request.path == "/api/health") {
            if (request.method != "GET" && request.method != "HEAD")
                return problem(405, "method_not_allowed", request.method + " is not possible here");
            if (request.has_body) return problem(400, "bad_request", "this takes no body");
            // Balancers ask by names of their own, and the answer says nothing that others must not know.
            if (is_from_browser(request))
                if (auto refusal = refuses_foreign(request, parts_->own_names)) return refusal;
            return refuses_query(request, {});
        }
        if (HookApi::is_hook(request.path)) return hooks_.admit(request);
        const auto match = routes_.find(request.method, request.path);
        auto refusal = refusal_of(request, match);
        // What nobody tried to log in for, or what does not exist, is no act of anybody.
        if (refusal && match.handler != nullptr && credentials_of(request))
            record(act_of(request, match.pattern), refusal->status);
        if (refusal && parts_->counted != nullptr)
            parts_->counted->requests.of(match.pattern.empty() ? "none" : match.pattern, std::to_string(refusal->status)).note(0);
        return refusal;
    }

    awaitable<Response> answer(Request request) {
        if (request.path == "/api/health") co_return co_await health();
        if (HookApi::is_hook(request.path)) co_return co_await hooks_.answer(std::move(request));
        const auto match = routes_.find(request.method, request.path);
        const auto began = std::chrono::steady_clock::now();
        std::optional<Act> act;
        if (is_unsafe(request.method)) act = act_of(request, match.pattern);
        Response response = co_await (*match.handler)(std::move(request), match.parameters);
        if (act) record(*act, response.status);
        if (parts_->counted != nullptr)
            parts_->counted->requests.of(match.pattern, std::to_string(response.status))
                .note(std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - began).count());
        co_return response;
    }

    awaitable<Response> answer_known(Request request) {
        const auto match = routes_.find(request.method, request.path);
        auto refusal = match.handler == nullptr ? std::optional(problem(404, "not_found", "nothing lives at " + request.path))
                                                : refuses(request.login, match.level);
        if (!refusal) co_return co_await answer(std::move(request));
        if (match.handler != nullptr && is_unsafe(request.method)) record(act_of(request, match.pattern), refusal->status);
        co_return std::move(*refusal);
    }

private:
    std::optional<Response> refusal_of(Request& request, const Routes::Match& match) const {
        if (match.handler == nullptr && match.path_exists)
            return problem(405, "method_not_allowed", request.method + " is not possible here");
        if (match.handler == nullptr) return problem(404, "not_found", "nothing lives at " + request.path);
        if (auto refusal = refuses_foreign(request, parts_->own_names)) return refusal;
        const auto credentials = credentials_of(request);
        if (!credentials)
            if (auto from_page = refuses_foreign_session(request)) return from_page;
        auto login = !credentials ? login_of_session(request)
                                  :  parts_->authenticate(credentials->user, credentials->password,
                                                        request.remote_is_loopback, request.remote_address);
        if (!login && credentials)
            if (auto pause = pause_of(credentials->user, request)) return pause;
        if (!login) {
            auto refusal = problem(401, "unauthorized", "user or password is wrong");
            // A page's script gets no dialog of the browser, which would keep the password for all pages.
            if (request.fetch_mode.empty()) refusal.headers["WWW-Authenticate"] = "Basic realm=\"Baton\"";
            return refusal;
        }
        request.login = std::move(*login);
        if (auto refusal = refuses(request.login, match.level)) return refusal;
        return is_own(match.level) ? refuses_query(request, match.query) : std::nullopt;
    }

    std::optional<Login> login_of_session(const Request& request) const {
        const auto name = session_in(request.cookies);
        if (name.empty() || !parts_->find_user) return std::nullopt;
        const Session* session = sessions_.find(name, SystemClock().now());
        if (session == nullptr) return std::nullopt;
        auto known = parts_->find_user(session->user, request.remote_is_loopback);
        if (known && known->mark == session->mark) return std::move(known->login);
        sessions_.end(name);
        return std::nullopt;
    }

    // Browsers send a cookie without asking anybody, but never a change without saying where it comes from.
    static std::optional<Response> refuses_foreign_session(const Request& request) {
        const bool says_where = !request.origin.empty() || !request.fetch_site.empty();
        if (session_in(request.cookies).empty() || !is_unsafe(request.method) || says_where) return std::nullopt;
        return problem(403, "forbidden", "with a session's cookie a change has to say by Origin or Sec-Fetch-Site where it comes from; "
                                         "programs log in by Authorization");
    }

    void add_session_routes() {
        routes_.add("POST", "/api/login", Level::anybody, [this](Request request, Parameters) { return begin_session(std::move(request)); });
        routes_.add("GET", "/api/login", Level::anybody, [this](Request request, Parameters) { return tell_login(std::move(request)); });
        routes_.add("DELETE", "/api/login", Level::anybody, [this](Request request, Parameters) { return end_session(std::move(request)); });
        routes_.add("GET", "/api/version", Level::anybody, [this](Request, Parameters) { return tell_version(); });
    }

    static json::object object_of(const Login& login) {
        json::array tags;
        for (const auto& tag : login.tags) tags.emplace_back(tag);
        return {{"user", login.user}, {"tags", std::move(tags)}};
    }

    awaitable<Response> begin_session(Request request) {
        if (!credentials_of(request))
            co_return problem(400, "bad_request", "a session begins with user and password in the header Authorization (HTTP basic)");
        const auto known = parts_->find_user ? parts_->find_user(request.login.user, request.remote_is_loopback) : std::nullopt;
        if (!known) co_return problem(401, "unauthorized", "user or password is wrong");
        const auto name = sessions_.begin(known->login.user, known->mark, SystemClock().now());
        if (!name) co_return problem(503, "busy", "too many sessions are open");
        auto body = object_of(known->login);
        body["seconds"] = std::chrono::seconds(Sessions::length).count();
        Response response = reply(200, body);
        response.headers["Set-Cookie"] = session_cookie(*name, request.has_tls);
        response.headers["Cache-Control"] = "no-store";
        co_return response;
    }

    awaitable<Response> tell_login(Request request) { co_return reply(200, object_of(request.login)); }

    awaitable<Response> end_session(Request request) {
        sessions_.end(session_in(request.cookies));
        Response response = done(204);
        response.headers["Set-Cookie"] = session_cookie({}, request.has_tls);
        co_return response;
    }

    awaitable<Response> tell_version() {
        co_return reply(200, json::object{{"product", "Baton"}, {"version", parts_->broker.baton_version},
                                          {"broker", parts_->broker.exists() ? json::value(parts_->broker.product + " " + parts_->broker.version)
                                                                             : json::value(nullptr)}});
    }

    // Whoever has the right password at last must not think that it is wrong.
    std::optional<Response> pause_of(const std::string& user, const Request& request) const {
        if (!parts_->login_pause) return std::nullopt;
        const auto left = parts_->login_pause(user, request.remote_address);
        if (left.count() <= 0) return std::nullopt;
        const auto seconds = (left.count() + 999) / 1000;
        auto refusal = problem(429, "too_many_attempts",
                               fmt::format("too many wrong passwords for '{}' from this address: guessing is slowed down, and none "
                                           "is looked at for {} s, not even the right one",
                                           user, seconds));
        refusal.headers["Retry-After"] = std::to_string(seconds);
        return refusal;
    }

    static std::optional<Response> refuses_query(const Request& request, std::span<const std::string> known) {
        const auto checked = check_query(request, known);
        if (checked) return std::nullopt;
        return problem(400, "bad_request", checked.error().detail);
    }

    // The user as known, or as given when the log-in was refused.
    static Act act_of(const Request& request, std::string_view pattern) {
        Act act;
        act.actor = request.login.user;
        act.is_known = !act.actor.empty();
        if (act.actor.empty())
            if (const auto credentials = credentials_of(request)) act.actor = credentials->user;
        for (const auto& tag : request.login.tags) act.role += (act.role.empty() ? "" : ",") + tag;
        act.address = request.remote_address;
        act.action = request.method + " " + std::string(pattern);
        act.target = request.path;
        return act;
    }

    void record(Act act, unsigned outcome) const {
        act.outcome = outcome;
        if (parts_->audit) parts_->audit(act);
    }

    static std::optional<Response> refuses(const Login& login, Level level) {
        // Nobody is told more of the broker than that they may not, until they have the first tag.
        const bool is_brokers = refusal_status(level) == 401;
        const Level missing = is_brokers && !reaches(login, Level::management) ? Level::management : level;
        if (reaches(login, missing)) return std::nullopt;
        return problem(refusal_status(missing), is_brokers ? "not_authorised" : "forbidden", refusal(missing));
    }

    // Anybody may ask, so the reasons name no address.
    awaitable<Response> health() {
        std::vector<HealthPart> parts = co_await server_parts();
        const std::string store = co_await store_trouble();
        if (!store.empty()) {
            std::erase_if(parts, [](const HealthPart& one) { return one.name == "store"; });
            parts.push_back({"store", HealthPart::State::failing, store});
        }
        json::object body;
        json::object listed;
        json::array degraded;
        json::array failing;
        std::string reason;
        for (const HealthPart& one : parts) {
            const bool is_good = one.state == HealthPart::State::ok;
            listed[one.name] = is_good ? "ok" : one.reason;
            if (is_good) continue;
            (one.state == HealthPart::State::failing ? failing : degraded).emplace_back(one.name);
            reason += (reason.empty() ? "" : "; ") + one.reason;
        }
        const bool is_failing = !failing.empty();
        body["status"] = is_failing ? "failing" : degraded.empty() ? "ok" : "degraded";
        if (!reason.empty()) body["reason"] = reason;
        if (!degraded.empty()) body["degraded"] = std::move(degraded);
        if (!failing.empty()) body["failing"] = std::move(failing);
        body["parts"] = std::move(listed);
        co_return reply(is_failing ? 503 : 200, body);
    }

    awaitable<std::vector<HealthPart>> server_parts() {
        if (!parts_->health) co_return std::vector<HealthPart>{{"store", {}, {}}};
        auto parts = co_await await_reply<std::vector<HealthPart>>(
            parts_limit, [this](auto callback) { parts_->health(callback); });
        if (parts) co_return std::move(*parts);
        co_return std::vector<HealthPart>{
            {"broker", HealthPart::State::failing, "the orchestrator's connection to the broker does not answer"}};
    }

    // Empty: the store answers. Asked once for all who want to know within a moment.
    awaitable<std::string> store_trouble() {
        if (parts_->probe == nullptr) co_return std::string{};
        const auto now = std::chrono::steady_clock::now();
        if (now < store_known_until_) co_return store_trouble_;
        // There is no such dead letter; a store that can say so works.
        const auto found = co_await parts_->probe->ask(
            [](orchestrator::runtime::RunQueries& queries) { return queries.dead_letter(0); });
        store_known_until_ = std::chrono::steady_clock::now() + store_known_for;
        store_trouble_ = found ? "" : "the store does not answer; the server's log says more";
        if (!found && found.error().detail != store_failure_)
            log::warning("web", "the store does not answer", {{"reason", found.error().detail}});
        store_failure_ = found ? std::string{} : found.error().detail;
        co_return store_trouble_;
    }

    static constexpr std::chrono::milliseconds store_known_for{500};
    static constexpr std::chrono::milliseconds parts_limit{400}; // all of it within two seconds

    std::shared_ptr<const ApiParts> parts_;
    HookApi hooks_;
    std::chrono::steady_clock::time_point store_known_until_{};
    std::string store_trouble_; // the last verdict
    std::string store_failure_; // why, as it stands in the log
    mutable Sessions sessions_;
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
