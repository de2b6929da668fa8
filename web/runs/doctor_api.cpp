// What `baton doctor` asks a running server: runs against their histories, page by page; what is
// kept beside them; and that one of them is put right.
#include "base/clock.hpp"
#include "base/utf8.hpp"
#include "orchestrator/runtime/doctor.hpp"
#include "web/http/members.hpp"
#include "web/http/query.hpp"
#include "web/http/replies.hpp"
#include "web/runs/run_api.hpp"
#include "web/runs/run_operations.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace baton::web {

namespace json = boost::json;
namespace core = orchestrator::core;
namespace runtime = orchestrator::runtime;
using boost::asio::awaitable;
using runtime::RunQueries;

namespace {

// A page ends behind the run with which it has taken so long: the reader has other askers, too.
constexpr std::chrono::seconds page_time{1};
constexpr std::size_t page_runs = 100;
constexpr std::size_t faults_max = 1000;

struct ReportPage {
    std::vector<runtime::Finding> findings;
    std::vector<runtime::TaskOut> out;
    std::size_t examined = 0;
    std::string next; // before this run; empty: it was the last page
};

Outcome<ReportPage> examine_page(RunQueries& queries, const runtime::Definitions::Compile& compile,
                                 const std::string& before) {
    runtime::RunFilter filter;
    filter.before_run_id = before;
    filter.limit = page_runs;
    BATON_ASSIGN(const auto runs, queries.runs(filter));
    runtime::Definitions definitions(compile);
    const auto workflow_of = [&](const runtime::StoredRun& run) {
        return definitions.of(queries, run);
    };
    const auto began = std::chrono::steady_clock::now();
    ReportPage page;
    for (const runtime::StoredRun& run : runs) {
        BATON_ASSIGN(auto examined, runtime::examine(queries, workflow_of, run.run_id));
        std::move(examined.findings.begin(), examined.findings.end(),
                  std::back_inserter(page.findings));
        std::move(examined.out.begin(), examined.out.end(), std::back_inserter(page.out));
        ++page.examined;
        page.next = run.run_id;
        if (std::chrono::steady_clock::now() - began > page_time) return page;
    }
    if (runs.size() < page_runs) page.next.clear();
    return page;
}

Outcome<ReportPage> examine_one(RunQueries& queries, const runtime::Definitions::Compile& compile,
                                const std::string& run_id) {
    runtime::Definitions definitions(compile);
    const auto workflow_of = [&](const runtime::StoredRun& run) {
        return definitions.of(queries, run);
    };
    BATON_ASSIGN(auto examined, runtime::examine(queries, workflow_of, run_id));
    ReportPage page;
    page.findings = std::move(examined.findings);
    page.out = std::move(examined.out);
    page.examined = 1;
    return page;
}

json::object report_page_json(const ReportPage& page) {
    json::array findings, out;
    for (const runtime::Finding& one : page.findings)
        findings.push_back(json::object{{"kind", one.kind},
                                        {"run", one.run_id},
                                        {"what", one.what},
                                        {"mendable", one.can_be_mended}});
    for (const runtime::TaskOut& one : page.out)
        out.push_back(json::object{{"task", one.task},
                                   {"run", one.run_id},
                                   {"step", one.step},
                                   {"attempt", one.attempt},
                                   {"since", to_rfc3339(one.since)}});
    return json::object{
        {"examined", page.examined},
        {"findings", std::move(findings)},
        {"out", std::move(out)},
        {"next", page.next.empty() ? json::value(nullptr) : json::value(page.next)}};
}

class DoctorApi {
public:
    explicit DoctorApi(std::shared_ptr<const ApiParts> parts) : parts_(std::move(parts)) {}

    static void add_routes(Routes& routes, const std::shared_ptr<DoctorApi>& self) {
        const RouteAdder<DoctorApi> add(routes, self);
        add("GET", "/api/doctor/runs", Level::operating, &DoctorApi::examine_runs,
            {"before", "run"});
        add("GET", "/api/doctor/indexes", Level::operating, &DoctorApi::examine_indexes);
        add("POST", "/api/runs/{run}/mend", Level::operating, &DoctorApi::mend);
    }

private:
    awaitable<Response> examine_runs(Request request, Parameters) {
        const auto before = parameter(request, "before"), run = parameter(request, "run");
        for (const auto& id : {before, run})
            if (!id.empty() && !is_run_id(id))
                co_return problem(400, "bad_request", "'" + id + "' is not the whole id of a run");
        if (!parts_->compile) co_return problem(404, "not_found", "this server has no workflows");
        const auto page = co_await parts_->reader->ask(
            [compile = parts_->compile, before, run](RunQueries& queries) {
                return run.empty() ? examine_page(queries, compile, before)
                                   : examine_one(queries, compile, run);
            });
        if (!page) co_return problem_of(page.error());
        co_return reply(200, report_page_json(*page));
    }

    awaitable<Response> examine_indexes(Request, Parameters) {
        const auto faults = co_await parts_->reader->ask(
            [](RunQueries& queries) { return queries.index_faults(faults_max); });
        if (!faults) co_return problem_of(faults.error());
        json::array findings;
        for (const runtime::IndexFault& one : *faults)
            findings.push_back(json::object{
                {"kind", one.kind}, {"run", one.run_id}, {"what", one.what}, {"mendable", false}});
        co_return reply(200, json::object{{"findings", std::move(findings)}});
    }

    // The run is read anew from its history, and all that is beside it is written from that.
    awaitable<Response> mend(Request request, Parameters parameters) {
        auto body = body_of(request);
        if (!body) co_return problem(400, "bad_request", body.error().detail);
        if (const auto known = check_members(*body, {"reason"}, {"tasks"}); !known)
            co_return problem(400, "bad_request", known.error().detail);
        const auto reason = text_member(*body, "reason");
        if (reason.empty())
            co_return problem(400, "bad_request",
                              "'reason' must say what is put right; the history keeps it");
        if (reason.size() > reason_bytes_max)
            co_return problem(400, "bad_request", too_long_a_reason);
        core::RunMended event{reason};
        if (const auto* tasks = body->if_contains("tasks")) {
            if (!tasks->is_array())
                co_return problem(400, "bad_request", "'tasks' must be a list of task types");
            for (const auto& task : tasks->get_array()) {
                if (!task.is_string())
                    co_return problem(400, "bad_request", "'tasks' must be a list of task types");
                event.routes.emplace_back(task.get_string());
            }
            std::sort(event.routes.begin(), event.routes.end());
        }
        const std::string id = parameters.at("run");
        if (!is_run_id(id)) co_return problem(400, "bad_request", "name the run by its whole id");
        const auto ask = [this, id, event, reason,
                          actor = as_utf8(request.login.user)](auto callback, auto claim) {
            parts_->engine->operate(id, event, reason, callback, actor, claim);
        };
        co_return co_await change_run(ask);
    }

    std::shared_ptr<const ApiParts> parts_;
};

} // namespace

void add_doctor_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts) {
    DoctorApi::add_routes(routes, std::make_shared<DoctorApi>(parts));
}

} // namespace baton::web
