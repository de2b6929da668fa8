#include "web/metrics/store_figures.hpp"

namespace baton::web {

namespace {

constexpr std::chrono::steady_clock::duration pause_min = std::chrono::seconds(15);
constexpr int share = 20; // of the time at least so much is pause for each part of work
constexpr std::size_t figure_groups_max = 1000;

} // namespace

boost::asio::awaitable<void> StoreFigures::refresh() {
    using orchestrator::runtime::DeadLetterState;
    using orchestrator::runtime::RunQueries;
    const auto began = std::chrono::steady_clock::now();
    if (is_asking_ || began < next_) co_return;
    is_asking_ = true;
    auto runs = co_await reader_.ask([](RunQueries& queries) { return queries.counts(); });
    if (runs) runs_ = std::move(*runs);
    auto groups = co_await reader_.ask(
        [](RunQueries& queries) { return queries.dead_groups(DeadLetterState::open, figure_groups_max); });
    if (groups) {
        dead_.clear();
        for (const auto& group : *groups) dead_[{group.example.task, group.example.reason}] += group.count;
    }
    const auto ended = std::chrono::steady_clock::now();
    next_ = ended + std::max(pause_min, (ended - began) * share);
    is_asking_ = false;
}

} // namespace baton::web
