#include "web/v1/open_waits.hpp"

#include "orchestrator/core/status.hpp"
#include "orchestrator/runtime/run_query.hpp"
#include "web/v1/input_form.hpp"
#include "web/v1/listing.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <set>
#include <utility>

namespace baton::web {

namespace json = boost::json;
namespace runtime = orchestrator::runtime;
using boost::asio::awaitable;
using orchestrator::core::StepStory;
using runtime::RunQueries;

namespace {

// Beyond so many open runs of workflows that wait, the oldest are left out, and the answer says so.
constexpr std::size_t looked_at_max = 2'000;
constexpr std::array<std::string_view, 4> wait_kinds{"signal", "event", "approval", "first_of"};

std::optional<OpenWait> wait_of(const runtime::StoredRun& run, const StepStory& step) {
    if (step.status != "sleeping" && step.status != "running") return std::nullopt;
    OpenWait wait{run.run_id, run.workflow, step.step, "timer", {}, step.started_at, step.until};
    if (const auto* wanted = step.waits_for.json().if_object()) {
        const auto kind = std::ranges::find_if(
            wait_kinds, [&](std::string_view one) { return wanted->contains(one); });
        if (kind == wait_kinds.end()) return std::nullopt; // for a run of its own
        wait.kind = *kind;
        wait.wanted = *wanted;
    } else if (step.status != "sleeping" || !step.waits_for.is_null()) {
        return std::nullopt;
    }
    return wait;
}

} // namespace

const json::object* approval_in(const OpenWait& wait) {
    const auto object_in = [](const json::object& one) -> const json::object* {
        const auto* approval = one.if_contains("approval");
        return approval == nullptr ? nullptr : approval->if_object();
    };
    if (const auto* found = object_in(wait.wanted)) return found;
    const auto* ways = wait.wanted.if_contains("first_of");
    if (ways == nullptr || !ways->is_array()) return nullptr;
    for (const json::value& way : ways->get_array())
        if (way.is_object())
            if (const auto* found = object_in(way.get_object())) return found;
    return nullptr;
}

awaitable<Outcome<OpenWaitList>> OpenWaits::look(std::vector<std::string> words) {
    const auto open = co_await open_runs(std::move(words));
    if (!open) co_return open.error();
    OpenWaitList list;
    list.is_whole = open->is_whole;
    for (const runtime::StoredRun& run : open->runs) {
        auto waits = co_await waits_of(run);
        if (!waits) co_return waits.error();
        std::ranges::move(*waits, std::back_inserter(list.waits));
    }
    co_return list;
}

awaitable<Outcome<OpenWaits::Runs>> OpenWaits::open_runs(std::vector<std::string> words) {
    co_return co_await parts_->reader->ask(
        [words = std::move(words)](RunQueries& queries) -> Outcome<Runs> {
            BATON_ASSIGN(const auto counts, queries.counts());
            std::set<std::string> names;
            for (const auto& one : counts)
                if (!orchestrator::core::is_closed(one.status)) names.insert(one.workflow);
            Runs found;
            for (const std::string& name : names) {
                BATON_ASSIGN(const auto versions, queries.definitions(name));
                const bool waits = std::ranges::any_of(versions, [&](const auto& one) {
                    return std::ranges::any_of(words, [&](const std::string& word) {
                        return one.source.find(word) != std::string::npos;
                    });
                });
                if (!waits) continue;
                runtime::RunSearch search;
                search.workflows = {{name, false}};
                search.statuses = {runtime::RunStatus::running, runtime::RunStatus::paused,
                                   runtime::RunStatus::compensating};
                std::string from;
                while (true) {
                    if (found.runs.size() >= looked_at_max) {
                        found.is_whole = false;
                        return found;
                    }
                    BATON_ASSIGN(auto page, queries.search(search, from, page_size_max));
                    std::ranges::move(page.runs, std::back_inserter(found.runs));
                    if (!page.next) break;
                    from = *page.next;
                }
            }
            return found;
        });
}

awaitable<Outcome<std::vector<OpenWait>>> OpenWaits::waits_of(const runtime::StoredRun& run) {
    if (const auto known = seen_.find(run.run_id);
        known != seen_.end() && known->second.version == run.version)
        co_return known->second.waits;
    const auto told = co_await looker_.tell(run.run_id);
    if (!told) {
        // It has been removed meanwhile.
        if (told.error().code == make_error_code(runtime::EngineErrc::unknown_run))
            co_return std::vector<OpenWait>{};
        co_return told.error();
    }
    // Runs that ended are forgotten with the others; each is looked at again when it is asked for.
    if (seen_.size() > 2 * looked_at_max) seen_.clear();
    Seen& seen = seen_[run.run_id];
    seen = {told->details.run.version, {}};
    for (const StepStory& step : told->steps)
        if (auto one = wait_of(told->details.run, step)) {
            if (told->workflow) one->form = approval_form(*told->workflow, one->step);
            seen.waits.push_back(std::move(*one));
        }
    co_return seen.waits;
}

} // namespace baton::web
