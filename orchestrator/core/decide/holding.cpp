// How much a run may hold. A step that would pass the limit fails, as for any other reason, and what it
// did is still undone; nothing here keeps a run from ending.
#include "orchestrator/core/decide/decider.hpp"

#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <utility>

namespace baton::orchestrator::core {
namespace {

// What an undo is given is a name or a number; this is kept beyond the limit, so that a result that was
// too large does not leave its effect behind.
constexpr std::size_t undo_input_bytes_max = 64 * 1024;

std::string size_text(std::size_t bytes) {
    if (bytes < 1024 * 1024) return fmt::format("{} bytes", bytes);
    return fmt::format("{}.{} MiB", bytes >> 20, (bytes & 0xfffff) * 10 >> 20);
}

Problem too_large_problem(std::string detail) {
    Problem problem;
    problem.type = too_large_type;
    problem.title = "too much data for one run";
    problem.detail = std::move(detail);
    problem.retryable = false;
    return problem;
}

} // namespace

bool Decider::fits(const Document& more, std::size_t copies) const {
    return more.is_null() || run().text + copies * more.text().size() <= limits_.text_bytes;
}

Problem Decider::too_large(const Document& more) const {
    return too_large_problem(fmt::format(
        "the run holds {} of results already and this would add {}, more than the {} a run may hold "
        "(orchestrator.run_mib_max); keep large data elsewhere and hand on where it is",
        size_text(run().text), size_text(more.text().size()), size_text(limits_.text_bytes)));
}

Problem Decider::too_much_given() const {
    return too_large_problem(fmt::format(
        "the tasks that begin together are given {}, more than the {} a run may hold "
        "(orchestrator.run_mib_max); keep large data elsewhere and hand on where it is",
        size_text(given_), size_text(limits_.text_bytes)));
}

// An error is kept up to three times: at its step, in the run's own and in the cause. What a worker put
// beside its reason goes where there is no room for it.
Problem Decider::fitting(Problem problem) const {
    if (fits(problem.data, 3)) return problem;
    problem.detail += fmt::format("{}(its data, {}, is left out: the run holds too much)",
                                  problem.detail.empty() ? "" : " ",
                                  size_text(problem.data.text().size()));
    problem.data = {};
    return problem;
}

// The result of something that happened and may have to be undone. Where it is too large to be kept,
// what the undo will be given is worked out now, while the result is there.
void Decider::keep_effect(Place place, const Document& result) {
    if (!step(place).compensate) return;
    if (fits(result)) return note(fact::EffectKept{address(place), result});
    Reading names = reading_of(place, true);
    names.effect = &result;
    const TaskCall& undo = call(place, true);
    auto given = undo.with ? judge_.fill(*undo.with, names, "with")
                           : Evaluated<Document>(Document::of(boost::json::object{}));
    fact::EffectKept kept{address(place)};
    if (given && given->text().size() <= undo_input_bytes_max) kept.undo_input = *given;
    note(std::move(kept));
}

} // namespace baton::orchestrator::core
