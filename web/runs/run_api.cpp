#include "web/runs/run_api.hpp"

#include "base/clock.hpp"
#include "base/json_text.hpp"
#include "base/overloaded.hpp"
#include "base/utf8.hpp"
#include "orchestrator/core/status.hpp"
#include "orchestrator/runtime/run_query.hpp"
#include "web/http/await_reply.hpp"
#include "web/http/members.hpp"
#include "web/http/query.hpp"
#include "web/http/replies.hpp"
#include "web/runs/run_look.hpp"
#include "web/runs/run_operations.hpp"
#include "web/runs/run_view.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <span>
#include <utility>
#include <vector>

namespace baton::web {

namespace json = boost::json;
namespace core = orchestrator::core;
namespace runtime = orchestrator::runtime;
using boost::asio::awaitable;
using runtime::EngineErrc;
using runtime::RunQueries;

Response no_answer() {
    return problem(503, "unavailable", "the orchestrator did not answer in time; its database may be away, see the server's log");
}

Response no_answer_to_change() {
    return problem(504, "unanswered", "the orchestrator did not answer in time; it may have been done, and may still be: look before asking again");
}

Response undecided(Claim& claim, std::string_view what_then) {
    if (claim.withdraw())
        return problem(503, "unavailable",
                       "the orchestrator did not answer in time, its database may be away; nothing was changed, try again");
    json::object accepted;
    accepted["accepted"] = true;
    accepted["reason"] = what_then;
    return reply(202, accepted);
}

Response problem_of(const Failure& failure) {
    unsigned status = 503;
    std::string_view error = "unavailable";
    if (failure.code.category() == runtime::engine_category()) {
        switch (static_cast<EngineErrc>(failure.code.value())) {
        case EngineErrc::unknown_workflow:
        case EngineErrc::unknown_run:
        case EngineErrc::unknown_dead_job:
        case EngineErrc::unknown_dead_letter: status = 404, error = "not_found"; break;
        case EngineErrc::bad_input: status = 422, error = "bad_input"; break;
        case EngineErrc::bad_definition: status = 422, error = "bad_definition"; break;
        case EngineErrc::duplicate: status = 409, error = "duplicate"; break;
        case EngineErrc::settled:
        case EngineErrc::too_many_runs: // only of runs that are steps
        case EngineErrc::refused: status = 409, error = "refused"; break;
        case EngineErrc::stopping: status = 503, error = "stopping"; break;
        case EngineErrc::overloaded: status = 503, error = "overloaded"; break;
        case EngineErrc::moving: status = 503, error = "moving"; break;
        case EngineErrc::unanswered: status = 504, error = "unanswered"; break;
        case EngineErrc::stale: status = 412, error = "stale"; break;
        }
    }
    return problem(status, error, failure.detail);
}

bool is_run_id(std::string_view text) {
    if (text.size() != 36) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
        const bool is_digit = (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');
        if (is_dash ? text[i] != '-' : !is_digit) return false;
    }
    return true;
}

namespace {

constexpr std::chrono::seconds follow_limit_max{60};
constexpr std::array<std::string_view, 9> run_statuses{"queued",    "running", "paused",    "compensating", "completed",
                                                       "failed",    "cancelled", "timed_out", "compensated"};

// Ends, undos and retries are told apart from other acts also for runs that cannot be read.
void tell_engine(runtime::Engine& engine, const std::string& id, const core::Event& event, const std::string& reason,
                 const std::string& actor, runtime::Reply<runtime::RunChanged> reply, const std::shared_ptr<Claim>& claim,
                 runtime::OnlyAt only_at) {
    std::visit(Overloaded{
                   [&](const core::CancelRequested&) { engine.cancel(id, reason, std::move(reply), actor, claim, only_at); },
                   [&](const core::RunRetried& retried) {
                       engine.retry(id, retried.now, std::move(reply), actor, claim, only_at);
                   },
                   [&](const core::UndoSkipped& undo) {
                       engine.skip_undo(id, undo.step, reason, std::move(reply), actor, claim, only_at);
                   },
                   [&](const core::RunFinished& end) {
                       engine.finish(id, end.status, reason, std::move(reply), actor, claim, only_at);
                   },
                   [&](const auto&) { engine.operate(id, event, reason, std::move(reply), actor, claim, only_at); },
               },
               event);
}

class RunApi {
public:
    explicit RunApi(std::shared_ptr<const ApiParts> parts) : parts_(parts), looker_(std::move(parts)) {}

