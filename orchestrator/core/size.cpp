// How much a run may hold. A step that would pass the limit fails, as for any other reason, and what it
// did is still undone; nothing here keeps a run from ending.
#include "orchestrator/core/advancing.hpp"

#include <fmt/format.h>

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

bool Advancing::fits(const Document& more, std::size_t copies) {
    if (!held_) held_ = size_of(run_).text;
    return more.is_null() || *held_ + copies * more.text().size() <= limits_.text_bytes;
}

// True: the run holds it from now on.
bool Advancing::take(const Document& more) {
    if (!fits(more)) return false;
    if (!more.is_null()) *held_ += more.text().size();
    return true;
}

Problem Advancing::too_large(const Document& more) {
    if (!held_) held_ = size_of(run_).text;
    return too_large_problem(fmt::format(
        "the run holds {} of results already and this would add {}, more than the {} a run may hold "
        "(orchestrator.run_mib_max); keep large data elsewhere and hand on where it is",
        size_text(*held_), size_text(more.text().size()), size_text(limits_.text_bytes)));
}

Problem Advancing::too_much_given() const {
    return too_large_problem(fmt::format(
        "the tasks that begin together are given {}, more than the {} a run may hold "
        "(orchestrator.run_mib_max); keep large data elsewhere and hand on where it is",
        size_text(given_), size_text(limits_.text_bytes)));
}

// An error is kept up to three times: at its step, in the run's own and in the cause. What a worker put
// beside its reason goes where there is no room for it.
Problem Advancing::fitting(Problem problem) {
    if (fits(problem.data, 3)) return problem;
    problem.detail += fmt::format("{}(its data, {}, is left out: the run holds too much)",
                                  problem.detail.empty() ? "" : " ",
                                  size_text(problem.data.text().size()));
    problem.data = {};
    return problem;
}

// The result of something that happened and may have to be undone. Where it is too large to be kept,
// what the undo will be given is worked out now, while the result is there.
void Advancing::keep_effect(StepIndex index, const Document& result) {
    if (!step(index).compensate) return;
    StepState& one = state(index);
    if (take(result)) {
        one.effect = result;
        return;
    }
    one.effect = result;
    const TaskCall& undo = call_of(index, true);
    const auto given = undo.with ? fill(*undo.with, scope_of(index, true), "with")
                                 : Evaluated<Document>(Document::of(boost::json::object{}));
    one.effect = {};
    if (given && given->text().size() <= undo_input_bytes_max) one.undo_input = *given;
}

} // namespace baton::orchestrator::core
