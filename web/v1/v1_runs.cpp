// Runs under /baton/v1: found, looked at from all sides, started, acted upon.
#include "base/json_text.hpp"
#include "base/utf8.hpp"
#include "orchestrator/runtime/preview.hpp"
#include "orchestrator/runtime/run_query.hpp"
#include "web/http/members.hpp"
#include "web/http/query.hpp"
#include "web/http/replies.hpp"
#include "web/runs/run_api.hpp"
#include "web/runs/run_look.hpp"
#include "web/runs/run_operations.hpp"
#include "web/runs/run_view.hpp"
#include "web/v1/listing.hpp"
#include "web/v1/problem.hpp"
#include "web/v1/run_pages.hpp"
#include "web/v1/v1_api.hpp"
#include "web/v1/why_look.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>
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

constexpr std::array<std::string_view, 12> run_acts{
    "cancel", "retry", "skip-undo",  "finish",     "terminate", "pause",
    "resume", "skip",  "set-output", "edit-input", "rerun",     "signal"};
// Of a step that is named in the path: the word there, and that of the act on the run.
struct StepAct {
    std::string_view name;
    std::string_view act;
    Level level;
};
constexpr std::array<StepAct, 7> step_acts{{{"skip", "skip", Level::operating},
                                            {"output", "set-output", Level::operating},
                                            {"input", "edit-input", Level::operating},
                                            {"rerun", "rerun", Level::operating},
                                            {"skip-undo", "skip-undo", Level::operating},
                                            {"approve", "approve", Level::viewer},
                                            {"reject", "reject", Level::viewer}}};

// The query language names the place as "column N: …".
json::array errors_in_query(std::string_view detail) {
    constexpr std::string_view word = "column ";
    json::object error{{"message", detail}};
    if (detail.starts_with(word)) {
        const auto end = detail.find(':');
        const auto column =
            number_from<std::uint32_t>(detail.substr(word.size(), end - word.size()));
        if (column) {
            error["column"] = *column;
            error["message"] = detail.substr(std::min(end + 2, detail.size()));
        }
    }
    return json::array{std::move(error)};
}

json::value facts_json(const std::vector<core::Fact>& facts) {
    std::string text;
    core::append_json(text, facts);
    return from_text(text);
}

class V1Runs {
public:
    V1Runs(Routes& routes, std::shared_ptr<const ApiParts> parts, std::shared_ptr<HealthApi> health)
        : parts_(parts),
          looker_(parts),
          why_(std::move(parts), std::move(health)),
          start_(routes.handler_of("POST", "/api/runs")),
          redrive_(routes.handler_of("POST", "/api/dead/{id}/redrive")) {
        for (const auto act : run_acts)
            acts_[act] = routes.handler_of("POST", fmt::format("/api/runs/{{run}}/{}", act));
        for (const StepAct& one : step_acts)
            acts_[one.act] =
                routes.handler_of("POST", fmt::format("/api/runs/{{run}}/{}", one.act));
    }

