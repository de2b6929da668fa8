// Dead letters under /baton/v1: by cause, one by one, tried again or dropped. Many at once are an
// operation.
#include "web/http/query.hpp"
#include "web/http/replies.hpp"
#include "web/runs/dead_filter.hpp"
#include "web/runs/run_api.hpp"
#include "web/runs/run_view.hpp"
#include "web/v1/dead_count.hpp"
#include "web/v1/listing.hpp"
#include "web/v1/v1_api.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace baton::web {

namespace json = boost::json;
namespace runtime = orchestrator::runtime;
using boost::asio::awaitable;
using runtime::RunQueries;

namespace {

// Groups are found by their largest first, and there are few.
constexpr std::size_t groups_max = 1000;

class V1Dead {
public:
    explicit V1Dead(std::shared_ptr<const ApiParts> parts) : parts_(std::move(parts)) {}

    static void add_routes(Routes& routes, const std::shared_ptr<V1Dead>& self) {
        const RouteAdder<V1Dead> add(routes, self);
        add("GET", "/baton/v1/dead", Level::viewer, &V1Dead::list,
            {"state", "task", "run", "workflow", "error_type", "group", "since", "until", "limit",
             "after", "count"});
        add("GET", "/baton/v1/dead/groups", Level::viewer, &V1Dead::groups,
            {"state", "limit", "after", "count"});
        for (const auto& [method, path] :
             std::initializer_list<std::pair<const char*, const char*>>{
                 {"GET", "/dead/{id}"}, {"POST", "/dead/{id}/redrive"}})
            routes.add(method, std::string("/baton/v1") + path,
                       method == std::string_view("GET") ? Level::viewer : Level::operating,
                       routes.handler_of(method, std::string("/api") + path));
        routes.add("DELETE", "/baton/v1/dead/{id}", Level::operating,
                   routes.handler_of("DELETE", "/api/dead/{id}"), {"reason"});
    }

private:
    awaitable<Response> list(Request request, Parameters) {
        const auto wish = page_wish(request);
        if (!wish) co_return problem(400, "bad_request", wish.error().detail);
        auto filter = dead_filter_of([&](const char* name) { return parameter(request, name); });
        if (!filter) co_return problem(400, "bad_request", filter.error().detail);
        const auto state = dead_state_of(request);
        if (!state) co_return problem(400, "bad_request", state.error().detail);
        filter->state = *state;
        filter->limit = wish->limit + 1; // one more tells whether there is a next page
        if (!wish->after.empty()) {
            const auto before = number_from<std::uint64_t>(wish->after);
            if (!before)
                co_return problem(400, "bad_request",
                                  "'after' must be the 'next' of a page, not '" + wish->after +
                                      "'");
            filter->before_id = *before;
        }
        const auto found = co_await parts_->reader->ask(
            [asked = *filter](RunQueries& queries) { return queries.dead_letters(asked); });
        if (!found) co_return problem_of(found.error());
        json::array items;
        for (const auto& letter : *found) {
            if (items.size() == wish->limit) break;
            json::object one = dead_letter_json(letter);
            one.erase("input"); // a list carries none of what the tasks were given
            one.erase("message");
            items.push_back(std::move(one));
        }
        std::optional<std::string> next;
        if (found->size() > wish->limit) next = std::to_string((*found)[wish->limit - 1].id);
        if (!wish->counts) co_return reply(200, page_json(std::move(items), next, {}));
        const auto counted = co_await parts_->reader->ask(
            [asked = *filter](RunQueries& queries) { return count_dead(queries, asked); });
        if (!counted) co_return problem_of(counted.error());
        co_return reply(200, page_json(std::move(items), next, *counted));
    }

    awaitable<Response> groups(Request request, Parameters) {
        const auto wish = page_wish(request);
        if (!wish) co_return problem(400, "bad_request", wish.error().detail);
        const auto state = dead_state_of(request);
        if (!state) co_return problem(400, "bad_request", state.error().detail);
        const auto found = co_await parts_->reader->ask([state = *state](RunQueries& queries) {
            return queries.dead_groups(state, groups_max);
        });
        if (!found) co_return problem_of(found.error());
        json::array all;
        for (const auto& group : *found)
            all.push_back(dead_group_json(group));
        co_return page_of(*wish, std::move(all));
    }

    std::shared_ptr<const ApiParts> parts_;
};

} // namespace

void add_v1_dead_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts) {
    V1Dead::add_routes(routes, std::make_shared<V1Dead>(parts));
}

} // namespace baton::web