    static void add_routes(Routes& routes, const std::shared_ptr<RunApi>& self) {
        const RouteAdder<RunApi> add(routes, self);
        add("GET", "/api/workflows", Level::viewer, &RunApi::list_workflows, {"name"});
        add("POST", "/api/workflows", Level::deploying, &RunApi::deploy);
        add("DELETE", "/api/workflows/{workflow}", Level::deploying, &RunApi::undeploy);
        add("POST", "/api/runs", Level::operating, &RunApi::start_run);
        add("GET", "/api/runs", Level::viewer, &RunApi::list_runs, {"q", "after", "totals", "workflow", "status", "before", "limit"});
        add("GET", "/api/runs/{run}", Level::viewer, &RunApi::show_run);
        add("GET", "/api/runs/{run}/history", Level::viewer, &RunApi::follow_run, {"after", "wait", "limit"});
        for (const RunOperation& operation : run_operations()) {
            const auto answer = [self, &operation](Request request, Parameters parameters) {
                return self->operate(operation, std::move(request), std::move(parameters));
            };
            routes.add("POST", fmt::format("/api/runs/{{run}}/{}", operation.name),
                       operation.is_message ? Level::viewer : Level::operating, answer);
        }
        add("GET", "/api/incidents", Level::viewer, &RunApi::list_incidents);
        add("GET", "/api/counts", Level::viewer, &RunApi::count_runs);
        add("GET", "/api/metrics", Level::viewer, &RunApi::metrics);
    }

private:
    template <typename Question>
    auto read(Question question) {
        return parts_->reader->ask(std::move(question));
    }

    awaitable<Response> list_workflows(Request request, Parameters) {
        auto found = co_await read(
            [name = parameter(request, "name")](RunQueries& queries) { return queries.definitions(name); });
        if (!found) co_return problem_of(found.error());
        json::array list;
        for (const auto& definition : *found) {
            json::object entry;
            entry["name"] = definition.name;
            entry["version"] = definition.version;
            entry["live"] = definition.is_live;
            entry["file"] = definition.file_name;
            entry["created_at"] = to_rfc3339(definition.created_at);
            list.emplace_back(std::move(entry));
        }
        co_return reply(200, list);
    }

    awaitable<Response> deploy(Request request, Parameters) {
        auto body = body_of(request);
        if (!body) co_return problem(400, "bad_request", body.error().detail);
        if (const auto known = check_members(*body, {"source", "file"}); !known)
            co_return problem(400, "bad_request", known.error().detail);
        auto source = text_member(*body, "source");
        auto file = text_member(*body, "file");
        if (source.empty()) co_return problem(400, "bad_request", "'source' must hold the text of a workflow file");
        if (file.empty()) file = "workflow.toml";
        const auto ask = [this, source, file](auto callback, auto claim) {
            parts_->engine->deploy(source, file, callback, claim);
        };
        const auto tell = [](const Outcome<runtime::Deployed>& done) {
            json::object out;
            out["workflow"] = done->name;
            out["version"] = done->version;
            out["new"] = done->is_new;
            out["queues"] = done->has_queues;
            return reply(done->is_new ? 201 : 200, out);
        };
        co_return co_await change<runtime::Deployed>(ask, tell, "it is deployed when the database is back");
    }

    awaitable<Response> undeploy(Request, Parameters parameters) {
        const auto name = parameters.at("workflow");
        const auto ask = [this, name](auto callback, auto claim) { parts_->engine->undeploy(name, callback, claim); };
        const auto tell = [](const Outcome<runtime::Undeployed>& done) {
            json::object out;
            out["workflow"] = done->name;
            out["version"] = done->version;
            return reply(200, out);
        };
        co_return co_await change<runtime::Undeployed>(ask, tell, "it is taken out of use when the database is back");
    }