    static void add_routes(Routes& routes, const std::shared_ptr<V1Runs>& self) {
        const RouteAdder<V1Runs> add(routes, self);
        add("GET", "/baton/v1/runs", Level::viewer, &V1Runs::list,
            {"q", "limit", "after", "count"});
        add("POST", "/baton/v1/runs", Level::operating, &V1Runs::start);
        add("GET", "/baton/v1/runs/{run}", Level::viewer, &V1Runs::show);
        add("GET", "/baton/v1/runs/{run}/steps", Level::viewer, &V1Runs::steps);
        add("GET", "/baton/v1/runs/{run}/steps/{step}", Level::viewer, &V1Runs::step, {"undo"});
        add("GET", "/baton/v1/runs/{run}/history", Level::viewer, &V1Runs::history,
            {"after", "wait", "limit"});
        add("GET", "/baton/v1/runs/{run}/logs", Level::viewer, &V1Runs::logs, {"after", "limit"});
        add("GET", "/baton/v1/runs/{run}/why", Level::viewer, &V1Runs::why);
        add("GET", "/baton/v1/runs/{run}/graph", Level::viewer, &V1Runs::graph);
        add("GET", "/baton/v1/runs/{run}/timeline", Level::viewer, &V1Runs::timeline);
        add("GET", "/baton/v1/runs/{run}/related", Level::viewer, &V1Runs::related);
        for (const auto act : run_acts)
            routes.add("POST", fmt::format("/baton/v1/runs/{{run}}/{}", act), Level::operating,
                       [self, act](Request request, Parameters parameters) {
                           return self->act(act, std::move(request), std::move(parameters));
                       },
                       {"dry_run"});
        for (const StepAct& one : step_acts)
            routes.add("POST", fmt::format("/baton/v1/runs/{{run}}/steps/{{step}}/{}", one.name),
                       one.level,
                       [self, one](Request request, Parameters parameters) {
                           return self->act_on_step(one, std::move(request), std::move(parameters));
                       },
                       {"dry_run"});
        add("POST", "/baton/v1/runs/{run}/steps/{step}/retry", Level::operating,
            &V1Runs::retry_step);
    }

private:
    awaitable<Response> list(Request request, Parameters) {
        const auto wish = page_wish(request);
        if (!wish) co_return problem(400, "bad_request", wish.error().detail);
        const auto search = runtime::parse_run_query(parameter(request, "q"), SystemClock().now());
        if (!search)
            co_return problem_at(400, "bad_query", "q, " + search.error().detail,
                                 errors_in_query(search.error().detail));
        const auto page =
            co_await parts_->reader->ask([search = *search, wish = *wish](RunQueries& queries) {
                return queries.search(search, wish.after, wish.limit);
            });
        if (!page && page.error().code == make_error_code(runtime::StoreErrc::not_found))
            co_return problem(400, "bad_request", page.error().detail);
        if (!page) co_return problem_of(page.error());
        json::array items;
        for (const auto& run : page->runs)
            items.emplace_back(found_summary(run));
        if (!wish->counts) co_return reply(200, page_json(std::move(items), page->next, {}));
        const auto counted = co_await parts_->reader->ask(
            [search = *search](RunQueries& queries) { return queries.totals(search); });
        if (!counted) co_return problem_of(counted.error());
        json::object by_status;
        Counted sum{0, counted->is_exact};
        for (const auto& [status, count] : counted->by_status) {
            by_status[core::word_of(status)] = count;
            sum.count += count;
        }
        if (sum.count > runtime::counted_runs_max) sum = {runtime::counted_runs_max, false};
        json::object out = page_json(std::move(items), page->next, sum);
        out["by_status"] = std::move(by_status);
        co_return reply(200, out);
    }

    // As /api starts them; every complaint about the input by itself.
    awaitable<Response> start(Request request, Parameters parameters) {
        const bool has_key = !request.idempotency_key.empty();
        Response answer = co_await start_(std::move(request), std::move(parameters));
        // As the header's standard has it: the same key for something else is no conflict of two
        // who are right.
        if (has_key && answer.status == 409) answer.status = 422;
        if (answer.status != 422) co_return answer;
        const auto body = parse_json(answer.body);
        if (!body || !body->is_object()) co_return answer;
        json::array errors;
        const std::string reason = text_member(body->get_object(), "reason");
        for (std::string_view rest = reason; !rest.empty();) {
            const auto end = std::min(rest.find('\n'), rest.size());
            const std::string_view line = rest.substr(0, end);
            rest.remove_prefix(std::min(end + 1, rest.size()));
            const auto colon = line.find(": ");
            if (colon == std::string_view::npos) {
                errors.push_back(json::object{{"message", line}});
                continue;
            }
            // "input.user.email: required" is about /input/user/email of the body.
            std::string pointer = "/" + std::string(line.substr(0, colon));
            std::ranges::replace(pointer, '.', '/');
            errors.push_back(
                json::object{{"pointer", pointer}, {"message", line.substr(colon + 2)}});
        }
        co_return problem_at(422, text_member(body->get_object(), "error"), reason,
                             std::move(errors));
    }

    awaitable<Response> show(Request request, Parameters parameters) {
        auto found = co_await looker_.details(parameters.at("run"));
        if (!found) co_return problem_of(found.error());
        const std::string tag = std::to_string(found->run.version);
        // Whoever has this state already costs no look into the history.
        if (!request.if_none_match.empty()) {
            Response same = tagged(request, done(200), tag);
            if (same.status == 304) co_return same;
        }
        RunTeller teller;
        const auto heard = co_await looker_.read_history(
            found->run, [&](std::span<const runtime::HistoryRow> rows) { teller.add(rows); });
        if (!heard) co_return problem_of(heard.error());
        json::object out = teller.tell(*found, co_await looker_.paths_of(found->run));
        out.erase("history");
        out.erase("history_next");
        if (const auto reason = co_await looker_.incident_of(found->run.run_id); !reason.empty())
            out["incident"] = reason;
        co_return tagged(request, reply(200, out), tag);
    }

