// A list in order of use and an index into it.
#include "orchestrator/runtime/run_cache.hpp"

namespace baton::orchestrator::runtime {

CachedRun* RunCache::find(const std::string& run_id) {
    const auto found = by_id_.find(run_id);
    if (found == by_id_.end()) return nullptr;
    order_.splice(order_.begin(), order_, found->second);
    return &*found->second;
}

CachedRun& RunCache::insert(CachedRun run) {
    erase(run.run.id);
    order_.push_front(std::move(run));
    by_id_.emplace(order_.front().run.id, order_.begin());
    return order_.front();
}

void RunCache::erase(const std::string& run_id) {
    const auto found = by_id_.find(run_id);
    if (found == by_id_.end()) return;
    const auto at = found->second;
    by_id_.erase(found); // before the string its key looks at
    order_.erase(at);
}

void RunCache::erase_partition(Partition part) {
    for (auto at = order_.begin(); at != order_.end();) {
        const auto next = std::next(at);
        if (at->part == part) {
            by_id_.erase(at->run.id);
            order_.erase(at);
        }
        at = next;
    }
}

void RunCache::trim() {
    while (by_id_.size() > runs_max_) {
        by_id_.erase(order_.back().run.id);
        order_.pop_back();
    }
}

void RunCache::clear() {
    by_id_.clear();
    order_.clear();
}

} // namespace baton::orchestrator::runtime
