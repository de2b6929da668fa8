// Joins.
#include "orchestrator/core/decide/join.hpp"

#include "base/assert.hpp"

namespace baton::orchestrator::core {
namespace {

// Nobody can make the step start any more: because all were skipped, or because one failed.
Turn never(const Tally& tally) {
    return tally.failed == 0 && tally.done == 0 ? Turn::skip : Turn::block;
}

// At least `needed` of them are done. A step that was passed over wins no race against one that still
// runs; it counts when nobody else is left.
Turn race(const Tally& tally, std::uint32_t needed) {
    if (tally.done >= needed) return Turn::start;
    if (tally.done + tally.passed + tally.open < needed) return never(tally);
    return tally.open > 0 ? Turn::wait : Turn::start;
}

} // namespace

Turn turn_after(const Step& step, const Tally& before) {
    if (step.predecessors.empty()) return Turn::start;
    const bool only_skipped =
        before.open == 0 && before.done == 0 && before.passed == 0 && before.failed == 0;
    switch (step.join) {
    case Join::all:
        if (before.failed > 0) return Turn::block;
        if (before.open > 0) return Turn::wait;
        return only_skipped ? Turn::skip : Turn::start;
    case Join::any:
        return race(before, 1);
    case Join::done:
        if (before.open > 0) return Turn::wait;
        return only_skipped ? Turn::skip : Turn::start;
    case Join::count:
        return race(before, step.join_count);
    }
    BATON_UNREACHABLE("a join is one of four");
}

} // namespace baton::orchestrator::core
