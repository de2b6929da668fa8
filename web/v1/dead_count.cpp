#include "web/v1/dead_count.hpp"

#include "orchestrator/runtime/dead_job.hpp"

namespace baton::web {

namespace runtime = orchestrator::runtime;

namespace {

constexpr std::size_t count_groups_max = 1000;
// Letters carry what their tasks were given: more of them are not read only to be counted.
constexpr std::size_t letters_max = 500;

} // namespace

Outcome<Counted> count_dead(runtime::RunQueries& queries, runtime::DeadLetterFilter filter) {
    runtime::DeadLetterFilter others = filter;
    others.cause.clear();
    if (runtime::is_empty(others)) {
        BATON_ASSIGN(const auto groups, queries.dead_groups(filter.state, count_groups_max));
        Counted sum{0, groups.size() < count_groups_max};
        for (const auto& group : groups)
            if (filter.cause.empty() || group.cause == filter.cause) sum.count += group.count;
        return sum;
    }
    filter.before_id = UINT64_MAX;
    filter.limit = letters_max + 1;
    BATON_ASSIGN(const auto letters, queries.dead_letters(filter));
    if (letters.size() > letters_max) return Counted{letters_max, false};
    return Counted{letters.size(), true};
}

} // namespace baton::web
