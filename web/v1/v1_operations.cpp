// Bulk acts under /baton/v1: over runs that a query finds, and over dead letters that a filter
// finds. Both are jobs of the server that survive a restart; here they are one list, and one can be
// asked for on trial.
#include "base/clock.hpp"
#include "base/utf8.hpp"
#include "orchestrator/core/status.hpp"
#include "orchestrator/runtime/dead_job.hpp"
#include "orchestrator/runtime/repair.hpp"
#include "orchestrator/runtime/run_job.hpp"
#include "orchestrator/runtime/run_query.hpp"
#include "web/http/query.hpp"
#include "web/http/replies.hpp"
#include "web/runs/run_api.hpp"
#include "web/runs/run_view.hpp"
#include "web/v1/dead_count.hpp"
#include "web/v1/listing.hpp"
#include "web/v1/v1_api.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <algorithm>
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

constexpr std::size_t operation_samples_max = 20;
constexpr std::size_t shown_max = 1000;
// So many letters a change is tried on, before anybody says yes.
constexpr std::size_t tried_at_once = 500;
constexpr std::size_t tried_max = 5000;
constexpr std::string_view runs_prefix = "runs-";
constexpr std::string_view dead_prefix = "dead-";

json::object operation_json(const runtime::RunJob& job) {
    json::object out = run_job_json(job);
    out["id"] = fmt::format("{}{}", runs_prefix, job.id);
    out["kind"] = "runs";
    return out;
}

json::object operation_json(const runtime::DeadJob& job) {
    json::object out = dead_job_json(job);
    out.erase("job");
    out["id"] = fmt::format("{}{}", dead_prefix, job.id);
    out["kind"] = "dead";
    out["total_is_exact"] = true;
    return out;
}

// Which job an id names.
struct Named {
    bool is_dead = false;
    std::uint64_t number = 0;
};
std::optional<Named> named(std::string_view id) {
    const bool is_dead = id.starts_with(dead_prefix);
    if (!is_dead && !id.starts_with(runs_prefix)) return std::nullopt;
    const auto number =
        number_from<std::uint64_t>(id.substr((is_dead ? dead_prefix : runs_prefix).size()));
    if (!number) return std::nullopt;
    return Named{is_dead, *number};
}

Response no_operation(std::string_view id) {
    return problem(404, "not_found", fmt::format("no operation '{}'", as_utf8(id)));
}

class V1Operations {
public:
    V1Operations(Routes& routes, std::shared_ptr<const ApiParts> parts)
        : parts_(std::move(parts)),
          start_runs_(routes.handler_of("POST", "/api/jobs")),
          stop_runs_(routes.handler_of("POST", "/api/jobs/{job}/cancel")),
          start_dead_(routes.handler_of("POST", "/api/dead/jobs")),
          stop_dead_(routes.handler_of("POST", "/api/dead/jobs/{job}/cancel")) {}

    static void add_routes(Routes& routes, const std::shared_ptr<V1Operations>& self) {
        const RouteAdder<V1Operations> add(routes, self);
        add("GET", "/baton/v1/operations", Level::viewer, &V1Operations::list,
            {"limit", "after", "count"});
        add("POST", "/baton/v1/operations", Level::operating, &V1Operations::start);
        add("GET", "/baton/v1/operations/{operation}", Level::viewer, &V1Operations::show);
        add("POST", "/baton/v1/operations/{operation}/stop", Level::operating, &V1Operations::stop);
    }

private:
    awaitable<Response> list(Request request, Parameters) {
        const auto wish = page_wish(request);
        if (!wish) co_return problem(400, "bad_request", wish.error().detail);
        const auto runs = co_await parts_->reader->ask(
            [](RunQueries& queries) { return queries.run_jobs(std::nullopt, shown_max); });
        if (!runs) co_return problem_of(runs.error());
        const auto dead = co_await parts_->reader->ask(
            [](RunQueries& queries) { return queries.dead_jobs(std::nullopt, shown_max); });
        if (!dead) co_return problem_of(dead.error());
        // Both are newest first.
        json::array all;
        auto run = runs->begin();
        auto letter = dead->begin();
        while (run != runs->end() || letter != dead->end()) {
            const bool takes_run =
                letter == dead->end() || (run != runs->end() && run->at >= letter->at);
            if (takes_run)
                all.push_back(operation_json(*run++));
            else
                all.push_back(operation_json(*letter++));
        }
        co_return page_of(*wish, std::move(all));
    }

