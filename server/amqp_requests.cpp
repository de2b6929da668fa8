#include "server/amqp_requests.hpp"

#include "base/json_text.hpp"
#include "net/awaitable.hpp"
#include "base/log.hpp"
#include "orchestrator/core/status.hpp"
#include "web/http/replies.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>
#include <exception>
#include <string_view>
#include <utility>

namespace baton::server {

namespace json = boost::json;
using orchestrator::Answer;
using orchestrator::Request;

namespace {

// A run that is waited for costs little, but nobody shall cost it without end.
constexpr std::size_t waiting_max = 10'000;

struct Route {
    std::string_view name;
    const char* method;
    std::string_view before; // the run
    std::string_view behind;
    bool names_run;
};
constexpr std::array routes{
    Route{"run.start", "POST", "/api/runs", "", false},
    Route{"run.show", "GET", "/api/runs/", "", true},
    Route{"run.cancel", "POST", "/api/runs/", "/cancel", true},
    Route{"run.retry", "POST", "/api/runs/", "/retry", true},
    Route{"workflow.deploy", "POST", "/api/workflows", "", false},
};

Answer answer_from(const web::Response& response) { return {"answer", response.status, response.body}; }

Answer refusal(unsigned status, std::string_view error, std::string_view reason) {
    return answer_from(web::problem(status, error, reason));
}

bool is_run_id(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == '-';
    });
}

// Nothing: there is a message_id or a key.
std::optional<Answer> give_key(json::object& body, const Request& request) {
    if (body.contains("key") || body.contains("fallback_key")) return std::nullopt;
    if (request.id.empty())
        return refusal(400, "bad_request", "a message may come twice: give the start a 'key', or the message a message_id that it keeps");
    body["fallback_key"] = "amqp:" + request.user + ":" + request.id;
    return std::nullopt;
}

} // namespace

Translated to_http(const Request& request) {
    const auto route = std::ranges::find(routes, request.name, &Route::name);
    if (route == routes.end())
        return {{}, refusal(404, "not_found", "nobody answers '" + request.name +
                                                  "'; there are run.start, run.show, run.cancel, run.retry, workflow.deploy")};
    web::Request made;
    made.method = route->method;
    made.content_type = "application/json";
    made.remote_address = "amqp";
    made.trace = request.trace;
    made.path = route->before;
    made.body = request.body;
    auto body = web::body_of(made);
    if (!body) return {{}, refusal(400, "bad_request", body.error().detail)};
    if (route->names_run) {
        const auto run = web::text_member(*body, "run");
        if (!is_run_id(run)) return {{}, refusal(400, "bad_request", "'run' must be the id of a run, or the beginning of one")};
        body->erase("run");
        made.path += run;
        made.path += route->behind;
    }
    if (route->name == "run.start")
        if (auto wrong = give_key(*body, request)) return {{}, std::move(*wrong)};
    made.has_body = made.method == "POST";
    made.body = made.has_body ? write_json(*body) : std::string{};
    return {std::move(made), std::nullopt};
}

// Lives as long as anybody waits for an answer; on the web's thread, but for ask().
struct AmqpRequests::Inside : std::enable_shared_from_this<Inside> {
    Inside(boost::asio::io_context& context, web::Handler handle, orchestrator::runtime::Engine& runs, FindUser find)
        : web(context), handler(std::move(handle)), engine(runs), find_user(std::move(find)) {}

    boost::asio::awaitable<void> answer(Request request, std::function<void(Answer)> reply);
    boost::asio::awaitable<Answer> answer_of(Request request);
    boost::asio::awaitable<void> tell_end(std::string run, std::string user, std::function<void(Answer)> reply);
    void follow(std::string run, std::uint64_t seq, std::string user, std::function<void(Answer)> reply);

    boost::asio::io_context& web;
    web::Handler handler;
    orchestrator::runtime::Engine& engine;
    FindUser find_user;
    std::size_t waiting = 0;
};

AmqpRequests::AmqpRequests(boost::asio::io_context& web, web::Handler handler, orchestrator::runtime::Engine& engine, FindUser find_user)
    : inside_(std::make_shared<Inside>(web, std::move(handler), engine, std::move(find_user))) {}

AmqpRequests::~AmqpRequests() = default;

void AmqpRequests::ask(Request request, std::function<void(Answer)> answer) {
    boost::asio::co_spawn(inside_->web, inside_->answer(std::move(request), std::move(answer)), net::stop_program);
}

boost::asio::awaitable<Answer> AmqpRequests::Inside::answer_of(Request request) {
    const auto self = shared_from_this();
    if (request.user.empty())
        co_return refusal(401, "unauthorized", "set the message's user_id to the user you are logged in as: the broker vouches for it");
    const auto known = find_user(request.user);
    if (!known) co_return refusal(401, "unauthorized", "this server does not know the user " + request.user);
    if (!request.unfit.empty()) co_return refusal(400, "bad_request", request.unfit);
    auto translated = to_http(request);
    if (translated.refusal) co_return std::move(*translated.refusal);
    translated.request.login = known->login;
    std::string what;
    try {
        co_return answer_from(co_await handler(std::move(translated.request)));
    } catch (const std::exception& failure) {
        what = failure.what();
    }
    log::error("server", "a request over AMQP failed", {{"request", request.name}, {"what", what}});
    co_return refusal(500, "internal_error", "the server's log has the reason");
}

boost::asio::awaitable<void> AmqpRequests::Inside::answer(Request request, std::function<void(Answer)> reply) {
    const auto self = shared_from_this();
    const std::string user = request.user;
    const bool waits = request.waits && request.name == "run.start";
    if (waits && waiting >= waiting_max) {
        reply(refusal(503, "busy", "too many wait for the end of their runs; start without baton-wait"));
        co_return;
    }
    Answer answer = co_await answer_of(std::move(request));
    const bool is_done = answer.status / 100 == 2;
    const auto body = is_done && waits ? web::parse_json(answer.body) : Outcome<json::value>(json::value());
    reply(std::move(answer));
    if (!body || !body->is_object()) co_return;
    ++waiting;
    follow(web::text_member(body->as_object(), "run"), 0, user, std::move(reply));
}

// Called again with each change, on the engine's thread, until the run is closed.
void AmqpRequests::Inside::follow(std::string run, std::uint64_t seq, std::string user, std::function<void(Answer)> reply) {
    auto hear = [self = shared_from_this(), run, user, reply = std::move(reply)](const Outcome<orchestrator::runtime::RunChanged>& changed) mutable {
        if (changed && !orchestrator::core::is_closed(changed->status))
            return self->follow(run, changed->seq, user, std::move(reply));
        boost::asio::co_spawn(self->web, self->tell_end(run, user, std::move(reply)), net::stop_program);
    };
    engine.wait_for_change(run, seq, std::move(hear));
}

boost::asio::awaitable<void> AmqpRequests::Inside::tell_end(std::string run, std::string user, std::function<void(Answer)> reply) {
    const auto self = shared_from_this();
    --waiting;
    Request request;
    request.name = "run.show";
    request.user = std::move(user);
    request.body = json::serialize(json::object{{"run", run}});
    Answer answer = co_await answer_of(std::move(request));
    answer.kind = "closed";
    if (const auto shown = web::parse_json(answer.body); shown && shown->is_object() && answer.status == 200) {
        json::object out{{"run", run}};
        for (const char* member : {"workflow", "version", "status", "output", "error", "error_type", "closed_at"})
            if (const auto* value = shown->as_object().if_contains(member)) out[member] = *value;
        answer.body = write_json(out);
    }
    reply(std::move(answer));
}

} // namespace baton::server
