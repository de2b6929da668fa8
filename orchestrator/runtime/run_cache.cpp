// A list in order of use and an index into it.
#include "orchestrator/runtime/run_cache.hpp"

#include <algorithm>

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
    order_.front().memory = 0;
    weigh(order_.front());
    return order_.front();
}

void RunCache::erase(const std::string& run_id) {
    const auto found = by_id_.find(run_id);
    if (found == by_id_.end()) return;
    const auto at = found->second;
    by_id_.erase(found); // before the string its key looks at
    memory_ -= at->memory;
    order_.erase(at);
}

void RunCache::weigh(CachedRun& cached) {
    memory_ -= cached.memory;
    cached.memory = sizeof(CachedRun) + core::size_of(cached.run).memory;
    memory_ += cached.memory;
}

void RunCache::erase_partition(Partition part) {
    for (auto at = order_.begin(); at != order_.end();) {
        const auto next = std::next(at);
        if (at->part == part) {
            by_id_.erase(at->run.id);
            memory_ -= at->memory;
            order_.erase(at);
        }
        at = next;
    }
}

void RunCache::trim(std::size_t reserved) {
    const std::size_t memory_max = memory_max_ - std::min(reserved, memory_max_);
    while (!order_.empty() && (by_id_.size() > runs_max_ || memory_ > memory_max)) {
        by_id_.erase(order_.back().run.id);
        memory_ -= order_.back().memory;
        order_.pop_back();
    }
}

void RunCache::clear() {
    by_id_.clear();
    order_.clear();
    memory_ = 0;
}

} // namespace baton::orchestrator::runtime
