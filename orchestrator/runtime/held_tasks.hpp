// Which task types no worker can try at the moment, because their target does not let them: the key is
// wrong, or it asked to come back later. In memory only: the runs themselves know when they are tried
// again. Any thread.
#pragma once

#include "base/clock.hpp"

#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace baton::orchestrator::runtime {

struct HeldTask {
    std::string task;   // the route: "redmine.create_user"
    std::string reason; // "unauthorized: Redmine does not accept the API key (401)"
    std::string worker; // who said so; may be empty
    Time since;
    Time until;         // when it is tried again
};

class HeldTasks {
public:
    // Whether that is news: nobody knew it, or it lasts longer now.
    bool hold(HeldTask held);
    // Somebody could try it.
    void release(const std::string& task);
    // Sorted by task; without those that nobody confirmed for a while after their time.
    std::vector<HeldTask> list(Time now) const;

private:
    mutable std::mutex mutex_;
    std::map<std::string, HeldTask, std::less<>> held_;
};

} // namespace baton::orchestrator::runtime