    awaitable<Response> show(Request, Parameters parameters) {
        const auto& id = parameters.at("operation");
        const auto asked = named(id);
        if (!asked) co_return no_operation(id);
        if (asked->is_dead) {
            const auto found =
                co_await parts_->reader->ask([number = asked->number](RunQueries& queries) {
                    return queries.dead_jobs(number, 1);
                });
            if (!found) co_return problem_of(found.error());
            co_return found->empty() ? no_operation(id)
                                     : reply(200, operation_json(found->front()));
        }
        const auto found = co_await parts_->reader->ask(
            [number = asked->number](RunQueries& queries) { return queries.run_jobs(number, 1); });
        if (!found) co_return problem_of(found.error());
        co_return found->empty() ? no_operation(id) : reply(200, operation_json(found->front()));
    }

    awaitable<Response> start(Request request, Parameters) {
        auto body = body_of(request);
        if (!body) co_return problem(400, "bad_request", body.error().detail);
        const std::string kind = text_member(*body, "kind");
        if (kind != "runs" && kind != "dead")
            co_return problem(400, "bad_request",
                              "'kind' must be \"runs\" or \"dead\": what is acted upon");
        const auto* wish = body->if_contains("dry_run");
        if (wish != nullptr && !wish->is_bool())
            co_return problem(400, "bad_request", "'dry_run' must be true or false");
        const bool is_trial = wish != nullptr && wish->get_bool();
        body->erase("kind");
        body->erase("dry_run");
        if (is_trial)
            co_return kind == "dead" ? co_await try_dead(*body, as_utf8(request.login.user))
                                     : co_await try_runs(*body, as_utf8(request.login.user));
        request.body = json::serialize(*body);
        Response answer =
            co_await (kind == "dead" ? start_dead_ : start_runs_)(std::move(request), {});
        co_return answer.status == 200 ? renamed(std::move(answer), kind) : std::move(answer);
    }

    awaitable<Response> stop(Request request, Parameters parameters) {
        const auto& id = parameters.at("operation");
        const auto asked = named(id);
        if (!asked) co_return no_operation(id);
        Response answer = co_await (asked->is_dead ? stop_dead_ : stop_runs_)(
            std::move(request), {{"job", std::to_string(asked->number)}});
        co_return answer.status == 200
            ? renamed(std::move(answer), asked->is_dead ? "dead" : "runs")
            : std::move(answer);
    }

    // The answer of the /api route, as an operation.
    static Response renamed(Response answer, std::string_view kind) {
        auto body = parse_json(answer.body);
        if (!body || !body->is_object()) return answer;
        json::object& one = body->get_object();
        const auto* number = one.if_contains(kind == "dead" ? "job" : "id");
        if (number == nullptr) return answer;
        const auto id = json::serialize(*number);
        one.erase("job");
        one["id"] = fmt::format("{}-{}", kind, id);
        one["kind"] = kind;
        if (kind == "dead") one["total_is_exact"] = true;
        return reply(200, one);
    }

