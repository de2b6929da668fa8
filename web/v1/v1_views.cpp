// GET /baton/v1/views: queries for runs that a user keeps under names, his own alone.
#include "base/clock.hpp"
#include "base/utf8.hpp"
#include "orchestrator/runtime/run_query.hpp"
#include "web/http/members.hpp"
#include "web/http/replies.hpp"
#include "web/runs/run_api.hpp"
#include "web/v1/listing.hpp"
#include "web/v1/v1_api.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>

namespace baton::web {

namespace json = boost::json;
namespace runtime = orchestrator::runtime;
using boost::asio::awaitable;
using runtime::RunQueries;
using runtime::RunStore;
using runtime::SavedView;

namespace {

constexpr std::size_t view_name_bytes_max = 200;
constexpr std::size_t view_query_bytes_max = 8192;
// Of one user: the page has them all in one row.
constexpr std::size_t views_max = 200;

json::object view_json(const SavedView& view) {
    return {{"name", view.name}, {"q", view.query}, {"at", to_rfc3339(view.at)}};
}

class V1Views {
public:
    explicit V1Views(std::shared_ptr<const ApiParts> parts) : parts_(std::move(parts)) {}

    static void add_routes(Routes& routes, const std::shared_ptr<V1Views>& self) {
        const RouteAdder<V1Views> add(routes, self);
        add("GET", "/baton/v1/views", Level::viewer, &V1Views::list, {"limit", "after", "count"});
        add("PUT", "/baton/v1/views/{view}", Level::viewer, &V1Views::save);
        add("DELETE", "/baton/v1/views/{view}", Level::viewer, &V1Views::remove);
    }

private:
    awaitable<Response> list(Request request, Parameters) {
        const auto wish = page_wish(request);
        if (!wish) co_return problem(400, "bad_request", wish.error().detail);
        const auto found =
            co_await parts_->reader->ask([user = as_utf8(request.login.user)](RunQueries& queries) {
                return queries.views(user);
            });
        if (!found) co_return problem_of(found.error());
        json::array all;
        for (const SavedView& view : *found)
            all.push_back(view_json(view));
        co_return page_of(*wish, std::move(all));
    }

    awaitable<Response> save(Request request, Parameters parameters) {
        const auto body = body_of(request);
        if (!body) co_return problem(400, "bad_request", body.error().detail);
        if (const auto known = check_members(*body, {"q"}); !known)
            co_return problem(400, "bad_request", known.error().detail);
        SavedView view{as_utf8(request.login.user), parameters.at("view"), text_member(*body, "q"),
                       SystemClock().now()};
        if (view.name.empty() || view.name.size() > view_name_bytes_max || !is_utf8(view.name) ||
            view.name.find('\0') != std::string::npos)
            co_return problem(400, "bad_request", "a view's name may have 200 bytes of text");
        if (view.query.size() > view_query_bytes_max)
            co_return problem(400, "bad_request", "'q' is too long");
        if (const auto search = runtime::parse_run_query(view.query, view.at); !search)
            co_return problem(400, "bad_query", "q, " + search.error().detail);
        const auto write = [view](RunStore& store) { return store.save_view(view, views_max); };
        const auto kept = co_await parts_->writer->ask(write);
        if (!kept) co_return problem_of(kept.error());
        if (!*kept)
            co_return problem(
                409, "refused",
                fmt::format("{} views are kept, as many as may be; forget one", views_max));
        co_return reply(200, view_json(view));
    }

    awaitable<Response> remove(Request request, Parameters parameters) {
        const auto write = [user = as_utf8(request.login.user),
                            name = as_utf8(parameters.at("view"))](RunStore& store) {
            return store.remove_view(user, name);
        };
        const auto gone = co_await parts_->writer->ask(write);
        if (!gone) co_return problem_of(gone.error());
        co_return *gone ? done(204) : problem(404, "not_found", "there is no such view");
    }

    std::shared_ptr<const ApiParts> parts_;
};

} // namespace

void add_v1_view_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts) {
    V1Views::add_routes(routes, std::make_shared<V1Views>(parts));
}

} // namespace baton::web