    awaitable<Response> steps(Request request, Parameters parameters) {
        const auto told = co_await looker_.tell(parameters.at("run"));
        if (!told) co_return problem_of(told.error());
        json::array items;
        for (const auto& one : told->steps)
            items.push_back(step_json(one));
        const Counted all{items.size(), true};
        co_return tagged(request, reply(200, page_json(std::move(items), {}, all)),
                         std::to_string(told->details.run.version));
    }

    awaitable<Response> step(Request request, Parameters parameters) {
        const auto undo = flag_in(request, "undo");
        if (!undo) co_return problem(400, "bad_request", undo.error().detail);
        const auto told = co_await looker_.tell(parameters.at("run"));
        if (!told) co_return problem_of(told.error());
        for (const auto& one : told->steps)
            if (one.step == parameters.at("step") && one.undo == *undo)
                co_return tagged(request, reply(200, step_json(one)),
                                 std::to_string(told->details.run.version));
        co_return problem(404, "not_found",
                          fmt::format("nothing is known of a step '{}' of this run",
                                      as_utf8(parameters.at("step"))));
    }

    awaitable<Response> history(Request request, Parameters parameters) {
        const auto after = number_in(request, "after", {0, 0, UINT64_MAX});
        if (!after) co_return problem(400, "bad_request", after.error().detail);
        const auto wait = number_in(request, "wait", {0, 0, 60});
        if (!wait) co_return problem(400, "bad_request", wait.error().detail);
        const auto limit = number_in(request, "limit", {page_size_max, 1, page_size_max});
        if (!limit) co_return problem(400, "bad_request", limit.error().detail);
        const auto id = co_await looker_.full_id(parameters.at("run"));
        if (!id) co_return problem_of(id.error());
        if (*wait > 0)
            if (auto refusal = co_await wait_for_change(*id, *after, std::chrono::seconds(*wait)))
                co_return std::move(*refusal);
        // The row first: when it says that the run is closed, its whole history is there to be
        // read.
        const auto run = co_await looker_.row(*id);
        if (!run) co_return problem_of(run.error());
        const auto page = co_await parts_->reader->ask(
            [id = *id, after = *after, limit = *limit](RunQueries& queries) {
                return queries.history_after(id, after, limit);
            });
        if (!page) co_return problem_of(page.error());
        json::object out = page_json(history_json(page->rows), {}, {});
        if (page->has_more) out["next"] = page->rows.back().seq;
        out["run"] = run_summary(*run);
        co_return reply(200, out);
    }

    // What workers said of it. The row first: of a run that is closed all is there but what comes
    // late.
    awaitable<Response> logs(Request request, Parameters parameters) {
        const auto after = number_in(request, "after", {0, 0, INT64_MAX});
        if (!after) co_return problem(400, "bad_request", after.error().detail);
        const auto limit = number_in(request, "limit", {page_size_max, 1, page_size_max});
        if (!limit) co_return problem(400, "bad_request", limit.error().detail);
        const auto run = co_await looker_.row(parameters.at("run"));
        if (!run) co_return problem_of(run.error());
        const auto page = co_await parts_->reader->ask(
            [id = run->run_id, after = *after, limit = *limit](RunQueries& queries) {
                return queries.log_lines(id, after, limit);
            });
        if (!page) co_return problem_of(page.error());
        json::array lines;
        for (const runtime::RunLogLine& line : page->lines)
            lines.push_back(json::object{{"number", line.number},
                                         {"at", to_rfc3339(line.at)},
                                         {"level", line.level},
                                         {"step", line.step},
                                         {"attempt", line.attempt},
                                         {"text", line.text}});
        json::object out = page_json(std::move(lines), {}, {});
        if (page->has_more) out["next"] = page->lines.back().number;
        out["dropped"] = page->dropped;
        out["run"] = run_summary(*run);
        co_return reply(200, out);
    }

    awaitable<std::optional<Response>> wait_for_change(std::string id, std::uint64_t after,
                                                       std::chrono::seconds wait) {
        std::optional<runtime::Engine::WatchId> watch;
        const auto changed = co_await await_reply<Outcome<runtime::RunChanged>>(
            wait, [this, &id, after, &watch](auto callback) {
                watch = parts_->engine->wait_for_change(id, after, callback);
            });
        if (!changed && watch) parts_->engine->forget(*watch);
        if (changed && !*changed) co_return problem_of(changed->error());
        co_return std::nullopt;
    }