    awaitable<Response> try_runs(json::object body, std::string actor) {
        const auto job = run_job_of(body, std::move(actor));
        if (!job) co_return problem(400, "bad_request", job.error().detail);
        const auto search = runtime::parse_run_query(job->query, SystemClock().now());
        if (!search) co_return problem(400, "bad_query", "q, " + search.error().detail);
        const auto page = co_await parts_->reader->ask([search = *search](RunQueries& queries) {
            return queries.search(search, {}, operation_samples_max);
        });
        if (!page) co_return problem_of(page.error());
        const auto counted = co_await parts_->reader->ask(
            [search = *search](RunQueries& queries) { return queries.totals(search); });
        if (!counted) co_return problem_of(counted.error());
        json::array samples;
        for (const auto& run : page->runs)
            samples.push_back(found_summary(run));
        std::uint64_t sum = 0;
        for (const auto& [status, count] : counted->by_status)
            sum += count;
        co_return reply(200, trial_json(std::move(samples), Counted{sum, counted->is_exact}));
    }

    awaitable<Response> try_dead(json::object body, std::string actor) {
        const auto job = dead_job_of(body, std::move(actor));
        if (!job) co_return problem(400, "bad_request", job.error().detail);
        auto filter = job->filter;
        filter.limit = operation_samples_max;
        const auto found = co_await parts_->reader->ask(
            [filter](RunQueries& queries) { return queries.dead_letters(filter); });
        if (!found) co_return problem_of(found.error());
        const auto counted = co_await parts_->reader->ask(
            [filter](RunQueries& queries) { return count_dead(queries, filter); });
        if (!counted) co_return problem_of(counted.error());
        json::array samples;
        for (const auto& letter : *found)
            samples.push_back(mended_json(letter, job->edit));
        json::object out = trial_json(std::move(samples), *counted);
        if (!job->edit.empty()) {
            const auto fits =
                co_await parts_->reader->ask([filter, edit = job->edit](RunQueries& queries) {
                    return fit(queries, filter, edit);
                });
            if (!fits) co_return problem_of(fits.error());
            out["fit"] = fits->fit;
            out["unfit"] = fits->unfit;
            out["fit_is_exact"] = fits->is_exact;
        }
        co_return reply(200, out);
    }

    // A letter, and where its job changes inputs what this one becomes; null: it does not fit.
    static json::object mended_json(const runtime::DeadLetter& letter, const std::string& edit) {
        json::object out = dead_letter_json(letter);
        if (edit.empty()) return out;
        const auto after = input_after(letter, from_text(edit));
        out["mended"] = after ? *after : json::value(nullptr);
        out["fits"] = after.has_value();
        return out;
    }

    static std::optional<json::value> input_after(const runtime::DeadLetter& letter,
                                                  const json::value& changes) {
        if (letter.run_id.empty() || letter.step.empty()) return std::nullopt;
        return runtime::mended(from_text(letter.input), changes);
    }

    struct Fits {
        std::uint64_t fit = 0;
        std::uint64_t unfit = 0;
        bool is_exact = true;
    };
    static Outcome<Fits> fit(RunQueries& queries, runtime::DeadLetterFilter filter,
                             const std::string& edit) {
        const json::value changes = from_text(edit);
        Fits fits;
        for (filter.limit = tried_at_once; fits.fit + fits.unfit < tried_max;) {
            BATON_ASSIGN(const auto page, queries.dead_letters(filter));
            for (const auto& letter : page)
                ++(input_after(letter, changes) ? fits.fit : fits.unfit);
            if (page.size() < tried_at_once) return fits;
            filter.before_id = page.back().id;
        }
        fits.is_exact = false;
        return fits;
    }

    static json::object trial_json(json::array samples, const Counted& counted) {
        json::object out;
        out["dry_run"] = true;
        out["count"] = counted.count;
        out["count_is_exact"] = counted.is_exact;
        out["samples"] = std::move(samples);
        return out;
    }

    std::shared_ptr<const ApiParts> parts_;
    RouteHandler start_runs_;
    RouteHandler stop_runs_;
    RouteHandler start_dead_;
    RouteHandler stop_dead_;
};

} // namespace

void add_v1_operation_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts) {
    V1Operations::add_routes(routes, std::make_shared<V1Operations>(routes, parts));
}

} // namespace baton::web
