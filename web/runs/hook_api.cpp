#include "web/runs/hook_api.hpp"

#include "web/http/await_reply.hpp"
#include "web/http/replies.hpp"
#include "web/http/same_site.hpp"
#include "web/runs/run_api.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <string>
#include <utility>

namespace baton::web {

namespace json = boost::json;
using orchestrator::runtime::HookAnswer;
using orchestrator::runtime::HookCall;

namespace {

constexpr std::string_view hook_prefix = "/baton/v1/hooks/";
constexpr std::size_t hook_name_bytes_max = 64;
// Of all senders together; who is one more sends it again.
constexpr std::size_t waiting_max = 64;

Response busy(const std::string& reason) {
    Response response = problem(503, "busy", reason);
    response.headers["Retry-After"] = "5";
    return response;
}

Response response_of(const HookAnswer& answer) {
    json::array runs;
    for (const HookAnswer::Run& one : answer.runs)
        runs.emplace_back(
            json::object{{"run", one.run}, {"workflow", one.workflow}, {"new", one.is_new}});
    switch (answer.kind) {
    case HookAnswer::Kind::started:
        return reply(202, json::object{{"runs", std::move(runs)}});
    case HookAnswer::Kind::ignored:
        return reply(200, json::object{{"runs", std::move(runs)}});
    case HookAnswer::Kind::refused:
        return problem(401, "unauthorized", "this is not accepted; the server's log says why");
    case HookAnswer::Kind::unfit:
        return problem(422, "unfit",
                       answer.reason.empty() ? "no workflow takes this; the server's log says why"
                                             : answer.reason);
    case HookAnswer::Kind::busy:
        return busy(answer.reason);
    }
    return problem(500, "internal_error", "the server's log has the reason");
}

} // namespace

bool HookApi::is_hook(std::string_view path) {
    return path.starts_with(hook_prefix);
}

std::optional<Response> HookApi::admit(Request& request) const {
    if (request.method != "POST")
        return problem(405, "method_not_allowed", request.method + " is not possible here");
    // A page of another site may not send what needs no secret.
    if (is_from_browser(request))
        if (auto refusal = refuses_foreign(request, parts_->own_names)) return refusal;
    if (!parts_->hook || request.path.size() > hook_prefix.size() + hook_name_bytes_max)
        return response_of({HookAnswer::Kind::refused, {}, {}});
    if (waiting_ >= waiting_max)
        return busy("too many deliveries at once; send it again in a moment");
    request.is_of_stranger = true;
    return std::nullopt;
}

boost::asio::awaitable<Response> HookApi::answer(Request request) {
    HookCall call;
    call.path = request.path.substr(hook_prefix.size());
    call.headers = std::move(request.headers);
    call.query = std::move(request.query);
    call.body = std::move(request.body);
    call.address = std::move(request.remote_address);
    ++waiting_;
    const auto done = co_await await_reply<HookAnswer>(
        request_limit,
        [this, call = std::move(call)](auto callback) { parts_->hook(call, callback); });
    --waiting_;
    co_return done ? response_of(*done) : busy("the server did not answer in time; send it again");
}

} // namespace baton::web
