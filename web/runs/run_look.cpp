#include "web/runs/run_look.hpp"

#include "orchestrator/core/status.hpp"
#include "web/http/await_reply.hpp"
#include "web/runs/run_api.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace baton::web {

namespace core = orchestrator::core;
namespace runtime = orchestrator::runtime;
using boost::asio::awaitable;
using runtime::EngineErrc;
using runtime::RunQueries;

namespace {

constexpr std::chrono::milliseconds incident_limit{1'000};
// Shorter ones mean many runs; the store looks for none.
constexpr std::size_t id_prefix_min = 6;
constexpr std::size_t named_max = 10;
constexpr std::size_t known_max = 1000;

// As addresses without instances.
std::vector<std::string> step_paths(const core::Workflow& workflow) {
    std::vector<std::string> paths;
    for (const core::Step& step : workflow.steps)
        paths.push_back(step.path);
    return paths;
}

} // namespace

awaitable<Outcome<std::string>> RunLooker::full_id(std::string given) {
    if (is_run_id(given)) co_return given;
    const auto found = co_await row(given);
    if (!found) co_return found.error();
    co_return found->run_id;
}

awaitable<Outcome<runtime::StoredRun>> RunLooker::row(std::string given) {
    auto found = co_await parts_->reader->ask(
        [given](RunQueries& queries) { return queries.run_row(given); });
    if (!found) co_return found.error();
    if (!*found) co_return co_await which_run(given);
    co_return std::move(**found);
}

awaitable<Failure> RunLooker::which_run(std::string given) {
    runtime::RunFilter filter;
    filter.id_prefix = given;
    filter.limit = named_max + 1;
    auto found = co_await parts_->reader->ask(
        [filter](RunQueries& queries) { return queries.runs(filter); });
    if (!found) co_return found.error();
    const auto unknown = make_error_code(EngineErrc::unknown_run);
    if (given.size() < id_prefix_min)
        co_return Failure{
            unknown,
            fmt::format("'{}' is too short for the beginning of an id; give at least {} characters",
                        given, id_prefix_min)};
    if (found->size() < 2)
        co_return Failure{unknown, "no run '" + given + "'; baton runs lists them"};
    std::string all;
    for (std::size_t i = 0; i < found->size() && i < named_max; ++i) {
        const auto& run = (*found)[i];
        all += fmt::format("\n  {}  {} {}, started {}", run.run_id, run.workflow,
                           core::word_of(run.status), to_rfc3339(run.started_at));
    }
    if (found->size() > named_max) all += "\n  and more";
    co_return Failure{unknown, fmt::format("several runs begin with '{}':{}", given, all)};
}

awaitable<Outcome<runtime::RunDetails>> RunLooker::details(std::string given) {
    auto found =
        co_await parts_->reader->ask([given](RunQueries& queries) { return queries.run(given); });
    if (!found) co_return found.error();
    if (!*found) co_return co_await which_run(given);
    co_return std::move(**found);
}

awaitable<Outcome<void>> RunLooker::read_history(const runtime::StoredRun& run, HearRows hear) {
    for (std::uint64_t after = 0, last = run.version; after < last;) {
        const auto page =
            co_await parts_->reader->ask([id = run.run_id, after, last](RunQueries& queries) {
                return queries.history_after(id, after,
                                             std::min<std::uint64_t>(list_limit_max, last - after));
            });
        if (!page) co_return page.error();
        if (page->rows.empty()) break;
        hear(page->rows);
        after = page->rows.back().seq;
    }
    co_return boost::system::in_place_value;
}

awaitable<Outcome<ToldRun>> RunLooker::tell(std::string given) {
    auto found = co_await details(given);
    if (!found) co_return found.error();
    ToldRun told;
    told.details = std::move(*found);
    core::RunStory story;
    const auto heard =
        co_await read_history(told.details.run, [&](std::span<const runtime::HistoryRow> rows) {
            for (const runtime::HistoryRow& row : rows)
                if (const auto facts = core::facts_from_json(row.events)) story.add(*facts, row.at);
        });
    if (!heard) co_return heard.error();
    if (core::is_closed(told.details.run.status)) story.close();
    told.pause = story.pause();
    told.awaits = story.awaits();
    told.workflow = co_await workflow_of(told.details.run);
    told.steps = story.take(told.workflow ? step_paths(*told.workflow) : std::vector<std::string>{});
    co_return told;
}

awaitable<std::vector<std::string>> RunLooker::paths_of(const runtime::StoredRun& run) {
    const auto workflow = co_await workflow_of(run);
    co_return workflow ? step_paths(*workflow) : std::vector<std::string>{};
}

awaitable<std::shared_ptr<const core::Workflow>>
RunLooker::workflow_of(const runtime::StoredRun& run) {
    if (!parts_->compile) co_return nullptr;
    const auto id = run.definition_id;
    if (const auto known = workflows_.find(id); known != workflows_.end()) co_return known->second;
    // On the reader's thread: a large file takes a moment.
    const auto compiled = co_await parts_->reader->ask(
        [name = run.workflow, id, compile = parts_->compile](
            RunQueries& queries) -> Outcome<std::shared_ptr<const core::Workflow>> {
            BATON_ASSIGN(const auto versions, queries.definitions(name));
            for (const auto& one : versions)
                if (one.definition_id == id) {
                    auto workflow = compile(one.source, one.file_name);
                    if (!workflow) return std::shared_ptr<const core::Workflow>{};
                    (*workflow)->definition_id = id;
                    (*workflow)->version = one.version;
                    return std::shared_ptr<const core::Workflow>(std::move(*workflow));
                }
            return std::shared_ptr<const core::Workflow>{};
        });
    if (!compiled) co_return nullptr;
    if (workflows_.size() >= known_max) workflows_.clear();
    co_return workflows_[id] = *compiled;
}

awaitable<std::string> RunLooker::incident_of(std::string run_id) {
    const auto found = co_await await_reply<Outcome<std::vector<runtime::Incident>>>(
        incident_limit,
        [this, &run_id](auto callback) { parts_->engine->incidents(run_id, callback); });
    const bool is_told = found && *found && !(*found)->empty();
    co_return is_told ? (*found)->front().reason : std::string{};
}

} // namespace baton::web
