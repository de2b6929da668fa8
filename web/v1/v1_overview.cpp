// The first page of /baton/v1: how everything is, at one look.
#include "orchestrator/core/status.hpp"
#include "web/http/replies.hpp"
#include "web/runs/run_api.hpp"
#include "web/runs/run_view.hpp"
#include "web/v1/listing.hpp"
#include "web/v1/task_looks.hpp"
#include "web/v1/v1_api.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <map>
#include <memory>
#include <string>
#include <utility>

namespace baton::web {

namespace json = boost::json;
namespace core = orchestrator::core;
namespace runtime = orchestrator::runtime;
using boost::asio::awaitable;
using runtime::RunQueries;

namespace {

constexpr std::size_t groups_shown = 5;
constexpr std::size_t groups_counted = 1000;

class V1Overview {
public:
    V1Overview(std::shared_ptr<const ApiParts> parts, std::shared_ptr<HealthApi> health)
        : parts_(parts), health_(std::move(health)), looks_(std::move(parts)) {}

    static void add_routes(Routes& routes, const std::shared_ptr<V1Overview>& self) {
        const RouteAdder<V1Overview> add(routes, self);
        add("GET", "/baton/v1/overview", Level::viewer, &V1Overview::show);
    }

private:
    awaitable<Response> show(Request, Parameters) {
        json::object out;
        out["version"] = parts_->broker.baton_version;
        out["node"] = parts_->node.empty() ? json::value(nullptr) : json::value(parts_->node);
        out["health"] = co_await health_->look();
        const auto counts =
            co_await parts_->reader->ask([](RunQueries& queries) { return queries.counts(); });
        if (!counts) co_return problem_of(counts.error());
        put_runs(out, *counts);
        const auto groups = co_await parts_->reader->ask([](RunQueries& queries) {
            return queries.dead_groups(runtime::DeadLetterState::open, groups_counted);
        });
        if (!groups) co_return problem_of(groups.error());
        put_dead(out, *groups);
        co_await put_tasks(out);
        const auto& counted = parts_->engine->metrics();
        out["totals"] = json::object{{"transitions", counted.transitions.value()},
                                     {"commit_failures", counted.commit_failures.value()},
                                     {"unpublished", counted.unpublished.value()},
                                     {"waiting_items", counted.waiting_items.value()}};
        co_return reply(200, out);
    }

    static void put_runs(json::object& out, const std::vector<runtime::RunCount>& counts) {
        std::map<core::RunStatus, std::uint64_t> by_status;
        std::map<std::string, json::object> by_workflow;
        for (const auto& one : counts) {
            by_status[one.status] += one.count;
            by_workflow[one.workflow][core::word_of(one.status)] = one.count;
        }
        json::object runs;
        for (const auto& [status, count] : by_status)
            runs[core::word_of(status)] = count;
        json::array workflows;
        for (auto& [workflow, counted] : by_workflow)
            workflows.push_back(
                json::object{{"workflow", workflow}, {"counts", std::move(counted)}});
        out["runs"] = std::move(runs);
        out["runs_by_workflow"] = std::move(workflows);
    }

    static void put_dead(json::object& out, const std::vector<runtime::DeadGroup>& groups) {
        std::uint64_t open = 0;
        json::array shown;
        for (const auto& group : groups) {
            open += group.count;
            if (shown.size() < groups_shown) shown.push_back(dead_group_json(group));
        }
        out["dead"] =
            json::object{{"open", open}, {"causes", groups.size()}, {"groups", std::move(shown)}};
    }

    // Those where something waits and nobody takes it come with how much.
    awaitable<void> put_tasks(json::object& out) {
        out["tasks_without_worker"] = json::array{};
        const auto workers = co_await looks_.workers();
        if (!workers) co_return;
        out["workers"] = workers->size();
        const auto names = co_await looks_.names(*workers);
        if (!names) co_return;
        const auto looks = co_await looks_.look_at(*names);
        json::array without;
        for (std::size_t i = 0; i < names->size(); ++i)
            if (looks[i] && looks[i]->consumers == 0)
                without.push_back(
                    json::object{{"task", (*names)[i]}, {"waiting", looks[i]->waiting}});
        out["tasks_without_worker"] = std::move(without);
    }

    std::shared_ptr<const ApiParts> parts_;
    std::shared_ptr<HealthApi> health_;
    TaskLooks looks_;
};

} // namespace

void add_v1_overview_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts,
                            const std::shared_ptr<HealthApi>& health) {
    V1Overview::add_routes(routes, std::make_shared<V1Overview>(parts, health));
}

} // namespace baton::web
