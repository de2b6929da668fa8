// GET /baton/v1/approvals: who is asked for what, over all runs that are open. The store has no
// list of it: of workflows whose files ask people, the open runs are looked at, each once for each
// state it is in.
#include "orchestrator/core/status.hpp"
#include "orchestrator/runtime/run_query.hpp"
#include "web/http/query.hpp"
#include "web/http/replies.hpp"
#include "web/runs/run_api.hpp"
#include "web/runs/run_look.hpp"
#include "web/runs/run_view.hpp"
#include "web/v1/listing.hpp"
#include "web/v1/v1_api.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace baton::web {

namespace json = boost::json;
namespace runtime = orchestrator::runtime;
using boost::asio::awaitable;
using orchestrator::core::StepStory;
using runtime::RunQueries;

namespace {

// Beyond so many open runs of workflows that ask, the oldest are left out, and the answer says so.
constexpr std::size_t looked_at_max = 2'000;
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
    explicit V1Approvals(std::shared_ptr<const ApiParts> parts)
        : parts_(parts), looker_(std::move(parts)) {}

    static void add_routes(Routes& routes, const std::shared_ptr<V1Approvals>& self) {
        const RouteAdder<V1Approvals> add(routes, self);
        add("GET", "/baton/v1/approvals", Level::viewer, &V1Approvals::list,
            {"mine", "limit", "after", "count"});
    }

private:
    struct Seen {
        std::uint64_t version = 0;
        json::array approvals;
    };

    awaitable<Response> list(Request request, Parameters) {
        const auto wish = page_wish(request);
        if (!wish) co_return problem(400, "bad_request", wish.error().detail);
        const auto mine = parameter(request, "mine");
        if (!mine.empty() && mine != "true" && mine != "false")
            co_return problem(400, "bad_request", "'mine' is true or false");
        const auto runs = co_await open_runs();
        if (!runs) co_return problem_of(runs.error());
        json::array all;
        std::set<std::string> open;
        for (const runtime::StoredRun& run : *runs) {
            open.insert(run.run_id);
            const auto asked = co_await approvals_of(run);
            if (!asked) co_return problem_of(asked.error());
            for (const json::value& one : *asked) {
                json::object shown = one.get_object();
                const bool is_mine = is_asked(shown.at("by"), request.login);
                if (mine == "true" && !is_mine) continue;
                shown["mine"] = is_mine;
                all.push_back(std::move(shown));
            }
        }
        std::erase_if(seen_, [&](const auto& one) { return !open.contains(one.first); });
        co_return page_of(*wish, std::move(all), runs->size() < looked_at_max);
    }

    // Those of workflows of which any version says the word.
    awaitable<Outcome<std::vector<runtime::StoredRun>>> open_runs() {
        co_return co_await parts_->reader->ask(
            [](RunQueries& queries) -> Outcome<std::vector<runtime::StoredRun>> {
                BATON_ASSIGN(const auto counts, queries.counts());
                std::set<std::string> names;
                for (const auto& one : counts)
                    if (!orchestrator::core::is_closed(one.status)) names.insert(one.workflow);
                std::vector<runtime::StoredRun> runs;
                for (const std::string& name : names) {
                    BATON_ASSIGN(const auto versions, queries.definitions(name));
                    bool asks = false;
                    for (const auto& one : versions)
                        asks = asks || one.source.find("approval") != std::string::npos;
                    if (!asks) continue;
                    runtime::RunSearch search;
                    search.workflows = {{name, false}};
                    search.statuses = {runtime::RunStatus::running, runtime::RunStatus::paused,
                                       runtime::RunStatus::compensating};
                    std::string from;
                    while (runs.size() < looked_at_max) {
                        BATON_ASSIGN(auto page, queries.search(search, from, page_size_max));
                        for (auto& run : page.runs)
                            runs.push_back(std::move(run));
                        if (!page.next) break;
                        from = *page.next;
                    }
                }
                return runs;
            });
    }

    awaitable<Outcome<json::array>> approvals_of(const runtime::StoredRun& run) {
        if (const auto known = seen_.find(run.run_id);
            known != seen_.end() && known->second.version == run.version)
            co_return known->second.approvals;
        const auto told = co_await looker_.tell(run.run_id);
        if (!told) {
            // It has been removed meanwhile.
            if (told.error().code == make_error_code(runtime::EngineErrc::unknown_run))
                co_return json::array{};
            co_return told.error();
        }
        Seen& seen = seen_[run.run_id];
        seen = {told->details.run.version, {}};
        for (const StepStory& step : told->steps)
            if (auto one = approval_in(told->details.run, step))
                seen.approvals.push_back(std::move(*one));
        co_return seen.approvals;
    }

    static std::optional<json::object> approval_in(const runtime::StoredRun& run,
                                                   const StepStory& step) {
        const auto* waits = step.waits_for.json().if_object();
        const auto* approval = waits == nullptr ? nullptr : waits->if_contains("approval");
        if (approval == nullptr || !approval->is_object() || step.status != "sleeping")
            return std::nullopt;
        const json::object& asked = approval->get_object();
        const auto member = [&](std::string_view name, json::value otherwise) {
            const auto* value = asked.if_contains(name);
            return value == nullptr ? std::move(otherwise) : *value;
        };
        json::object out;
        out["run"] = run.run_id;
        out["workflow"] = run.workflow;
        out["step"] = step.step;
        out["title"] = member("title", "");
        out["by"] = member("by", json::array{});
        out["quorum"] = member("quorum", 1);
        out["form"] = member("form", nullptr);
        const auto* votes = waits->if_contains("votes");
        out["votes"] = votes == nullptr ? json::value(json::array{}) : *votes;
        out["since"] =
            step.started_at ? json::value(to_rfc3339(*step.started_at)) : json::value(nullptr);
        out["until"] = step.until ? json::value(to_rfc3339(*step.until)) : json::value(nullptr);
        return out;
    }

    std::shared_ptr<const ApiParts> parts_;
    RunLooker looker_;
    std::map<std::string, Seen> seen_; // by run
};

} // namespace

void add_v1_approval_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts) {
    V1Approvals::add_routes(routes, std::make_shared<V1Approvals>(parts));
}

} // namespace baton::web
