// See held_tasks.hpp.
#include "orchestrator/runtime/held_tasks.hpp"

#include <algorithm>
#include <utility>

namespace baton::orchestrator::runtime {

namespace {
// The next try is under way, or waits behind others.
constexpr Duration answer_patience = std::chrono::minutes(2);
// What is held only a little longer is no news to anybody.
constexpr Duration news_min = std::chrono::milliseconds(500);
} // namespace

bool HeldTasks::hold(HeldTask held) {
    const std::lock_guard lock(mutex_);
    HeldTask& place = held_[held.task];
    const bool is_known = !place.task.empty();
    const bool is_news = !is_known || held.until >= place.until + news_min;
    if (is_known) {
        held.since = place.since;
        held.until = std::max(held.until, place.until);
    }
    place = std::move(held);
    return is_news;
}

void HeldTasks::release(const std::string& task) {
    const std::lock_guard lock(mutex_);
    held_.erase(task);
}

std::vector<HeldTask> HeldTasks::list(Time now) const {
    std::vector<HeldTask> all;
    const std::lock_guard lock(mutex_);
    for (const auto& [task, held] : held_)
        if (now < held.until + answer_patience) all.push_back(held);
    return all;
}

} // namespace baton::orchestrator::runtime
