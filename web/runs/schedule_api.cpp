// The schedules of workflows: looked at, paused, run now, filled in behind.
// orchestrator/runtime/schedule_ask.hpp has the answers.
#include "base/clock.hpp"
#include "base/json_text.hpp"
#include "base/rfc3339.hpp"
#include "base/utf8.hpp"
#include "orchestrator/runtime/schedule_ask.hpp"
#include "web/http/members.hpp"
#include "web/http/query.hpp"
#include "web/http/replies.hpp"
#include "web/runs/run_api.hpp"
#include "web/runs/run_operations.hpp"
#include "web/runs/run_view.hpp"

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
using runtime::ScheduleAsk;
using Kind = ScheduleAsk::Kind;

namespace {

constexpr std::uint64_t next_max = 1000;

Failure bad_schedule(std::string detail) {
    return {make_error_code(boost::system::errc::invalid_argument), std::move(detail)};
}

Outcome<std::optional<Time>> time_member(const json::object& body, std::string_view name) {
    const std::string text = text_member(body, name);
    if (text.empty()) return std::optional<Time>{};
    const auto time = from_rfc3339(text);
    if (!time)
        return bad_schedule("'" + std::string(name) +
                            "' must be a time such as 2026-01-31T12:00:00Z");
    return time;
}

Outcome<bool> flag_member(const json::object& body, std::string_view name) {
    const auto* value = body.if_contains(name);
    if (value == nullptr) return false;
    if (!value->is_bool()) return bad_schedule("'" + std::string(name) + "' must be true or false");
    return value->get_bool();
}

Outcome<ScheduleAsk> ask_of(Kind kind, const json::object& body) {
    ScheduleAsk ask;
    ask.kind = kind;
    switch (kind) {
    case Kind::list:
    case Kind::resume:
        BATON_TRY(check_members(body, {}));
        break;
    case Kind::pause:
        BATON_TRY(check_members(body, {"reason"}));
        ask.reason = as_utf8(text_member(body, "reason"));
        if (ask.reason.size() > reason_bytes_max) return bad_schedule(too_long_a_reason);
        break;
    case Kind::run: {
        BATON_TRY(check_members(body, {}, {"beside"}));
        BATON_ASSIGN(ask.beside, flag_member(body, "beside"));
        break;
    }
    case Kind::backfill: {
        BATON_TRY(check_members(body, {"from", "until"}, {"dry_run"}));
        BATON_ASSIGN(ask.from, time_member(body, "from"));
        BATON_ASSIGN(ask.until, time_member(body, "until"));
        BATON_ASSIGN(ask.dry_run, flag_member(body, "dry_run"));
        if (!ask.from) return bad_schedule("'from' must say from when");
        if (!ask.until) ask.until = SystemClock().now();
        break;
    }
    }
    return ask;
}

class ScheduleApi {
public:
    explicit ScheduleApi(std::shared_ptr<const ApiParts> parts) : parts_(std::move(parts)) {}

    static void add_routes(Routes& routes, const std::shared_ptr<ScheduleApi>& self) {
        routes.add("GET", "/api/schedules", Level::viewer,
                   [self](Request request, Parameters) { return self->list(std::move(request)); },
                   {"schedule", "next"});
        const auto add = [&](const char* word, Kind kind) {
            routes.add("POST", std::string("/api/schedules/{schedule}/") + word, Level::operating,
                       [self, kind](Request request, Parameters parameters) {
                           return self->change(std::move(request), std::move(parameters), kind);
                       });
        };
        add("pause", Kind::pause);
        add("resume", Kind::resume);
        add("run", Kind::run);
        add("backfill", Kind::backfill);
    }

private:
    awaitable<Response> list(Request request) {
        const auto next = number_in(request, "next", {5, 0, next_max});
        if (!next) co_return problem(400, "bad_request", next.error().detail);
        ScheduleAsk ask;
        ask.next = static_cast<std::uint32_t>(*next);
        if (const auto found = request.query.find("schedule"); found != request.query.end())
            ask.schedule = as_utf8(found->second);
        co_return co_await answer(std::move(ask));
    }

    awaitable<Response> change(Request request, Parameters parameters, Kind kind) {
        const auto body = body_of(request);
        if (!body) co_return problem(400, "bad_request", body.error().detail);
        auto ask = ask_of(kind, *body);
        if (!ask) co_return problem(400, "bad_request", ask.error().detail);
        ask->schedule = as_utf8(parameters.at("schedule"));
        ask->actor = as_utf8(request.login.user);
        co_return co_await answer(std::move(*ask));
    }

    awaitable<Response> answer(ScheduleAsk ask) {
        if (!parts_->schedules) co_return problem(404, "not_found", "this server has no schedules");
        const Kind kind = ask.kind;
        const auto done = co_await await_reply<Outcome<std::string>>(
            request_limit,
            [this, ask = std::move(ask)](auto callback) { parts_->schedules(ask, callback); });
        if (!done) co_return kind == Kind::list ? no_answer() : no_answer_to_change();
        if (!*done) co_return problem_of(done->error());
        co_return reply(200, from_text(**done));
    }

    std::shared_ptr<const ApiParts> parts_;
};

} // namespace

void add_schedule_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts) {
    ScheduleApi::add_routes(routes, std::make_shared<ScheduleApi>(parts));
}

} // namespace baton::web