    awaitable<Response> start_run(Request request, Parameters) {
        if (auto refusal = take_key(request, "key")) co_return std::move(*refusal);
        auto body = body_of(request);
        if (!body) co_return problem(400, "bad_request", body.error().detail);
        if (const auto known = check_members(*body, {"workflow", "key", "fallback_key"}, {"input", "version", "labels"}); !known)
            co_return problem(400, "bad_request", known.error().detail);
        runtime::StartRequest start;
        start.workflow = text_member(*body, "workflow");
        start.key = text_member(*body, "key");
        start.fallback_key = text_member(*body, "fallback_key");
        start.actor = as_utf8(request.login.user);
        start.trace = request.trace;
        auto labels = labels_in(*body);
        if (!labels) co_return problem(400, "bad_request", labels.error().detail);
        start.labels = std::move(*labels);
        if (const auto* input = body->if_contains("input")) start.input = write_json(*input);
        if (const auto* version = body->if_contains("version")) {
            ErrorCode error;
            start.version = version->to_number<std::uint32_t>(error);
            if (error) co_return problem(400, "bad_request", "'version' must be a whole number");
        }
        if (start.workflow.empty()) co_return problem(400, "bad_request", "'workflow' must name a workflow");
        const auto claim = start.claim = std::make_shared<Claim>();
        auto done = co_await await_reply<Outcome<runtime::Started>>(
            request_limit, [this, start](auto callback) { parts_->engine->start_run(start, callback); });
        if (!done && claim->withdraw())
            co_return problem(503, "unavailable",
                              "the orchestrator did not answer in time, its database may be away; nothing was "
                              "started, try again");
        if (!done) {
            // Decided, and not known to be stored: it will be, unless the server itself is lost before.
            json::object accepted;
            accepted["run"] = claim->name();
            accepted["accepted"] = true;
            co_return reply(202, accepted);
        }
        if (!*done) co_return problem_of(done->error());
        json::object out;
        out["run"] = (*done)->run_id;
        out["new"] = (*done)->is_new;
        // Others of its concurrency key go on, or its workflow is paused.
        if ((*done)->is_skipped) out["skipped"] = true;
        if ((*done)->is_queued) out["queued"] = true;
        // Of a run that was there already nobody looked.
        if ((*done)->workflow_version != 0) out["version"] = (*done)->workflow_version;
        co_return reply((*done)->is_new ? 201 : 200, out);
    }

    static Outcome<runtime::Labels> labels_in(const json::object& body) {
        const auto wrong = [](std::string what) {
            return Failure{make_error_code(boost::system::errc::invalid_argument), std::move(what)};
        };
        runtime::Labels labels;
        const auto* given = body.if_contains("labels");
        if (given == nullptr) return labels;
        if (!given->is_object()) return wrong("'labels' must be an object of texts: {\"team\": \"ops\"}");
        for (const auto& label : given->get_object()) {
            if (!label.value().is_string()) return wrong(fmt::format("label '{}' must be a text", std::string_view(label.key())));
            labels.emplace(label.key(), label.value().get_string());
        }
        if (std::string complaint = runtime::complaint_about_labels(labels); !complaint.empty()) return wrong(std::move(complaint));
        return labels;
    }

    // What the query language finds, a page of it.
    awaitable<Response> search_runs(Request request) {
        for (const char* other : {"workflow", "status", "before"})
            if (request.query.contains(other))
                co_return problem(400, "bad_request", fmt::format("'{}' does not go with 'q' and 'after'; put it into q", other));
        const auto search = runtime::parse_run_query(parameter(request, "q"), SystemClock().now());
        if (!search) co_return problem(400, "bad_query", "q, " + search.error().detail);
        const auto limit = number_in(request, "limit", {50, 1, list_limit_max});
        if (!limit) co_return problem(400, "bad_request", limit.error().detail);
        const auto totals = flag_in(request, "totals");
        if (!totals) co_return problem(400, "bad_request", totals.error().detail);
        const auto page = co_await read([search = *search, after = parameter(request, "after"), limit = *limit](RunQueries& queries) {
            return queries.search(search, after, limit);
        });
        if (!page && page.error().code == make_error_code(runtime::StoreErrc::not_found)) co_return problem(400, "bad_request", page.error().detail);
        if (!page) co_return problem_of(page.error());
        json::object out;
        json::array list;
        for (const auto& run : page->runs) list.emplace_back(found_summary(run));
        out["runs"] = std::move(list);
        out["next"] = page->next ? json::value(*page->next) : json::value(nullptr);
        if (*totals) {
            const auto counted = co_await read([search = *search](RunQueries& queries) { return queries.totals(search); });
            if (!counted) co_return problem_of(counted.error());
            json::object by_status;
            for (const auto& [status, count] : counted->by_status) by_status[orchestrator::core::word_of(status)] = count;
            out["totals"] = std::move(by_status);
            out["totals_are_exact"] = counted->is_exact;
        }
        co_return reply(200, out);
    }

