// Schedules under /baton/v1: as /api has them, the list as a page.
#include "web/http/replies.hpp"
#include "web/runs/run_api.hpp"
#include "web/v1/listing.hpp"
#include "web/v1/v1_api.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <memory>
#include <string>
#include <utility>

namespace baton::web {

using boost::asio::awaitable;

namespace {

class V1Schedules {
public:
    explicit V1Schedules(RouteHandler list) : list_(std::move(list)) {}

    awaitable<Response> list(Request request, Parameters parameters) {
        const auto wish = page_wish(request);
        if (!wish) co_return problem(400, "bad_request", wish.error().detail);
        Response answer = co_await list_(std::move(request), std::move(parameters));
        if (answer.status != 200) co_return answer;
        auto body = parse_json(answer.body);
        if (!body) co_return answer;
        // One that says more than its list has it by its name.
        if (const auto* whole = body->if_object())
            for (const auto& member : *whole)
                if (member.value().is_array()) co_return page_of(*wish, member.value().get_array());
        if (!body->is_array()) co_return answer;
        co_return page_of(*wish, std::move(body->get_array()));
    }

private:
    RouteHandler list_;
};

} // namespace

void add_v1_schedule_routes(Routes& routes, const std::shared_ptr<const ApiParts>&) {
    const auto self = std::make_shared<V1Schedules>(routes.handler_of("GET", "/api/schedules"));
    const RouteAdder<V1Schedules> add(routes, self);
    add("GET", "/baton/v1/schedules", Level::viewer, &V1Schedules::list,
        {"schedule", "next", "limit", "after", "count"});
    for (const char* act : {"pause", "resume", "run", "backfill"}) {
        const std::string path = std::string("/schedules/{schedule}/") + act;
        routes.add("POST", "/baton/v1" + path, Level::operating,
                   routes.handler_of("POST", "/api" + path));
    }
}

} // namespace baton::web
