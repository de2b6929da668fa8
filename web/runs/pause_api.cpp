// What people let pause: task types and whole workflows.
#include "base/clock.hpp"
#include "base/utf8.hpp"
#include "web/http/members.hpp"
#include "web/http/replies.hpp"
#include "web/runs/run_api.hpp"
#include "web/runs/run_operations.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace baton::web {

namespace json = boost::json;
namespace runtime = orchestrator::runtime;
using boost::asio::awaitable;
using runtime::PauseKind;
using runtime::StoredPause;

namespace {

// Workflows and task types are called so, both by the same letters.
constexpr std::size_t paused_name_bytes_max = 255;
bool is_name(std::string_view name) {
    return std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '_' || c == '-';
    });
}

json::object pause_json(const StoredPause& pause) {
    json::object out;
    out[pause.kind == PauseKind::workflow ? "workflow" : "task"] = pause.name;
    out["paused"] = !pause.ended_at;
    out["actor"] = pause.actor;
    out["reason"] = pause.reason;
    out["at"] = to_rfc3339(pause.at);
    return out;
}

class PauseApi {
public:
    explicit PauseApi(std::shared_ptr<const ApiParts> parts) : parts_(std::move(parts)) {}

    static void add_routes(Routes& routes, const std::shared_ptr<PauseApi>& self) {
        const auto add = [&](const char* pattern, PauseKind kind, const char* parameter,
                             bool ends) {
            routes.add("POST", pattern, Level::operating,
                       [self, kind, parameter, ends](Request request, Parameters parameters) {
                           return self->pause_or_resume(kind, ends, std::move(request),
                                                        parameters.at(parameter));
                       });
        };
        add("/api/workflows/{workflow}/pause", PauseKind::workflow, "workflow", false);
        add("/api/workflows/{workflow}/resume", PauseKind::workflow, "workflow", true);
        add("/api/tasks/{task}/pause", PauseKind::task, "task", false);
        add("/api/tasks/{task}/resume", PauseKind::task, "task", true);
        routes.add("GET", "/api/pauses", Level::viewer,
                   [self](Request, Parameters) { return self->list(); });
    }

private:
    awaitable<Response> pause_or_resume(PauseKind kind, bool ends, Request request,
                                        std::string name) {
        auto body = body_of(request);
        if (!body) co_return problem(400, "bad_request", body.error().detail);
        if (const auto known = check_members(*body, {"reason"}); !known)
            co_return problem(400, "bad_request", known.error().detail);
        const auto reason = text_member(*body, "reason");
        if (reason.size() > reason_bytes_max)
            co_return problem(400, "bad_request", too_long_a_reason);
        // What an older server let pause may end.
        const bool is_fine =
            ends ? is_utf8(name) && name.find('\0') == std::string::npos : is_name(name);
        if (name.empty() || name.size() > paused_name_bytes_max || !is_fine)
            co_return problem(400, "bad_request",
                              "that cannot be the name of a workflow or of a task type");
        const auto ask = [this, kind, ends, name, reason,
                          actor = as_utf8(request.login.user)](auto callback, auto claim) {
            if (ends)
                parts_->engine->resume(kind, name, reason, callback, actor, claim);
            else
                parts_->engine->pause(kind, name, reason, callback, actor, claim);
        };
        const auto tell = [](const Outcome<StoredPause>& done) {
            return reply(200, pause_json(*done));
        };
        co_return co_await change<StoredPause>(ask, tell, "it is done when the database is back");
    }

    awaitable<Response> list() {
        json::array all;
        for (const StoredPause& one : parts_->engine->pauses().list())
            all.push_back(pause_json(one));
        co_return reply(200, all);
    }

    std::shared_ptr<const ApiParts> parts_;
};

} // namespace

void add_pause_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts) {
    PauseApi::add_routes(routes, std::make_shared<PauseApi>(parts));
}

} // namespace baton::web
