#include "orchestrator/runtime/preview.hpp"

#include "orchestrator/core/fact.hpp"
#include "orchestrator/core/run_json.hpp"
#include "orchestrator/core/status.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <variant>

namespace baton::orchestrator::runtime {

namespace {

constexpr std::size_t preview_page_rows = 500;
// Of a run with more undos than this the first are told.
constexpr std::size_t undos_max = 1000;

Failure unreadable(const std::string& why) {
    return {make_error_code(StoreErrc::refused), "the run cannot be read: " + why};
}

std::vector<core::AttemptRef> note_sends(const std::vector<core::Fact>& facts, Preview& into) {
    std::vector<core::AttemptRef> undos;
    for (const core::Fact& fact : facts) {
        const auto* sent = std::get_if<core::fact::TaskDispatched>(&fact.body);
        if (sent == nullptr) continue;
        into.sends.push_back({sent->ref.step, sent->ref.undo, sent->order.route});
        if (sent->ref.undo) undos.push_back(sent->ref);
    }
    return undos;
}

} // namespace

Outcome<std::optional<core::Run>> read_run(RunQueries& queries, const core::Workflow& workflow,
                                           const std::string& run_id) {
    BATON_ASSIGN(const auto record, queries.record(run_id));
    if (!record) return std::optional<core::Run>{};
    const StoredRun& row = record->run;
    core::Run run = core::new_run(workflow, row.run_id);
    run.started_at = row.started_at;
    auto input = core::Document::parse_stored(row.input);
    if (!input) return unreadable(input.error().detail);
    run.input = *input;
    run.version = row.version;
    run.status = row.status;
    run.closed_at = row.closed_at;
    if (row.output)
        if (auto output = core::Document::parse_stored(*row.output)) run.output = *output;
    if (const auto read = core::read_state_json(row.state, workflow, run); !read)
        return unreadable(read.error().detail);
    while (run.version < row.version) {
        BATON_ASSIGN(const auto page,
                     queries.history_after(
                         run_id, run.version,
                         std::min<std::uint64_t>(preview_page_rows, row.version - run.version)));
        if (page.rows.empty()) return unreadable("its history ends before its row");
        for (const HistoryRow& one : page.rows) {
            const auto facts = core::facts_from_json(one.events);
            if (!facts) return unreadable(facts.error().detail);
            if (one.seq != run.version + 1 || !core::replay(workflow, run, *facts, one.at))
                return unreadable(
                    fmt::format("transition {} of its history does not fit", one.seq));
            run.version = one.seq;
        }
    }
    return std::optional(std::move(run));
}

Preview preview(const core::Workflow& workflow, core::Run run, const core::Event& event, Time now,
                const core::Gate& gate) {
    Preview seen;
    seen.before = run.status;
    const auto step = [&](const core::Event& one) {
        return core::advance(workflow, run, one, now, {}, core::evaluating_judge(), gate);
    };
    core::Transition first = step(event);
    seen.refusal = std::move(first.refusal);
    seen.after = run.status;
    if (!seen.refusal.empty()) return seen;
    auto undos = note_sends(first.facts, seen);
    seen.facts = std::move(first.facts);
    // One undo brings the next.
    while (!undos.empty() && seen.sends.size() < undos_max) {
        const core::AttemptRef ref = undos.back();
        undos.pop_back();
        const auto next = step(core::TaskCompleted{ref, {}});
        for (auto& one : note_sends(next.facts, seen))
            undos.push_back(std::move(one));
    }
    return seen;
}

} // namespace baton::orchestrator::runtime