    awaitable<Response> why(Request, Parameters parameters) {
        const auto told = co_await looker_.tell(parameters.at("run"));
        if (!told) co_return problem_of(told.error());
        const auto found = co_await why_.look(*told, co_await looker_.incident_of(told->details.run.run_id));
        json::array reasons;
        for (const runtime::Why& one : found)
            reasons.push_back(why_json(one));
        const runtime::StoredRun& run = told->details.run;
        co_return reply(200, json::object{{"run", run.run_id},
                                          {"workflow", run.workflow},
                                          {"status", core::word_of(run.status)},
                                          {"seq", run.version},
                                          {"code", runtime::word_of(found.front().code)},
                                          {"sentence", found.front().sentence},
                                          {"reasons", std::move(reasons)}});
    }

    awaitable<Response> graph(Request request, Parameters parameters) {
        const auto told = co_await looker_.tell(parameters.at("run"));
        if (!told) co_return problem_of(told.error());
        if (!told->workflow)
            co_return problem(409, "refused",
                              "the run's workflow is not understood by this version");
        co_return tagged(request, reply(200, graph_json(*told->workflow, told->steps)),
                         std::to_string(told->details.run.version));
    }

    awaitable<Response> timeline(Request, Parameters parameters) {
        const auto told = co_await looker_.tell(parameters.at("run"));
        if (!told) co_return problem_of(told.error());
        const runtime::StoredRun& run = told->details.run;
        co_return reply(
            200, timeline_json(run.started_at, run.closed_at, SystemClock().now(), told->steps));
    }

    // Where else the same happened: what to ask for, and how many there are.
    awaitable<Response> related(Request, Parameters parameters) {
        const auto found = co_await looker_.details(parameters.at("run"));
        if (!found) co_return problem_of(found.error());
        const runtime::StoredRun& run = found->run;
        std::vector<std::pair<std::string, std::string>> asked{
            {"same_workflow", fmt::format("workflow:\"{}\"", run.workflow)},
            {"same_state",
             fmt::format("workflow:\"{}\" status:{}", run.workflow, core::word_of(run.status))}};
        if (!run.error_type.empty())
            asked.emplace_back("same_error", fmt::format("error:\"{}\"", run.error_type));
        json::array items;
        for (const auto& [relation, q] : asked) {
            const auto search = runtime::parse_run_query(q, SystemClock().now());
            if (!search) continue;
            const auto counted = co_await parts_->reader->ask(
                [search = *search](RunQueries& queries) { return queries.totals(search); });
            if (!counted) co_return problem_of(counted.error());
            std::uint64_t sum = 0;
            for (const auto& [status, count] : counted->by_status)
                sum += count;
            items.push_back(json::object{{"relation", relation},
                                         {"q", q},
                                         {"count", sum},
                                         {"count_is_exact", counted->is_exact}});
        }
        const Counted all{items.size(), true};
        co_return reply(200, page_json(std::move(items), {}, all));
    }

    // The run has moved on since the asker saw it; the answer has what it is now. Several tags, or
    // "*", become the one that the run has.
    awaitable<std::optional<Response>> refuses_stale(Request& request, std::string given) {
        if (request.if_match.empty()) co_return std::nullopt;
        const auto run = co_await looker_.row(std::move(given));
        if (!run) co_return problem_of(run.error());
        const std::string tag = std::to_string(run->version);
        if (is_stale(request, tag)) co_return stale(*run);
        if (!names_any(request)) request.if_match = "\"" + tag + "\"";
        co_return std::nullopt;
    }

    static Response stale(const runtime::StoredRun& run) {
        Response answer =
            reply(412, json::object{{"error", "stale"},
                                    {"reason", "the run has changed since it was read; "
                                               "somebody may have been faster"},
                                    {"run", run_summary(run)}});
        answer.headers["ETag"] = fmt::format("\"{}\"", run.version);
        return answer;
    }

    // What was found to be as it was seen may change until the engine decides, which then says so.
    awaitable<Response> told_stale(Response answer, std::string given) {
        if (answer.status != 412) co_return answer;
        const auto run = co_await looker_.row(std::move(given));
        if (!run) co_return problem_of(run.error());
        co_return stale(*run);
    }