    awaitable<Response> list_runs(Request request, Parameters) {
        for (const char* word : {"q", "after", "totals"})
            if (request.query.contains(word)) co_return co_await search_runs(request);
        runtime::RunFilter filter;
        filter.workflow = parameter(request, "workflow");
        filter.before_run_id = parameter(request, "before");
        if (!filter.before_run_id.empty() && !is_run_id(filter.before_run_id))
            co_return problem(400, "bad_request", "'before' must be the whole id of a run, not '" + filter.before_run_id + "'");
        const auto limit = number_in(request, "limit", {50, 1, list_limit_max});
        if (!limit) co_return problem(400, "bad_request", limit.error().detail);
        filter.limit = *limit;
        if (const auto status = parameter(request, "status"); !status.empty()) {
            filter.status = orchestrator::core::run_status_from(status);
            if (!filter.status) co_return problem(400, "bad_request", no_such_word("status", status, run_statuses));
        }
        auto found = co_await read([filter](RunQueries& queries) { return queries.runs(filter); });
        if (!found) co_return problem_of(found.error());
        json::array list;
        for (const auto& run : *found) list.emplace_back(run_summary(run));
        co_return reply(200, list);
    }

    awaitable<Response> show_run(Request, Parameters parameters) {
        const auto given = parameters.at("run");
        auto found = co_await read([given](RunQueries& queries) { return queries.run(given); });
        if (!found) co_return problem_of(found.error());
        if (!*found) co_return problem_of(co_await looker_.which_run(given));
        RunTeller teller;
        const auto heard = co_await looker_.read_history((*found)->run, [&](std::span<const runtime::HistoryRow> rows) { teller.add(rows); });
        if (!heard) co_return problem_of(heard.error());
        auto out = teller.tell(**found, co_await looker_.paths_of((*found)->run));
        if (const auto reason = co_await looker_.incident_of((*found)->run.run_id); !reason.empty()) out["incident"] = reason;
        co_return reply(200, out);
    }

    awaitable<Response> list_incidents(Request, Parameters) {
        const auto found = co_await await_reply<Outcome<std::vector<runtime::Incident>>>(
            request_limit, [this](auto callback) { parts_->engine->incidents({}, callback); });
        if (!found) co_return no_answer();
        if (!*found) co_return problem_of(found->error());
        json::array list;
        for (const auto& one : **found) list.emplace_back(json::object{{"run", one.run_id}, {"reason", one.reason}});
        co_return reply(200, list);
    }

