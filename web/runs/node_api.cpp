// The servers that share one store: which there are, what each owns, and sending the runs of one to
// the others before it is stopped.
#include "orchestrator/runtime/run_store.hpp"
#include "orchestrator/runtime/spread.hpp"
#include "web/http/members.hpp"
#include "web/http/replies.hpp"
#include "web/runs/run_api.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace baton::web {

namespace json = boost::json;
namespace runtime = orchestrator::runtime;
using boost::asio::awaitable;

namespace {

// As far as a lease tells.
std::vector<runtime::NodeRow> living(const runtime::Neighbourhood& around) {
    std::vector<runtime::NodeRow> alive;
    for (const runtime::NodeRow& node : around.nodes)
        if (node.lease_left > Duration::zero()) alive.push_back(node);
    return alive;
}

class NodeApi {
public:
    explicit NodeApi(std::shared_ptr<const ApiParts> parts) : parts_(std::move(parts)) {}

    awaitable<Response> list() const {
        const auto around = co_await parts_->reader->ask(
            [](runtime::RunQueries& queries) { return queries.neighbourhood(); });
        if (!around) co_return problem_of(around.error());
        std::map<std::string, json::array> owned;
        for (const runtime::SeenPartition& one : around->partitions)
            owned[one.node].emplace_back(one.part);
        json::array list;
        const std::vector<runtime::NodeRow> alive = living(*around);
        for (const runtime::NodeRow& node : around->nodes) {
            json::object entry;
            entry["node"] = node.node;
            entry["version"] = node.version;
            entry["this"] = node.node == parts_->node;
            // Hangs: its session is there, and it says nothing.
            const bool is_late = node.lease_left <= Duration::zero();
            entry["state"] = is_late       ? (node.has_session ? "hangs" : "dead")
                             : node.drains ? "drains"
                             : runtime::is_second(alive, node.node) ? "second"
                                                                    : "serves";
            entry["partitions"] = std::move(owned[node.node]);
            owned.erase(node.node);
            list.emplace_back(std::move(entry));
        }
        json::object out;
        json::array unowned;
        for (auto& [node, parts] : owned)
            for (const auto& part : parts)
                unowned.push_back(part);
        out["nodes"] = std::move(list);
        out["unowned"] = std::move(unowned);
        co_return reply(200, out);
    }

    awaitable<Response> drain(Request request) const {
        auto body = body_of(request);
        if (!body) co_return problem(400, "bad_request", body.error().detail);
        if (const auto known = check_members(*body, {}, {"drain"}); !known)
            co_return problem(400, "bad_request", known.error().detail);
        const auto* wish = body->if_contains("drain");
        if (wish != nullptr && !wish->is_bool())
            co_return problem(400, "bad_request", "'drain' must be true or false");
        const bool drains = wish == nullptr || wish->get_bool();
        if (!parts_->drain)
            co_return problem(409, "refused",
                              "this server is alone on its store; nobody would take over");
        if (drains) {
            const auto around = co_await parts_->reader->ask(
                [](runtime::RunQueries& queries) { return queries.neighbourhood(); });
            if (!around) co_return problem_of(around.error());
            const auto heirs = runtime::serving(living(*around));
            const bool has_heir = std::any_of(heirs.begin(), heirs.end(), [this](const std::string& node) {
                return node != parts_->node;
            });
            if (!has_heir)
                co_return problem(
                    409, "refused",
                    "no other server is there that would take over; runs would stand still");
        }
        if (const auto done = parts_->drain(drains); !done) co_return problem_of(done.error());
        json::object out;
        out["node"] = parts_->node;
        out["draining"] = drains;
        co_return reply(200, out);
    }

private:
    std::shared_ptr<const ApiParts> parts_;
};

} // namespace

void add_node_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts) {
    const auto self = std::make_shared<const NodeApi>(parts);
    routes.add("GET", "/api/orchestrators", Level::viewer,
               [self](Request, Parameters) { return self->list(); }, {});
    routes.add("POST", "/api/drain", Level::admin,
               [self](Request request, Parameters) { return self->drain(std::move(request)); }, {});
}

} // namespace baton::web
