// GET /baton/v1/approvals and /baton/v1/waits: who is asked for what, and what else is waited for,
// over all runs that are open.
#include "web/http/query.hpp"
#include "web/http/replies.hpp"
#include "web/runs/run_api.hpp"
#include "web/runs/run_view.hpp"
#include "web/v1/listing.hpp"
#include "web/v1/open_waits.hpp"
#include "web/v1/v1_api.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace baton::web {

namespace json = boost::json;
using boost::asio::awaitable;

namespace {

constexpr std::array<std::string_view, 5> approval_kinds{"signal", "event", "approval", "first_of",
                                                         "timer"};
constexpr std::string_view role_prefix = "role:";

// Whether the person is among those that are asked; where nobody is named, whoever may operate is.
bool is_asked(const json::value& by, const Login& login) {
    const auto* names = by.if_array();
    if (names == nullptr || names->empty()) return reaches(login, Level::operating);
    for (const auto& one : *names) {
        if (!one.is_string()) continue;
        const std::string_view name = one.get_string();
        if (name == login.user) return true;
        if (name.starts_with(role_prefix) && login.has_tag(name.substr(role_prefix.size())))
            return true;
    }
    return false;
}

class V1Approvals {
public:
    explicit V1Approvals(std::shared_ptr<const ApiParts> parts) : waits_(std::move(parts)) {}

    static void add_routes(Routes& routes, const std::shared_ptr<V1Approvals>& self) {
        const RouteAdder<V1Approvals> add(routes, self);
        add("GET", "/baton/v1/approvals", Level::viewer, &V1Approvals::list,
            {"mine", "limit", "after", "count"});
        add("GET", "/baton/v1/waits", Level::viewer, &V1Approvals::list_waits,
            {"kind", "limit", "after", "count"});
    }

private:
    awaitable<Response> list(Request request, Parameters) {
        const auto wish = page_wish(request);
        if (!wish) co_return problem(400, "bad_request", wish.error().detail);
        const auto mine = flag_in(request, "mine");
        if (!mine) co_return problem(400, "bad_request", mine.error().detail);
        const auto found = co_await waits_.look({"approval"});
        if (!found) co_return problem_of(found.error());
        json::array all;
        for (const OpenWait& wait : found->waits) {
            const json::object* asked = approval_in(wait);
            if (asked == nullptr) continue;
            json::object shown = approval_json(wait, *asked);
            const bool is_mine = is_asked(shown.at("by"), request.login);
            if (*mine && !is_mine) continue;
            shown["mine"] = is_mine;
            all.push_back(std::move(shown));
        }
        co_return page_of(*wish, std::move(all), found->is_whole);
    }

    // What waits for anything from outside, and for a time; also for people.
    awaitable<Response> list_waits(Request request, Parameters) {
        const auto wish = page_wish(request);
        if (!wish) co_return problem(400, "bad_request", wish.error().detail);
        const auto kind = parameter(request, "kind");
        if (!kind.empty() && std::ranges::find(approval_kinds, kind) == approval_kinds.end())
            co_return problem(400, "bad_request",
                              "'kind' is signal, event, approval, first_of or timer");
        const auto found = co_await waits_.look({"signal", "event", "approval", "wait"});
        if (!found) co_return problem_of(found.error());
        json::array all;
        for (const OpenWait& wait : found->waits) {
            if (!kind.empty() && wait.kind != kind) continue;
            json::object shown = place_json(wait);
            shown["kind"] = wait.kind;
            shown["wanted"] = wait.wanted.empty() ? json::value(nullptr) : json::value(wait.wanted);
            all.push_back(std::move(shown));
        }
        co_return page_of(*wish, std::move(all), found->is_whole);
    }

    static json::object place_json(const OpenWait& wait) {
        json::object out;
        out["run"] = wait.run;
        out["workflow"] = wait.workflow;
        out["step"] = wait.step;
        out["since"] = wait.since ? json::value(to_rfc3339(*wait.since)) : json::value(nullptr);
        out["until"] = wait.until ? json::value(to_rfc3339(*wait.until)) : json::value(nullptr);
        return out;
    }

    static json::object approval_json(const OpenWait& wait, const json::object& asked) {
        const auto member = [&](std::string_view name, json::value otherwise) {
            const auto* value = asked.if_contains(name);
            return value == nullptr ? std::move(otherwise) : *value;
        };
        json::object out = place_json(wait);
        out["title"] = member("title", "");
        out["by"] = member("by", json::array{});
        out["quorum"] = member("quorum", 1);
        out["form"] = wait.form;
        const auto* votes = wait.wanted.if_contains("votes");
        out["votes"] = votes == nullptr ? json::value(json::array{}) : *votes;
        return out;
    }

    OpenWaits waits_;
};

} // namespace

void add_v1_approval_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts) {
    V1Approvals::add_routes(routes, std::make_shared<V1Approvals>(parts));
}

} // namespace baton::web