    awaitable<Response> act(std::string_view name, Request request, Parameters parameters) {
        const auto dry = flag_in(request, "dry_run");
        if (!dry) co_return problem(400, "bad_request", dry.error().detail);
        const std::string given = parameters.at("run");
        if (auto refusal = co_await refuses_stale(request, given)) co_return std::move(*refusal);
        if (*dry) co_return co_await preview(name, std::move(request), given);
        Response answer = co_await acts_.at(name)(std::move(request), std::move(parameters));
        co_return co_await told_stale(std::move(answer), given);
    }

    // As the act on the run that names the step in its body.
    awaitable<Response> act_on_step(StepAct act, Request request, Parameters parameters) {
        auto body = body_of(request);
        if (!body) co_return problem(400, "bad_request", body.error().detail);
        if (body->contains("step"))
            co_return problem(400, "bad_request", "unknown member 'step'; the path names it");
        (*body)["step"] = parameters.at("step");
        request.body = write_json(*body);
        co_return co_await this->act(act.act, std::move(request), std::move(parameters));
    }

    // What a dead letter of the step stands for is tried again.
    awaitable<Response> retry_step(Request request, Parameters parameters) {
        const std::string given = parameters.at("run");
        if (auto refusal = co_await refuses_stale(request, given)) co_return std::move(*refusal);
        const auto found = co_await looker_.details(given);
        if (!found) co_return problem_of(found.error());
        for (const auto& letter : found->dead_letters) {
            if (letter.step != parameters.at("step") ||
                letter.state != runtime::DeadLetterState::open)
                continue;
            Parameters letters{{"id", std::to_string(letter.id)}};
            Response answer = co_await redrive_(std::move(request), std::move(letters));
            co_return co_await told_stale(std::move(answer), given);
        }
        co_return problem(409, "refused",
                          fmt::format("'{}' has given up nothing that could be tried again",
                                      as_utf8(parameters.at("step"))));
    }

    awaitable<Response> preview(std::string_view name, Request request, std::string given) {
        const auto body = body_of(request);
        if (!body) co_return problem(400, "bad_request", body.error().detail);
        const Asker asker{as_utf8(request.login.user), request.login.tags,
                          reaches(request.login, Level::operating)};
        auto event = event_of(*find_operation(name), *body, asker);
        if (!event) co_return problem(400, "bad_request", event.error().detail);
        const auto found = co_await looker_.details(given);
        if (!found) co_return problem_of(found.error());
        const auto workflow = co_await looker_.workflow_of(found->run);
        if (!workflow)
            co_return problem(409, "refused",
                              "the run's workflow is not understood by this version");
        // The pauses outlive the reader's question: both are the server's.
        const auto seen = co_await parts_->reader->ask(
            [workflow, event = *event, id = found->run.run_id, pauses = &parts_->engine->pauses()](
                RunQueries& queries) -> Outcome<std::optional<runtime::Preview>> {
                BATON_ASSIGN(auto run, runtime::read_run(queries, *workflow, id));
                if (!run) return std::optional<runtime::Preview>{};
                const runtime::PauseGate gate(*pauses, workflow->name);
                return std::optional(
                    runtime::preview(*workflow, std::move(*run), event, SystemClock().now(), gate));
            });
        if (!seen) co_return problem_of(seen.error());
        if (!*seen) co_return problem_of(co_await looker_.which_run(given));
        co_return reply(200, preview_json(**seen));
    }

    static json::object preview_json(const runtime::Preview& seen) {
        json::array sends;
        for (const runtime::PreviewedTask& one : seen.sends)
            sends.push_back(
                json::object{{"step", one.step}, {"undo", one.undo}, {"task", one.task}});
        json::object out;
        out["dry_run"] = true;
        out["allowed"] = seen.refusal.empty();
        out["detail"] = seen.refusal.empty() ? json::value(nullptr) : json::value(seen.refusal);
        out["before"] = core::word_of(seen.before);
        out["after"] = core::word_of(seen.after);
        out["facts"] = facts_json(seen.facts);
        out["sends"] = std::move(sends);
        return out;
    }

    std::shared_ptr<const ApiParts> parts_;
    RunLooker looker_;
    WhyLook why_;
    RouteHandler start_;
    RouteHandler redrive_;
    std::map<std::string_view, RouteHandler> acts_; // of /api, by their words
};

} // namespace

void add_v1_run_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts,
                       const std::shared_ptr<HealthApi>& health) {
    V1Runs::add_routes(routes, std::make_shared<V1Runs>(routes, parts, health));
}

} // namespace baton::web