    awaitable<Response> follow_run(Request request, Parameters parameters) {
        const auto given_after = number_in(request, "after", {0, 0, UINT64_MAX});
        if (!given_after) co_return problem(400, "bad_request", given_after.error().detail);
        const auto given_wait = number_in(request, "wait", {0, 0, static_cast<std::uint64_t>(follow_limit_max.count())});
        if (!given_wait) co_return problem(400, "bad_request", given_wait.error().detail);
        const auto limit = number_in(request, "limit", {list_limit_max, 1, list_limit_max});
        if (!limit) co_return problem(400, "bad_request", limit.error().detail);
        const auto after = *given_after;
        const std::chrono::seconds wait{static_cast<std::int64_t>(*given_wait)};
        auto id = co_await looker_.full_id(parameters.at("run"));
        if (!id) co_return problem_of(id.error());
        if (wait.count() > 0) {
            std::optional<runtime::Engine::WatchId> watch;
            auto changed = co_await await_reply<Outcome<runtime::RunChanged>>(
                wait, [this, &id, after, &watch](auto callback) {
                    watch = parts_->engine->wait_for_change(*id, after, callback);
                });
            if (!changed && watch) parts_->engine->forget(*watch);
            if (changed && !*changed) co_return problem_of(changed->error());
        }
        // The row first: when it says that the run is closed, its whole history is there to be read.
        const auto run = co_await looker_.row(*id);
        if (!run) co_return problem_of(run.error());
        const auto history = co_await read(
            [id = *id, after, limit = *limit](RunQueries& queries) { return queries.history_after(id, after, limit); });
        if (!history) co_return problem_of(history.error());
        json::object out = run_summary(*run);
        out["output"] = run->output ? from_text(*run->output) : json::value(nullptr);
        out["history"] = history_json(history->rows);
        out["next"] = history->has_more ? json::value(history->rows.back().seq) : json::value(nullptr);
        co_return reply(200, out);
    }

    awaitable<Response> operate(const RunOperation& operation, Request request, Parameters parameters) {
        if (auto refusal = operation.name == "signal" ? take_key(request, "id") : std::nullopt) co_return std::move(*refusal);
        auto body = body_of(request);
        if (!body) co_return problem(400, "bad_request", body.error().detail);
        const Asker asker{as_utf8(request.login.user), request.login.tags, reaches(request.login, Level::operating)};
        auto event = event_of(operation, *body, asker);
        if (!event) co_return problem(400, "bad_request", event.error().detail);
        auto id = co_await looker_.full_id(parameters.at("run"));
        if (!id) co_return problem_of(id.error());
        const auto reason = text_member(*body, "reason");
        const auto actor = as_utf8(request.login.user);
        const auto only_at = version_in(request.if_match);
        const auto ask = [this, id = *id, event = *event, reason, actor, only_at](auto callback, auto claim) {
            tell_engine(*parts_->engine, id, event, reason, actor, callback, claim, only_at);
        };
        co_return co_await change_run(ask);
    }

    awaitable<Response> count_runs(Request, Parameters) {
        auto counts = co_await read([](RunQueries& queries) { return queries.counts(); });
        if (!counts) co_return problem_of(counts.error());
        json::array list;
        for (const auto& count : *counts) {
            json::object entry;
            entry["workflow"] = count.workflow;
            entry["status"] = orchestrator::core::word_of(count.status);
            entry["count"] = count.count;
            list.emplace_back(std::move(entry));
        }
        co_return reply(200, list);
    }

    awaitable<Response> metrics(Request, Parameters) {
        const auto& counted = parts_->engine->metrics();
        json::object out;
        out["batches"] = counted.batches.value();
        out["transitions"] = counted.transitions.value();
        out["events"] = counted.events.value();
        out["ignored_reports"] = counted.ignored_reports.value();
        out["unknown_reports"] = counted.unknown_reports.value();
        out["commit_failures"] = counted.commit_failures.value();
        out["lost_runs"] = counted.lost_runs.value();
        out["takeovers"] = counted.takeovers.value();
        out["cached_runs"] = counted.cached_runs.value();
        out["run_memory"] = counted.run_memory.value();
        out["unconfirmed_memory"] = counted.unconfirmed_memory.value();
        out["unreadable_runs"] = counted.unreadable_runs.value();
        out["waiting_items"] = counted.waiting_items.value();
        out["unpublished"] = counted.unpublished.value();
        co_return reply(200, out);
    }

    std::shared_ptr<const ApiParts> parts_;
    RunLooker looker_;
};

} // namespace

Response changed(const runtime::RunChanged& run) {
    json::object out;
    out["run"] = run.run_id;
    out["status"] = orchestrator::core::word_of(run.status);
    out["seq"] = run.seq;
    return reply(200, out);
}

void add_run_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts) {
    RunApi::add_routes(routes, std::make_shared<RunApi>(parts));
}

} // namespace baton::web
